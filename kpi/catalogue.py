"""What is measured: elements, indicators and the targets that bind them, loaded whole or refused.

Everything is data: ``indicators/<sector>.yaml`` and ``plan/<period>.yaml`` beside this module.
A folder of the same shape given by ``IOC_CONFIG`` replaces files of the same name and adds others;
``plan/examples`` is read only when it is asked for.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from ioc.config import read_yaml
from ioc.errors import ConfigError, Fault
from ioc.orgunits import OrgUnits
from ioc.period import Period
from kpi import plans
from kpi.declared import Form
from kpi.elements import DEFINED, Element, Indicator, read_element, read_indicator
from kpi.formulas import ANY, by_window
from kpi.plans import Plan
from kpi.projects import Portfolio, read_portfolio
from kpi.targets import Part, Target, read_plan
from kpi.tasks import Tasks, read_tasks

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PACKAGED = Path(__file__).parent
EXAMPLES = "plan/examples"
PROJECTS, TASKS = "projects.yaml", "tasks.yaml"
"""The registers of projects and of tasks among the files of the plan."""


class Judged(NamedTuple):
    """What the standings refresh keeps for one part of a target; ``closing`` is a period's key."""

    target: str
    indicator: str
    numerator: str
    denominator: str
    mode: str
    closing: int
    closing_month: int
    first: int = 0
    last: int = ANY
    """The windows that this definition computes, by the keys of their periods."""

    @property
    def by_year(self) -> bool:
        """Whether its windows are calendar years, else months."""
        return self.mode == "year"

    @property
    def cut_year(self) -> int:
        """The year whose window ends before December, at ``cut_month``; 0 where none does."""
        return self.closing if self.by_year and self.closing_month % 12 != 11 else 0

    @property
    def cut_month(self) -> int:
        """The closing month of ``cut_year``; 0 where no year is cut."""
        return self.closing_month if self.cut_year else 0


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All elements, indicators and targets by id (targets in the plan's order), sectors by name."""

    elements: dict[str, Element]
    indicators: dict[str, Indicator]
    targets: dict[str, Target]
    sectors: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    """The canonical text behind each indicator's first ``definition_id``; others hold it."""
    portfolio: Portfolio = field(default_factory=Portfolio)
    tasks: Tasks = field(default_factory=Tasks)
    plans: dict[str, Plan] = field(default_factory=dict)
    """The plans by id, in the order of their files."""

    def plan_on(self, day: date) -> str:
        """The id of the plan in force on a day; never an example while there is a plan."""
        return plans.in_force(self.plans.values(), day)

    def mark_of(self, target: Target) -> str:
        """What is said of a target that is but an example; empty of one that a plan asks for."""
        plan = self.plans.get(target.plan)
        return plans.EXAMPLE if plan and plan.example else ""

    def judged(self) -> list[Judged]:
        """Each part of each target that has something to count, with the mode of its windows.

        Where its indicator was changed, one for each definition that computes any window.
        """
        return [
            Judged(
                part.target,
                part.indicator,
                indicator.numerator,
                indicator.denominator,
                part.mode,
                part.closing.key,
                Period.of("month", part.closing_date).key,
                first,
                last,
            )
            for part in self.parts()
            for indicator, first, last in by_window(self.indicators[part.indicator], part)
            if indicator.numerator and indicator.denominator
        ]

    def texts(self) -> Iterator[tuple[str, str, str]]:
        """Indicator, id and canonical text of every definition, each once."""
        for one in self.indicators.values():
            if text := self.definitions.get(one.id):
                yield one.id, one.definition_id, text
            for later in one.versions[1:]:
                yield one.id, later.definition_id, later.text

    def parts(self) -> list[Part]:
        """All parts of all targets, in the plan's order."""
        return [part for target in self.targets.values() for part in target.parts]

    def classes_of(self, source: str) -> frozenset[str]:
        """The classes of all that a source's figures are used for; internal where for nothing."""
        used = {one.access for one in self.indicators.values() if one.source == source}
        return frozenset(used or {"internal"})

    def targets_of(self, indicator: str) -> list[str]:
        """Ids of the targets that use the indicator, whatever their plan."""
        return [key for key, target in self.targets.items() if indicator in target.indicators]


def load_catalogue(folder: Path | str | None = None, *, examples: bool = False) -> Catalogue:
    """Load everything that is measured, with the overrides of a configuration folder.

    ``examples``: with the product's example of a plan that is still open.

    Raises:
        ConfigError: with all faults of all files at once, each with file and line; nothing
            is half loaded.
    """
    faults: list[Fault] = []
    folders = [Path(folder), PACKAGED] if folder else [PACKAGED]
    loading = _Loading(faults)
    for path in _files(folders, "indicators"):
        loading.read_sector(path)
    for path in _files(folders, "plan"):
        loading.read_plan_file(path, [path.parent, *(f / "plan" for f in folders)])
    for path in _files([PACKAGED], EXAMPLES) if examples else ():
        loading.read_plan_file(path, [path.parent])
    loading.check()
    if faults:
        told = dict.fromkeys(faults)  # a list of changes is looked at twice
        raise ConfigError(sorted(told, key=lambda fault: (fault.file, fault.line)))
    return Catalogue(
        loading.elements,
        loading.indicators,
        loading.targets,
        loading.sectors,
        loading.definitions,
        loading.portfolio,
        loading.tasks,
        loading.plans,
    )


def _files(folders: list[Path], kind: str) -> list[Path]:
    """YAML files by name; the folder that is named first wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in (folder / kind).glob("*.yaml"):
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


class _Loading:
    """What was read so far, and the form of each thing for faults that show only at the end."""

    def __init__(self, faults: list[Fault]):
        self.faults = faults
        self.elements: dict[str, Element] = {}
        self.indicators: dict[str, Indicator] = {}
        self.targets: dict[str, Target] = {}
        self.sectors: dict[str, str] = {}
        self.definitions: dict[str, str] = {}
        self.portfolio = Portfolio()
        self.tasks = Tasks()
        self.plans: dict[str, Plan] = {}
        self.forms: dict[str, Form] = {}
        self.untargeted: set[str] = set()

    def read_sector(self, path: Path) -> None:
        file = Form(str(path), "", read_yaml(path, self.faults), self.faults)
        self.sectors[path.stem] = file.text("name")
        elements, indicators = file.forms("elements"), file.forms("indicators")
        file.close()
        for name, form in elements.items():
            if self._is_new(name, form):
                self.elements[name] = read_element(name, form)
        for name, form in indicators.items():
            if self._is_new(name, form):
                if form.has("target") and form.choice("target", ("none",)):
                    self.untargeted.add(name)
                self.indicators[name] = read_indicator(name, form, path.stem)

    def read_plan_file(self, path: Path, texts: list[Path]) -> None:
        forms: dict[str, Form] = {}
        if path.name == PROJECTS:
            self.portfolio, forms = read_portfolio(path, texts, self.faults)
        elif path.name == TASKS:
            self.tasks, forms = read_tasks(path, texts, self.faults)
        else:
            self.read_plan(path, texts)
        for name, form in forms.items():
            self._is_new(name, form)

    def read_plan(self, path: Path, texts: list[Path]) -> None:
        plan, targets = read_plan(path, texts, self.faults)
        self.plans[plan.id] = plan
        for target, form in targets:
            if self._is_new(target.id, form):
                self.targets[target.id] = target

    def check(self) -> None:
        """Whatever needs more than one file: names that must exist, and what fits together."""
        for name, indicator in list(self.indicators.items()):
            form = self.forms[name]
            changed = form.listed("changes")
            for said, one in zip([form, *changed], indicator.every, strict=False):
                self._check_elements(one, said)
            self.indicators[name] = self._complete(indicator, changed)
        self._check_owners()
        for project in self.portfolio.projects.values():
            if project.sector and project.sector not in self.sectors:
                self.forms[project.id].fault(f"không có lĩnh vực {project.sector!r}", "sector")
        used = {
            indicator
            for target in self.targets.values()
            for indicator in target.indicators
            if not self.plans[target.plan].example
        }
        for name in self.indicators:
            if name in self.untargeted and name in used:
                self.forms[name].fault("ghi “target: none” nhưng có mục tiêu dùng", "target")
            if name not in self.untargeted and name not in used:
                self.forms[name].fault("không mục tiêu nào dùng; hãy ghi “target: none”")
        for target in self.targets.values():
            if target.populations and target.closing_dates:
                for part in target.parts:
                    self._check_part(part, target)

    def _is_new(self, name: str, form: Form) -> bool:
        first = self.forms.setdefault(name, form)
        if first is not form:
            place = f"{Path(first.file).name}:{first.data.line}"
            form.fault(f"mã đã được khai báo ở {place}")
        if not _ID.fullmatch(name):
            form.fault(f"mã {name!r} chỉ được gồm chữ cái không dấu, chữ số và dấu . _ -")
        return first is form

    def _check_elements(self, indicator: Indicator, form: Form) -> None:
        """One definition of an indicator; ``form`` is where it was said."""
        found = []
        for key in ("numerator", "denominator"):
            name = getattr(indicator, key)
            if name and name not in self.elements:
                form.fault(f"không có phần tử {name!r}", key)
            elif name:
                found.append(self.elements[name])
            elif not getattr(indicator, f"{key}_text"):
                form.fault(f"“{key}: none” thì phải mô tả ở “{key}_text”", key)
            elif indicator.kind == "quantitative":
                form.fault(f"chỉ số định lượng phải có {key}", key)
        if len({element.over_time for element in found}) > 1:
            form.fault("tử số và mẫu số phải cùng cách cộng theo thời gian", "denominator")
        if form.has("within") and indicator.within and len(found) < 2:
            form.fault("“within: true” cần cả tử số và mẫu số là phần tử", "within")

    def _complete(self, indicator: Indicator, changed: list[Form]) -> Indicator:
        """With the words of its elements, and the digest of everything that defines it."""
        declared = _defining(self.forms[indicator.id].data)
        first, text = self._defined(indicator, declared)
        self.definitions[indicator.id] = text
        if not indicator.versions:
            return first
        versions = []
        for one, form in zip(indicator.versions, [None, *changed], strict=True):
            if form is not None:
                declared = _redefined(declared, form.data)
            whole, text = self._defined(indicator.by(one), declared)
            said = {name: getattr(whole, name) for name in ("numerator_text", "denominator_text")}
            versions.append(replace(one, definition_id=whole.definition_id, text=text, **said))
        return replace(first, versions=tuple(versions))

    def _defined(self, indicator: Indicator, declared: dict[str, Any]) -> tuple[Indicator, str]:
        """One definition with its words and its digest, and the text behind that."""
        sides = [self.elements.get(e or "") for e in (indicator.numerator, indicator.denominator)]
        words = [element.name if element else "" for element in sides]
        text = _canonical({
            "indicators": {indicator.id: declared},
            "elements": {e.id: self.forms[e.id].data for e in sides if e},
        })
        made = replace(
            indicator,
            numerator_text=indicator.numerator_text or words[0],
            denominator_text=indicator.denominator_text or words[1],
            definition_id=hashlib.sha256(text.encode()).hexdigest()[:12],
        )
        return made, text

    def _check_owners(self) -> None:
        codes = {unit.code for unit in OrgUnits.load().values() if unit.level == "department"}
        registers = (self.portfolio.projects, self.tasks.tasks)
        owned: tuple[Mapping[str, Any], ...] = (self.indicators, self.targets, *registers)
        for name, thing in [pair for things in owned for pair in things.items()]:
            for key in ("owner", "co_owners"):
                value = getattr(thing, key, ())
                for code in [value] if isinstance(value, str) else value:
                    if code and code not in codes:
                        self.forms[name].fault(f"không có cơ quan nào mang mã {code!r}", key)

    def _check_part(self, part: Part, target: Target) -> None:
        form = self.forms[target.id]
        indicator = self.indicators.get(part.indicator)
        if indicator is None:
            form.fault(f"không có chỉ số {part.indicator!r}", "indicators")
            return
        names = [name for one in indicator.every for name in (one.numerator, one.denominator)]
        if target.operator != "qualitative" and None in names:
            form.fault(f"có ngưỡng nhưng {indicator.id} chưa có tử số, mẫu số", "indicators")
        known = (self.elements.get(name or "") for name in dict.fromkeys(names))
        for element in filter(None, known):
            self._check_counted(part, element, form)

    def _check_counted(self, part: Part, element: Element, form: Form) -> None:
        if element.suppress_below:
            form.fault(f"phần tử {element.id} che số nhỏ nên không xét mục tiêu được", "indicators")
        if part.population != "area" and element.serves != (part.population,):
            form.fault(f"phần tử {element.id} phải ghi “serves: [{part.population}]”", "population")
        if part.mode == "year" and part.closing_date.month < 12:
            self._check_cut(part, element, form)

    @staticmethod
    def _check_cut(part: Part, element: Element, form: Form) -> None:
        """A year that ends before December is summed from its months; not everything can be."""
        if element.over_time != "sum":
            form.fault(
                f"phần tử {element.id} không cộng được theo tháng nên chỉ xét được theo tháng "
                f"hoặc theo năm chốt ngày 31/12, không phải {part.closing_date:%d/%m/%Y}",
                "closing_date",
            )


def _defining(declared: Mapping[str, Any]) -> dict[str, Any]:
    """What is declared, without who may read it, which changes no figure, and without changes."""
    return {name: value for name, value in declared.items() if name not in ("class", "changes")}


def _redefined(declared: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """What is declared from a change on: as if the indicator had always been written so."""
    stale = {f"{side}_text" for side in ("numerator", "denominator") if side in changed}
    kept = {name: value for name, value in declared.items() if name not in stale}
    return kept | {name: changed[name] for name in DEFINED if name in changed}


def _canonical(declared: Any) -> str:
    """One text for what is declared: comments, quotes, order and line breaks change nothing.

    It is JSON with sorted keys, which is YAML too and the same from every library.
    """
    return json.dumps(
        declared, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str
    )
