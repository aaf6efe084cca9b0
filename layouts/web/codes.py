"""The code of a tile: what a phone reads off the wall, an address of ours as a picture."""

from __future__ import annotations

import io

import segno
from flask import Flask, Response, request

from layouts.web.problems import Problem

ROUTE = "/code.svg"
LONGEST = 300


def install(server: Flask, address: str) -> None:
    """Serve codes that lead to ``address``, or to where the wall itself was opened."""

    @server.get(ROUTE)
    def code() -> Response:
        to = request.args.get("to", "")
        if not to.startswith("/") or to.startswith(("//", "/\\")) or len(to) > LONGEST:
            raise Problem(400, "Mã chỉ dẫn đến một trang của trung tâm này.")
        base = (address or request.host_url).rstrip("/")
        picture = io.BytesIO()
        segno.make(base + to, error="m", micro=False).save(
            picture, kind="svg", border=3, dark="#000", light="#fff", omitsize=True, xmldecl=False
        )
        response = Response(picture.getvalue(), mimetype="image/svg+xml")
        response.headers["Cache-Control"] = "private, max-age=86400"
        return response
