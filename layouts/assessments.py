"""Assessments on screen: what stands beside a target without a number, its history, and its form.

A verdict is words, never a colour: the headline stays "Định tính".
"""

from __future__ import annotations

from datetime import date
from typing import Any

from dash import Input, Output, State, dcc, html

from ioc.errors import IocError
from ioc.principal import Principal
from kpi import acts, query
from layouts import components, text
from layouts.components import Piece
from layouts.lines import Row
from layouts.state import ask, callback, desk, link, now, today, who, writable
from layouts.view import View, again

LONGEST = {"words": 1_000, "evidence": 500, "author": 120}


def brief(row: Row) -> Piece:
    """Verdict, words, date and author, as a register or a tile has room for them."""
    if not row:
        return html.Span("chưa có đánh giá được ký", className="under")
    return html.Div(
        [
            html.Span(query.VERDICTS.get(row["verdict"], ""), className="verdict-word"),
            html.Span(f"“{row['words']}”", className="assess-words"),
            html.Span(
                text.join([row["author"], f"đánh giá ngày {text.day(row['judged_on'])}"]),
                className="under",
            ),
        ],
        className="assess-brief",
    )


def card(view: View) -> Piece:
    """The assessment that stands, the former ones, and a form where people may write."""
    assert view.line
    asked = {"target": view.line.id, "indicator": view.key}
    return components.card(
        "Đánh giá",
        html.Div(told(view), id="assessments"),
        *(_forms() if writable() else ()),
        note=components.downloads("/api/v1/assessments", link, "", **asked),
    )


def told(view: View) -> list[Piece]:
    """What follows the data: the one that stands with its evidence, then the history."""
    assert view.line
    found = ask(
        query.assessments, targets=[view.line.id], indicators=[view.key], org_units=[view.org_unit]
    ).to_dict("records")
    current = next((row for row in found if row["current"]), {})
    former = [row for row in found if row is not current]
    remembered = dcc.Store(id="assess-current", data=current.get("assessment"))
    return [
        remembered,
        _whole(current) if current else html.P("Chưa có đánh giá được ký.", className="under"),
        components.more(
            f"Lịch sử ({len(former)})",
            html.Ul([html.Li(_whole(row)) for row in former], className="assess-history"),
        )
        if former
        else None,
    ]


def _whole(row: Row) -> Piece:
    gone = text.known(row["withdrawn_at"])
    return html.Div(
        [
            html.P(
                [
                    html.Span(query.VERDICTS.get(row["verdict"], ""), className="verdict-word"),
                    html.Span(f" tại ngày {text.day(row['judged_on'])}", className="under-word"),
                ],
            ),
            html.Blockquote(row["words"]),
            html.P(f"Căn cứ: {row['evidence']}", className="cite"),
            html.P(
                text.join([row["author"], f"ký lúc {text.minute(row['signed_at'])}"]),
                className="under",
            ),
            html.P(
                f"Đã rút lúc {text.minute(row['withdrawn_at'])}, {row['withdrawn_by']}:"
                f" {row['withdrawn_why']}",
                className="under",
            )
            if gone
            else None,
        ],
        className="assessment is-withdrawn" if gone else "assessment",
        **{"data-assessment": f"{row['assessment']:.0f}"},
    )


# ── forms ──────────────────────────────────────────────────────────────────────────────────


