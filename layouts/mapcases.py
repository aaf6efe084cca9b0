"""Cases on the map: where they are, how they stand, and which of them are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from dash import html

from kpi import query
from layouts import components, text
from layouts.components import Piece
from layouts.lines import AREA, Row
from layouts.mapview import DAYS, MapView
from layouts.state import desk, now, rows, today

MOST = 1000
"""Pins of one map; the newest ones, and the page says how many more there are."""
KINDS = {"field_report": "Phản ánh hiện trường"}
STATES = {
    "received": "Tiếp nhận",
    "dispatched": "Đã chuyển",
    "in_progress": "Đang xử lý",
    "resolved": "Có kết quả",
    "rejected": "Từ chối",
}
LOOKS = {  # how a case stands: word, shape
    "overdue": ("quá hạn", "off_track"),
    "open": ("trong hạn", "on_track"),
    "closed": ("đã xong", "met"),
}


def cases(view: MapView) -> list[Row]:
    """The located cases that the address asks for, newest first: open ones unless dated."""
    chosen: dict[str, Any] = {"located": True, "limit": MOST + 1}
    if view.org_unit != AREA:
        chosen["org_units"] = [view.org_unit]
    if view.kind:
        chosen["kinds"] = [view.kind]
    if view.state:
        chosen["states"] = [view.state]
    if view.days:
        chosen["opened_from"] = today() - timedelta(days=int(view.days) - 1)
    elif not view.state:
        chosen["open_only"] = True
    if not hasattr(query, "records"):
        return []
    return rows(query.records, **chosen)


def pins(found: list[Row]) -> dict[str, Any]:
    """The cases as points; nothing in them moves with the clock but what is overdue."""
    return {"type": "FeatureCollection", "features": [_pin(row) for row in found[:MOST]]}


def _pin(row: Row) -> dict[str, Any]:
    look = stands(row)
    word, shape = LOOKS[look]
    kind = KINDS.get(row["kind"], row["kind"])
    state = STATES.get(row["state"], row["state"])
    due = f"Hạn {text.minute(row['due_at'])}, {word}" if text.known(row["due_at"]) else ""
    return {
        "type": "Feature",
        "id": f"{row['source']}/{row['key']}",
        "properties": {
            "title": text.join([kind, state.lower(), word]),
            "unit": desk().orgunits[row["org_unit"]].name,
            "opened": f"Tiếp nhận {text.minute(row['opened_at'])}",
            "since": row["opened_at"].isoformat(),
            "due": due,
            "href": f"/record/{quote(row['source'], safe='')}/{quote(row['key'], safe='')}",
            "look": look,
            "shape": shape,
        },
        "geometry": {"type": "Point", "coordinates": [row["lon"], row["lat"]]},
    }


def stands(row: Row) -> str:
    """Whether a case is closed, past its due instant, or open in time."""
    if text.known(row["closed_at"]):
        return "closed"
    return "overdue" if text.known(row["due_at"]) and row["due_at"] < now() else "open"


def told(found: list[Row]) -> Piece:
    """How many cases are drawn, how many of them are overdue, and that there are more."""
    drawn = found[:MOST]
    late = sum(stands(row) == "overdue" for row in drawn)
    more = f"chỉ vẽ {text.number(MOST)} vụ mới nhất" if len(found) > MOST else ""
    said = [f"{text.number(len(drawn))} vụ việc trên bản đồ"]
    said += [f"{text.number(late)} quá hạn" if late else "", more]
    marks = [
        html.Span(
            [html.Span(className=f"shape shape-{shape} pin-{name}"), word], className="map-look"
        )
        for name, (word, shape) in LOOKS.items()
    ]
    return html.Div(
        [html.P(text.sentence(text.join(said))), html.P(marks, className="map-looks")],
        className="map-told",
    )


def filters(view: MapView) -> Piece:
    """Which cases: by kind, by state and by when they were opened; each choice is a link."""
    kinds = [("Mọi loại", "")] + [(word, kind) for kind, word in KINDS.items()]
    states = [("Mọi trạng thái", "")] + [(word, state) for state, word in STATES.items()]
    times = [("Đang mở", "")] + [(f"{days} ngày", days) for days in DAYS]
    rows_ = (
        ("Loại vụ việc", "kind", kinds if len(kinds) > 2 else []),
        ("Mở trong", "days", times),
        ("Trạng thái", "state", states),
    )
    return html.Div(
        [
            components.choice(
                [
                    (word, view.address(**{name: value}), getattr(view, name) == value)
                    for word, value in options
                ],
                label=label,
            )
            for label, name, options in rows_
            if options
        ],
        className="toolbar",
    )
