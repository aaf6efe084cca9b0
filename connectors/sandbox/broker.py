"""A small MQTT 3.1.1 broker: sessions that outlive their connection, QoS 0 and 1, retained values.

What is published while a client is away waits in its session, which lives as long as this process.
Everything has a bound: a client that breaks one, or the protocol, is cut off.
"""

import asyncio
import contextlib
import hmac
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count

from connectors.sandbox import packets
from connectors.sandbox.doors import listen
from connectors.sandbox.packets import Hello, Malformed, Packet, Published

CONNECTIONS, SESSIONS, QUEUED, RETAINED, FILTERS = 32, 64, 20_000, 1_000, 16
INFLIGHT = 20
UNREAD = 4 << 20  # bytes that a client may leave unread
HELLO_SECONDS = 5.0
ACCEPTED, BAD_VERSION, BAD_ID, BAD_LOGIN = 0, 1, 2, 4

Backlog = Callable[[], Iterable[Published]]


@dataclass(slots=True)
class _Session:
    """What is kept for a client, there or not."""

    filters: dict[str, int] = field(default_factory=dict)
    queue: deque[Published] = field(default_factory=lambda: deque(maxlen=QUEUED))
    inflight: dict[int, Published] = field(default_factory=dict)
    writer: asyncio.StreamWriter | None = None
    mids: count = field(default_factory=count)

    def next_mid(self) -> int:
        while (mid := next(self.mids) % 65_535 + 1) in self.inflight:
            pass
        return mid


