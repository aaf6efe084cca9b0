"""What stands before a system of the sample, a port or a folder: closed, nobody gets in."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import uvicorn

from ioc.clock import right_now
from ioc.errors import IocError

HOST = "127.0.0.1"


def _nothing(_: datetime) -> None:
    """Most systems answer from what they know; nothing comes due."""


class Door:
    """One loopback port with an ASGI application behind it, that can be closed and opened again."""

    def __init__(
        self, app: Callable, port: int, tend: Callable[[datetime], None] = _nothing
    ) -> None:
        self._app, self.tend = app, tend
        self.port: int | None = port
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task | None = None

    async def open(self) -> None:
        if self._server is not None:
            return
        listener = listen(self.port or 0)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        self._server = self._task = None

    @property
    def is_open(self) -> bool:
        return self._server is not None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the sandbox's: its servers share one process."""
        yield


class Shelf:
    """A folder of files that ``write`` brings up to a clock; closed, it is out of reach.

    ``write`` makes the folder whole or not at all (aside, then renamed), so that half a history
    is never taken for all of it; the folder stays when the sandbox ends.
    """

    port: int | None = None

    def __init__(
        self,
        folder: Path,
        write: Callable[[datetime], object],
        now: Callable[[], datetime] = right_now,
    ) -> None:
        self.folder, self._write, self._now = folder, write, now
        self._aside = folder.with_name(f".{folder.name}.dung")
        self._open = False

    async def open(self) -> None:
        if self._aside.exists() and not self.folder.exists():
            self._aside.rename(self.folder)
        self._open = True
        await asyncio.to_thread(self.tend, self._now())

    async def close(self) -> None:
        self._open = False
        if self.folder.exists():
            self.folder.rename(self._aside)

    @property
    def is_open(self) -> bool:
        return self._open

    def tend(self, now: datetime) -> None:
        if self._open:
            self._write(now)


def listen(port: int) -> socket.socket:
    """A listening socket on a loopback port. Raises IocError when somebody holds it."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise IocError(f"cổng {port} của tỉnh mẫu không mở được: {error.strerror}") from error
    return listener
