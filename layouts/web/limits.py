"""How often one may ask: sign-in, pairing, data addresses and exports, each in its own window.

Counts are kept in the memory of each process and are bounded: the lock of an account in the store
holds across processes, this here keeps the doors from being hammered.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from threading import Lock

from flask import Flask, g, request

from ioc.settings import Settings
from layouts.web.problems import Problem

KEYS = 4_096
"""Keys that a window remembers; the one that was silent longest goes first."""
FILES = (".csv", ".xlsx")
"""Data addresses that are files whatever is asked of them."""
ROWS = 2_000_000
"""Rows that one account may take within a day from data addresses, from each process."""


@dataclass(slots=True)
class Window:
    """At most ``most`` for one key within ``seconds``, counted from its first."""

    most: int
    seconds: float
    clock: Callable[[], float] = time.monotonic
    held: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def take(self, key: str, cost: int = 1) -> int:
        """Count one more; 0 when it is within the limit, else the seconds to wait."""
        now = self.clock()
        with self.lock:
            begun, count = self.held.pop(key, (now, 0))
            if now - begun >= self.seconds:
                begun, count = now, 0
            fits = count < self.most
            self.held[key] = (begun, count + cost if fits else count)
            while len(self.held) > KEYS:
                self.held.popitem(last=False)
        return 0 if fits else max(1, ceil(begun + self.seconds - now))


@dataclass(slots=True)
class Limits:
    """The windows of one process."""

    sign_in: Window = field(default_factory=lambda: Window(10, 300))
    sign_in_from: Window = field(default_factory=lambda: Window(60, 300))
    link_from: Window = field(default_factory=lambda: Window(30, 300))
    code_from: Window = field(default_factory=lambda: Window(30, 600))
    state_from: Window = field(default_factory=lambda: Window(600, 60))
    api: Window = field(default_factory=lambda: Window(600, 60))
    export: Window = field(default_factory=lambda: Window(60, 3_600))
    rows: Window = field(default_factory=lambda: Window(ROWS, 86_400))
    outside: Window = field(default_factory=lambda: Window(1, 600))
    noted: Window = field(default_factory=lambda: Window(60, 3_600))
    seen: Window = field(default_factory=lambda: Window(1, 86_400))


def install(server: Flask, settings: Settings) -> Limits:
    """Count data addresses and exports by account; called after the guard.

    Open mode serves whoever sits at the machine, who could read the database as well.
    """
    limits = server.extensions["ioc.limits"] = Limits()
    if settings.auth != "accounts":
        return limits

    @server.before_request
    def _count() -> None:
        principal = g.get("principal")
        if principal is None:
            return
        if request.path.startswith("/api/"):
            check(limits.api, principal.name, "Quá nhiều lượt hỏi dữ liệu")
            check(limits.rows, principal.name, "Đã hết số dòng được lấy trong ngày", cost=0)
        if exports():
            check(limits.export, principal.name, "Quá nhiều lượt xuất dữ liệu")

    return limits


def exports() -> bool:
    """Whether this request takes a file away."""
    asked = {"download", "manifest"} & request.args.keys()
    return request.path.startswith("/api/") and bool(asked or request.path.endswith(FILES))


def check(window: Window, key: str, what: str, *, cost: int = 1) -> None:
    """Count in a window. Raises Problem 429 that says when to come back."""
    wait = window.take(key, cost)
    if wait:
        minutes = f"{ceil(wait / 60)} phút" if wait >= 60 else f"{wait} giây"
        raise Problem(429, f"{what}; hãy thử lại sau {minutes}.", retry_after=wait)


def where() -> str:
    """The address that asks, as far as the proxies that we trust say so."""
    return request.remote_addr or ""
