"""What is written into the audit of what was asked here: every export, and whom a door refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request

from ioc.principal import Principal
from ioc.settings import Settings
from kpi import audit, query
from layouts.web.limits import Limits

log = logging.getLogger(__name__)

Export = Callable[[Principal, str, str, dict[str, str], int], None]
"""Take down an export: who, question, kind of file, filters, rows that went out."""


def exports(store: Any, settings: Settings, windows: Limits) -> Export:
    """How data addresses take down what left; with accounts every answer counts by its rows.

    In open mode a plain CSV without ``download`` is a page's reading, as JSON is everywhere.
    """

    def taken(who: Principal, question: str, kind: str, filters: dict[str, str], rows: int) -> None:
        leaves = {"download", "manifest"} & filters.keys()
        if settings.auth == "accounts":
            windows.rows.take(who.name, rows)
            leaves = leaves or {kind} & {"csv", "xlsx"}
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
        principal = g.get("principal")
        if principal is None or response.status_code not in (403, 429):
            return response
        if not windows.noted.take(principal.name):
            what = f"{request.method} {request.path}"
            try:
                audit.write(store, "refused", principal, what, status=response.status_code)
            except query.UNREADABLE as error:
                log.error("refusal not taken down: %s", type(error).__name__)
        return response
