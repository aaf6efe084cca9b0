"""Packs leave on their day, once, with the rights of their org unit, and say when they are late."""

import csv
import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

import app as program
from connectors import deliver, packs, schedule
from connectors.lease import Fenced, Lease
from ioc import packs as words
from ioc.errors import ConfigError, Forbidden, IocError
from ioc.packs import Pack
from ioc.period import LOCAL
from ioc.settings import Settings
from kpi import audit, doctor, editions, health
from layouts import admin, paper, theme
from layouts import pack as drawing
from layouts.web import exports
from tests.certificates import Authority
from tests.test_pages import Reader
from tests.worlds import (
    DOSSIERS,
    MEETINGS,
    STAFF,
    World,
    dossiers,
    rows,
    share,
)

pytest_plugins = ["tests.worlds"]
MEET = "meetings_department_paperless meetings_department_total"
WEEKLY = Pack("tuan", "Gói số liệu tuần", mail=("chu.tich@example.vn", "vp@example.vn"))
STP = "department-STP-2025-07-01"
MONDAY = datetime(2026, 11, 23, 6, 30, tzinfo=LOCAL)


@pytest.fixture
def lived(world: World) -> World:
    """A Sunday morning, with outcomes and a live figure."""
    forget(world)
    world.live().forward(minutes=5)
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3))
    world.poll(MEETINGS, share(MEET, "SNV25", "2025-12", 45, 50))
    world.poll(STAFF, share("staff_with_computer staff_professional", "SNV25", "2026-09", 8, 10))
    world.forward(minutes=5)
    return world


def forget(world: World) -> None:
    with world.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM pack_edition")
        connection.exec_driver_sql("DELETE FROM pack_delivery")


