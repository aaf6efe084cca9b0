"""The bytes of an answer: every channel, the web and the command, writes its files here.

A file is whole, or it is refused; a file and its side-car come from the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from itertools import chain, islice
from typing import Any

from ioc.principal import Principal
from layouts import text
from layouts.web import described, downloads, workbook
from layouts.web.dialect import dialect_of, instant
from layouts.web.fields import fields
from layouts.web.filters import (
    KEYSET,
    KINDS,
    QUESTIONS,
    TIMELESS,
    WHOLE,
    Asked,
    read,
)
from layouts.web.problems import Problem

PAGE = 10_000
"""Rows of one JSON page when no ``limit`` is given."""


def fleeting(asked: Asked, now: datetime) -> bool:
    """Whether the same address would mean something else later: no instant, or the end of today."""
    dated = "as_of" in QUESTIONS[asked.question][1]
    return dated and asked.arguments.get("as_of", now) == now


def sealed(store: Any, asked: Asked, now: datetime) -> Asked:
    """The same question held at a seal of this instant: it answers the same bytes for ever."""
    at = instant(store.seal(now))
    return read(asked.question, asked.filters | {"as_of": at}, store, now)


def answer_of(store: Any, who: Principal, asked: Asked) -> Any:
    """The answer whose rows the file holds."""
    ask, _ = QUESTIONS[asked.question]
    if asked.question in KEYSET:
        one_more = asked.limit and asked.limit + 1  # so that the last page knows that it is
        return ask(store, who, **asked.arguments, limit=one_more, after=asked.after or None)
    return ask(store, who, **asked.arguments)


@dataclass(slots=True)
class File:
    """One answer in one kind of file."""

    store: Any
    who: Principal
    asked: Asked
    kind: str
    answer: Any
    seen: downloads.Seen = field(default_factory=downloads.Seen)
    release: str | None = field(default_factory=lambda: described.release())
    """The release that it names as the one that wrote it."""

    @classmethod
    def of(cls, store: Any, who: Principal, asked: Asked, kind: str) -> File:
        """The file of an address, as this principal gets it."""
        if kind not in KINDS:
            raise Problem(404, f"Không có loại tệp {kind!r}; có: {', '.join(KINDS)}.")
        return cls(store, who, asked, kind, answer_of(store, who, asked))

    @property
    def name(self) -> str:
        """The name that it is saved under."""
        plan = self.store.catalogue.plans.get(str(self.asked.filters.get("plan") or ""))
        example = bool(plan and plan.example)
        return downloads.file_name(self.asked.question, self.answer, self.kind, example=example)

    @property
    def whole(self) -> bool:
        """Whether it holds all rows: a page of JSON does not."""
        return self.kind != "json" or "download" in self.asked.filters

    @property
    def versioned(self) -> bool:
        """Whether its rows carry the data version.

        What an instant or our own files decide stays the same while the data version moves on.
        """
        timeless = self.whole and self.asked.question in TIMELESS
        return "as_of" not in self.asked.filters and not timeless

    def bytes(self) -> Iterator[bytes]:
        """Its bytes, while they are made. Raises Problem 413 where it could not be whole."""
        if self.kind == "xlsx":
            self.seen.columns = described.TOLD
        if self.kind == "json":
            yield from self._json()
            return
        if self.kind == "xlsx":
            rows = self._taken(downloads.chunks(self.answer.stream()))
            yield from self._xlsx(chain.from_iterable(self.seen.blocks(self.answer, rows)))
            return
        blocks = self.seen.blocks(self.answer, self._taken(self.answer.blocks()))
        yield from downloads.csv_bytes(
            self.answer,
            blocks,
            dialect=dialect_of(self.asked.filters),
            bom="download" in self.asked.filters,
            versioned=self.versioned,
        )

    def facts(self) -> dict[str, Any]:
        """What it says of itself; known once its bytes were made."""
        told = described.facts(self.store, self.who, self.asked, self.answer, self.kind, self.seen)
        version = self.answer.version if self.versioned else None
        return told | {"data_version": version, "release": self.release}

    def side_car(self) -> dict[str, Any]:
        """What stands beside it, with the length and the hash of its very bytes."""
        self.seen.columns = described.TOLD
        digest, size = sha256(), 0
        for part in self.bytes():
            digest.update(part)
            size += len(part)
        return self.told_of(size, digest.hexdigest())

    def told_of(self, size: int, digest: str) -> dict[str, Any]:
        """What stands beside it, where its length and hash are known already."""
        return described.package(
            self.asked, self.facts(), self.kind, file=self.name, size=size, sha256=digest
        )

    def _taken(self, blocks: Iterator[list[tuple]]) -> Iterator[list[tuple]]:
        """Of an answer's blocks all rows, or as many as were asked for.

        Raises Problem 413 where there are more than a file holds.
        """
        asked, answer = self.asked, self.answer
        keyset = asked.question in KEYSET
        matching = answer.count() if keyset and asked.limit is None else answer.matching
        if (matching or 0) > WHOLE:
            raise _too_many(matching)
        skipped, left = 0 if keyset else asked.after, asked.limit or WHOLE
        for block in blocks:
            some = block[skipped:]
            skipped = max(0, skipped - len(block))
            if len(some) > left and asked.limit is None:
                # of a CSV much may have left: then the answer breaks off and is no whole file
                raise Problem(413, f"Hơn {text.number(WHOLE)} dòng của một tệp: hãy lọc hẹp hơn.")
            if some:
                yield some[:left]
            left -= len(some)
            if left <= 0 and asked.limit is not None:
                return

    def _xlsx(self, rows: Iterator[tuple]) -> Iterator[bytes]:
        columns = [*self.answer.columns, *downloads.TAIL]
        yield from workbook.xlsx_bytes(
            self.answer.columns,
            rows,
            sheet=described.ROWS,
            tail=lambda: downloads.tail(self.answer, self.versioned),
            about=lambda: described.sheet(self.asked, self.facts()),
            kinds=[column["type"] for column in fields(self.asked.question, columns)],
        )

    def _json(self) -> Iterator[bytes]:
        asked, answer = self.asked, self.answer
        if asked.question in KEYSET:
            yield from self._keyset()
            return
        if (answer.matching or 0) > WHOLE:
            raise _too_many(answer.matching)
        limit = asked.limit or (WHOLE if self.whole else PAGE)
        if answer.jump is not None:
            stream, skipped = answer.stream(asked.after), min(asked.after, answer.matching)
        else:
            stream = answer.stream()
            skipped = sum(1 for _ in islice(stream, asked.after))
        page = list(self.seen.rows(answer, islice(stream, limit)))
        if len(page) == limit and answer.matching is not None:
            count = answer.matching
        else:
            count = skipped + len(page) + sum(1 for _ in stream)
        more = count > asked.after + len(page)
        if more and self.whole and asked.limit is None:
            raise _too_many(count)
        following = asked.following(str(asked.after + limit)) if more else None
        yield from downloads.json_bytes(
            answer, page, count=count, following=following, versioned=self.versioned
        )

    def _keyset(self) -> Iterator[bytes]:
        """The same of a question whose next rows follow a row: it is never read from its start."""
        asked, answer = self.asked, self.answer
        whole = asked.limit is None and self.whole
        count = answer.count()
        if whole and count > WHOLE:
            raise _too_many(count)
        stream = answer.stream()
        page = list(self.seen.rows(answer, islice(stream, WHOLE if whole else asked.limit or PAGE)))
        more = next(stream, None) is not None
        following = asked.following(answer.place(page[-1])) if more else None
        yield from downloads.json_bytes(
            answer, page, count=count, following=following, versioned=self.versioned
        )


def without(asked: Asked, name: str) -> Asked:
    """The same address without one filter."""
    return replace(asked, filters={k: v for k, v in asked.filters.items() if k != name})


def _too_many(count: int) -> Problem:
    return Problem(
        413,
        f"{text.number(count)} dòng, quá {text.number(WHOLE)} dòng của một tệp: hãy lọc hẹp hơn.",
    )
