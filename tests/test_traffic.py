"""The traffic counters of the sample: a broker that others can talk to, and figures that fit."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import sqlalchemy as sa

from connectors.config import load_sources
from connectors.poller import poll
from connectors.sandbox import broker as broker_module
from connectors.sandbox import packets, traffic
from connectors.sandbox.broker import Broker
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.packets import Published
from connectors.sandbox.place import Place
from connectors.sandbox.province import Province
from ioc.orgunits import OrgUnits
from ioc.period import Period, date_of, day_of
from ioc.principal import Principal
from kpi import health, query
from kpi.store import KpiStore, open_store

NOW = datetime(2026, 11, 22, 1, 40, tzinfo=UTC)
ADMIN = Principal.local_admin()
Make = Callable[..., Broker]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread of its own, as the sandbox has one."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever, daemon=True)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join(20)


@pytest.fixture
def make(loop: asyncio.AbstractEventLoop) -> Iterator[Make]:
    """Brokers that are closed at the end."""
    made: list[Broker] = []

    def broker(**given: Any) -> Broker:
        made.append(Broker(0, **given))
        asyncio.run_coroutine_threadsafe(made[-1].open(), loop).result(20)
        return made[-1]

    yield broker
    for each in made:
        asyncio.run_coroutine_threadsafe(each.close(), loop).result(20)


class Client:
    """paho's client, its messages in a list."""

    def __init__(self, broker: Broker, name: str = "", *, clean: bool = True, login: Any = None):
        self.got: list[tuple[str, bytes, int, bool]] = []
        self.answer: Any = None
        self.session = False
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=name,
            clean_session=clean,
            protocol=mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        if login:
            self.paho.username_pw_set(*login)
        self.paho.on_connect = self._connected
        self.paho.on_message = lambda _, __, m: self.got.append((
            m.topic,
            m.payload,
            m.qos,
            m.retain,
        ))
        self.paho.connect("127.0.0.1", broker.port or 0, keepalive=5)
        self.paho.loop_start()
        self.until(lambda: self.answer is not None)

    def _connected(self, _: Any, __: Any, flags: Any, code: Any, ___: Any) -> None:
        self.session, self.answer = bool(flags.session_present), code

    def subscribe(self, topic: str, qos: int = 1) -> None:
        done = threading.Event()
        self.paho.on_subscribe = lambda *_: done.set()
        self.paho.subscribe(topic, qos)
        assert done.wait(20)

    def publish(self, topic: str, body: bytes = b"x", qos: int = 1, retain: bool = False) -> None:
        self.paho.publish(topic, body, qos, retain).wait_for_publish(20)

    def until(self, true: Callable[[], Any]) -> None:
        end = time.monotonic() + 20
        while not true():
            assert time.monotonic() < end, "it never came"
            time.sleep(0.01)

    def close(self) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()


# -- the broker, to a client that nobody here wrote -----------------------------------------------


def test_messages_go_to_those_who_asked_for_their_topic(make: Make) -> None:
    broker = make()
    all_, one, none = Client(broker), Client(broker), Client(broker)
    all_.subscribe("giaothong/#", qos=0)
    one.subscribe("giaothong/+/tong")
    none.subscribe("moitruong/#")
    one.publish("giaothong/19207/tong", b"a")
    one.publish("giaothong/19207/tong", b"b", qos=0)
    one.publish("giaothong/19207/tong/x", b"c")
    all_.until(lambda: len(all_.got) == 3)
    one.until(lambda: len(one.got) == 2)
    assert [(body, qos) for _, body, qos, _ in all_.got] == [(b"a", 0), (b"b", 0), (b"c", 0)]
    assert [(body, qos) for _, body, qos, _ in one.got] == [(b"a", 1), (b"b", 0)]
    assert none.got == []
    for each in (all_, one, none):
        each.close()


