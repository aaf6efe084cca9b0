"""A screen hears of a commit at once, of nothing else, and knows when it hears nothing."""

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from dash import Dash, Input, Output, dcc, html
from werkzeug.serving import make_server

import app as program
from ioc.settings import Settings
from kpi import health
from layouts.web import live
from tests.stand import LIVE_JS, Stand
from tests.test_downloads import portal


@pytest.fixture
def address(sqlite_store: Any, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The web on a real socket."""
    chosen = Settings(data=tmp_path, database_url=sqlite_store.url)
    server = make_server(
        "127.0.0.1", 0, program.create_app(chosen, sqlite_store).server, threaded=True
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "127.0.0.1", server.server_port
    server.shutdown()
    server.server_close()
    thread.join(5)


class Screen:
    """One event stream, read as a browser reads it."""

    def __init__(self, address: tuple[str, int]):
        self.connection = http.client.HTTPConnection(*address, timeout=20)
        self.connection.request("GET", "/events", headers={"Accept": "text/event-stream"})
        self.response = self.connection.getresponse()

    def next(self) -> tuple[str, dict]:
        """The next event with its data."""
        name = ""
        while True:
            line = self.response.fp.readline().decode()
            if line.startswith("event: "):
                name = line[7:].strip()
            elif line.startswith("data: "):
                return name, json.loads(line[6:])
            elif line == "":
                raise EOFError

    def close(self) -> None:
        """Go away."""
        self.response.close()
        self.connection.close()


def commit(store: Any) -> None:
    health.publish_sources(store, [portal()])


def test_a_commit_reaches_an_open_screen_with_the_topics_that_it_touched(address, sqlite_store):
    with contextlib.closing(Screen(address)) as screen:
        assert screen.response.getheader("Content-Type").startswith("text/event-stream")
        name, hello = screen.next()
        assert name == "hello" and hello["build"]
        name, first = screen.next()
        assert name == "version" and first["version"] == sqlite_store.version()
        begun = time.monotonic()
        commit(sqlite_store)
        name, second = screen.next()
        assert time.monotonic() - begun < 3  # a quarter of a second on a quiet machine
    assert name == "version" and second["version"] > first["version"]
    assert second["topics"]["source:public_services"] == second["version"]


def test_an_event_carries_a_version_and_topics_and_no_figure(address, sqlite_store):
    commit(sqlite_store)
    with contextlib.closing(Screen(address)) as screen:
        screen.next()
        assert set(screen.next()[1]) == {"version", "topics"}


def test_all_screens_of_a_process_share_one_reader_of_the_store(address, sqlite_store):
    screens = [Screen(address) for _ in range(12)]
    for screen in screens:
        screen.next()
        screen.next()
    before = sum(thread.name == "live" for thread in threading.enumerate())
    more = Screen(address)
    more.next()
    assert sum(thread.name == "live" for thread in threading.enumerate()) == before
    commit(sqlite_store)
    versions = [screen.next()[1]["version"] for screen in screens]
    assert versions == [sqlite_store.version()] * 12
    for screen in (*screens, more):
        screen.close()


def test_a_quiet_store_still_sends_a_beat(sqlite_store):
    watch = live.Watch(
        lambda: {"version": sqlite_store.version(), "topics": sqlite_store.topics()},
        sqlite_store.version,
    )
    watch.start()
    events = live.stream(watch, {"build": "x"}, beat=0.2)
    said = [next(events) for _ in range(4)]
    assert [event.split(b"\n")[0] for event in said] == [
        b"event: hello", b"event: version", b"event: beat", b"event: beat",
    ]  # fmt: skip
    events.close()
    assert watch.streams == 0


def test_while_the_store_cannot_be_read_a_screen_hears_nothing(sqlite_store):
    broken = threading.Event()

    def version() -> int:
        if broken.is_set():
            raise OSError("disk")
        return sqlite_store.version()

    watch = live.Watch(lambda: {"version": version(), "topics": {}}, version)
    watch.start()
    events = live.stream(watch, {}, beat=0.4)
    assert next(events).startswith(b"event: hello")
    assert next(events).startswith(b"event: version")
    broken.set()
    time.sleep(0.6)
    assert {next(events), next(events)} == {b":\n\n"}
    broken.clear()
    time.sleep(0.6)
    assert b"beat" in next(events)


def test_a_screen_that_cannot_stream_may_ask_once(address, sqlite_store):
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("GET", "/events", headers={"Accept": "application/json"})
    told = json.loads(connection.getresponse().read())
    connection.close()
    assert told["version"] == sqlite_store.version() and told["topics"] == sqlite_store.topics()


def test_streams_leave_threads_for_pages(sqlite_store, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "STREAMS", 0)
    chosen = Settings(data=tmp_path, database_url=sqlite_store.url)
    client = program.create_app(chosen, sqlite_store).server.test_client()
    answer = client.get("/events", base_url="http://127.0.0.1")
    assert answer.status_code == 503 and answer.mimetype == "application/problem+json"


def test_a_stream_is_neither_stored_nor_compressed(address):
    connection = http.client.HTTPConnection(*address, timeout=10)
    connection.request("GET", "/events", headers={"Accept-Encoding": "br, gzip"})
    response = connection.getresponse()
    assert response.getheader("Cache-Control") == "no-store"
    assert response.getheader("Content-Encoding") is None
    response.close()
    connection.close()


# --- in a real browser ---------------------------------------------------------------------------
class Crashing:
    """The stand in a process of its own, that can be killed and started again."""

    CODE = (
        "import sys; from tests.stand import Stand;"
        " Stand(int(sys.argv[1]), sys.argv[2]).server.serve_forever()"
    )

    def __init__(self, port: int):
        self.port = port
        self.process: subprocess.Popen | None = None

    def start(self, build: str = "a") -> None:
        """Start and wait until it answers."""
        command = [sys.executable, "-c", self.CODE, str(self.port), build]
        self.process = subprocess.Popen(command, cwd=program.ROOT, stderr=subprocess.DEVNULL)
        for _ in range(600):
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", self.port), 1),
            ):
                return
            time.sleep(0.1)
        pytest.fail("the stand did not start")

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def crashing(unused_port: Any) -> Iterator[Crashing]:
    """A stand that can be killed."""
    stand = Crashing(unused_port())
    stand.start()
    yield stand
    stand.kill()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    """A browser context; its pages share one worker."""
    context = chromium.new_context()
    context.set_default_timeout(90_000)
    yield context
    context.close()


def opened(context: Any, port: int) -> Any:
    """A page that has heard of the data."""
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/")
    page.wait_for_function("window.seen.length > 0")
    return page


@pytest.mark.browser
def test_tabs_share_one_stream_and_each_is_told(tab, unused_port):
    port = unused_port()
    stand = Stand(port)
    threading.Thread(target=stand.server.serve_forever, daemon=True).start()
    try:
        pages = [opened(tab, port) for _ in range(3)]
        assert stand.watch.streams == 1
        stand.version = 2
        for page in pages:
            page.wait_for_function("window.seen.some(([, data]) => data.version === 2)")
            assert page.evaluate("window.seen.every(([id]) => id === 'live')")
    finally:
        stand.server.shutdown()
        stand.server.server_close()


@pytest.mark.browser
def test_a_screen_says_since_when_it_has_lost_touch_and_takes_it_back(tab, crashing):
    page = opened(tab, crashing.port)
    assert not page.evaluate("document.body.classList.contains('lost')")
    crashing.kill()
    page.wait_for_function("document.body.classList.contains('lost')")
    assert re.fullmatch(r"[0-2]\d:[0-5]\d", page.inner_text("#lost-since"))
    asked = page.evaluate("window.seen.length")
    crashing.start()
    page.wait_for_function("!document.body.classList.contains('lost')")
    page.wait_for_function(f"window.seen.length > {asked}")  # everything is asked again


@pytest.mark.browser
def test_a_frozen_server_is_noticed_though_its_connection_stands(tab, crashing):
    page = opened(tab, crashing.port)
    assert crashing.process is not None
    crashing.process.send_signal(signal.SIGSTOP)
    page.wait_for_function("document.body.classList.contains('lost')")
    crashing.process.send_signal(signal.SIGCONT)
    page.wait_for_function("!document.body.classList.contains('lost')")


@pytest.mark.browser
def test_a_new_build_makes_a_screen_load_itself_anew(tab, crashing):
    page = opened(tab, crashing.port)
    page.wait_for_function("document.documentElement.dataset.build")  # it knows what it runs
    page.evaluate("window.old = true")
    crashing.kill()
    crashing.start("b")
    page.wait_for_function("window.old === undefined")


class Slow:
    """A page whose one callback takes longer than its data stand still."""

    def __init__(self, folder: Path, port: int):
        (folder / "live.js").write_text(LIVE_JS.read_text())
        self.version, self.asked, self.now, self.most = 1, 0, 0, 0
        self.watch = live.Watch(lambda: {"version": self.version, "topics": {}}, self.newest)
        server = flask.Flask("slow")
        app = Dash(
            "slow", server=server, assets_folder=str(folder), enable_mcp=False, use_async=False
        )
        band = html.Div(html.Span(id="lost-since"), id="lost-band")
        app.layout = html.Div([dcc.Store(id="live"), band, html.Div(id="shown")])

        @server.get("/events")
        def events() -> flask.Response:
            self.watch.start()
            return flask.Response(live.stream(self.watch, {}), mimetype="text/event-stream")

        @app.callback(Output("shown", "children"), Input("live", "data"), prevent_initial_call=True)
        def draw(told: Any) -> str:
            self.asked, self.now = self.asked + 1, self.now + 1
            self.most = max(self.most, self.now)
            time.sleep(2.5)
            self.now -= 1
            return str(told["version"])

        self.server = make_server("127.0.0.1", port, server, threaded=True)
        self.server.daemon_threads = True  # type: ignore[attr-defined]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def newest(self) -> int:
        return self.version


@pytest.mark.browser
def test_a_slow_answer_makes_no_queue_and_the_newest_data_win(tab, tmp_path, unused_port):
    port = unused_port()
    slow = Slow(tmp_path, port)
    try:
        page = tab.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_function("document.getElementById('shown')?.textContent === '1'")
        for slow.version in range(2, 9):
            page.wait_for_timeout(700)
        page.wait_for_function("document.getElementById('shown').textContent === '8'")
        assert slow.most == 1
        assert slow.asked < 8
    finally:
        slow.server.shutdown()
        slow.server.server_close()
