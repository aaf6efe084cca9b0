"""A paged Atom feed of the sample: newest first, with ETag, each page linking to the older one."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.mark import ASGI, SAMPLE, marked

ATOM = "http://www.w3.org/2005/Atom"
PAGE = 200

Told = tuple[datetime, str]  # when an entry changed, and its XML


def feed(title: str, entries: Callable[[], list[Told]]) -> ASGI:
    """The ASGI application of a feed whose entries are told newest first."""

    async def page(request: Request) -> Response:
        asked = request.query_params.get("trang", "1")
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:6]) <= 100_000):
            return Response(f"{SAMPLE}: trang không có", 400)
        number = int(asked)
        told = await run_in_threadpool(entries)
        shown = told[(number - 1) * PAGE : number * PAGE]
        updated = stamp(told[0][0]) if told else stamp(datetime(2021, 1, 1, tzinfo=UTC))
        newest = "".join(entry for _, entry in shown)
        etag = f'"{hashlib.sha256(newest.encode()).hexdigest()[:20]}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"ETag": etag})
        older = f"?trang={number + 1}" if number * PAGE < len(told) else ""
        link = f"<link rel='next' href={quoteattr(older)}/>" if older else ""
        body = (
            f"<?xml version='1.0' encoding='utf-8'?><feed xmlns='{ATOM}'><id>urn:du-lieu-mau</id>"
            f"<title>{escape(title)} — {SAMPLE}</title><updated>{updated}</updated>{link}"
            f"{newest}</feed>"
        )
        return Response(body, media_type="application/atom+xml", headers={"ETag": etag})

    return marked(Starlette(routes=[Route("/", page)]))


def stamp(at: datetime) -> str:
    """An instant as Atom and CAP write it."""
    return at.astimezone(UTC).isoformat(timespec="seconds")
