"""Polls one source once, from its door to the store: always returns and always records a run.

The only place besides ``checkup`` that catches every exception: one failing source must never stop
another, nor fail without a trace.
"""

import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from connectors import again, ahead, byhand, credentials, mapping, rehearsal
from connectors.io import IO
from connectors.kinds import KINDS
from connectors.privacy import secret_key
from connectors.wire import TimedOut
from ioc.clock import right_now, speed
from ioc.errors import Broken, IocError, NeedsCredentials, Transient
from ioc.model import Batch, Counts, Rejection
from ioc.source import Source
from kpi import health, intake, requests, validation
from kpi.smallness import hushed
from kpi.store import KpiStore

log = logging.getLogger(__name__)
ALL_REJECTED = 20  # a batch of so many rows, all of them rejected, is a change of form
DRY_ITEMS = 50_000  # a dry run looks at so many and stops
HUNG = 3  # so many readings of one source may hang; then it is left alone until one ends
PATIENCE, PAUSE = 60.0, 0.5  # seconds that a write waits for the store, and between its tries
_reported: dict[str, frozenset[str]] = {}
_one_writer = threading.Lock()  # SQLite takes one writer: wait here, not in its busy loop


Written = TypeVar("Written")


class Skipped(Transient):
    """This turn of the source is left out."""


class Stopped(Transient):
    """The process is asked to end; what is stored stays, the next poll goes on from there."""


@dataclass
class _Run:
    """One poll under way."""

    io: IO
    stop: threading.Event
    confirmed: bool = False
    number: int | None = None
    counts: Counts = field(default_factory=Counts)
    reasons: Counter[str] = field(default_factory=Counter)
    outcome: str = ""
    wait: float | None = None
    given: requests.Claimed | None = None
    completed: bool = False
    unread: bool = False
    """Whether a part was refused in which there may be records: where nothing came is no zero."""
    batches: list[tuple[Batch, list[mapping.Item]]] = field(default_factory=list)


def poll(
    store: KpiStore,
    source: Source,
    settings: Any,
    *,
    now: datetime | Callable[[], datetime] | None = None,
    dry_run: bool = False,
    confirm: bool = False,
    stop: threading.Event | None = None,
    slot: datetime | None = None,
    note: str = "",
    request: int | None = None,
    next_due: Callable[[float], datetime | None] = lambda wait: None,
) -> dict[str, Any]:
    """Poll a source from its watermark; rows and watermark commit batch by batch.

    ``confirm``: a person looked at a reply that was held, and it is taken as it comes. ``slot``:
    the turn of the schedule that this is; a second poll of it is refused. ``request``: what a
    person asked for; the file that was given is read instead of the source. ``next_due`` says for
    the run row when the next one comes, after so many seconds of peace that the source asked for.
    A kind that hangs, for whatever reason, is given up at ``poll_deadline``: the run is recorded
    as ``timeout``, and what the hung thread still reads is dropped.

    Returns:
        The run as it was recorded: ``run, source, outcome, note, read, new, changed, same,
        rejected, gone, calls, bytes, response_hash, address``, and ``wait``: seconds for which the
        source asked not to be polled, or None. With ``dry_run`` nothing is stored, ``run`` is None
        and what was found is printed.
    """
    clock = _clock(now)
    began = clock()
    stop = stop or threading.Event()
    before, stopped = "", False
    with IO(source, settings, clock, sleep=_sleep_until(stop), stopped=stop.is_set) as io:
        run = _Run(io, stop, confirm)
        io.notes += [note] if note else []
        try:
            before = health.last_outcome(store, source.id)
            hung = request is None and ahead.living(source.id) >= HUNG
            if request is not None:
                run.given = _written(partial(requests.claim, store, request, began), run)
                run.number = run.given.run
                io.note(byhand.told(run.given))
            elif not dry_run and not (hung and before == "skipped"):
                patience = timedelta(seconds=io.left()) * speed()
                begin = partial(health.begin_run, store, source.id, began, slot, patience)
                run.number = _written(begin, run)
            if run.number is not None:
                store = health.writing(store, run.number)
            if hung:
                raise Skipped(f"{HUNG} lần đọc trước còn treo; chờ một lần dừng hẳn mới đọc lại")
            _read_all(store, source, settings, run, clock)
        except Exception as raised:
            stopped = stop.is_set()
            error = Stopped("dừng theo yêu cầu; phần đã đọc được giữ") if stopped else raised
            run.outcome, run.wait = _outcome(error, run), getattr(error, "retry_after", None)
            io.notes.insert(0, _sentence(error, io))
            if isinstance(error, NeedsCredentials):
                io.note(credentials.what_to_do(source))
            if not isinstance(error, IocError) and before not in health.FAILED:
                _log_fault(source.id, error, io)
        due = next_due(run.wait or 0.0)
        times = {"now": clock(), "covered_until": None if run.unread else began, "next_due": due}
        ended = _end(store, source, run, stopped=stopped, **times)
        if run.given is not None:
            byhand.take_away(store, settings, run.given)
        if dry_run:
            print(f"{source.id}: {ended['outcome']} {ended['note']}")
            print(rehearsal.told(store, source, run.batches, now=began, confirmed=confirm))
    return ended


