"""Polls one source once, from its door to the store: always returns and always records a run.

The only place of the product that catches every exception: one failing source must never stop
another, nor fail without a trace.
"""

import logging
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnection

from connectors import mapping
from connectors.io import IO
from connectors.kinds import KINDS
from connectors.privacy import secret_key
from connectors.wire import TimedOut
from ioc.errors import Broken, IocError, NeedsCredentials, Transient
from ioc.model import Batch, Counts, Rejection
from ioc.source import Source
from kpi import health, intake, validation
from kpi.store import KpiStore

log = logging.getLogger(__name__)
ALL_REJECTED = 20  # a batch of so many rows, all of them rejected, is a change of form
DRY_ITEMS = 50_000  # a dry run looks at so many and stops
_BAD = ("retry", "broken", "needs_credentials", "timeout", "partial")
_reported: dict[str, frozenset[str]] = {}
_one_writer = threading.Lock()  # SQLite takes one writer: wait here, not in its busy loop


class Stopped(Transient):
    """The process is asked to end; what is stored stays, the next poll goes on from there."""


@dataclass
class _Run:
    """One poll under way."""

    io: IO
    confirmed: bool = False
    counts: Counts = field(default_factory=Counts)
    reasons: Counter[str] = field(default_factory=Counter)
    outcome: str = ""
    wait: float | None = None
    completed: bool = False
    items: list[mapping.Item] = field(default_factory=list)


def poll(
    store: KpiStore,
    source: Source,
    settings: Any,
    *,
    now: datetime | Callable[[], datetime] | None = None,
    dry_run: bool = False,
    confirm: bool = False,
    stop: threading.Event | None = None,
) -> dict[str, Any]:
    """Poll a source from its watermark; rows and watermark commit batch by batch.

    ``confirm``: a person looked at a reply that was held, and it is taken as it comes.

    Returns:
        The run as it was recorded: ``run, source, outcome, note, read, new, changed, same,
        rejected, gone, calls, bytes, response_hash``, and ``wait``: seconds for which the source
        asked not to be polled, or None. With ``dry_run`` nothing is stored, ``run`` is None and
        what was found is printed.
    """
    clock = _clock(now)
    began = clock()
    stop = stop or threading.Event()
    number, before = None, ""
    with IO(source, settings, clock, sleep=_sleep_until(stop), stopped=stop.is_set) as io:
        run = _Run(io, confirmed=confirm)
        try:
            before = health.last_outcome(store, source.id)
            if not dry_run:
                with _one_writer:
                    number = health.begin_run(store, source.id, began)
            _read_all(store, source, settings, run, number, clock, stop)
        except Exception as raised:
            error = Stopped("dừng theo yêu cầu; phần đã đọc được giữ") if stop.is_set() else raised
            run.outcome, run.wait = _outcome(error, run), getattr(error, "retry_after", None)
            io.notes.insert(0, _sentence(error, io))
            if not isinstance(error, IocError) and before not in _BAD:
                _log_fault(source.id, error, io)
        ended = _end(store, source, run, number, began, clock())
    if dry_run:
        print(f"{source.id}: {ended['outcome']} {ended['note']}\n{mapping.dry_summary(run.items)}")
    else:
        _log_change(source.id, before, ended)
    return ended


def _read_all(
    store: KpiStore,
    source: Source,
    settings: Any,
    run: _Run,
    number: int | None,
    clock: Callable[[], datetime],
    stop: threading.Event,
) -> None:
    mapper = mapping.compile(source, secret_key(settings))
    since = health.watermark(store, source.id)
    batches = KINDS[source.kind].poll(source, since, run.io)
    refused = False
    with closing(_ahead(batches, lambda batch: _items(mapper, batch, clock()))) as ahead:
        for batch, items in ahead:
            refused |= bool(batch.refused)
            if stop.is_set():
                raise Stopped("dừng theo yêu cầu")
            _count(run, items)
            if number is None:
                run.items += items
                if len(run.items) >= DRY_ITEMS:
                    run.io.note(f"chạy thử: dừng sau {len(run.items)} dòng đầu")
                    break
                continue
            with _one_writer:
                counts = intake.accept(
                    store,
                    source,
                    items,
                    run=number,
                    cursor=batch.cursor,
                    whole=batch.whole,
                    confirmed=run.confirmed,
                    now=clock,
                )
            run.counts.add(counts)
            if run.io.remaining() <= 0:
                raise TimedOut("quá thời hạn của một lần thu thập; phần đã đọc được giữ")
    _report_unknown(source.id, mapper.unknown, run.io)
    if number is not None and (run.counts.held or _fell_silent(store, source, since, run)):
        run.outcome = "held"
        run.io.note(_held_note(source, run.counts))
        return
    run.completed = True
    some = "ok" if run.counts.read or run.items else "empty"
    run.outcome = "partial" if refused else some


