"""What an indicator means: the six headings, the plan's sentence, and both ways to read it."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from kpi import query
from layouts import components, text
from layouts.components import Piece
from layouts.lines import Line, Row, closed, dated, parts_of, verdict
from layouts.state import as_of, desk
from layouts.view import View


def definition(view: View) -> Piece:
    """The six headings of Vietnamese statistics law, and where the target comes from."""
    row, line = view.indicator, view.line
    target = line.target if line else {}
    catalogue = desk().store.catalogue
    sector = catalogue.sectors.get(row.get("sector") or "", "")
    source = (
        dcc.Link(sector or row["source"], href=f"/sources/{row['source']}")
        if row["source"]
        else "chưa có nguồn"
    )
    owner = row.get("owner_name") or text.NONE
    if line and line.owner and line.owner != owner:
        owner = f"{line.owner} (chủ trì chỉ tiêu); {owner} (chủ quản số liệu)"
    return components.card(
        "Định nghĩa",
        components.facts([
            ("Tên", row["name"]),
            ("Khái niệm", row["definition"]),
            ("Công thức", _formula(row["numerator_text"], row["denominator_text"], row["factor"])),
            ("Nguồn", source),
            ("Chu kỳ", _cycle(row, target)),
            ("Loại trừ", row.get("exclusions") or "không có"),
            ("Chủ trì", owner),
            ("Phối hợp", target.get("co_owner_names") or ""),
            ("Liên hệ", target.get("escalation") or ""),
            ("Mức truy cập", text.ACCESS.get(row.get("class", ""), "")),
            ("Phạm vi", text.POPULATION.get(view.part.population, "") if view.part else ""),
            ("Nguyên văn", html.Blockquote(target["sentence"]) if target else ""),
            ("Căn cứ", target.get("citation", "")),
            ("Hiệu lực", _valid(target)),
            ("Cách đọc", _worded(target["reading_in_force"]) if line else ""),
            ("Cách đọc thứ hai", _second(line)),
            (
                "Phiên bản",
                dcc.Link(
                    html.Code(row["definition_version"]), href=f"/definitions#{row['indicator']}"
                ),
            ),
            ("Các phiên bản", _versions(row)),
        ]),
    )


def _formula(over: str, under: str, factor: float) -> Piece:
    sides = [html.Span(over or text.NONE), html.Span(under or text.NONE)]
    return html.Div([
        html.Span(sides, className="formula"),
        html.Span(f" × {text.plain(factor)}", className="under"),
    ])


RULE = (
    "Mỗi kỳ tính theo định nghĩa có hiệu lực vào ngày cuối kỳ. Kỳ có ngày thay đổi ở giữa, như cả"
    " năm, tính trọn theo định nghĩa sau và có ghi chú."
)


def _versions(row: Row) -> Piece:
    """Every definition of an indicator that was changed, the newest first, and which one counts."""
    if not dated(row):
        return ""
    every = desk().store.catalogue.indicators[row["indicator"]].every
    return html.Div(
        [html.P(RULE, className="under"), html.Ul([_version(one, row) for one in reversed(every)])],
        className="definition-versions",
    )


def _version(one: Any, row: Row) -> Piece:
    here = one.definition_id == row["definition_version"]
    return html.Li([
        html.P([
            html.B(f"Từ {text.day(one.begins)}" if one.begins else "Từ đầu"),
            " · ",
            html.Code(one.definition_id),
            " · bản ở trên" if here else None,
        ]),
        None if here else html.P(one.definition),
        None if here else _formula(one.numerator_text, one.denominator_text, one.factor),
        html.P(f"Loại trừ: {one.exclusions}", className="under")
        if one.exclusions and not here
        else None,
    ])


def _valid(target: Row) -> str:
    """From when, and until when, the wording of a target holds."""
    begins, ends = target.get("valid_from"), target.get("valid_to")
    return text.join(
        [
            f"từ {text.day(begins)}" if text.known(begins) else "",
            f"đến {text.day(ends)}" if text.known(ends) else "",
        ],
        " ",
    )


def _second(line: Line | None) -> str:
    """The reading that an unclear sentence has beside the one in force."""
    if line is None or not text.known(line.target.get("second_reading")):
        return ""
    target = line.target
    both = (target["plan_reading"], target["second_reading"])
    return _worded(next(rule for rule in both if rule != target["reading_in_force"]))


def _cycle(row: Row, target: Row) -> str:
    grain = text.GRAINS.get(row["grain"], row["grain"])
    judged = text.JUDGED.get(target.get("judged_over", ""), "")
    return f"{grain}; xét đạt theo {judged}" if judged else grain


Verdicts = tuple[str, str]  # of what does not reach its level, of what does
CLOSED: Verdicts = ("không đạt", "đạt")
OPEN: Verdicts = ("chưa đủ mức", "đủ mức")  # while the target runs nothing is missed


def readings(view: View) -> list[Piece]:
    """Both readings of an unclear sentence: what each would say, which is in force and by whom."""
    line = view.line
    if line is None or not text.known(line.target.get("second_reading")):
        return []
    target, row = line.target, view.row
    over, under = parts_of(row, closing=closed(row))
    rules = list(
        dict.fromkeys(
            filter(
                None,
                [target["reading_in_force"], target["second_reading"], target["plan_reading"]],
            )
        )
    )
    words = CLOSED if closed(row) else OPEN
    shown = [
        _reading(rule, rule == target["reading_in_force"], verdict(rule, over, under), words)
        for rule in rules
    ]
    by, at = target.get("reading_chosen_by"), target.get("reading_chosen_at")
    chosen = text.join(
        [
            f"Người chọn cách đọc đang dùng: {by}" if text.known(by) else "",
            f"ngày {text.day(at)}" if text.known(at) else "",
        ],
        ", ",
    )
    return [
        components.card(
            "Hai cách đọc",
            html.Div(shown, className="readings"),
            html.P(_both(rules, over, under, words), className="says"),
            html.P(text.sentence(chosen), className="under"),
            *_reasons(line.id),
        )
    ]


def _reasons(target: str) -> list[Piece]:
    """Why the reading in force was chosen, and the choices before it."""
    found = query.choices(desk().store, target, as_of=as_of())
    if not found:
        return []
    said = [
        f"“{_worded(one.reading)}”: {one.by}, {text.minute(one.at)}. Lý do: {one.reason}"
        for one in found
    ]
    former = html.Ul([html.Li(line, className="under") for line in said[1:]])
    return [
        html.P(said[0], className="under reading-why"),
        components.more(f"Những lần chọn trước ({len(said) - 1})", former) if said[1:] else None,
    ]


def _worded(rule: str) -> str:
    return text.reading(rule) if any(c.isdigit() for c in rule) else "định tính"


def _reading(rule: str, in_force: bool, met: bool | None, words: Verdicts) -> Piece:
    worded = text.reading(rule) if any(c.isdigit() for c in rule) else "không có mức giao bằng số"
    said: Piece = components.status("no_data")
    if met is not None:
        said = components.status("met" if met else "missed")
        said = said if words is CLOSED else html.Span(text.sentence(words[met]).rstrip("."))
    return html.Div(
        [
            said if worded[0] != "k" else None,
            html.Span(f"“{worded}”" if worded[0] != "k" else worded),
            html.Span("đang dùng" if in_force else "cách đọc thứ hai", className="reading-note"),
        ],
        className=f"reading{' in-force' if in_force else ''}",
    )


def _both(rules: list[str], over: Any, under: Any, said: Verdicts) -> str:
    """đạt nếu “từ 25 %”, không đạt nếu “trên 25 %”."""
    words = []
    for rule in rules:
        met = verdict(rule, over, under)
        if met is not None:
            words.append(f"{said[met]} nếu “{text.reading(rule)}”")
    return text.sentence(", ".join(words))
