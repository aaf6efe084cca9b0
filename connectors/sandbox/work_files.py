"""The document system (quản lý văn bản và điều hành) as the integration platform passes it on.

Wire format
    GET /lgsp/v1/hoSoCongViec   ?tu=rows already read &soLuong=1..1000: statements in order
        {"ghiChu", "duLieu": [row…]}, and a header Link with the relations first and, where more
        has been said than fits, next. The last page grows until it is full.
A row is what an org unit says of a month: donVi {ma, ten}, thang (2025-06), xuLyTrenMang, tongSo,
guiLuc (dd/mm/yyyy hh:mm:ss, local), and the name and telephone of an archivist. A month that is put
right is said again, later in the order. Files under state secrecy are in neither figure, and
nothing here tells how many there are. ``Authorization: Bearer`` must be right (401).
"""

from collections.abc import Callable
from random import Random
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.asked import admit, service, whole
from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place
from connectors.sandbox.province import trend
from connectors.sandbox.statements import Figures, Statement, Statements
from ioc.model import OrgUnit
from ioc.period import LOCAL, Period

TOKEN = "mau-the-truy-cap-ho-so"  # a sample value
FIRST = Period.parse("2021-01")
PATH = "/lgsp/v1/hoSoCongViec"
LARGEST_PAGE = 1_000
USUAL = {"department": (260, 760), "district": (340, 620), "commune": (35, 85)}
MERGED = {"department": 1.3, "commune": 3.1}  # times as many in one that is made of several
# (year, share) of the files worked on in the system
SHARES = {
    "department": (
        (2021, 0.78), (2022, 0.86), (2023, 0.91), (2024, 0.935), (2025, 0.945), (2026, 0.957),
        (2028, 0.97),
    ),
    "district": (
        (2021, 0.64), (2022, 0.74), (2023, 0.82), (2024, 0.88), (2025, 0.91), (2026, 0.92),
    ),
    "commune": (
        (2021, 0.44), (2022, 0.56), (2023, 0.68), (2024, 0.79), (2025, 0.868), (2026, 0.91),
        (2028, 0.94),
    ),
}  # fmt: skip
BEHIND = 0.75  # how much of an org unit's readiness shows

Row = dict[str, Any]


class WorkFiles:
    """What was said of work files until now, and the platform's one question."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self.statements = Statements(place, "work files", FIRST, self.figures, _wrong)

    def figures(self, unit: OrgUnit, month: Period) -> Figures:
        """Work files of a unit and month: worked on in the system, and all but secret ones."""
        usual = Random(f"work files:{self._province.seed}:{unit.uid}").uniform(*USUAL[unit.level])
        if len(self._province.parts.get(unit.uid, [])) > 1:
            usual *= MERGED[unit.level]
        rng = Random(f"work files:{self._province.seed}:{unit.uid}:{month}")
        total = max(1, round(usual * rng.uniform(0.8, 1.2)))
        share = trend(SHARES[unit.level], month.index)
        share = min(
            0.995, share * (1 - BEHIND + BEHIND * min(1.12, self._province.readiness(unit)))
        )
        return min(total, round(total * min(1.0, share * rng.uniform(0.97, 1.03)))), total

    def rows(self) -> list[Row]:
        """Everything that was said, in order, faulty rows too."""
        return [_row(said) for said in self.statements.until(self._now())]

    def app(self) -> Callable:
        """The ASGI application."""
        return service([Route(PATH, self._said)])

    async def _said(self, request: Request) -> Response:
        admit(request, {"Authorization": f"Bearer {TOKEN}"})
        begin = whole(request, "tu", 0, 10**8, least=0)
        size = whole(request, "soLuong", 200, LARGEST_PAGE)
        said = await run_in_threadpool(self.statements.until, self._now())
        address = request.url.replace(query="")
        links = [f'<{address}?tu=0&soLuong={size}>; rel="first"']
        if len(said) > begin + size:
            links.append(f'<{address}?tu={begin + size}&soLuong={size}>; rel="next"')
        rows = [_row(one) for one in said[begin : begin + size]]
        body = {"ghiChu": SAMPLE, "duLieu": rows}
        return JSONResponse(body, headers={"Link": ", ".join(links)})


def _wrong(rng: Random, figures: Figures) -> Figures:
    online, total = figures
    return max(0, online - rng.randint(1, 3 + online // 12)), total


def _row(said: Statement) -> Row:
    unit, (online, total) = said.unit, said.figures
    number = sum(map(ord, unit.uid)) % 1000
    row: Row = {
        "donVi": {"ma": unit.code, "ten": unit.name},
        "thang": said.month.text,
        "xuLyTrenMang": online,
        "tongSo": total,
        "guiLuc": f"{said.at.astimezone(LOCAL):%d/%m/%Y %H:%M:%S}",
        "canBoTongHop": f"{SAMPLE} {number:03d}",
        "dienThoai": f"0900 000 {number:03d}",
    }
    match unit.code, said.month.text:  # here and there a clerk is wrong
        case "STC", "2022-04":
            row["donVi"] = {"ma": None, "ten": unit.name}
        case "452", "2023-02":
            row["donVi"] = {"ma": "99452", "ten": unit.name}
        case "SYT", "2022-09":
            row["xuLyTrenMang"] = total + 12
        case "455", "2024-01":
            row["tongSo"] = f"{total} hồ sơ"
    return row


def make(place: Place) -> Door:
    """The system on its port, closed."""
    files = WorkFiles(place)
    return Door(files.app(), place.port, files.statements.tend)