@pytest.fixture
def clock(lived: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Every part of the product reads the world's clock."""
    for module in (
        "kpi.editions",
        "layouts.web.api",
        "connectors.packs",
        "kpi.answer",
        "app",
        "layouts.web.exports",
    ):
        monkeypatch.setattr(f"{module}.right_now", lambda: lived.now, raising=False)
    return lived


def drawn(
    world: World, pack: Pack = WEEKLY, *, slot: datetime | None = MONDAY, **more: Any
) -> drawing.Drawn:
    at = world.store.seal(world.now)
    said = {"slot": slot, "made_at": world.now, "since": None} | more
    world.forward(seconds=1)
    return drawing.draw(world.store, pack, at, **said)


class Desk(packs.Desk):
    """Packs drawn here and now, without a program of their own."""

    def __init__(self, world: World, settings: Settings, *known: Pack):
        self.made: list[int] = []
        self.store = world.store
        super().__init__(known or (WEEKLY,), settings, self._here)

    def _here(self, name: str, number: int) -> str:
        pack = next(one for one in self.packs if one.name == name)
        self.made.append(number)

        def draw(at: Any, found: Any, since: Any, now: Any) -> dict[str, bytes]:
            return drawing.draw(
                self.store, pack, at, slot=found.slot, made_at=now, since=since
            ).files

        editions.make(self.store, pack, number, self.settings.data, draw)
        return ""


def settings_of(tmp_path: Path, **more: Any) -> Settings:
    return Settings(data=tmp_path, **more)


# --- when ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "slot", "following"),
    [
        ("2026-11-23T06:29:59+07:00", "2026-11-16", "2026-11-23"),
        ("2026-11-23T06:30:00+07:00", "2026-11-23", "2026-11-30"),
        ("2026-11-22T23:30:00+00:00", "2026-11-23", "2026-11-30"),
        ("2026-11-22T18:30:00-05:00", "2026-11-23", "2026-11-30"),
        ("2026-03-29T01:30:00+01:00", "2026-03-23", "2026-03-30"),  # Europe sets its clocks
        ("2026-10-25T02:30:00+02:00", "2026-10-19", "2026-10-26"),
    ],
)
def test_a_slot_is_monday_half_past_six_in_quang_binh_wherever_the_clock_stands(
    now, slot, following, monkeypatch
):
    for zone in ("UTC", "Europe/Berlin", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        at = datetime.fromisoformat(now)
        assert WEEKLY.slot(at).astimezone(LOCAL).isoformat() == f"{slot}T06:30:00+07:00"
        assert WEEKLY.following(at).astimezone(LOCAL).isoformat() == f"{following}T06:30:00+07:00"


def test_several_days_a_week_have_a_slot_each():
    often = replace(WEEKLY, days=("monday", "thursday"), at="17:00")
    thursday = datetime(2026, 11, 26, 18, tzinfo=LOCAL)
    assert often.slot(thursday).astimezone(LOCAL).day == 26
    assert often.following(thursday).astimezone(LOCAL).day == 30


def config(tmp_path: Path, text: str) -> tuple[Pack, ...]:
    (tmp_path / "packs.yaml").write_text(text, encoding="utf-8")
    known = {"org_units": ("area-qb", "STP"), "targets": ("T01", "T02b"), "sectors": ("staff",)}
    return words.load(tmp_path, **known)


def test_packs_are_declared_in_a_file_and_one_is_ours_where_there_is_none(tmp_path):
    known: Any = {"org_units": (), "targets": (), "sectors": ()}
    (ours,) = words.load(None, **known)
    assert (ours.org_unit, ours.days, ours.at, ours.mail) == ("area-qb", ("monday",), "06:30", ())
    assert words.load(tmp_path, **known) == words.OURS
    one, two = config(
        tmp_path,
        "packs:\n  tuan: {title: Gói tuần, mail: [a@example.vn, b@example.vn]}\n"
        '  so_tp: {org_unit: STP, days: [friday], at: "16:00", targets: [T02b],\n'
        "          classes: [public], folder: /srv/goi}\n",
    )
    assert one.mail == ("a@example.vn", "b@example.vn") and one.title == "Gói tuần"
    assert (two.org_unit, two.days, two.at, two.targets) == ("STP", ("friday",), "16:00", ("T02b",))
    assert two.reader.org_units == {"STP"} and two.reader.indicator_classes == {"public"}
    assert two.folder == Path("/srv/goi")
    assert one.reader.indicator_classes == {"public", "internal"}, "restricted only where it says"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("tuan: {}\n", 1, "tệp phải gồm packs"),
        ("packs:\n  Tuần: {}\n", 2, "tên gồm a-z"),
        ("packs:\n  tuan:\n    org_unit: nowhere\n", 3, "không có org_unit 'nowhere'"),
        ("packs:\n  tuan:\n    days: [holiday]\n", 3, "days không có 'holiday'"),
        ("packs:\n  tuan:\n    at: 6h30\n", 3, "at phải là giờ"),
        ("packs:\n  tuan:\n    targets: [T99]\n", 3, "targets không có 'T99'"),
        ("packs:\n  tuan:\n    mail: 'a@b.vn, c@d.vn'\n", 3, "không phải địa chỉ thư"),
        ('packs:\n  tuan:\n    mail: ["a@b.vn\\nBcc: x@y.vn"]\n', 3, "không phải địa chỉ thư"),
        ("packs:\n  tuan:\n    folder: goi\n", 3, "đường dẫn đầy đủ"),
        ("packs:\n  tuan:\n    colour: red\n", 3, "mục lạ 'colour'"),
        ("packs:\n  tuan:\n    title: ''\n", 3, "title từ 1"),
        ("packs:\n  tuan: {targets: [T01], sector: staff}\n", 2, "chỉ ghi một"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path, text, line, said):
    with pytest.raises(ConfigError) as refused:
        config(tmp_path, text)
    (fault,) = refused.value.faults
    assert fault.line == line and said in str(fault)


# --- what is in it -------------------------------------------------------------------------------


def plain(page: bytes) -> str:
    return re.sub(
        r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page.decode(), flags=re.S)
    )


