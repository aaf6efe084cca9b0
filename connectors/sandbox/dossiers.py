"""The life of a dossier: when it arrives, changes, is answered, and is corrected months later.

A dossier is drawn once, when its day is drawn; each of its changes is one row of the portal's
journal and shows the whole dossier after the change. Instants are integers: milliseconds of
local time since 1970 (+07:00 all year), which is also the change sequence.
"""

import unicodedata
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from random import Random

from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.procedures import Procedure
from connectors.sandbox.province import Desk, Province
from connectors.sandbox.workdays import after, expected_dossiers
from ioc.period import date_of, day_number, month_of

DAY = 86_400_000
HORIZON = 400  # days from a dossier's arrival to its last change, at most
OPEN_AT_MOST = 200  # days from its arrival to its answer, at most
RECEIVED, PROCESSING, RESOLVED, WITHDRAWN = (
    "đã tiếp nhận",
    "đang xử lý",
    "đã trả kết quả",
    "đã rút",
)
FULLY, PARTLY, DIRECT = "toàn trình", "một phần", "trực tiếp"
ELECTRONIC, PAPER = "điện tử", "giấy"
DECOMPOSED = {text: unicodedata.normalize("NFD", text) for text in (FULLY, PARTLY, DIRECT)}
MOVING = day_number(date(2025, 5, 1))
NEW_SYSTEM = day_number(date(2025, 7, 1))  # the new province's portal writes offsets

Change = tuple[int, str]  # instant, row without its sequence and change time


@dataclass(slots=True)
class Dossier:
    """A dossier as the portal shows it; instants are seconds of local time."""

    key: str | None
    procedure: str
    org_unit: str
    place: str | None
    channel: str
    opened: int
    due: int
    done: int | None = None
    result: str | None = None
    state: str = RECEIVED
    done_text: str | None = None  # what a clerk typed where a date belongs
    decomposed: bool = False

    def row(self) -> str:
        """The dossier as JSON members, without the opening brace."""
        offset = "+07:00" if self.opened >= NEW_SYSTEM * 86_400 else ""
        done = self.done_text or (stamp(self.done) + offset if self.done else None)
        channel = DECOMPOSED[self.channel] if self.decomposed else self.channel
        return (
            f'"maHoSo":{_text(self.key)},"maThuTuc":"{self.procedure}",'
            f'"maCoQuan":"{self.org_unit}","maXa":{_text(self.place)},"kenh":"{channel}",'
            f'"ngayTiepNhan":"{stamp(self.opened)}{offset}","ngayHenTra":"{stamp(self.due)}{offset}",'
            f'"ngayTra":{_text(done)},"hinhThucTra":{_text(self.result)},"trangThai":"{self.state}",'
            f'"hoTenNguoiNop":"{SAMPLE} {self.opened % 1000:03d}","soDienThoai":"{SAMPLE}",'
            f'"ghiChuMau":"{SAMPLE}"}}'
        )


def _text(value: str | None) -> str:
    return "null" if value is None else f'"{value}"'


_DATES: dict[int, str] = {}
_CLOCK = [f"{h:02d}:{m:02d}:" for h in range(24) for m in range(60)]
_SIXTY = [f"{s:02d}" for s in range(60)]


