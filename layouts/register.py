"""The register: every target of the plan with its outcome, its live figure and its owner."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, dcc, html

from layouts import assessments, components, matrix, plans, shell, text, theme
from layouts.components import Piece
from layouts.lines import (
    Line,
    Row,
    by_hand,
    closed,
    figure,
    headline,
    lines,
    loading,
    tally,
)
from layouts.sentence import says
from layouts.slots import Pieces, changed, keys, marks, memory, slot
from layouts.state import callback, desk, link, now, today

HEAD = (
    ("Chỉ tiêu", "c-name"),
    ("Mức giao", "c-level"),
    ("Kết quả chốt", "c-outcome"),
    ("", "c-bar"),
    ("Hiện nay", "c-live"),
    ("Ngày chốt", "c-day"),
    ("Chủ trì", "c-owner"),
)


def layout(plan: str = "", **_: Any) -> Piece:
    """The first page: counts, register, matrix; of the plan in force, or of the one asked for."""
    if absent := plans.absent(plan):
        return shell.desk_page(absent, active="/")
    found, grid = lines(plan=plan), matrix.grid(plan)
    shown = pieces(found, grid)
    return shell.desk_page(
        memory("register", shown),
        dcc.Store(id="register-plan", data=plan),
        html.Div(summary(found, shown, plan), id="register-summary"),
        plans.choice(lambda other: link("/", plan=other), plan),
        plans.banner(plan),
        register(found, shown, ended=plans.ended(plan)),
        matrix.card(found, grid, shown),
        active="/",
    )


def pieces(found: list[Line], grid: matrix.Grid) -> dict[str, Piece]:
    """All that follows the data, by slot."""
    shown: dict[str, Piece] = {"counts": components.counts(tally(found))}
    for line in found:
        shown |= {
            f"{line.id}:class": f"s-{line.status}{' muted' if line.muted else ''}",
            f"{line.id}:status": line.status,
            f"{line.id}:outcome": outcome(line),
            f"{line.id}:bar": bar(line),
            f"{line.id}:live": live(line),
        }
    return shown | matrix.rows(found, grid)


@callback(
    Output("counts", "children"),
    Output({"slot": "register", "key": ALL}, "children"),
    Output({"slot": "register-row", "key": ALL}, "className"),
    Output({"slot": "register-row", "key": ALL}, "data-status"),
    Output("register-seen", "data"),
    Input("live", "data"),
    State({"slot": "register", "key": ALL}, "id"),
    State({"slot": "register-row", "key": ALL}, "id"),
    State("register-seen", "data"),
    State("register-plan", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, cells: Any, rows: Any, seen: Any, plan: Any = "") -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    asked = str(plan or "")
    found = lines(plan=asked)
    shown = pieces(found, matrix.grid(asked))
    new, targets = marks(shown), keys(rows)
    return (
        changed(shown, new, ["counts"], seen)[0],
        changed(shown, new, keys(cells), seen),
        changed(shown, new, [f"{target}:class" for target in targets], seen),
        changed(shown, new, [f"{target}:status" for target in targets], seen),
        new,
    )


# ── counts ─────────────────────────────────────────────────────────────────────────────────


def summary(found: list[Line], shown: Pieces, plan: str = "") -> list[Piece]:
    """Title and counts per status; never one composite score."""
    said = plans.plan(plan)
    numeric = sum(line.numeric for line in found)
    rows = sum(len(line.parts) + 1 for line in found)  # a target has one beside its parts
    return [
        html.Div([
            html.H1(plans.heading(plan)),
            html.P(
                text.join([
                    f"{len(found)} chỉ tiêu, {numeric} có số giao",
                    f"chốt {text.day(said.ends)}" if said else "",
                    f"phạm vi: {shell.scope()}",
                ]),
                className="lede",
            ),
        ]),
        html.Div(shown["counts"], className="counts", id="counts"),
        components.downloads("/api/v1/standings", link, rows, plan=plan),
    ]


# ── the register ───────────────────────────────────────────────────────────────────────────


def register(found: list[Line], shown: Pieces, *, ended: bool = True) -> Piece:
    """A row for every target, in the plan's order; ``ended``: the plan is over."""
    body, last = [], None
    for line in found:
        first = line.target["bullet"] != last
        last = line.target["bullet"]
        body.append(_row(line, shown, first=first, ended=ended))
    return html.Section(
        html.Div(
            html.Table(
                [
                    html.Thead(
                        html.Tr([
                            html.Th(_heading(c, ended=ended), className=c, scope="col")
                            for _, c in HEAD
                        ])
                    ),
                    html.Tbody(body),
                ],
                className="register",
            ),
            className="table-scroll",
        ),
        className="card flush",
        **{"aria-label": "Danh sách chỉ tiêu"},
    )


