"""Two addresses beside the page of uploads: a template to fill in, and the door for a filled one.

The door takes the bytes as they are, never a form: so no other site's page can post here, nothing
is written to a temporary folder, and a file's name is only a header that is said again.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from flask import Flask, Response, g, request

from ioc.clock import right_now
from ioc.form import MOST_BYTES, file_name
from ioc.period import LOCAL, Period
from kpi import acts, query
from layouts import state, template
from layouts.web.problems import Problem

FIRST_YEAR = 1990
RAW = "application/octet-stream"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def install(server: Flask, store: Any, settings: Any) -> None:
    """Serve the templates, and take what was filled in."""

    @server.get("/upload/template/<source>.xlsx")
    def fill_in(source: str) -> Response:
        body, name = drawn(store, source, request.args.get("period", ""))
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(body, headers=headers, mimetype=XLSX)

    @server.post("/upload/<source>")
    def take(source: str) -> tuple[dict[str, Any], int]:
        if not state.writable():
            raise Problem(403, "Chỉ người vận hành và quản trị được nộp tệp.")
        if request.mimetype != RAW:
            raise Problem(415, "Tệp phải được gửi nguyên, không nằm trong biểu mẫu.")
        request.max_content_length = MOST_BYTES + 1
        if (request.content_length or 0) > MOST_BYTES:
            raise Problem(413, f"Tệp vượt {MOST_BYTES >> 20} MB.")
        name = unquote(request.headers.get("X-File-Name", ""), errors="replace")
        given = {"source": source, "name": name, "body": request.get_data(cache=False)}
        number = acts.request_upload(store, g.principal, data=settings.data, **given)
        return {"request": number}, 202


def drawn(store: Any, source: str, period: str) -> tuple[bytes, str]:
    """A template and the name of its file.

    Raises:
        Problem: no such source, none that has a template, or not one of its periods.
    """
    form = query.form(store, source)
    known = {row["source"]: row for row in state.rows(query.sources, sources=[source])}
    if not form or source not in known:
        raise Problem(404, "Nguồn này không có mẫu nhập tay.")
    now = right_now()
    today = now.astimezone(LOCAL).date()
    try:
        wanted = Period.parse(period, form["grain"]) if period else _last(form, today)
    except ValueError as error:
        raise Problem(400, f"period: {period!r} không phải kỳ của nguồn này.") from error
    if wanted.start > today or wanted.start.year < FIRST_YEAR:
        raise Problem(400, "period: kỳ này chưa bắt đầu.")
    row = known[source]
    day = min(wanted.end, today)
    units = [
        unit
        for level in str(row["serves"]).split(",")
        for unit in store.orgunits.population(level, day)
    ]
    of = template.Template(row, form, wanted, tuple(units), store.catalogue.elements, now)
    return template.workbook(of), file_name(source, wanted)


def _last(form: Any, today: Any) -> Period:
    return Period.of(form["grain"], today).previous()
