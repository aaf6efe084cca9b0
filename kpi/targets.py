"""What the plan asks for: targets with their exact sentence, operator, populations and dates."""

import unicodedata
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from ioc.config import read_yaml
from ioc.errors import Fault
from ioc.period import Period
from ioc.rule import Rule, parse_reading
from kpi.declared import Form
from kpi.plans import EXAMPLE, Plan
from kpi.plantext import HEADING, read_text

OPERATORS = (">", ">=", "range", "qualitative")
CERTAINTIES = ("explicit", "unclear", "none")
COMBINES = ("one", "worst", "each_population")
POPULATIONS = ("area", "department", "district", "commune")
CHANGED = ("threshold", "threshold_high", "operator", "closing_date")
YEARS = ("calendar_year", "year_to_date")
JUDGED_OVER = ("last_month", "year_to_date", "calendar_year", "stock_at_date")


@dataclass(frozen=True, slots=True)
class Citation:
    """Where the sentence stands: document, its number (None: not known), date, section, bullet."""

    title: str
    number: str | None
    published: date
    section: str
    bullet: int
    noun: str = "chỉ tiêu"

    @property
    def text(self) -> str:
        """One line in Vietnamese."""
        number = f"số {self.number}" if self.number else "số văn bản: chưa xác định"
        return (
            f"{self.title}; {number}; ngày {self.published:%d/%m/%Y}; "
            f"mục {self.section}, {self.noun} thứ {self.bullet}"
        )


@dataclass(frozen=True, slots=True)
class Part:
    """One indicator of a target over one population until one closing date."""

    target: str
    indicator: str
    population: str
    closing_date: date
    judged_over: str
    closes_early: bool
    """Closes before the plan's end: keeps its word, muted, never among the worst."""
    begins: date
    """From when the target is valid: what was known just before is where its pace may begin."""

    @property
    def mode(self) -> Literal["year", "month"]:
        """The grain of its windows: ``year`` for flows of a year, else ``month``."""
        return "year" if self.judged_over in YEARS else "month"

    @property
    def closing(self) -> Period:
        """The window whose figure closes it."""
        return self.window(self.closing_date)

    def window(self, day: date) -> Period:
        """The window that is judged on a day."""
        return Period.of("year" if self.mode == "year" else "month", day)

    @property
    def earliest(self) -> Period:
        """The first window that may be its baseline: the last one before the target began."""
        return self.window(self.begins - timedelta(days=1))

    def ends(self, window: Period) -> date:
        """The last day of a window: a year in which a part closes early ends with it."""
        cut = self.mode == "year" and window.key == self.closing.key
        return min(window.end, self.closing_date) if cut else window.end

    def closed(self, day: date) -> bool:
        """Whether the closing date lies behind this day."""
        return day > self.closing_date


@dataclass(frozen=True, slots=True)
class Wording:
    """What a target asks from a day on, and when its parts close."""

    begins: date
    operator: str
    threshold: float | None
    threshold_high: float | None
    second_reading: str
    reading_in_force: str
    closing_dates: tuple[date, ...]

    @property
    def rule(self) -> Rule:
        """Its first reading."""
        return Rule(self.operator, self.threshold, self.threshold_high)


