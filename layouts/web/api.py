"""The data addresses: the screens' own questions as JSON and CSV, under ``/api/v1``.

A plain GET changes nothing. An export (``download=1`` or ``manifest=1``) that names no ``as_of``
seals this instant first, so that the address in ``Content-Location`` answers the same bytes for
ever; the side-car says how many rows they hold and what their hash is.
"""

from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import Any
from urllib.parse import urljoin

import orjson
from flask import Flask, Response, g, request

from ioc.clock import right_now
from ioc.period import LOCAL
from ioc.principal import Principal
from layouts import access, state
from layouts.web import described, etag
from layouts.web.dialect import instant
from layouts.web.files import File, fleeting, sealed, without
from layouts.web.filters import QUESTIONS, ROOT, TIMELESS, Asked, once, one_dialect, read
from layouts.web.problems import Problem

ADDRESS = f"{ROOT}/<question>.<any(json, csv, xlsx):kind>"
Taken = Callable[[Principal, str, str, dict[str, str], int], None]
"""Counts and takes down what left: who, question, kind of file, filters, rows."""
Note = Callable[[int], None]


def install(server: Flask, store: Any, cache: Any, taken: Taken = lambda *_what: None) -> None:
    """Serve every question, and an honest 404 for everything else under ``/api``."""

    @server.get(ADDRESS)
    def answer(question: str, kind: str) -> Response:
        now, who = right_now(), g.principal
        asked = read(question, once(request.args.lists()), store, now)
        one_dialect(asked.filters, kind)
        access.check(who, "questions", QUESTIONS[question][0].__name__)
        for name in {kind, *asked.filters} & {"csv", "xlsx", "download", "manifest"}:
            access.check(who, "exports", name)
        if {"download", "manifest"} & asked.filters.keys() and fleeting(asked, now):
            if request.method == "HEAD":
                raise Problem(405, "Xuất dữ liệu cần GET.")
            asked = sealed(store, asked, now)

        state_of = etag.State.of(store, asked, kind, who, now)
        asked = replace(asked, page=state_of.page)

        def note(rows: int) -> None:
            taken(who, question, kind, asked.filters, rows)

        state.note_restricted(asked.arguments)
        if (held := etag.unchanged(state_of)) is not None:
            return held
        if "manifest" in asked.filters:
            file = File.of(store, who, without(asked, "manifest"), kind)
            response = _side_car(file, now, note)
        elif kind == "json":
            response = _json(store, who, asked, cache, note)
        else:
            response = _file(File.of(store, who, asked, kind), note)
        state_of.hold()
        return etag.tagged(state_of, response)

    @server.route("/api/<path:path>")
    def nothing(path: str) -> Response:
        raise Problem(404, f"Không có địa chỉ dữ liệu /api/{path}.")


def _json(store: Any, who: Principal, asked: Asked, cache: Any, note: Note) -> Response:
    key = ""
    if asked.question in TIMELESS:
        key = repr((
            asked.address("json"),
            who.scope,
            store.version(),
            asked.page,
            right_now().astimezone(LOCAL).date(),
        ))
        kept = cache.get(key)
        if kept and "rows" in kept:
            note(kept["rows"])
            return Response(kept["body"], headers=kept["headers"], mimetype="application/json")
    file = File.of(store, who, asked, "json")
    body = b"".join(file.bytes())
    headers = _headers(file)
    note(file.seen.count)
    if key:
        cache.set(key, {"body": body.decode(), "headers": headers, "rows": file.seen.count})
    return Response(body, headers=headers, mimetype="application/json")


def _file(file: File, note: Note) -> Response:
    parts = _noted(file, note)
    first = next(parts)  # what fails, fails before the status is sent
    stream = chain((first,), parts)
    response = Response(stream, headers=_headers(file), mimetype=described.TYPES[file.kind])
    response.call_on_close(parts.close)  # a reader that breaks off frees the snapshot at once
    return response


def _noted(file: File, note: Note) -> Generator[bytes, None, None]:
    """The bytes of a file; what left of it is taken down, also where the reader broke off."""
    try:
        yield from file.bytes()
    finally:
        note(file.seen.count)


def _headers(file: File) -> dict[str, str]:
    """A file's name, the address that gives it again, and where its side-car is."""
    if "download" not in file.asked.filters:
        return {}
    described_at = file.asked.address(file.kind, manifest="1")
    return {
        "Content-Disposition": f'attachment; filename="{file.name}"',
        "Content-Location": file.asked.address(file.kind),
        "Link": f'<{described_at}>; rel="describedby"',
    }


def _side_car(file: File, now: datetime, note: Note) -> Response:
    """What stands beside a file: what it is, what it holds, who took it when, and its hash."""
    document = file.side_car() | {
        "permalink": urljoin(request.url_root, file.asked.address(file.kind)),
        "exporter": file.who.name,
        "described_at": instant(now),
    }
    note(file.seen.count)
    return Response(orjson.dumps(document, option=orjson.OPT_INDENT_2), mimetype="application/json")
