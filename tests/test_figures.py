"""Charts are plain dicts that tell gaps from zeros and never phone home."""

import json
from datetime import date
from pathlib import Path

from dash import dcc

from layouts import components, figures, theme

NAN = float("nan")


def month(period, over, under, reason="", revised=0.0):
    value = 100 * over / under if under else NAN
    return {
        "period": period, "numerator": over, "denominator": under, "value": value,
        "reason": reason, "revised": revised,
    }  # fmt: skip


ROWS = [
    month("2025-10", 20_001.0, 25_000.0),
    month("2025-11", NAN, NAN, reason="not_reported"),
    month("2025-12", 0.0, 400.0, revised=1.0),
]


def drawn(**more):
    return figures.trend(ROWS, noun="hồ sơ", **more)


def walk(piece):
    yield piece
    children = getattr(piece, "children", None)
    for child in children if isinstance(children, (list, tuple)) else [children]:
        if child is not None:
            yield from walk(child)


def test_a_figure_is_a_plain_dict_that_json_can_hold():
    figure = drawn(threshold=80, level="trên 80 %", closes=date(2025, 12, 31))
    assert type(figure) is dict
    json.dumps(figure, allow_nan=False)


def test_a_month_without_a_report_is_a_gap_and_a_zero_is_a_zero():
    line = drawn()["data"][0]
    assert line["y"] == [80.004, None, 0.0]
    assert line["connectgaps"] is False


def test_the_words_of_a_point_keep_to_the_rule_of_the_line():
    first, gap, zero = (w.replace("\u00a0", " ") for w in drawn(threshold=80)["data"][0]["text"])
    assert first == "tháng 10/2025: 80,004 % (20.001/25.000 hồ sơ)"
    assert gap == "tháng 11/2025: chưa báo cáo"
    assert zero == "tháng 12/2025: 0 % (0/400 hồ sơ), đã sửa"


def test_a_revised_month_is_hollow():
    assert drawn()["data"][0]["marker"]["symbol"] == ["circle", "circle", "circle-open"]


def test_the_target_is_a_line_until_it_closes():
    figure = drawn(
        threshold=80, level="trên 80 %", starts=date(2021, 1, 1), closes=date(2025, 12, 31)
    )
    target, closing = figure["layout"]["shapes"]
    assert (target["y0"], target["y1"]) == (80.0, 80.0)
    assert (target["x0"], target["x1"]) == ("2021-01-01", "2025-12-31")
    assert closing["x0"] == closing["x1"] == "2025-12-31"
    assert [n["text"] for n in figure["layout"]["annotations"]] == [
        "Mức giao trên 80 %", "chốt 31/12/2025",
    ]  # fmt: skip


def test_a_figure_in_another_unit_than_percent_is_told_in_its_own():
    """Its axis has room above, its words no share and no denominator that does not exist."""
    rows = [
        {"period": "2026-10", "numerator": 15_000_000, "denominator": None,
         "value": 15_000_000.0, "unit": "lượt", "reason": "", "revised": 0},
        {"period": "2026-11", "numerator": None, "denominator": None,
         "value": None, "unit": "lượt", "reason": "not_reported", "revised": 0},
    ]  # fmt: skip
    drawn = figures.trend(rows)
    axis = drawn["layout"]["yaxis"]
    assert axis["ticksuffix"] == " lượt" and axis["range"][1] > 15_000_000
    assert axis["exponentformat"] == "none" and axis["separatethousands"]
    assert drawn["data"][0]["text"][0] == "tháng 10/2026: 15.000.000\u00a0lượt"


def test_a_range_is_a_band():
    band = drawn(threshold=80, high=100, level="80–100 %")["layout"]["shapes"][0]
    assert band["type"] == "rect"
    assert (band["y0"], band["y1"]) == (80.0, 100.0)


def test_no_target_draws_no_line():
    assert drawn()["layout"]["shapes"] == []
    assert figures.trend([])["data"][0]["x"] == []