def test_it_tells_how_every_target_stands_with_word_shape_outcome_age_and_owner(clock):
    clock.now = MONDAY.astimezone(UTC)
    page = drawn(clock).files["pack.html"].decode()
    found = {r["target"]: r["status"] for r in clock.standings().to_dict("records")
             if r["indicator"] == ""}  # fmt: skip
    told = dict(re.findall(r'<tr data-target="(\w+)" data-status="(\w+)">', page))
    assert told == found and len(told) == len(clock.store.catalogue.targets) == 20
    for target, status in told.items():
        row = page.split(f'data-target="{target}"')[1].split("</tr>")[0]
        assert theme.STATUS[status].word in row and "<svg" in row  # type: ignore[index]
    row = plain(page.split('data-target="T07a"')[1].split("</tr>")[0].encode())
    assert "Sở, ban, ngành: 90,0 %, chưa ký" in row and "trên" in row
    live = plain(page.split('data-target="T02b"')[1].split("</tr>")[0].encode())
    assert "3/6" in live and "Văn phòng" in live and "đến" in live
    assert "trang" in page and "counter(pages)" in page and "06:30 23/11/2026" in page


def test_it_needs_nothing_from_anywhere(clock):
    page = drawn(clock, address="https://ioc.example.vn").files["pack.html"].decode()
    assert not re.findall(r"<(?:script|img|link|iframe|object)\b|url\(|@import|src=", page)
    assert "default-src 'none'" in page


def test_its_links_answer_the_bytes_that_it_carries_for_ever(clock):
    files = drawn(clock, address="https://ioc.example.vn").files
    page = files["pack.html"].decode()
    links = re.findall(r'href="(https://ioc.example.vn/api/[^"]+)"', page)
    assert len(links) == 2
    clock.forward(days=3)
    clock.poll(DOSSIERS, dossiers("STP", "2026-10-06", 9, 9))
    clock.forward(days=10)
    for link, name in zip(links, ("standings.csv", "changes.csv"), strict=True):
        parts = urlsplit(link.replace("&amp;", "&"))
        given = dict(parse_qsl(parts.query))
        body = b"".join(exports.stream(clock.store, name[:-4], given, who=WEEKLY.reader))
        assert b"\xef\xbb\xbf" + body == files[name]


def test_the_figures_of_the_file_are_those_of_the_page(clock):
    files = drawn(clock).files
    rows_ = list(csv.DictReader(io.StringIO(files["standings.csv"].decode("utf-8-sig"))))
    told = dict(re.findall(r'data-target="(\w+)" data-status="(\w+)"', files["pack.html"].decode()))
    assert {r["target"]: r["status"] for r in rows_ if not r["indicator"]} == told


def test_it_tells_what_changed_since_the_last_one_and_by_which_cause(clock):
    since = clock.store.seal(clock.now)
    clock.forward(days=1)
    assert "Không chỉ tiêu nào đổi" in plain(drawn(clock, since=since).files["pack.html"])
    clock.poll(MEETINGS, share(MEET, "SNV25", "2025-12", 20, 50))
    clock.forward(minutes=5)
    told = plain(drawn(clock, since=since).files["pack.html"])
    changed = told.split("Đã đổi từ")[1].split("Nguồn số liệu trễ")[0]
    assert "90,0" in changed and "40,0" in changed and "số liệu sửa" in changed


def test_sources_that_are_late_or_stale_are_named(clock):
    clock.forward(days=3)
    told = plain(drawn(clock).files["pack.html"]).split("Nguồn số liệu trễ")[1]
    assert "Nguồn thử public_services" in told and "Số cũ" in told


def test_a_pack_of_an_org_unit_has_its_own_figures_only(clock):
    own = Pack("so", "Gói của sở", org_unit=STP)
    files = drawn(clock, own).files
    rows_ = list(csv.DictReader(io.StringIO(files["standings.csv"].decode("utf-8-sig"))))
    assert {row["org_unit"] for row in rows_} == {STP}
    page = plain(files["pack.html"])
    assert "Sở Tư pháp" in page and "90,0" not in page and "3/6" in page
    with pytest.raises(Forbidden):
        drawn(clock, replace(own, targets=("T02b",), classes=("restricted",)))


def test_a_pack_of_a_sector_has_its_targets_and_never_all_instead_of_none(clock):
    known = clock.store.catalogue
    files = drawn(clock, Pack("x", sector="meetings")).files
    found = list(csv.DictReader(io.StringIO(files["standings.csv"].decode("utf-8-sig"))))
    assert found and {known.indicators[r["indicator"]].sector for r in found if r["indicator"]} == {
        "meetings"
    }
    with pytest.raises(IocError, match="không có chỉ tiêu"):
        drawn(clock, Pack("x", sector="health"))


