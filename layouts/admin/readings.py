"""Which reading of an unclear target is in force, and which closing figures are signed."""

from __future__ import annotations

from typing import Any

from dash import ALL, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from ioc.errors import IocError
from kpi import decisions, query
from layouts import components, text, theme
from layouts.admin import frame
from layouts.components import Piece
from layouts.lines import Row, as_read
from layouts.state import callback, desk, now, rows

LEDE = (
    "Cách đọc và số chốt do người có trách nhiệm quyết định. Quyết định có hiệu lực ngay trên mọi"
    " màn hình và tệp, kèm tên, thời điểm và lý do; các thời điểm trước đó giữ nguyên."
)

REASON = "Lý do, căn cứ: bắt buộc, từ 10 ký tự, ghi trước khi bấm nút"
PART = "reading-part"
READ = {"reading": "Đang dùng", "chosen": "Người chọn", "choose": ""}
CLOSED = {"figure": "Số chốt", "result": "Kết quả", "signed": "Ký", "sign": ""}


def layout(**_: Any) -> Piece:
    """The targets of two readings, then the closing figures."""
    if not frame.may(frame.OPERATORS):
        return frame.refused()
    return frame.page(
        "/admin/readings",
        "Cách đọc và chốt số",
        LEDE,
        html.Div(
            [
                frame.acting_on("readings", REASON),
                html.Div(board(), id="admin-readings-board", className="stack"),
            ],
            className="stack",
        ),
        dcc.Store(id="admin-readings-drawn", data=frame.prints(_parts())),
    )


