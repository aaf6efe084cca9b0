"""What an address of data means: its question, its filters, or why it means nothing.

A filter that is ignored would give a right-looking wrong number, so none is.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, get_args
from urllib.parse import urlencode

from ioc.model import Level
from ioc.period import GRAINS, LOCAL, Period, local_date
from kpi import query
from layouts.text import number
from layouts.web.dialect import DECIMALS, SEPARATORS
from layouts.web.problems import Problem

ROOT = "/api/v1"
WHOLE = 1_000_000
"""Rows of one file: over it an export is refused, never cut short."""

FIRST_YEAR = 2000
"""Of an instant of knowledge."""
_KNOWN = f"phải từ năm {FIRST_YEAR} đến bây giờ"
FLAGS = ("download", "manifest", "open", "overdue", "located")
DIALECT = {"separator": SEPARATORS, "decimal": DECIMALS}
KINDS = ("csv", "json", "xlsx")
COMMON = ("limit", "after", "snapshot", "download", "manifest", *DIALECT)
QUESTIONS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "standings": (
        query.standings,
        ("target", "plan", "indicator", "org_unit", "level", "frame", "to", "on", "as_of"),
    ),
    "values": (
        query.values,
        ("indicator", "org_unit", "level", "grain", "frame", "from", "to", "on", "as_of"),
    ),
    "revisions": (
        query.revisions,
        ("indicator", "org_unit", "level", "grain", "from", "to", "on", "as_of"),
    ),
    "changes": (query.changes, ("target", "org_unit", "level", "since", "as_of")),
    "pivot": (
        query.pivot,
        ("indicator", "org_unit", "level", "grain", "frame", "from", "to", "on", "as_of"),
    ),
    "targets": (query.targets, ("target", "plan", "on", "as_of")),
    "indicators": (query.indicators, ("indicator", "on", "as_of")),
    "org-units": (query.org_units, ("org_unit", "level", "on")),
    "sources": (query.sources, ("source", "as_of")),
    "runs": (query.runs, ("source", "run", "as_of")),
    "rejections": (query.rejections, ("source", "as_of")),
    "assessments": (query.assessments, ("target", "indicator", "org_unit", "as_of")),
    "uploads": (query.uploads, ("source",)),
    "asked": (query.asked, ("source",)),
    "closings": (query.closings, ("target", "org_unit", "as_of")),
    "forecasts": (query.forecasts, ("target", "indicator", "org_unit", "as_of")),
    "search": (query.search, ("q",)),
    "records": (
        query.records,
        tuple("source kind state org_unit element from to open overdue located as_of".split()),
    ),
    "projects": (
        query.projects,
        ("project", "sector", "org_unit", "state", "on", "as_of"),
    ),
    "tasks": (query.tasks, ("task", "org_unit", "state", "on")),
    "rollout": (query.rollout, ("sector", "org_unit", "state", "on", "as_of")),
    "lineage": (
        query.lineage,
        ("indicator", "target", "org_unit", "from", "to", "step", "as_of"),
    ),
}
KEYSET = ("records",)
"""Questions whose ``after`` is the place of a row, not a count of rows: they have no end."""
TIMELESS = ("targets", "indicators", "org-units", "search", "tasks")
"""Questions about the catalogue and the org units: answered from files, not from the store."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question as it was asked: its name, its filters as text, what they mean."""

    question: str
    filters: dict[str, str]
    arguments: dict[str, Any]
    limit: int | None
    after: int | str
    page: str = ""
    """The state of the store that further pages hold on to."""

    def address(self, kind: str, **changes: str) -> str:
        """Where the same is asked again, with some filters changed."""
        text = urlencode({k: v for k, v in (self.filters | changes).items() if v != ""})
        return f"{ROOT}/{self.question}.{kind}" + (f"?{text}" if text else "")

    def following(self, after: str) -> str:
        """Where the rows after these are, of the same state of the store or not at all."""
        at = self.arguments.get("as_of")
        pinned = {"as_of": at.astimezone(LOCAL).isoformat()} if at else {}
        return self.address("json", **pinned, after=after, snapshot=self.page)


