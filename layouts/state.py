"""What a page may reach: the desk that ``create_app`` made, the principal, the address.

No globals: everything hangs on the running app or on the request.
"""

from __future__ import annotations

import inspect
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pandas as pd
from flask import current_app, g, has_request_context

from ioc.clock import right_now
from ioc.errors import Forbidden, IocError
from ioc.period import LOCAL, local_date
from ioc.principal import Principal
from kpi import query
from layouts import PAGES, access
from layouts.web.filters import DIALECT, QUESTIONS, ROOT

EXTENSION = "ioc"
TIMELESS = frozenset({
    "targets",
    "indicators",
    "org_units",
    "tasks",
})  # answers that age by the day only
KEPT = 128
OUTSIDE = "Tài khoản này chưa được giao đơn vị nào."
UNDATED = frozenset({"org_units", "search"})
"""Questions whose answers are of every epoch: a page in the past may ask them."""
FILTERS = (
    "q task project sector source kind state org_unit element indicator target plan level grain"
    " from to on since as_of frame open overdue located days limit after figure sort run period"
    " view"
).split()


@dataclass(slots=True)
class Desk:
    """What the pages of one app work with."""

    store: Any
    settings: Any
    orgunits: Any
    sources: Any = ()
    wall: Any = None  # the programme of the wall screens
    kept: OrderedDict[tuple[Any, ...], Any] = field(default_factory=OrderedDict)
    lock: Any = field(default_factory=Lock)


def desk() -> Desk:
    """The desk of the app that is answering."""
    return current_app.extensions[EXTENSION]


def place(server: Any, **parts: Any) -> Desk:
    """Put a desk on a Flask server; ``desk()`` finds it there."""
    server.extensions[EXTENSION] = Desk(**parts)
    return server.extensions[EXTENSION]


def who() -> Principal:
    """The principal of this request, set by the guard; a request without one fails."""
    return g.principal if has_request_context() else Principal.local_admin()


def home() -> str:
    """The org unit on which pages open: the plan's territory, else the top of one's own scope.

    Raises:
        Forbidden: no org unit may be read at all.
    """
    found = query.home(desk().store, who())
    if not found:
        raise Forbidden(OUTSIDE)
    return found


def readable(org_unit: str) -> bool:
    """Whether an org unit is there and in the scope of this request."""
    return who().may_read(org_unit, desk().orgunits)


def writable() -> bool:
    """Whether whoever asks may give figures: by role; in open mode that is this machine itself.

    Nobody writes into the past.
    """
    return as_of() is None and who().role in ("operator", "admin")


class NoPast(IocError):
    """A page in the past would have to show something that is known of today only."""


def present() -> datetime:
    """When this request came; one instant, so that its clocks agree."""
    if not has_request_context():
        return right_now()
    if "now" not in g:
        g.now = right_now()
    return g.now


def as_of() -> datetime | None:
    """The instant of knowledge that this request is held at; None where figures are of today."""
    return g.get("as_of") if has_request_context() else None


def hold(instant: datetime | None, address: str = "") -> None:
    """Hold this request at an instant of knowledge; ``address`` is how links say it."""
    g.as_of, g.as_of_text = (
        instant,
        address or (instant.astimezone(LOCAL).isoformat() if instant else ""),
    )


def now() -> datetime:
    """The instant that figures, ages and periods of this answer are of."""
    return as_of() or present()


def steady(*instants: Any) -> None:
    """Say that this answer holds to the end of the minute, its clocks showing no more than that,
    or to the first of these instants: from then on it may be drawn in another way.
    """
    at = now()
    ends = [at.replace(second=0, microsecond=0) + timedelta(minutes=1)]
    ends += [instant for instant in instants if isinstance(instant, datetime) and instant > at]
    if has_request_context():
        g.steady_until = min(ends)


def today() -> date:
    """The local calendar day of this answer; a day that is asked for to its end is that day."""
    return local_date(now())


def ask(question: Callable[..., Any], **args: Any) -> pd.DataFrame:
    """The rows of one question, read with the rights of this request.

    Answers that hold nothing but the catalogue are kept for the day. The frame may be shared
    between requests: draw from it, never write to it.
    """
    return _asked(question, "frame", args)


def rows(question: Callable[..., Any], **args: Any) -> list[dict[str, Any]]:
    """The same rows as dicts, for a screen that draws them one by one: a frame costs it more."""
    return _asked(question, "records", args)


def count(question: Callable[..., Any], **args: Any) -> int:
    """How many rows match, whatever limit the page sets itself."""
    return _asked(question, "count", args)