def test_a_lasting_session_keeps_what_came_meanwhile_and_a_clean_one_does_not(make: Make) -> None:
    broker = make()
    for clean, expected in ((False, [b"1", b"2"]), (True, [])):
        name = f"khach-{clean}"
        first = Client(broker, name, clean=clean)
        assert not first.session
        first.subscribe("a/+")
        first.close()
        other = Client(broker)
        other.publish("a/b", b"1")
        other.publish("a/b", b"0", qos=0)  # nobody waits for it
        other.publish("a/b", b"2")
        other.close()
        again = Client(broker, name, clean=clean)
        assert again.session is not clean
        again.publish("c")  # and what was before it has come
        again.until(lambda client=again, want=expected: len(client.got) >= len(want))
        assert [body for _, body, _, _ in again.got] == expected
        again.close()


def test_a_retained_value_comes_to_whoever_subscribes_until_an_empty_one_removes_it(
    make: Make,
) -> None:
    broker = make()
    gateway = Client(broker)
    gateway.publish("a", b"1", retain=True)
    gateway.publish("a", b"2", retain=True)
    early = Client(broker)
    early.subscribe("#")
    early.until(lambda: early.got == [("a", b"2", 1, True)])
    gateway.publish("a", b"", retain=True)
    early.until(lambda: early.got[-1] == ("a", b"", 1, False))
    late = Client(broker)
    late.subscribe("#")
    late.publish("b", b"z")
    late.until(lambda: late.got == [("b", b"z", 1, False)])
    for each in (gateway, early, late):
        each.close()


def test_who_brings_the_wrong_password_or_another_version_stays_outside(make: Make) -> None:
    broker = make(login=("ai", "mat-khau"))
    assert Client(broker, login=("ai", "mat-khau")).answer == 0
    assert Client(broker, login=("ai", "sai")).answer == "Bad user name or password"
    assert Client(broker).answer == "Bad user name or password"
    assert said_to(broker, hello(level=5))[:4] == b"\x20\x02\x00\x01"


def test_the_newest_connection_of_a_client_id_is_the_one_that_counts(make: Make) -> None:
    broker = make()
    first = Client(broker, "mot", clean=False)
    first.subscribe("a")
    second = Client(broker, "mot", clean=False)
    assert second.session
    first.until(lambda: not first.paho.is_connected())
    second.publish("a", b"x")
    second.until(lambda: len(second.got) == 1)
    assert first.got == []
    second.close()


def test_what_was_not_acknowledged_comes_again_and_says_so(make: Make) -> None:
    broker = make(backlog=lambda: [Published("a", b"%d" % i) for i in range(30)])
    lasting = hello(clean=False, name="cham")
    subscribe = packets.packet(8, b"\x00\x01" + packets.text("a") + b"\x01", 2)
    first = said_to(broker, lasting + subscribe)
    sent = messages(first)
    assert len(sent) == broker_module.INFLIGHT  # no more under way until some are acknowledged
    again = messages(said_to(broker, lasting))
    assert [(flags & 8, mid, body) for flags, mid, body in again] == [
        (8, mid, body) for _, mid, body in sent
    ]


def hello(level: int = 4, clean: bool = True, name: str = "x", flags: int = 0) -> bytes:
    body = packets.text("MQTT") + bytes([level, flags | (2 if clean else 0), 0, 60])
    return packets.packet(1, body + packets.text(name))


def said_to(broker: Broker, data: bytes) -> bytes:
    """What the broker says until it is quiet or closes."""
    with socket.create_connection(("127.0.0.1", broker.port or 0)) as wire:
        wire.sendall(data)
        wire.settimeout(0.7)
        found = b""
        try:
            while piece := wire.recv(65_536):
                found += piece
        except (TimeoutError, ConnectionError):
            pass
    return found


def messages(stream: bytes) -> list[tuple[int, int, bytes]]:
    """Flags, number and payload of each PUBLISH with QoS 1 in what was said."""
    found, at = [], 0
    while at < len(stream):
        kind, length = stream[at], stream[at + 1]
        body = stream[at + 2 : at + 2 + length]
        at += 2 + length
        if kind >> 4 == packets.PUBLISH:
            size = int.from_bytes(body[:2])
            mid = int.from_bytes(body[2 + size : 4 + size])
            found.append((kind & 15, mid, body[4 + size :]))
    return found