def _fell_silent(store: KpiStore, source: Source, since: str | None, run: _Run) -> bool:
    """Whether a source that says all it has at every poll says nothing now: empty is not zero."""
    if since is not None or run.counts.read or run.confirmed:
        return False
    return health.last_read(store, source.id) > 0


def _held_note(source: Source, counts: Counts) -> str:
    share = f"sẽ gỡ {counts.withheld} bản ghi, hơn 20 %" if counts.read else "trống"
    return (
        f"phản hồi {share}, nên giữ nguyên số đang có và chờ xác nhận. Hãy xem lại ở nguồn; nếu"
        f" nguồn đã bỏ thật, chạy: ioc poll {source.id} --once --confirm"
    )


def _items(mapper: mapping.Mapper, batch: Batch, now: datetime) -> list[mapping.Item]:
    """The items of a batch; one that stands apart and is wrong as a whole goes back to its kind."""
    try:
        items = list(mapper.map_rows(batch, now))
        if batch.apart:
            _refuse_form(items)
    except Broken as error:
        if not batch.apart:
            raise
        batch.refused, batch.cursor = f"{batch.origin}: {error}", None
        return []
    return items


def _ahead(
    batches: Iterator[Batch], read: Callable[[Batch], list[mapping.Item]]
) -> Generator[tuple[Batch, list[mapping.Item]], None, None]:
    """Each batch with its items; the next one is fetched and read while this one is stored."""

    def following() -> tuple[Batch, list[mapping.Item]] | None:
        batch = next(batches, None)
        return None if batch is None else (batch, read(batch))

    with ThreadPoolExecutor(1, "ahead") as pool:
        coming = pool.submit(following)
        while (found := coming.result()) is not None:
            coming = pool.submit(following)
            yield found


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


def _end(
    store: KpiStore, source: Source, run: _Run, number: int | None, began: datetime, ended: datetime
) -> dict[str, Any]:
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
    }
    if number is not None:
        try:
            with _one_writer:
                health.end_run(
                    store,
                    number,
                    counts=counts,
                    now=ended,
                    completed=run.completed and not io.waiting,
                    covered_until=began,
                    **evidence,
                )
        except SQLAlchemyError as error:
            _log_fault(source.id, error, io)
            evidence["outcome"] = "retry"
    told = {name: getattr(counts, name) for name in ("read", "new", "changed", "same")}
    told |= {"rejected": counts.rejected, "gone": counts.gone, "wait": run.wait}
    return {"run": number, "source": source.id, **evidence, **told}


def _outcome(error: Exception, run: _Run) -> str:
    match error:
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


def _log_change(source_id: str, before: str, ended: dict[str, Any]) -> None:
    """Once when a source fails, once when it is back; a failure that lasts says nothing more."""
    failed, fails = before in _BAD, ended["outcome"] in _BAD
    if fails and not failed:
        log.warning("nguồn %s lỗi (%s): %s", source_id, ended["outcome"], ended["note"])
    elif failed and not fails:
        log.warning("nguồn %s đã trở lại bình thường", source_id)


def _clock(now: datetime | Callable[[], datetime] | None) -> Callable[[], datetime]:
    if isinstance(now, datetime):
        return lambda: now
    return now or (lambda: datetime.now(UTC))


def _sleep_until(stop: threading.Event) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Stopped("dừng theo yêu cầu")

    return sleep