def read(question: str, given: Mapping[str, str], store: Any, now: datetime) -> Asked:
    """The question behind an address.

    Raises:
        Problem: a filter that the question does not have, or a value that it cannot mean.
    """
    if question not in QUESTIONS:
        raise Problem(404, f"Không có câu hỏi {question!r}; có: {', '.join(QUESTIONS)}.")
    known = (*QUESTIONS[question][1], *COMMON)
    for name in given:
        if name not in known:
            sentence = f"Bộ lọc {name!r} không dùng cho {question}; có: {', '.join(known)}."
            raise Problem(400, sentence, kind="unknown-filter", parameter=name)
    filters = {name: text for name, text in given.items() if text != ""}
    read = {
        name: _value(name, text, store, now)
        for name, text in filters.items()
        if name not in FLAGS and (name, question) != ("after", "records")
    }
    for name in FLAGS:
        if filters.get(name, "1") != "1":
            raise _bad(name, "chỉ có thể là 1", "choice")
    for name in ("snapshot", *DIALECT):
        read.pop(name, None)
    limit, after = read.pop("limit", None), read.pop("after", 0)
    if question in KEYSET:
        after = filters.get("after", "")
    arguments = {ARGUMENTS.get(name, name): value for name, value in read.items()}
    arguments |= {ARGUMENTS[name]: True for name in FLAGS[2:] if name in filters}
    if question in ("runs", "rejections", "uploads", "asked", "search"):
        arguments["limit"] = WHOLE + 1  # theirs is for a page; a file is whole, or refused
    _periods(question, arguments, store, now)
    if "as_of" in filters:
        filters = _pinned(arguments) | filters
    return Asked(question, filters, arguments, limit, after)


ARGUMENTS = {
    "target": "targets",
    "project": "projects",
    "task": "tasks",
    "sector": "sectors",
    "indicator": "indicators",
    "org_unit": "org_units",
    "source": "sources",
    "run": "numbers",
    "kind": "kinds",
    "state": "states",
    "open": "open_only",
    "overdue": "overdue",
    "located": "located",
    "q": "text",
}


def _value(name: str, text: str, store: Any, now: datetime) -> Any:
    match name:
        case "target":
            return _listed(name, text, store.catalogue.targets, "chỉ tiêu")
        case "plan":
            (named,) = _listed(name, text, store.catalogue.plans, "kế hoạch")
            return named
        case "indicator":
            return _listed(name, text, store.catalogue.indicators, "chỉ số")
        case "org_unit":
            return _listed(name, text, store.orgunits, "đơn vị")
        case "task":
            return _listed(name, text, store.catalogue.tasks.tasks, "nhiệm vụ")
        case "project":
            return _listed(name, text, store.catalogue.portfolio.projects, "dự án")
        case "sector":
            return _listed(name, text, store.catalogue.sectors, "lĩnh vực")
        case "level" | "grain" | "frame" | "separator" | "decimal":
            known = {"level": get_args(Level), "grain": GRAINS, "frame": query.FRAMES}
            allowed = (known | DIALECT)[name]
            if text not in allowed:
                raise _bad(name, f"{text!r} không có; chọn {', '.join(allowed)}", "choice")
            return text
        case "from" | "to":
            try:
                return Period.parse(text)
            except ValueError as error:
                raise _bad(
                    name, f"{text!r} không phải kỳ (2025, 2025-Q2, 2025-06, 2025-06-30)"
                ) from error
        case "on":
            return _date(name, text)
        case "as_of" | "since":
            return as_of(text, now, name)
        case "run" if re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
            return [int(part) for part in text.split(",")]
        case "run":
            raise _bad(name, f"{text!r} không phải số của lần chạy")
        case "snapshot" if not re.fullmatch(r"[0-9a-f.]{1,64}", text):
            raise _bad(name, f"{text!r} không phải trạng thái mà địa chỉ next đã cho")
        case "q" | "step" | "element" | "snapshot":
            return text
        case "kind" | "state" if not re.fullmatch(r"[a-z0-9_]+(,[a-z0-9_]+)*", text):
            raise _bad(name, f"{text!r} không phải mã")
        case "limit" | "after":
            if not re.fullmatch(r"[0-9]{1,9}", text) or (name == "limit" and int(text) == 0):
                raise _bad(name, f"{text!r} không phải số nguyên dương")
            if name == "limit" and int(text) > WHOLE:
                raise _bad(
                    name, f"{number(int(text))} quá {number(WHOLE)} dòng của một tệp", "range"
                )
            return int(text)
    return [part.strip() for part in text.split(",")]  # a source: one that is gone has rows too


