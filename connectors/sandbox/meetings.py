"""The paperless meeting rooms as their vendor tells of them: counters since 1 January, by month.

Wire format
    GET /api/thong-ke/luy-ke    ?capNhatTu=ISO: units and years of which something changed since,
                                each with all its months; without it everything
        {"ghiChu", "soDong": "8400", "duLieu": [row…]}
A row has maDonVi tenDonVi cap ky (06/2025) hopKhongGiay tongCuocHop (both since 1 January, or since
the unit was founded) capNhat, and the name and telephone of a clerk. The room counts its own
meetings; how many there were in all a unit declares, and some declare none for a year (null).
A month that is put right moves the counters of all months after it. The headers AppName, AccessKey
and SecretKey must be right (401). A few rows are faulty: unknown or missing units, a counter that
falls, more paperless meetings than meetings.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property
from random import Random
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.asked import admit, instant, service
from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place
from connectors.sandbox.province import trend
from connectors.sandbox.statements import Figures, Statement, Statements
from ioc.model import OrgUnit
from ioc.period import LOCAL, Period, periods

APP = "ioc-quang-binh"
ACCESS_KEY, SECRET_KEY = "mau-truy-cap-hop", "mau-khoa-hop-khong-bi-mat"  # sample values
FIRST = Period.parse("2022-01")
LEVELS = {"department": "SO_BAN_NGANH", "district": "CAP_HUYEN", "commune": "CAP_XA"}
USUAL = {"department": (7, 18), "district": (9, 22), "commune": (3, 9)}
MERGED = 2  # times as many meetings in a commune of several
# (year, share) of the meetings held without paper
SHARES = {
    "department": (
        (2022, 0.33), (2023, 0.48), (2024, 0.61), (2025, 0.67), (2026, 0.775), (2027, 0.84),
        (2028, 0.87),
    ),
    "district": ((2022, 0.26), (2023, 0.41), (2024, 0.55), (2025, 0.675), (2026, 0.775)),
    "commune": (
        (2022, 0.08), (2023, 0.19), (2024, 0.34), (2025, 0.45), (2026, 0.56), (2027, 0.66),
        (2028, 0.72),
    ),
}  # fmt: skip
UNDECLARED = 0.05  # of the units in a year
EVEN_YEAR = 2025  # in which the communes as a whole met without paper in exactly half the cases

Row = dict[str, Any]


class MeetingRooms:
    """What the vendor knows, and its one question."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self.statements = Statements(place, "meetings", FIRST, self.figures, self._wrong)
        self._rows: tuple[int, list[Row]] = (0, [])

    def figures(self, unit: OrgUnit, month: Period) -> Figures:
        """Meetings of a unit in a month: without paper, and all of them."""
        if unit.level == "commune" and month.start.year == EVEN_YEAR:
            return self._even[unit.uid, month]
        return self._drawn(unit, month)

    def is_declared(self, unit: OrgUnit, year: int) -> bool:
        """Whether a unit says in a year how many meetings it holds in all."""
        return self._draw(unit, year).random() >= UNDECLARED

    def rows(self, now: datetime) -> list[Row]:
        """All counters as they stand."""
        said = self.statements.until(now)
        if self._rows[0] != len(said):
            self._rows = len(said), list(self._counters(now))
        return self._rows[1]

    def app(self) -> Callable:
        """The ASGI application."""
        return service([Route("/api/thong-ke/luy-ke", self._counted)])

    async def _counted(self, request: Request) -> Response:
        admit(request, {"AppName": APP, "AccessKey": ACCESS_KEY, "SecretKey": SECRET_KEY})
        rows = await run_in_threadpool(self.rows, self._now())
        if since := instant(request, "capNhatTu"):
            text = since.astimezone(LOCAL).isoformat(timespec="seconds")
            moved = {_year_of(row) for row in rows if row["capNhat"] >= text}
            rows = [row for row in rows if _year_of(row) in moved]
        return JSONResponse({"ghiChu": SAMPLE, "soDong": str(len(rows)), "duLieu": rows})

    def _draw(self, unit: OrgUnit, when: object) -> Random:
        return Random(f"meetings:{self._province.seed}:{unit.uid}:{when}")

    def _drawn(self, unit: OrgUnit, month: Period) -> Figures:
        rng, (least, most) = self._draw(unit, month), USUAL[unit.level]
        larger = MERGED if len(self._province.parts.get(unit.uid, [])) > 1 else 1
        total = rng.randint(least, most) * (larger if unit.level == "commune" else 1)
        share = min(0.97, trend(SHARES[unit.level], month.index) * self._province.readiness(unit))
        return sum(rng.random() < share for _ in range(total)), total

    @cached_property
    def _even(self) -> dict[tuple[str, Period], Figures]:
        """The communes' figures of the year that ends on the line, moved there one by one."""
        found, declared = {}, []
        for month in periods(Period.parse(f"{EVEN_YEAR}-01"), Period.parse(f"{EVEN_YEAR}-12")):
            for unit in self._province.open_on("commune", month.end):
                found[unit.uid, month] = self._drawn(unit, month)
                if self.is_declared(unit, EVEN_YEAR):
                    declared.append((unit.uid, month))
        first, total = found[declared[0]]
        if sum(found[key][1] for key in declared) % 2:
            found[declared[0]] = first, total + 1
        missing = sum(found[key][1] - 2 * found[key][0] for key in declared) // 2
        step = 1 if missing > 0 else -1
        while missing:
            for key in declared:
                paperless, total = found[key]
                if missing and 0 <= paperless + step <= total:
                    found[key] = paperless + step, total
                    missing -= step
        return found

    @staticmethod
    def _wrong(rng: Random, figures: Figures) -> Figures:
        paperless, total = figures
        return (paperless - 1 if paperless and rng.random() < 0.5 else paperless), total + 1

    def _counters(self, now: datetime) -> Iterator[Row]:
        years: dict[tuple[str, int], list[Statement]] = defaultdict(list)
        for (uid, month), said in self.statements.latest(now).items():
            years[uid, month.start.year].append(said)
        for number, ((_, year), months) in enumerate(
            sorted(years.items(), key=lambda item: item[0])
        ):
            paperless = total = 0
            changed = months[0].at
            declares = self.is_declared(months[0].unit, year)
            for said in sorted(months, key=lambda said: said.month):
                paperless, total = paperless + said.figures[0], total + said.figures[1]
                changed = max(changed, said.at)
                counted = _spoilt(said, paperless)
                yield _row(said, counted, total if declares else None, changed, number)
        yield from _strangers(now)


