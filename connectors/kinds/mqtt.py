"""MQTT: what sensors and gateways publish, a JSON object for each message.

A poll visits the broker, which keeps our session and queues what comes between two visits. Messages
go to the spool first, and only then is the broker told that they are safe; the watermark is a place
in the spool, so a row leaves it only once it is stored. Each message carries an id of its own: one
that comes twice (QoS 1) is taken once.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from jmespath.exceptions import JMESPathError

from connectors.io import IO
from connectors.paths import getter
from connectors.sieve import Sieve
from connectors.spool import Entry, Spool
from connectors.subscription import Message, Wish, fits, refuse_broker
from connectors.values import Bad, code, instant, is_harmless, zone_of
from connectors.wire import parse_json
from ioc.errors import Broken, IocError
from ioc.model import Batch
from ioc.source import Basic, NoAuth, Source, duration

OPTIONS = {"topics", "client_id", "message_id", "time", "retained_age", "quiet", "max_payload"}
OPTIONS |= {"max_messages"}
MAX_PAYLOAD = 65_536
MAX_MESSAGES = 10_000  # of one poll, and of what may wait in the spool
AT_ONCE = 1_000
_FORMAT = 1
refuse_address = refuse_broker


def poll(source: Source, since: str | None, io: IO) -> Iterator[Batch]:
    """What waits in the spool, after what the broker has for us went there too.

    Rows hold the values of the declared paths. A message that is no JSON object, is too large or
    lacks its id is a rejection; one that the broker kept (retained) for longer than
    ``retained_age`` is only noted. Where the broker fails, what waits is still given first.
    """
    spool = io.spool
    after = _place(since, spool, io)
    failed: IocError | None = None
    try:
        _fill(source, io, spool, new=since is None)
    except IocError as error:
        failed = error
    while rows := spool.rows(after, AT_ONCE):
        first, after = rows[0].number, rows[-1].number
        unfit = {i: kept.unfit for i, kept in enumerate(rows) if kept.unfit}
        yield Batch(
            [kept.row for kept in rows],
            _cursor(spool, after),
            origin="spool",
            first=first,
            unfit=unfit,
        )
    if failed is not None:
        raise failed


TAKES = True
"""What a poll reads is gone from its system: a dry run looks instead."""


def probe(source: Source, io: IO) -> Iterator[Batch]:
    """What a look sees that takes nothing from our session: retained values, and what comes now."""
    reader, rows = _Reader(source, io.now()), []
    wish = replace(_wish(source), client_id=f"{_client_id(source)}-xem", clean=True, most=100)
    io.subscribe(wish, lambda messages: rows.extend(reader.entries(messages)))
    unfit = {i: entry.unfit for i, entry in enumerate(rows) if entry.unfit}
    yield Batch([entry.row for entry in rows], origin="spool", unfit=unfit)


def faults(source: Source) -> Iterator[tuple[str, str]]:
    """What does not fit in the options: (entry, Vietnamese reason)."""
    options = source.options
    topics = options.get("topics")
    if not isinstance(topics, list) or not topics or not all(map(_is_filter, topics)):
        yield "options", "phải có topics: danh sách chủ đề MQTT, ví dụ ['giaothong/+/tong']"
    for name in ("message_id", "time"):
        if not isinstance(options.get(name), str):
            yield "options", f"phải có {name}: nơi ghi trong tin"
            return
    try:
        Sieve(source)
        for name in ("message_id", "time"):
            getter(options[name])
    except (JMESPathError, KeyError, TypeError) as error:
        yield "fields", f"biểu thức không hợp lệ: {error}"
    try:
        duration(options.get("retained_age", "1d"))
    except ValueError as error:
        yield "options", f"retained_age: {error}"
    for name in ("quiet", "max_payload", "max_messages"):
        value = options.get(name, 1)
        if type(value) not in (int, float) or not 0 < value <= 10_000_000:
            yield "options", f"{name} phải là số dương"
    given = options.get("client_id", "x")
    if not isinstance(given, str) or not given or not is_harmless(given):
        yield "options", "client_id phải là mã"
    if not isinstance(source.auth, (Basic, NoAuth)):
        yield "auth", "loại mqtt chỉ dùng none hoặc basic"
    if "kind" in source.paging.model_fields_set:
        yield "paging", "loại mqtt không phân trang"


def _is_filter(topic: Any) -> bool:
    if not isinstance(topic, str):
        return False
    levels = topic.split("/")
    plain = all(len(level) == 1 or not set(level) & {"+", "#"} for level in levels)
    return bool(topic) and len(topic) < 1000 and plain and "#" not in levels[:-1]


# -- from the broker to the spool --------------------------------------------------------------


def _fill(source: Source, io: IO, spool: Spool, *, new: bool) -> None:
    options, topics = source.options, tuple(source.options["topics"])
    room = int(options.get("max_messages", MAX_MESSAGES)) - spool.waiting()
    if room <= 0:
        io.waiting = True
        io.note("bộ đệm đầy: tin mới chờ ở máy chủ MQTT cho đến khi tin cũ được lưu")
        return
    reader = _Reader(source, io.now())
    known = 0

    def keep(messages: Sequence[Message]) -> None:
        nonlocal known
        known += spool.keep(reader.entries(messages), io.now())

    wish = replace(_wish(source), former=spool.topics, most=room)
    try:
        visit = io.subscribe(wish, keep)
    finally:
        if known:
            io.note(f"{known} tin trùng mã, đã nhận trước đó")
        if reader.old:
            io.note(f"{reader.old} giá trị máy chủ giữ lại (retained) đã quá cũ, không nhận")
    spool.subscribed(topics)
    io.waiting = io.waiting or visit.more
    if not visit.session and not new:
        io.note("máy chủ MQTT không còn giữ phiên của ta: tin gửi trong lúc vắng có thể đã mất")


def _client_id(source: Source) -> str:
    return str(source.options.get("client_id", f"ioc-{source.id}"))


def _wish(source: Source) -> Wish:
    quiet = float(source.options.get("quiet", 0.3))
    return Wish(tuple(source.options["topics"]), _client_id(source), quiet=quiet)


class _Reader:
    """Makes of messages what the spool may keep; ``old`` counts those retained for too long."""

    def __init__(self, source: Source, now: datetime):
        options = source.options
        self._sieve = Sieve(source, options["message_id"], options["time"])
        self._topics, self._id, self._time = (
            options["topics"],
            getter(options["message_id"]),
            getter(options["time"]),
        )
        self._cap = int(options.get("max_payload", MAX_PAYLOAD))
        self._instant = instant(source.formats.get("instant"), zone_of(source.formats.get("zone")))
        self._oldest = now - duration(options.get("retained_age", "1d"))
        self.old = 0

    def entries(self, messages: Sequence[Message]) -> list[Entry]:
        """Each message, less those that are too old to say anything of now."""
        found = [self._read(message) for message in messages]
        self.old += found.count(None)
        return [entry for entry in found if entry is not None]

    def _read(self, message: Message) -> Entry | None:
        id_ = hashlib.sha256(message.topic.encode() + b"\0" + message.payload).hexdigest()
        if not fits(self._topics, message.topic):
            return Entry({}, id_, "chủ đề ngoài danh sách đã khai")
        if len(message.payload) > self._cap:
            return Entry({}, id_, f"tin quá lớn, vượt {self._cap} byte")
        try:
            said = parse_json(message.payload)
        except Broken as error:
            return Entry({}, id_, str(error).replace("phản hồi", "tin"))
        if not isinstance(said, dict):
            return Entry({}, id_, "tin không phải đối tượng JSON")
        said["_topic"] = message.topic.split("/")
        if message.retained and self._is_old(said):
            return None
        row = self._sieve.row(said)
        try:
            own = code(self._id(said))
        except Bad as error:
            return Entry(row, id_, f"mã của tin: {error}")
        if own is None:
            return Entry(row, id_, "tin không có mã riêng")
        return Entry(row, f"{message.topic}\0{own}")

    def _is_old(self, said: Mapping[str, Any]) -> bool:
        try:
            at = self._instant(self._time(said))
        except Bad:
            return True
        return at is None or at < self._oldest


# -- the watermark -------------------------------------------------------------------------------


def _place(since: str | None, spool: Spool, io: IO) -> int:
    """Up to which number of this spool everything is stored; that much leaves it."""
    if since is None:
        spool.forget()
        return 0
    try:
        state = json.loads(since)
        if state["v"] != _FORMAT:
            raise ValueError(state["v"])
        id_, at = state["spool"], state["at"]
        if type(id_) is not str or type(at) is not int:
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise Broken("mốc đã lưu không đọc được: cần người xem lại") from None
    if id_ != spool.id:
        io.note("bộ đệm tin là bộ đệm mới: đọc lại từ đầu những gì có ở đó")
        return 0
    if at > spool.last:
        raise Broken("mốc đã lưu ở tương lai của bộ đệm tin: cần người xem lại")
    spool.drop(at, io.now())
    return at


def _cursor(spool: Spool, at: int) -> str:
    return json.dumps({"v": _FORMAT, "spool": spool.id, "at": at}, separators=(",", ":"))