class Broker:
    """The broker behind one loopback port; ``login`` is (user, password), None for everybody.

    ``backlog``: what a lasting session finds in its queue when it first subscribes, as if it had
    been set up long before.
    """

    def __init__(
        self,
        port: int,
        login: tuple[str, str] | None = None,
        backlog: Backlog = lambda: (),
    ) -> None:
        self.port: int | None = port
        self._login, self._backlog = login, backlog
        self._sessions: dict[str, _Session] = {}
        self._retained: dict[str, Published] = {}
        self._nameless = count()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        if self._server is None:
            listener = listen(self.port or 0)
            self.port = listener.getsockname()[1]
            self._loop = asyncio.get_running_loop()
            self._server = await asyncio.start_server(self._serve, sock=listener)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
        self._server = None

    @property
    def is_open(self) -> bool:
        return self._server is not None

    def publish(self, one: Published) -> None:
        """Publish from any thread."""
        if self._loop is not None and self.is_open:
            self._loop.call_soon_threadsafe(self._spread, one)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = None
        self._writers.add(writer)
        try:
            if len(self._writers) > CONNECTIONS:
                return
            first = await asyncio.wait_for(packets.read(reader), HELLO_SECONDS)
            said = packets.hello(first.body) if first.kind == packets.CONNECT else None
            if said and said.clean and not said.client_id:
                said = replace(said, client_id=f"\0{next(self._nameless)}")
            session = self._welcome(said, writer) if said else None
            if said and session is not None:
                await self._listen(said, session, reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, Malformed):
            pass
        finally:
            self._writers.discard(writer)
            if session is not None and session.writer is writer:
                session.writer = None
            with contextlib.suppress(OSError):
                writer.close()

    def _welcome(self, said: Hello, writer: asyncio.StreamWriter) -> _Session | None:
        """The session of a client that may come in."""
        code = self._judged(said)
        known = self._sessions.get(said.client_id) if not said.clean else None
        present = known is not None and code == ACCEPTED
        writer.write(packets.packet(packets.CONNACK, bytes([present, code])))
        if code != ACCEPTED:
            return None
        before = self._sessions.get(said.client_id)
        if before is not None and before.writer is not None:
            before.writer.transport.abort()  # one connection for each client id: the newest
        session = known or _Session()
        session.writer = writer
        self._sessions[said.client_id] = session
        for one in list(session.inflight.values()):
            writer.write(packets.publish(one, dup=True))
        self._deliver(session)
        return session

    def _judged(self, said: Hello) -> int:
        if said.level != 4:
            return BAD_VERSION
        full = len(self._sessions) >= SESSIONS and said.client_id not in self._sessions
        if not said.client_id or len(said.client_id) > 128 or full:
            return BAD_ID
        if self._login is None:
            return ACCEPTED
        user, password = self._login
        right = hmac.compare_digest((said.user or "").encode(), user.encode())
        right &= hmac.compare_digest(said.password or b"", password.encode())
        return ACCEPTED if right else BAD_LOGIN

    async def _listen(
        self,
        said: Hello,
        session: _Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        patience = said.keepalive * 1.5 or None
        try:
            while True:
                one = await asyncio.wait_for(packets.read(reader), patience)
                if one.kind == packets.DISCONNECT:
                    return
                await self._take(one, session, writer, lasting=not said.clean)
                await writer.drain()
        finally:
            if said.clean and self._sessions.get(said.client_id) is session:
                del self._sessions[said.client_id]

    async def _take(
        self, one: Packet, session: _Session, writer: asyncio.StreamWriter, *, lasting: bool
    ) -> None:
        match one.kind:
            case packets.PUBLISH:
                found = packets.published(one)
                self._spread(found)
                if found.qos:
                    writer.write(packets.packet(packets.PUBACK, found.mid.to_bytes(2)))
            case packets.PUBACK:
                session.inflight.pop(packets.Reader(one.body).number(), None)
                self._deliver(session)
            case packets.SUBSCRIBE:
                await self._subscribe(one, session, writer, lasting=lasting)
            case packets.UNSUBSCRIBE:
                mid, names = packets.filters(one)
                for name, _ in names:
                    session.filters.pop(name, None)
                writer.write(packets.packet(packets.UNSUBACK, mid.to_bytes(2)))
            case packets.PINGREQ:
                writer.write(packets.packet(packets.PINGRESP))
            case _:
                raise Malformed("kind")

    async def _subscribe(
        self, one: Packet, session: _Session, writer: asyncio.StreamWriter, *, lasting: bool
    ) -> None:
        mid, wanted = packets.filters(one)
        is_first = not session.filters
        if len(session.filters.keys() | {name for name, _ in wanted}) > FILTERS:
            raise Malformed("filters")
        session.filters |= {name: min(qos, 1) for name, qos in wanted}
        codes = bytes(min(qos, 1) for _, qos in wanted)
        writer.write(packets.packet(packets.SUBACK, mid.to_bytes(2) + codes))
        kept: list[Published] = []
        if is_first and lasting:
            kept = await asyncio.to_thread(lambda: list(self._backlog()))
            kept = [replace(message, retain=False) for message in kept]
        for message in [*kept, *self._retained.values()]:
            for name, qos in wanted:
                if packets.fits(name, message.topic):
                    session.queue.append(replace(message, qos=min(qos, message.qos)))
                    break
        self._deliver(session)

    def _spread(self, one: Published) -> None:
        """To every session that wants it; a retained value also stays, an empty one removes it."""
        if one.retain and not one.payload:
            self._retained.pop(one.topic, None)
        elif one.retain and (one.topic in self._retained or len(self._retained) < RETAINED):
            self._retained[one.topic] = one
        for session in list(self._sessions.values()):
            granted = [q for name, q in session.filters.items() if packets.fits(name, one.topic)]
            qos = min(max(granted), one.qos) if granted else 0
            if granted and (session.writer is not None or qos):
                session.queue.append(replace(one, qos=qos, retain=False))
                self._deliver(session)

    def _deliver(self, session: _Session) -> None:
        """As much of the queue as may be under way at once."""
        while session.writer is not None and session.queue and len(session.inflight) < INFLIGHT:
            one = replace(session.queue.popleft(), mid=0)
            if one.qos:
                one = replace(one, mid=session.next_mid())
                session.inflight[one.mid] = one
            session.writer.write(packets.publish(one))
            if session.writer.transport.get_write_buffer_size() > UNREAD:
                session.writer.transport.abort()
                return