def _heading(column: str, *, ended: bool) -> str:
    """The heading of a column; while the plan runs its outcomes are not closing ones."""
    word = next(word for word, name in HEAD if name == column)
    return word if ended or column != "c-outcome" else "So với tiến độ"


def _said(column: str, *, ended: bool = True) -> dict[str, str]:
    """A cell's class, and its heading for a phone, where rows become cards."""
    return {"className": column, "data-label": _heading(column, ended=ended)}


def _row(line: Line, shown: Pieces, *, first: bool, ended: bool) -> Piece:
    name = html.Td(_name(line), className="c-name first" if first else "c-name")
    if line.status == "no_source":
        middle = [html.Td(without_source(line), className="c-outcome c-without", colSpan=3)]
    else:
        middle = [
            slot("register", f"{line.id}:{part}", shown, html.Td, **_said(f"c-{part}", ended=ended))
            for part in ("outcome", "bar", "live")
        ]
    return html.Tr(
        [
            name,
            html.Td(_level(line), **_said("c-level")),
            *middle,
            html.Td(_days(line), **_said("c-day")),
            html.Td(line.owner or text.NONE, **_said("c-owner")),
        ],
        id={"slot": "register-row", "key": line.id},
        className=shown[f"{line.id}:class"],
        **{"data-target": line.id, "data-status": line.status},
    )


def _name(line: Line) -> Piece:
    target = line.target
    return html.Div(
        [
            html.Span(f"{target['bullet']:.0f}", className="bullet-number"),
            html.Div([
                dcc.Link(line.name, href=line.href, className="target-name"),
                html.Span(line.id, className="target-id"),
                *_sectors(line),
                components.more(
                    "Nguyên văn trong đề án" if not line.target["mark"] else "Câu của ví dụ",
                    html.Blockquote(target["sentence"]),
                    html.P(target["citation"], className="cite"),
                    class_name="more quiet",
                ),
            ]),
        ],
        className="name-cell",
    )


def _sectors(line: Line) -> list[Piece]:
    """The ways to the sectors that a target measures."""
    catalogue = desk().store.catalogue
    keys = dict.fromkeys(catalogue.indicators[part.indicator].sector for part in line.parts)
    return [
        dcc.Link(catalogue.sectors[key], href=f"/sector/{key}", className="target-sector")
        for key in keys
    ]


def _level(line: Line) -> Piece:
    who = ", ".join(dict.fromkeys(text.POPULATION.get(p.population, "") for p in line.parts))
    return html.Div([
        html.Span(line.level, className="level"),
        html.Span(who, className="under"),
        html.Span("hai cách đọc", className="flag", title=_readings(line))
        if text.known(line.target.get("second_reading"))
        else None,
    ])


def _readings(line: Line) -> str:
    rules = [line.target["plan_reading"], line.target["second_reading"]]
    other = next(rule for rule in rules if rule != line.target["reading_in_force"])
    other = text.reading(other) if any(c.isdigit() for c in other) else "định tính"
    return f"Đang dùng: {line.level}; cách đọc thứ hai: {other}"


def outcome(line: Line) -> Piece:
    """The figure that decides, its status, and the sentence: its counts and what is missing."""
    if len(line.parts) > 1:
        return html.Div([
            components.status(line.status, muted=line.muted),
            *map(_part(line), line.parts),
        ])
    row = line.row
    shown = headline(row, line.lines)
    return html.Div(
        [
            html.Span(shown, className="figure") if shown != text.NONE else None,
            components.status(line.status, muted=line.muted),
            html.Span(
                says(line, line.parts[0]) if shown != text.NONE else "", className="under says-line"
            ),
            html.Span(needed(row), className="under") if needed(row) else None,
            html.Span("chưa ký chốt", className="under")
            if closed(row) and shown != text.NONE and not text.known(row.get("closing_signed_at"))
            else None,
            hand_mark(row),
            None if line.numeric else assessments.brief(line.assessment),
        ],
        className="outcome",
    )


