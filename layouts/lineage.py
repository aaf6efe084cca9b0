"""Where a figure comes from: its formula, its sums, the polls behind it, the records counted."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.errors import IocError
from ioc.period import Period
from kpi import query
from layouts import components, places, records, runcard, shell, text, theme
from layouts.components import Piece
from layouts.lines import Row, indicators
from layouts.revisionlist import REBUILT
from layouts.slots import changed, marks, memory
from layouts.state import callback, desk, home, link, now, rows, today
from layouts.web.filters import read
from layouts.web.problems import Problem

PARTS = ("body",)
DAILY = ("observation", "reading")
NEWEST = 20


def layout(**given: Any) -> Piece:
    """The way down from one figure; ``to`` is its period."""
    asked = {name: str(given.get(name) or "") for name in ("indicator", "org_unit", "from", "to")}
    shown = pieces(asked)
    known = indicators().get(asked["indicator"])
    name = known["short"] if known else "Chỉ số"
    unit = asked["org_unit"] if asked["org_unit"] in desk().orgunits else home()
    page = link(f"/indicator/{asked['indicator']}", org_unit="" if unit == home() else unit)
    return shell.desk_page(
        dcc.Store(id="lineage-asked", data=asked),
        memory("lineage", shown),
        html.Div(shown["body"], id="lineage-body", className="stack"),
        crumbs=shell.crumb(("Chỉ tiêu", "/"), (name, page), ("Nguồn gốc của con số", "")),
    )


@callback(
    Output("lineage-body", "children"),
    Output("lineage-seen", "data"),
    Input("live", "data"),
    State("lineage-asked", "data"),
    State("lineage-seen", "data"),
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
            "body": components.absent("Không có con số này", said, "Về danh sách chỉ tiêu", "/")
        }


def _body(asked: dict[str, str]) -> list[Piece]:
    given = {name: value for name, value in asked.items() if value}
    given.setdefault("to", Period.of("month", today()).text)
    given.setdefault("from", given["to"])
    given.setdefault("org_unit", home())
    meant = read("lineage", given, desk().store, now()).arguments
    key, uid = (meant["indicators"] or [""])[0], meant["org_units"][0]
    deepest = _deepest(uid, meant["last"])
    found = rows(query.lineage, **meant, step=deepest)
    tops = [row for row in found if row["step"] == "rollup" and not row["parent"]]
    window = _window(given)
    return [
        html.Div([
            html.H1("Từ đâu ra con số này"),
            html.P(
                [dcc.Link(indicators()[key]["name"], href=link(f"/indicator/{key}", org_unit=uid)),
                 f" · {desk().orgunits[uid].name} · {window}"],
                className="lede",
            ),
        ]),
        _formula(key, tops, found),
        _inputs(key, uid, found, meant["last"], note=_files(given, deepest, len(found))),
        _polls(key, found),
        _versions(key, found) or _records(_defined(key, found), uid, meant["first"], meant["last"]),
    ]  # fmt: skip


def _window(given: dict[str, str]) -> str:
    first, last = text.period(given["from"]), text.period(given["to"])
    return last if first == last else f"từ {first} đến {last}"


def _deepest(uid: str, period: Period) -> str:
    """One more step down than the figure itself: the page never opens a whole province."""
    if period.grain == "day":
        return "record_version" if desk().orgunits.is_leaf(uid) else "observation"
    return "observation" if desk().orgunits.is_leaf(uid) and period.grain == "month" else "rollup"


def _files(given: dict[str, str], step: str, count: int) -> Piece:
    asked = {f"{k}_" if k == "from" else k: v for k, v in given.items()}
    return components.downloads("/api/v1/lineage", link, count, **asked, step=step)


# ── formula and inputs ─────────────────────────────────────────────────────────────────────


def _defined(key: str, found: list[Row]) -> Row:
    """The indicator by the definition that computed these rows; by today's where there is none."""
    row = indicators()[key]
    id = next((one["definition"] for one in found), row["definition_version"])
    if id == row["definition_version"]:
        return row
    every = desk().store.catalogue.indicators[key].every
    begins = next(one.begins for one in every if one.definition_id == id)
    return rows(query.indicators, indicators=[key], on=begins or date.min)[0]


