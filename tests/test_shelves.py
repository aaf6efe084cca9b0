"""Workbooks on SFTP and WebDAV servers and in a mailbox: the same as in a folder, and as safe."""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest

from connectors.io import IO
from connectors.kinds import sheet
from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import Broken, NeedsCredentials, Transient
from ioc.model import Batch
from ioc.source import Source
from kpi import health
from tests.chaos import Answer, Chaos, serve
from tests.shelves import ENV, PASSWORD, SENDER, USER, DavRig, MailRig, Rig, SftpRig, mail_rig

HEAD = "Mã đơn vị,Kỳ,Tổng số,Có máy tính\n"
JUNE = f"{HEAD}VPUB,06/2024,80,70\nSYT,06/2024,120,100\n".encode()
JULY = f"{HEAD}VPUB,07/2024,81,71\nSYT,07/2024,121,101\n".encode()


@pytest.fixture(scope="module")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpRig]:
    folder = tmp_path_factory.mktemp("sftp") / "den"
    folder.mkdir()
    with SftpRig(folder) as rig:
        yield rig


@pytest.fixture(scope="module")
def dav_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DavRig]:
    folder = tmp_path_factory.mktemp("dav") / "den"
    folder.mkdir()
    with DavRig(folder) as rig:
        yield rig


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailRig]:
    with mail_rig() as rig:
        yield rig


@pytest.fixture(params=["sftp_server", "dav_server", "mail_server"])
def rig(request: pytest.FixtureRequest) -> Rig:
    """Each kind of server in turn, empty."""
    found = request.getfixturevalue(request.param)
    found.clear()
    return found


@pytest.fixture
def sftp(sftp_server: SftpRig) -> SftpRig:
    sftp_server.clear()
    sftp_server.tried.clear()
    return sftp_server


@pytest.fixture
def dav(dav_server: DavRig) -> DavRig:
    dav_server.clear()
    return dav_server


@pytest.fixture
def mail(mail_server: MailRig) -> MailRig:
    mail_server.clear()
    return mail_server


def opened(source: Source, **how: Any) -> IO:
    return IO(source, **{"env": ENV, "sleep": lambda _: None, **how})


def polled(source: Source, since: str | None = None) -> tuple[list[Batch], list[str]]:
    with opened(source) as io:
        return list(sheet.poll(source, since, io)), io.notes


def titles(source: Source) -> list[str]:
    with opened(source) as io:
        return [file.title for file in io.files(".xlsx", ".csv")]


# -- what every place does -------------------------------------------------------------------------


def test_new_files_are_read_once_and_changed_or_renamed_ones_as_a_folder_would(rig: Rig) -> None:
    rig.place("BC 06-2024 Đồng Hới.csv", JUNE, age=120)
    rig.place("ghi chú.txt", b"x")
    [batch], _ = polled(rig.source())
    assert [row["Mã đơn vị"] for row in batch.rows] == ["VPUB", "SYT"]
    assert batch.origin.endswith("BC 06-2024 Đồng Hới.csv")
    assert polled(rig.source(), batch.cursor) == ([], [])
    rig.place("BC 07-2024.csv", JULY, age=60)
    rig.place("bản sao.csv", JUNE, age=30)
    [july, copy], notes = polled(rig.source(), batch.cursor)
    assert july.rows[0]["Kỳ"] == "07/2024" and list(copy.rows) == []
    assert any("cùng nội dung" in note for note in notes)
    assert polled(rig.source(), copy.cursor) == ([], [])


def test_calls_bytes_and_hash_are_evidence(rig: Rig) -> None:
    rig.place("a.csv", JUNE)
    with opened(rig.source()) as io:
        [file] = io.files(".csv")
        assert io.read(file) == JUNE
        assert io.calls >= 2 and io.bytes_read >= len(JUNE) and len(io.response_hash) == 64
        assert io.address.startswith(rig.url.split("://")[0]) and USER not in io.address


