"""The data addresses: the screens' own questions as JSON and CSV, under ``/api/v1``.

A plain GET changes nothing. An export (``download=1`` or ``manifest=1``) that names no ``as_of``
seals this instant first, so that the address in ``Content-Location`` answers the same bytes for
ever; the side-car says how many rows they hold and what their hash is.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain, islice
from typing import Any

import orjson
from flask import Flask, Response, g, request

from ioc.clock import right_now
from ioc.errors import IocError
from ioc.period import LOCAL
from ioc.principal import Principal
from layouts import access, state
from layouts.web import downloads, etag
from layouts.web.filters import KEYSET, QUESTIONS, ROOT, TIMELESS, WHOLE, Asked, once, read
from layouts.web.problems import Problem

PAGE = 10_000
"""Rows of one JSON page when no ``limit`` is given."""


Taken = Callable[[Principal, str, str, dict[str, str], int], None]
"""Counts and takes down what left: who, question, kind of file, filters, rows."""
Note = Callable[[int], None]


def install(server: Flask, store: Any, cache: Any, taken: Taken = lambda *_what: None) -> None:
    """Serve every question, and an honest 404 for everything else under ``/api``."""

    @server.get(f"{ROOT}/<question>.<any(json, csv):kind>")
    def answer(question: str, kind: str) -> Response:
        now, who = right_now(), g.principal
        asked = read(question, once(request.args.lists()), store, now)
        access.check(who, "questions", QUESTIONS[question][0].__name__)
        for name in {kind, *asked.filters} & {"csv", "download", "manifest"}:
            access.check(who, "exports", name)
        exports = bool({"download", "manifest"} & asked.filters.keys())
        fleeting = asked.arguments.get("as_of", now) == now  # none given, or the date of today
        if exports and fleeting and "as_of" in QUESTIONS[question][1]:
            if request.method == "HEAD":
                raise Problem(405, "Xuất dữ liệu cần GET.")
            at = downloads.instant(store.seal(now))
            asked = read(question, asked.filters | {"as_of": at}, store, now)

        state_of = etag.State.of(store, asked, kind, who, now)
        asked = replace(asked, page=state_of.page)

        def note(rows: int) -> None:
            taken(who, question, kind, asked.filters, rows)

        state.note_restricted(asked.arguments)
        if (held := etag.unchanged(state_of)) is not None:
            return held
        if "manifest" in asked.filters:
            response = _side_car(store, who, asked, kind, now, note)
        elif kind == "csv":
            response = _csv(store, who, asked, note)
        else:
            response = _json(store, who, asked, cache, note)
        state_of.hold()
        return etag.tagged(state_of, response)

    @server.route("/api/", defaults={"path": ""})
    @server.route("/api/<path:path>")
    def nothing(path: str) -> Response:
        raise Problem(404, f"Không có địa chỉ dữ liệu /api/{path}.")


def export(
    store: Any, question: str, given: Mapping[str, str], who: Principal | None = None
) -> Iterator[bytes]:
    """The CSV of one question, as its address gives it: to whoever sits at this machine, or to
    ``who``."""
    try:
        asked = read(question, given, store, right_now())
        yield from _file(_answer(store, who or Principal.local_admin(), asked), asked, "csv")
    except Problem as problem:
        raise IocError(problem.detail) from problem


def _answer(store: Any, who: Principal, asked: Asked) -> Any:
    ask, _ = QUESTIONS[asked.question]
    if asked.question in KEYSET:
        one_more = asked.limit and asked.limit + 1  # so that the last page knows that it is
        return ask(store, who, **asked.arguments, limit=one_more, after=asked.after or None)
    return ask(store, who, **asked.arguments)


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
    answer, seen = _answer(store, who, asked), downloads.Seen()
    body = b"".join(_file(answer, asked, "json", seen))
    headers = _headers(asked, answer, "json")
    note(seen.count)
    if key:
        cache.set(key, {"body": body.decode(), "headers": headers, "rows": seen.count})
    return Response(body, headers=headers, mimetype="application/json")


def _csv(store: Any, who: Principal, asked: Asked, note: Note) -> Response:
    answer, seen = _answer(store, who, asked), downloads.Seen()
    chunks = _noted(_file(answer, asked, "csv", seen), seen, note)
    first = next(chunks)  # what fails, fails before the status is sent
    headers = _headers(asked, answer, "csv")
    response = Response(chain((first,), chunks), headers=headers, mimetype="text/csv")
    response.call_on_close(chunks.close)  # a reader that breaks off frees the snapshot at once
    return response


def _noted(
    chunks: Iterator[bytes], seen: downloads.Seen, note: Note
) -> Generator[bytes, None, None]:
    """The same chunks; what left of them is taken down, also where the reader broke off."""
    try:
        yield from chunks
    finally:
        note(seen.count)


def _headers(asked: Asked, answer: Any, kind: str) -> dict[str, str]:
    """A file's name, the address that gives it again, and where its side-car is."""
    if "download" not in asked.filters:
        return {}
    name = downloads.file_name(asked.question, answer, kind)
    described = asked.address(kind, manifest="1")
    return {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Location": asked.address(kind),
        "Link": f'<{described}>; rel="describedby"',
    }