def test_no_pack_says_what_is_restricted_unless_it_is_declared_so(clock):
    known = clock.store.catalogue
    hidden = {**known.indicators, "I02b": replace(known.indicators["I02b"], access="restricted")}
    clock.store.catalogue = replace(known, indicators=hidden)
    try:
        assert "T02b" not in drawn(clock).files["standings.csv"].decode()
        wider = replace(WEEKLY, classes=("public", "internal", "restricted"))
        assert "T02b" in drawn(clock, wider).files["standings.csv"].decode()
    finally:
        clock.store.catalogue = known


def test_synthetic_figures_are_marked_on_the_page_in_print_in_the_file_and_in_the_title(clock):
    assert "DỮ LIỆU MẪU" not in drawn(clock).files["pack.html"].decode()
    health.publish_sources(clock.store, [DOSSIERS.model_copy(update={"sample": True})])
    made = drawn(clock)
    page = made.files["pack.html"].decode()
    assert made.title.startswith("[DỮ LIỆU MẪU]") and '<div class="sample">DỮ LIỆU MẪU' in page
    assert '@top-right { content: "DỮ LIỆU MẪU"' in page
    assert "DỮ LIỆU MẪU" in made.files["standings.csv"].decode()
    assert made.files["mail.txt"].decode().startswith("[DỮ LIỆU MẪU]")


def test_a_title_breaks_neither_page_nor_style(clock):
    made = drawn(clock, Pack("x", title='"} </style><script>alert(1)</script>'))
    page = made.files["pack.html"].decode()
    assert "<script>" not in page and page.count("</style>") == 1


# --- once, and late only when it says so ---------------------------------------------------------


def test_the_slot_is_made_once_and_so_is_a_missed_one_marked_with_its_hours(clock, tmp_path):
    desk = Desk(clock, settings_of(tmp_path))
    desk.turn(clock.store)
    assert desk.made == [], "nothing is made up for a time before anybody asked"
    clock.now = MONDAY.astimezone(UTC) - timedelta(seconds=1)
    desk.turn(clock.store)
    assert desk.made == []
    clock.now = MONDAY.astimezone(UTC) + timedelta(seconds=20)
    for _ in range(3):
        desk.turn(clock.store)
    assert len(desk.made) == 1
    folder = tmp_path / "packs" / "tuan" / "2026-11-23"
    page = plain((folder / "pack.html").read_bytes())
    assert "làm bù" not in page and "Đến hạn 06:30 23/11/2026" in page
    assert {one.name for one in folder.iterdir()} == {
        "pack.html", "standings.csv", "changes.csv", "mail.txt",
    }  # fmt: skip
    clock.now = MONDAY.astimezone(UTC) + timedelta(days=21, hours=3, minutes=30)
    for _ in range(3):
        desk.turn(clock.store)
    assert len(desk.made) == 2, "three were missed, the newest is made up, once"
    late = tmp_path / "packs" / "tuan" / "2026-12-14"
    assert "Gói làm bù, muộn 3,5 giờ" in plain((late / "pack.html").read_bytes())
    assert "muộn 3,5 giờ" in (late / "mail.txt").read_text()
    (shown,) = health.packs(clock.store)
    assert (shown.state, shown.slot) == ("made", (MONDAY + timedelta(days=21)).astimezone(UTC))


def test_of_two_pollers_one_makes_the_pack(clock, tmp_path):
    Desk(clock, settings_of(tmp_path)).turn(clock.store)
    clock.now = MONDAY.astimezone(UTC) + timedelta(seconds=5)
    desks = [Desk(clock, settings_of(tmp_path)) for _ in range(4)]
    together = threading.Barrier(4)

    def turn(desk: Desk) -> None:
        together.wait()
        desk.turn(clock.store)

    threads = [threading.Thread(target=turn, args=(desk,)) for desk in desks]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sum(len(desk.made) for desk in desks) == 1