def test_a_poll_through_the_store_repeats_itself_without_change(
    rig: Rig, sqlite_store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IOC_THU", PASSWORD)
    rig.place("a.csv", JUNE)
    source, settings = rig.source(), SimpleNamespace(data=tmp_path, secret_key_file=None)
    health.publish_sources(sqlite_store, [source])
    first, again = (poll(sqlite_store, source, settings) for _ in range(2))
    assert (first["outcome"], first["new"], first["rejected"]) == ("ok", 4, 0), first["note"]
    assert (again["outcome"], again["new"], again["changed"]) == ("empty", 0, 0)


def test_a_refused_password_needs_credentials_and_is_told_to_nobody(rig: Rig, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    rig.place("a.csv", JUNE)
    with opened(rig.source(), env={"IOC_THU": "mat-khau-sai-roi"}) as io:
        with pytest.raises(NeedsCredentials, match="từ chối") as refused:
            io.files(".csv")
        told = f"{refused.value!r} {caplog.text} {io.notes} {io.redact('mat-khau-sai-roi')}"
    assert "mat-khau-sai-roi" not in told
    with opened(rig.source(), env={}) as io, pytest.raises(NeedsCredentials, match="IOC_THU"):
        io.files(".csv")


def test_a_server_that_is_away_is_transient_and_within_seconds(rig: Rig, unused_port: Any) -> None:
    port = rig.url.split("127.0.0.1:")[1].split("/")[0]
    away = rig.source(rig.url.replace(port, str(unused_port())))
    with opened(away) as io, pytest.raises(Transient, match="không kết nối được"):
        io.files(".csv")


@contextlib.contextmanager
def dripping(piece: bytes) -> Iterator[int]:
    """A port that says a little again and again, and never what was asked for."""
    ended = threading.Event()

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            while not ended.wait(0.1):
                connection.sendall(piece)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        ended.set()


@pytest.mark.parametrize("piece", [b"", b" ", b"* OK \r\n", b"SSH-\r\n"])
def test_neither_silence_nor_a_drip_outlasts_the_deadline(rig: Rig, piece: bytes) -> None:
    port = rig.url.split("127.0.0.1:")[1].split("/")[0]
    with dripping(piece) as other:
        source = rig.source(rig.url.replace(port, str(other)), options={"deadline": 1})
        began = time.monotonic()
        with opened(source) as io, pytest.raises((Transient, Broken)):
            io.files(".csv")
        assert time.monotonic() - began < 4


def test_a_name_that_leads_to_a_forbidden_address_is_refused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(host: str, port: int, **_: Any) -> list:
        return [(2, 1, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        opened(rig.source(rig.url.replace("127.0.0.1", "kho.example"))) as io,
        pytest.raises(Broken, match=r"169\.254\.169\.254"),
    ):
        io.files(".csv")


def test_a_file_above_the_cap_is_refused_by_name_and_stops_no_other(rig: Rig) -> None:
    rig.place("to.csv", JUNE + b"x" * 6000, age=120)
    rig.place("nho.csv", JULY)
    batches, notes = polled(rig.source(options={"max_bytes": 5000}))
    assert [len(batch.rows) for batch in batches] == [2, 0]
    assert "to.csv: tệp quá lớn" in batches[1].refused, notes


@pytest.mark.parametrize("name", ["sftp", "dav"])
def test_a_file_that_is_being_written_waits_until_its_size_is_stable(
    name: str, request: pytest.FixtureRequest
) -> None:
    rig = request.getfixturevalue(name)
    rig.place("a.csv", JUNE[:40], age=0)
    source = rig.source(options={"settle": 30})
    found, notes = polled(source)
    assert found == [] and "chờ tệp ghi xong: a.csv" in notes[0]
    rig.place("a.csv", JUNE[:40], age=60)
    with opened(source) as io:
        [file] = io.files(".csv")
        rig.place("a.csv", JUNE, age=60)  # the same second, another size
        with pytest.raises(Transient, match="đang được ghi"):
            io.read(file)
        rig.place("a.csv", JUNE[:40], age=50)  # the same size, another time
        with pytest.raises(Transient, match="đang được ghi"):
            io.read(file)
        (rig.folder / "a.csv").unlink()
        with pytest.raises(Transient, match=r"a\.csv: .*(không tồn tại|không còn)"):
            io.read(file)


@pytest.mark.parametrize("name", ["sftp", "dav"])
def test_only_whole_data_files_of_the_folder_itself_are_listed(
    name: str, request: pytest.FixtureRequest
) -> None:
    rig = request.getfixturevalue(name)
    for file in ("a.xlsx", "~$a.xlsx", ".b.xlsx", "c.xlsx.part", "e.CSV", "trong/f.csv", "đ é.csv"):
        rig.place(file, b"x")
    (rig.folder / "h.csv").mkdir()
    os.utime(rig.folder / "h.csv", (1e9, 1e9))
    assert sorted(titles(rig.source())) == ["a.xlsx", "e.CSV", "đ é.csv"]
    assert titles(rig.source(rig.url + "/trong")) == ["f.csv"]
    with opened(rig.source(rig.url + "/khong-co")) as io, pytest.raises((Transient, Broken)):
        io.files(".csv")


# -- SFTP ------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_broken_before_anything_is_sent(sftp: SftpRig) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").get_fingerprint("sha256")
    mine = sftp.key.get_fingerprint("sha256")
    with (
        opened(sftp.source(options={"host_key": other})) as io,
        pytest.raises(Broken, match="khóa máy chủ không phải khóa đã khai") as refused,
    ):
        io.files(".csv")
    assert mine in str(refused.value) and sftp.tried == []
    assert titles(sftp.source(options={"host_key": [other, mine]})) == []


def test_a_host_key_that_nobody_declared_is_never_accepted(sftp: SftpRig) -> None:
    source = sftp.source(options={"host_key": None})
    with opened(source) as io, pytest.raises(Broken, match="phải khai host_key"):
        io.files(".csv")
    assert sftp.tried == []
    without = Lined({"skip": {}})
    assert [name for name, _ in sheet.faults(sftp.source().model_copy(update={"options": without}))]
    assert not list(sheet.faults(sftp.source()))


def test_a_file_of_known_hosts_says_the_key_by_host_and_port(sftp: SftpRig, tmp_path: Path) -> None:
    public = sftp.key.export_public_key().decode()
    known = tmp_path / "known_hosts"
    options = {"host_key": None, "known_hosts": str(known)}
    known.write_text(f"[127.0.0.1]:{sftp.port} {public}")
    assert titles(sftp.source(options=options)) == []
    known.write_text(f"127.0.0.1 {public}")  # the same host, another port
    with opened(sftp.source(options=options)) as io, pytest.raises(Broken, match="khóa máy chủ"):
        io.files(".csv")
    known.unlink()
    with opened(sftp.source(options=options)) as io, pytest.raises(Broken, match="không đọc được"):
        io.files(".csv")


def test_a_private_key_by_reference_proves_who_we_are(sftp: SftpRig) -> None:
    auth = Lined({"kind": "private_key", "username": USER, "key": "${IOC_KHOA}"})
    sftp.place("a.csv", JUNE)
    env = {"IOC_KHOA": sftp.client_key.export_private_key().decode()}
    with opened(sftp.source(auth=auth), env=env) as io:
        assert [io.read(file) for file in io.files(".csv")] == [JUNE]
    assert "password" not in sftp.tried
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    for key, said in ((stranger, "từ chối"), ("không phải khóa", "khóa riêng")):
        with (
            opened(sftp.source(auth=auth), env={"IOC_KHOA": key}) as io,
            pytest.raises(NeedsCredentials, match=said),
        ):
            io.files(".csv")
    locked = Lined({**auth, "passphrase": "${IOC_MO}"})
    text = sftp.client_key.export_private_key("openssh", "mo-khoa")
    env = {"IOC_KHOA": text.decode(), "IOC_MO": "mo-khoa"}
    with opened(sftp.source(auth=locked), env=env) as io:
        assert len(io.files(".csv")) == 1


def test_a_link_on_the_server_is_no_file(sftp: SftpRig, tmp_path: Path) -> None:
    outside = tmp_path / "ngoai.csv"
    outside.write_bytes(JUNE)
    (sftp.folder / "lien-ket.csv").symlink_to(outside)
    os.utime(sftp.folder / "lien-ket.csv", (1e9, 1e9), follow_symlinks=False)
    assert titles(sftp.source()) == []


# -- WebDAV ----------------------------------------------------------------------------------------

BOMB = b"""<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<multistatus xmlns="DAV:"><response><href>&b;</href></response></multistatus>"""
LEAK = b"""<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<multistatus xmlns="DAV:"><response><href>/den/&a;.csv</href></response></multistatus>"""


@pytest.mark.parametrize("body", [BOMB, LEAK, b"<a", b"", b"\xff\xfe<"])
def test_a_listing_that_is_no_safe_xml_is_broken(dav: DavRig, body: bytes) -> None:
    with (
        Chaos(serve(Answer(body=body, status=207, type="application/xml"))) as server,
        opened(dav.source(f"webdav+{server.url}/den")) as io,
        pytest.raises(Broken, match="không phải XML an toàn"),
    ):
        io.files(".csv")


def listing(href: str, more: str = "", size: str = "3") -> Answer:
    text = f"""<?xml version="1.0"?><d:multistatus xmlns:d="DAV:"><d:response>
    <d:href>{href}</d:href>
    <d:propstat><d:prop><d:getlastmodified>Sun, 06 Nov 2022 08:49:37 GMT</d:getlastmodified>
    <d:getcontentlength>{size}</d:getcontentlength>{more}</d:prop>
    <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"""
    return Answer(body=text.encode(), status=207, type="text/xml; charset=utf-8")


@pytest.mark.parametrize(
    ("href", "found"),
    [
        ("/den/a.csv", ["a.csv"]),
        ("http://127.0.0.1/den/%C4%91.csv", ["đ.csv"]),
        ("/den/../a.csv", []),
        ("/den/..%2Fa.csv", []),
        ("/den/b/a.csv", []),
        ("/khac/a.csv", []),
        ("http://169.254.169.254/a.csv", []),
    ],
)
def test_only_addresses_within_the_folder_are_files(
    dav: DavRig, href: str, found: list[str]
) -> None:
    with Chaos(serve(listing(href))) as server:
        assert titles(dav.source(f"webdav+{server.url}/den")) == found


def test_an_etag_tells_a_change_within_one_second(dav: DavRig) -> None:
    stamps = set()
    for etag in ("1", "2", "2"):
        answer = listing("/den/a.csv", f'<d:getetag>"{etag}"</d:getetag>')
        with (
            Chaos(serve(answer)) as server,
            opened(dav.source(f"webdav+{server.url}/den")) as io,
        ):
            stamps |= {file.mtime_ns for file in io.files(".csv")}
    assert len(stamps) == 2


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (Answer(status=405), Broken, "405"),
        (Answer([1]), Broken, "chờ dữ liệu"),
        (Answer(body=b"<html/>", type="text/html"), Broken, "chờ dữ liệu"),
        (Answer(body=b"<a/>", type="text/xml"), Broken, "không phải WebDAV"),
        (listing("/den/a.csv", size="lớn"), Broken, "không nói kích thước"),
        (Answer(status=403), NeedsCredentials, "từ chối"),
        (Answer(status=503), Transient, "503"),
        (
            Answer(status=302, headers={"Location": "http://169.254.169.254/"}),
            Broken,
            "danh sách cho phép",
        ),
    ],
)
def test_what_is_no_listing_says_what_it_is(
    dav: DavRig, answer: Answer, error: type[Exception], said: str
) -> None:
    with (
        Chaos(serve(answer)) as server,
        opened(dav.source(f"webdav+{server.url}/den")) as io,
        pytest.raises(error, match=said),
    ):
        io.files(".csv")


def test_a_server_whose_clock_is_wrong_does_not_hide_what_is_half_written(dav: DavRig) -> None:
    now = datetime(2022, 11, 6, 8, 50, tzinfo=UTC)  # 23 seconds after the change by its own clock
    answer = listing("/den/a.csv")
    answer.headers["Date"] = "Sun, 06 Nov 2022 08:49:38 GMT"
    with Chaos(serve(answer)) as server:
        source = dav.source(f"webdav+{server.url}/den", options={"settle": 10})
        with opened(source, now=lambda: now) as io:
            assert io.files(".csv") == [] and "chờ tệp ghi xong" in io.notes[0]


# -- a mailbox -------------------------------------------------------------------------------------


def test_the_mailbox_is_left_exactly_as_it_was(mail: MailRig) -> None:
    mail.place("a.csv", JUNE)
    mail.place("b.csv", JULY)
    before = mail.letters()
    batches, _ = polled(mail.source())
    assert len(batches) == 2 and mail.letters() == before
    assert not any(name.partition(":2,")[2] for name, _ in before)  # nobody marked it as seen


def test_mail_of_others_is_not_opened_and_counted_without_naming_them(mail: MailRig) -> None:
    mail.place("a.csv", JUNE)
    mail.place("la.csv", JULY, sender="ke-la@example.com")
    mail.place("gia.csv", JULY, sender=f"x{SENDER}")
    with opened(mail.source()) as io:
        assert [file.title for file in io.files(".csv")] == ["a.csv"]
        assert "2 thư" in io.notes[0] and "@" not in "".join(io.notes)
    domain = mail.source(options={"senders": ["@snv.quangbinh.gov.vn"]})
    assert titles(domain) == ["a.csv", "gia.csv"]
    assert [reason for _, reason in sheet.faults(mail.source(options={"senders": []}))]


def test_a_file_is_known_by_uidvalidity_and_uid_and_of_the_same_content_by_that(
    mail: MailRig,
) -> None:
    mail.place("BC.csv", JUNE)
    mail.place("BC.csv", JULY)  # the same name, another mail
    batches, _ = polled(mail.source())
    assert [batch.rows[0]["Kỳ"] for batch in batches] == ["06/2024", "07/2024"]
    assert len({batch.origin for batch in batches}) == 2
    mail.clear()  # a mailbox made anew
    mail.place("BC.csv", JULY)
    [again], notes = polled(mail.source(), batches[-1].cursor)
    assert list(again.rows) == [] and "cùng nội dung" in notes[0]


def test_what_is_no_mail_or_has_no_attachment_gives_nothing(mail: MailRig) -> None:
    mail.deliver(b"From: " + SENDER.encode() + b"\n\nchao")
    mail.deliver(b"\x00\xff" * 300)
    nested = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (i, i) for i in range(3000)
    )
    mail.deliver(b"From: " + SENDER.encode() + b"\n" + nested)
    mail.place("../../etc/a.csv", JUNE)
    assert titles(mail.source()) == ["a.csv"]


