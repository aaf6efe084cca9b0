"""Screens that ask the same are drawn once, and again as soon as anything could differ."""

from datetime import UTC, datetime, timedelta

import flask
import orjson
import pytest
from dash import Dash, Input, Output, dcc, html

from ioc.settings import Settings
from layouts import state
from layouts.web import compress, guard, problems, screens

NOON = datetime(2026, 11, 22, 5, 0, 10, tzinfo=UTC)


class Screens:
    """A small app behind the real guard whose one callback counts its drawings."""

    def __init__(self, folder, store, monkeypatch):
        self.drawn, self.until, self.at = 0, None, NOON
        self.store, server = store, flask.Flask("layouts", static_folder=None)
        app = Dash(
            "layouts", server=False, assets_folder=str(folder), enable_mcp=False, use_async=False
        )
        problems.install(server)
        guard.install(app, server, Settings())
        self.draw_ahead = screens.install(server, store, folder)
        compress.install(server)
        app.init_app(server)
        app.layout = html.Div([dcc.Store(id="live"), dcc.Store(id="page"), html.Div(id="wall")])
        monkeypatch.setattr(state, "now", lambda: self.at)

        @app.callback(Output("wall", "children"), Input("live", "data"), Input("page", "data"))
        def draw(_live, page):
            self.drawn += 1
            if page != "unsteady":
                state.steady(self.until)
            return f"lần {self.drawn} " + "x" * 1200

        self.client = server.test_client()
        self.ask("first")

    def ask(self, page="same", accept="identity", live="told"):
        body = {
            "output": "wall.children",
            "outputs": {"id": "wall", "property": "children"},
            "inputs": [
                {"id": "live", "property": "data", "value": live},
                {"id": "page", "property": "data", "value": page},
            ],
            "changedPropIds": ["live.data"],
        }
        reply = self.client.post(
            guard.CALLBACK,
            data=orjson.dumps(body),
            content_type="application/json",
            headers={"Host": "127.0.0.1", "Accept-Encoding": accept},
        )
        assert reply.status_code == 200, reply.data
        return reply

    def touch(self):
        with self.store.write() as connection:
            self.store.touch(connection, ["T01"])


@pytest.fixture
def wall(tmp_path, sqlite_store, monkeypatch):
    return Screens(tmp_path, sqlite_store, monkeypatch)


def test_the_second_screen_gets_the_very_bytes_of_the_first(wall):
    first, second = wall.ask(), wall.ask()
    assert wall.drawn == 2  # one of them when the app was made
    assert first.data == second.data
    assert dict(first.headers) == dict(second.headers)
    assert "Content-Security-Policy" in second.headers


def test_a_commit_is_drawn_at_once(wall):
    before = wall.ask().data
    wall.touch()
    assert wall.ask().data != before


def test_the_next_minute_is_drawn_anew_for_its_clocks(wall):
    before = wall.ask().data
    wall.at += timedelta(seconds=49)
    assert wall.ask().data == before
    wall.at += timedelta(seconds=1)
    assert wall.ask().data != before


def test_a_figure_that_turns_old_within_the_minute_is_drawn_as_old(wall):
    wall.until = NOON + timedelta(seconds=5)
    before = wall.ask().data
    wall.at = wall.until
    assert wall.ask().data != before


def test_another_question_or_another_encoding_is_another_answer(wall):
    plain, other, packed = wall.ask(), wall.ask("other"), wall.ask(accept="br")
    assert plain.data != other.data
    assert packed.headers["Content-Encoding"] == "br"
    assert wall.ask().data == plain.data


def test_an_answer_that_does_not_say_how_long_it_holds_is_never_kept(wall):
    assert wall.ask("unsteady").data != wall.ask("unsteady").data


def test_the_guard_stands_before_what_was_kept(wall):
    wall.ask()
    reply = wall.client.post(guard.CALLBACK, data=b"{}", headers={"Host": "ke-gian.example"})
    assert reply.status_code == 421


def test_what_a_screen_was_told_is_not_part_of_its_question(wall):
    assert wall.ask(live={"asked": 1}).data == wall.ask(live={"asked": 2}).data


def test_a_change_is_drawn_before_the_first_screen_asks(wall):
    before = wall.ask().data
    wall.touch()
    wall.draw_ahead()
    drawn = wall.drawn
    assert wall.ask().data != before
    assert wall.drawn == drawn


def test_nothing_is_drawn_ahead_for_screens_that_have_gone(wall, monkeypatch):
    wall.ask()
    monkeypatch.setattr(screens, "OF_LATE", -1.0)
    wall.touch()
    drawn = wall.drawn
    wall.draw_ahead()
    assert wall.drawn == drawn
