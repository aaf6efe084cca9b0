"""A herd of screens before the two processes of the web: what all ask at once is drawn by one."""

import http.client
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import orjson
import pytest

from app import WORKERS
from layouts.web import screens, turns
from layouts.web.guard import CALLBACK
from tests import herd
from tests.benchmarks import serving
from tests.herd import ELSEWHERE, PATIENCE, PEOPLE


class Told(NamedTuple):
    """What a screen was told, by which process, after how many seconds, and what stands in the
    audit of it.
    """

    who: str
    text: str
    looked: str
    worker: str
    took: float


class Web:
    """The web in its processes, and those who ask it."""

    def __init__(self, folder: Path, port: int):
        self.folder, self.port = folder, port

    def ask(self, question: str, who: str = "one", **headers: str) -> Told:
        """One question over a connection of its own; again where the connection breaks."""
        body = orjson.dumps({"output": question, "inputs": []})
        said = {"X-Who": who, "Content-Type": "application/json"}
        said |= {f"X-{name}": value for name, value in headers.items()}
        began = time.monotonic()
        while True:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                line.request("POST", CALLBACK, body, said)
                answer = line.getresponse()
                text = answer.read().decode()
                assert answer.status == 200, text
                looked, worker = answer.headers["X-Looked"], answer.headers["X-Worker"]
                return Told(who, text, looked, worker, time.monotonic() - began)
            except (OSError, http.client.HTTPException):
                assert time.monotonic() - began < 15
                time.sleep(0.05)  # as a screen does
            finally:
                line.close()

    def herd(self, question: str, many: int, people: list[str], **headers: str) -> list[Told]:
        """So many at the same instant, in turn of these people."""
        start = Barrier(many)

        def asks(number: int) -> Told:
            start.wait()
            return self.ask(question, people[number % len(people)], **headers)

        with ThreadPoolExecutor(many) as pool:
            return list(pool.map(asks, range(many)))

    def lines(self, name: str) -> list[str]:
        """What the drawings have written down."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def begun(self, question: str, pool: ThreadPoolExecutor, **headers: str) -> Future:
        """A drawing that has begun and goes on; its process is the last of ``begun``."""
        asked = pool.submit(self.ask, question, **headers)
        until(lambda: self.lines("begun"))
        return asked


def until(true: Callable[[], Any]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(scope="module")
def running(tmp_path_factory: Any) -> Iterator[Web]:
    """One web for all tests, in which both processes answer."""
    folder, port = tmp_path_factory.mktemp("herd"), serving.free_port()
    command = [sys.executable, "-m", "tests.herd", str(folder), str(port)]
    with serving.process(command, port, {"IOC_INSTANCE": "herd"}):
        web = Web(folder, port)
        until(lambda: len({told.worker for told in web.herd("awake", 8, ["one"])}) == WORKERS)
        yield web


@pytest.fixture
def web(running: Web) -> Web:
    for name in ("begun", "finished"):
        (running.folder / name).unlink(missing_ok=True)
    return running


@pytest.mark.parametrize("occasion", ["asked for the first time", "expired"])
def test_what_a_herd_asks_is_drawn_once_in_all_processes_for_each_scope(web, occasion):
    people = list(PEOPLE)
    told = web.herd("first", 100, people, Later=str(int(occasion == "expired")))
    assert [one for one in told if one.text != one.who] == []
    assert {(one.who, one.looked) for one in told} == {(who, f"of {who}") for who in people}
    assert len({one.worker for one in told}) == WORKERS
    assert Counter(web.lines("finished")) == dict.fromkeys(people, 1)


def test_those_whose_answers_do_not_last_wait_for_one_drawing_and_not_in_a_row(web):
    told = web.herd("unsteady", 40, ["one"], Unsteady="1", Takes="0.3")
    assert len(web.lines("finished")) == 40
    assert max(one.took for one in told) < PATIENCE - 0.5


def test_a_file_cut_short_is_no_answer(web):
    web.ask("torn")
    for file in (web.folder / screens.FOLDER).iterdir():
        file.write_bytes(file.read_bytes()[:-9])
    told = web.herd("torn", 20, ["one", "another"], Later="1")
    assert [one for one in told if one.text != one.who] == []
    assert Counter(web.lines("finished")) == {"one": 2, "another": 1}


def test_files_do_not_pile_up_and_are_for_their_owner(web):
    for number in range(400):
        web.ask(f"question {number}", Takes="0")
    files = list((web.folder / screens.FOLDER).iterdir())
    assert len(files) == turns.FILES
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert max(len(orjson.loads(file.read_bytes())) for file in files) == turns.ANSWERS


def test_who_has_waited_too_long_draws_itself_and_another_process_draws_once(web):
    with ThreadPoolExecutor(40) as pool:
        slow = web.begun("long", pool, Takes="5")
        drawer = web.lines("begun")[-1]
        waiting = [pool.submit(web.ask, "long", Takes="0.1") for _ in range(30)]
        told = [one.result() for one in waiting]
        assert not slow.done()
    near = [one.took for one in told if one.worker == drawer]
    far = [one.took for one in told if one.worker != drawer]
    assert near and far and {one.text for one in told} == {"one"}
    assert ELSEWHERE <= max(far) < PATIENCE <= max(near) < PATIENCE + 2  # some come late
    assert len([one for one in web.lines("begun") if one != drawer]) == 1


def test_those_who_wait_for_a_process_that_is_killed_are_answered_at_once_by_one_drawing(web):
    with ThreadPoolExecutor(40) as pool:
        slow = web.begun("killed", pool, Takes="1.9")
        waiting = [pool.submit(web.ask, "killed", Takes="0.2") for _ in range(30)]
        time.sleep(0.3)
        os.kill(int(web.lines("begun")[-1]), signal.SIGKILL)
        killed = time.monotonic()
        told = [one.result() for one in waiting]
        assert time.monotonic() - killed < ELSEWHERE - 0.5
        assert {one.text for one in [*told, slow.result()]} == {"one"}
    assert web.lines("finished") == ["one"]


@pytest.mark.parametrize("broken", ["no folder", "no room"])
def test_where_no_file_can_be_kept_threads_still_take_turns_and_nothing_fails(
    broken, tmp_path, monkeypatch
):
    drawn: list[str] = []
    monkeypatch.setattr(herd, "note", lambda file, line: drawn.append(f"{file.name} {line}"))
    server, size = herd.create(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    if broken == "no folder":
        (tmp_path / screens.FOLDER).write_bytes(b"")
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, size[1]))
    try:
        with ThreadPoolExecutor(20) as pool:
            sent = {"json": {"output": "x", "inputs": []}}
            asked = [pool.submit(server.test_client().post, CALLBACK, **sent) for _ in range(20)]
            told = {(one.result().status_code, one.result().text) for one in asked}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
    assert told == {(200, "one")} and drawn.count("finished one") == 1
    if broken == "no room":
        [file] = (tmp_path / screens.FOLDER).iterdir()
        assert file.read_bytes() == b""
