"""The life of a field report: filed, dispatched, worked on, answered, rated; or refused.

A report is drawn once, when its day is drawn, with every change it will see; what is served at an
instant is the last change until then. Instants are seconds of local time (+07:00 all year).
"""

from bisect import bisect
from dataclasses import dataclass, replace
from datetime import date
from itertools import accumulate
from math import cos, pi, sin
from random import Random

from connectors.sandbox.province import Province
from connectors.sandbox.workdays import after
from ioc.model import OrgUnit
from ioc.period import date_of, month_of

DAY, HOUR, MINUTE = 86_400, 3_600, 60
SLOT = 180  # seconds; in live time a report is filed in each
RECEIVED, DISPATCHED, WORKING, RESOLVED, REFUSED = (
    "tiếp nhận",
    "đã điều phối",
    "đang xử lý",
    "đã có kết quả",
    "từ chối",
)
RATINGS = ("hài lòng", "chấp nhận", "không hài lòng")
CHANNELS = ("ứng dụng", "ứng dụng", "ứng dụng", "cổng thông tin", "tổng đài")
# reports of a year; always all of them, whatever the scale of the province: they are few
_YEARLY = {2021: 310, 2022: 390, 2023: 470, 2024: 540, 2025: 610, 2026: 690}
_MONTHS = (0.9, 0.75, 0.9, 0.9, 0.95, 1.0, 0.95, 1.0, 1.15, 1.4, 1.25, 0.85)  # rain, storms
_SATISFIED = {2021: 0.52, 2022: 0.55, 2023: 0.59, 2024: 0.61, 2025: 0.64, 2026: 0.67}
_AT_MOST = 8  # reports of a day
_QUICK = 1 / 400  # how much faster than in history live reports go on
_RURAL, _URBAN = 1.5, 0.8  # kilometres around a commune's seat


@dataclass(frozen=True, slots=True)
class Service:
    """What one may report: working days allowed, and the department that takes a share of it."""

    code: str
    name: str
    weight: float
    days: int
    sector: str
    share: float


SERVICES = (
    Service("MT-RAC", "Rác thải, vệ sinh môi trường", 22, 5, "STNMT", 0.12),
    Service("HT-GT", "Hạ tầng giao thông", 20, 20, "SGTVT", 0.3),
    Service("TN-NG", "Thoát nước, ngập úng", 13, 15, "SXD", 0.2),
    Service("TT-DT", "Trật tự đô thị", 12, 10, "SXD", 0.12),
    Service("CS-DEN", "Chiếu sáng công cộng", 10, 7, "SXD", 0.1),
    Service("GT-AT", "An toàn giao thông", 8, 10, "SGTVT", 0.5),
    Service("DV-VT", "Điện, viễn thông", 6, 10, "STTTT", 0.5),
    Service("YT-TP", "An toàn thực phẩm", 5, 10, "SYT", 0.6),
    Service("NN-TL", "Thủy lợi, thú y, bảo vệ rừng", 4, 15, "SNNPTNT", 0.5),
)
_BOUNDS = list(accumulate(service.weight for service in SERVICES))


@dataclass(frozen=True, slots=True)
class Report:
    """A report as the system shows it after a change."""

    number: int
    service: Service
    place: str
    agency: OrgUnit
    channel: str
    position: tuple[str, str]
    opened: int
    due: int
    state: str = RECEIVED
    extended: bool = False
    done: int | None = None
    rating: str | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """All changes of a report, in order; ``gone``: when it is removed as a duplicate or as spam."""

    opened: int
    changes: list[tuple[int, Report]]
    gone: int | None = None

    def at(self, instant: int) -> tuple[int, Report] | None:
        """The last change until an instant; None before it is shown and after it is gone."""
        if self.gone is not None and self.gone <= instant:
            return None
        return next((change for change in reversed(self.changes) if change[0] <= instant), None)


