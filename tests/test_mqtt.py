"""MQTT: what a broker keeps for us is safe before it is acknowledged, and stored once."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from connectors import poller
from connectors.config import load_sources
from connectors.io import IO
from connectors.kinds import mqtt
from connectors.poller import poll
from connectors.sieve import Sieve
from connectors.spool import Entry, Spool
from ioc.config import Lined
from ioc.errors import Broken, ConfigError, IocError, NeedsCredentials, Transient
from ioc.model import Batch
from ioc.source import Source
from kpi import health
from kpi.schema import micros
from kpi.store import KpiStore
from tests.brokers import ENV, PASSWORD, Mosquitto, mqtt_source
from tests.certificates import Authority
from tests.test_poller import contents, numbers

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CODE = "19207"


def said(number: int, **more: Any) -> dict[str, Any]:
    """A message: one for each day, so that each is three figures."""
    at = (NOW - timedelta(days=1 + number)).isoformat()
    row = {"id": f"m{number}", "maXa": CODE, "luc": at, "soXe": 100 + number}
    row |= {"may": {"tong": 4, "chay": 3, "nguoiTruc": "Nguyễn Văn A"}, "dienThoai": "0912345678"}
    return row | more


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: Any) -> SimpleNamespace:
    monkeypatch.setattr(poller, "_sleep_until", lambda stop: lambda _: None)
    monkeypatch.setenv("IOC_MQTT_PASSWORD", PASSWORD)
    return SimpleNamespace(data=tmp_path / "data", secret_key_file=None)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as found:
        yield found


def polled(store: KpiStore, source: Source, settings: Any, now: datetime = NOW) -> dict[str, Any]:
    health.publish_sources(store, [source])
    return poll(store, source, settings, now=now)


def walk(
    source: Source, settings: Any, since: str | None = None, notes: list[str] | None = None
) -> list[Batch]:
    with IO(source, settings, now=lambda: NOW, sleep=lambda _: None, env=ENV) as io:
        try:
            return list(mqtt.poll(source, since, io))
        finally:
            if notes is not None:
                notes += io.notes


def rows(batches: list[Batch]) -> list[Any]:
    return [
        row.get("soXe")
        for batch in batches
        for i, row in enumerate(batch.rows)
        if i not in batch.unfit
    ]


def spooled(settings: Any) -> bytes:
    return (settings.data / "spool" / "traffic.sqlite").read_bytes()


# -- between two visits ----------------------------------------------------------------------------


def test_what_is_published_while_nobody_visits_waits_and_comes_once(
    broker: Mosquitto, store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url)
    assert polled(store, source, settings)["outcome"] == "empty"  # the session begins
    broker.publish(*map(said, range(250)), topic="giaothong/a")
    first = polled(store, source, settings)
    assert (first["outcome"], *numbers(first)) == ("ok", 750, 750, 0, 0, 0, 0), first["note"]
    before = contents(store)
    again = polled(store, source, settings)
    assert (again["outcome"], *numbers(again)) == ("empty", 0, 0, 0, 0, 0, 0)
    assert contents(store) == before
    assert (again["calls"], again["bytes"]) == (1, 0)


def test_a_restart_of_the_broker_loses_nothing_that_it_had(
    broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url)
    polled(sqlite_store, source, settings)
    broker.publish(*map(said, range(30)))
    broker.stop()
    down = polled(sqlite_store, source, settings)
    assert (down["outcome"], down["read"]) == ("retry", 0)
    broker.start()
    broker.publish(*map(said, range(30, 40)))
    up = polled(sqlite_store, source, settings)
    assert (up["outcome"], up["new"]) == ("ok", 120)
    assert "không còn giữ phiên" not in up["note"]


def test_a_broker_that_forgot_our_session_is_told_of(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "broker").mkdir()
    with Mosquitto(tmp_path / "broker") as broker:
        source, notes = mqtt_source(broker.url), []
        walk(source, settings)
        broker.publish(said(1))
        [batch] = walk(source, settings, notes=notes)
        assert notes == []
        broker.stop()
        (tmp_path / "broker" / "mosquitto.db").unlink()
        broker.start()
        walk(source, settings, batch.cursor, notes)
        assert any("không còn giữ phiên" in note for note in notes)
        broker.publish(said(2))
        assert rows(walk(source, settings, batch.cursor)) == [102]  # subscribed anew


def test_one_message_twice_is_one_row_and_is_counted(
    broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url)
    polled(sqlite_store, source, settings)
    broker.publish(said(1), said(1), said(2))
    run = polled(sqlite_store, source, settings)
    assert run["new"] == 6 and "1 tin trùng mã" in run["note"]
    polled(sqlite_store, source, settings)  # what is stored has left the spool
    broker.publish(said(1, soXe=999), said(3))
    later = polled(sqlite_store, source, settings)
    assert later["read"] == 3 and "1 tin trùng mã" in later["note"]
    far = polled(sqlite_store, source, settings, NOW + timedelta(days=15))
    assert far["outcome"] == "empty"
    broker.publish(said(1, soXe=999))
    assert polled(sqlite_store, source, settings, NOW + timedelta(days=15))["read"] == 3


def test_a_retained_value_is_taken_while_it_is_young_and_never_when_old(
    broker: Mosquitto, settings: Any
) -> None:
    young = said(1, luc=(NOW - timedelta(hours=30)).isoformat())
    broker.publish(young, topic="giaothong/a", retain=True)
    broker.publish(said(60), topic="giaothong/b", retain=True)
    broker.publish(said(2, luc="hôm qua"), topic="giaothong/c", retain=True)
    broker.publish({"id": 5}, topic="giaothong/d", retain=True)
    notes: list[str] = []
    source = mqtt_source(broker.url, options={"retained_age": "2d"})
    [batch] = walk(source, settings, notes=notes)
    assert rows([batch]) == [101]
    assert notes == ["3 giá trị máy chủ giữ lại (retained) đã quá cũ, không nhận"]
    assert walk(source, settings, batch.cursor, notes) == []
    assert len(notes) == 1  # they do not come again at every visit
    broker.publish(said(61), topic="giaothong/b")  # old, but said now
    assert rows(walk(source, settings, batch.cursor)) == [161]


def test_topics_that_are_no_longer_wished_for_are_given_up(
    broker: Mosquitto, settings: Any
) -> None:
    walk(mqtt_source(broker.url), settings)
    other = mqtt_source(broker.url, options={"topics": ["moitruong/+", "giaothong/a"]})
    broker.publish(said(1), topic="giaothong/b")
    batches = walk(other, settings)  # it was in the queue already
    assert [*batches[0].unfit.values()] == ["chủ đề ngoài danh sách đã khai"]
    for topic in ("giaothong/b", "moitruong/x", "giaothong/a", "moitruong/x/y"):
        broker.publish(said(len(topic)), topic=topic)
    assert rows(walk(other, settings, batches[-1].cursor)) == [111, 111]


# -- between spool and store -----------------------------------------------------------------------


def test_what_was_not_stored_comes_again_from_the_spool_and_leaves_it_once_it_was(
    broker: Mosquitto, settings: Any
) -> None:
    source = mqtt_source(broker.url)
    walk(source, settings)
    broker.publish(*map(said, range(3)))
    [lost] = walk(source, settings)  # acknowledged, and then nobody stored it
    [again] = walk(source, settings)
    assert (again.rows, again.cursor) == (lost.rows, lost.cursor)
    broker.publish(said(3))
    [both] = walk(source, settings)
    assert rows([both]) == [100, 101, 102, 103]
    assert b'"soXe": 102' in spooled(settings)
    assert walk(source, settings, both.cursor) == []
    assert b"soXe" not in spooled(settings) and CODE.encode() not in spooled(settings)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from types import SimpleNamespace
from connectors.io import IO
from connectors.kinds import mqtt
from connectors.spool import Spool
from tests.brokers import ENV, mqtt_source
source = mqtt_source(sys.argv[1])
at, real = sys.argv[3], Spool.keep
def keep(self, *given):
    if at == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = real(self, *given)
    if at == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return found
Spool.keep = keep
with IO(source, SimpleNamespace(data=sys.argv[2]), env=ENV) as io:
    for batch in mqtt.poll(source, None, io):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("at", ["before", "after", "yield"])
def test_killed_before_or_after_the_spool_or_before_the_store_each_message_comes_once(
    at: str, broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url)
    walk(source, settings)
    broker.publish(*map(said, range(60)))
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", KILLED, broker.url, str(settings.data), at]
    ended = subprocess.run(command, cwd=root, timeout=60, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    run = polled(sqlite_store, source, settings)
    assert (run["outcome"], run["new"], run["same"]) == ("ok", 180, 0), run["note"]


class Cut:
    """Stands before a broker and cuts the connection after so many bytes of what it says."""

    def __init__(self, port: int):
        self._behind, self.after = port, 1 << 30
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._door.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._door.close()

    def _accept(self) -> None:
        while True:
            try:
                front, _ = self._door.accept()
            except OSError:
                return
            back = socket.create_connection(("127.0.0.1", self._behind))
            threading.Thread(target=self._pass, args=(front, back, 1 << 30), daemon=True).start()
            threading.Thread(target=self._pass, args=(back, front, self.after), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, most: int) -> None:
        with suppress(OSError):
            while most > 0 and (piece := one.recv(min(4096, most))):
                other.sendall(piece)
                most -= len(piece)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.mark.parametrize("after", [2, 6, 300, 1500, 4001])
def test_a_connection_that_is_cut_anywhere_loses_nothing_and_doubles_nothing(
    after: int, broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    with closing(Cut(broker.port)) as cut:
        source = mqtt_source(cut.url, options={"deadline": 20})
        walk(source, settings)
        broker.publish(*map(said, range(40)))
        cut.after = after
        first = polled(sqlite_store, source, settings)
        missed = "partial" if first["read"] else "retry"  # a second try may have got them all
        assert first["outcome"] == ("ok" if first["new"] == 120 else missed)
        assert after < 4000 or first["read"] > 0  # what was safe before the cut is stored
        cut.after = 1 << 30
        second = polled(sqlite_store, source, settings)
        assert second["outcome"] == ("ok" if first["new"] < 120 else "empty")
        assert (second["changed"], second["same"]) == (0, 0)
        assert first["new"] + second["new"] == 120


# -- limits ----------------------------------------------------------------------------------------


def test_a_poll_takes_so_many_and_says_that_more_waits(
    broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url, options={"max_messages": 50})
    polled(sqlite_store, source, settings)
    broker.publish(*map(said, range(120)))

    def covered() -> Any:
        with sqlite_store.read() as connection:
            return connection.scalar(sa.text("SELECT MAX(covered_until) FROM poll_run"))

    before, taken = covered(), 0
    for _ in range(3):
        run = polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
        taken += run["new"]
        if taken < 360:
            assert covered() == before
    assert taken == 360
    polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
    assert covered() > before


@contextmanager
def talking(broker: Mosquitto, pause: float) -> Iterator[None]:
    """Somebody publishes all the time."""
    stop = threading.Event()

    def talk() -> None:
        number = 1_000
        while not stop.wait(pause):
            broker.publish(said(number := number + 1))

    talker = threading.Thread(target=talk)
    talker.start()
    try:
        yield
    finally:
        stop.set()
        talker.join(30)


@pytest.mark.parametrize("pause", [0.1, 0.001])
def test_a_broker_that_is_never_quiet_is_covered_with_all_that_waited(
    pause: float, broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url, options={"deadline": 15})
    polled(sqlite_store, source, settings)
    broker.publish(*map(said, range(190)))  # more than the broker lets be under way
    with talking(broker, pause):
        begun = time.monotonic()
        run = polled(sqlite_store, source, settings, NOW + timedelta(minutes=1))
        assert time.monotonic() - begun < 14
    assert run["outcome"] == "ok" and run["new"] >= 3 * 190
    with sqlite_store.read() as connection:
        covered = connection.scalar(sa.text("SELECT MAX(covered_until) FROM poll_run"))
    assert covered == micros(NOW + timedelta(minutes=1))


def test_a_full_spool_leaves_the_rest_with_the_broker(broker: Mosquitto, settings: Any) -> None:
    source = mqtt_source(broker.url, options={"max_messages": 50})
    walk(source, settings)
    broker.publish(*map(said, range(60)))
    first = rows(walk(source, settings))
    notes: list[str] = []
    assert rows(walk(source, settings, notes=notes)) == first  # nobody stores: nothing more comes
    assert len(first) >= 50 and "bộ đệm đầy" in notes[0]


def test_what_is_no_object_of_json_is_a_rejection_and_the_others_are_read(
    broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url, options={"max_payload": 2000})
    polled(sqlite_store, source, settings)
    deep = b'{"a":' * 100_000
    wrong = [
        b"",
        b"\xff\xfe",
        b"{",
        b"[1]",
        b'"x"',
        b'{"id": NaN}',
        b'{"soXe": 1e999}',
        deep[:1999],
    ]
    wrong += [b"x" * 2001, said(9, id=None), said(9, id={"a": 1}), said(90, maXa="Nguyễn Văn A")]
    broker.publish(*wrong, *map(said, range(20)), said(21, luc="2999-01-01T00:00:00Z"))
    run = polled(sqlite_store, source, settings)
    assert (run["outcome"], run["new"], run["rejected"]) == ("ok", 60, len(wrong) + 1)
    polled(sqlite_store, source, settings)
    broker.publish(b"{", topic="giaothong/tong")  # the same again
    assert "1 tin trùng mã" in polled(sqlite_store, source, settings)["note"]


def test_a_packet_larger_than_the_source_may_send_is_broken(
    broker: Mosquitto, settings: Any
) -> None:
    source = mqtt_source(broker.url, options={"max_bytes": 10_000})
    walk(source, settings)
    broker.publish(b" " * 10_001)
    with pytest.raises(Broken, match="tin quá lớn"):
        walk(source, settings)


# -- who may come in -------------------------------------------------------------------------------


def test_a_wrong_password_needs_credentials_and_is_never_said(
    broker: Mosquitto, sqlite_store: KpiStore, settings: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("IOC_MQTT_PASSWORD", "sai-mat-khau-roi")
    run = polled(sqlite_store, mqtt_source(broker.url), settings)
    assert (run["outcome"], run["calls"]) == ("needs_credentials", 1)
    assert "sai-mat-khau" not in json.dumps(run, default=str)
    nobody = mqtt_source(broker.url, auth=Lined({"kind": "none"}))
    assert polled(sqlite_store, nobody, settings)["outcome"] == "needs_credentials"


def refusing(front: socket.socket) -> None:
    """A broker that lets us in and hear nothing."""
    with suppress(OSError):
        front.recv(4096)
        front.sendall(b"\x20\x02\x00\x00")
        asked = front.recv(4096)
        front.sendall(b"\x90\x03" + asked[2:4] + b"\x80")
        front.recv(4096)


def test_a_topic_that_we_may_not_hear_needs_credentials(settings: Any) -> None:
    for url in serving(refusing):
        with pytest.raises(NeedsCredentials, match="không cho nghe giaothong/#"):
            walk(mqtt_source(url), settings)


def test_tls_is_checked_against_the_given_authority(tmp_path: Path, settings: Any) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    for name in ("ours", "other"):
        (folder / name).mkdir()
    ours, other = Authority(folder / "ours"), Authority(folder / "other")
    certificate, key = ours.issue("127.0.0.1")
    with Mosquitto(folder, tls={"certfile": certificate, "keyfile": key}) as broker:
        source = mqtt_source(broker.url, options={"ca_file": str(ours.file)})
        assert walk(source, settings) == []
        with pytest.raises(Broken, match="TLS"):
            walk(mqtt_source(broker.url, options={"ca_file": str(other.file)}), settings)
        plain = broker.url.replace("mqtts", "mqtt")
        with pytest.raises(IocError):
            walk(mqtt_source(plain, options={"deadline": 2}), settings)
    certificate, key = ours.issue("broker.example")
    (tmp_path / "second").mkdir()
    with (
        Mosquitto(tmp_path / "second", tls={"certfile": certificate, "keyfile": key}) as broker,
        pytest.raises(Broken, match="TLS"),
    ):
        walk(mqtt_source(broker.url, options={"ca_file": str(ours.file)}), settings)


def test_a_look_takes_nothing_from_the_session(broker: Mosquitto, settings: Any) -> None:
    source = mqtt_source(broker.url)
    walk(source, settings)
    broker.publish(*map(said, range(5)))
    broker.publish(said(1, luc=NOW.isoformat()), topic="giaothong/r", retain=True)
    with IO(source, settings, now=lambda: NOW, env=ENV) as io:
        [seen] = mqtt.probe(source, io)
    assert rows([seen]) == [101]
    assert sorted(rows(walk(source, settings))) == [100, 101, 101, 102, 103, 104]


def test_a_dry_run_takes_nothing_from_the_session(
    broker: Mosquitto, sqlite_store: KpiStore, settings: Any, tmp_path: Path
) -> None:
    source = mqtt_source(broker.url)
    polled(sqlite_store, source, settings)
    broker.publish(*map(said, range(5)))
    elsewhere = SimpleNamespace(data=tmp_path / "other", secret_key_file=None)
    assert poll(sqlite_store, source, elsewhere, now=NOW, dry_run=True)["outcome"] == "empty"
    assert polled(sqlite_store, source, settings)["new"] == 15


# -- brokers that are not there, or not brokers ----------------------------------------------------


def test_nobody_there_is_tried_a_few_times_and_then_later(settings: Any) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as held:
        port = held.getsockname()[1]
    with IO(mqtt_source(f"mqtt://127.0.0.1:{port}"), settings, sleep=lambda _: None, env=ENV) as io:
        with pytest.raises(Transient, match="không kết nối được"):
            list(mqtt.poll(io._source, None, io))
        assert io.calls == 4


def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of somebody who answers so."""
    door = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                front, _ = door.accept()
                threading.Thread(target=answer, args=(front,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"mqtt://127.0.0.1:{door.getsockname()[1]}"
    finally:
        door.close()


def drip(front: socket.socket) -> None:
    with suppress(OSError):
        for _ in range(200):
            front.sendall(b"\x30")
            time.sleep(0.05)


def silence(front: socket.socket) -> None:
    with suppress(OSError):
        while front.recv(4096):
            pass


def page(front: socket.socket) -> None:
    with suppress(OSError):
        front.recv(4096)
        front.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html>")
        front.close()


@pytest.mark.parametrize("answer", [drip, silence, page])
def test_what_is_no_broker_is_left_at_the_deadline(
    answer: Callable[[socket.socket], None], settings: Any
) -> None:
    for url in serving(answer):
        source, begun = mqtt_source(url, options={"deadline": 1}), time.monotonic()
        with pytest.raises(Transient):
            walk(source, settings)
        assert time.monotonic() - begun < 8


def test_an_endless_stream_ends_at_the_deadline_with_what_is_safe(
    broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url, options={"deadline": 1.5, "quiet": 1})
    polled(sqlite_store, source, settings)
    stop, number = threading.Event(), iter(range(10_000))

    def talk() -> None:
        while not stop.is_set():
            broker.publish(said(next(number)))

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        begun = time.monotonic()
        run = polled(sqlite_store, source, settings)
        assert time.monotonic() - begun < 15
        assert run["outcome"] in ("ok", "empty")
    finally:
        stop.set()
        talking.join(20)
    found = run["new"]
    for _ in range(3):
        found += polled(sqlite_store, source, settings)["new"]
    assert found == 3 * next(number)


# -- the watermark ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "since",
    ["", "rác", "{}", "5", "[]", '{"v": 2, "spool": "a", "at": 1}', '{"v": 1, "spool": "a"}',
     '{"v": 1, "spool": 5, "at": 1}', '{"v": 1, "spool": "a", "at": "1"}'],
)  # fmt: skip
def test_a_watermark_that_cannot_be_right_is_refused(since: str, settings: Any) -> None:
    with pytest.raises(Broken, match="mốc đã lưu"):
        walk(mqtt_source("mqtt://127.0.0.1:1"), settings, since)


def test_a_watermark_ahead_of_its_spool_is_refused_and_that_of_another_reads_it_whole(
    broker: Mosquitto, settings: Any
) -> None:
    source = mqtt_source(broker.url)
    walk(source, settings)
    broker.publish(*map(said, range(3)))
    [batch] = walk(source, settings)
    ahead = json.loads(batch.cursor or "") | {"at": 4}
    with pytest.raises(Broken, match="tương lai"):
        walk(source, settings, json.dumps(ahead))
    notes: list[str] = []
    other = json.loads(batch.cursor or "") | {"spool": "khac", "at": 99}
    assert rows(walk(source, settings, json.dumps(other), notes)) == [100, 101, 102]
    assert any("bộ đệm mới" in note for note in notes)


def test_a_store_that_begins_anew_takes_again_what_the_broker_sends_again(
    broker: Mosquitto, settings: Any
) -> None:
    source = mqtt_source(broker.url)
    walk(source, settings)
    broker.publish(said(1))
    [batch] = walk(source, settings)
    walk(source, settings, batch.cursor)
    broker.publish(said(1))
    assert rows(walk(source, settings)) == [101]


# -- the spool -------------------------------------------------------------------------------------


def test_the_spool_counts_on_after_it_was_emptied_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "spool" / "a.sqlite"
    with closing(Spool(path)) as spool:
        assert spool.keep([Entry({"a": 1}, "x"), Entry({"a": 2}, "x"), Entry({"a": 3})], NOW) == 1
        spool.drop(2, NOW)
        assert (spool.waiting(), spool.last, spool.rows(0, 9)) == (0, 2, [])
    with closing(Spool(path)) as spool:
        assert spool.keep([Entry({"a": 1}, "x"), Entry({"a": 4}, "y", "sai")], NOW) == 1
        assert [(kept.number, kept.row, kept.unfit) for kept in spool.rows(0, 9)] == [
            (3, {"a": 4}, "sai")
        ]
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0


def test_two_processes_that_keep_at_once_lose_no_row_and_lower_no_number(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(Spool(path)) as one, closing(Spool(path)) as other:
        second = threading.Thread(
            target=lambda: other.keep([Entry({"a": 2}), Entry({"a": 3})], NOW)
        )

        def entries() -> Iterator[Entry]:
            second.start()  # while the first one has begun
            second.join(0.5)
            yield Entry({"a": 1}, "x")

        assert one.keep(entries(), NOW) == 0
        second.join(20)
        kept = one.rows(0, 9)
        assert sorted(each.row["a"] for each in kept) == [1, 2, 3]
        assert one.last == max(each.number for each in kept) == 3


def test_a_spool_that_cannot_be_read_is_broken_and_one_that_cannot_be_written_comes_later(
    tmp_path: Path, settings: Any
) -> None:
    folder = settings.data / "spool"
    folder.mkdir(parents=True)
    (folder / "traffic.sqlite").write_bytes(b"no database at all, but long enough to be one" * 99)
    with pytest.raises(Broken, match="bị hỏng"):
        walk(mqtt_source("mqtt://127.0.0.1:1"), settings)
    (folder / "traffic.sqlite").unlink()
    (folder / "traffic.sqlite").mkdir()
    with pytest.raises(Transient, match="bộ đệm"):
        walk(mqtt_source("mqtt://127.0.0.1:1"), settings)


def test_nothing_but_declared_codes_and_figures_ever_lies_in_the_spool(
    broker: Mosquitto, settings: Any
) -> None:
    source = mqtt_source(broker.url)
    walk(source, settings)
    broker.publish(
        said(1),
        said(2, maXa="Trần Thị B"),
        said(3, id="044097001234", maXa="0912345678"),
        said(4, soXe="a@b.vn", luc={"ten": "Lê C"}),
        said(5, hoTen="Lê C", **{"Nguyễn Văn D": 1}),
        topic="giaothong/0987654321",
    )
    [batch] = walk(source, settings)
    assert len(batch.rows) == 5
    held = spooled(settings)
    assert b'"soXe": 101' in held
    for word in ("Nguyễn", "Trần", "Lê C", "044097001234", "0912345678", "a@b", "0987654321"):
        assert word.encode() not in held, word


def test_words_pass_the_sieve_only_where_they_are_declared() -> None:
    fields = {
        "org_unit": "_topic[1]",
        "opened_at": "luc",
        "state": Lined({"path": "trang.thai", "values": {"đang chạy": "up"}}),
    }
    source = mqtt_source(
        "mqtt://127.0.0.1:1", fields=fields, key="ma", record="device", readings=None
    )
    sieve = Sieve(source, "id", "luc")
    row = sieve.row({
        "_topic": ["giaothong", "19207"],
        "luc": "2026-11-20T08:00:00+07:00",
        "trang": {"thai": "đang chạy", "ai": "Nguyễn"},
        "ma": "Máy của ông A",
        "moi": 1,
        "id": "x",
    })
    assert row == {
        "_topic[1]": "19207",
        "luc": "2026-11-20T08:00:00+07:00",
        "trang.thai": "đang chạy",
        "ma": None,  # two that are masked would be one
        "moi": None,  # a new field: its name, without its value
    }
    assert sieve.row({"trang": {"thai": "đã hỏng"}})["trang.thai"] == "(đã che)"


def test_a_new_field_is_told_once_and_nested_ones_are_found(
    broker: Mosquitto, sqlite_store: KpiStore, settings: Any
) -> None:
    source = mqtt_source(broker.url, id="traffic_new", options={"ignore": ["dienThoai"]})
    polled(sqlite_store, source, settings)
    broker.publish(said(1, pin=80))
    run = polled(sqlite_store, source, settings)
    assert run["new"] == 3 and run["note"] == "trường mới, chưa khai và không đọc: pin"
    broker.publish(said(2, pin=80))
    assert polled(sqlite_store, source, settings)["note"] == ""


# -- configuration ---------------------------------------------------------------------------------

DECLARED = """
dem_xe:
  name: Đếm xe
  kind: mqtt
  url: mqtts://broker.example:8883
  owner: SGTVT
  every: 20s
  serves: [commune]
  fields: {org_unit: maXa, period: {path: ngay, grain: day}}
  readings: {traffic_vehicles: soXe}
  options: {topics: [giaothong/+/tong], message_id: id, time: luc}
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("topics: [giaothong/+/tong], ", "", "phải có topics"),
        ("[giaothong/+/tong]", "[giaothong/#/tong]", "phải có topics"),
        ("[giaothong/+/tong]", "[giao+thong]", "phải có topics"),
        ("message_id: id, ", "", "phải có message_id"),
        (", time: luc", "", "phải có time"),
        ("message_id: id", 'message_id: "a["', "biểu thức không hợp lệ"),
        ("soXe", '"a["', "biểu thức không hợp lệ"),
        ("time: luc", "time: luc, retained_age: old", "retained_age: thời khoảng"),
        ("time: luc", "time: luc, quiet: 0", "quiet phải là"),
        ("time: luc", 'time: luc, client_id: "a b"', "client_id phải là mã"),
        ("time: luc", "time: luc, qos: 2", "không có 'qos'"),
        ("  serves", "  paging: {kind: page}\n  serves", "không phân trang"),
        ("  serves", "  auth: {kind: bearer, token: '${IOC_X}'}\n  serves", "none hoặc basic"),
        ("mqtts://broker.example:8883", "http://broker.example", "mqtt hoặc mqtts"),
        ("mqtts://broker.example:8883", "mqtt://a:b@broker.example", "tên và mật khẩu"),
    ],
)
def test_nonsense_in_the_options_is_refused_by_the_check(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(DECLARED)
    assert [source.id for source in load_sources([path])] == ["dem_xe"]
    path.write_text(DECLARED.replace(old, new))
    with pytest.raises(ConfigError, match=fault):
        load_sources([path])


def test_a_broker_at_a_forbidden_address_is_never_called(settings: Any) -> None:
    for url in ("mqtt://169.254.169.254", "mqtt://224.0.0.1:1883"):
        with pytest.raises(Broken, match="không được phép"):
            walk(mqtt_source(url), settings)
