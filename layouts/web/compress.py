"""Fewer bytes on the wire: brotli, else gzip, at the levels that cost less than the callback.

Streams of rows are compressed as they go. Files that never change under their address are
compressed once per process and kept.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from functools import partial
from threading import Lock
from typing import Any

import brotli
from flask import Flask, Response, request

from layouts.web.guard import STATIC

SMALLEST = 1_000
TYPES = (
    "text/",
    "application/json",
    "application/javascript",
    "application/problem+json",
    "image/svg+xml",
    "application/geo+json",
)
STREAMED = "text/csv"
"""The one kind that is compressed while it is written: events must not wait for one another."""
KEPT_BYTES = 64 << 20
REFUSED = re.compile(r"q\s*=\s*0(\.0*)?")


def install(server: Flask) -> None:
    """Compress what this server sends, except streams."""
    kept: dict[tuple[str, ...], bytes] = {}
    lock = Lock()

    @server.after_request
    def _compress(response: Response) -> Response:
        way = encoding(request.headers.get("Accept-Encoding", ""))
        static = request.path.startswith(STATIC)
        if not _worth(response, static):
            return response
        response.vary.add("Accept-Encoding")
        if not way:
            return response
        if response.is_streamed and not static:
            response.response = Packed(response.response, way)
            return _named(response, way)
        response.direct_passthrough = False
        body = response.get_data()
        if len(body) < SMALLEST:
            return response
        # the address of a file holds its fingerprint; the size guards the few that have none
        key = (request.full_path, response.headers.get("ETag", ""), str(len(body)), way)
        packed = kept.get(key) if static else None
        if packed is None:
            packed = pack(body, way, 6 if static else 4)
            with lock:
                if static and sum(map(len, kept.values())) < KEPT_BYTES:
                    kept[key] = packed
        response.set_data(packed)
        return _named(response, way)


def _named(response: Response, way: str) -> Response:
    response.headers["Content-Encoding"] = way
    if tag := response.get_etag()[0]:
        response.set_etag(f"{tag}-{way}", weak=True)
    return response


FLUSHED = 8
"""Parts after which what is packed goes out, as it does after the first: a reader sees it coming,
and one that left is noticed. Brotli alone would keep megabytes."""


class Packed:
    """A stream that is compressed while it goes out; closing it closes what it reads."""

    def __init__(self, parts: Any, way: str):
        self._parts, self._way = parts, way

    def __iter__(self) -> Iterator[bytes]:
        if self._way == "br":
            brotli_stream = brotli.Compressor(quality=4)
            step, end, flush = brotli_stream.process, brotli_stream.finish, brotli_stream.flush
        else:
            gzip_stream = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
            step, end = gzip_stream.compress, gzip_stream.flush
            flush = partial(gzip_stream.flush, zlib.Z_SYNC_FLUSH)
        for at, part in enumerate(self._parts):
            packed = step(part) + (flush() if at % FLUSHED == 0 else b"")
            if packed:
                yield packed
        yield end()

    def close(self) -> None:
        """End the reading, so that what left of it is taken down now."""
        if (close := getattr(self._parts, "close", None)) is not None:
            close()


def encoding(accepted: str) -> str:
    """The better of the encodings that the caller accepts; empty for none."""
    names = set()
    for part in accepted.lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if not any(REFUSED.fullmatch(parameter) for parameter in parameters):
            names.add(name)
    return "br" if "br" in names else "gzip" if "gzip" in names else ""


def pack(body: bytes, way: str, level: int) -> bytes:
    """The body in that encoding."""
    if way == "br":
        return brotli.compress(body, quality=level)
    return gzip.compress(body, 1, mtime=0)


def _worth(response: Response, static: bool) -> bool:
    if response.status_code != 200 or "Content-Encoding" in response.headers:
        return False
    if request.method == "HEAD" or "Range" in request.headers:
        return False
    if response.is_streamed and not static:
        return response.mimetype == STREAMED
    return response.mimetype.startswith(TYPES) and response.mimetype != "text/event-stream"