def stamp(seconds: int) -> str:
    """Local seconds as ISO text without an offset."""
    day, rest = divmod(seconds, 86_400)
    text = _DATES.get(day)
    if text is None:
        text = _DATES[day] = f"{date_of(day).isoformat()}T"
    return text + _CLOCK[rest // 60] + _SIXTY[rest % 60]


# minutes at which counters are busy: mornings, afternoons, and a little online in the evening
_MINUTES = [*range(450, 690)] * 4 + [*range(810, 1020)] * 4 + [*range(1110, 1320)]
_LATE = (0.25, 0.5, 0.7, 0.85, 1.0, 1.0, 1.3, 2.2)  # share of the allowed days that is used
_LATE_BOUNDS = (0.15, 0.4, 0.62, 0.8, 0.9, 0.945, 0.985)


def dossiers_of_day(province: Province, day: int) -> Iterator[list[Change]]:
    """The changes of every dossier that arrives on a local day; depends on seed and day only."""
    rng = Random(f"dossiers:{province.seed}:{day}")
    mean = expected_dossiers(day) * province.scale
    count = int(max(0.0, mean + rng.gauss(0, 1) * mean**0.5) + rng.random())
    date_text = f"{date_of(day):%y%m%d}"
    for number in range(1, count + 1):
        dossier, desk, procedure = draw(province, rng, day)
        dossier.opened += _MINUTES[int(rng.random() * len(_MINUTES))] * 60 + int(rng.random() * 60)
        dossier.key = f"MAU.{dossier.org_unit}-{date_text}-{number:05d}"
        yield _life(rng, dossier, desk, procedure)
        if rng.random() < 0.0011:
            yield [_faulty(province, rng, dossier)]


def draw(province: Province, rng: Random, day: int) -> tuple[Dossier, Desk, Procedure]:
    """A dossier that arrives at midnight of a day, without a key."""
    month = month_of(day)
    desk = province.mix(month).draw(rng.random())
    procedure = desk.menu.draw(rng.random())
    org_unit = desk.code
    if desk.old_codes and rng.random() < 0.04:
        org_unit = rng.choice(desk.old_codes)
    places, bounds = desk.places
    place = None
    if not desk.elsewhere or rng.random() > desk.elsewhere:
        place = places[bisect(bounds, rng.random() * bounds[-1])] if len(places) > 1 else places[0]
    dossier = Dossier(
        key=None,
        procedure=procedure.code,
        org_unit=org_unit,
        place=place,
        channel=_channel(desk, procedure, month, rng.random()),
        opened=day * 86_400,
        due=after(day, procedure.days) * 86_400 + 61_200,
        decomposed=desk.writes_decomposed,
    )
    return dossier, desk, procedure


def _channel(desk: Desk, procedure: Procedure, month: int, number: float) -> str:
    if procedure.full_from <= month:
        return FULLY if number < desk.full else DIRECT
    if procedure.partial_from <= month:
        return PARTLY if number < desk.partial else DIRECT
    return DIRECT


def result_of(desk: Desk, channel: str, number: float) -> str:
    """How the answer is given: electronic answers to paper filings are the exception."""
    factor = {FULLY: 1.0, PARTLY: 0.55, DIRECT: 0.16}[channel]
    return ELECTRONIC if number < desk.electronic * factor else PAPER


def _life(rng: Random, dossier: Dossier, desk: Desk, procedure: Procedure) -> list[Change]:
    received = dossier.opened * 1000 + int(rng.random() * 499) * 2
    fate = rng.random()
    dossier.done = _done(rng, dossier.opened, procedure.days)
    changed = dossier.done * 1000 + int(rng.random() * 30_000) * 2
    life: list[Change] = []
    if procedure.days or fate > 0.35:  # else one row: received and answered at once
        done, dossier.done = dossier.done, None
        life.append((received, dossier.row()))
        if fate > 0.88 and changed - received > DAY // 2:
            dossier.state = PROCESSING
            life.append((received + (changed - received) // 6 * 2, dossier.row()))
        dossier.done = done
    dossier.result = result_of(desk, dossier.channel, rng.random())
    dossier.state = RESOLVED
    if 0.36 < fate < 0.372:
        dossier.state, dossier.done, dossier.result = WITHDRAWN, None, None
    life.append((changed, dossier.row()))
    if fate < 0.015 and dossier.state == RESOLVED:
        life.append(_correction(rng, dossier, changed // DAY))
    return life


def _done(rng: Random, opened: int, days: int) -> int:
    """When the answer is given: the same day, within the allowed days, late, or very late."""
    day = opened // 86_400
    held = MOVING <= day < NEW_SYSTEM and rng.random() < 0.04  # left over to the new authority
    if days == 0 and not held and rng.random() < 0.93:
        return opened + 240 + int(rng.random() * 5400)
    used = _LATE[bisect(_LATE_BOUNDS, rng.random())] * (0.5 + 0.5 * rng.random()) * max(days, 2)
    if held or rng.random() < 0.012:
        used += 30 + rng.random() * 60
    minute = _MINUTES[int(rng.random() * 1800)]  # offices answer in office hours
    done = after(day, min(110, int(used))) * 86_400 + minute * 60 + int(rng.random() * 60)
    return done if done > opened else opened + 300 + int(rng.random() * 600)


def _correction(rng: Random, dossier: Dossier, day: int) -> Change:
    """A change months later: the audit finds a wrong channel, result, date, or a withdrawal."""
    later = after(day + 30 + int(rng.random() ** 1.5 * 190), 0)
    right, kind = replace(dossier), rng.random()
    if kind < 0.4:
        right.channel = PARTLY if dossier.channel != PARTLY else DIRECT
    elif kind < 0.75:
        right.result = PAPER if dossier.result == ELECTRONIC else ELECTRONIC
    elif kind < 0.92 and dossier.done:
        right.done = max(dossier.opened + 60, dossier.done - 86_400 * (1 + int(rng.random() * 25)))
    else:
        right.state, right.done, right.result = WITHDRAWN, None, None
    minute = _MINUTES[int(rng.random() * 1800)]
    return (later * DAY + minute * 60_000 + int(rng.random() * 29_999) * 2, right.row())


def _faulty(province: Province, rng: Random, dossier: Dossier) -> Change:
    """A row as clerks and old software write them: it must be rejected, not guessed."""
    bad = replace(dossier, key=f"{dossier.key}-LOI", state=RESOLVED, result=PAPER)
    bad.done = dossier.opened + 86_400
    at = bad.done * 1000 + int(rng.random() * 30_000) * 2
    kind = rng.randrange(7)
    if kind == 0:
        bad.org_unit = "99999"
    elif kind == 1:
        bad.key = None
    elif kind == 2:
        bad.key = ""
    elif kind == 3:
        bad.done = dossier.opened - 86_400 * 3
    elif kind == 4:
        bad.done_text = "31/02/2024"
    elif kind == 5:
        bad.opened += 13_149 * 86_400  # typed 2062 for 2026
        bad.due, bad.done = bad.opened + 86_400, None
        bad.result, bad.state = None, RECEIVED
    else:
        bad.org_unit = province.expired_code(dossier.opened // 86_400) or "99999"
    return at, bad.row()


def live_dossier(province: Province, slot: int, length: int) -> list[Change]:
    """The dossier of one slot of live time: received, taken up, answered within a minute.

    Its three changes stand at fixed thirds of slots, so together the dossiers of consecutive
    slots change something every third of a slot. Odd milliseconds keep them apart from the rest.
    """
    rng = Random(f"live:{province.seed}:{slot}")
    start = slot * length
    day = start // DAY
    dossier, desk, _ = draw(province, rng, day)
    dossier.opened = start // 1000
    dossier.key = f"MAU.{dossier.org_unit}-{date_of(day):%y%m%d}-S{slot % (DAY // length):05d}"
    life = [(start | 1, dossier.row())]
    dossier.state = PROCESSING
    life.append((start + 2 * length + length // 3 | 1, dossier.row()))
    answered = start + 5 * length + 2 * length // 3
    dossier.state, dossier.done = RESOLVED, answered // 1000
    dossier.result = result_of(desk, dossier.channel, rng.random())
    return [*life, (answered | 1, dossier.row())]


def asked_dossier(
    province: Province, number: int, at: int, org_unit: str | None
) -> tuple[str, str]:
    """Key and row of a dossier filed and answered fully online at one instant, on request."""
    rng = Random(f"asked:{province.seed}:{at}:{number}")
    dossier, _, _ = draw(province, rng, at // DAY)
    if org_unit:
        dossier.org_unit, dossier.place = org_unit, None
    key = f"MAU.{dossier.org_unit}-{date_of(at // DAY):%y%m%d}-Y{at % DAY}"
    dossier.key = key
    dossier.opened = dossier.done = at // 1000
    dossier.channel, dossier.result, dossier.state = FULLY, ELECTRONIC, RESOLVED
    return key, dossier.row()