def test_who_lost_the_lease_makes_none(clock, tmp_path):
    one, two = Lease(clock.store, 15), Lease(clock.store, 15)
    assert one.hold()
    guarded = clock.store.guarded(one.guard)
    Desk(clock, settings_of(tmp_path)).turn(guarded)
    with clock.store.write() as connection:
        connection.exec_driver_sql("UPDATE lease SET expires_at = 0")
    assert two.hold()
    clock.now = MONDAY.astimezone(UTC)
    desk = Desk(clock, settings_of(tmp_path))
    with pytest.raises(Fenced):
        desk.turn(guarded)
    assert desk.made == []
    with clock.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM lease")


def test_two_running_schedules_make_one_edition_of_a_slot(clock, tmp_path):
    often = replace(WEEKLY, days=tuple(words.DAYS), at="00:00", mail=())
    slot = often.slot(clock.now)
    editions.claim(clock.store, often.name, slot - timedelta(days=1), clock.now)
    stop, desks = threading.Event(), [Desk(clock, settings_of(tmp_path), often) for _ in range(2)]
    settings = settings_of(tmp_path, lease=2)
    threads = [
        threading.Thread(
            target=schedule.run,
            args=(clock.store, [], settings),
            kwargs={"stop": stop, "packs": desk},
        )
        for desk in desks
    ]
    for one in threads:
        one.start()
    end = time.monotonic() + 30
    while time.monotonic() < end and not any(
        one.state == "made" for one in health.packs(clock.store)
    ):
        time.sleep(0.1)
    time.sleep(3)
    stop.set()
    for one in threads:
        one.join(15)
    assert sum(len(desk.made) for desk in desks) == 1
    (shown,) = health.packs(clock.store)
    assert (shown.state, shown.slot) == ("made", slot)


def test_administration_and_the_doctor_tell_when_it_was_made_and_what_did_not_arrive(
    clock, tmp_path
):
    page = Reader(clock, tmp_path)
    before = " ".join(page.read(admin.layout).split())
    assert "Chưa có gói nào được làm" in before
    assert "Gói số liệu tuần (tuan): lần tới 06:30" in before
    assert f"{tmp_path}/packs/tuan . Làm ngay: ioc pack tuan --now" in before
    box = Box()
    box.rcpt = lambda to: "550 no such box" if to.startswith("vp") else "250 OK"
    with mail_server(box) as port:
        desk = Desk(clock, settings_of(tmp_path, **post(port)))
        desk.turn(clock.store)
        clock.now = MONDAY.astimezone(UTC)
        desk.turn(clock.store)
    told = page.read(admin.layout)
    assert "tuan: làm 06:30" in told and "1 thư đã gửi" in told and "1 KHÔNG gửi được" in told
    assert "550 no such box" in told
    (found,) = doctor._packs(clock.store, desk.settings)
    assert found.level is doctor.Level.broken and "550" in found.said


def test_one_that_could_not_be_drawn_is_tried_again_ever_more_seldom_and_says_why(clock, tmp_path):
    tried: list[datetime] = []

    def fails(name: str, number: int) -> str:
        tried.append(clock.now)
        return "đĩa đã đầy"

    desk = packs.Desk((WEEKLY,), settings_of(tmp_path), fails)
    desk.turn(clock.store)
    clock.now = MONDAY.astimezone(UTC)
    for _ in range(60 * 12):
        desk.turn(clock.store)
        clock.forward(minutes=1)
    assert len(tried) == editions.TRIES
    waits = [b - a for a, b in pairwise(tried)]
    assert waits == sorted(waits) and waits[0] == timedelta(minutes=1)
    (shown,) = health.packs(clock.store)
    assert (shown.state, shown.note) == ("failed", "đĩa đã đầy")


def test_one_whose_maker_died_is_made_after_a_while(clock, tmp_path):
    desk = packs.Desk((WEEKLY,), settings_of(tmp_path), lambda *_: "")  # gone without a word
    desk.turn(clock.store)
    clock.now = MONDAY.astimezone(UTC)
    desk.turn(clock.store)
    other = Desk(clock, settings_of(tmp_path))
    other.turn(clock.store)
    assert other.made == []
    clock.forward(minutes=11)
    other.turn(clock.store)
    assert len(other.made) == 1