def _side_car(
    store: Any, who: Principal, asked: Asked, kind: str, now: datetime, note: Note
) -> Response:
    """What stands beside a file: what it is, what it holds, and the hash of its very bytes."""
    file = replace(asked, filters={k: v for k, v in asked.filters.items() if k != "manifest"})
    answer = _answer(store, who, file)
    seen = downloads.Seen()
    document = {
        "file": downloads.file_name(asked.question, answer, kind),
        "address": file.address(kind),
        "question": asked.question,
        "filters": {k: v for k, v in file.filters.items() if k != "download"},
        "exporter": who.name,
        "exported_at": downloads.instant(now),
    }
    document |= downloads.manifest(answer, _file(answer, file, kind, seen), seen)
    note(seen.count)
    return Response(orjson.dumps(document, option=orjson.OPT_INDENT_2), mimetype="application/json")


def _file(
    answer: Any, asked: Asked, kind: str, seen: downloads.Seen | None = None
) -> Iterator[bytes]:
    """The bytes of an answer: a file and its side-car both come from here."""
    seen = seen or downloads.Seen()
    if asked.question in KEYSET:
        yield from _keyset(answer, asked, kind, seen)
        return
    if (answer.matching or 0) > WHOLE:
        raise _too_many(answer.matching)
    whole = kind == "csv" or "download" in asked.filters
    limit = asked.limit or (WHOLE if whole else PAGE)
    # what an instant or our own files decide stays the same while the data version moves on
    versioned = "as_of" not in asked.filters and not (whole and asked.question in TIMELESS)
    stream = answer.stream()
    if kind == "csv":
        rows = islice(stream, asked.after, asked.after + limit)
        yield from downloads.csv_bytes(
            answer,
            seen.rows(answer, rows),
            bom="download" in asked.filters,
            versioned=versioned,
        )
        if asked.limit is None and next(stream, None) is not None:
            raise RuntimeError(f"{asked.question}: more than {WHOLE} rows")  # the file breaks off
        return
    skipped = sum(1 for _ in islice(stream, asked.after))
    page = list(seen.rows(answer, islice(stream, limit)))
    if len(page) == limit and answer.matching is not None:
        count = answer.matching
    else:
        count = skipped + len(page) + sum(1 for _ in stream)
    more = count > asked.after + len(page)
    if more and whole and asked.limit is None:
        raise _too_many(count)
    following = asked.following(str(asked.after + limit)) if more else None
    yield from downloads.json_bytes(
        answer, page, count=count, following=following, versioned=versioned
    )


def _keyset(answer: Any, asked: Asked, kind: str, seen: downloads.Seen) -> Iterator[bytes]:
    """The same of a question whose next rows follow a row: it is never read from its start."""
    whole = asked.limit is None and (kind == "csv" or "download" in asked.filters)
    versioned = "as_of" not in asked.filters
    count = answer.count() if kind == "json" or whole else 0
    if whole and count > WHOLE:
        raise _too_many(count)
    if kind == "csv":
        bom = "download" in asked.filters
        rows = seen.rows(answer, islice(answer.stream(), asked.limit))
        yield from downloads.csv_bytes(answer, rows, bom=bom, versioned=versioned)
        return
    size = WHOLE if whole else asked.limit or PAGE
    stream = answer.stream()
    page = list(seen.rows(answer, islice(stream, size)))
    more = next(stream, None) is not None
    following = asked.following(answer.place(page[-1])) if more else None
    yield from downloads.json_bytes(
        answer, page, count=count, following=following, versioned=versioned
    )


def _too_many(count: int) -> Problem:
    return Problem(413, f"{count} dòng, quá {WHOLE} dòng của một tệp: hãy lọc hẹp hơn.")
