"""The plan's own text by section, and quotations that must match it letter by letter."""

import re
import unicodedata
from pathlib import Path

from kpi.declared import Form

HEADING = re.compile(r"\d+(\.\d+)*\.? ")

Sections = dict[str, list[str]]
"""The lines of each section in NFC, without dashes and numbers; a heading's own words first."""


def sections(text: str) -> Sections:
    """Every line of a text by the number of its section."""
    found: Sections = {}
    here: list[str] = []
    for line in unicodedata.normalize("NFC", text).splitlines():
        if heading := HEADING.match(line):
            here = found.setdefault(heading[0].strip().rstrip("."), [])
            line = line[heading.end() :]
        if line := line.removeprefix("- ").strip():
            here.append(line)
    return found


def read_text(form: Form, folders: list[Path]) -> str:
    """The text that ``text`` names, looked for in these folders, nearest first; "" is a fault."""
    name = form.text("text")
    found = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if found is None:
        form.fault(f"không thấy tệp văn bản {name!r} của kế hoạch", "text")
        return ""
    return found.read_text(encoding="utf-8")


def read_quote(form: Form, said: Sections) -> str:
    """A ``sentence`` that stands as a line of its ``section``, else a fault."""
    section, sentence = form.text("section"), unicodedata.normalize("NFC", form.text("sentence"))
    if sentence and said and sentence not in said.get(section, ()):
        form.fault(f"câu không khớp từng chữ với văn bản kế hoạch (mục {section})", "sentence")
    return sentence
