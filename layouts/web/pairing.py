"""Wall screens as devices: a code to pair one, then one layout of the wall and nothing else.

The screen keeps a token from the moment it asks; an administrator ties it to a layout by the code
that the screen shows. A screen that was revoked or has run out is here again, with no figures.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from flask import Flask, Response, g, redirect, request
from werkzeug.wrappers import Response as Answer

from ioc.settings import Settings
from kpi import devices
from layouts.wall import view
from layouts.web import cookies, limits, login
from layouts.web.guard import CALLBACK
from layouts.web.problems import Problem

CODE_SECONDS = 600
OWN = frozenset({"shape", "speed", "theme"})
"""Parts of a wall's address that are about the glass, not about what is on it."""
GIVEN = "wall-given"
"""Where the page of a wall remembers what its address asked for."""


def install(server: Flask, store: Any, settings: Settings, windows: limits.Limits) -> None:
    """Serve the page of pairing and hold every paired screen to its layout."""
    if settings.auth != "accounts":
        return

    @server.get("/screen")
    def screen() -> Answer:
        token = cookies.get(cookies.SCREEN)
        device = devices.device_of(store, token) if token else None
        if device is not None:
            return redirect(wall_of(device), 303)
        return login.page("screen.html", "Ghép màn hình", again=bool(token))

    @server.post("/screen/code")
    def screen_code() -> Response:
        limits.check(windows.code_from, limits.where(), "Quá nhiều lượt xin mã")
        asked = devices.ask(store)
        answer = _json({"code": asked.code, "seconds": CODE_SECONDS})
        cookies.put(answer, cookies.SCREEN, asked.token, strict=True, seconds=cookies.LONG)
        return answer

    @server.get("/screen/state")
    def screen_state() -> Response:
        limits.check(windows.state_from, limits.where(), "Quá nhiều lượt hỏi")
        token = cookies.get(cookies.SCREEN)
        device = devices.device_of(store, token) if token else None
        return _json({"wall": wall_of(device) if device is not None else None})

    @server.before_request
    def _own_layout() -> Any:
        device = g.get("device")
        if device is None:
            return None
        wanted = _shown(device.layout)
        if request.path == "/":  # somebody opened the bare address on it
            return redirect(wall_of(device), 303)
        if request.path == "/wall" and _shown(request.query_string.decode()) != wanted:
            return redirect(wall_of(device), 303)
        if request.path == CALLBACK:
            items = _sent()
            if any(not _within(*said, wanted) for said in _addresses(items)) or any(
                not _remembers(one.get("value"), wanted) for one in items if one["id"] == GIVEN
            ):
                raise Problem(403, "Màn hình này chỉ được xem bố cục đã ghép.")
        return None


def wall_of(device: Any) -> str:
    """The address of a screen's own wall."""
    query = device.layout.lstrip("?")
    return f"/wall?{query}" if query else "/wall"


def _shown(query: str) -> list[tuple[str, str]]:
    pairs = parse_qsl(query.lstrip("?"), keep_blank_values=True)
    return sorted(pair for pair in pairs if pair[0] not in OWN)


def _within(part: str, value: str, wanted: list[tuple[str, str]]) -> bool:
    if part == "pathname":
        return value == "/wall"
    if part == "href":
        try:
            parts = urlsplit(value)
        except ValueError:  # half of an address in brackets
            return False
        return parts.path == "/wall" and _shown(parts.query) == wanted
    return _shown(value) == wanted


def _remembers(given: Any, wanted: list[tuple[str, str]]) -> bool:
    """Whether what a page says it was opened with is this layout, as the wall reads it."""
    if not isinstance(given, dict):
        return False
    said = {name: value for name, value in given.items() if name not in OWN}
    return said == {name: value for name, value in wanted if value and name in view.NAMES}


def _sent() -> list[dict[str, Any]]:
    """Inputs and state of a callback's body; its shape was checked by the guard."""
    body = orjson.loads(request.get_data())
    groups = [*body.get("inputs", []), *body.get("state", [])]
    return [item for group in groups for item in (group if isinstance(group, list) else [group])]


def _addresses(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What a callback's body says of the page's address."""
    return [
        (item["property"], item["value"])
        for item in items
        if item["property"] in ("pathname", "search", "href") and item.get("value") is not None
    ]


def _json(said: dict[str, Any]) -> Response:
    return Response(orjson.dumps(said), mimetype="application/json")
