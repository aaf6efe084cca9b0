"""Cases on the map: where they are, how they stand, and which of them are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from dash import dcc, html

from kpi import query
from layouts import components, lately, text
from layouts.components import Piece
from layouts.lines import Row
from layouts.mapview import DAYS, KINDS, STATES, MapView
from layouts.state import as_of, count, desk, link, now, rows, today

MOST = 1000
"""Pins of one map; the newest ones, and the page says how many more there are."""
ENDED = ("rejected", "withdrawn")
LOOKS = {  # how a case stands: word, shape
    "overdue": ("quá hạn", "off_track"),
    "open": ("trong hạn", "on_track"),
    "closed": ("đã xong", "met"),
}


def cases(view: MapView) -> list[Row]:
    """The located cases that the address asks for, newest first: one more than are drawn."""
    return rows(query.records, limit=MOST + 1, **_asked(view))


def _asked(view: MapView) -> dict[str, Any]:
    """Open cases, unless the address says when they were opened or in which state they are."""
    chosen: dict[str, Any] = {"located": True}
    if not view.whole:
        chosen["org_units"] = [view.org_unit]
    if view.kind:
        chosen["kinds"] = [view.kind]
    if view.state:
        chosen["states"] = [view.state]
    if view.days:
        chosen["opened_from"] = today() - timedelta(days=int(view.days) - 1)
    elif not view.state:
        chosen["open_only"] = True
    return chosen


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
            "since": "" if as_of() else row["opened_at"].isoformat(),
            "due": due,
            "href": link(f"/record/{quote(row['source'], safe='')}/{quote(row['key'], safe='')}"),
            "look": look,
            "shape": shape,
        },
        "geometry": {"type": "Point", "coordinates": [row["lon"], row["lat"]]},
    }


def stands(row: Row) -> str:
    """Whether a case is closed, past its due instant, or open in time."""
    if text.known(row["closed_at"]) or row["state"] in ENDED:
        return "closed"
    return "overdue" if text.known(row["due_at"]) and row["due_at"] < now() else "open"


def told(view: MapView, found: list[Row]) -> Piece:
    """How many cases are drawn, how many of them are overdue, and how many more there are."""
    drawn = found[:MOST]
    late = sum(stands(row) == "overdue" for row in drawn)
    more = ""
    if len(found) > MOST:
        left = count(query.records, **_asked(view)) - MOST
        more = f"{text.number(left)} vụ cũ hơn không vẽ"
    said = [f"{text.number(len(drawn))} vụ việc trên bản đồ"]
    said += [f"{text.number(late)} quá hạn" if late else "", more]
    marks = [
        html.Span(
            [html.Span(className=f"shape shape-{shape} pin-{name}"), word], className="map-look"
        )
        for name, (word, shape) in LOOKS.items()
    ]
    listed = dcc.Link("Danh sách", href=link("/records", **_listed(view)))
    return html.Div(
        [
            html.P([
                text.sentence(text.join(said)),
                " ",
                lately.reached({row["source"] for row in drawn}),
                listed,
            ]),
            html.P(marks, className="map-looks"),
        ],
        className="map-told",
    )


def _listed(view: MapView) -> dict[str, str]:
    """The same cases as a list."""
    asked = _asked(view)
    return {
        "org_unit": "" if view.whole else view.org_unit,
        "kind": view.kind,
        "state": view.state,
        "from_": str(asked.get("opened_from", "")),
        "open": "1" if asked.get("open_only") else "",
        "located": "1",
    }


def filters(view: MapView) -> Piece:
    """Which cases: by kind, by state and by when they were opened; each choice is a link."""
    offered = (
        ("Loại vụ việc", "kind", "Mọi loại", KINDS if len(KINDS) > 1 else {}),
        ("Mở trong", "days", "Đang mở", DAYS),
        ("Trạng thái", "state", "Mọi trạng thái", STATES),
    )
    return html.Div(
        [
            components.choice(
                [
                    (word, view.address(**{name: value}), getattr(view, name) == value)
                    for value, word in ({"": every} | words).items()
                ],
                label=label,
            )
            for label, name, every, words in offered
            if words
        ],
        className="toolbar",
    )
