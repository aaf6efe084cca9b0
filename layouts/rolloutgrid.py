"""The basic smart-city services by district area: not yet, piloted or operating, since when."""

from __future__ import annotations

from dash import dcc, html

from kpi import query
from layouts import components, lately, places, records, text, theme
from layouts.components import Piece
from layouts.lines import AREA, Row
from layouts.state import link, rows

WHOLE = "Toàn địa bàn"


def card() -> Piece:
    """Services down, areas across, the whole territory last; each cell leads to its record."""
    found = rows(query.rollout)
    by = {(row["service"], row["org_unit"]): row for row in found}
    areas = list(dict.fromkeys(row["org_unit"] for row in found))
    services = {row["service"]: row["name"] for row in found}
    short = {row["org_unit"]: _short(row) for row in found}
    head = [
        html.Th("Dịch vụ", className="r-name", scope="col"),
        *(html.Th(_area(uid, short[uid]), className=_class(uid), scope="col") for uid in areas),
    ]
    body = [
        html.Tr([
            html.Th(dcc.Link(name, href=f"/sector/{service}"), className="r-name", scope="row"),
            *(_cell(by[service, uid], short[uid]) for uid in areas),
        ])
        for service, name in services.items()
    ]
    return components.card(
        "Triển khai các dịch vụ cơ bản: từ Đồng Hới ra toàn địa bàn",
        html.P([_says(found), lately.reached({row["source"] for row in found})], className="says"),
        html.Div(
            html.Table([html.Thead(html.Tr(head)), html.Tbody(body)], className="rollout"),
            className="table-scroll",
        ),
        _legend(),
        note=components.downloads("/api/v1/rollout", link, len(found)),
    )


def _area(uid: str, name: str) -> Piece:
    return dcc.Link(name, href=places.address(uid))


def _short(row: Row) -> str:
    if row["org_unit"] == AREA:
        return WHOLE
    return row["area"].removeprefix("Địa bàn ").removesuffix(" (cũ)")


def _class(uid: str) -> str:
    return "r-whole" if uid == AREA else "r-area"


def _cell(row: Row, area: str) -> Piece:
    """Shape and word, since when, and the document that shows it."""
    mark = theme.ROLLOUT.get(row["state"], theme.ROLLOUT[""])
    inside: list[Piece] = [components.told(mark)]
    if row["state"]:
        began = f"từ {text.day(row['since'])}" if row["state"] != "none" else ""
        checked = f"kiểm tra {text.day(row['checked_on'])}" if row["state"] == "none" else ""
        inside.append(html.Span(text.join([began, checked]), className="under"))
    if row["evidence"]:
        paper = dcc.Link(row["evidence"], href=records.address(row["source"], row["key"]))
        inside.append(html.Span(paper, className="under r-paper"))
    return html.Td(
        inside,
        className=_class(row["org_unit"]),
        **{
            "data-label": area,
            "data-service": row["service"],
            "data-area": row["org_unit"],
            "data-state": row["state"],
        },
    )


def _says(found: list[Row]) -> str:
    """4/5 dịch vụ vận hành trên toàn địa bàn, 1 thí điểm."""
    whole = [row["state"] for row in found if row["org_unit"] == AREA and row["state"]]
    if not whole:
        return "Chưa có số liệu về việc triển khai. "
    pilots = whole.count("pilot")
    words = f"{whole.count('operating')}/{len(whole)} dịch vụ vận hành trên toàn địa bàn"
    return f"{words}, {pilots} dịch vụ đang thí điểm. " if pilots else f"{words}. "


def _legend() -> Piece:
    return html.Div([components.told(mark) for mark in theme.ROLLOUT.values()], className="legend")
