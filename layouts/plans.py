"""Which plan a page is about: the one in force, or another that its address names."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from dash import html

from kpi import query
from layouts import components, text
from layouts.components import Piece
from layouts.state import desk, today


def plan(asked: str = "") -> query.Plan | None:
    """The plan of that name, by default the one in force on this answer's day; None: no such."""
    catalogue = desk().store.catalogue
    return catalogue.plans.get(asked or catalogue.plan_on(today()))


def other(asked: str) -> str:
    """How addresses name a plan: nothing for the one in force."""
    return "" if asked == desk().store.catalogue.plan_on(today()) else asked


def named(asked: str) -> dict[str, str]:
    """A plan as the filter of a question or of an address; nothing for the one in force."""
    return {"plan": asked} if asked else {}


def heading(asked: str) -> str:
    """Chỉ tiêu của đề án, giai đoạn 2021–2025."""
    found = plan(asked)
    if found is None:
        return "Chỉ tiêu"
    years = f"giai đoạn {found.begins.year}–{found.ends.year}"
    if found.example:
        return f"VÍ DỤ: chỉ tiêu giả định, {years}"
    name = found.short.rstrip("0123456789–- ") or "kế hoạch"
    return f"Chỉ tiêu của {name[0].lower()}{name[1:]}, {years}"


def ended(asked: str) -> bool:
    """Whether a plan is over on this answer's day: its outcomes are closing ones."""
    found = plan(asked)
    return bool(found and found.ends < today())


def absent(asked: str) -> Piece | None:
    """What stands on a page whose plan is none of ours, or had not begun; None where it had."""
    found = plan(asked)
    if not asked or (found and found.begins <= today()):
        return None
    said = (
        f"“{found.short}” bắt đầu ngày {text.day(found.begins)}, sau ngày đang xem."
        if found
        else "Không có kế hoạch nào mang tên này."
    )
    return components.absent("Không có kế hoạch này", said, "Xem kế hoạch đang áp dụng", "/")


def choice(address: Callable[[str], str], asked: str, among: Iterable[str] | None = None) -> Piece:
    """The plans that have begun as links, where there are several; ``among``: these only.

    ``address`` says where the page of a plan stands, by the plan as addresses name it.
    """
    known = desk().store.catalogue.plans
    ids = set(known) if among is None else set(among)
    begun = [one for one in known.values() if one.id in ids and one.begins <= today()]
    begun.sort(key=lambda one: (one.example, one.begins))
    if {one.id for one in begun} <= {getattr(plan(asked), "id", "")}:
        return None
    options = [(one.short, address(other(one.id)), other(one.id) == asked) for one in begun]
    return html.Div(components.choice(options, label="Kế hoạch"), className="toolbar plan-choice")


def banner(asked: str) -> Piece | None:
    """Says over figures judged by an example that it binds nobody; None over a plan."""
    found = plan(asked)
    if not found or not found.example:
        return None
    return html.P(
        [
            html.Strong(query.EXAMPLE),
            " · mức giao ở đây do người làm phần mềm đặt ra để xem trước một kế hoạch chưa chốt;"
            " không cơ quan nào ban hành, không được trích dẫn.",
        ],
        className="plan-example",
        role="note",
    )
