"""Runs the synthetic province: one process, one loopback port per system, and a control port.

    first_port       the one-stop portal (connectors.sandbox.portal), source ``public_services``
    first_port + 1   control: GET /healthz, and POST (with header ``X-Sandbox-Control: 1``)
        /control/bien-dong?so=5&coQuan=19207   dossiers filed and answered at this instant
        /control/phan-anh?so=5&coQuan=19207    field reports filed at this instant in a commune
        /control/dinh-chinh                    a corrected re-issue of the latest staff workbook
        /control/dung, /control/chay           stop and start a system: a source that dies
                                               (?heThong=source; the portal by default)
    first_port + 2   field reports (connectors.sandbox.field_desk), source ``field_reports``
    first_port + 3…  every other system that has a port (connectors.sandbox.systems)
    folder           the staff workbooks (connectors.sandbox.staff), source ``staff``
    home             folders of the other systems that are files
The reader's credentials are the sample values ``portal.CLIENT_ID`` and ``CLIENT_SECRET``, or what
IOC_PUBLIC_SERVICES_CLIENT_ID and _CLIENT_SECRET say.
"""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sandbox import lived, systems
from connectors.sandbox.doors import Door, Shelf
from connectors.sandbox.field_desk import FieldReports
from connectors.sandbox.journal import SLOT, Journal, sequence
from connectors.sandbox.mark import SAMPLE, marked
from connectors.sandbox.outbox import MARKER, check_folder
from connectors.sandbox.place import Place, System
from connectors.sandbox.portal import CLIENT_ID, CLIENT_SECRET, Portal
from connectors.sandbox.province import Province
from connectors.sandbox.staff import StaffReports
from ioc.clock import right_now, speed
from ioc.orgunits import OrgUnits

CORRECT_EVERY = 600.0  # seconds between two corrected re-issues of the latest workbook
NOTE_EVERY = 5.0

log = logging.getLogger(__name__)


