"""The processes of one machine: started together, started again when they die, none left behind.

Every child holds the reading end of a pipe whose writing end only the supervisor has: when it is
gone, even by kill -9, the pipe closes and the child ends itself.
"""

import http.client
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ioc.errors import IocError

PARENT = "IOC_PARENT_FD"
PREPARED = "IOC_PREPARED_FD"
INSTANCE = "IOC_INSTANCE"
"""Which start of the product this is; said in ``/healthz``: a port held by another shows."""

REFUSED = 2
"""Exit code of a child whose configuration is refused: another start changes nothing."""

STEADY, LONGEST, LEAD = 60.0, 30.0, 8.0
PATIENCE = 7.0
"""Seconds that children have to end by themselves; the web lets its streams go after three."""

log = logging.getLogger("ioc")


class Supervisor:
    """Runs ``program NAME`` for each name until it is told to stop.

    The first child answers on ``port``. It starts at once and loads its libraries while
    ``prepare`` runs here; the others leave it the processors until it answers, or ``LEAD``
    seconds have gone.
    """

    def __init__(
        self,
        program: Sequence[str],
        names: Sequence[str],
        *,
        host: str,
        port: int,
        prepare: Callable[[], object],
    ):
        self.program, self.host, self.port, self.prepare = program, host, port, prepare
        os.environ[INSTANCE] = secrets.token_hex(8)
        self.children: dict[str, subprocess.Popen | None] = dict.fromkeys(names)
        self.due = dict.fromkeys(names, time.monotonic() + LEAD)
        self.due[names[0]] = 0.0
        self.begun = dict.fromkeys(names, 0.0)
        self.pause = dict.fromkeys(names, 1.0)
        self.stopping = threading.Event()
        self.code = 0
        self.held, self._kept = os.pipe()
        self.prepared, self._preparing = os.pipe()

    def run(self) -> int:
        """Start and tend the children; returns the exit code once all have ended."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())
        threading.Thread(target=self._announce, daemon=True).start()
        try:
            self._tend(next(iter(self.children)))
            self.prepare()
            os.close(self._preparing)
            while not self.stopping.is_set():
                for name in self.children:
                    self._tend(name)
                self.stopping.wait(0.1)
        finally:
            self._stop()
        return self.code

    def _tend(self, name: str) -> None:
        child, now = self.children[name], time.monotonic()
        if child is None:
            if now >= self.due[name]:
                self.begun[name] = now
                self.children[name] = subprocess.Popen(
                    [*self.program, name],
                    env=os.environ | {PARENT: str(self.held), PREPARED: str(self.prepared)},
                    pass_fds=(self.held, self.prepared),
                    start_new_session=True,  # Ctrl-C is ours to pass on
                )
        elif (code := child.poll()) is not None:
            _sweep(child)
            self.children[name] = None
            if code == REFUSED:
                self.code = REFUSED
                self.stopping.set()
                return
            if now - self.begun[name] > STEADY:
                self.pause[name] = 1.0
            log.warning("%s đã dừng (mã %s), chạy lại sau %.0f s", name, code, self.pause[name])
            self.due[name] = now + self.pause[name]
            self.pause[name] = min(LONGEST, self.pause[name] * 2)

    def _announce(self) -> None:
        """Say when pages answer and when the first figure is on the wall."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        address = f"http://{host}:{self.port}"
        said = False
        while not self.stopping.wait(0.2):
            found = ask(self.host, self.port, "/readyz")
            if found is None:
                continue
            if found.get("instance") != os.environ[INSTANCE]:
                print(f"Cổng {self.port} do một chương trình khác giữ.", flush=True)
                self.code = REFUSED
                self.stopping.set()
            elif found.get("figures"):
                print(f"Sẵn sàng: {address} · màn hình tường: {address}/wall", flush=True)
                return
            elif not said:
                said = True
                self.due = dict.fromkeys(self.due, 0.0)
                print(f"Đang nạp số liệu, trang đã mở: {address}", flush=True)

    def _stop(self) -> None:
        living = [child for child in self.children.values() if child is not None]
        for child in living:
            child.terminate()
        end = time.monotonic() + PATIENCE
        for child in living:
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0.1, end - time.monotonic()))
            _sweep(child)


def _sweep(child: subprocess.Popen) -> None:
    """End whatever is left of a child's session."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def check_free(host: str, port: int) -> None:
    """Raise when somebody else listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise IocError(f"cổng {port} đang được dùng: {error.strerror}") from error


def ask(host: str, port: int, path: str, method: str = "GET", **headers: str) -> Any:
    """What a local process answers as JSON; None when it does not, empty when it is not JSON."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request(method, path, headers=headers)
        found = json.loads(connection.getresponse().read())
        return found if isinstance(found, dict) else {}
    except (OSError, http.client.HTTPException):
        return None
    except ValueError:
        return {}
    finally:
        connection.close()


def follow_parent() -> None:
    """End with the process that started us, however it ended."""
    held = int(os.environ[PARENT])

    def wait() -> None:
        os.read(held, 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE - 2)
        os._exit(1)

    threading.Thread(target=wait, daemon=True, name="parent").start()


def wait_until_prepared() -> None:
    """Return when the supervisor has prepared what all need; at once where there is none."""
    if PREPARED in os.environ:
        os.read(int(os.environ[PREPARED]), 1)
