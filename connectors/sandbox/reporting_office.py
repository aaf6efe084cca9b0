"""The provincial reporting system of the sample, as an older service: SOAP 1.1, a month a request.

    POST /baocao.asmx   <LayTinhHinh xmlns="urn:bao-cao-tinh"><Nam>2025</Nam><Thang>06</Thang>…
answers one <DonVi> for every department open at the end of the month: how many reporting regimes
were issued for it and how many run on the system; how many socio-economic indicators it owes, and
how many of them come by interface, by file or typed by hand. A request that it does not understand
is a fault with status 200, as such services do.
"""

import calendar
import re
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE, marked
from connectors.sandbox.place import Place, System
from connectors.sandbox.province import Province, trend
from ioc.model import OrgUnit
from ioc.period import LOCAL

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
SPACE = "urn:bao-cao-tinh"
FIRST = (2021, 6)  # the month in which the system began
MOST = 1 << 16
# (year, share): regimes on the system; indicators that come by interface or file
REGIMES = ((2021, 0.28), (2022, 0.42), (2023, 0.58), (2024, 0.71), (2025, 0.8), (2026, 0.875),
           (2027, 0.92))  # fmt: skip
CONNECTED = ((2021, 0.18), (2022, 0.33), (2023, 0.52), (2024, 0.68), (2025, 0.78), (2026, 0.86),
             (2027, 0.9))  # fmt: skip
_MONTH = re.compile(rb"<Nam>(\d{4})</Nam>\s*<Thang>(\d{2})</Thang>")


class Office:
    """What every department has connected at the end of a month; from the seed."""

    def __init__(self, place: Place) -> None:
        self._province: Province = place.province
        self._now = place.now

    def month(self, year: int, month: int) -> list[dict[str, Any]]:
        """The rows of a month; none before the system began, nor of months to come."""
        now = self._now().astimezone(LOCAL)
        if not FIRST <= (year, month) <= (now.year, now.month):
            return []
        until = date(year, month, calendar.monthrange(year, month)[1])
        return [self.row(unit, until, now) for unit in self._province.open_on("department", until)]

    def row(self, unit: OrgUnit, until: date, now: datetime) -> dict[str, Any]:
        """One department at the end of a month, or this morning while the month lasts."""
        index = until.year * 12 + until.month - 1
        traits = Random(f"reporting:{self._province.seed}:{unit.code}")
        issued, owed = traits.randint(5, 16), traits.randint(14, 52)
        ready = traits.uniform(-0.06, 0.08)
        told = min(now, datetime(until.year, until.month, until.day, 17, tzinfo=LOCAL))
        if told == now:  # the month is under way: as of this morning
            told = now.replace(hour=7, minute=30, second=0) - timedelta(days=now.hour < 8)
        left = 1 - told.day / until.day
        online = _share(issued, trend(REGIMES, index) + ready)
        connected = _share(owed, trend(CONNECTED, index) + ready - 0.08 / 12 * left)
        by_file = connected // 4
        return {
            "MaDonVi": unit.code,
            "TenDonVi": unit.name,
            "DenNgay": f"{until:%d/%m/%Y}",
            "CheDoBanHanh": issued,
            "CheDoTrenHeThong": online,
            "ChiTieuTong": owed,
            "ChiTieuGiaoDien": connected - by_file,
            "ChiTieuTep": by_file,
            "ChiTieuNhapTay": owed - connected,
            "NguoiLap": "MAU. Trần Thị Lập",
            "DienThoai": "0987654321",
            "CapNhat": f"{told:%d/%m/%Y %H:%M}",
        }


def _share(whole: int, share: float) -> int:
    return min(whole, max(0, round(whole * share)))


class Service:
    """The SOAP door of the office."""

    def __init__(self, place: Place) -> None:
        self._office = Office(place)

    def app(self) -> Any:
        """The ASGI application, its replies marked as sample data."""
        return marked(Starlette(routes=[Route("/baocao.asmx", self._asked, methods=["POST"])]))

    async def _asked(self, request: Request) -> Response:
        body = await request.body()
        found = _MONTH.search(body[:MOST])
        if not found or not 1 <= int(found[2]) <= 12:
            fault = "<s:Fault><faultcode>s:Client</faultcode><faultstring>Yeu cau sai</faultstring>"
            return _envelope(f"{fault}</s:Fault>")
        rows = "".join(map(_xml, self._office.month(int(found[1]), int(found[2]))))
        said = f"<GhiChu>{SAMPLE}</GhiChu><DanhSach>{rows}</DanhSach>"
        return _envelope(f'<LayTinhHinhResponse xmlns="{SPACE}">{said}</LayTinhHinhResponse>')


def _xml(row: dict[str, Any]) -> str:
    cells = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in row.items())
    return f"<DonVi>{cells}</DonVi>"


def _envelope(content: str) -> Response:
    body = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<s:Envelope xmlns:s="{ENVELOPE}"><s:Body>{content}</s:Body></s:Envelope>'
    )
    return Response(body.encode(), media_type="text/xml; charset=utf-8")


def make(place: Place) -> System:
    """The office behind its port."""
    return Door(Service(place).app(), place.port)
