"""The environmental network (Quan trắc môi trường) as it answers: SensorThings 1.1, in part.

Wire format
    GET /v1.1/Datastreams                    ?$expand=Thing,ObservedProperty &$top &$skip
    GET /v1.1/Datastreams(n)/Observations    ?$filter=resultTime ge|gt T &$orderby=resultTime
                                             asc|desc &$select &$top (at most 1,000) &$skip &$count
A Thing is a station with ``properties.maXa``; a Datastream is one quantity with its limits of the
QCVN (``gioiHanTren``, ``gioiHanDuoi``). Links are absolute. A filter by ``phenomenonTime`` fails
with 500, as on some servers; a question that it does not understand gets 400. The network keeps
sixty days of hourly values: what is older it does not have.
"""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE, marked
from connectors.sandbox.place import Place
from connectors.sandbox.stations import HOUR, Network, Quantity, Station, Value

LARGEST_PAGE = 1_000
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_SINCE = re.compile(r"resultTime (ge|gt) (\S+)")
_ORDERS = {"resultTime": False, "resultTime asc": False, "resultTime desc": True}

Row = dict[str, Any]


class Interface:
    """The two lists of the network."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def app(self) -> Any:
        """The ASGI application, its replies marked as sample data."""
        routes = [
            Route("/v1.1/Datastreams", self._streams),
            Route("/v1.1/Datastreams({number:int})/Observations", self._observations),
        ]
        return marked(Starlette(routes=routes, exception_handlers={ValueError: _confused}))

    async def _streams(self, request: Request) -> Response:
        expand = set(request.query_params.get("$expand", "Thing").split(","))
        if expand - {"Thing", "ObservedProperty"}:
            raise ValueError("$expand")
        found = self._network.streams.items()
        return _page(request, [_stream(request, n, *what) for n, what in found])

    async def _observations(self, request: Request) -> Response:
        asked, number = request.query_params, request.path_params["number"]
        if number not in self._network.streams:
            return _error(404, "không có luồng số liệu này")
        if "phenomenonTime" in asked.get("$filter", ""):
            return _error(500, "lỗi máy chủ")
        backwards = _ORDERS.get(asked.get("$orderby", "resultTime"))
        if backwards is None:
            raise ValueError("$orderby")
        values = await run_in_threadpool(self._network.values, number)
        rows = [_observation(value) for value in _since(values, asked.get("$filter", ""))]
        return _page(request, rows[::-1] if backwards else rows)


def _since(values: list[Value], condition: str) -> list[Value]:
    if not condition:
        return values
    found = _SINCE.fullmatch(condition)
    since = datetime.fromisoformat(found[2]) if found else None
    if found is None or since is None or since.tzinfo is None:
        raise ValueError("$filter")
    return [v for v in values if v.told > since or (found[1] == "ge" and v.told == since)]


def _stream(request: Request, number: int, station: Station, quantity: Quantity) -> Row:
    limits = {"gioiHanTren": quantity.most, "gioiHanDuoi": quantity.least}
    return {
        "@iot.id": number,
        "@iot.selfLink": f"{request.base_url}v1.1/Datastreams({number})",
        "name": f"{quantity.name} – trạm {station.kind} {station.number}",
        "description": SAMPLE,
        "observationType": MEASUREMENT,
        "unitOfMeasurement": {"name": quantity.unit, "symbol": quantity.unit, "definition": ""},
        "properties": {name: limit for name, limit in limits.items() if limit is not None},
        "Observations@iot.navigationLink": (
            f"{request.base_url}v1.1/Datastreams({number})/Observations"
        ),
        "Thing": {
            "@iot.id": station.number,
            "name": f"Trạm {station.kind} {station.number}, {station.commune.name}",
            "description": SAMPLE,
            "properties": {
                "maXa": station.commune.code,
                "thanhPhan": station.kind,
                "nguoiPhuTrach": f"Người trực {SAMPLE} {station.number:02d}",
                "soDienThoai": f"0000 000 {station.number:03d}",
            },
        },
        "ObservedProperty": {"@iot.id": number, "name": quantity.name, "description": SAMPLE},
    }


def _observation(value: Value) -> Row:
    hour = f"{_text(value.at)}/{_text(value.at + HOUR)}"
    return {"phenomenonTime": hour, "resultTime": _text(value.told), "result": value.result}


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _page(request: Request, rows: list[Row]) -> Response:
    asked = dict(request.query_params)
    top, skip = min(int(asked.get("$top", 100)), LARGEST_PAGE), int(asked.get("$skip", 0))
    if top < 1 or skip < 0:
        raise ValueError("$top, $skip")
    page = rows[skip : skip + top]
    if names := asked.get("$select"):
        page = [{name: row[name] for name in names.split(",") if name in row} for row in page]
    body: Row = {"ghiChu": SAMPLE, "value": page}
    if asked.get("$count") == "true":
        body["@iot.count"] = len(rows)
    if skip + top < len(rows):
        asked |= {"$top": str(top), "$skip": str(skip + top)}
        link = "&".join(f"{name}={quote(text)}" for name, text in asked.items())
        body["@iot.nextLink"] = f"{request.url.replace(query=link)}"
    return JSONResponse(body)


def _error(status: int, message: str) -> Response:
    return JSONResponse({"ghiChu": SAMPLE, "code": status, "message": message}, status)


async def _confused(_: Request, error: Exception) -> Response:
    return _error(400, f"câu hỏi không hợp lệ: {error}")


def make(place: Place) -> Door:
    """The network behind its port."""
    return Door(Interface(Network(place.province, place.now)).app(), place.port)
