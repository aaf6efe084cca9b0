"""The address of an incident's extract: the audit of a time window as lines of JSON."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Flask, Response, g, request

from kpi import audit
from layouts import text
from layouts.web.problems import Problem


def install(server: Flask, store: Any) -> None:
    """Serve the extract to administrators; that it was taken is the audit's newest entry."""

    @server.get("/admin/audit.jsonl")
    def incident() -> Response:
        if request.method == "HEAD":
            raise Problem(405, "Trích nhật ký cần GET.")
        first, last = (_day(name) for name in ("first", "last"))
        if first > last:
            raise Problem(400, "first: phải trước last.")
        name = f"nhat-ky-{first}-{last}.jsonl"
        return Response(
            audit.export(store, g.principal, first=first, last=last),
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
            mimetype="application/x-ndjson",
        )


def _day(name: str) -> date:
    try:
        return text.written_day(request.args.get(name, ""))
    except ValueError as error:
        raise Problem(400, f"{name}: hãy ghi ngày như 30/11/2026.", parameter=name) from error