def _formula(key: str, tops: list[Row], found: list[Row]) -> Piece:
    row, elements = _defined(key, found), desk().store.catalogue.elements
    if not row["source"]:
        return html.Section(
            [components.status("no_source"), html.P("Chưa hệ thống nào gửi số liệu.")],
            className="absent",
        )
    first = tops or [row for row in found if row["step"] in DAILY]
    total = {e: sum(r["value"] for r in first if r["element"] == e) for e in
             filter(None, (row["numerator"], row["denominator"]))}  # fmt: skip
    over = total[row["numerator"]]
    under = total[row["denominator"]] if row["denominator"] else 1  # a count is of nothing
    value = (
        text.percent(over, under, factor=row["factor"])
        if row["unit"] == "%"
        else text.number(row["factor"] * over / under, 1)
        if under
        else text.NONE
    )
    return components.card(
        "Công thức",
        html.Div(
            [
                html.Span(value, className="figure lineage-value"),
                html.Span("=", className="under"),
                html.Span(
                    [
                        html.Span(f"{text.number(each)} {elements[element].name}")
                        for element, each in total.items()
                    ],
                    className="formula" if len(total) > 1 else None,
                ),
                html.Span(f"× {text.plain(row['factor'])}", className="under"),
            ],
            className="lineage-formula",
        ),
        note=html.Span([
            "Mã định nghĩa ",
            dcc.Link(row["definition_version"], href=f"/definitions#{key}"),
        ]),
    )


def _inputs(key: str, uid: str, found: list[Row], period: Period, note: Piece) -> Piece:
    """The parts that add up to the figure, each the way to its own parts."""
    row = _defined(key, found)
    tops = {part["id"] for part in found if part["step"] == "rollup" and not part["parent"]}
    several = len({part["period"] for part in found if part["id"] in tops}) > 1
    parts: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for part in found:
        below = part["id"] in tops if several else part["parent"] in (tops or ("",))
        place = part["org_unit"], part["period"]
        if below and part["step"] in ("rollup", *DAILY) and place != (uid, period.text):
            parts[place][part["element"]] = part
    if not parts:
        return None

    def order(one: tuple[tuple[str, str], Any]) -> tuple[Any, str]:
        (unit, when), _ = one
        return places.alphabetical(desk().orgunits[unit].name), when

    def further(unit: str, when: str) -> Piece:
        return dcc.Link("xem tiếp", href=link("/lineage", indicator=key, org_unit=unit, to=when))

    def cell(sides: dict[str, Row], side: str) -> str:
        if not row[side]:
            return text.NONE
        silent = 0 if desk().store.catalogue.elements[row[side]].silence == "zero" else None
        return text.number(sides.get(row[side], {}).get("value", silent))

    return components.card(
        "Cộng từ",
        components.table(
            ["Đơn vị", "Kỳ", ("Tử số", "num"), ("Mẫu số", "num"), "Biết từ", "Lượt đọc", ""],
            [
                (
                    records.unit(unit),
                    text.period(when),
                    cell(sides, "numerator"),
                    cell(sides, "denominator"),
                    text.known_from(_newest(sides)["known_at"]),
                    _run(_newest(sides)),
                    further(unit, when),
                )
                for (unit, when), sides in sorted(parts.items(), key=order)
            ],
            class_name="lineage-parts",
        ),
        note=note,
    )  # fmt: skip


def _newest(sides: dict[str, Row]) -> Row:
    """The part that became known last."""
    return max(sides.values(), key=lambda part: part["known_at"])


def _run(row: Row) -> Piece:
    """The way to the poll that brought a row; a history that was built has none."""
    if not text.known(row["run"]):
        return html.Span("dựng lại", className="under", title=REBUILT)
    number = f"{row['run']:.0f}"
    return dcc.Link(number, href=link(f"/sources/{row['source']}", run=number))


