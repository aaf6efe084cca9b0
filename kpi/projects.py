"""The projects of the plan: whose they are, what they cost by source of funds, their milestones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ioc.config import read_yaml
from ioc.errors import Fault
from kpi.declared import Form
from kpi.plantext import Sections, read_quote, read_text, sections

FUNDS = ("central", "local", "other")
"""Sources of funds, in the order of the plan's section 5.1."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """One step of a project and the day by which it is due."""

    id: str
    name: str
    due: date


@dataclass(frozen=True, slots=True)
class Stage:
    """One stretch of the plan's roadmap, with its sentence."""

    id: str
    begins: date
    ends: date
    sentence: str


@dataclass(frozen=True, slots=True)
class Project:
    """One project as it is planned; ``funds`` in million đồng, by source."""

    id: str
    name: str
    sector: str
    owner: str
    period: str
    starts: date
    due: date
    funds: Mapping[str, float]
    milestones: tuple[Milestone, ...]


@dataclass(frozen=True, slots=True)
class Portfolio:
    """All projects; ``mark`` says that the register is a sample, empty for a real one."""

    mark: str = ""
    funding: str = ""
    roadmap: dict[str, Stage] = field(default_factory=dict)
    projects: dict[str, Project] = field(default_factory=dict)


def read_portfolio(
    path: Path, texts: list[Path], faults: list[Fault]
) -> tuple[Portfolio, dict[str, Form]]:
    """Read the register of projects; each project with its form for later cross-checks.

    ``texts`` are the folders in which the plan's own text is looked for, nearest first.
    """
    file = Form(str(path), "", read_yaml(path, faults), faults)
    said = sections(read_text(file, texts))
    mark = file.text("mark", "")
    funding = file.form("funding", "funding")
    sentence = read_quote(funding, said)
    funding.close()
    roadmap = {name: _read_stage(name, form, said) for name, form in file.forms("roadmap").items()}
    forms = file.forms("projects")
    file.close()
    projects = {name: _read_project(name, form, roadmap) for name, form in forms.items()}
    return Portfolio(mark, sentence, roadmap, projects), forms


def _read_stage(name: str, form: Form, said: Sections) -> Stage:
    begins, ends = _days(form, "begins", "ends")
    stage = Stage(name, begins, ends, read_quote(form, said))
    form.close()
    return stage


def _read_project(name: str, form: Form, roadmap: dict[str, Stage]) -> Project:
    starts, due = _days(form, "starts", "due")
    project = Project(
        id=name,
        name=form.text("name"),
        sector=form.text("sector"),
        owner=form.text("owner"),
        period=form.choice("period", tuple(roadmap)) if roadmap else "",
        starts=starts,
        due=due,
        funds=_read_funds(form),
        milestones=_read_milestones(form, starts, due),
    )
    stage = roadmap.get(project.period)
    if stage and not stage.begins <= starts <= stage.ends:
        form.fault(f"bắt đầu {starts} nằm ngoài giai đoạn {stage.id}", "starts")
    form.close()
    return project


def _days(form: Form, first: str, last: str) -> tuple[date, date]:
    """Two days of which the second is not before the first."""
    days = []
    for key in (first, last):
        day = form.day(key)
        if day is None and not form.data.get(key):
            form.fault(f"thiếu mục “{key}”", key)
        days.append(day)
    begins, ends = days[0] or date.min, days[1] or date.max
    if ends < begins:
        form.fault(f"mục “{last}” đứng trước “{first}”", last)
    return begins, ends


def _read_funds(form: Form) -> dict[str, float]:
    funds = form.form("funds", f"{form.name}.funds")
    found = {}
    for name in FUNDS:
        amount = funds.number(name)
        if amount is None or amount < 0:
            funds.fault(f"mục “{name}” phải là số triệu đồng không âm", name)
        found[name] = float(amount or 0)
    funds.close()
    if not sum(found.values()):
        form.fault("dự án chưa có vốn", "funds")
    return found


def _read_milestones(form: Form, starts: date, due: date) -> tuple[Milestone, ...]:
    found = []
    for name, one in form.forms("milestones").items():
        if not one.data.get("due"):
            one.fault("thiếu mục “due”")
        milestone = Milestone(name, one.text("name"), one.day("due") or due)
        one.close()
        if not starts <= milestone.due <= due:
            one.fault(f"mốc {name} nằm ngoài thời gian của dự án", "due")
        found.append(milestone)
    if not found:
        form.fault("dự án chưa có mốc nào", "milestones")
    return tuple(sorted(found, key=lambda one: one.due))
