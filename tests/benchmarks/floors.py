"""The floors of reading: a bare Flask app that reads the same rows, or returns the same bytes.

It has no principal, no scope, no clock and no words: only SQL, ``json.dumps`` and Flask.
"""

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from flask import Flask, Response, request

from kpi.schema import FAR
from tests.benchmarks import alike

AREA = "area-qb"
MONTHS = 25
BEAT = 10.0
_SOURCES = (
    "SELECT s.id, s.sample, s.late_after, s.stale_after, w.covered_until,"
    " (SELECT r.run FROM poll_run r WHERE r.source = s.id AND r.outcome IN ('ok', 'empty')"
    " ORDER BY r.run DESC LIMIT 1),"
    " (SELECT r.ended_at FROM poll_run r WHERE r.source = s.id AND r.outcome IN ('ok', 'empty')"
    " ORDER BY r.run DESC LIMIT 1)"
    " FROM source s LEFT JOIN watermark w ON w.source = s.id WHERE s.configured = 1"
)
_STANDINGS = (
    'SELECT j.target, j.indicator, s."window", s.numerator, s.denominator, s.units, s.upto,'
    " s.known_at FROM judged j JOIN standing s ON s.target = j.target"
    ' AND s.indicator = j.indicator AND s.org_unit = ? AND s."window" IN ('
    '(SELECT MAX(x."window") FROM standing x WHERE x.target = j.target'
    ' AND x.indicator = j.indicator AND x.org_unit = ? AND x."window" <='
    " CASE WHEN j.by_year = 1 THEN ? ELSE ? END),"
    '(SELECT MAX(x."window") FROM standing x WHERE x.target = j.target'
    ' AND x.indicator = j.indicator AND x.org_unit = ? AND x."window" <='
    " CASE WHEN j.by_year = 1 THEN 2025 ELSE 24311 END))"
)
_MONTHS = (
    "SELECT x.element, x.period, x.value, x.units FROM rollup x WHERE x.element IN"
    " (SELECT numerator FROM judged UNION SELECT denominator FROM judged)"
    " AND x.period BETWEEN ? AND ? AND x.org_unit = ? AND"
    f" x.superseded_at = {FAR}"
)

_BOTH = "x.element IN ('dossiers_fully_online', 'dossiers_resolved')"
DAYS = (
    f"SELECT x.element, x.day, x.value, x.known_at FROM observation x WHERE {_BOTH}"
    f" AND x.org_unit = ? AND x.day BETWEEN ? AND ? AND x.superseded_at = {FAR}"
)
"""Org unit, first and last day."""
RANKING = (
    "SELECT x.element, x.org_unit, x.value, x.units, x.known_at FROM closure c"
    " JOIN org_unit o ON o.uid = c.leaf AND o.level = 'commune'"
    f" CROSS JOIN rollup x ON x.org_unit = o.uid AND {_BOTH}"
    " WHERE c.ancestor = ? AND o.opened_day <= ? AND o.closed_day >= ? AND x.period = ?"
    f" AND x.superseded_at = {FAR}"
)
"""Area, the day on which its communes are counted (twice), month."""


def create() -> Flask:
    """The app; ``BENCH_DATABASE`` is the store's file or address, ``BENCH_BYTES`` has answers."""
    app = Flask("floor", static_folder=None)
    here = threading.local()
    kept: dict[str, bytes] = {}

    def sql(text: str, *values: Any) -> list[tuple]:
        given = values[0] if values and isinstance(values[0], dict) else values
        if not hasattr(here, "connection"):
            here.connection, here.mark = _connected(os.environ["BENCH_DATABASE"])
        return here.connection.execute(text.replace("?", here.mark), given).fetchall()

    def windows() -> tuple:
        now = datetime.now(UTC)
        return AREA, AREA, now.year, now.year * 12 + now.month - 1, AREA

    def answer(**parts: Any) -> Response:
        return Response(orjson.dumps(parts), mimetype="application/json")

    @app.get("/w1")
    def w1() -> Response:
        target = request.args["target"]
        rows = sql(f"{_STANDINGS} WHERE j.target = ?", *windows(), target)
        return answer(rows=rows, sources=sql(_SOURCES), version=sql("SELECT version FROM boundary"))

    @app.route("/w2", methods=["GET", "POST"])
    def w2() -> Response:
        month = windows()[3]
        parts = {"rows": sql(_STANDINGS, *windows()), "sources": sql(_SOURCES)}
        if "months" in request.args:
            parts["months"] = sql(_MONTHS, month - MONTHS + 1, month, AREA)
        return answer(version=sql("SELECT version FROM boundary"), **parts)

    def figures(text: str, *values: Any) -> Response:
        rows, sources = sql(text, *values), sql(_SOURCES)
        return answer(rows=rows, sources=sources, version=sql("SELECT version FROM boundary"))

    @app.get("/w3/days")
    def w3_days() -> Response:
        first, last = int(request.args["first"]), int(request.args["last"])
        return figures(DAYS, request.args["unit"], first, last)

    @app.get("/w3/ranking")
    def w3_ranking() -> Response:
        day = int(request.args["day"])
        return figures(RANKING, AREA, day, day, int(request.args["month"]))

    @app.get("/w3/alike/<question>")
    def w3_alike(question: str) -> Response:
        text = {"days": alike.DAYS, "ranking": alike.RANKING}[question]
        given = {name: int(v) if v.isdigit() else v for name, v in request.args.items()}
        rows = sql(text, given)
        return answer(**alike.document(rows, sql("SELECT version FROM boundary")[0][0]))

    @app.get("/events")
    def events() -> Response:
        def beats() -> Iterator[bytes]:
            while True:
                yield b"event: beat\ndata: {}\n\n"
                time.sleep(BEAT)

        return Response(beats(), mimetype="text/event-stream")

    @app.route("/same/<name>", methods=["GET", "POST"])
    def same(name: str) -> Response:
        if name not in kept:
            kept[name] = Path(os.environ["BENCH_BYTES"], name).read_bytes()
        return Response(kept[name], mimetype="application/json")

    return app


def _connected(database: str) -> tuple[Any, str]:
    """A connection that only reads, and its mark for a value."""
    if database.startswith("postgresql:"):
        import psycopg

        made = psycopg.connect(database, autocommit=True)
        made.read_only = True
        return made, "%s"
    from pysqlite3 import dbapi2

    opened = dbapi2.connect(database)
    opened.execute("PRAGMA query_only=1")
    return opened, "?"


def create_product() -> Flask:
    """The product's own server, run the same way as the floor."""
    from app import create_app, served
    from ioc.settings import Settings

    return served(create_app(Settings.from_env()))


def create_limited() -> Flask:
    """The same, for a head who may read one subtree and two classes of indicators."""
    from app import create_app, served
    from ioc.settings import Settings
    from tests.benchmarks.reference import HEAD

    return served(create_app(Settings.from_env(), identify=lambda: HEAD))