class Sandbox:
    """The province with its systems while it runs."""

    def __init__(
        self,
        *,
        first_port: int,
        folder: Path,
        scale: float,
        seed: int,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        now: Callable[[], datetime] | None = None,
        token_life: float = 300,
        per_second: float | None = None,
        correct_every: float = CORRECT_EVERY,
        home: Path | None = None,
    ) -> None:
        check_folder(folder)
        self.now = now or right_now
        self.correct_every = correct_every
        self._marker = folder / MARKER
        self._past = lived.read(self._marker)
        self._begin = lived.begin(self._past, sequence(self.now()), lead=8 * SLOT)
        province = Province(OrgUnits.load(), seed, scale)
        stretches = [*self._past, (self._begin, lived.FOR_EVER)]
        self.journal = Journal(province, self.now, stretches)
        self.field_reports = FieldReports(province, self.now, stretches)
        self.staff = StaffReports(province, folder)
        self.reports: int | None = None  # files in the folder, None until they are there
        portal = Portal(
            self.journal,
            client_id=client_id,
            client_secret=client_secret,
            token_life=token_life,
            per_second=per_second,
        )
        self.portal = Door(portal.app(), first_port)
        self.control = Door(self._control(), first_port + 1 if first_port else 0)
        self.field = Door(self.field_reports.app(), first_port + 2 if first_port else 0)
        self.prepared = False
        self.systems: dict[str, System] = {
            "public_services": self.portal,
            "field_reports": self.field,
            "staff": Shelf(folder, lambda now: None),
        }
        if home is not None:
            for listed, port in zip(systems.SYSTEMS, systems.ports(first_port), strict=True):
                place = Place(province, self.now, systems.home_of(home, listed), port)
                self.systems[listed.source] = listed.make(place)

    async def live(self, stop: asyncio.Event, ready: Callable[["Sandbox"], None]) -> None:
        """Serve until told to stop; what has a port answers before histories are written."""
        first: tuple[System, ...] = (self.portal, self.field, self.control)
        for system in first:
            await system.open()
        tending = asyncio.create_task(self._tend())
        ready(self)
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({tending, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (tending, waiting):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tending  # what broke the folder is raised here
            for system in (*self.systems.values(), self.control):
                if system.port is not None:
                    await system.close()

    async def _tend(self) -> None:
        """Write the workbooks and open all systems, then keep what changes alive."""
        self.reports = await asyncio.to_thread(self.staff.write_history, self.now())
        for system in self.systems.values():
            if not system.is_open:
                await system.open()
        self.prepared = True
        months, clock = len(self.staff.months(self.now())), asyncio.get_running_loop().time
        correct_at = clock() + self.correct_every
        while True:
            await asyncio.to_thread(self.note)
            await asyncio.sleep(NOTE_EVERY)
            for system in list(self.systems.values()):
                if system.is_open:
                    await asyncio.to_thread(system.tend, self.now())
            if not self.systems["staff"].is_open:
                continue
            if len(self.staff.months(self.now())) != months:
                months = len(self.staff.months(self.now()))
                self.reports = await asyncio.to_thread(self.staff.write_history, self.now())
            if clock() >= correct_at:
                await asyncio.to_thread(self.staff.correct, self.now())
                correct_at = clock() + self.correct_every

    def note(self, ahead: float = 2 * NOTE_EVERY) -> None:
        """Note how long we have lived; ahead of time, so that a kill -9 loses nothing."""
        if self._marker.exists():
            until = sequence(self.now()) + int(ahead * 1000 * speed())
            lived.write(self._marker, self._past, self._begin, until)

    def _control(self) -> Callable:
        post = {"methods": ["POST"]}
        routes = [
            Route("/healthz", self._health),
            Route("/control/bien-dong", self._ask, **post),
            Route("/control/phan-anh", self._report, **post),
            Route("/control/dinh-chinh", self._correct, **post),
            Route("/control/dung", self._stop, **post),
            Route("/control/chay", self._start, **post),
        ]
        return marked(Starlette(routes=routes))

    async def _health(self, _: Request) -> Response:
        ready = self.prepared and all(system.is_open for system in self.systems.values())
        state = "sẵn sàng" if ready else "đang chuẩn bị"
        body = {"ghiChu": SAMPLE, "trangThai": state, "soBaoCao": self.reports or 0}
        body |= {"chuanBiXong": self.prepared}
        return JSONResponse(body | self._open(), 200 if ready else 503)

    def _open(self) -> dict[str, Any]:
        named = {"congMotCua": self.portal.is_open, "phanAnh": self.field.is_open}
        return named | {"heThong": {name: one.is_open for name, one in self.systems.items()}}

    async def _ask(self, request: Request) -> Response:
        return await _asked(request, "maHoSo", self.journal.ask)

    async def _report(self, request: Request) -> Response:
        return await _asked(request, "maPhanAnh", self.field_reports.ask)

    async def _correct(self, request: Request) -> Response:
        if refused := _refused(request):
            return refused
        if self.reports is None:
            return JSONResponse({"ghiChu": SAMPLE, "thongBao": "đang chuẩn bị"}, 503)
        name = await asyncio.to_thread(self.staff.correct, self.now())
        return JSONResponse({"ghiChu": SAMPLE, "tep": name})

    async def _stop(self, request: Request) -> Response:
        return await self._turn(request, lambda system: system.close())

    async def _start(self, request: Request) -> Response:
        return await self._turn(request, lambda system: system.open())

    async def _turn(self, request: Request, turn: Callable[[System], Awaitable[None]]) -> Response:
        if refused := _refused(request):
            return refused
        system = self.systems.get(request.query_params.get("heThong", "public_services"))
        if system is None:
            known = ", ".join(self.systems)
            return JSONResponse({"ghiChu": SAMPLE, "thongBao": f"heThong: {known}"}, 400)
        await turn(system)
        return JSONResponse({"ghiChu": SAMPLE} | self._open())


async def _asked(
    request: Request, name: str, ask: Callable[[int, str | None], list[Any]]
) -> Response:
    """Let ``so`` things happen now, at ``coQuan`` where it is named; answers with their keys."""
    if refused := _refused(request):
        return refused
    count = request.query_params.get("so", "1")
    if not (count.isascii() and count.isdigit() and 1 <= int(count[:6]) <= 1000):
        return JSONResponse({"ghiChu": SAMPLE, "thongBao": "so: từ 1 đến 1000"}, 400)
    org_unit = request.query_params.get("coQuan", "")
    keys = await asyncio.to_thread(ask, int(count), org_unit if org_unit.isalnum() else None)
    return JSONResponse({"ghiChu": SAMPLE, name: keys})


def _refused(request: Request) -> Response | None:
    """A page of another site cannot send this header without being asked first."""
    if request.headers.get("x-sandbox-control") == "1":
        return None
    return JSONResponse({"ghiChu": SAMPLE, "thongBao": "thiếu X-Sandbox-Control: 1"}, 403)


def run(
    *,
    stop: threading.Event | None = None,
    ready: Callable[[Sandbox], None] = lambda sandbox: None,
    **options: Any,
) -> None:
    """Run the sandbox (options as ``Sandbox``) until SIGTERM, SIGINT or ``stop``.

    Raises:
        ConfigError: the folder holds somebody else's files.
        IocError: a port is taken.
    """
    sandbox = Sandbox(**options)
    try:
        asyncio.run(_run(sandbox, stop, ready))
    finally:
        sandbox.note(ahead=0)  # after the threads that write the folder


async def _run(
    sandbox: Sandbox, stop: threading.Event | None, ready: Callable[[Sandbox], None]
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
    if stop is not None:
        threading.Thread(target=_pass_on, args=(stop, loop, ended), daemon=True).start()
    await sandbox.live(ended, ready)


def _pass_on(stop: threading.Event, loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    stop.wait()
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(ended.set)
