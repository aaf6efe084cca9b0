"""What is kept for the next screen: a planted value is a miss, a herd draws once, scopes part."""

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import flask
import pytest
from flask import Response, g

from ioc.principal import Principal
from layouts import state
from layouts.web import cache, screens, turns
from layouts.web.guard import CALLBACK

NOW = datetime(2026, 11, 27, 2, 0, 30, tzinfo=UTC)
BODY = {"output": "x", "inputs": [{"id": "live", "property": "data", "value": 1}], "state": []}


class Planted:
    """Writes a file as soon as anybody unpickles it."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def test_a_pickle_planted_in_the_cache_is_a_miss_and_runs_nothing(tmp_path):
    mark = tmp_path / "ran"
    planted = pickle.dumps(Planted(mark))
    pickle.loads(planted)
    assert mark.exists()
    mark.unlink()
    assert cache.JsonSerializer().loads(planted) is None
    server = flask.Flask("kept")
    kept = cache.install(server)
    with server.app_context():
        kept._cache.cache._cache["ioc:key"] = (0, planted)
        assert kept.get("key") is None
    assert not mark.exists()


class Version:
    """A store that only says which version it has."""

    def version(self) -> int:
        return 7


@pytest.fixture
def drawing(tmp_path) -> Any:
    """A server that draws for whoever stands in a header, and counts how often."""
    server, drawn = flask.Flask("screens"), []

    @server.before_request
    def _who() -> None:
        name = flask.request.headers.get("X-Who", "")
        g.now = NOW + timedelta(minutes=int(flask.request.headers.get("X-Later", "0")))
        g.principal = Principal(name, "screen", frozenset({name}))

    screens.install(server, Version(), tmp_path)

    @server.post(CALLBACK)
    def draw() -> Response:
        if "X-Fails" in flask.request.headers:
            flask.abort(500)
        time.sleep(0.05)  # long enough for others to come
        drawn.append(g.principal.name)
        state.steady()
        return Response(g.principal.name)

    return server, drawn


NAMES = ("area-450", "area-456")


def herd(server: Any, hands: int, **headers: str) -> list[tuple[str, str]]:
    """A thousand questions of so many screens at once: who asked, and what each was told."""
    start = Barrier(hands)

    def asks(number: int) -> list[tuple[str, str]]:
        client, name = server.test_client(), NAMES[number % 2]
        said = {"X-Who": name, **headers}
        start.wait()
        each = range(-(-1_000 // hands))
        return [(name, client.post(CALLBACK, json=BODY, headers=said).text) for _ in each]

    for name in NAMES:  # each drawing was asked for before
        server.test_client().post(CALLBACK, json=BODY, headers={"X-Who": name})
    with ThreadPoolExecutor(hands) as pool:
        return [one for some in pool.map(asks, range(hands)) for one in some]


def test_a_thousand_screens_find_what_was_drawn_and_nobody_gets_anothers(drawing):
    server, drawn = drawing
    answers = herd(server, 16)
    assert len(answers) >= 1_000
    assert all(wanted == got for wanted, got in answers)
    assert sorted(drawn) == sorted(NAMES)


def test_a_thousand_screens_that_come_as_a_drawing_expires_have_it_drawn_once(drawing):
    """For each whose rights differ; who waits gets the same."""
    server, drawn = drawing
    answers = herd(server, 50, **{"X-Later": "3"})
    assert len(answers) == 1_000 and all(wanted == got for wanted, got in answers)
    assert sorted(drawn) == sorted(2 * NAMES)


def test_a_drawing_that_fails_holds_nobody_who_waits_for_it(drawing):
    server, drawn = drawing
    herd(server, 2)
    drawn.clear()
    said = {"X-Who": NAMES[0], "X-Later": "3"}
    failed = server.test_client().post(CALLBACK, json=BODY, headers=said | {"X-Fails": "1"})
    assert failed.status_code == 500
    began = time.monotonic()
    assert server.test_client().post(CALLBACK, json=BODY, headers=said).text == NAMES[0]
    assert time.monotonic() - began < turns.PATIENCE / 2 and drawn == [NAMES[0]]
