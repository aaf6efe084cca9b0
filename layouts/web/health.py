"""Addresses for machines: is this process alive, can it answer, do the polls go on."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
from flask import Flask, Response

from ioc.clock import right_now
from ioc.period import LOCAL
from ioc.principal import Principal
from kpi import query
from layouts.web.live import Watch

GRACE = timedelta(seconds=30)
LONGEST = timedelta(seconds=900)
"""How long one poll may last (``poll_deadline``)."""


def install(server: Flask, store: Any, watch: Watch) -> None:
    """Serve ``/healthz`` and ``/readyz``. They say nothing about figures or org units."""
    seen = {"figures": False}
    started = right_now()

    @server.get("/healthz")
    def healthz() -> Response:
        missed = late_polls(store, started, right_now())
        return _json(
            {
                "instance": os.environ.get("IOC_INSTANCE", ""),
                "status": "missed" if missed else "ok",
                "version": store.version(),
                "missed": missed,
                "streams": watch.streams,
                "at": right_now().astimezone(LOCAL).isoformat(timespec="seconds"),
            },
            503 if missed else 200,
        )

    @server.get("/readyz")
    def readyz() -> Response:
        if not seen["figures"]:
            answer = query.standings(store, Principal.local_admin())
            at = answer.columns.index("value")
            seen["figures"] = any(row[at] is not None for row in answer.stream())
        return _json({"instance": os.environ.get("IOC_INSTANCE", ""), **seen}, 200)


def late_polls(store: Any, started: datetime, now: datetime) -> list[str]:
    """The sources that have missed two of their periods; ours, not the remote system's fault.

    A poll that failed was still a poll: what a remote system answers is on ``/sources``. A poll
    that is under way is none that was missed, until no poll may last so long.
    """
    answer = query.sources(store, Principal.local_admin())
    newest = query.runs(store, Principal.local_admin(), limit=1)
    runs = {run["source"]: run for run in _named(newest)}
    missed = []
    for row in _named(answer):
        run = runs.get(row["source"], {})
        known = (started, row["next_run_at"], run.get("ended_at"))
        due = max(at for at in known if at is not None) + timedelta(seconds=row["every"])
        if run and run["ended_at"] is None:
            due = max(due, run["started_at"] + LONGEST)
        if not row["paused"] and now > due + GRACE:
            missed.append(row["source"])
    return missed


def _named(answer: Any) -> Iterator[dict[str, Any]]:
    return (dict(zip(answer.columns, row, strict=True)) for row in answer.stream())


def _json(document: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(document), status, mimetype="application/json")
