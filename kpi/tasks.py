"""The plan's tasks and solutions: each sentence, who leads it, its state and what shows it."""

import unicodedata
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ioc.config import read_yaml
from ioc.errors import Fault
from kpi.declared import Form
from kpi.plantext import read_quote, read_text, sections
from kpi.targets import bullets

STATES = ("not_started", "underway", "done", "ongoing")


@dataclass(frozen=True, slots=True)
class Task:
    """One task of the plan; ``stated_on`` is the day that its state and evidence hold for."""

    id: str
    bullet: int
    short: str
    sentence: str
    owner: str
    co_owners: tuple[str, ...]
    state: str
    stated_on: date
    evidence: str


@dataclass(frozen=True, slots=True)
class Tasks:
    """All tasks, and the sentences of the orientation; ``mark`` says that states are a sample."""

    mark: str = ""
    section: str = ""
    orientation: tuple[str, ...] = ()
    tasks: dict[str, Task] = field(default_factory=dict)


def read_tasks(path: Path, texts: list[Path], faults: list[Fault]) -> tuple[Tasks, dict[str, Form]]:
    """Read the register of tasks; each task with its form for later cross-checks.

    Every dash of the section has one task, with its very words. ``texts`` are the folders in
    which the plan's own text is looked for, nearest first.
    """
    file = Form(str(path), "", read_yaml(path, faults), faults)
    text = read_text(file, texts)
    said, section = sections(text), file.text("section")
    lines = bullets(text).get(section, [])
    orientation = []
    for form in file.forms("orientation").values():
        orientation.append(read_quote(form, said))
        form.close()
    forms = file.forms("tasks")
    mark = file.text("mark", "")
    file.close()
    tasks = {name: _read_task(name, form, lines, section) for name, form in forms.items()}
    missing = set(range(1, len(lines) + 1)) - {task.bullet for task in tasks.values()}
    for bullet in sorted(missing):
        file.fault(f"thiếu nhiệm vụ của gạch đầu dòng thứ {bullet}, mục {section}", "tasks")
    return Tasks(mark, section, tuple(orientation), tasks), forms


def _read_task(name: str, form: Form, lines: list[str], section: str) -> Task:
    number = form.number("bullet")
    bullet = number if isinstance(number, int) else 0
    sentence = unicodedata.normalize("NFC", form.text("sentence"))
    said = lines[bullet - 1] if 0 < bullet <= len(lines) else None
    if lines and sentence != said:
        place = f"gạch đầu dòng thứ {bullet}, mục {section}"
        form.fault(f"câu không khớp từng chữ với văn bản kế hoạch ({place})", "sentence")
    stated = form.day("stated_on")
    if stated is None and not form.data.get("stated_on"):
        form.fault("thiếu mục “stated_on”")
    task = Task(
        id=name,
        bullet=bullet,
        short=form.text("short"),
        sentence=sentence,
        owner=form.text("owner"),
        co_owners=form.texts("co_owners", ()),
        state=form.choice("state", STATES),
        stated_on=stated or date.min,
        evidence=form.text("evidence"),
    )
    form.close()
    return task
