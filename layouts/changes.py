"""What changed between two dates: the targets whose figure or status moved, and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.errors import IocError
from kpi import query
from layouts import access, components, places, shell, text
from layouts.components import Piece
from layouts.lines import Row, indicators
from layouts.revisionlist import REBUILT
from layouts.slots import changed, marks, memory
from layouts.state import as_of, callback, desk, home, link, now, rows, today, who
from layouts.web.filters import read
from layouts.web.problems import Problem

PARTS = ("body",)
NAMES = ("org_unit", "since", "as_of")
SPANS = ((1, "một ngày"), (7, "một tuần"), (30, "30 ngày"), (91, "ba tháng"))
CAUSES = {
    "new_data": "số liệu mới",
    "corrected": "số liệu sửa",
    "definition": "công thức",
    "target": "mức giao, cách đọc",
    "signature": "ký chốt",
    "org_unit": "sắp xếp đơn vị",
    "clock": "thời gian",
}
DATA = ("new_data", "corrected")
HEAD = (
    ("Chỉ tiêu", "c-target"),
    ("Trước", "c-before"),
    ("", "c-arrow"),
    ("Sau", "c-after"),
    ("Nguyên nhân", "c-causes"),
)


def layout(**given: Any) -> Piece:
    """The changes between the two dates of an address; by default of the last week."""
    asked = {name: str(given.get(name) or "") for name in NAMES}
    shown = pieces(asked)
    return shell.desk_page(
        dcc.Store(id="changes-asked", data=asked),
        memory("changes", shown),
        html.Div(shown["body"], id="changes-body", className="stack"),
        crumbs=shell.crumb(("Chỉ tiêu", "/"), ("Thay đổi", "")),
    )


@callback(
    Output("changes-body", "children"),
    Output("changes-seen", "data"),
    Input("live", "data"),
    State("changes-asked", "data"),
    State("changes-seen", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, asked: Any, seen: Any) -> tuple[Any, ...]:
    """Ask again, draw again what changed."""
    shown = pieces(asked if isinstance(asked, dict) else {})
    new = marks(shown)
    return (*changed(shown, new, PARTS, seen), new)


def pieces(asked: dict[str, str]) -> dict[str, Any]:
    """All that follows the data."""
    try:
        return {"body": _body(asked)}
    except (Problem, IocError) as problem:
        said = problem.detail if isinstance(problem, Problem) else str(problem)
        return {
            "body": components.absent(
                "Không so được hai thời điểm này", said, "Thay đổi của tuần qua", "/changes"
            )
        }


def _body(asked: dict[str, str]) -> list[Piece]:
    given = {name: _written(asked[name]) for name in NAMES if asked.get(name)}
    given.setdefault("since", (today() - timedelta(days=7)).isoformat())
    given.setdefault("org_unit", home())
    meant = read("changes", given, desk().store, now()).arguments
    uid = meant["org_units"][0]
    found = rows(query.changes, **meant)
    judged = [row for row in found if not _aside(row)]
    return [
        html.Div([
            html.H1("Thay đổi"),
            html.P(
                [dcc.Link(desk().orgunits[uid].name, href=places.address(uid)),
                 f" · từ {_instant(meant['since'])} đến {_until(meant)}"],
                className="lede",
            ),
        ]),
        _spans(given),
        _loading(),
        _files(given, len(found)),
        _card("Kết quả hoặc trạng thái đã đổi", judged, uid),
        _card("Chỉ tiêu đã khóa: số hiện nay đã đổi, kết quả chốt giữ nguyên",
              [row for row in found if _aside(row)], uid) if len(found) > len(judged) else None,
    ]  # fmt: skip


def _loading() -> Piece:
    """Which sources cannot be compared yet."""
    first = [
        row["name"]
        for row in rows(query.sources)
        if text.known(row["first_poll_at"]) and not text.known(row["loaded_at"])
    ]
    told = f"{text.number(len(first))} nguồn đang nạp lần đầu nên chưa so được: {', '.join(first)}."
    return html.P(told, className="under") if first else None


def _written(value: str) -> str:
    """A day as people write it, 30/11/2026, as addresses do; anything else stays as it is."""
    try:
        return text.written_day(value).isoformat()
    except ValueError:
        return value


def _aside(row: Row) -> bool:
    """A live figure beside a closing one: nothing is judged by it any more."""
    return bool(row["figure"] == "after_closing")


def _instant(at: datetime) -> str:
    """An instant; a midnight is the end of the day before, as it was asked for."""
    here = text.local(at)
    if (here.hour, here.minute) == (0, 0):
        return f"hết ngày {text.day(here - timedelta(minutes=1))}"
    return text.minute(at)


def _until(meant: dict[str, Any]) -> str:
    """The later instant: of a page that is held in the past, that one; it is not now."""
    until = meant.get("as_of") or as_of()
    return _instant(until) if until else f"nay ({_instant(now())})"


def _files(given: dict[str, str], count: int) -> Piece:
    return components.downloads("/api/v1/changes", link, count, **given)


def _spans(given: dict[str, str]) -> Piece:
    """Usual spans as links, and two dates as a plain form: what is asked stands in the address."""
    unit = "" if given["org_unit"] == home() else given["org_unit"]
    options = []
    for days, word in SPANS:
        since = (today() - timedelta(days=days)).isoformat()
        chosen = given["since"] == since and "as_of" not in given
        options.append((word, link("/changes", org_unit=unit, since=since), chosen))
    fields = [
        html.Label([html.Span("Từ hết ngày"), _date("since", given["since"])]),
        html.Label([html.Span("Đến hết ngày"), _date("as_of", given.get("as_of", ""))]),
        dcc.Input(type="hidden", name="org_unit", value=unit) if unit else None,
        html.Button("So sánh", className="button"),
    ]
    return html.Div(
        [
            components.choice(options, label="Khoảng thời gian"),
            html.Form(fields, action="/changes", method="get", className="change-form"),
        ],
        className="toolbar change-bar",
    )


def _date(name: str, value: str) -> Piece:
    shown = text.day(value) if value else ""
    return dcc.Input(
        id=f"changes-{name}", name=name, value=shown, placeholder=text.day(today()), maxLength=32
    )


# ── the table ──────────────────────────────────────────────────────────────────────────────


def _card(title: str, found: list[Row], uid: str) -> Piece:
    said = f"{text.number(len(found))} chỉ tiêu." if found else "Không chỉ tiêu nào đổi."
    titles = [html.Th(word, className=kind, scope="col") for word, kind in HEAD]
    table = html.Table(
        [html.Thead(html.Tr(titles)), html.Tbody([_line(row, uid) for row in found])],
        className="table changes",
    )
    return components.card(
        title,
        html.P(said, className="under"),
        html.Div(table, className="table-scroll") if found else None,
    )


def _line(row: Row, uid: str) -> Piece:
    cells = (
        _target(row, uid),
        _side(row, "_before"),
        html.Span("→", **{"aria-label": "thành"}),
        _side(row, ""),
        html.Ul([html.Li(cause) for cause in _causes(row)], className="causes"),
    )
    return html.Tr(
        [html.Td(cell, className=kind) for cell, (_, kind) in zip(cells, HEAD, strict=True)],
        **{"data-target": row["target"], "data-causes": row["causes"]},
    )


def _target(row: Row, uid: str) -> Piece:
    href = link(f"/indicator/{row['indicator']}", org_unit="" if uid == home() else uid)
    name = indicators()[row["indicator"]]["short"]
    codes = text.join([row["target"], row["indicator"]])
    return html.Div([dcc.Link(name, href=href), html.Div(codes, className="under")])


def _side(row: Row, tail: str) -> Piece:
    """A figure with its counts, its window and the status that it had."""
    over, under, value = (row[f"{name}{tail}"] for name in ("numerator", "denominator", "value"))
    same = {"numerator": over, "denominator": under, "value": value, "unit": row["unit"]}
    shown = text.value(same) if text.known(value) else "chưa có số"
    counts = text.counts(over, under)
    window = row[f"period{tail}"]
    return html.Div([
        html.Span(shown, className="change-value"),
        html.Span(
            text.join([counts, text.period(window) if text.known(window) else ""]),
            className="under",
        ),
        components.status(row[f"status{tail}"]) if row[f"status{tail}"] and not _aside(row)
        else None,
    ])  # fmt: skip


def _causes(row: Row) -> Iterable[Piece]:
    """Each cause with the way to what moved it; data have one way, new or corrected."""
    told = str(row["causes"]).split()
    data = [name for name in told if name in DATA]
    if data:
        words = ", ".join(CAUSES[name] for name in data)
        yield html.Span([html.Strong(words), *_to_data(row)])
    for name in told:
        if name not in DATA:
            yield html.Span([html.Strong(CAUSES[name]), *_way(name, row)])


def _way(name: str, row: Row) -> list[Piece]:
    if name == "definition":
        href = f"/definitions#{row['indicator']}"
        anew = text.known(row["config"])  # else another one came into force, each for its periods
        said = (
            "số trước tính lại theo công thức mới" if anew else "mỗi số theo định nghĩa của kỳ đó"
        )
        return [": ", dcc.Link("định nghĩa", href=href), *_decided(row), f", {said}"]
    if name == "target":
        before, after = (text.reading(row[n]) for n in ("reading_before", "reading"))
        moved = f": {before} → {after}" if before != after else ""
        href = "/admin/readings" if access.may(who().role, "pages", "/admin/readings") else (
            f"/definitions#{row['indicator']}"
        )  # fmt: skip
        return [moved, *_decided(row), ", ", dcc.Link("xem", href=href)]
    if name == "signature":
        return _decided(row)
    if name == "org_unit":
        return [": ", dcc.Link("các đơn vị", href=places.address(row["org_unit"]))]
    return [": đã đến ngày chốt" if row["figure"] == "closing" else ": chỉ vì thời gian đã qua"]


def _to_data(row: Row) -> list[Piece]:
    first, _, last = str(row["period"]).partition("..")
    span = {"from_": first if last else "", "to": last or first}
    ways: list[Piece] = [
        ": ",
        dcc.Link("nguồn gốc", href=link(
            "/lineage", indicator=row["indicator"], org_unit=row["org_unit"], **span
        )),
    ]  # fmt: skip
    if text.known(row["run"]):
        number = f"{row['run']:.0f}"
        to_run = link(f"/sources/{row['source']}", run=number)
        by = f" ({row['given_by']})" if row["given_by"] else ""
        ways += [", ", dcc.Link(f"lượt đọc {number}", href=to_run), by]
        ways.append(f", {text.minute(row['known_at'])}")
    elif text.known(row["known_at"]):
        ways += [", ", html.Span(text.known_from(row["known_at"]), title=REBUILT)]
    return ways


def _decided(row: Row) -> list[Piece]:
    when = f", {text.minute(row['decided_at'])}" if text.known(row["decided_at"]) else ""
    version = f", phiên bản cấu hình số {row['config']:.0f}" if text.known(row["config"]) else ""
    return [when + version]