def test_what_leaves_stands_in_the_audit(clock, tmp_path):
    desk = Desk(clock, settings_of(tmp_path))
    desk.turn(clock.store)
    before = len(rows(clock.store, "audit"))
    clock.now = MONDAY.astimezone(UTC)
    desk.turn(clock.store)
    entry = rows(clock.store, "audit")[-1]
    assert len(rows(clock.store, "audit")) == before + 1 and "pack tuan" in entry
    assert audit.verify(clock.store).broken is None


# --- by mail -------------------------------------------------------------------------------------


class Box:
    """What a mail server took; ``says`` answers for it, per recipient and try."""

    def __init__(self) -> None:
        self.letters: list[Envelope] = []
        self.rcpt: Callable[[str], str] = lambda _to: "250 OK"
        self.data: Callable[[Envelope], str | None] = lambda _envelope: None

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, to: str, options: Any):
        said = self.rcpt(to)
        if said.startswith("250"):
            envelope.rcpt_tos.append(to)
        return said

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        said = self.data(envelope)
        if said is None:
            self.letters.append(envelope)
            return "250 taken"
        if said == "silence":
            self.letters.append(envelope)
            session.peer_gone = True
            server.transport.abort()
            return "250 nobody hears it"
        return said


PASSWORD = "mat-khau-thu-bi-mat"


@contextmanager
def mail_server(box: Box, **how: Any) -> Iterator[int]:
    from tests.conftest import free_port

    made = Controller(box, hostname="127.0.0.1", port=free_port(), **how)
    made.start()
    try:
        yield made.port
    finally:
        made.stop()


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority


def post(port: int, scheme: str = "smtp+insecure", user: str = "") -> dict[str, str]:
    return {
        "smtp_url": f"{scheme}://{user}127.0.0.1:{port}",
        "smtp_from": "ioc@example.vn",
        "smtp_password": PASSWORD if user else "",
    }


def letter(**more: Any) -> deliver.Letter:
    said = {
        "recipient": "chu.tich@example.vn",
        "subject": "Gói số liệu tuần 23/11/2026: Quảng Bình",
        "body": ".một dấu chấm đầu dòng\nHết.\n",
        "files": (("Gói số liệu tuần.html", "<p>Đạt</p>".encode()), ("hiện trạng.csv", b"a;b\r\n")),
        "at": MONDAY,
        "id": "<ioc.1@example.vn>",
    }
    return deliver.Letter(**said | more)


def read(envelope: Envelope) -> Any:
    return message_from_bytes(envelope.content, policy=policy.default)  # type: ignore[arg-type]


def test_subject_names_and_files_arrive_in_vietnamese(tmp_path):
    box = Box()
    with mail_server(box) as port:
        deliver.send(settings_of(tmp_path, **post(port)), letter())
    (envelope,) = box.letters
    found = read(envelope)
    assert found["Subject"] == "Gói số liệu tuần 23/11/2026: Quảng Bình"
    assert (found["To"], found["From"]) == ("chu.tich@example.vn", "ioc@example.vn")
    assert found["Auto-Submitted"] == "auto-generated" and "+0700" in found["Date"]
    files = {p.get_filename(): p.get_payload(decode=True) for p in found.iter_attachments()}
    assert files == {"Gói số liệu tuần.html": "<p>Đạt</p>".encode(), "hiện trạng.csv": b"a;b\r\n"}
    body = found.get_body(("plain",)).get_content()
    assert body.splitlines() == [".một dấu chấm đầu dòng", "Hết."]
    assert envelope.rcpt_tos == ["chu.tich@example.vn"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_it_travels_over_tls_with_a_password_from_a_file(trusted, tmp_path, scheme, monkeypatch):
    box, seen = Box(), []

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append((data.login.decode(), data.password.decode(), session.ssl is not None))
        return AuthResult(success=data.password.decode() == PASSWORD)

    file = tmp_path / "smtp-password"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    context = trusted.context()
    how: dict[str, Any] = {"authenticator": known, "auth_required": True}
    how |= (
        {"tls_context": context, "require_starttls": True}
        if scheme == "smtp"
        else {"ssl_context": context, "auth_require_tls": False}
    )
    with mail_server(box, **how) as port:
        env = {
            "IOC_SMTP_URL": f"{scheme}://ioc@127.0.0.1:{port}",
            "IOC_SMTP_FROM": "ioc@example.vn",
            "IOC_SMTP_PASSWORD_FILE": str(file),
            "IOC_DATA": str(tmp_path),
        }
        settings = Settings.from_env(env)
        assert PASSWORD not in repr(settings)
        deliver.send(settings, letter())
    assert len(box.letters) == 1 and seen[0][:2] == ("ioc", PASSWORD)


def test_a_server_without_tls_or_with_another_name_gets_nothing(trusted, tmp_path):
    box = Box()
    with mail_server(box) as port, pytest.raises(deliver.Unsent, match="SMTPNotSupported"):
        deliver.send(settings_of(tmp_path, **post(port, "smtp", "ioc@")), letter())
    foreign = trusted.context("mail.example.vn")
    with (
        mail_server(box, tls_context=foreign) as port,
        pytest.raises(deliver.Unsent, match="TLS"),
    ):
        deliver.send(settings_of(tmp_path, **post(port, "smtp", "ioc@")), letter())
    assert box.letters == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://mail", "phải bắt đầu bằng smtp://"),
        ("smtp://ioc:secret@mail", "không kèm mật khẩu"),
        ("smtp+insecure://mail.example.vn", "chính máy này"),
        ("smtp+insecure://ioc@127.0.0.1", "chính máy này"),
    ],
)
def test_an_address_of_a_server_that_would_tell_a_secret_is_refused(url, said, tmp_path):
    env = {"IOC_SMTP_URL": url, "IOC_SMTP_FROM": "a@b.vn", "IOC_SMTP_PASSWORD": "x" * 9}
    with pytest.raises(ConfigError, match=re.escape(said)):
        Settings.from_env(env | {"IOC_DATA": str(tmp_path)})


