"""What an answer's bytes hang on: its tag, whether the caller has them already, who may keep them.

A tag never outlives the bytes it stands for. Where they hang on nothing but the store, the day and
the address, it is known without asking; where a clock speaks in them (ages, what is overdue) it is
their hash, and a file too long to be held has none. A tag that is known holds nothing back.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import chain
from typing import Any

from flask import Response, g, request

from ioc.period import LOCAL
from ioc.principal import Principal
from ioc.processes import INSTANCE
from kpi import query
from layouts.web.filters import QUESTIONS, Asked
from layouts.web.problems import Problem

HELD = 2 << 20
"""Bytes of a stream that are held back to learn their hash; what is longer goes out as it comes."""
SHORT = 64 << 10
"""As much where the tag is known without them: what is shorter goes out whole, with its length."""
UNCLOCKED = frozenset({
    "targets",
    "indicators",
    "org-units",
    "search",
    "tasks",
    "lineage",
    "runs",
    "rejections",
    "uploads",
    "asked",
    "closings",
    "assessments",
})
"""Questions whose answers of now hang on the store and the day alone, never on the time of day."""
FOR_EVER = "private, max-age=31536000, immutable"
ASK_FIRST = "private, no-cache"


FILED = frozenset({"org-units", "search", "tasks"})
"""Questions that files alone answer: their rows stay while the data version moves on."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of the store that an answer is of, as it was before the answer was made."""

    store: Any
    asked: Asked
    kind: str
    who: Principal
    now: datetime
    stamp: str

    @classmethod
    def of(cls, store: Any, asked: Asked, kind: str, who: Principal, now: datetime) -> State:
        """Look at the store. Raises Problem 409 for a further page of a state that is no more."""
        stamp = query.stamp(asked.arguments.get("as_of"), store, now)
        state = cls(store, asked, kind, who, now, stamp)
        if asked.filters.get("snapshot", state.page) != state.page:
            raise Problem(409, more={"again": state.again()})
        return state

    @property
    def page(self) -> str:
        """What the further pages of this answer hold on to; empty for what never changes."""
        return self.stamp.rpartition(".")[2] if self.asked.question in FILED else self.stamp

    def again(self) -> str:
        """The address of the first page, of an instant that moves no more where there is one."""
        told, at = {"snapshot": "", "after": ""}, self.asked.arguments.get("as_of")
        settled = query.settled(self.now)
        if "as_of" in QUESTIONS[self.asked.question][1] and (at is None or at > settled):
            told["as_of"] = settled.astimezone(LOCAL).isoformat()
        return self.asked.address(self.kind, **told)

    def hold(self) -> None:
        """Raise Problem 409 where the store moved on while a further page was read."""
        if "snapshot" in self.asked.filters:
            State.of(self.store, self.asked, self.kind, self.who, self.now)

    @property
    def tag(self) -> str:
        """The tag that is known without asking; empty where only the bytes can tell.

        It is of this start of the program too: definitions and org units come with it from files.
        """
        at = self.asked.arguments.get("as_of")
        past = at is not None and (self.sealed or at <= query.settled(self.now))
        if not past and (at is not None or self.asked.question not in UNCLOCKED):
            return ""
        known = (self.who.name, self.who.role, self.who.scope, self.stamp, _started())
        return _hash(repr((self.asked.address(self.kind), known)).encode())

    @property
    def sealed(self) -> bool:
        """Whether this address answers the same bytes for ever."""
        return self.stamp == ""


def _started() -> str:
    return os.environ.get(INSTANCE) or str(os.getpid())


def _hash(body: bytes) -> str:
    return sha256(body).hexdigest()[:32]


def has(tag: str) -> bool:
    """Whether the caller says that these bytes are held already; compression marks the tag."""
    return bool(tag) and tag in {
        known.removesuffix("-br").removesuffix("-gzip")
        for known in request.if_none_match.as_set(include_weak=True)
    }


def unchanged(state: State) -> Response | None:
    """The answer to whoever has the bytes already, where that is known without asking."""
    if "manifest" not in state.asked.filters and has(state.tag):
        return dressed(Response(status=304), state, state.tag)
    return None


def tagged(state: State, response: Response) -> Response:
    """The answer with its tag, or without its bytes where the caller has them.

    A side-car has none: it says who asks, and when.
    """
    if "manifest" in state.asked.filters:
        return response
    tag = state.tag
    most = SHORT if tag else HELD
    body = _held(response, most) if response.is_streamed else response.get_data()
    at = state.asked.arguments.get("as_of")
    if tag and query.stamp(at, state.store, state.now) != state.stamp:
        tag = ""  # the store moved on while the answer was made
    tag = tag or (_hash(body + repr((state.who.name, state.who.scope)).encode()) if body else "")
    if has(tag):
        return dressed(Response(status=304), state, tag)
    return dressed(response, state, tag)


def dressed(response: Response, state: State, tag: str) -> Response:
    """With the tag and who may keep it: the caller alone, whose key or cookie it hangs on.

    Figures of restricted indicators are kept by nobody.
    """
    if tag:
        response.set_etag(tag)
    response.vary.update(("Authorization", "Cookie", "Accept-Encoding"))
    if not g.get("restricted"):
        response.headers["Cache-Control"] = FOR_EVER if state.sealed else ASK_FIRST
    return response


def _held(response: Response, most: int) -> bytes | None:
    """The whole body where it is short, put back as such; None where it goes on as a stream."""
    chunks: Iterator[Any] = iter(response.response)
    begun: list[bytes] = []
    size = 0
    for part in chunks:
        begun.append(part)
        size += len(part)
        if size > most:
            response.response = _Resumed(begun, chunks)
            return None
    body = b"".join(begun)
    response.set_data(body)
    return body


class _Resumed:
    """A stream whose beginning was read already; closing it closes what is behind."""

    def __init__(self, begun: Iterable[bytes], rest: Iterator[bytes]):
        self._parts, self._rest = chain(begun, rest), rest

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        """End the reading, so that what left of it is taken down now."""
        if (close := getattr(self._rest, "close", None)) is not None:
            close()