def poll_given(
    store: KpiStore,
    sources: Collection[Source],
    settings: Any,
    stop: threading.Event | None = None,
) -> list[dict[str, Any]]:
    """Take what people gave for these sources, oldest first; the runs as they were recorded."""
    named = {source.id: source for source in sources}
    return [
        poll(store, named[name], settings, request=number, stop=stop)
        for number, name in requests.due(store, named, right_now())
        if stop is None or not stop.is_set()
    ]


def _read_all(
    store: KpiStore,
    source: Source,
    settings: Any,
    run: _Run,
    clock: Callable[[], datetime],
) -> None:
    mapper = mapping.compile(source, secret_key(settings))
    if run.given is not None and run.given.kind == "replay":
        _replay(store, source, mapper, run, clock)
        return
    since = health.watermark(store, source.id)
    if run.given is not None:
        batches = byhand.batches(source, settings, run.given, run.io)
    elif run.number is None and getattr(KINDS[source.kind], "TAKES", False):
        batches = KINDS[source.kind].probe(source, run.io)  # a look takes nothing away
    else:
        batches = KINDS[source.kind].poll(source, since, run.io)
    refused = False
    reading = ahead.ahead(
        source.id, batches, lambda batch: _items(mapper, batch, store, clock()), run.io.left
    )
    with closing(reading) as found:
        for batch, items in found:
            refused |= bool(batch.refused)
            if run.stop.is_set():
                raise Stopped("dừng theo yêu cầu")
            _count(run, items)
            if batch.given is not None:
                run.io.note(f"{batch.origin}: tệp nhập tay, đọc thành một lần chạy riêng")
            if run.number is None:
                run.batches.append((batch, items))
                if (rows := sum(len(each) for _, each in run.batches)) >= DRY_ITEMS:
                    run.io.note(f"chạy thử: dừng sau {rows} dòng đầu")
                    break
                continue
            if batch.given is not None:
                _written(partial(byhand.put_aside, store, source, settings, batch, run.io), run)
            run.counts.add(_written(partial(_accept, store, source, batch, items, run, clock), run))
            if run.io.remaining() <= 0:
                raise TimedOut("quá thời hạn của một lần thu thập; phần đã đọc được giữ")
    _report_unknown(source.id, mapper.unknown, run.io)
    if (
        run.number is not None
        and run.given is None
        and (run.counts.held or _fell_silent(store, source, since, run))
    ):
        run.outcome = "held"
        run.io.note(_held_note(source, run.counts))
        return
    run.completed = True
    some = "ok" if run.counts.read or any(items for _, items in run.batches) else "empty"
    run.outcome = "partial" if refused else some
    run.unread = refused and any(
        element.count == source.record and element.silence == "zero"
        for element in store.catalogue.elements.values()
    )


def _replay(
    store: KpiStore,
    source: Source,
    mapper: mapping.Mapper,
    run: _Run,
    clock: Callable[[], datetime],
) -> None:
    """Take what was refused and may be taken now; rows stay those of the runs that read them."""
    for number, items, reasons in again.take(store, source, mapper, clock()):
        if run.stop.is_set():
            raise Stopped("dừng theo yêu cầu")
        run.reasons += reasons
        run.counts.read += reasons.total()
        run.counts.rejected += reasons.total()
        if items:
            accept = partial(again.accept, store, source, number, items, clock)
            run.counts.add(_written(accept, run))
    run.completed, run.outcome = True, "ok" if run.counts.read else "empty"
    if not run.counts.read:
        run.io.note("không có dòng bị loại nào để đọc lại")


def _accept(
    store: KpiStore,
    source: Source,
    batch: Batch,
    items: list[mapping.Item],
    run: _Run,
    clock: Callable[[], datetime],
) -> Counts:
    assert run.number is not None
    return intake.accept(
        store,
        source,
        items,
        run=run.number,
        cursor=batch.cursor,
        whole=batch.whole,
        confirmed=run.confirmed,
        given=run.given is not None,
        now=clock,
    )


