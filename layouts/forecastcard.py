"""The card that says whether an open target will be met: its chance, its interval, from what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dash import dcc, html

from ioc.period import Period
from kpi import query
from layouts import components, text
from layouts.components import Piece
from layouts.lines import Row
from layouts.state import as_of, link, now, rows, today
from layouts.view import View

WHY = {
    "few_points": "mới có {points} kỳ trọn vẹn, cần ít nhất 8",
    "yearly": "mỗi năm chỉ có một con số",
    "distinct": "con số của năm không cộng được từ các tháng",
}
"""Why there is no forecast, after the words chưa đủ số liệu."""
WIDE = 50
"""Points of an interval past which it says nothing."""
COIN = 0.25
"""The Brier score of who always says 50 %."""
NO_BETTER = "Dự báo của chỉ số này trước đây không hơn đoán mò: đừng dựa vào."


def card(view: View) -> Piece:
    """Of an open target with a number; of a closed one only the way to how forecasts did."""
    if not view.line or not view.part or not view.line.numeric or not view.row:
        return None
    asked = {"targets": [view.line.id], "indicators": [view.key], "org_units": [view.org_unit]}
    found = rows(query.forecasts, **asked)
    if not found:
        return _untold() if as_of() and not view.row.get("closing_status") else None
    told = dcc.Link("Dự báo trước đây đúng đến đâu?", href=address(view))
    if view.row.get("closing_status"):
        foretold = any(text.known(row["chance"]) for row in found)
        return html.P(told, className="under forecast-past") if foretold else None
    newest = found[-1]
    if newest["forecast_at"] < _due() and not as_of():
        said = [_computing()]
    else:  # a page of the past shows what had been foretold by then
        said = _outlook(newest, view, doubts(newest, _of_indicator(view)))
    return components.card("Khả năng đạt", *said, html.P(told), id="forecast")


def _of_indicator(view: View) -> list[Row]:
    """All forecasts of this indicator for this org unit, also those of targets that are over."""
    return rows(query.forecasts, indicators=[view.key], org_units=[view.org_unit])


def _untold() -> Piece:
    words = f"Không có dự báo nào được làm đến {text.minute(now())}."
    return components.card("Khả năng đạt", html.P(words, className="says"), id="forecast")


def brier(told: list[Row]) -> float | None:
    """The mean square between chance and outcome of forecasts that have both; 0 is best, 0,25 a
    coin. None where none has."""
    ended = [row for row in told if text.known(row["chance"]) and over(row)]
    errors = [(row["chance"] - (row["closing_status"] == "met")) ** 2 for row in ended]
    return sum(errors) / len(errors) if errors else None


def over(row: Row) -> bool:
    """Whether the target of a forecast has an outcome by now."""
    return row["closing_status"] in ("met", "missed")


def doubts(newest: Row, told: list[Row]) -> list[str]:
    """Why the chance of a forecast is not to be leaned on; empty where nothing speaks against."""
    found = []
    percent = newest["unit"] == "%" and text.known(newest["low"])
    if percent and newest["high"] - newest["low"] > WIDE:
        found.append("Khoảng quá rộng để kết luận.")
    score = brier(told)
    if score is not None and score > COIN:
        found.append(NO_BETTER)
    return found


def _due() -> datetime:
    """The last end of a quarter: what is foretold from before it is no outlook of now."""
    quarter = Period.of("quarter", today())
    over = quarter.ends_at - timedelta(seconds=1) <= now()
    return quarter.ends_at if over else quarter.starts_at


def _computing() -> Piece:
    until = text.day(_due() - timedelta(seconds=1))
    return html.P(f"Đang tính dự báo từ số liệu biết đến {until}.", className="says")


def address(view: View) -> str:
    """The page of the forecasts of this indicator."""
    return link("/calibration", indicator=view.key, org_unit=view.org_unit)


def _outlook(row: Row, view: View, against: list[str]) -> list[Piece]:
    if not text.known(row["chance"]):
        return [html.P(text.sentence(absent(row)), className="says")]
    line = view.line
    assert line
    shown = html.Span(chance(row["chance"]), className="figure")
    return [
        *(html.P(html.Strong(words), className="says forecast-doubt") for words in against),
        html.Div(shown, className="big" if not against else "says forecast-small"),
        html.P(
            f"khả năng {line.level} vào {text.day(row['closing_date'])}. Kết quả chốt nằm trong"
            f" khoảng {interval(row)} với xác suất 80{text.GAP}%.",
            className="says",
        ),
        html.P(text.sentence(text.join(basis(row))), className="under"),
    ]


def known_until(row: Row) -> str:
    """30/06/2024: the day whose end a forecast is about."""
    return text.day(row["forecast_at"] - timedelta(seconds=1))


def chance(value: Any) -> str:
    """72 %; never 0 or 100: > 99 %, < 1 %."""
    if not text.known(value):
        return text.NONE
    if value > 0.99 or value < 0.01:
        return f"> 99{text.GAP}%" if value > 0.5 else f"< 1{text.GAP}%"
    return f"{text.number(100 * value)}{text.GAP}%"


def interval(row: Row) -> str:
    """58,1–66,4 %."""
    if not text.known(row["low"]):
        return text.NONE
    return f"{text.number(row['low'], 1)}–{text.number(row['high'], 1)}{text.GAP}%"


def absent(row: Row) -> str:
    """chưa đủ số liệu, and why."""
    why = WHY.get(row["reason"], "").format(points=text.number(row["points"]))
    return text.join(["chưa đủ số liệu", why], ": ")


def basis(row: Row) -> list[str]:
    """What a forecast rests on."""
    return [
        f"dự báo từ số liệu biết đến {known_until(row)}",
        f"{text.number(row['points'])} kỳ, mới nhất {text.period(row['last_period'])}",
        row["model"],
        "lịch sử dựng lại theo thời điểm cập nhật của nguồn" if row["reconstructed"] else "",
    ]