@dataclass(frozen=True, slots=True)
class Target:
    """One row of the plan. ``populations`` and ``closing_dates`` follow ``indicators``.

    ``operator`` and thresholds are the plan's words as first read; what judges is ``rule``,
    the reading in force.
    """

    id: str
    bullet: int
    indicators: tuple[str, ...]
    combine: str
    operator: str
    operator_certainty: str
    threshold: float | None
    threshold_high: float | None
    second_reading: str
    populations: tuple[str, ...]
    judged_over: str
    baseline_date: date | None
    baseline_value: float | None
    closing_dates: tuple[date, ...]
    owner: str
    co_owners: tuple[str, ...]
    sentence: str
    citation: Citation
    valid_from: date
    valid_to: date | None
    reading_in_force: str
    reading_chosen_by: str
    reading_chosen_at: date | None
    plan: str
    plan_ends: date
    escalation: str = ""
    """Whom to turn to when the owner does not answer, as the plan file writes it."""
    wordings: tuple[Wording, ...] = ()
    """Where the plan was changed: what it asked first, then each change, oldest first."""

    @property
    def readings(self) -> tuple[Rule, ...]:
        """The first reading, and the second where the sentence allows one."""
        first = Rule(self.operator, self.threshold, self.threshold_high)
        return (first, parse_reading(self.second_reading)) if self.second_reading else (first,)

    @property
    def rule(self) -> Rule:
        """The reading that decides the colour."""
        return next(rule for rule in self.readings if rule.text == self.reading_in_force)

    @property
    def parts(self) -> tuple[Part, ...]:
        """One part for each indicator, in the plan's order."""
        rows = zip(self.indicators, self.populations, self.closing_dates, strict=True)
        return tuple(
            Part(
                self.id,
                indicator,
                population,
                closing,
                self.judged_over,
                closing < self.plan_ends,
                self.valid_from,
            )
            for indicator, population, closing in rows
        )

    def on(self, day: date) -> "Target":
        """The target as it was worded on a day; what changes later moves nothing of that day.

        Before its first wording that one counts. To be asked of a target before ``in_force``: a
        choice among readings is made again for the wording of the day.
        """
        if not self.wordings:
            return self
        begun = [one for one in self.wordings if one.begins <= day]
        said = begun[-1] if begun else self.wordings[0]
        return replace(
            self,
            operator=said.operator,
            threshold=said.threshold,
            threshold_high=said.threshold_high,
            second_reading=said.second_reading,
            reading_in_force=said.reading_in_force,
            closing_dates=said.closing_dates,
        )

    def judging(self, part: Part, day: date) -> "Target":
        """The wording that judges a part on a day: once it is closed, that of its closing date."""
        worded = self.on(day)
        return self.on(part.closing_date) if part.closed(day) else worded

    def valid_on(self, day: date) -> bool:
        """Whether this wording is in force on the day."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


def read_plan(
    path: Path, texts: list[Path], faults: list[Fault]
) -> tuple[Plan, list[tuple[Target, Form]]]:
    """Read one plan file: its head, its targets in order, each with its form for cross-checks.

    ``texts`` are the folders in which the plan's own text is looked for, nearest first.
    """
    file = Form(str(path), "", read_yaml(path, faults), faults)
    header = file.form("plan", "plan")
    forms = file.forms("targets")
    file.close()
    plan = _read_header(header, path.stem, texts)
    if not forms:
        file.fault("thiếu mục “targets”")
    return plan, [(_read_target(name, form, plan), form) for name, form in forms.items()]


def bullets(text: str) -> dict[str, list[str]]:
    """The lines that begin with a dash, by the number of their section, in NFC."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unicodedata.normalize("NFC", text).splitlines():
        if heading := HEADING.match(line):
            section = heading[0].strip().rstrip(".")
        elif line.startswith("- "):
            found.setdefault(section, []).append(line.removeprefix("- "))
    return found


def _read_header(form: Form, name: str, texts: list[Path]) -> Plan:
    sections = bullets(read_text(form, texts))
    days = {key: form.day(key) for key in ("published", "begins", "ends")}
    for key, day in days.items():
        if day is None and not form.data.get(key):
            form.fault(f"thiếu mục “{key}”", key)
    begins, ends = days["begins"] or date.min, days["ends"] or date.max
    plan = Plan(
        name,
        form.text("title"),
        form.text("short", f"Kế hoạch {begins.year}–{ends.year}"),
        form.text("number") if form.has("number") else None,
        days["published"] or date.min,
        begins,
        ends,
        form.flag("example"),
        sections,
    )
    if plan.example and not plan.title.startswith(EXAMPLE):
        form.fault(f"tên của một ví dụ phải bắt đầu bằng “{EXAMPLE}”", "title")
    form.close()
    return plan


