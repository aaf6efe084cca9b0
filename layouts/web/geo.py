"""Map layers as GeoJSON: an address with the layer's hash is good for a year."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from flask import Flask, Response, request

from kpi import query
from layouts.state import asker
from layouts.web.problems import Problem

ROOT = "/geo/"


def install(server: Flask, store: Any) -> None:
    """Serve every layer that the store has."""

    @server.get(f"{ROOT}<layer>.json")
    def geo(layer: str) -> Response:
        try:
            body = query.features(store, asker("features"), layer)
        except query.UnknownFilter as error:
            raise Problem(404, f"{str(error).capitalize()}.") from error
        tag = sha256(body).hexdigest()
        response = Response(body, mimetype="application/geo+json")
        response.set_etag(tag)
        for_ever = request.args.get("h") == tag
        response.vary.add("Cookie")  # who signs in next in the same browser may see another part
        response.headers["Cache-Control"] = (
            "private, max-age=31536000, immutable" if for_ever else "no-cache"
        )
        # compression adds its name to the tag that it sends
        known = {known.partition("-")[0] for known in request.if_none_match.as_set(True)}
        if tag in known:
            response.status_code = 304
            response.set_data(b"")
        return response