ROUGH = [
    b"",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x10\xff\xff\xff\xff\xff",
    b"\x10\xff\xff\xff\x7f",
    b"\x10\x02\x00\x09",
    packets.packet(1, packets.text("MQIsdp") + b"\x03\x02\x00\x3c" + packets.text("a")),
    hello(flags=1),
    packets.packet(12),
    hello() + hello(),
    hello() + packets.packet(3, packets.text("a/#") + b"x"),
    hello() + packets.packet(3, packets.text("") + b"x"),
    hello() + packets.packet(3, packets.text("a") + b"\x00\x01x", 4),
    hello() + packets.packet(3, packets.text("a") + b"\x00\x00x", 2),
    hello() + packets.packet(3, b"\x00\x02\xff\xfe", 0),
    hello() + packets.packet(8, b"\x00\x01" + packets.text("a") + b"\x01", 0),
    hello() + packets.packet(8, b"\x00\x01" + packets.text("a#") + b"\x01", 2),
    hello() + packets.packet(8, b"\x00\x01" + packets.text("a") + b"\x03", 2),
    hello() + packets.packet(8, b"\x00\x01", 2),
    hello() + packets.packet(8, b"\x00\x01" + b"".join(
        packets.text(f"a{i}") + b"\x01" for i in range(broker_module.FILTERS + 1)), 2),
    hello() + packets.packet(4, b"\x00"),
    hello() + b"\xf0\x00",
]  # fmt: skip


def test_whoever_breaks_the_protocol_is_cut_off_and_nobody_else(make: Make) -> None:
    broker = make()
    good = Client(broker)
    good.subscribe("a")
    for rough in ROUGH:
        begun = time.monotonic()
        said_to(broker, rough)
        assert time.monotonic() - begun < 5
    for _ in range(broker_module.CONNECTIONS * 2):
        socket.create_connection(("127.0.0.1", broker.port or 0)).close()
    good.publish("a", b"still here")
    good.until(lambda: good.got)
    good.close()


@pytest.mark.parametrize(
    ("name", "topic", "fits"),
    [
        ("a", "a", True), ("a", "a/b", False), ("a/+", "a/b", True), ("a/+", "a", False),
        ("a/+", "a/b/c", False), ("a/#", "a", True), ("a/#", "a/b/c", True), ("#", "a/b", True),
        ("+/+", "a/b", True), ("+", "/a", False), ("/+", "/a", True), ("#", "$SYS/x", False),
        ("a/+/c", "a/b/c", True), ("a/+/c", "a/b/d", False),
    ],
)  # fmt: skip
def test_topics_fit_their_filters_as_the_standard_says(name: str, topic: str, fits: bool) -> None:
    assert packets.fits(name, topic) is fits
    if not topic.startswith("$"):
        assert mqtt.topic_matches_sub(name, topic) is fits


# -- the counters, polled -------------------------------------------------------------------------


class Polled:
    """The counters at a clock, polled into a store."""

    def __init__(self, home: Path, catalogue: Any, orgunits: OrgUnits, loop: Any):
        self.now, self.home, self._loop = NOW, home, loop
        self.place = Place(Province(orgunits, 450, 0.2), lambda: self.now, home / "x", 0)
        self.system = traffic.make(self.place)
        self.turn(self.system.open())
        self.truth = traffic.Gateways(self.place)
        source = next(one for one in load_sources() if one.id == "traffic")
        url = f"mqtt://127.0.0.1:{self.system.port}"
        self.source = source.model_copy(update={"url": url})
        self.store: KpiStore = open_store(f"sqlite:///{home}/kpi.sqlite", catalogue, orgunits)
        health.publish_sources(self.store, [self.source])

    def turn(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)
        self.system.tend(self.now)

    def poll(self) -> dict[str, Any]:
        settings = SimpleNamespace(data=self.home, secret_key_file=None)
        return poll(self.store, self.source, settings, now=self.now)

    def value(self, indicator: str, month: str, unit: str = "area-qb") -> Any:
        period = Period.parse(month)
        asked = {"first": period, "last": period, "org_units": [unit], "grain": "month"}
        return (
            query
            .values(self.store, ADMIN, indicators=[indicator], now=self.now, **asked)
            .frame()
            .iloc[0]
        )

    def stored(self, element: str) -> dict[tuple[str, int], float]:
        with self.store.read() as connection:
            rows = connection.execute(
                sa.text(
                    "SELECT org_unit, day, value FROM observation WHERE element = :e"
                    " AND superseded_at = 253402300799000000"
                ),
                {"e": element},
            ).all()
        return {(unit, day): value for unit, day, value in rows}