def needed(row: Row) -> str:
    """cần +1,2 điểm/tháng; đến 20/06/2024 phải có 64,1 %: what an open target still asks for."""
    need = row.get("required_per_month")
    if closed(row) or not text.known(need) or not need or not text.known(row.get("pace")):
        return ""
    paced = f"đến {text.day(today())} phải có {text.share(row['pace'])}"
    return f"cần {text.points(need)}/tháng; {paced}"


def _part(line: Line) -> Any:
    def draw_part(part: Any) -> Piece:
        mark = theme.status(part.row.get("status", ""))
        return html.Div(
            [
                components.shape(
                    mark,
                    "" if line.early(part) else f"hue-{part.row.get('status')}",
                    label=mark.word,
                ),
                dcc.Link(part.label, href=line.address(part.indicator)),
                html.Span(
                    headline(part.row, line.lines),
                    className="figure small",
                    **{"data-word": mark.word.lower()},  # for paper, beside the shape
                ),
                hand_mark(part.row),
            ],
            className="part",
        )

    return draw_part


def bar(line: Line) -> Piece:
    """The deciding figure against the threshold; none where parts have one each."""
    row, target = line.row, line.target
    value = row.get("closing_value") if closed(row) else row.get("value")
    if not line.numeric or len(line.parts) > 1:
        return None
    return components.bullet(value, target["threshold"], target.get("threshold_high"))


def live(line: Line) -> Piece:
    """The live figure with its age and clocks, compared in words only."""
    row = line.row
    shown = figure(row, line.lines)
    if len(line.parts) > 1 or shown == text.NONE:
        return html.Span("chưa có số liệu" if len(line.parts) == 1 else "", className="under")
    return html.Div(
        [
            html.Span(shown, className="figure live-figure"),
            components.freshness(row.get("freshness") or ""),
            html.Span(
                text.against(row.get("value"), *line.lines) if line.numeric else "",
                className="under",
            ),
            clocks(row),
            html.Span(loading(row), className="under"),
        ],
        className="live",
    )


def hand_mark(row: Row) -> Piece:
    """Says that people gave the figure, or a part of it; leads to the run that took their file."""
    words = by_hand(row)
    if not words:
        return None
    href = link(f"/sources/{row['source']}", run=f"{row['hand_run']:.0f}")
    return dcc.Link(text.join(words), href=href, className="hand-mark")


def clocks(row: Row) -> Piece:
    """The three clocks of a figure, and the limits that its age is judged by."""
    at = now()
    limits = text.join([
        f"coi là trễ từ {text.minute(row.get('late_at'), at)}",
        f"là số cũ từ {text.minute(row.get('stale_at'), at)}",
    ])
    words = text.clocks(row.get("data_as_of"), row.get("polled_at"), at)
    return html.Span(
        [html.Span(word) for word in words],
        className="clocks",
        title=limits if text.known(row.get("late_at")) else None,
    )


def without_source(line: Line) -> Piece:
    """Says so, and which system would have to be connected."""
    catalogue = desk().store.catalogue
    names = {
        catalogue.sectors.get(found.sector, "")
        for part in line.parts
        if (found := catalogue.indicators.get(part.indicator))
    }
    needs = ", ".join(sorted(filter(None, names)))
    return html.Div(
        [
            components.status("no_source"),
            html.Span(f"Cần nối hệ thống: {needs}" if needs else "", className="under"),
            None if line.numeric else assessments.brief(line.assessment),
        ],
        className="outcome",
    )


def _days(line: Line) -> Piece:
    if line.locked:
        return html.Span(f"đã khóa {text.short_day(line.closing)}", className="locked-day")
    days = dict.fromkeys(text.day(part.closing) for part in line.parts)
    early = [p for p in line.parts if p.closing and line.closing and p.closing < line.closing]
    return html.Div([
        html.Span(text.day(line.closing) if days else text.NONE),
        *[
            html.Span(f"{p.label.lower()}: đã khóa {text.short_day(p.closing)}", className="under")
            for p in early
        ],
    ])
