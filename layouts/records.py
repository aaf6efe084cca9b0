"""The list of records: what was asked for in the address, newest first, page after page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from dash import Input, Output, State, dcc, html

from ioc.errors import IocError
from ioc.period import Period
from kpi import query
from layouts import components, places, shell, text, theme
from layouts.components import Piece
from layouts.lines import Row
from layouts.slots import changed, marks, memory
from layouts.state import (
    as_of,
    asker,
    callback,
    desk,
    filters,
    link,
    now,
    present,
    rows,
    today,
)
from layouts.web.filters import Asked, read
from layouts.web.problems import Problem

PAGE = 50
PARTS = ("list",)


def layout(**given: Any) -> Piece:
    """The records that the address asks for, or what is wrong with it."""
    asked = filters(given)
    shown = pieces(asked)
    steps = [*places.path(asked["org_unit"])] if _one_unit(asked) else [("Chỉ tiêu", "/")]
    steps[-1] = (steps[-1][0], places.address(asked["org_unit"]) if _one_unit(asked) else "/")
    return shell.desk_page(
        dcc.Store(id="records-asked", data=asked),
        memory("records", shown),
        html.Div([html.H1(_title(asked)), html.P(_lede(asked), className="lede")]),
        _choices(asked),
        html.Div(shown["list"], id="records-list"),
        crumbs=shell.crumb(*steps, ("Hồ sơ, phản ánh", "")),
    )


@callback(
    Output("records-list", "children"),
    Output("records-seen", "data"),
    Input("live", "data"),
    State("records-asked", "data"),
    State("records-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, asked: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = pieces(filters(asked if isinstance(asked, dict) else {}))
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


def pieces(asked: dict[str, str]) -> dict[str, Any]:
    """All that follows the data."""
    try:
        meant = read("records", _own(asked), desk().store, present())
        return {"list": _list(asked, meant)}
    except (Problem, IocError) as problem:
        said = problem.detail if isinstance(problem, Problem) else str(problem)
        return {"list": _refused(said)}


def _own(asked: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in asked.items() if name != "limit"}


def _refused(said: str) -> Piece:
    return html.Section(
        [
            html.P(f"Không đọc được bộ lọc: {said}"),
            dcc.Link("Xem mọi bản ghi", href="/records", className="button"),
        ],
        className="absent",
    )


# ── what is asked ──────────────────────────────────────────────────────────────────────────


def _one_unit(asked: dict[str, str]) -> bool:
    return asked.get("org_unit", "") in desk().orgunits


def _title(asked: dict[str, str]) -> str:
    kinds = [text.code("kind", kind) for kind in asked.get("kind", "").split(",") if kind]
    title = ", ".join(kinds) or "Hồ sơ, phản ánh"
    return f"{title} quá hạn" if "overdue" in asked else title


def _lede(asked: dict[str, str]) -> str:
    where = desk().orgunits[asked["org_unit"]].name if _one_unit(asked) else "Mọi đơn vị"
    first, last = asked.get("from"), asked.get("to")
    if first and first == last:
        opened = f"{_when(asked)} {text.period(first)}"
    else:
        opened = text.join(
            [
                f"{_when(asked)} từ {text.period(first)}" if first else "",
                f"đến hết {text.period(last)}" if last else "",
            ],
            " ",
        )
    source = f"nguồn {source_name(asked['source'])}" if "source" in asked else ""
    element = desk().store.catalogue.elements.get(asked.get("element", ""))
    counted = f"được đếm vào “{element.name}”" if element else ""
    return text.join([where, counted, opened, source])


def source_name(key: str) -> str:
    """What people call a source; an unknown one is told by its key."""
    return next((row["name"] for row in rows(query.sources) if row["source"] == key), key)


def _when(asked: dict[str, str]) -> str:
    return "trong" if "element" in asked else "tiếp nhận"


def _choices(asked: dict[str, str]) -> Piece:
    """The filters as links: what is chosen stands in the address."""

    def options(named: list[tuple[str, dict[str, str]]], *keys: str) -> list[tuple[str, str, bool]]:
        none = dict.fromkeys(keys, "")
        held = {key: asked.get(key, "") for key in keys}
        kept = {k: v for k, v in asked.items() if k not in (*keys, "after")}
        return [
            (word, link("/records", **_safe(kept | chosen)), none | chosen == held)
            for word, chosen in named
        ]  # fmt: skip

    kinds = [("Mọi loại", {}), *((w, {"kind": k}) for k, w in text.RECORD_KINDS.items())]
    states = [("Mọi trạng thái", {})]
    states += [(word, {"state": code}) for code, word in text.CODES["state"].items()]
    stands = [("Tất cả", {}), ("Đang mở", {"open": "1"}), ("Quá hạn", {"overdue": "1"})]
    day, month, year = (Period.of(grain, today()).text for grain in ("day", "month", "year"))
    opened = [("Mọi lúc", {})]
    opened += [(word, {"from": p, "to": p}) for word, p in
               (("Hôm nay", day), ("Tháng này", month), ("Năm nay", year))]  # fmt: skip
    return html.Div(
        [
            components.choice(options(kinds, "kind"), label="Loại"),
            components.choice(options(stands, "open", "overdue"), label="Tình trạng"),
            components.choice(options(opened, "from", "to"), label="Tiếp nhận"),
            components.choice(options(states, "state"), label="Trạng thái"),
        ],
        className="toolbar records-filters",
    )


def _safe(given: dict[str, str]) -> dict[str, str]:
    """Filters as arguments: ``from`` is a word of Python."""
    return {f"{name}_" if name == "from" else name: value for name, value in given.items()}


# ── the list ───────────────────────────────────────────────────────────────────────────────


def _list(asked: dict[str, str], meant: Asked) -> Piece:
    after = str(meant.after) or None
    ask = {"limit": PAGE + 1, "after": after, "now": present(), "as_of": as_of()}
    ask |= meant.arguments
    answer = query.records(desk().store, asker("records"), **ask)
    count, found = answer.count(), answer.records()
    if not found:
        return html.Section(
            [
                html.P("Không có bản ghi nào như vậy."),
                dcc.Link("Xem mọi bản ghi", href="/records", className="button"),
            ],
            className="absent",
        )
    whole = {name: value for name, value in _own(asked).items() if name != "after"}
    files = components.downloads("/api/v1/records", link, count, **_safe(whole))
    return components.card(
        f"{text.number(count)} bản ghi",
        table(found[:PAGE], now()),
        _pager(asked, found, after),
        note=files,
    )


def _pager(asked: dict[str, str], found: list[Row], after: str | None) -> Piece:
    kept = {name: value for name, value in asked.items() if name != "after"}
    links = [dcc.Link("Về đầu danh sách", href=link("/records", **_safe(kept)))] if after else []
    if len(found) > PAGE:
        place = query.place(tuple(found[PAGE - 1].values()))
        href = link("/records", **_safe(kept), after=place)
        links.append(dcc.Link("Trang sau", href=href, className="button"))
    return html.Nav(links, className="records-pager", **{"aria-label": "Các trang"})


def table(found: list[Row], at: Any) -> Piece:
    """Records as rows: what each is, whose, since when, and how it stands to its deadline."""
    head = ["Tiếp nhận", "Mã", "Đơn vị", "Trạng thái", "Hạn", "So với hạn"]
    return components.table(
        head,
        [
            (
                text.minute(row["opened_at"]),
                [named(row),
                 html.Span(text.code("kind", row["kind"]), className="under")],
                unit(row["org_unit_done"] or row["org_unit"]),
                text.code("state", row["state"]),
                text.minute(row["due_at"]),
                standing(row, at),
            )
            for row in found
        ],
        class_name="records-table",
    )  # fmt: skip


def address(source: str, key: str) -> str:
    """The page of one record."""
    return f"/record/{quote(source, safe='')}/{quote(key, safe='')}"


def named(row: Row) -> Piece:
    """A link to a record by its key; a keyed hash by its first letters, whole on hovering."""
    key = row["key"]
    shown = html.Code(key if len(key) <= 14 else f"{key[:12]}…", title=key)
    return dcc.Link(shown, href=address(row["source"], key))


def unit(uid: Any) -> Piece:
    """An org unit by its name, as a link."""
    if uid not in desk().orgunits:
        return text.NONE
    return dcc.Link(desk().orgunits[uid].name, href=places.address(uid))


def standing(row: Row, at: Any) -> Piece:
    """How a record stands to its deadline: a shape, a word and how far from it."""
    due, closed = row["due_at"], row["closed_at"]
    ended = row["state"] in query.ENDED
    if not text.known(due) or (ended and not text.known(closed)):
        return text.NONE
    done = text.known(closed)
    late = (closed if done else at) - due
    over = late > timedelta(0)
    name = ("missed" if done else "off_track") if over else ("met" if done else "on_track")
    word = ("Trả muộn" if done else "Quá hạn") if over else ("Đúng hạn" if done else "Còn")
    length = text.duration(abs(late)) if over or not done else ""
    return html.Span(
        [
            components.shape(theme.status(name), f"hue-{name}"),
            html.Span(f"{word} {length}".strip()),
        ],
        className="status record-standing",
        **{"data-standing": "overdue" if over and not done else name},
    )