def _forms() -> tuple[Piece, ...]:
    options = [{"label": word, "value": code} for code, word in query.VERDICTS.items()]
    new = html.Div(
        [
            html.Fieldset(
                [html.Legend("Kết luận"), dcc.RadioItems(options, id="assess-verdict")],
            ),
            _field("Ngày đánh giá (ngày/tháng/năm)", _line("assess-day", 10, text.day(today()))),
            _field("Nhận định", _area("assess-words", LONGEST["words"])),
            _field("Căn cứ: số văn bản, đường dẫn", _line("assess-evidence", LONGEST["evidence"])),
            _field("Người đánh giá: họ tên, chức vụ", _line("assess-author", LONGEST["author"])),
            html.Button("Ký và lưu", id="assess-save", type="button", className="button"),
            html.P(id="assess-said", className="assess-said", role="status"),
            html.P(
                "Đã ký thì không sửa được, chỉ ký bản mới hoặc rút lại kèm lý do. Không ghi số"
                " định danh, số điện thoại, địa chỉ thư.",
                className="under",
            ),
        ],
        className="assess-form",
    )
    back = html.Div(
        [
            _field("Lý do rút", _line("assess-why", LONGEST["words"])),
            _field("Người rút: họ tên, chức vụ", _line("assess-by", LONGEST["author"])),
            html.Button("Rút đánh giá đang dùng", id="assess-withdraw", type="button",
                        className="button"),
            html.P(id="assess-gone", className="assess-said", role="status"),
        ],
        className="assess-form",
    )  # fmt: skip
    return (
        components.more("Ghi đánh giá mới", new),
        components.more("Rút đánh giá đang dùng", back),
    )


def _field(label: str, field: Piece) -> Piece:
    return html.Div([html.Label(label, htmlFor=field.id), field], className="assess-field")


def _line(id: str, most: int, value: str = "") -> Piece:
    return dcc.Input(id=id, type="text", value=value, maxLength=most, autoComplete="off")


def _area(id: str, most: int) -> Piece:
    return dcc.Textarea(id=id, value="", maxLength=most, rows=4)


@callback(
    Output("assessments", "children"),
    Input("live", "data"),
    State("indicator-view", "data"),
    prevent_initial_call=True,
)
def draw(_live: Any, given: Any) -> list[Piece]:
    """Ask again."""
    return told(again(given))


@callback(
    Output("assess-said", "children"),
    Output("assess-words", "value"),
    Input("assess-save", "n_clicks"),
    State("indicator-view", "data"),
    State("assess-verdict", "value"),
    State("assess-day", "value"),
    State("assess-words", "value"),
    State("assess-evidence", "value"),
    State("assess-author", "value"),
    prevent_initial_call=True,
)
def save(clicks: Any, given: Any, *said: Any) -> tuple[str, str]:
    """Sign what the form says; why not, where it is refused."""
    verdict, day, words, evidence, author = (str(one or "") for one in said)
    if not clicks:
        return "", words
    view = again(given)
    try:
        number = acts.assess(
            desk().store,
            _writer(),
            target=view.line.id if view.line else "",
            indicator=view.key,
            org_unit=view.org_unit,
            judged_on=_day(day),
            verdict=verdict,
            words=words,
            evidence=evidence,
            author=author,
            now=now(),
        )
    except IocError as error:
        return str(error), words
    return f"Đã ký đánh giá số {number}.", ""


@callback(
    Output("assess-gone", "children"),
    Input("assess-withdraw", "n_clicks"),
    State("assess-current", "data"),
    State("assess-why", "value"),
    State("assess-by", "value"),
    prevent_initial_call=True,
)
def take_back(clicks: Any, current: Any, why: Any, by: Any) -> str:
    """Withdraw the one that stands."""
    if not clicks:
        return ""
    if not isinstance(current, (int, float)):
        return "Không có đánh giá nào đang dùng."
    said = {"words": str(why or ""), "author": str(by or "")}
    try:
        acts.withdraw(desk().store, _writer(), assessment=int(current), now=now(), **said)
    except IocError as error:
        return str(error)
    return "Đã rút."


def _writer() -> Principal:
    """Who writes; a page seen from elsewhere only reads, whatever it sends."""
    if not writable():
        raise acts.Refused("Chỉ người vận hành và quản trị ghi được đánh giá.")
    return who()


def _day(given: str) -> date:
    try:
        return text.written_day(given)
    except ValueError as error:
        raise acts.Refused("Ngày đánh giá: hãy ghi ngày/tháng/năm, ví dụ 31/12/2025.") from error
