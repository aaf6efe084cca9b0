"""Elements and indicators: what is counted or declared, and the ratios made of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from ioc.model import Level
from kpi.declared import Form

AT = ("opened_at", "closed_at")
FIELDS = ("state", "category", "channel", "result")
DEADLINE = ("met", "missed")
"""How a closed record stands to its due date as it is now: an extension moves it."""
WHERE = (*FIELDS, "deadline")
OVER_TIME = ("sum", "last", "distinct")
OVER_UNITS = ("sum", "distinct")
SERVES = ("department", "district", "commune")
KINDS = ("quantitative", "qualitative", "component", "orientation", "enhanced")
CLASSES = ("public", "internal", "restricted")
"""Who an indicator is for: everybody, the authorities, or those who were given it by name."""
GRAINS = ("day", "month", "quarter", "year")
SHORT = 44
"""Two lines of a wall tile."""
JUMP, JUMP_FROM = 10.0, 100.0
DEFINED = (
    "definition numerator denominator numerator_text denominator_text factor exclusions"
).split()
"""What a change of an indicator may say anew: its unit, its source and its owner stay."""


@dataclass(frozen=True, slots=True)
class Element:
    """A quantity that is counted from records (``count``) or declared by a source (``reading``).

    Counted with ``over_time`` "last" it is a stock: at each check the source lists every item
    again (an inventory), and what is listed on a month's last day of checks is the month's count.
    """

    id: str
    name: str
    unit: str
    count: str | None
    reading: bool
    at: str
    where: Mapping[str, tuple[str, ...]]
    distinct: str | None
    over_time: str
    over_units: str
    silence: str
    serves: tuple[Level, ...]
    range: tuple[float, float] = (0.0, math.inf)
    """What a declared figure may be; one outside it is refused."""
    jump: float = JUMP
    """So many times what was known before is taken, and looked at."""
    jump_from: float = JUMP_FROM
    """Below this size a figure may jump: from 2 to 30 people is no alarm."""
    suppress_below: int | None = None
    """A smaller count of people is stored and summed, and told of no org unit."""

    def hides(self, figure: float | None) -> bool:
        """Whether a figure is so small that it might point at a person."""
        least = self.suppress_below
        return least is not None and figure is not None and figure < least


@dataclass(frozen=True, slots=True)
class Definition:
    """What an indicator means from a day on, up to the next one; None: from the beginning."""

    begins: date | None
    definition: str
    numerator: str | None
    denominator: str | None
    numerator_text: str
    denominator_text: str
    factor: float
    exclusions: str
    within: bool
    definition_id: str = ""
    text: str = ""
    """The canonical text behind ``definition_id``."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """factor × numerator / denominator; computed after summing, never averaged.

    ``numerator`` and ``denominator`` are element ids, None where only words exist yet;
    ``numerator_text`` and ``denominator_text`` always say in Vietnamese what is counted.
    """

    id: str
    name: str
    short: str
    definition: str
    numerator: str | None
    denominator: str | None
    numerator_text: str
    denominator_text: str
    factor: float
    unit: str
    grain: str
    better: str
    source: str | None
    owner: str
    sector: str
    kind: str
    exclusions: str
    late_after: timedelta | None
    stale_after: timedelta | None
    reporting_days: int | None
    definition_id: str
    within: bool = False
    """The numerator is part of the denominator, so a figure above 100 % is a fault."""
    access: str = "internal"
    """One of ``CLASSES``: ``class`` in the file. No part of the definition."""
    begins: date | None = None
    """From when this definition is in force, where it replaced another one."""
    versions: tuple[Definition, ...] = ()
    """Where the definition was changed: the first, then each later one, oldest first."""

    def at(self, day: date) -> "Indicator":
        """The indicator as it is defined on a day; before its first definition that one counts."""
        if not self.versions:
            return self
        said = next(
            (one for one in reversed(self.versions) if one.begins and one.begins <= day),
            self.versions[0],
        )
        return self.by(said)

    def by(self, said: Definition) -> "Indicator":
        """The indicator as one of its definitions says it."""
        return replace(
            self,
            begins=said.begins,
            within=said.within,
            definition_id=said.definition_id,
            **{name: getattr(said, name) for name in DEFINED},
        )

    @property
    def every(self) -> tuple["Indicator", ...]:
        """The indicator by each of its definitions, oldest first."""
        return tuple(map(self.by, self.versions)) or (self,)


def read_element(name: str, form: Form) -> Element:
    """One element as declared; what does not fit together is noted as a fault."""
    counted = form.text("count") if form.has("count") else None
    reading = form.flag("reading")
    if (counted is None) != reading:
        form.fault("phải ghi đúng một trong hai: “count: loại bản ghi” hoặc “reading: true”")
    for key in ("at", "where", "distinct"):
        if reading and form.has(key):
            form.fault(f"số liệu do nguồn khai báo không có mục “{key}”", key)
    for key in ("range", "jump", "jump_from", "suppress_below"):
        if counted and form.has(key):
            form.fault(f"số đếm từ bản ghi không có mục “{key}”", key)
    distinct = form.choice("distinct", FIELDS) if form.has("distinct") else None
    element = Element(
        id=name,
        name=form.text("name"),
        unit=form.text("unit"),
        count=counted,
        reading=reading,
        at=form.choice("at", AT, None if counted else "opened_at"),
        where=_read_where(form),
        distinct=distinct,
        over_time=_read_sum(form, "over_time", OVER_TIME),
        over_units=_read_sum(form, "over_units", OVER_UNITS),
        silence=form.choice("silence", ("zero", "unknown"), _silence(form, counted)),
        serves=form.choices("serves", SERVES, ()),  # type: ignore[arg-type]
        range=_read_range(form),
        jump=_more_than(form, "jump", 1, JUMP),
        jump_from=_more_than(form, "jump_from", 0, JUMP_FROM),
        suppress_below=_read_least(form),
    )
    if len({distinct is not None, *(s == "distinct" for s in _sums(element))}) > 1:
        form.fault("đếm không trùng thì cả distinct, over_time và over_units đều phải ghi vậy")
    if counted and element.over_time == "last":
        if element.at != "opened_at":
            form.fault("số đếm theo kỳ kiểm kê (“over_time: last”) phải ghi “at: opened_at”", "at")
        if element.silence == "zero":
            form.fault("tháng không kiểm kê là chưa biết: không ghi “silence: zero”", "silence")
    form.close()
    return element


def _silence(form: Form, counted: str | None) -> str:
    """A flow of records is zero where none came; a stock is unknown where nobody looked."""
    return "zero" if counted and form.data.get("over_time") != "last" else "unknown"


def _read_range(form: Form) -> tuple[float, float]:
    low, high = form.numbers("range", 2) or (0.0, math.inf)
    if low >= high:
        form.fault("khoảng cho phép phải đi từ số nhỏ đến số lớn", "range")
    return low, high


def _more_than(form: Form, key: str, least: float, default: float) -> float:
    found = float(form.number(key, default) or 0)
    if found <= least:
        form.fault(f"mục “{key}” phải lớn hơn {least:g}", key)
    return found


def _read_least(form: Form) -> int | None:
    least = form.number("suppress_below")
    if least is not None and (not isinstance(least, int) or least < 2):
        form.fault("mục “suppress_below” phải là số nguyên từ 2", "suppress_below")
        return None
    return least


def _sums(element: Element) -> tuple[str, str]:
    return element.over_time, element.over_units


def _read_sum(form: Form, key: str, choices: tuple[str, ...]) -> str:
    if form.has(key) and form.data[key] == "mean":
        form.fault(f"“{key}: mean” không được dùng: hãy khai báo tử số/mẫu số", key)
        return choices[0]
    return form.choice(key, choices)


def _read_where(form: Form) -> dict[str, tuple[str, ...]]:
    if not form.has("where"):
        return {}
    where = form.form("where", f"{form.name}.where")
    for key in where.data:
        if key not in WHERE:
            where.fault(f"không lọc được theo {key!r}; chỉ nhận {', '.join(WHERE)}", key)
    found = {key: where.texts(key) for key in WHERE if key in where.data}
    if strange := set(found.get("deadline", ())) - set(DEADLINE):
        where.fault(f"deadline chỉ nhận met, missed, không phải {', '.join(strange)}", "deadline")
    return found


def read_indicator(name: str, form: Form, sector: str) -> Indicator:
    """One indicator as declared, its digest still empty: that needs its elements."""
    short = form.text("short")
    if len(short) > SHORT:
        form.fault(f"tên ngắn dài {len(short)} ký tự, tối đa {SHORT}", "short")
    factor = _read_factor(form, 100)
    days = form.number("reporting_days")
    if days is not None and (not isinstance(days, int) or days < 0):
        form.fault("số ngày báo cáo phải là số nguyên không âm", "reporting_days")
    names = {key: _named(form.text(key)) for key in ("numerator", "denominator", "source")}
    indicator = Indicator(
        id=name,
        name=form.text("name"),
        short=short,
        definition=form.text("definition"),
        numerator=names["numerator"],
        denominator=names["denominator"],
        numerator_text=form.text("numerator_text", ""),
        denominator_text=form.text("denominator_text", ""),
        factor=factor,
        unit=form.text("unit"),
        grain=form.choice("grain", GRAINS),
        better=form.choice("better", ("higher", "lower", "none")),
        source=names["source"],
        owner=form.text("owner"),
        sector=sector,
        kind=form.choice("kind", KINDS, "quantitative"),
        exclusions=form.text("exclusions", ""),
        late_after=form.span("late_after"),
        stale_after=form.span("stale_after"),
        reporting_days=int(days) if days is not None else None,
        definition_id="",
        within=form.flag("within")
        if form.has("within")
        else (factor == 100 and form.data.get("unit") == "%"),
        access=form.choice("class", CLASSES, "internal"),
    )
    if form.has("changes"):
        indicator = replace(indicator, versions=_read_changes(form, indicator))
    form.close()
    return indicator


def _read_factor(form: Form, default: float) -> float:
    factor = form.number("factor", default) or 0
    if factor <= 0:
        form.fault("hệ số phải lớn hơn 0", "factor")
    return factor


def _named(element: str) -> str | None:
    """An element's id; None where only words exist yet."""
    return None if element in ("none", "") else element