def test_old_mail_is_left_alone(mail: MailRig) -> None:
    mail.place("a.csv", JUNE)
    later = datetime.now(UTC) + timedelta(days=9)
    with opened(mail.source(options={"days": 7}), now=lambda: later) as io:
        assert io.files(".csv") == []


def test_imaps_is_read_only_with_a_certificate_that_fits(mail: MailRig) -> None:
    mail.place("a.csv", JUNE)
    trusted = {"ca_file": str(mail.authority.file)}
    assert titles(mail.source(mail.tls_url, options=trusted)) == ["a.csv"]
    with opened(mail.source(mail.tls_url)) as io, pytest.raises(Broken, match="chứng thư TLS"):
        io.files(".csv")
    elsewhere = mail.tls_url.replace("127.0.0.1", "localhost")
    with (
        opened(mail.source(elsewhere, options=trusted)) as io,
        pytest.raises(Broken, match="chứng thư TLS"),
    ):
        io.files(".csv")


def test_another_folder_is_named_in_the_address_and_one_that_is_not_there_is_broken(
    mail: MailRig,
) -> None:
    with (
        opened(mail.source(mail.url.replace("INBOX", "B%C3%A1o%20c%C3%A1o"))) as io,
        pytest.raises(Broken, match="không có thư mục thư “Báo cáo”"),
    ):
        io.files(".csv")