def asker(question: str) -> Principal:
    """The principal of this request, whose role may ask this question.

    Raises:
        Forbidden: it may not.
    """
    access.check(who(), "questions", question)
    return who()


def note_restricted(args: Mapping[str, Any]) -> None:
    """Remember for this request which restricted indicators and sources a question names."""
    if not has_request_context():
        return
    known = desk().store.catalogue
    seen = g.setdefault("restricted", set())
    for name in args.get("indicators") or ():
        if name in known.indicators and known.indicators[name].access == "restricted":
            seen.add(name)
    seen.update(s for s in args.get("sources") or () if "restricted" in known.classes_of(s))


def _asked(question: Callable[..., Any], reader: str, args: dict[str, Any]) -> Any:
    name = question.__name__
    note_restricted(args)
    store, principal = desk().store, asker(name)
    args = _dated(question) | args
    if name not in TIMELESS:
        return getattr(question(store, principal, now=present(), **args), reader)()
    chosen = query.choices(store)[:1] if name == "targets" else ()  # a reading counts at once
    key = (name, reader, principal.scope, today(), repr(sorted(args.items())), repr(chosen))
    with desk().lock:
        if key in desk().kept:
            desk().kept.move_to_end(key)
            return desk().kept[key]
    found = getattr(question(store, principal, now=present(), **args), reader)()
    with desk().lock:
        desk().kept[key] = found
        while len(desk().kept) > KEPT:
            desk().kept.popitem(last=False)
    return found


def _dated(question: Callable[..., Any]) -> dict[str, Any]:
    """What a question is asked beside its own filters: the instant that this request is held at.

    Raises:
        NoPast: the request is held, and the question knows of today only.
    """
    instant, name = as_of(), question.__name__
    if instant is None or name in UNDATED:
        return {}
    takes = inspect.signature(question).parameters
    if "as_of" not in takes:
        raise NoPast("Phần này chỉ có số hiện nay, không có số của một ngày đã qua.")
    return {"as_of": instant} | ({"on": today()} if "on" in takes else {})


def sample() -> bool:
    """Whether any loaded source is a sample: then every page says so."""
    return bool(query.sources(desk().store, who()).sample)


def pulse() -> dict[str, Any]:
    """What the live store holds: version and topics of the data, and this instant."""
    store = desk().store
    return {
        "version": store.version(),
        "topics": query.topics(store, who()),
        "at": present().isoformat(timespec="seconds"),
    }


def filters(given: Mapping[str, Any]) -> dict[str, str]:
    """The filters of an address that we know, as text; unknown ones are left out."""
    return {k: str(given[k]) for k in FILTERS if given.get(k) not in (None, "")}


def link(path: str, **given: Any) -> str:
    """An address with its filters, always in the same order: same view, same address."""
    kept = filters({k.rstrip("_"): v for k, v in given.items()})
    extra = {k: v for k, v in given.items() if k in ("download", "manifest", *DIALECT) and v}
    text = urlencode(kept | extra)
    return carried(f"{path}?{text}" if text else path)


def address(path: str, given: Mapping[str, str]) -> str:
    """A path with filters as they are, of today."""
    return f"{path}?{urlencode(given)}" if given else path


def carried(address: str) -> str:
    """An address of ours with the instant that this request is held at, where it can have one.

    A page has it, and a data address whose question takes it; any other address stays.
    """
    if as_of() is None or not address.startswith("/") or address.startswith("//"):
        return address
    parts = urlsplit(address)
    if "as_of" in dict(parse_qsl(parts.query)) or not _takes_as_of(parts.path):
        return address
    query_ = "&".join(filter(None, [parts.query, urlencode({"as_of": g.as_of_text})]))
    return urlunsplit(parts._replace(query=query_))


def _takes_as_of(path: str) -> bool:
    if found := re.fullmatch(rf"{ROOT}/([a-z-]+)\.\w+", path):
        return found[1] in QUESTIONS and "as_of" in QUESTIONS[found[1]][1]
    return any(
        re.fullmatch(re.sub("<[^>]+>", "[^/]+", page.path), path)
        for page in PAGES
        if not page.present
    )


def callback(*parts: Any, **options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a page callback; every app that is made registers it for itself.

    Dash's own ``@callback`` hands its list to the first app only.
    """

    def keep(function: Callable[..., Any]) -> Callable[..., Any]:
        CALLBACKS.append((parts, options, function))
        return function

    return keep


CALLBACKS: list[tuple[tuple[Any, ...], dict[str, Any], Callable[..., Any]]] = []