def test_only_svg_traces_are_drawn():
    assert {trace["type"] for trace in drawn()["data"]} == {"scatter"}


def test_a_chart_sends_nothing_to_anybody():
    (chart,) = (
        p for p in walk(components.graph("a", drawn(), [], label="x")) if isinstance(p, dcc.Graph)
    )
    assert chart.config["showSendToCloud"] is False
    assert chart.config["plotlyServerURL"] == ""
    assert chart.config["displaylogo"] is False
    assert chart.config["locale"] == "vi"


def test_the_template_is_one_constant():
    assert drawn()["layout"]["template"] is theme.TEMPLATE


def test_a_sparkline_breaks_where_a_month_is_missing():
    line = components.sparkline([1.0, 2.0, NAN, 3.0, 4.0])
    assert line.style["--trend"].count("M") == 2 and "--aim" not in line.style
    assert "--aim" in components.sparkline([1.0, 2.0], 1.5).style
    assert components.sparkline([NAN, NAN]).className == "sparkline is-empty"


def test_a_bar_never_leaves_its_track():
    bar = components.bullet(130.0, 80)
    assert bar.children[0].style == {"--to": "100.00%"}
    empty = components.bullet(NAN, 80)
    assert "is-empty" in empty.className
    assert len(empty.children) == 1


def test_every_chart_has_its_twin_and_there_is_no_other_way_to_draw_one():
    pieces = list(walk(components.graph("a", drawn(), ["bảng"], label="x")))
    twin = next(p for p in pieces if getattr(p, "id", None) == "a-table")
    assert twin.children == ["bảng"]
    folder = Path(components.__file__).parent
    assert [p.name for p in folder.rglob("*.py") if "dcc.Graph(" in p.read_text()] == [
        "components.py"
    ]


# --- what is drawn beside the values -------------------------------------------------------------


def test_the_same_period_last_year_is_dotted_and_never_guessed():
    rows = [
        month("2025-10", 1.0, 2.0) | {"before": month("2024-10", 1.0, 4.0)},
        month("2025-11", 1.0, 2.0) | {"before": month("2024-11", NAN, NAN)},
        month("2025-12", 1.0, 2.0) | {"before": {}},
    ]
    values, before = figures.trend(rows)["data"]
    assert before["y"] == [25.0, None, None] and before["x"] == values["x"]
    assert before["connectgaps"] is False and before["line"]["dash"] != "solid"
    assert before["text"][0].replace("\u00a0", " ") == (
        "tháng 10/2024: 25 % (1/4) (cùng kỳ năm trước)"
    )
    assert len(figures.trend(ROWS)["data"]) == 1  # nothing known, nothing drawn


def test_the_pace_is_a_straight_line_between_its_ends():
    ends = [(date(2021, 12, 31), 20.0), (date(2025, 12, 31), 80.0)]
    line = drawn(threshold=80, pace=ends)["data"][1]
    assert (line["x"], line["y"]) == (["2021-12-31", "2025-12-31"], [20.0, 80.0])
    assert "31/12/2025" in line["text"][1] and line["line"]["dash"]


def test_a_target_that_moves_is_a_line_in_steps():
    steps = [(date(2021, 1, 1), 40.0), (date(2023, 1, 1), 60.0)]
    shapes = drawn(threshold=60, level="từ 60 %", steps=steps, closes=date(2025, 12, 31))["layout"]
    flat = [(s["x0"], s["x1"], s["y0"], s["y1"]) for s in shapes["shapes"][:3]]
    assert flat == [
        ("2021-01-01", "2023-01-01", 40.0, 40.0),
        ("2023-01-01", "2023-01-01", 40.0, 60.0),
        ("2023-01-01", "2025-12-31", 60.0, 60.0),
    ]


def test_what_happened_is_marked_on_its_day():
    layout = drawn(marks=[("1", date(2025, 7, 1))])["layout"]
    (line,), (note,) = layout["shapes"], layout["annotations"]
    assert line["x0"] == line["x1"] == note["x"] == "2025-07-01" and note["text"] == "1"
