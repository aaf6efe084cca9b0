"""The plan's tasks and solutions: the exact sentence, who leads it, where it stands, by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dash import dcc, html

from kpi import query
from layouts import components, places, text, theme
from layouts.components import Piece
from layouts.lines import Row, split
from layouts.state import FILTERS, as_of, desk, link, rows

HEAD = (
    ("Nhiệm vụ, giải pháp", "t-sentence"),
    ("Chủ trì", "t-owner"),
    ("Phối hợp", "t-others"),
    ("Trạng thái", "t-state"),
    ("Bằng chứng", "t-evidence"),
)


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of an address: all, or those of one state."""

    state: str
    every: list[Row]

    @property
    def rows(self) -> list[Row]:
        return [row for row in self.every if self.state in ("", row["state"])]


def look(state: str, given: Mapping[str, Any]) -> Tasks | None:
    """The tasks that an address asks for; None when it names something that we do not have."""
    if any(given.get(name) for name in FILTERS) or str(state) not in ("", *theme.TASK):
        return None
    return Tasks(str(state), [] if as_of() else rows(query.tasks))


def card(tasks: Tasks) -> Piece:
    """The register: every dash of section 4, in its order."""
    register = desk().store.catalogue.tasks
    if as_of():
        return components.card(
            f"Nhiệm vụ và giải pháp (mục {register.section})",
            html.P("Trạng thái của nhiệm vụ ghi trong tệp của hiện nay, không có lịch sử."),
            id="tasks",
        )
    titles = [html.Th(word, className=kind, scope="col") for word, kind in HEAD]
    body = [_row(row) for row in tasks.rows]
    empty = html.P("Không có nhiệm vụ nào ở trạng thái này.", className="under")
    same = {"state": tasks.state} if tasks.state else {}
    return components.card(
        f"Nhiệm vụ và giải pháp (mục {register.section})",
        html.P(register.mark, className="register-mark") if register.mark else None,
        html.Div(_choices(tasks), className="toolbar tasks-filter"),
        html.Div(
            html.Table([html.Thead(html.Tr(titles)), html.Tbody(body)], className="tasks"),
            className="table-scroll",
        )
        if body
        else empty,
        note=components.downloads("/api/v1/tasks", link, len(body), **same),
        id="tasks",
    )


def _choices(tasks: Tasks) -> Piece:
    """How many tasks are in each state; each count is the way to them."""
    options = [(f"Tất cả ({len(tasks.every)})", link("/orientation"), not tasks.state)]
    for name, mark in theme.TASK.items():
        number = sum(row["state"] == name for row in tasks.every)
        word = f"{mark.word} ({number})"
        options.append((word, link("/orientation", state=name), name == tasks.state))
    return components.choice(options, label="Trạng thái của nhiệm vụ")


def _row(row: Row) -> Piece:
    cells = (_sentence(row), _owner(row), _others(row), _state(row), row["evidence"])
    return html.Tr(
        [
            html.Td(cell, className=kind, **({"data-label": word} if kind != "t-sentence" else {}))
            for cell, (word, kind) in zip(cells, HEAD, strict=True)
        ],
        **{"data-task": row["task"], "data-state": row["state"]},
    )


def _sentence(row: Row) -> Piece:
    return html.Div(
        [
            html.Span(f"{row['bullet']:.0f}", className="bullet-number"),
            html.Div([
                html.Span(row["short"], className="target-name"),
                html.Span(row["task"], className="target-id"),
                components.more(
                    "Nguyên văn trong đề án",
                    html.Blockquote(row["sentence"]),
                    html.P(row["citation"], className="cite"),
                    class_name="more quiet",
                ),
            ]),
        ],
        className="name-cell first",
    )


def _owner(row: Row) -> Piece:
    if not row["org_unit"]:
        return text.NONE
    return dcc.Link(row["owner_name"], href=places.address(row["org_unit"]))


def _others(row: Row) -> str:
    names = [name.strip() for name in split(row["co_owner_names"])]
    return (
        ", ".join(dict.fromkeys(name for name in names if name != row["owner_name"])) or text.NONE
    )


def _state(row: Row) -> Piece:
    return html.Div([
        components.told(theme.TASK[row["state"]]),
        html.Span(f"tại ngày {text.day(row['stated_on'])}", className="under"),
    ])