def test_refusals_and_silence_are_tried_again_and_nobody_gets_it_twice(clock, tmp_path):
    box = Box()
    refusals = {"chu.tich@example.vn": ["451 later", "421 later"], "vp@example.vn": []}
    box.rcpt = lambda to: refusals[to].pop(0) if refusals[to] else "250 OK"
    with mail_server(box) as port:
        desk = Desk(clock, settings_of(tmp_path, **post(port)))
        desk.turn(clock.store)
        clock.now = MONDAY.astimezone(UTC)
        for _ in range(60):
            desk.turn(clock.store)
            clock.forward(minutes=1)
    to = sorted(envelope.rcpt_tos[0] for envelope in box.letters)
    assert to == ["chu.tich@example.vn", "vp@example.vn"]
    (shown,) = health.packs(clock.store)
    assert (shown.sent, shown.waiting, shown.failed, shown.why) == (2, 0, 0, "")
    subject = read(box.letters[0])["Subject"]
    assert subject.startswith("Gói số liệu tuần 23/11/2026")
    names = {part.get_filename() for part in read(box.letters[0]).iter_attachments()}
    assert "Gói số liệu tuần 23-11-2026.html" in names
    assert "Gói số liệu tuần 23-11-2026 - hiện trạng.csv" in names


def test_a_server_that_is_away_is_asked_again(clock, tmp_path, unused_port):
    port = unused_port()
    desk = Desk(clock, settings_of(tmp_path, **post(port)))
    desk.turn(clock.store)
    clock.now = MONDAY.astimezone(UTC)
    desk.turn(clock.store)
    (shown,) = health.packs(clock.store)
    assert (shown.sent, shown.waiting) == (0, 2) and "máy chủ thư" in shown.why
    box = Box()
    made = Controller(box, hostname="127.0.0.1", port=port)
    made.start()
    try:
        clock.forward(minutes=2)
        desk.turn(clock.store)
    finally:
        made.stop()
    assert len(box.letters) == 2 and health.packs(clock.store)[0].sent == 2


def test_what_the_server_will_never_take_fails_at_once_and_is_told(clock, tmp_path):
    box = Box()
    box.rcpt = lambda to: "550 no such box" if to.startswith("vp") else "250 OK"
    with mail_server(box) as port:
        desk = Desk(clock, settings_of(tmp_path, **post(port)))
        desk.turn(clock.store)
        clock.now = MONDAY.astimezone(UTC)
        for _ in range(30):
            desk.turn(clock.store)
            clock.forward(minutes=1)
    (shown,) = health.packs(clock.store)
    assert (shown.sent, shown.failed, len(box.letters)) == (1, 1, 1)
    assert "550 no such box" in shown.why