def _polls(key: str, found: list[Row]) -> Piece:
    """The polls that brought what stands behind the figure, newest first."""
    source = indicators()[key]["source"]
    if not source or not found:
        return None
    brought = {int(row["run"]) for row in found if text.known(row["run"])}
    numbers = sorted(brought, reverse=True)[:NEWEST]
    runs = rows(query.runs, sources=[source], numbers=numbers, limit=NEWEST) if numbers else []
    older = len(brought) - len(numbers)
    head = [
        "Lượt", "Bắt đầu", "Kết quả", "Nơi đọc", ("Lượt gọi", "num"), ("Byte", "num"),
        "Mã băm trả lời",
    ]  # fmt: skip
    return components.card(
        "Lượt đọc đã đưa số này về",
        components.table(head, map(_poll, runs), class_name="lineage-polls") if runs else None,
        html.P(f"Và {text.number(older)} lượt trước đó.", className="under") if older else None,
        html.P(f"Phần không có lượt đọc được {REBUILT}.", className="under")
        if any(not text.known(row["run"]) for row in found)
        else None,
        note=dcc.Link("Nguồn và mọi lượt đọc", href=f"/sources/{source}"),
    )


def _poll(run: Row) -> tuple[Piece, ...]:
    where = runcard.place(run) or text.NONE
    return (
        _run(run),
        text.minute(run["started_at"]),
        theme.outcome(run["outcome"] or "").word,
        html.Span(where, className="place"),
        text.number(run["calls"]),
        text.number(run["bytes"]),
        html.Code(run["response_hash"][:16] or text.NONE, title=run["response_hash"]),
    )


def _versions(key: str, found: list[Row]) -> Piece:
    """The versions of the records that were counted, each with its content hash."""
    row = _defined(key, found)
    counted: dict[str, dict[str, Row]] = defaultdict(dict)
    for one in found:
        if one["step"] == "record_version":
            counted[one["id"]][one["element"]] = one
    if not counted:
        return None
    told = []
    for id, sides in counted.items():
        one = next(iter(sides.values()))
        key_, version = id.removeprefix(f"record/{one['source']}/").rsplit("/", 1)
        told.append((
            records.named({"source": one["source"], "key": key_}),
            version,
            "có" if row["numerator"] in sides else "không",
            "có" if row["denominator"] in sides else "không",
            text.known_from(one["known_at"]),
            _run(one),
            html.Code(one["hash"][:16], title=one["hash"]),
            _verified(one),
        ))
    head = [
        "Mã", "Phiên bản", "Tử số", "Mẫu số", "Biết từ", "Lượt đọc", "Mã băm nội dung",
        "Kiểm tra",
    ]  # fmt: skip
    return components.card(
        f"{text.number(len(told))} bản ghi được đếm", components.table(head, told)
    )


def _verified(row: Row) -> Piece:
    """Whether the stored version still has its hash."""
    if row["verified"]:
        return "khớp"
    return html.Strong("không khớp", className="hue-missed")


def _records(row: Row, uid: str, first: Period, last: Period) -> Piece:
    """The newest of the records that the denominator counts, each with its content hash."""
    elements = desk().store.catalogue.elements
    counted = elements.get(row["denominator"])
    if not row["source"] or not counted or not counted.count:
        return None
    span = {"from_": first.text, "to": last.text}
    found = rows(
        query.records,
        sources=[row["source"]],
        element=counted.id,
        org_units=[uid],
        opened_from=first.start,
        opened_to=last.end,
        limit=NEWEST,
    )
    if not found:
        return None
    return components.card(
        "Bản ghi được đếm, mới tiếp nhận nhất",
        html.P(
            f"Được đếm vào “{counted.name}” tại đơn vị này trong kỳ.",
            className="under",
        ),
        components.table(
            ["Mã", "Tiếp nhận", "Trạng thái", "Biết từ", "Mã băm nội dung"],
            [
                (
                    records.named(one),
                    text.minute(one["opened_at"]),
                    text.code("state", one["state"]),
                    text.known_from(one["known_at"]),
                    html.Code(one["hash"][:16], title=one["hash"]),
                )
                for one in found
            ],
        ),
        note=dcc.Link(
            "Tất cả bản ghi",
            href=link(
                "/records", source=row["source"], element=counted.id, org_unit=uid, **span
            ),
        ),
    )  # fmt: skip
