"""One drawing for all the screens that ask the same: fifty walls cost little more than one.

A callback that says how long its answer holds (``state.steady``) is drawn once for each body, role,
scope and version of the data, in one of the processes; screens that ask meanwhile wait for it and
get the same bytes. What the live screens show is drawn anew before they are told of a change, so
that not even the first one waits.
"""

from __future__ import annotations

import os
import secrets
import time
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import orjson
from flask import Flask, Response, g, request

from ioc.principal import Principal
from ioc.processes import INSTANCE
from layouts import state
from layouts.web.guard import AHEAD, CALLBACK
from layouts.web.turns import Turns

MOST = 256
FEW = 16
"""Questions that are drawn ahead: those of the screens that asked last."""
OF_LATE = 120.0  # seconds; a screen asks at least every 20
LONGEST = 4_096
"""Bytes of a body that is worth looking up; a screen's own question is much shorter."""
FOLDER = "drawn"
"""Where in ``IOC_DATA`` the processes of one start find each other's drawings."""

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """An answer as it was sent, the instant from which it may be another, and what it shows of
    restricted figures: whoever gets it has looked at them.
    """

    body: bytes
    headers: tuple[tuple[str, str], ...]
    until: datetime
    restricted: frozenset[str]

    def plain(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {
            "body": b64encode(self.body).decode(),
            "headers": self.headers,
            "until": self.until.isoformat(),
            "restricted": sorted(self.restricted),
        }

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Drawn:
        """What ``plain`` made."""
        headers = tuple((name, value) for name, value in plain["headers"])
        until = datetime.fromisoformat(plain["until"])
        return cls(b64decode(plain["body"]), headers, until, frozenset(plain["restricted"]))


class Asked(NamedTuple):
    """A question as a screen sent it, whose it is, and when it was asked last (monotonic)."""

    body: bytes
    headers: dict[str, str]
    principal: Principal
    at: float


class Drawing(NamedTuple):
    """What this request draws: its key, the callback's name, and when it was asked."""

    key: Key
    callback: str
    at: datetime


def install(server: Flask, store: Any, data: Path) -> Callable[[], None]:
    """Look up what was drawn before; called after the guard and before compression.

    Processes of one start find each other's drawings, and wait for them, in the folder ``data``.

    Returns:
        What draws ahead, for the data as they are now, all that screens have asked for of late.
    """
    drawn: OrderedDict[Key, Drawn] = OrderedDict()
    asked: OrderedDict[Key, Asked] = OrderedDict()
    brief: set[str] = set()  # callbacks whose answers did not last: nobody waits for them
    lock, turns = Lock(), Turns(data / FOLDER)
    start = os.environ.get(INSTANCE) or secrets.token_hex(8)

    def kept(key: Key) -> Drawn | None:
        with lock:
            found = drawn.get(key)
        return found if found is not None and state.now() < found.until else None

    def keep(key: Key, one: Drawn) -> None:
        with lock:
            drawn[key] = one
            while len(drawn) > MOST:
                drawn.popitem(last=False)
            if not request.environ.get(AHEAD):
                sent = request.get_data(), dict(request.headers), g.principal
                asked[key[:-1]] = Asked(*sent, time.monotonic())
                while len(asked) > FEW:
                    asked.popitem(last=False)

    def waited(key: Key, callback: str) -> Drawn | None:
        """What another one draws meanwhile; None with the turn in hand, or without any."""
        name = sha256(repr((start, *key)).encode()).hexdigest()
        turn = turns.take(name)
        if turn is None:
            return kept(key)
        g.turn = turn
        found = kept(key)
        if found is None and callback not in brief and (left := turn.left()) is not None:
            one = Drawn.of(left)
            if state.now() < one.until:
                keep(key, found := one)
        if found is not None or callback in brief:
            g.pop("turn").end()
        return found

    @server.before_request
    def _look_up() -> Response | None:
        if request.path != CALLBACK or (request.content_length or 0) > LONGEST:
            return None
        callback, said = _question(request.get_data())
        accepted = request.headers.get("Accept-Encoding", "")
        question = (said, accepted, g.principal.role, g.principal.scope)
        key = (*question, store.version())
        found = kept(key)
        if found is None and callback not in brief:
            found = waited(key, callback)
        if found is None:
            g.drawing = Drawing(key, callback, state.now())
            return None
        with lock:
            if question in asked and not request.environ.get(AHEAD):
                asked[question] = asked[question]._replace(at=time.monotonic())
                asked.move_to_end(question)
        g.restricted = found.restricted
        return Response(found.body, headers=list(found.headers))

    @server.teardown_request
    def _next(_error: BaseException | None) -> None:
        if (turn := g.pop("turn", None)) is not None:
            turn.end()

    @server.after_request
    def _keep(response: Response) -> Response:
        drawing = g.get("drawing")
        if drawing is None or response.status_code >= 400:
            return response
        until = g.get("steady_until")
        if response.status_code != 200 or until is None or until <= drawing.at:
            brief.add(drawing.callback)
            return response
        brief.discard(drawing.callback)
        headers, restricted = tuple(response.headers.items()), frozenset(g.get("restricted", ()))
        one = Drawn(response.get_data(), headers, until, restricted)
        keep(drawing.key, one)
        if "turn" in g:
            g.turn.leave(one.plain())
        return response

    def draw_ahead() -> None:
        late = time.monotonic() - OF_LATE
        with lock:
            wanted = [one for one in asked.values() if one.at > late]
        client = server.test_client(use_cookies=False)
        for one in wanted:
            client.post(
                CALLBACK,
                data=one.body,
                headers=one.headers,
                environ_overrides={AHEAD: one.principal},
            )

    return draw_ahead


def _question(body: bytes) -> tuple[str, bytes]:
    """Which callback a body calls, and what it asks without what the live store told that screen:
    it is only the occasion.
    """
    try:
        said = orjson.loads(body)
        for part in said["inputs"]:
            if part["id"] == "live":
                part["value"] = None
        return str(said["output"]), orjson.dumps(said)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "", body
