"""One drawing for all the screens that ask the same: fifty walls cost little more than one.

A callback that says how long its answer holds (``state.steady``) is drawn once for each body, role,
scope and version of the data; screens that ask again meanwhile get the same bytes. What the live
screens show is drawn anew before they are told of a change, so that not even the first one waits.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock
from typing import Any, NamedTuple

import orjson
from flask import Flask, Response, g, request

from ioc.principal import Principal
from layouts import state
from layouts.web.guard import AHEAD, CALLBACK

MOST = 256
FEW = 16
"""Questions that are drawn ahead: those of the screens that asked last."""
PATIENCE = 5.0
"""Seconds that a screen waits for another one's drawing before it draws for itself."""
OF_LATE = 120.0  # seconds; a screen asks at least every 20
LONGEST = 4_096
"""Bytes of a body that is worth looking up; a screen's own question is much shorter."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """An answer as it was sent, and the instant from which it may be another."""

    body: bytes
    headers: tuple[tuple[str, str], ...]
    until: datetime


class Asked(NamedTuple):
    """A question as a screen sent it, whose it is, and when it was asked last (monotonic)."""

    body: bytes
    headers: dict[str, str]
    principal: Principal
    at: float


def install(server: Flask, store: Any) -> Callable[[], None]:
    """Look up what was drawn before; called after the guard and before compression.

    Returns:
        What draws ahead, for the data as they are now, all that screens have asked for of late.
    """
    drawn: OrderedDict[tuple[Any, ...], Drawn] = OrderedDict()
    asked: OrderedDict[tuple[Any, ...], Asked] = OrderedDict()
    under_way: dict[tuple[Any, ...], Event] = {}
    lock = Lock()

    def kept(key: tuple[Any, ...]) -> Response | None:
        found = drawn.get(key)
        if found is None or state.now() >= found.until:
            return None
        return Response(found.body, headers=list(found.headers))

    @server.before_request
    def _look_up() -> Response | None:
        if request.path != CALLBACK or (request.content_length or 0) > LONGEST:
            return None
        accepted = request.headers.get("Accept-Encoding", "")
        question = (_question(request.get_data()), accepted, g.principal.role, g.principal.scope)
        key = (*question, store.version())
        with lock:
            found, turn = kept(key), None
            if found is None and question in asked and (turn := under_way.get(key)) is None:
                under_way[key] = g.turn = Event()  # what many screens ask at once is drawn by one
            if question in asked and not request.environ.get(AHEAD):
                asked[question] = asked[question]._replace(at=time.monotonic())
                asked.move_to_end(question)
        if found is None and turn is not None and turn.wait(PATIENCE):
            with lock:
                found = kept(key)
        if found is None or "turn" in g:
            g.drawing = key
        return found

    @server.teardown_request
    def _next(_error: BaseException | None) -> None:
        if (turn := g.pop("turn", None)) is not None:
            with lock:
                under_way.pop(g.drawing, None)
            turn.set()

    @server.after_request
    def _keep(response: Response) -> Response:
        until = g.get("steady_until")
        if until is not None and "drawing" in g and response.status_code == 200:
            headers = tuple(response.headers.items())
            with lock:
                drawn[g.drawing] = Drawn(response.get_data(), headers, until)
                while len(drawn) > MOST:
                    drawn.popitem(last=False)
                if not request.environ.get(AHEAD):
                    sent = Asked(
                        request.get_data(), dict(request.headers), g.principal, time.monotonic()
                    )
                    asked[g.drawing[:-1]] = sent
                    while len(asked) > FEW:
                        asked.popitem(last=False)
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


def _question(body: bytes) -> bytes:
    """What a body asks, without what the live store told that screen: it is only the occasion."""
    try:
        said = orjson.loads(body)
        for part in said["inputs"]:
            if part["id"] == "live":
                part["value"] = None
        return orjson.dumps(said)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body
