"""The rows of /explore, a page of them at a time: only those of the page are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil
from typing import Any

from dash import dcc, html

from ioc.period import Period
from kpi import query
from layouts import components, places, text
from layouts.components import Piece
from layouts.explore.view import SORTS, Explore, borders, edge
from layouts.lines import Row, indicators
from layouts.state import desk, link, readable, rows

PAGE = 100
SORTABLE = 20_000
"""Rows that can be ordered by their values, for which all of them must be read."""
Place = tuple[str, str, int]
"""Indicator, org unit and index of a period: where a row is."""


def table(view: Explore, units: list[str], count: int) -> Piece:
    """One page of the rows, with the way to the others."""
    pages = max(1, ceil(count / PAGE))
    page = min(view.after // PAGE, pages - 1)
    found = page_of(view, units, page * PAGE)
    return html.Div([
        html.Div([_sorts(view, count), _pager(view, page, pages, count)], className="toolbar"),
        html.Div(
            html.Table(
                [_head(view), html.Tbody(list(_lines(view, found)))],
                className="table explore-table",
            ),
            className="table-scroll explore-rows",
            tabIndex=0,
            role="region",
            **{"aria-label": "Bảng số liệu"},
        ),
        _pager(view, page, pages, count) if pages > 1 else None,
    ])


# ── which rows ─────────────────────────────────────────────────────────────────────────────


def page_of(view: Explore, units: list[str], after: int) -> list[Row]:
    """At most a page of rows, from the one after so many."""
    if view.sort in ("high", "low"):
        return _by_value(view, units)[after : after + PAGE]
    places_ = list(ordered(view, units, after))
    found: dict[Place, Row] = {}
    for keys, some, first, last in asks(places_):
        asked = view.arguments | {
            "indicators": keys, "org_units": some,
            "first": Period(view.grain, first), "last": Period(view.grain, last),
        }  # fmt: skip
        asked.pop("level", None)
        found |= {_place(row): row for row in rows(query.values, **asked)}
    return [found[place] for place in places_ if place in found]


def ordered(view: Explore, units: list[str], after: int) -> Iterator[Place]:
    """The places of a page in the order of the view, without reading any row."""
    many, spans = len(units), len(view.periods)
    for at in range(after, min(after + PAGE, len(view.indicators) * many * spans)):
        if view.sort == "period":  # the newest period first, all its rows together
            back, rest = divmod(at, len(view.indicators) * many)
            which, unit = divmod(rest, many)
            yield view.indicators[which], units[unit], view.last.index - back
        else:
            which, rest = divmod(at, many * spans)
            unit, period = divmod(rest, spans)
            yield view.indicators[which], units[unit], view.first.index + period


def asks(wanted: Iterable[Place]) -> list[tuple[list[str], list[str], int, int]]:
    """The fewest questions that hold these places: indicators, org units, first and last period."""
    of: dict[str, dict[str, set[int]]] = {}
    for key, uid, index in wanted:
        of.setdefault(key, {}).setdefault(uid, set()).add(index)
    same: dict[tuple[tuple[str, ...], int, int], list[str]] = {}
    for key, by_unit in of.items():
        every = set().union(*by_unit.values())
        same.setdefault((tuple(by_unit), min(every), max(every)), []).append(key)
    return [(keys, list(some), first, last) for (some, first, last), keys in same.items()]


def _by_value(view: Explore, units: list[str]) -> list[Row]:
    turn = -1 if view.sort == "high" else 1
    order = {uid: at for at, uid in enumerate(units)}

    def key(row: Row) -> tuple[Any, ...]:
        absent = not text.known(row["value"])  # listed at the end, never hidden
        return absent, 0 if absent else turn * row["value"], order.get(row["org_unit"], 0)

    return sorted(rows(query.values, **view.arguments), key=key)


def _place(row: Row) -> Place:
    return row["indicator"], row["org_unit"], Period.parse(row["period"], row["grain"]).index


# ── how they look ──────────────────────────────────────────────────────────────────────────


def _sorts(view: Explore, count: int) -> Piece:
    options = [
        (word, view.address(sort=name), name == view.sort)
        for name, word in SORTS.items()
        if name not in ("high", "low") or comparable(view, count)
    ]
    return components.choice(options, label="Thứ tự")


def comparable(view: Explore, count: int) -> bool:
    """Whether the rows can be ordered by their values: one indicator, not too many of them."""
    return len(view.indicators) == 1 and count <= SORTABLE


def _head(view: Explore) -> Piece:
    titles = [
        ("Chỉ số", "") if len(view.indicators) > 1 else None,
        ("Đơn vị", ""),
        ("Mã", "x-code"),
        ("Kỳ", ""),
        ("Giá trị", "num"),
        ("Tử số", "num"),
        ("Mẫu số (n)", "num"),
        ("Độ phủ", "num"),
        ("Ghi chú", "x-note"),
    ]
    return html.Thead(
        html.Tr([html.Th(one[0], className=one[1], scope="col") for one in titles if one])
    )


def _lines(view: Explore, found: list[Row]) -> Iterator[Piece]:
    known, lines = indicators(), borders()
    for row in found:
        key = row["indicator"]
        name = dcc.Link(known[key]["short"], href=link(f"/indicator/{key}"))
        value = text.value(row, *lines.get(key, ()))
        cells = [
            (name, "x-name") if len(view.indicators) > 1 else None,
            (_unit(row), "x-name"),
            (row["code"], "x-code"),
            (text.period(row["period"]), "x-period"),
            (_to_lineage(view, row, value) if value != text.NONE else value, "num figure small"),
            (text.number(row["numerator"], _places(row["numerator"])), "num"),
            (text.number(row["denominator"], _places(row["denominator"])), "num"),
            (_coverage(row), "num"),
            (_note(view, row), "x-note"),
        ]
        yield html.Tr(
            [html.Td(one[0], className=one[1]) for one in cells if one],
            **{"data-key": f"{key} {row['org_unit']} {row['period']}"},
        )


def _unit(row: Row) -> Piece:
    if not readable(row["org_unit"]):
        return row["name"]
    return dcc.Link(row["name"], href=places.address(row["org_unit"]))


def _places(value: Any) -> int:
    return 0 if not text.known(value) or value == int(value) else 2


def _coverage(row: Row) -> str:
    known = text.known(row["coverage"])
    return text.share(100 * row["coverage"], decimals=0) if known else text.NONE


def _to_lineage(view: Explore, row: Row, words: str) -> Piece:
    """The way from a figure to what it is made of; one that a frame regroups has none."""
    if view.frame and desk().orgunits[row["org_unit"]].level != "area":
        return words
    period = Period.parse(row["period"], row["grain"])
    first = Period.of("month", period.start).text if row["grain"] == "ytd" else period.text
    href = link(
        "/lineage", indicator=row["indicator"], org_unit=row["org_unit"],
        from_=first, to=edge(period),
    )  # fmt: skip
    return dcc.Link(words, href=href)


def _note(view: Explore, row: Row) -> Piece:
    """Why there is no figure, or what it rests on."""
    if not text.known(row["value"]):
        return text.REASONS.get(row["reason"] or "", "chưa có số liệu")
    hands, parts = row["by_hand"], str(row["parts"] or "").split(";")
    told = [
        _to_lineage(view, row, "đã sửa") if text.known(row["revised"]) and row["revised"] else None,
        f"nhập tay ({text.number(hands)} đơn vị)" if text.known(hands) else None,
        f"cộng từ {len(parts)} đơn vị" if len(parts) > 1 else None,
    ]
    shown: list[Piece] = []
    for one in filter(None, told):
        shown += [one] if not shown else [", ", one]
    return shown


def _pager(view: Explore, page: int, pages: int, count: int) -> Piece:
    first, last = page * PAGE + 1, min((page + 1) * PAGE, count)
    told = f"Dòng {text.number(first)}–{text.number(last)} trong {text.number(count)}"

    def step(word: str, to: int, label: str) -> Piece:
        if not 0 <= to < pages or to == page:
            return html.Span(word, className="step off", **{"aria-hidden": "true"})
        href = view.address(sort=view.sort, after=to * PAGE or "")
        return dcc.Link(
            html.Span(word, **{"aria-label": label}), href=href, className="step", title=label
        )

    steps = [
        step("«", 0, "Trang đầu"),
        step("‹", page - 1, "Trang trước"),
        html.Span(f"Trang {text.number(page + 1)}/{text.number(pages)}", className="x-page"),
        step("›", page + 1, "Trang sau"),
        step("»", pages - 1, "Trang cuối"),
    ]
    return html.Nav(
        [html.Span(told, className="under"), *(steps if pages > 1 else [])],
        className="explore-pager",
        **{"aria-label": "Các trang của bảng"},
    )