def as_of(text: str, now: datetime, name: str = "as_of") -> datetime:
    """An instant of knowledge; a bare date is its end at +07:00, or now when it is today.

    An address decodes ``+07:00`` to `` 07:00``: both are read.
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        asked = _day(name, text)
        if not FIRST_YEAR <= asked.year <= local_date(now).year:
            raise _bad(name, _KNOWN, "range")
        day = Period.of("day", asked)
        instant = day.ends_at
        if instant > now >= day.starts_at:
            return now
    else:
        try:
            instant = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text))
            instant = instant.astimezone(UTC) if instant.tzinfo else instant
        except (ValueError, OverflowError) as error:
            raise _bad(name, f"{text!r} không phải thời điểm ISO 8601") from error
        if instant.tzinfo is None:
            raise _bad(name, "thiếu múi giờ, ví dụ 2025-06-30T17:00:00+07:00", "zone")
    if instant > now or instant.year < FIRST_YEAR:
        raise _bad(name, _KNOWN, "range")
    return instant


def one_dialect(filters: Mapping[str, str], kind: str) -> None:
    """Refuse a dialect where there is none, and one in which a number would need quotes."""
    for name in DIALECT:
        if name in filters and kind != "csv":
            raise _bad(name, f"chỉ dùng cho tệp CSV, tệp {kind} không có", "csv")
    if (filters.get("separator"), filters.get("decimal")) == ("comma", "comma"):
        raise _bad("separator", "số thập phân đã dùng dấu phẩy; chọn semicolon hoặc tab", "comma")


def _periods(question: str, arguments: dict[str, Any], store: Any, now: datetime) -> None:
    """Turn ``from``, ``to`` and ``grain`` into what the question takes."""
    first, last = arguments.pop("from", None), arguments.pop("to", None)
    if question == "records":
        arguments |= {"opened_from": first and first.start, "opened_to": last and last.end}
        if first and last and last.end < first.start:
            raise _bad("from", "kỳ đầu phải trước kỳ cuối", "order")
        return
    past = arguments.get("as_of")
    today = local_date(past or now)
    if question == "lineage":
        arguments.setdefault("indicators", [])
        arguments |= {name: p for name, p in (("first", first), ("last", last)) if p}
        return
    if last is not None and "on" not in arguments and question != "pivot":
        arguments["on"] = min(last.end, today)
    if question not in ("values", "revisions", "pivot"):
        if "as_of" in arguments and "on" in QUESTIONS[question][1]:
            arguments.setdefault("on", today)
        return
    grain = arguments.setdefault("grain", "year" if question == "pivot" else "month")
    arguments["last"] = Period.of(grain, last.end if last else today)
    back = {"day": 30, "month": 11, "quarter": 7, "year": 4, "ytd": 11}[grain]
    arguments["first"] = (
        Period.of(grain, first.start) if first else arguments["last"].previous(back)
    )
    if arguments["first"] > arguments["last"]:
        raise _bad("from", "kỳ đầu phải trước kỳ cuối", "order")
    if question == "pivot":
        return  # its org units are those of each period, unless a day is asked for
    arguments.setdefault("on", min(arguments["last"].end, today))
    if question == "values":
        arguments.setdefault("indicators", list(store.catalogue.indicators))


def _pinned(arguments: dict[str, Any]) -> dict[str, str]:
    """What the calendar chose, in words: an address with them means the same next month."""
    pinned = {"on": arguments["on"].isoformat()} if "on" in arguments else {}
    for name, argument in (("from", "first"), ("to", "last")):
        if period := arguments.get(argument):
            # a year so far is read by its last month
            pinned[name] = (
                Period.of("month", period.end) if period.grain == "ytd" else period
            ).text
    return pinned


def _listed(name: str, text: str, allowed: Any, what: str) -> list[str]:
    asked = [part.strip() for part in text.split(",") if part.strip()]
    missing = [part for part in asked if part not in allowed]
    if missing or not asked:
        raise _bad(
            name, f"không có {what} {', '.join(map(repr, missing)) or repr(text)}", "unknown"
        )
    return list(dict.fromkeys(asked))


def _day(name: str, text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007  a calendar day
    except ValueError as error:
        raise _bad(name, f"{text!r} không phải ngày (2025-06-30)") from error


def _date(name: str, text: str) -> date:
    found = _day(name, text)
    if not 1990 <= found.year <= 2060:
        raise _bad(name, f"{text!r} nằm ngoài các năm 1990–2060", "range")
    return found


def _bad(name: str, sentence: str, fault: str = "form") -> Problem:
    return Problem(400, f"{name}: {sentence}.", parameter=name, fault=fault)


def once(lists: Iterable[tuple[str, list[str]]]) -> dict[str, str]:
    """The parameters of an address, each given once."""
    given = {}
    for name, texts in lists:
        if len(texts) != 1:
            raise _bad(name, "chỉ được cho một lần (nhiều giá trị cách nhau bằng dấu phẩy)", "once")
        if "\x00" in texts[0]:
            raise _bad(name, "có ký tự không hợp lệ")
        given[name] = texts[0]
    return given