def _written(write: Callable[[], Written], run: _Run) -> Written:
    """What a write returns; a store that is locked or away is tried again for a while."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with _one_writer:
                return write()
        except (OperationalError, InterfaceError, NoConnection):
            if time.monotonic() >= until or run.stop.wait(PAUSE):
                raise


def _fell_silent(store: KpiStore, source: Source, since: str | None, run: _Run) -> bool:
    """Whether a source that says all it has at every poll says nothing now: empty is not zero."""
    if since is not None or run.counts.read or run.confirmed or run.given is not None:
        return False
    return health.last_read(store, source.id) > 0


def _held_note(source: Source, counts: Counts) -> str:
    share = f"sẽ gỡ {counts.withheld} bản ghi, hơn 20 %" if counts.read else "trống"
    return (
        f"phản hồi {share}, nên giữ nguyên số đang có và chờ xác nhận. Hãy xem lại ở nguồn; nếu"
        f" nguồn đã bỏ thật, chạy: ioc poll {source.id} --once --confirm"
    )


def _items(
    mapper: mapping.Mapper, batch: Batch, store: KpiStore, now: datetime
) -> list[mapping.Item]:
    """The items of a batch; one that stands apart and is wrong as a whole goes back to its kind.

    What is rejected tells no small count of people: its reason goes to notes and the log.
    """
    elements = store.catalogue.elements
    try:
        items = [
            hushed(item, elements) if isinstance(item, Rejection) else item
            for item in mapper.map_rows(batch, now)
        ]
        if batch.apart:
            _refuse_form(items)
    except Broken as error:
        if not batch.apart:
            raise
        batch.refused, batch.cursor = f"{batch.origin}: {error}", None
        return []
    return items


def _count(run: _Run, items: list[mapping.Item]) -> None:
    """Note why rows were rejected; a whole batch of rejections is broken, not a quiet 100 %."""
    run.reasons += _reasons(items)
    _refuse_form(items)


def _reasons(items: list[mapping.Item]) -> Counter[str]:
    return Counter(item.reason for item in items if isinstance(item, Rejection))


def _refuse_form(items: list[mapping.Item]) -> None:
    reasons = _reasons(items)
    if len(items) >= ALL_REJECTED and reasons.total() == len(items):
        reason = reasons.most_common(1)[0][0]
        raise Broken(f"cả {len(items)} dòng của một lô bị từ chối, phần lớn vì: {reason}")


def _end(store: KpiStore, source: Source, run: _Run, **how: Any) -> dict[str, Any]:
    io, counts = run.io, run.counts
    if run.reasons:
        most = "; ".join(f"{count} × {reason}" for reason, count in run.reasons.most_common(3))
        io.note(f"từ chối: {most}")
    for said in validation.notes(counts):
        io.note(said)
    if counts.old_codes:
        io.note(f"mã cũ: {counts.old_codes} dòng ghi theo mã đã hết hiệu lực trong 12 tháng")
    evidence: dict[str, Any] = {
        "outcome": run.outcome,
        "note": io.redact(". ".join(io.notes))[:1000],
        "calls": io.calls,
        "bytes": io.bytes_read,
        "response_hash": io.response_hash,
        "address": run.given.file if run.given else io.address,
    }
    if run.number is not None:
        completed = run.completed and not io.waiting
        end = partial(health.end_run, store, run.number, counts=counts, completed=completed)
        try:
            news = _written(partial(end, **how, **evidence), run)
            _announce(source.id, news, evidence)
        except (SQLAlchemyError, Transient) as error:
            if not isinstance(error, Transient):
                _log_fault(source.id, error, io)
            evidence["outcome"] = "retry"
    told = {name: getattr(counts, name) for name in ("read", "new", "changed", "same")}
    told |= {"rejected": counts.rejected, "gone": counts.gone, "wait": run.wait}
    return {"run": run.number, "source": source.id, **evidence, **told}


def _outcome(error: Exception, run: _Run) -> str:
    match error:
        case Skipped() | health.SlotTaken():
            return "skipped"
        case NeedsCredentials():
            return "needs_credentials"
        case Broken():
            return "broken"
        case Transient() if run.counts.read:
            return "partial"
        case TimedOut():
            return "timeout"
        case Transient():
            return "retry"
        case DBAPIError() | NoConnection():
            return "retry"
    return "broken"


def _sentence(error: Exception, io: IO) -> str:
    """What the note says of an error: our own words, or only the name of one that is not ours."""
    if isinstance(error, IocError):
        return io.redact(error)
    if isinstance(error, (DBAPIError, NoConnection)):
        return "kho dữ liệu đang bận hoặc không ghi được"
    return f"lỗi chương trình {type(error).__name__}"


def _log_fault(source_id: str, error: Exception, io: IO) -> None:
    """An error that is not ours: where it arose, without what may stand in its message."""
    frames = "".join(traceback.format_tb(error.__traceback__)[-4:])
    log.error("nguồn %s: %s\n%s", source_id, type(error).__name__, io.redact(frames))


def _report_unknown(source_id: str, unknown: Iterable[str], io: IO) -> None:
    """Say the names of new fields once, not at every poll."""
    fresh = frozenset(unknown) - _reported.get(source_id, frozenset())
    if fresh:
        _reported[source_id] = _reported.get(source_id, frozenset()) | fresh
        io.note("trường mới, chưa khai và không đọc: " + ", ".join(sorted(fresh)[:20]))


def _announce(source_id: str, news: str, evidence: dict[str, Any]) -> None:
    """Once when a source fails, once when it is back; a failure that lasts says nothing more."""
    if news == "lost":
        log.warning("nguồn %s lỗi (%s): %s", source_id, evidence["outcome"], evidence["note"])
    elif news == "back":
        log.warning("nguồn %s đã trở lại bình thường", source_id)


def _clock(now: datetime | Callable[[], datetime] | None) -> Callable[[], datetime]:
    if isinstance(now, datetime):
        return lambda: now
    return now or right_now


def _sleep_until(stop: threading.Event) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped("dừng theo yêu cầu")

    return sleep
