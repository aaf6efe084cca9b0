"""What can be chosen on /explore: lists with search, and rows of alternatives as links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from dash import dcc, html

from ioc.model import OrgUnit
from ioc.period import Period
from kpi import query
from layouts import components, places, text
from layouts.components import Piece
from layouts.explore.view import (
    DISTRICTS_END,
    GRAINS,
    LEVELS,
    Explore,
    shown,
    usual,
    who,
)
from layouts.lines import AREA, Row, indicators
from layouts.past import told as known_at
from layouts.state import as_of, desk, home, rows, today

ID = "explore"


def chooser(view: Explore, units: int) -> Piece:
    """All choices in the order in which one thinks of them: what, whose, when, as of when."""
    return html.Section(
        [
            _step("Chỉ số", _indicators(view)),
            _step("Đơn vị", _org_units(view, units)),
            _step("Kỳ", _periods(view)),
            _step("Khung và thời điểm", _frames(view)),
            html.Div(id=f"{ID}-go", className="explore-go", role="status"),
        ],
        id="explore-chooser",
        className="card explore-chooser",
        **{"aria-label": "Chọn số liệu"},
    )


def _step(title: str, inside: list[Piece]) -> Piece:
    return html.Div([html.H2(title), *inside], className="explore-step")


def ticks(kind: str, group: str, options: Sequence[Any], chosen: Sequence[str]) -> Piece:
    """A group of boxes to tick; ``group`` tells it from the others of its kind."""
    return dcc.Checklist(
        options, [one for one in chosen if one in {each["value"] for each in options}],
        id={"explore": kind, "group": group},
    )  # fmt: skip


def _search(kind: str, label: str, example: str) -> Piece:
    """A field that narrows the list below it; assets/explore.js reads it."""
    return html.Label(
        [
            html.Span(label, className="search-label"),
            dcc.Input(
                id=f"{ID}-find-{kind}", type="search", placeholder=f"{label}, ví dụ “{example}”",
                autoComplete="off", maxLength=100,
            ),
        ],
        className="explore-find",
        **{"data-find": f"{ID}-{kind}-list"},
    )  # fmt: skip


def _list(kind: str, groups: Iterable[Piece]) -> Piece:
    return html.Div(
        [
            *groups,
            html.P("Không có mục nào như vậy.", className="explore-none", hidden=True),
        ],
        id=f"{ID}-{kind}-list",
        className="explore-list",
        tabIndex=0,
        role="group",
        **{"aria-label": "Danh sách để chọn"},
    )


# ── which indicators ───────────────────────────────────────────────────────────────────────


def _indicators(view: Explore) -> list[Piece]:
    known = indicators()
    names = [known[key]["short"] for key in view.indicators]
    said = names[0] if len(names) == 1 else f"{text.number(len(names))} chỉ số"
    summary = said if names else "Chưa chọn chỉ số nào"
    by_sector: dict[str, list[Row]] = {}
    for row in known.values():
        by_sector.setdefault(row["sector"], []).append(row)
    sectors = desk().store.catalogue.sectors
    groups = [
        html.Fieldset([
            html.Legend(name),
            ticks("indicator", sector, [_option(row) for row in some], view.indicators),
        ])
        for sector, name in sectors.items()
        if (some := by_sector.get(sector))
    ]
    return [
        html.Details(
            [
                html.Summary(summary),
                _search("indicators", "Tìm chỉ số", "truc tuyen"),
                _list("indicators", groups),
            ],
            open=not names,
            className="explore-picker",
        ),
        _chips([(known[key]["short"], _without(view, key)) for key in view.indicators])
        if len(names) > 1
        else None,
    ]


def _option(row: Row) -> dict[str, Any]:
    note = row["indicator"] + ("" if row["source"] else ", chưa có nguồn")
    label = html.Span([row["short"], html.Span(f" {note}", className="explore-code")])
    return {"label": label, "value": row["indicator"], "title": row["name"]}


def _without(view: Explore, key: str) -> str:
    return view.address(indicator=",".join(one for one in view.indicators if one != key))


def _chips(chosen: list[tuple[str, str]]) -> Piece:
    """What is chosen, each with the way to leave it out."""
    return html.Ul(
        [
            html.Li([name, dcc.Link("×", href=href, title=f"Bỏ {name}", className="explore-drop")])
            for name, href in chosen
        ],
        className="explore-chips",
        **{"aria-label": "Đã chọn"},
    )


# ── whose figures ──────────────────────────────────────────────────────────────────────────


def _org_units(view: Explore, units: int) -> list[Piece]:
    return [
        components.choice(_levels(view), label="Cấp đơn vị"),
        html.Details(
            [
                html.Summary(f"Chọn từng đơn vị: đang là {who(view, units)}"),
                _search("units", "Tìm đơn vị", "dong hoi"),
                _list("units", _tree(view)),
            ],
            className="explore-picker",
        ),
        _reform(view),
    ]


def _levels(view: Explore) -> list[tuple[str, str, bool]]:
    """Everything as one, or every org unit of a level that one may read."""
    mine, found = {row["level"] for row in _readable(view)}, []
    whole = "Toàn địa bàn" if home() == AREA else desk().orgunits[home()].name
    back = {"on": ""} if view.level == "district" else {}
    alone = not view.level and view.org_units in ((), (home(),))
    found.append((whole, view.address(level="", org_unit="", **back), alone))
    for level in LEVELS:
        if level != "district" and level not in mine:
            continue
        late = level == "district" and view.on > DISTRICTS_END
        if level == "district" and home() != AREA and level not in mine:
            continue
        on = {"on": DISTRICTS_END.isoformat()} if late else back if level != "district" else {}
        href = view.address(level=level, org_unit="", **on)
        word = text.LEVELS[level].replace("Xã, phường, thị trấn", "Xã, phường")
        found.append((word.split(" (")[0], href, view.level == level and not view.org_units))
    return found


def _readable(view: Explore) -> list[Row]:
    return rows(query.org_units, on=view.on)


def _reform(view: Explore) -> Piece:
    """Where org units of the level opened or closed within the periods: which list is meant."""
    said = f"Danh sách đơn vị của ngày {text.day(view.on)}."
    day = reformed(view)
    if day is None or view.level == "district" or view.frame:
        return html.P(said, className="under") if view.level else None
    eve = day - timedelta(days=1)
    before = view.on < day
    other = "" if before else eve.isoformat()
    word = f"dùng đơn vị từ {text.day(day)}" if before else f"dùng đơn vị đến {text.day(eve)}"
    return html.P(
        [
            f"{said} Đơn vị không còn hoặc chưa có trong kỳ thì không có số: ",
            dcc.Link(word, href=view.address(on=other)),
            " hoặc ",
            dcc.Link("cộng lại theo đơn vị hôm nay", href=view.address(frame="today", on="")),
            ".",
        ],
        className="under",
    )


def reformed(view: Explore) -> date | None:
    """The newest day within the periods on which org units of the level opened; None if none."""
    if not view.level:
        return None
    known, end = desk().orgunits, min(view.last.end, today())
    opened = [unit.opened for unit in known.population(view.level, end) if unit.opened]
    day = max(opened, default=view.first.start)
    return day if view.first.start < day else None


def _tree(view: Explore) -> list[Piece]:
    """The org units of the date: departments, then every area with its authorities."""
    known = desk().orgunits
    mine = [known[row["org_unit"]] for row in _readable(view)]
    mine = [unit for unit in mine if not known.is_rest(unit.uid) and unit.level != "province"]
    departments = [unit for unit in mine if unit.level == "department"]
    counted = {unit.uid for unit in known.population("department", view.on)}
    groups = [_branch(view, "", "Toàn địa bàn", [u for u in mine if u.uid == AREA])]
    groups.append(
        _branch(view, "department", text.LEVELS["department"],
                [unit for unit in departments if unit.uid in counted])
    )  # fmt: skip
    for area in places.by_name([u for u in mine if u.level == "area" and u.uid != AREA]):
        inside = [u for u in mine if u.area == area.uid]
        groups.append(_branch(view, area.uid, area.name, [area, *inside], inside=area))
    orphans = [u for u in mine if u.area and known[u.area] not in mine and u.level != "department"]
    groups.append(_branch(view, "own", "Đơn vị của tôi", orphans))
    return [group for group in groups if group]


def _branch(
    view: Explore, group: str, name: str, units: list[OrgUnit], *, inside: OrgUnit | None = None
) -> Piece:
    if not units:
        return None
    rest = places.by_name(units[1:] if inside else units)
    listed = [inside, *rest] if inside else rest
    # a text and no piece of its own: there are hundreds, and each page draws them all
    options = [{"label": f"{unit.name} · {unit.code}", "value": unit.uid} for unit in listed]
    communes = sum(unit.level == "commune" for unit in units)
    every = (
        dcc.Link(
            f"Mọi xã, phường ({communes})",
            href=view.address(level="commune", org_unit=inside.uid),
            className="explore-every",
        )
        if inside and communes > 1
        else None
    )
    chosen = () if view.level else view.org_units
    return html.Details(
        [
            html.Summary([name, html.Span(f" {len(units)}", className="explore-code")]),
            every,
            html.Fieldset([
                html.Legend(name, className="search-label"),
                ticks("unit", group, options, chosen),
            ]),
        ],
        open=any(unit.uid in chosen for unit in units),
        className="explore-branch",
    )


# ── which periods ──────────────────────────────────────────────────────────────────────────


def _periods(view: Explore) -> list[Piece]:
    grains = [
        (word, view.address(grain="" if name == "month" else name), name == view.grain)
        for name, word in GRAINS.items()
    ]
    spans = [
        (word, view.address(**{"from": first, "to": last, "on": ""}), _is(view, first, last))
        for word, first, last in usual()
    ]
    return [
        components.choice(spans, label="Khoảng thời gian"),
        _form(view, [
            _field("from", "Từ", shown(view.first, first=True)),
            _field("to", "Đến hết", shown(view.last)),
        ]),
        components.choice(grains, label="Độ dài kỳ"),
    ]  # fmt: skip


def _is(view: Explore, first: str, last: str) -> bool:
    if not first:
        return not any(view.spanned)
    start = Period.of(view.grain, Period.parse(first).start)
    end = Period.of(view.grain, min(Period.parse(last).end, _horizon(last)))
    return all(view.spanned) and (view.first, view.last) == (start, end)


def _horizon(last: str) -> Any:
    """The end of what a usual span names: of the running month, or of its last year."""
    return Period.parse(last).end if len(last) == 4 else Period.of("month", today()).end


def _form(view: Explore, fields: list[Piece], word: str = "Xem") -> Piece:
    """A plain form: the same address with other periods or another instant."""
    named = {one.children[1].name for one in fields}
    kept = view.filters | {
        "view": "" if view.view == "table" else view.view,
        "sort": view.sort,
    }
    if (at := as_of()) and "as_of" not in named:
        kept["as_of"] = at.isoformat()
    hidden = [
        dcc.Input(type="hidden", name=name, value=value)
        for name, value in kept.items()
        if value and name not in named
    ]
    return html.Form(
        [*hidden, *fields, html.Button(word, type="submit", className="button")],
        action="/explore",
        method="get",
        className="explore-form",
    )


def _field(name: str, label: str, value: str, example: str = "") -> Piece:
    return html.Label([
        html.Span(label),
        dcc.Input(
            id=f"{ID}-{name}", name=name, value=value, placeholder=example, maxLength=20,
            autoComplete="off",
        ),
    ])  # fmt: skip


# ── frame and instant ──────────────────────────────────────────────────────────────────────


def _frames(view: Explore) -> list[Piece]:
    options = [
        (word.removeprefix("Đơn vị ").capitalize(),
         view.address(frame="" if name == "then" else name),
         name == (view.frame or "then"))
        for name, word in text.FRAMES.items()
    ]  # fmt: skip
    held = as_of()
    day = text.day(today()) if held else ""
    said = f"Số như đã biết {known_at()}." if held else "Để trống: số mới nhất."
    return [
        components.choice(options, label="Khung đơn vị"),
        html.P(text.FRAME_SAYS[view.frame], className="under") if view.frame else None,
        _form(view, [_field("as_of", "Như đã biết hết ngày", day, "ngày/tháng/năm")]),
        html.P(said, className="under"),
    ]


def go(view: Explore, count: int) -> list[Piece]:
    """What was ticked and is not shown yet: how many rows, and the way there."""
    return [
        html.Span(f"{text.number(count)} dòng"),
        dcc.Link("Xem số liệu", href=view.address(), className="button strong"),
    ]
