"""The security operations centre of the sample: daily counts of alerts, over TAXII 2.1.

    GET /taxii2/                                   discovery
    GET /atttt/collections/                        the one collection
    GET /atttt/collections/{id}/objects/           ?added_after= &limit= &next=
An object ``x-dem-canh-bao`` stands for one department and day: how many alerts of which severity,
how many handled. It tells of no single alert, machine or person; two of its fields stand for what
a careless system would add. An object is revised while its day lasts, and once more two mornings
later, when the last alerts are handled.
"""

import base64
import binascii
import hmac
import json
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE, marked
from connectors.sandbox.place import Place, System
from ioc.period import LOCAL

USER, PASSWORD = "du-lieu-mau", "du-lieu-mau-khong-bi-mat"
COLLECTION = "7a1f0c52-3d7e-4b62-9a51-000000000450"
MEDIA = "application/taxii+json;version=2.1"
TYPE = "x-dem-canh-bao"
BEGAN = date(2022, 1, 1)  # the centre opened a year after the plan
BUSY = 0.22  # share of days on which a department has alerts
LARGEST = 1_000
_SLOT = timedelta(minutes=5)
_SPACE = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


class Told(NamedTuple):
    """An object as it stands, and when it was added in that form."""

    added: datetime
    body: dict[str, Any]


class Centre:
    """What the centre has told up to an instant; whole days are worked out once."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self._past: list[Told] = []
        self._upto = BEGAN

    def told(self) -> list[Told]:
        """Every object as it stands now, in the order in which that was added."""
        now = self._now()
        today = now.astimezone(LOCAL).date()
        while self._upto < today - timedelta(days=3):  # nothing of it is revised any more
            self._past += self._day(self._upto, now)
            self._upto += timedelta(days=1)
        days = [self._upto + timedelta(days=i) for i in range((today - self._upto).days + 1)]
        fresh = [told for day in days for told in self._day(day, now)]
        return sorted([*self._past, *fresh], key=lambda told: (told.added, told.body["id"]))

    def _day(self, day: date, now: datetime) -> list[Told]:
        found = []
        for unit in self._province.open_on("department", day):
            rng = Random(f"soc:{self._province.seed}:{unit.code}:{day}")
            if rng.random() < BUSY and (told := _told(unit.code, day, rng, now)):
                found.append(told)
        return found


def _told(code: str, day: date, rng: Random, now: datetime) -> Told | None:
    """The object of a department and day as it stands now; None before the first alert."""
    begin = datetime.combine(day, time(), LOCAL).astimezone(UTC)
    alerts = sorted((rng.randrange(1440), rng.choices((0, 1, 2, 3), (3, 9, 28, 60))[0])
                    for _ in range(rng.randint(1, 14)))  # fmt: skip
    share = 0.72 + 0.045 * (day.year - BEGAN.year) + rng.uniform(-0.08, 0.08)
    seen = [(minute, level) for minute, level in alerts if begin + _at(minute) <= now]
    if not seen:
        return None
    settled = begin + timedelta(days=2, hours=9, minutes=rng.randrange(40))
    added = settled if settled <= now else begin + _at(seen[-1][0])
    handled = sum(rng.random() < (share + 0.2 if settled <= now else share) for _ in seen)
    counts = [sum(level == wanted for _, level in seen) for wanted in range(4)]
    return Told(added, _object(code, day, added, counts, handled))


def _at(minute: int) -> timedelta:
    """Alerts are told every five minutes."""
    return (minute // 5 + 1) * _SLOT


def _object(
    code: str, day: date, added: datetime, counts: list[int], handled: int
) -> dict[str, Any]:
    severities = ("x_nghiem_trong", "x_cao", "x_trung_binh", "x_thap")
    return {
        "type": TYPE,
        "spec_version": "2.1",
        "id": f"{TYPE}--{uuid5(_SPACE, f'{code}:{day}')}",
        "created": f"{day.isoformat()}T00:00:00.000Z",
        "modified": _stamp(added),
        "x_ma_don_vi": code,
        "x_ngay": day.isoformat(),
        "x_tong": sum(counts),
        **dict(zip(severities, counts, strict=True)),
        "x_da_xu_ly": handled,
        "x_dang_mo": sum(counts) - handled,
        "x_can_bo_truc": "MAU. Nguyễn Văn Trực",
        "x_dien_thoai": "0912345678",
        "x_ghi_chu": SAMPLE,
    }


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Taxii:
    """The TAXII door of the centre."""

    def __init__(self, place: Place) -> None:
        self._centre = Centre(place)

    def app(self) -> Any:
        """The ASGI application, its replies marked as sample data."""
        routes = [
            Route("/taxii2/", self._discovery),
            Route("/atttt/collections/", self._collections),
            Route(f"/atttt/collections/{COLLECTION}/objects/", self._objects),
        ]
        return marked(Starlette(routes=routes))

    async def _discovery(self, request: Request) -> Response:
        root = str(request.url.replace(path="/atttt/", query=""))
        return _refused(request) or _json({"title": SAMPLE, "default": root, "api_roots": [root]})

    async def _collections(self, request: Request) -> Response:
        one = {"id": COLLECTION, "title": SAMPLE, "can_read": True, "can_write": False}
        return _refused(request) or _json({"collections": [one]})

    async def _objects(self, request: Request) -> Response:
        if refused := _refused(request):
            return refused
        try:
            after = datetime.fromisoformat(
                request.query_params.get("added_after", "2000-01-01T00:00:00Z")
            )
            start = int(request.query_params.get("next", "0"))
            limit = min(int(request.query_params.get("limit", LARGEST)), LARGEST)
        except ValueError:
            return _json({"title": "tham số không hợp lệ"}, 400)
        told = await run_in_threadpool(self._centre.told)
        new = [one for one in told if one.added > after]
        page, rest = new[start : start + limit], len(new) - start - limit
        if not page:
            return _json({})
        said: dict[str, Any] = {"more": rest > 0, "objects": [one.body for one in page]}
        said |= {"next": str(start + limit)} if rest > 0 else {}
        first, last = _stamp(page[0].added), _stamp(page[-1].added)
        return _json(said, **{"X-TAXII-Date-Added-First": first, "X-TAXII-Date-Added-Last": last})


def _refused(request: Request) -> Response | None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        word = base64.b64decode(given, validate=True).decode() if scheme == "Basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        word = ""
    if not hmac.compare_digest(word.encode(), f"{USER}:{PASSWORD}".encode()):
        return _json({"title": "cần đăng nhập"}, 401, **{"WWW-Authenticate": "Basic"})
    if MEDIA not in request.headers.get("accept", "").replace(" ", ""):
        return _json({"title": "chỉ nói TAXII 2.1"}, 406)
    return None


def _json(body: dict[str, Any], status: int = 200, **headers: str) -> Response:
    content = json.dumps(body, ensure_ascii=False).encode()
    return Response(content, status, headers, media_type=MEDIA)


def make(place: Place) -> System:
    """The centre behind its port."""
    return Door(Taxii(place).app(), place.port)
