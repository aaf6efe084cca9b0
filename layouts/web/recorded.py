"""What is written into the audit of what was asked here: every export, and whom a door refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, g, request

from ioc.principal import Principal
from ioc.settings import Settings
from kpi import audit, query
from layouts.web.guard import CALLBACK
from layouts.web.limits import Limits

LONGEST = 200
log = logging.getLogger(__name__)

Export = Callable[[Principal, str, str, dict[str, str], int], None]
"""Take down an export: who, question, kind of file, filters, rows that went out."""


def exports(store: Any, settings: Settings, windows: Limits) -> Export:
    """How data addresses take down what left; with accounts every answer counts by its rows.

    In open mode what has no ``download`` is a page's reading. With accounts JSON that programs
    ask for again and again is taken down once a day for each account and question.
    """

    def taken(who: Principal, question: str, kind: str, filters: dict[str, str], rows: int) -> None:
        leaves = {"download", "manifest"} & filters.keys()
        if settings.auth == "accounts":
            windows.rows.take(who.name, rows)
            leaves = leaves or {kind} & {"csv", "xlsx"}
            if not leaves and not windows.seen.take(f"{who.name} {kind} {question}"):
                leaves = {kind}
        if leaves:
            audit.write(store, "export", who, question, file=kind, filters=filters, rows=rows)

    return taken


def install(server: Flask, store: Any, settings: Settings, windows: Limits) -> None:
    """Take down refusals of people that we know (a stranger's are no news), and who has looked at
    restricted figures: once a day for each account and each indicator or source.
    """
    if settings.auth != "accounts":
        return

    @server.after_request
    def _looked(response: Response) -> Response:
        principal = g.get("principal")
        if principal is None or response.status_code != 200:
            return response
        for what in sorted(g.get("restricted", ())):
            if not windows.seen.take(f"{principal.name} {what}"):
                try:
                    audit.write(store, "read", principal, what)
                except query.UNREADABLE as error:
                    log.error("look not taken down: %s", type(error).__name__)
        return response

    @server.after_request
    def _refused(response: Response) -> Response:
        principal, page = g.get("principal"), _page() if g.get("outside") else ""
        if principal is None or not (page or response.status_code in (403, 429)):
            return response
        what, status = f"{request.method} {request.path}", response.status_code
        if page:  # answered with a page that says so: told once, however often it is drawn
            what, status = f"GET {page}", 403
        again = page and windows.outside.take(f"{principal.name} {page}")
        if not again and not windows.noted.take(principal.name):
            try:
                audit.write(store, "refused", principal, what, status=status)
            except query.UNREADABLE as error:
                log.error("refusal not taken down: %s", type(error).__name__)
        return response


def _page() -> str:
    """The page that a refusal was drawn for: this address, or the one that Dash's router names."""
    if request.path != CALLBACK:
        return request.path
    try:
        inputs = orjson.loads(request.get_data())["inputs"]
        named = [one["value"] for one in inputs if one["property"] == "pathname"]
        return str(named[0])[:LONGEST]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return request.path