def test_where_nobody_knows_whether_it_was_taken_it_is_not_sent_again(clock, tmp_path):
    box = Box()
    box.data = lambda _envelope: "silence"
    with mail_server(box) as port:
        desk = Desk(clock, settings_of(tmp_path, **post(port)))
        desk.turn(clock.store)
        clock.now = MONDAY.astimezone(UTC)
        for _ in range(60):
            desk.turn(clock.store)
            clock.forward(minutes=1)
    assert len(box.letters) == 2, "one for each, though no answer ever came"
    (shown,) = health.packs(clock.store)
    assert (shown.sent, shown.failed) == (0, 2) and "không rõ" in shown.why


def test_a_process_that_died_while_sending_leaves_it_unsure(clock, tmp_path):
    desk = Desk(clock, settings_of(tmp_path))
    desk.turn(clock.store)
    clock.now = MONDAY.astimezone(UTC)
    desk.turn(clock.store)
    clock.forward(minutes=2)
    one = editions.due(clock.store, clock.now)[0]
    assert editions.take(clock.store, one) and not editions.take(clock.store, one)
    assert editions.abandon(clock.store, clock.now) == 1
    assert one not in editions.due(clock.store, clock.now)


def test_without_a_mail_server_it_waits_and_says_so(clock, tmp_path):
    desk = Desk(clock, settings_of(tmp_path))
    desk.turn(clock.store)
    clock.now = MONDAY.astimezone(UTC)
    desk.turn(clock.store)
    (shown,) = health.packs(clock.store)
    assert shown.waiting == 2 and "IOC_SMTP_URL" in shown.why


# --- on paper, and the command -------------------------------------------------------------------


@pytest.mark.browser
def test_chromium_prints_it_on_a4_with_its_pages_numbered(clock):
    made = paper.pdf(drawn(clock).files["pack.html"])
    assert made is not None and made.startswith(b"%PDF-")
    boxes = set(re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", made))
    for width, height in boxes:
        assert abs(float(width) - 595) <= 1 and abs(float(height) - 842) <= 1
    assert boxes


def test_without_chromium_there_is_no_pdf_and_no_failure(clock, monkeypatch):
    monkeypatch.setattr("layouts.paper.shutil.which", lambda _name: None)
    assert paper.pdf(b"<p>") is None


def test_the_command_lists_makes_once_and_makes_more_by_hand(
    tmp_path, monkeypatch, capsys, catalogue, orgunits
):
    from kpi.store import open_store

    monkeypatch.setenv("IOC_DATA", str(tmp_path))
    monkeypatch.setattr("layouts.paper.shutil.which", lambda _name: None)
    open_store(f"sqlite:///{tmp_path}/ioc.sqlite", catalogue, orgunits).close()
    assert program.main(["pack"]) == 0
    assert "tuan" in capsys.readouterr().out
    assert program.main(["pack", "tuan"]) == 0
    assert "không phải làm" in capsys.readouterr().out
    assert program.main(["pack", "tuan", "--now"]) == 0
    (page,) = (tmp_path / "packs" / "tuan").glob("*/pack.html")
    assert "Làm theo yêu cầu" in page.read_text()
    assert page.parent.stat().st_mode & 0o077 == 0
    assert program.main(["pack", "nothing"]) == program.REFUSED


def test_the_poller_has_packs_drawn_by_a_program_of_their_own(
    tmp_path, monkeypatch, catalogue, orgunits
):
    from connectors.drawing import Drawing
    from kpi.store import open_store

    monkeypatch.setenv("IOC_DATA", str(tmp_path))
    store = open_store(f"sqlite:///{tmp_path}/ioc.sqlite", catalogue, orgunits)
    now = datetime.now(UTC)
    number = editions.by_hand(store, "tuan", now)
    drawing_ = Drawing(program.ROOT / "app.py")
    assert drawing_("tuan", number) == ""
    assert editions.edition(store, number).state == "made"
    assert "không chờ làm" in drawing_("tuan", number), "an edition is made once"
    drawing_.stop()
    assert "dừng" in drawing_("tuan", number)
    store.close()