def _read_target(name: str, form: Form, plan: Plan) -> Target:
    indicators = form.texts("indicators")
    citation, bullet = _read_citation(form, plan)
    operator = form.choice("operator", OPERATORS)
    certainty = form.choice("operator_certainty", CERTAINTIES)
    rule = Rule(operator, form.number("threshold"), form.number("threshold_high"))
    second, in_force = _read_readings(form, rule, certainty)
    combine = form.choice("combine", COMBINES, "one")
    if (combine == "one") != (len(indicators) == 1):
        form.fault(f"“combine: {combine}” không hợp với {len(indicators)} chỉ số", "combine")
    target = Target(
        id=name,
        bullet=bullet,
        indicators=indicators,
        combine=combine,
        operator=operator,
        operator_certainty=certainty,
        threshold=rule.threshold,
        threshold_high=rule.threshold_high,
        second_reading=second,
        populations=_for_each(
            form, "population", form.choices("population", POPULATIONS), indicators
        ),
        judged_over=form.choice("judged_over", JUDGED_OVER),
        baseline_date=form.day("baseline_date"),
        baseline_value=form.number("baseline_value"),
        closing_dates=_for_each(form, "closing_date", _read_closing_dates(form, plan), indicators),
        owner=form.text("owner"),
        co_owners=form.texts("co_owners", ()),
        sentence=_read_sentence(form, plan, citation),
        citation=citation,
        valid_from=form.day("valid_from") or plan.begins,
        valid_to=form.day("valid_to"),
        reading_in_force=in_force,
        reading_chosen_by=form.text("reading_chosen_by", ""),
        reading_chosen_at=form.day("reading_chosen_at"),
        plan=plan.id,
        plan_ends=plan.ends,
        escalation=form.text("escalation", ""),
    )
    _check_baseline(form, target)
    target = replace(target, wordings=_read_changes(form, target, plan))
    form.close()
    return target


def _read_changes(form: Form, target: Target, plan: Plan) -> tuple[Wording, ...]:
    """The first wording and the later ones; none where nothing was changed.

    A change says its day and what is new: ``threshold``, ``operator``, ``closing_date``.
    """
    if not form.has("changes"):
        return ()
    said = Wording(
        target.valid_from,
        target.operator,
        target.threshold,
        target.threshold_high,
        target.second_reading,
        target.reading_in_force,
        target.closing_dates,
    )
    found = [said]
    for changed in form.listed("changes"):
        begins = changed.begins(said.begins)
        said = _changed(changed, said, begins or said.begins, target, plan)
        found.append(said)
        changed.close()
    return tuple(found)


def _changed(form: Form, said: Wording, begins: date, target: Target, plan: Plan) -> Wording:
    if not any(form.has(key) for key in CHANGED):
        form.fault("thay đổi phải ghi ít nhất một trong threshold, operator, closing_date")
    rule = Rule(
        form.choice("operator", OPERATORS, said.operator),
        form.number("threshold", said.threshold),
        form.number("threshold_high", said.threshold_high),
    )
    same = rule == said.rule
    reading = said.reading_in_force if same else _read_readings(form, rule, "explicit")[1]
    closing = said.closing_dates
    if form.has("closing_date"):
        days = _read_closing_dates(form, plan)
        closing = _for_each(form, "closing_date", days, target.indicators)
    ends = {day.month for day in (*closing, *said.closing_dates)}
    if closing != said.closing_dates and ends != {12} and target.judged_over in YEARS:
        # a year that is cut is stored as such, for one closing date only
        form.fault("chỉ tiêu xét theo năm chỉ dời được giữa các ngày 31/12", "closing_date")
    return Wording(begins, *rule, said.second_reading if same else "", reading, closing)