@pytest.fixture
def counters(
    tmp_path: Path,
    catalogue: Any,
    orgunits: OrgUnits,
    loop: asyncio.AbstractEventLoop,
    monkeypatch: Any,
) -> Iterator[Polled]:
    monkeypatch.setenv("IOC_TRAFFIC_PASSWORD", traffic.PASSWORD)
    found = Polled(tmp_path, catalogue, orgunits, loop)
    yield found
    found.turn(found.system.close())
    found.store.close()


def test_the_history_of_sixty_days_is_stored_as_the_gateways_counted(counters: Polled) -> None:
    first = counters.poll()
    assert first["outcome"] == "ok" and first["new"] > 4000, first["note"]
    assert "tin trùng mã" in first["note"] and "đã quá cũ" in first["note"]
    today = day_of(counters.now)
    closing = {
        (commune.uid, day): counters.truth.row(commune, day, 143)["soXe"]
        for commune in counters.truth.communes
        for day in range(today - 60, today)
    }
    vehicles = counters.stored("traffic_vehicles")
    assert {cell: value for cell, value in vehicles.items() if cell[1] < today} == closing
    october = sum(value for (_, day), value in closing.items() if date_of(day).month == 10)
    counted = counters.value("I10.2b", "2026-10")
    assert (counted.value, counted.unit) == (october, "lượt")
    last = [counters.truth.row(c, today - 22, 143) for c in counters.truth.communes]
    share = counters.value("I10.2a", "2026-10")
    assert date_of(today - 22).isoformat() == "2026-10-31"
    assert (share.numerator, share.denominator) == tuple(
        sum(row[name] for row in last) for name in ("hoatDong", "thietBi")
    )


def test_it_lives_and_a_broker_that_was_stopped_brings_what_it_missed(counters: Polled) -> None:
    counters.poll()
    quiet = counters.poll()
    assert (quiet["outcome"], quiet["changed"]) == ("empty", 0)
    counters.forward(minutes=10)
    assert counters.poll()["changed"] >= len(counters.truth.communes)
    counters.turn(counters.system.close())
    counters.forward(hours=7)
    assert counters.poll()["outcome"] == "retry"
    counters.turn(counters.system.open())
    counters.poll()
    today, slot = divmod(traffic._slot_of(counters.now) - 1, traffic.SLOTS)
    vehicles = counters.stored("traffic_vehicles")
    for commune in counters.truth.communes:
        assert vehicles[commune.uid, today] == counters.truth.row(commune, today, slot)["soXe"]


def test_a_day_is_never_counted_backwards_and_the_sample_is_marked(counters: Polled) -> None:
    commune, day = counters.truth.communes[0], day_of(NOW)
    totals = [counters.truth.row(commune, day, slot)["soXe"] for slot in range(traffic.SLOTS)]
    assert totals == sorted(totals) and totals[-1] > 0
    for message in counters.truth.backlog(NOW):
        assert SAMPLE.encode() in message.payload
    said = json.loads(next(iter(counters.truth.between(NOW - timedelta(hours=1), NOW))).payload)
    counters.poll()
    files = b"".join(path.read_bytes() for path in counters.home.rglob("*") if path.is_file())
    assert said["nguoiTruc"].encode() not in files and said["soDienThoai"].encode() not in files


def test_a_broker_that_began_anew_sends_its_history_again_and_nothing_changes(
    counters: Polled,
) -> None:
    first = counters.poll()
    assert first["outcome"] == "ok", first
    before = counters.stored("traffic_vehicles")
    counters.turn(counters.system.close())
    port = counters.system.port or 0
    place = Place(counters.place.province, counters.place.now, counters.place.folder, port)
    counters.system = traffic.make(place)
    counters.turn(counters.system.open())
    again = counters.poll()
    assert again["new"] == 0 and "không còn giữ phiên" in again["note"]
    assert counters.stored("traffic_vehicles") == before
