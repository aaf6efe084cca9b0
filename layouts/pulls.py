"""Which org units pull a target down most, and in which of them what is missing lies."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from dash import dcc, html

from layouts import text
from layouts.components import Piece
from layouts.lines import AREA, closed, parts_of
from layouts.ranking import Rank, cases, ranks
from layouts.state import desk
from layouts.view import LEVELS, View

MOST = 3
RED = ("missed", "off_track", "at_risk")
BELOW = ("commune", "district")
"""What an area has below it."""


def heaviest(units: list[Rank], operator: str) -> list[Rank]:
    """The org units that lack cases to the threshold by their own counts, most first."""
    lacking = [one for one in units if lack(one, operator) > 0]
    return sorted(lacking, key=lambda one: (-(one.gap or 0), one.code))


def lack(one: Rank, operator: str) -> int:
    """The whole cases that an org unit lacks; none where nothing is known."""
    return cases(one.gap, operator) if one.gap is not None else 0


def pulls(view: View) -> list[Piece]:
    """Of the level of the ranking, else of the first level that has figures; for an area of what
    is below it. Where the target is red and nobody of a level lacks anything, the next is asked.
    """
    line, part = view.line, view.part
    assert line and part
    whole = view.org_unit == AREA
    if view.unit.level != "area" or not line.numeric or view.status == "no_source":
        return []
    operator = view.row.get("operator") or line.target["operator"]
    unlacking: list[Piece] = []
    for level in dict.fromkeys([view.level, part.population, *(LEVELS if whole else BELOW)]):
        found = _units(view, level) if level in (LEVELS if whole else BELOW) else []
        if not found:
            continue
        lacking = heaviest(found, operator)
        if lacking:
            return [
                html.Ol(
                    [_pull(view, one, operator) for one in lacking[:MOST]],
                    className="pulls",
                    **{"data-level": level},
                ),
                _under(
                    f"Thiếu so với mức giao của chính đơn vị (cấp: {text.LEVELS_SHORT[level]})."
                ),
                _elsewhere(view, lacking, operator) if whole and level == "area" else None,
            ]
        unlacking = unlacking or [_under(_nobody(view, found, level))]
        if view.status not in RED:
            break
    return unlacking or [_under("Chưa có số liệu của từng đơn vị.")]


def _units(view: View, level: str) -> list[Rank]:
    """The org units of a level with a figure, of an area those inside it."""
    assert view.part
    known = desk().orgunits
    return [
        one
        for one in ranks(view, level, closing=closed(view.part.row)).units
        if not one.absent
        and one.org_unit != view.org_unit
        and view.org_unit in (AREA, known[one.org_unit].area)
    ]


def _under(words: str) -> Piece:
    return html.P(words, className="under")


def _noun(view: View) -> str:
    return (view.part.noun if view.part else "") or "trường hợp"


def _pull(view: View, one: Rank, operator: str) -> Piece:
    assert one.gap is not None
    told = [
        f"thiếu {text.number(lack(one, operator))} {_noun(view)}",
        text.percent(one.over, one.under, *view.borders),
        f"n {text.number(one.under)}",
        _answers(view, one),
    ]
    return html.Li(
        [
            dcc.Link(one.name, href=view.address(org_unit=one.org_unit)),
            html.Span(text.join(told), className="under"),
        ],
        **{"data-unit": one.org_unit, "data-gap": f"{float(one.gap):.6f}"},
    )


def _answers(view: View, one: Rank) -> str:
    """Whether this org unit is the one that answers for the target."""
    owner = view.line.target.get("owner_unit") if view.line else ""
    return "chính cơ quan chủ trì" if owner and owner == one.org_unit else ""


def _elsewhere(view: View, lacking: list[Rank], operator: str) -> Piece:
    """Sở, ban, ngành thiếu 60 trong 167 hồ sơ; nhiều nhất Sở Y tế: 25."""
    others = heaviest(_units(view, "department"), operator)
    if not others:
        return None
    theirs = sum(lack(one, operator) for one in others)
    every = theirs + sum(lack(one, operator) for one in lacking)
    worst = others[0]
    told = text.join([worst.name, _answers(view, worst)], ", ")
    words = (
        f"Sở, ban, ngành thiếu {text.number(theirs)} trong {text.number(every)} {_noun(view)} mà"
        f" các đơn vị còn thiếu; nhiều nhất: {told} (thiếu {text.number(lack(worst, operator))})."
    )
    link = dcc.Link("xem các sở, ban, ngành", href=view.address(level="department"))
    return html.P([words, " ", link], className="under pulls-elsewhere")


def _nobody(view: View, found: list[Rank], level: str) -> str:
    """Nobody of a level lacks anything; of a red target where then what is missing lies."""
    told = f"Không đơn vị nào thiếu ({text.LEVELS_SHORT[level]})."
    if view.status not in RED:
        return told
    assert view.part
    outside = _outside(parts_of(view.row, closing=closed(view.part.row)), found)
    if outside is None:
        return f"{told} Con số của toàn địa bàn tính riêng, không cộng từ các đơn vị này."
    over, under = outside
    counts = text.counts(float(over), float(under), _noun(view))
    return f"{told} Phần thiếu nằm ngoài các đơn vị này: {counts}."


def _outside(whole: tuple[Any, Any], found: list[Rank]) -> tuple[Fraction, Fraction] | None:
    """The counts that none of these org units has; None where they do not add up so."""
    if not all(map(text.known, whole)):
        return None
    over, under = (
        Fraction(total) - sum(Fraction(getattr(one, side)) for one in found)
        for total, side in zip(whole, ("over", "under"), strict=True)
    )
    return (over, under) if 0 <= over < under else None