def _read_changes(form: Form, indicator: Indicator) -> tuple[Definition, ...]:
    """The first definition and the later ones: each says its day and what of ``DEFINED`` is new."""
    said = Definition(
        None, **{name: getattr(indicator, name) for name in DEFINED}, within=indicator.within
    )
    found = [said]
    for changed in form.listed("changes"):
        begins = changed.begins(said.begins)
        said = _changed(changed, said, begins, form)
        found.append(said)
        changed.close()
    return tuple(found)


def _changed(form: Form, said: Definition, begins: date | None, whole: Form) -> Definition:
    if not any(form.has(key) for key in DEFINED):
        form.fault(f"thay đổi phải ghi ít nhất một trong {', '.join(DEFINED)}")
    factor = _read_factor(form, said.factor)
    sides: dict[str, str | None] = {}
    for key in ("numerator", "denominator"):
        new = form.has(key)
        sides[key] = _named(form.text(key)) if new else getattr(said, key)
        # words of the element before do not fit another one
        sides[f"{key}_text"] = form.text(f"{key}_text", "" if new else getattr(said, f"{key}_text"))
    made = replace(
        said,
        begins=begins,
        definition=form.text("definition", said.definition),
        factor=factor,
        exclusions=form.text("exclusions", said.exclusions),
        within=said.within
        if whole.has("within")
        else (factor == 100 and whole.data.get("unit") == "%"),
        **sides,  # type: ignore[arg-type]
    )
    if replace(made, begins=said.begins) == said and any(form.has(key) for key in DEFINED):
        form.fault("thay đổi không đổi gì của định nghĩa trước đó")
    return made
