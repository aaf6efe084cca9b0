"""One visit to an MQTT broker: takes what it kept for us, and says so only once that is safe.

The session is the broker's to keep (MQTT 3.1.1, clean session false, one client id for ever): what
is published while nobody visits waits there. A message is acknowledged after ``keep`` returned, so
one that was never safe comes again; one whose acknowledgement was lost comes twice.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt

from connectors.door import origin_of
from connectors.wire import TimedOut
from ioc.errors import Broken, NeedsCredentials, Transient

if TYPE_CHECKING:
    from connectors.io import IO

SCHEMES = ("mqtt", "mqtts")
AT_ONCE = 200  # messages that are made safe together
KEEPALIVE = 60
_STEP = 0.25
_REFUSED = {4, 5, 134, 135}  # bad user name or password, not authorised

logging.getLogger("paho").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Message:
    """What was published; ``retained``: the broker kept it as the last of its topic."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """What a visit is for.

    ``former``: what the session is subscribed to already. Topics that are among them are left
    alone, so that retained values need not come again; others are given up.
    From ``quiet`` seconds on the broker is asked whether there is more; the visit ends once it
    answers that what waited when it was asked has come, or after ``most`` messages. ``clean``: a
    session that ends with the visit, for a look that takes nothing away.
    """

    topics: tuple[str, ...]
    client_id: str
    former: tuple[str, ...] = ()
    quiet: float = 0.3
    most: int = 10_000
    clean: bool = False


@dataclass(slots=True)
class Visit:
    """How a visit went: whether the broker still had our session, and has more for us."""

    session: bool = False
    more: bool = False
    taken: int = 0


Keep = Callable[[Sequence[Message]], None]


def refuse_broker(url: str) -> None:
    """Broken for an address at which no broker can be."""
    origin_of(url, SCHEMES)


def fits(topics: Sequence[str], topic: str) -> bool:
    """Whether a topic is one of those that were wished for."""
    return any(mqtt.topic_matches_sub(one, topic) for one in topics)


def visit(io: "IO", wish: Wish, keep: Keep, cap: int) -> Visit:
    """Connect, subscribe where that is due, and take messages until none waits there any more.

    Raises:
        Transient: no connection, or it broke; what was kept until then is safe.
        NeedsCredentials: the broker refuses us, or one of the topics.
        Broken: it does not speak MQTT 3.1.1, or a message is larger than ``cap`` bytes.
    """
    session = _Session(io, wish, cap)
    try:
        session.open()
        session.drain(keep)
    except OSError:
        raise _fault(io) from None
    finally:
        session.close()
    return session.met


class _Client(mqtt.Client):
    """paho's client over our own door, with a limit to what one packet may hold."""

    def __init__(self, io: "IO", cap: int, wish: Wish):
        super().__init__(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=wish.client_id,
            clean_session=wish.clean,
            protocol=mqtt.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self._io, self._most = io, cap
        self._asked = self._answered = 0

    def _create_socket_connection(self) -> Any:
        return self._io.stream().socket

    def _packet_read(self) -> Any:
        code = super()._packet_read()
        self._refuse_more()  # while it comes
        return code

    def _packet_handle(self) -> Any:
        self._refuse_more()
        return super()._packet_handle()

    def ask(self) -> None:
        """Ask whether the broker is there: what it had before it answers has come before it."""
        self._asked += 1
        self._send_pingreq()

    @property
    def is_answered(self) -> bool:
        """Whether every question was answered."""
        return self._answered >= self._asked

    def _handle_pingresp(self) -> Any:
        self._answered += 1
        return super()._handle_pingresp()

    def _refuse_more(self) -> None:
        if self._in_packet["remaining_length"] > self._most:
            raise Broken(f"máy chủ MQTT gửi một tin quá lớn, vượt {self._most} byte")


class _Question:
    """One question after another to the broker, until an answer says that no more was waiting.

    Before it is asked, all that came is acknowledged, and nothing until it answers. So of what
    waits, it sends as much as it ever lets be under way, and only then answers: less is the rest.
    Whatever is published meanwhile, a visit so ends.
    """

    def __init__(self) -> None:
        self.is_open = self.is_settled = False
        self._under_way = 1

    def ask(self) -> None:
        self.is_open = True

    def answer(self, came: Sequence[mqtt.MQTTMessage]) -> None:
        """It answered, after these messages."""
        sure = sum(message.qos > 0 for message in came)
        self.is_settled = self.is_open and sure < self._under_way
        self._under_way = max(self._under_way, sure if self.is_open else 0)
        self.is_open = False

    def spoil(self) -> None:
        """Too many wait to be acknowledged: the answer will say nothing."""
        self.is_open = False


class _Session:
    """One connection under way."""

    def __init__(self, io: "IO", wish: Wish, cap: int):
        self._io, self._wish, self.met = io, wish, Visit()
        self._client = client = _Client(io, cap, wish)
        self._inbox: list[mqtt.MQTTMessage] = []
        self._answer: int | None = None
        self._granted: list[int] | None = None
        client.on_connect, client.on_subscribe = self._connected, self._subscribed
        client.on_message = lambda client, _, message: self._inbox.append(message)

    def _connected(self, client: Any, _: Any, flags: Any, code: Any, __: Any) -> None:
        self._answer, self.met.session = code.value, bool(flags.session_present)

    def _subscribed(self, client: Any, _: Any, __: Any, codes: Any, ___: Any) -> None:
        self._granted = [code.value for code in codes]

    def open(self) -> None:
        """Connect and subscribe."""
        if login := self._io.credentials.login_if_any():
            self._client.username_pw_set(login.user, login.password)
        self._client.connect("mqtt", 1, keepalive=KEEPALIVE)  # the door knows where
        self._until(lambda: self._answer is not None)
        if self._answer in _REFUSED:
            raise NeedsCredentials("máy chủ MQTT từ chối tên hoặc mật khẩu")
        if self._answer:
            down = self._answer in (3, 136)
            said = f"máy chủ MQTT không nhận kết nối (mã {self._answer})"
            raise Transient(said) if down else Broken(said)
        self._subscribe(self._wish.former if self.met.session else ())

    def _subscribe(self, former: Sequence[str]) -> None:
        wanted = self._wish.topics
        if given_up := [topic for topic in former if topic not in wanted]:
            self._client.unsubscribe(given_up)
        if not (new := [topic for topic in wanted if topic not in former]):
            return
        self._client.subscribe([(topic, 1) for topic in new])
        self._until(lambda: self._granted is not None)
        granted = self._granted or []
        if names := [topic for topic, code in zip(new, granted, strict=False) if code >= 128]:
            raise NeedsCredentials(f"máy chủ MQTT không cho nghe {', '.join(names)}")
        if 0 in granted:
            self._io.note("máy chủ MQTT chỉ gửi một lần (QoS 0): tin có thể mất")

    def drain(self, keep: Keep) -> None:
        """Take messages in groups until none is left that waited when the broker was asked."""
        question, since = _Question(), time.monotonic()
        try:
            while not question.is_settled:
                if not question.is_open and time.monotonic() - since >= self._wish.quiet:
                    self._client.ask()
                    question.ask()
                if self._io.remaining() <= 0 or self.met.taken >= self._wish.most:
                    self.met.more = True
                    return
                self._step(_STEP)
                self._rest_of_it()
                if self._client.is_answered:
                    question.answer(self._inbox)
                elif len(self._inbox) >= AT_ONCE:
                    question.spoil()
                if not question.is_open:
                    self._make_safe(keep)
        finally:  # also what came before the connection broke
            self._make_safe(keep)

    def _rest_of_it(self) -> None:
        """What has already come, without waiting for more."""
        before = 0
        while before < len(self._inbox) < AT_ONCE:
            before = len(self._inbox)
            self._step(0)

    def _make_safe(self, keep: Keep) -> None:
        if not self._inbox:
            return
        keep([self._read(message) for message in self._inbox])
        for message in self._inbox:
            self._client.ack(message.mid, message.qos)
        self.met.taken += len(self._inbox)
        self._inbox.clear()

    def _read(self, message: mqtt.MQTTMessage) -> Message:
        self._io.take(message.payload, calls=0)
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        return Message(topic, message.payload, message.retain)

    def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            if self._io.remaining() <= 0:
                raise TimedOut("máy chủ MQTT: quá thời hạn tổng của một lần đọc")
            self._step(_STEP)

    def _step(self, seconds: float) -> None:
        if self._client.loop(seconds) != mqtt.MQTT_ERR_SUCCESS and self._answer in (None, 0):
            raise _fault(self._io)

    def close(self) -> None:
        """Take leave; the session stays with the broker."""
        self._client.disconnect()
        if (wire := self._client.socket()) is not None:
            wire.close()


def _fault(io: "IO") -> Transient:
    if io.remaining() <= 0:
        return TimedOut("máy chủ MQTT: quá thời hạn tổng của một lần đọc")
    return Transient("máy chủ MQTT: kết nối đứt giữa chừng")