def _for_each(form: Form, key: str, values: tuple, indicators: tuple[str, ...]) -> tuple:
    """One value for each indicator; a single one serves them all."""
    if len(values) == 1:
        return values * len(indicators)
    if values and len(values) != len(indicators):
        form.fault(f"mục “{key}” có {len(values)} giá trị cho {len(indicators)} chỉ số", key)
    return (values + values[-1:] * len(indicators))[: len(indicators)]


def _read_closing_dates(form: Form, plan: Plan) -> tuple[date, ...]:
    days = form.days("closing_date")
    for day in days:
        if day != Period.of("month", day).end:
            form.fault(f"ngày chốt {day} không phải ngày cuối tháng", "closing_date")
        if not plan.begins <= day <= plan.ends:
            form.fault(f"ngày chốt {day} nằm ngoài thời kỳ của kế hoạch", "closing_date")
    return days


def _read_citation(form: Form, plan: Plan) -> tuple[Citation, int]:
    cited = form.form("citation", f"{form.name}.citation")
    section = cited.text("section") if form.has("citation") else ""
    number = cited.number("bullet")
    bullet = number if isinstance(number, int) and number > 0 else 0
    if form.has("citation"):
        cited.close()
        if not bullet:
            cited.fault("mục “bullet” phải là số thứ tự của gạch đầu dòng", "bullet")
    return Citation(plan.title, plan.number, plan.published, section, bullet), bullet


def _read_sentence(form: Form, plan: Plan, citation: Citation) -> str:
    sentence = unicodedata.normalize("NFC", form.text("sentence"))
    lines = plan.sections.get(citation.section, [])
    said = lines[citation.bullet - 1] if 0 < citation.bullet <= len(lines) else None
    if sentence and plan.sections and sentence != said:
        place = f"chỉ tiêu thứ {citation.bullet}, mục {citation.section or '?'}"
        form.fault(f"câu không khớp từng chữ với văn bản kế hoạch ({place})", "sentence")
    if plan.example and not sentence.startswith(EXAMPLE):
        form.fault(f"câu của một ví dụ phải bắt đầu bằng “{EXAMPLE}”", "sentence")
    return sentence


def _read_readings(form: Form, rule: Rule, certainty: str) -> tuple[str, str]:
    """The second reading and the one in force, as texts."""
    wanted = {">": (True, False), ">=": (True, False), "range": (True, True)}
    given = (rule.threshold is not None, rule.threshold_high is not None)
    if given != wanted.get(rule.operator, (False, False)):
        form.fault(f"ngưỡng không hợp với toán tử {rule.operator!r}", "operator")
    elif rule.operator == "range" and not (rule.threshold or 0) < (rule.threshold_high or 0):
        form.fault("ngưỡng dưới phải nhỏ hơn ngưỡng trên", "threshold")
    second = form.text("second_reading", "")
    try:
        texts = [rule.text, *([parse_reading(second).text] if second else [])]
    except ValueError as error:
        form.fault(str(error), "second_reading")
        return "", rule.text
    in_force = form.text("reading_in_force", rule.text)
    if in_force not in texts:
        form.fault(f"cách đọc {in_force!r} không có trong {texts}", "reading_in_force")
        in_force = rule.text
    if (certainty == "unclear") != bool(second):
        form.fault(
            "câu chưa rõ (unclear) phải có cách đọc thứ hai, và chỉ khi đó", "second_reading"
        )
    if second and not (form.has("reading_chosen_by") and form.has("reading_chosen_at")):
        form.fault("có hai cách đọc thì phải ghi ai chọn và ngày chọn", "second_reading")
    return second, in_force


def _check_baseline(form: Form, target: Target) -> None:
    if (target.baseline_date is None) != (target.baseline_value is None):
        form.fault("mốc đầu phải có cả ngày và giá trị", "baseline_date")
    elif target.baseline_date and target.baseline_date >= min(
        target.closing_dates, default=date.max
    ):
        form.fault("ngày mốc đầu phải trước ngày chốt", "baseline_date")
    if target.valid_to and target.valid_to < target.valid_from:
        form.fault("hiệu lực kết thúc trước khi bắt đầu", "valid_to")