class Reporters:
    """Who reports what and where: draws the lives of reports, from a seed and a day."""

    def __init__(self, province: Province) -> None:
        self._province = province
        self._places: dict[int, tuple[list[OrgUnit], list[float]]] = {}

    def day(self, day: int) -> list[Life]:
        """The reports of one local day."""
        rng = Random(f"field:{self._province.seed}:{day}")
        on = date_of(day)
        mean = (
            _YEARLY.get(on.year, 700)
            / 365
            * _MONTHS[on.month - 1]
            * (0.75 + 0.4 * (on.weekday() < 5))
        )
        count = sum(rng.random() < mean / _AT_MOST for _ in range(_AT_MOST))
        opened = sorted(day * DAY + int(rng.triangular(5.5, 22, 9) * HOUR) for _ in range(count))
        return [
            self._life(rng, self._draw(rng, _number(on, place), at), 1.0)
            for place, at in enumerate(opened, 1)
        ]

    def slot(self, slot: int) -> Life:
        """The report of one slot of live time; most go on within minutes, some stay open."""
        rng = Random(f"field live:{self._province.seed}:{slot}")
        at = slot * SLOT
        number = _number(date_of(at // DAY), 500 + slot % (DAY // SLOT))
        return self._life(rng, self._draw(rng, number, at), 1.0 if rng.random() < 0.25 else _QUICK)

    def asked(self, at: int, number: int, org_unit: str | None = None) -> Life:
        """A report filed at this instant on request, in a commune if it is named and open."""
        rng = Random(f"field asked:{self._province.seed}:{at}:{number}")
        name = int(f"{date_of(at // DAY):%y%m%d}{at % DAY:05d}{number:04d}")
        return self._life(rng, self._draw(rng, name, at, org_unit), _QUICK)

    def _draw(self, rng: Random, number: int, opened: int, wanted: str | None = None) -> Report:
        service = SERVICES[bisect(_BOUNDS, rng.random() * _BOUNDS[-1])]
        places, bounds = self._places_of(month_of(opened // DAY))
        place = places[bisect(bounds, rng.random() * bounds[-1])]
        place = next((unit for unit in places if unit.code == wanted), place)
        return Report(
            number=number,
            service=service,
            place=place.code,
            agency=place,
            channel=rng.choice(CHANNELS),
            position=_position(rng, place),
            opened=opened,
            due=_due(opened // DAY, service.days),
        )

    def _places_of(self, month: int) -> tuple[list[OrgUnit], list[float]]:
        if month not in self._places:
            first = date(month // 12, month % 12 + 1, 1)
            units = self._province.open_on("commune", first)
            traits = (self._province.traits[unit.uid] for unit in units)
            self._places[month] = units, list(accumulate(size * ready**2 for size, ready in traits))
        return self._places[month]

    def _responsible(self, rng: Random, report: Report) -> OrgUnit:
        """Who must act: the commune, its district while there is one, or a department."""
        on = date_of(report.opened // DAY)
        number = rng.random()
        if number < report.service.share:
            return self._province.orgunits.owner(report.service.sector, on) or report.agency
        above = self._province.orgunits.parent(report.agency.uid, on)
        district = above is not None and self._province.orgunits[above].level == "district"
        return self._province.orgunits[above] if district and number > 0.7 else report.agency

    def _life(self, rng: Random, report: Report, pace: float) -> Life:
        """``pace`` shortens every step; the deadline stays what the rules say."""
        late_entry = report.channel == "tổng đài" and rng.random() < 0.3  # from the paper book
        wait = rng.uniform(0.2, 60 if late_entry else 0.5) * HOUR
        at = report.opened + (int(wait) if pace == 1 else 0)
        changes = [(at, report)]
        for hours, change in self._steps(rng, report):
            at += max(1, int(hours * HOUR * pace))
            closes = change.get("state") in (RESOLVED, REFUSED)
            report = replace(report, **change, **({"done": at} if closes else {}))
            changes.append((at, report))
        gone = at + int(rng.uniform(3, 40)) * DAY if rng.random() < 0.015 else None
        return Life(report.opened, changes, gone if pace == 1 else None)

    def _steps(self, rng: Random, report: Report) -> list[tuple[float, dict]]:
        """Hours after the step before, and what changes then."""
        if rng.random() < 0.08:
            return [(rng.uniform(0.5, 30), {"state": REFUSED})]
        taken = rng.uniform(0.3, 10), rng.uniform(0.5, 26)
        steps = [
            (taken[0], {"state": DISPATCHED, "agency": self._responsible(rng, report)}),
            (taken[1], {"state": WORKING}),
        ]
        allowed = (report.due - report.opened) / HOUR
        work = max(
            1.0, _share_of_time(rng, date_of(report.opened // DAY).year) * allowed - sum(taken)
        )
        if rng.random() < 0.09:
            later = _due(report.due // DAY, rng.choice((3, 5, 7, 10)))
            wait = max(0.5, (allowed - sum(taken)) * rng.uniform(0.3, 0.9))
            steps.append((wait, {"due": later, "extended": True}))
            work = max(1.0, (later - report.due) / HOUR * rng.uniform(0.2, 1.15))
        steps.append((work, {"state": RESOLVED}))
        if rng.random() < 0.62:
            steps.append((rng.triangular(0.5, 160, 12), {"rating": _rating(rng, report.opened)}))
        return steps


def _number(on: date, place: int) -> int:
    return int(f"{on:%y%m%d}{place:03d}")


def _due(day: int, workdays: int) -> int:
    return after(day, workdays) * DAY + 17 * HOUR


def _position(rng: Random, place: OrgUnit) -> tuple[str, str]:
    """Texts, as the system writes them; a few reports have none, and so have lost communes."""
    if place.lat is None or place.lon is None or rng.random() < 0.03:
        return "", ""
    reach = (_RURAL if place.unit_type == "Xã" else _URBAN) * rng.random() ** 0.5
    angle = rng.uniform(0, 2 * pi)
    north, east = reach * sin(angle), reach * cos(angle) - 0.3  # the sea is in the east
    return f"{place.lat + north / 111:.6f}", f"{place.lon + east / 106:.6f}"


def _share_of_time(rng: Random, year: int) -> float:
    """How much of the allowed time is used: better each year, a few much too late."""
    number = rng.random()
    if number < 0.03:
        return rng.uniform(3, 25)
    if number < 0.21 - 0.02 * (year - 2021):
        return rng.uniform(1.02, 2.6)
    return rng.uniform(0.5, 0.99)


def _rating(rng: Random, opened: int) -> str:
    satisfied = _SATISFIED.get(date_of(opened // DAY).year, 0.68)
    return RATINGS[bisect((satisfied, satisfied + 0.22), rng.random())]
