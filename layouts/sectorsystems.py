"""The systems behind a sector: their newest records, how old they are, how their polls went."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from kpi import query
from layouts import components, places, records, text, theme
from layouts.components import Piece
from layouts.lines import Row
from layouts.sectorview import Sector, reach
from layouts.sources import RUNS, blocks
from layouts.state import count, link, now, rows

SHOWN = 8  # newest records on the page; the list has all
HEAD = (("Tiếp nhận", "num"), "Mã", "Đơn vị", "Trạng thái", "So với hạn")


def cases(sector: Sector) -> Piece:
    """The newest records of the sector's own systems, and the way to all of them."""
    if not sector.kinds:
        return None
    own = [key for key, row in sector.sources.items() if row["sector"] == sector.key]
    asked: dict[str, Any] = {"sources": own, "kinds": sector.kinds}
    found = rows(query.records, limit=SHOWN, **asked)
    same = {"source": ",".join(own), "kind": ",".join(sector.kinds)}
    title = ", ".join(text.code("kind", kind) for kind in sector.kinds)
    if not found:
        return components.card(title, html.P("Chưa có bản ghi nào.", className="says"))
    many = count(query.records, **asked)
    return components.card(
        title,
        _table(sector, found),
        html.P(
            dcc.Link(f"Xem cả {text.number(many)} bản ghi", href=link("/records", **same)),
            className="map-more",
        ),
        note=components.downloads("/api/v1/records", link, many, **same),
    )


def _table(sector: Sector, found: list[Row]) -> Piece:
    """The records; how they stand to a deadline only where any has one."""
    due = any(text.known(row["due_at"]) for row in found)
    columns = len(HEAD) if due else len(HEAD) - 1
    body = [_case(sector, row)[:columns] for row in found]
    return components.table(HEAD[:columns], body, class_name="sector-cases")


def _opened(row: Row) -> str:
    """When it was opened; a day where its source tells no more than that."""
    here = text.local(row["opened_at"])
    if (here.hour, here.minute) == (0, 0):
        return text.day(here)
    return text.minute(row["opened_at"], now())


def _case(sector: Sector, row: Row) -> tuple[Piece, ...]:
    kind = text.code("kind", row["kind"]) if len(sector.kinds) > 1 else ""
    return (
        _opened(row),
        [records.named(row), html.Span(kind, className="under")],
        records.unit(row["org_unit_done"] or row["org_unit"]),
        text.code("state", row["state"]),
        records.standing(row, now()),
    )


def sources(sector: Sector) -> Piece:
    """Every system behind the sector: how old its figures are and how its last polls went."""
    if not sector.sources:
        return components.card("Nguồn dữ liệu", _without_source(sector))
    keys = list(sector.sources)
    runs = rows(query.runs, sources=keys, limit=RUNS)
    return components.card(
        "Nguồn dữ liệu",
        html.Ul(
            [
                _source(row, [run for run in runs if run["source"] == key])
                for key, row in sector.sources.items()
            ],
            className="feeding sector-feeding",
        ),
        note=components.downloads("/api/v1/sources", link, len(keys), source=",".join(keys)),
    )


def _source(row: Row, runs: list[Row]) -> Piece:
    last = next((run for run in runs if text.known(run["ended_at"])), {})
    words = [reach(row, now())]
    if last:
        outcome = theme.outcome(last["outcome"]).word.lower()
        words.append(f"đọc lúc {text.minute(last['ended_at'], now())}: {outcome}")
    words.append("đang tạm dừng" if row["paused"] else "")
    inside = [
        dcc.Link(row["name"], href=f"/sources/{row['source']}"),
        components.freshness(row["freshness"] if row["freshness"] in theme.FRESHNESS else ""),
    ]
    return html.Li(
        [html.Div(inside), html.Span(text.join(words), className="under"), blocks(runs)],
        **{"data-source": row["source"], "data-freshness": row["freshness"]},
    )


def _without_source(sector: Sector) -> Piece:
    """Says that nothing is connected, and what would have to be."""
    owners = {row["owner_name"] for row in sector.indicators.values() if row["owner_name"]}
    whose = f"Cơ quan chủ quản: {', '.join(sorted(owners, key=places.alphabetical))}."
    return html.Div(
        [
            components.status("no_source"),
            html.P(
                f"Chưa hệ thống nào của lĩnh vực này được nối. Cần nối hệ thống: {sector.name}."
            ),
            html.P(whose) if owners else None,
        ],
        className="absent",
    )
