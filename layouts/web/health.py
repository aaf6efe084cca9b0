"""Addresses for machines: do the polls go on, can this process answer, what is there to draw."""

import os
from datetime import datetime
from typing import Any

import orjson
from flask import Flask, Response, g

from ioc.clock import right_now, speed
from ioc.errors import Forbidden
from ioc.period import LOCAL
from ioc.principal import Principal
from kpi import health, query
from layouts.web import metrics
from layouts.web.live import Watch
from layouts.web.problems import Problem

_State = tuple[dict[str, Any], bool]


def install(server: Flask, store: Any, watch: Watch) -> None:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics``; nothing on figures or org units."""
    started = right_now()
    seen = {"figures": False}

    @server.get("/healthz")
    def healthz() -> Response:
        return _answer(_read(lambda: polling(store, started, right_now()), watch))

    @server.get("/readyz")
    def readyz() -> Response:
        return _answer(_read(lambda: ready(store, seen), watch))

    @server.get("/metrics")
    def prometheus() -> Response:
        who = g.get("principal")  # by a key; this machine itself needs none
        if who and query.home(store, who) != query.ROOT:
            raise Forbidden("Số liệu giám sát là của toàn địa bàn, ngoài phạm vi của khóa này.")
        try:
            return Response(metrics.text(store, watch), content_type=metrics.TYPE)
        except query.UNREADABLE as error:
            raise Problem(503, "Kho số liệu chưa đọc được.") from error


def polling(store: Any, started: datetime, now: datetime) -> _State:
    """Whether the polls go on: ``status`` is ``ok``, ``missed`` or ``no_poller``.

    ``missed`` are the sources whose polls we left out twice, never what a remote system answers
    (that is on ``/sources``); ``since`` says from when. Without a leader nobody schedules at all.
    """
    leader, missed = health.leader(store), health.overdue(store, started, now)
    led = query.leads(leader, now)
    gone = leader.until if leader else started
    alone = not led and now > max(gone, started) + health.GRACE * speed()
    status = "no_poller" if alone else "missed" if missed else "ok"
    since = [*missed.values(), *([gone] if alone else [])]
    said = {
        "status": status,
        "since": _local(min(since)) if since else None,
        "missed": [{"source": source, "since": _local(at)} for source, at in missed.items()],
        "poller": led,
        "version": store.version(),
    }
    return said, status == "ok"


def ready(store: Any, seen: dict[str, bool]) -> _State:
    """Whether this process can answer: store readable, schema today's, the first figure there."""
    schema = query.at_head(store)
    if schema and not seen["figures"]:
        answer = query.standings(store, Principal.local_admin())
        at = answer.columns.index("value")
        seen["figures"] = any(row[at] is not None for row in answer.stream())
    fine = schema and seen["figures"]
    return {"status": "ok" if fine else "not_ready", "schema": schema, **seen}, fine


def _read(ask: Any, watch: Watch) -> _State:
    """What ``ask`` finds, and who says so; a store that cannot be read is an answer too."""
    try:
        said, fine = ask()
    except query.UNREADABLE:
        said, fine = {"status": "store_unreadable", "figures": False}, False
    common = {"instance": os.environ.get("IOC_INSTANCE", ""), "streams": watch.streams}
    return {**common, **said, "at": _local(right_now())}, fine


def _answer(state: _State) -> Response:
    document, fine = state
    return Response(orjson.dumps(document), 200 if fine else 503, mimetype="application/json")


def _local(at: datetime) -> str:
    return at.astimezone(LOCAL).isoformat(timespec="seconds")
