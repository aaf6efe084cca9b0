"""How far forecasts can be trusted: what was expected at ends of quarters, and what came of it."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from kpi import query
from layouts import components, places, shell, text, theme
from layouts.components import Piece
from layouts.forecastcard import COIN, absent, brier, chance, interval, known_until, over
from layouts.lines import Row, indicators
from layouts.state import desk, home, link, readable, rows

FORMULA = (
    "Tỷ lệ từng tháng (hoặc quý) trên thang logit là một mức có xu thế, cả hai có thể đổi hướng"
    " (mô hình không gian trạng thái của thư viện statsmodels). Từ kỳ cuối đã biết vẽ 1.000 đường"
    " mô phỏng với hạt giống cố định. Giá trị chốt của một năm = (tử số đã có + tổng tỷ lệ mô phỏng"
    " × mẫu số cùng tháng năm trước) / (mẫu số đã có + tổng các mẫu số ấy); chỉ tiêu tại một thời"
    " điểm thì lấy thẳng tỷ lệ mô phỏng. Khả năng đạt = phần số đường đạt mức giao; khoảng 80 % bỏ"
    " 10 % thấp nhất và 10 % cao nhất."
)
MEANT = (
    "Cần ít nhất 8 kỳ trọn vẹn, mỗi kỳ có từ nửa số đơn vị báo cáo. Mỗi dự báo chỉ dùng số liệu đã"
    " biết ở cuối quý ấy, làm một lần, không sửa lại khi số liệu được sửa. Các dự báo của một chỉ"
    " tiêu nối tiếp nhau nên không độc lập."
)


def layout(indicator: str = "", org_unit: str = "", **_: Any) -> Piece:
    """All forecasts of one org unit, or those of one indicator."""
    uid, known = org_unit or home(), indicators()
    if (indicator and indicator not in known) or not readable(uid):
        return shell.not_found()
    asked = {"indicators": [indicator]} if indicator else {}
    found = rows(query.forecasts, org_units=[uid], **asked)
    closed = [row for row in found if over(row)]
    told = [row for row in closed if text.known(row["chance"])]
    unit = desk().orgunits[uid]
    named = known[indicator]["short"] if indicator else ""
    return shell.desk_page(
        html.Div(
            [
                html.Div([
                    html.H1("Độ tin cậy của dự báo"),
                    html.P(_lede(named, indicator, unit.name, uid), className="lede"),
                ]),
                components.downloads(
                    "/api/v1/forecasts", link, len(found), indicator=indicator, org_unit=uid
                ),
            ],
            className="title-row",
        ),
        _deciles(told) if told else _nothing(found),
        components.card("Cách tính", html.P(FORMULA), html.P(MEANT, className="under")),
        _outcomes(found, known),

    )  # fmt: skip


def _lede(named: str, indicator: str, unit: str, uid: str) -> list[Piece]:
    parts: list[Piece] = [dcc.Link(unit, href=places.address(uid))]
    if indicator:
        parts += [
            " · ",
            dcc.Link(named, href=link(f"/indicator/{indicator}", org_unit=uid)),
            " · ",
            dcc.Link("xem mọi chỉ tiêu", href=link("/calibration", org_unit=uid)),
        ]
    return parts


def _nothing(found: list[Row]) -> Piece:
    words = (
        "Chưa chỉ tiêu nào có dự báo vừa có kết quả chốt để so."
        if found
        else "Chưa có dự báo nào ở đơn vị này: dự báo làm cho toàn địa bàn và từng khu vực, sau khi"
        " nguồn nạp xong lịch sử."
    )
    return html.Section(html.P(words), className="absent")


def _deciles(told: list[Row]) -> Piece:
    """By tenth of chance: how many, what was expected, how many really met."""
    lines = []
    for tenth in range(10):
        some = [row for row in told if min(int(row["chance"] * 10), 9) == tenth]
        met = sum(row["closing_status"] == "met" for row in some)
        expected = sum(row["chance"] for row in some)
        lines.append((
            f"{10 * tenth}–{10 * tenth + 10}{text.GAP}%",
            text.number(len(some)),
            text.percent(expected, len(some), decimals=0) if some else text.NONE,
            text.counts(met, len(some)) if some else text.NONE,
            text.percent(met, len(some), decimals=0) if some else text.NONE,
        ))
    inside = sum(row["inside"] for row in told)
    parts = {row["indicator"] for row in told}
    return components.card(
        "Nói và xảy ra",
        components.facts([
            ("Số dự báo đã có kết quả", f"{text.number(len(told))}, của {len(parts)} chỉ số"),
            (
                "Kết quả nằm trong khoảng 80 %",
                f"{text.counts(inside, len(told))} ({text.percent(inside, len(told))})",
            ),
            (
                "Điểm Brier",
                f"{text.number(brier(told), 3)} (0: đúng hết; 0,25: như tung xu)",
            ),
        ]),
        components.table(
            [
                "Đã nói",
                ("Dự báo", "num"),
                ("Trung bình", "num"),
                ("Thực đạt", "num"),
                ("Tỷ lệ", "num"),
            ],
            lines,
        ),
    )


def _outcomes(found: list[Row], known: dict[str, Row]) -> Piece:
    """Each forecast beside its outcome, by indicator, newest first."""
    of: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        of.setdefault((row["target"], row["indicator"]), []).append(row)
    told_first = sorted(of, key=lambda key: all(not text.known(row["chance"]) for row in of[key]))
    groups = [_group(*key, of[key], known) for key in told_first]
    return components.card("Từng dự báo", *groups) if groups else None


def _group(target: str, indicator: str, some: list[Row], known: dict[str, Row]) -> Piece:
    told = [row for row in some if text.known(row["chance"])]
    name = text.join([target, known[indicator]["short"]])
    last = some[-1]
    outcome, said = _outcome(last), verdict(some)
    if not told:
        return html.P([html.Strong(name), f": {absent(last)}."], className="under")
    return components.more(
        text.join([name, f"{len(told)} dự báo", outcome, said]),
        components.table(
            [
                "Số liệu biết đến",
                ("Số kỳ", "num"),
                ("Khả năng đạt", "num"),
                ("Khoảng 80 %", "num"),
                ("Số chốt", "num"),
                "Kết quả",
            ],
            [
                (
                    known_until(row),
                    text.number(row["points"]),
                    chance(row["chance"]),
                    interval(row),
                    text.share(row["closing_value"]),
                    _held(row),
                )
                for row in reversed(told)
            ],
        ),
    )


def verdict(some: list[Row]) -> str:
    """How the forecasts of one indicator did, in words; empty while none has an outcome."""
    score = brier(some)
    if score is None:
        return ""
    shown = f"Brier {text.number(score, 2)}"
    if score > COIN:
        return f"không hơn đoán mò ({shown}): đừng dựa vào"
    return f"hơn đoán mò ({shown})" if score < COIN else f"ngang đoán mò ({shown}): đừng dựa vào"


def _outcome(row: Row) -> str:
    if not over(row):
        return ""
    return theme.status(str(row["closing_status"])).word.lower()


def _held(row: Row) -> str:
    if not over(row):
        return "chưa chốt"
    where = "trong khoảng" if row["inside"] else "ngoài khoảng"
    return text.join([_outcome(row), where], ", ")
