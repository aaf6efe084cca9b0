"""MQTT 3.1.1 packets, as far as the broker of the sample speaks it: read within bounds, made."""

import asyncio
import struct
from dataclasses import dataclass

LARGEST = 65_536
CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14
_FLAGS = {SUBSCRIBE: 2, UNSUBSCRIBE: 2}  # every other one but PUBLISH has none


class Malformed(Exception):
    """A packet that breaks the protocol or our bounds: the connection ends."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Its kind, the four bits beside it, and what follows the length."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """What a client says first."""

    level: int
    client_id: str
    clean: bool
    keepalive: int
    user: str | None = None
    password: bytes | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A message under way; ``mid`` is 0 for QoS 0."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    mid: int = 0


class Reader:
    """Takes fields from the body of a packet."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def take(self, count: int) -> bytes:
        piece = self._body[self._at : self._at + count]
        if len(piece) != count:
            raise Malformed("short")
        self._at += count
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        return int.from_bytes(self.take(2))

    def data(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        try:
            found = self.data().decode()
        except UnicodeDecodeError:
            raise Malformed("utf-8") from None
        if "\0" in found:
            raise Malformed("nul")
        return found

    @property
    def rest(self) -> bytes:
        return self.take(len(self._body) - self._at)

    @property
    def is_done(self) -> bool:
        return self._at == len(self._body)


async def read(stream: asyncio.StreamReader) -> Packet:
    """The next packet; IncompleteReadError at the end of the connection."""
    first = (await stream.readexactly(1))[0]
    length = 0
    for shift in (0, 7, 14, 21):
        digit = (await stream.readexactly(1))[0]
        length |= (digit & 127) << shift
        if not digit & 128:
            break
    else:
        raise Malformed("length")
    if length > LARGEST:
        raise Malformed("too large")
    kind, flags = first >> 4, first & 15
    if kind != PUBLISH and flags != _FLAGS.get(kind, 0):
        raise Malformed("flags")
    return Packet(kind, flags, await stream.readexactly(length))


def packet(kind: int, body: bytes = b"", flags: int = 0) -> bytes:
    """The bytes of a packet."""
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (128 if length else 0))
        if not length:
            return bytes([kind << 4 | flags]) + bytes(digits) + body


def text(said: str) -> bytes:
    """A text with its length before it."""
    encoded = said.encode()
    return struct.pack(">H", len(encoded)) + encoded


def hello(body: bytes) -> Hello:
    """What CONNECT says; a will is read and left alone."""
    reader = Reader(body)
    name, level, flags, keepalive = reader.text(), reader.byte(), reader.byte(), reader.number()
    if name != "MQTT" or flags & 1:
        raise Malformed("protocol")
    if level != 4:
        return Hello(level, "", True, keepalive)
    client_id = reader.text()
    if flags & 4:
        reader.text(), reader.data()
    user = reader.text() if flags & 128 else None
    password = reader.data() if flags & 64 else None
    if not reader.is_done:
        raise Malformed("rest")
    return Hello(level, client_id, bool(flags & 2), keepalive, user, password)


def published(one: Packet) -> Published:
    """What PUBLISH says; QoS 2 is not spoken here."""
    reader, qos = Reader(one.body), one.flags >> 1 & 3
    topic = reader.text()
    if qos > 1 or not topic or set(topic) & {"+", "#"}:
        raise Malformed("publish")
    mid = reader.number() if qos else 0
    if qos and not mid:
        raise Malformed("mid")
    return Published(topic, reader.rest, qos, bool(one.flags & 1), mid)


def publish(one: Published, *, dup: bool = False) -> bytes:
    """The bytes of PUBLISH."""
    mid = struct.pack(">H", one.mid) if one.qos else b""
    flags = dup << 3 | one.qos << 1 | one.retain
    return packet(PUBLISH, text(one.topic) + mid + one.payload, flags)


def filters(one: Packet) -> tuple[int, list[tuple[str, int]]]:
    """The packet's number and its topic filters with the QoS asked for (0 of UNSUBSCRIBE)."""
    reader = Reader(one.body)
    mid, found = reader.number(), []
    while not reader.is_done:
        name = reader.text()
        qos = reader.byte() if one.kind == SUBSCRIBE else 0
        if qos > 2 or not is_filter(name):
            raise Malformed("filter")
        found.append((name, qos))
    if not mid or not found:
        raise Malformed("filters")
    return mid, found


def is_filter(name: str) -> bool:
    """Whether a topic filter is well formed."""
    levels = name.split("/")
    whole = all(level in ("+", "#") or not set(level) & {"+", "#"} for level in levels)
    return bool(name) and whole and "#" not in levels[:-1]


def fits(name: str, topic: str) -> bool:
    """Whether a topic falls under a filter; names that begin with $ are nobody's."""
    wanted, given = name.split("/"), topic.split("/")
    if topic.startswith("$"):
        return False
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(given) or level not in ("+", given[i]):
            return False
    return len(wanted) == len(given)