def talking(*lines: bytes) -> Any:
    """A mail server that answers each line it gets with the next of these."""

    def talk(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as asked:
                connection.sendall(b"* OK x\r\n")
                for line in lines:
                    tag = asked.readline().split(b" ")[0]
                    connection.sendall(line.replace(b"TAG", tag))
                asked.read()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=talk, args=(listener,), daemon=True).start()
    return contextlib.closing(listener)


GREETED = b"* CAPABILITY IMAP4rev1\r\nTAG OK x\r\n"


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ((b"TAG BAD \r\n",), Broken),
        ((GREETED, b"TAG NO [UNAVAILABLE] x\r\n"), Transient),
        ((GREETED, b"TAG NO [AUTHENTICATIONFAILED]\r\n"), NeedsCredentials),
        ((b"* 1 FETCH {99999999}\r\n" + b"x" * (6 << 20),), Broken),
        ((b"* OK " + b"x" * (6 << 20),), Broken),
    ],
)  # fmt: skip
def test_a_mail_server_that_misbehaves_is_told_apart_and_capped(
    mail: MailRig, lines: tuple[bytes, ...], error: type[Exception]
) -> None:
    with talking(*lines) as listener:
        url = f"imap://127.0.0.1:{listener.getsockname()[1]}/INBOX"
        began = time.monotonic()
        with opened(mail.source(url)) as io, pytest.raises(error):
            io.files(".csv")
        assert time.monotonic() - began < 10  # not until the deadline


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("https://kho.example/den", "webdav\\+https://"),
        ("ftp://kho.example/den", "không phải “ftp”"),
        ("imap://thu.example/INBOX", "imaps://"),
        ("sftp://ten:mat-khau@kho.example/den", "không được chứa tên"),
        ("webdav+https:///den", "phải là"),
        ("sftp://kho.example:99999/den", "cổng"),
    ],
)
def test_an_address_that_cannot_be_is_refused_in_words(address: str, said: str) -> None:
    with pytest.raises(Broken, match=said):
        sheet.refuse_address(address)


@pytest.mark.parametrize(
    "address",
    ["data/den", "/srv/den", "sftp://kho.example/den", "webdav+https://kho.example/den",
     "imaps://thu.example/INBOX", "imap://127.0.0.1:1143/INBOX"],
)  # fmt: skip
def test_every_place_of_files_has_an_address(address: str) -> None:
    sheet.refuse_address(address)