def _row(said: Statement, paperless: int, total: int | None, changed: datetime, number: int) -> Row:
    unit = said.unit
    return {
        "maDonVi": f"UBND-{unit.code}" if unit.level == "district" else unit.code,
        "tenDonVi": unit.name,
        "cap": LEVELS[unit.level],
        "ky": _text(said.month),
        "hopKhongGiay": paperless,
        "tongCuocHop": total,
        "capNhat": changed.astimezone(LOCAL).isoformat(timespec="seconds"),
        "nguoiTongHop": f"{SAMPLE} {number % 1000:03d}",
        "dienThoai": f"0900 000 {number % 1000:03d}",
    }


def _spoilt(said: Statement, paperless: int) -> int:
    """The counter as it is told: here and there wrong."""
    match said.unit.code, said.month.text:
        case "STP", "2022-05":  # falls below the month before
            return max(0, paperless - said.figures[0] - 1)
        case "SYT", "2023-12":  # more than all of its meetings
            return paperless + said.figures[1] + 3
    return paperless


def _strangers(now: datetime) -> Iterator[Row]:
    """Rows whose unit nobody can know."""
    for code, month in (("99999", "2023-03"), (None, "2023-08"), ("TO-CONG-TAC", "2024-05")):
        unit = OrgUnit(str(code), str(code), "Tổ công tác", "commune")
        at = datetime.combine(Period.parse(month).next().end, datetime.min.time(), LOCAL)
        if at <= now:
            yield _row(Statement(at, unit, Period.parse(month), ()), 1, 2, at, 0) | {
                "maDonVi": code
            }


def _year_of(row: Row) -> tuple[Any, str]:
    return row["maDonVi"], row["ky"][3:]


def _text(month: Period) -> str:
    return f"{month.start:%m/%Y}"


def make(place: Place) -> Door:
    """The system on its port, closed."""
    rooms = MeetingRooms(place)
    return Door(rooms.app(), place.port, rooms.statements.tend)