@callback(
    Output("admin-readings-board", "children"),
    Output({PART: ALL}, "children"),
    Output("admin-readings-drawn", "data"),
    Input("live", "data"),
    State({PART: ALL}, "id"),
    State("admin-readings-drawn", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, ids: Any, drawn: Any) -> Any:
    """Ask again; what did not change is not drawn anew."""
    frame.acting(frame.OPERATORS)
    return frame.renewed(PART, _parts(), ids, drawn, board)


@callback(
    Output("admin-readings-said", "children"),
    Output("admin-readings-reason", "value"),
    Input({"decide": ALL}, "n_clicks"),
    State("admin-readings-reason", "value"),
    prevent_initial_call=True,
)
def decide(_clicks: Any, why: Any) -> tuple[Any, Any]:
    """Do what the button says; why not, where it is refused."""
    pressed = frame.pressed("decide")
    if pressed is None:
        raise PreventUpdate
    try:
        return _do(pressed, str(why or "")), ""
    except IocError as error:
        return frame.refusal(error), no_update


def _do(word: str, why: str) -> str:
    given = {"reason": why, "now": now()}
    by, store = frame.acting(frame.OPERATORS), desk().store
    match word.split("|"):
        case ["read", target, reading]:
            decisions.choose(store, by, target=target, reading=reading, **given)
            return f"{target}: đang dùng cách đọc “{_worded(reading)}”."
        case ["sign", target, indicator, unit, over, under]:
            figure = {"numerator": _number(over), "denominator": _number(under)}
            of = {"target": target, "indicator": indicator, "org_unit": unit}
            at = decisions.sign(store, by, **of, **figure, **given)
            return f"Đã ký chốt {target} {indicator} lúc {text.minute(at, now())}."
    return ""


def _number(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        return float("nan")


def board() -> list[Piece]:
    """All that may be decided, as it stands."""
    parts = _parts()
    return [
        components.card("Chỉ tiêu có hai cách đọc", _readings(parts)),
        components.card("Số chốt", _closings(parts)),
    ]


def _unclear() -> list[Row]:
    return [row for row in rows(query.targets) if row["second_reading"]]


def _parts() -> dict[str, Piece]:
    """What changes while the page is open, by where it stands."""
    parts: dict[str, Piece] = {}
    for row in _unclear():
        said = (_worded(row["reading_in_force"]), _chosen(row), _other(row))
        parts |= {_key(row, name): one for name, one in zip(READ, said, strict=True)}
    for row in rows(query.closings):
        result = components.status(row["closing_status"]) if row["closing_status"] else ""
        figures = (_figure(row), result, _signed(row), _sign(row))
        parts |= {_key(row, name): one for name, one in zip(CLOSED, figures, strict=True)}
    return parts


def _key(row: Row, name: str) -> str:
    """Where something of a row stands: by target, and by its indicator and unit where closed."""
    return "|".join(str(row.get(of, "")) for of in ("target", "indicator", "org_unit")) + f"|{name}"


def _placed(row: Row, names: dict[str, str], parts: dict[str, Piece]) -> list[Piece]:
    keys = [(_key(row, name), label) for name, label in names.items()]
    return [frame.part(PART, key, parts[key], label) for key, label in keys]


def _readings(parts: dict[str, Piece]) -> Piece:
    return components.table(
        ["Chỉ tiêu", "Nguyên văn", "Đang dùng", "Người chọn, ngày, lý do", ""],
        [
            (
                dcc.Link(row["target"], href=f"/indicator/{row['indicators'].split(';')[0]}"),
                row["sentence"],
                *_placed(row, READ, parts),
            )
            for row in _unclear()
        ],
        class_name="admin-list",
    )


def _chosen(row: Row) -> str:
    newest = next(iter(query.choices(desk().store, row["target"])), None)
    who, day = row["reading_chosen_by"], row["reading_chosen_at"]
    said = text.join([who, text.day(day) if text.known(day) else ""], ", ")
    return text.join([said, newest.reason if newest else ""], ". ")


def _other(row: Row) -> Piece:
    rules = [as_read(row)["plan_reading"], row["second_reading"]]
    other = next(rule for rule in rules if rule != row["reading_in_force"])
    word = f"Dùng “{_worded(other)}”"
    return frame.button(word, "decide", f"read|{row['target']}|{other}", f"{row['target']}: {word}")


def _worded(rule: str) -> str:
    return text.reading(rule) if any(c.isdigit() for c in rule) else "định tính"


def _closings(parts: dict[str, Piece]) -> Piece:
    found = rows(query.closings)
    if not found:
        return html.P("Chưa có chỉ tiêu nào đến ngày chốt.", className="under")
    return components.table(
        ["Chỉ tiêu", "Ngày chốt", "Số chốt", "Kết quả", "Ký", ""],
        [
            (
                dcc.Link(f"{row['target']} {row['indicator']}", href=_href(row)),
                text.day(row["closing_date"]),
                *_placed(row, CLOSED, parts),
            )
            for row in found
        ],
        class_name="admin-list",
    )


def _href(row: Row) -> str:
    return f"/indicator/{row['indicator']}"


def _figure(row: Row) -> str:
    if not text.known(row["closing_value"]):
        return theme.status("awaiting").word
    sides = f"{text.plain(row['closing_numerator'])}/{text.plain(row['closing_denominator'])}"
    return f"{sides} ({text.number(row['closing_value'], 2)} {row['unit']})"


def _signed(row: Row) -> str:
    if not row["signed_by"]:
        return "chưa ký"
    said = f"{row['signed_by']}, {text.minute(row['signed_at'])}. {row['signed_why']}"
    if _moved(row):
        latest = f"{text.plain(row['latest_numerator'])}/{text.plain(row['latest_denominator'])}"
        return f"{said} — số liệu sau khi ký: {latest}"
    return said


def _moved(row: Row) -> bool:
    sides = ("numerator", "denominator")
    return bool(row["signed_by"]) and any(
        row[f"latest_{side}"] != row[f"closing_{side}"] for side in sides
    )


def _sign(row: Row) -> Piece:
    if not text.known(row["latest_value"]) or (row["signed_by"] and not _moved(row)):
        return None
    names = ("target", "indicator", "org_unit", "latest_numerator", "latest_denominator")
    word = "Ký lại theo số mới" if row["signed_by"] else "Ký chốt"
    key = "|".join(["sign", *(str(row[name]) for name in names)])
    return frame.button(word, "decide", key, f"{word}: {row['target']} {row['indicator']}")
