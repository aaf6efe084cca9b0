"""One run in full: who gave the file that it took, what came of it, and what was not taken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dash import html

from kpi import query
from layouts import components, text, theme
from layouts.components import Piece
from layouts.lines import Row
from layouts.state import ask, rows

COUNTS = (
    ("read", "đọc"),
    ("new", "mới"),
    ("changed", "sửa"),
    ("same", "giống hoặc cũ hơn số đang có"),
    ("rejected", "loại"),
    ("gone", "mất"),
)
MOST = 500  # rejections that are looked through


def card(source: str, run: str) -> Piece:
    """The run of an address; nothing where it names none of this source."""
    if not run.isdecimal() or len(run) > 9:
        return None
    found = ask(query.runs, sources=[source], numbers=[int(run)]).to_dict("records")
    if not found:
        return None
    row = found[0]
    return components.card(
        f"Lượt đọc {run}" + _what(row),
        components.facts(_facts(row), class_name="source-facts"),
        html.P(row["note"], className="under") if row["note"] else None,
        refused(source, int(run)),
        id=f"run-{run}",
    )


def _what(row: Row) -> str:
    if not row["given_by"]:
        return ""
    return ": đọc lại dòng bị loại" if _replays(row) else ": tệp nhập tay"


def _replays(row: Row) -> bool:
    return bool(row["address"] == query.REFUSED_ROWS)


def _facts(row: Row) -> list[tuple[str, Piece]]:
    mark = theme.outcome(row["outcome"] or "")
    shape = components.shape(mark, f"hue-run-{row['outcome'] or 'running'}")
    by_hand = row["given_by"]
    return [
        ("Người yêu cầu" if _replays(row) else "Người đưa", by_hand),
        ("Tệp" if by_hand and not _replays(row) else "Nơi đọc", place(row)),
        ("Mã băm SHA-256", html.Code(row["response_hash"], className="place")),
        ("Bắt đầu", text.minute(row["started_at"])),
        ("Kết quả", html.Span([shape, html.Span(mark.word, className="word")], className="status")),
        ("Đếm", counts(row)),
    ]


def place(row: Row) -> str:
    """Where a run read: a file, a path; its source by name where it says no more than that."""
    if row["address"] != row["source"]:
        return str(row["address"])
    named = {one["source"]: one["name"] for one in rows(query.sources)}
    return str(named.get(row["source"], row["address"]))


def counts(row: Row) -> str:
    """đọc 3, mới 2, loại 1."""
    known = [(word, row.get(name)) for name, word in COUNTS]
    return ", ".join(f"{word} {text.number(n)}" for word, n in known if text.known(n) and n)


def refused(source: str, run: int, *, shown: int = 30) -> Piece:
    """Why rows of a run were not taken, with where each stands in the file."""
    found: list[dict[str, Any]] = ask(query.rejections, sources=[source], limit=MOST).to_dict(
        "records"
    )
    mine = once(item for item in found if item["run"] == run)
    if not mine:
        return None
    more = f" {text.number(shown)} dòng đầu:" if len(mine) > shown else ""
    return html.Div(
        [
            html.P(f"{text.number(len(mine))} dòng bị loại hoặc nghi ngờ.{more}"),
            components.table(
                ["Vị trí trong tệp", "Lý do"],
                [
                    (html.Code(position or text.NONE, className="place"), "; ".join(reasons))
                    for position, reasons in mine[:shown]
                ],
            ),
        ],
        className="refused",
    )


def once(found: Iterable[Row]) -> list[tuple[str, list[str]]]:
    """Each rejected row once, with all that was said against it; what has no place by itself."""
    told: dict[str, list[str]] = {}
    nowhere: list[tuple[str, list[str]]] = []
    for item in found:
        if not item["position"]:
            nowhere.append(("", [item["reason"]]))
        elif item["reason"] not in told.setdefault(item["position"], []):
            told[item["position"]].append(item["reason"])
    return [*told.items(), *nowhere]
