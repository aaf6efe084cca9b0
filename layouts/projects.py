"""The projects of the plan: what is overdue, where the money is, the roadmap, and all of them."""

from __future__ import annotations

from typing import Any

from dash import Input, Output, State, dcc, html

from kpi import query
from layouts import components, funding, lately, places, projectlist, roadmap, shell, text, theme
from layouts.components import Piece
from layouts.lines import Row
from layouts.projectview import Asked, Found, again, find, look
from layouts.slots import changed, marks, memory
from layouts.state import callback, count, desk, link, now

PARTS = ("head", "overdue", "funding", "roadmap", "list")


def layout(**given: Any) -> Piece:
    """The projects that the address asks for: by sector, by who answers for them, by state."""
    asked = look(given)
    if asked is None:
        return shell.not_found()
    found = find(asked)
    shown = pieces(found)
    return shell.desk_page(
        dcc.Store(id="projects-asked", data=asked.given),
        memory("projects", shown),
        _title(found, shown),
        _choices(asked),
        html.Div(shown["overdue"], id="projects-overdue", className="sector-part"),
        html.Div(shown["funding"], id="projects-funding"),
        html.Div(shown["roadmap"], id="projects-roadmap", className="stack"),
        html.Div(shown["list"], id="projects-list"),
        active="/projects",
    )


@callback(
    *(Output(f"projects-{part}", "children") for part in PARTS),
    Output("projects-seen", "data"),
    Input("live", "data"),
    State("projects-asked", "data"),
    State("projects-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, given: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = pieces(find(again(given)))
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


def pieces(found: Found) -> dict[str, Any]:
    """All that follows the data."""
    return {
        "head": head(found),
        "overdue": _overdue(found),
        "funding": funding.card(found),
        "roadmap": roadmap.cards(found),
        "list": projectlist.card(found),
    }


def _title(found: Found, shown: dict[str, Any]) -> Piece:
    mark = desk().store.catalogue.portfolio.mark
    many = f"{len(found.rows)} dự án"
    if found.asked.narrowed:
        many += f" trong {len(desk().store.catalogue.portfolio.projects)}"
    return html.Div(
        [
            html.Div([
                html.H1("Dự án của Đề án"),
                html.P(text.join([many, shell.scope()]), className="lede"),
                html.P(mark, className="register-mark") if mark else None,
            ]),
            html.Div(shown["head"], id="projects-head", className="projects-head"),
        ],
        className="title-row",
    )


def head(found: Found) -> list[Piece]:
    """How many projects are in each state, and how old the reports are."""
    counts = [
        html.Span(
            [
                components.shape(mark, f"hue-{mark.shape}" if name == "overdue" else ""),
                html.Span(str(number), className="count-number"),
                html.Span(mark.word.lower(), className="count-word"),
            ],
            className="count",
            **{"data-state": name, "data-count": str(number)},
        )
        for name, mark in theme.PROJECT.items()
        if (number := sum(row["state"] == name for row in found.rows))
    ]
    sources = {row["source"] for row in found.milestones} | {"projects", "disbursements"}
    return [
        html.Div(counts, className="counts sector-counts"),
        html.P([lately.reached(sources), _reported(found)], className="under"),
    ]


def _reported(found: Found) -> str:
    told = [row["reported_at"] for row in found.rows if text.known(row["reported_at"])]
    if not told:
        return "Chưa có báo cáo nào về các dự án."
    return f"Báo cáo mới nhất ngày {text.day(max(told))}."


def _choices(asked: Asked) -> Piece:
    """The filters as links: what is chosen stands in the address."""
    every = find(Asked()).rows
    names = desk().store.catalogue.sectors
    sectors = dict.fromkeys(row["sector"] for row in every)
    owners = {row["org_unit"]: row["owner_name"] for row in every if row["org_unit"]}
    states = {name: mark.word for name, mark in theme.PROJECT.items()}
    offered = (
        ("Tình trạng", "state", "Mọi tình trạng", states),
        ("Lĩnh vực", "sector", "Mọi lĩnh vực", {key: names[key] for key in sectors}),
        ("Chủ trì", "org_unit", "Mọi cơ quan", _by_name(owners)),
    )
    return html.Div([_choice(asked, *one) for one in offered], className="toolbar projects-filters")


def _choice(asked: Asked, label: str, name: str, every: str, words: dict[str, str]) -> Piece:
    """One filter, folded: its summary says what is chosen."""
    chosen = asked.given[name]
    options = [
        (word, link("/projects", **(asked.given | {name: value})), value == chosen)
        for value, word in ({"": every} | words).items()
    ]
    return html.Details(
        [
            html.Summary(f"{label}: {words.get(chosen, every).lower()}"),
            components.choice(options, label=label),
        ],
        className="filter",
    )


def _by_name(owners: dict[str, str]) -> dict[str, str]:
    return dict(sorted(owners.items(), key=lambda one: places.alphabetical(one[1])))


# ── what is late ───────────────────────────────────────────────────────────────────────────


def _overdue(found: Found) -> Piece:
    """Open milestones past their day, the oldest first."""
    late = sorted(found.late, key=lambda one: one[1]["due_at"])
    if not late:
        return None
    many = count(query.records, kinds=["milestone"], overdue=True)
    return components.card(
        f"{len(late)} mốc quá hạn",
        components.table(
            ["Mốc", "Dự án", "Chủ trì", "Tình trạng", ("Hạn", "num"), ("Quá hạn", "num")],
            [_late(project, row) for project, row in late],
            class_name="late-list",
        ),
        note=components.downloads("/api/v1/records", link, many, kind="milestone", overdue=1),
    )


def _late(project: Row, row: Row) -> tuple[Piece, ...]:
    return (
        dcc.Link(projectlist.name_of(project, row), href=projectlist.address(row)),
        html.Span([html.Span(project["project"], className="target-id"), f" {project['name']}"]),
        project["owner_name"] or text.NONE,
        text.code("state", row["state"]),
        text.day(row["due_at"]),
        text.duration(now() - row["due_at"]),
    )
