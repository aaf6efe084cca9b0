"""Promises that the documents make, and that nobody would notice being broken.

Two tables are written from the code: ``IOC_WRITE_EXPECTED=1`` writes them anew.
"""

import inspect
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from dash import dcc
from flask import g

import app as program
from connectors.config import PACKAGED, load_sources
from connectors.kinds import KINDS
from ioc.config import read_yaml
from ioc.model import Freshness, Reading, Record, Status
from ioc.period import Period
from ioc.principal import Principal
from ioc.settings import Settings, described
from kpi import catalogue as catalogues
from kpi import health, intake, query, schema
from kpi.answer import Answer
from layouts import PAGES, theme
from layouts import text as words
from layouts.web import api

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
CODE = ("*.py", "Makefile", "pyproject.toml", ".ci/*")
ROOMS = ("ioc", "kpi", "connectors", "layouts", "tests")
SCREENS = 136  # lines: two screens, and what scrolls past them is a recipe


def block(document: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", document, re.DOTALL | re.MULTILINE)


def tracked() -> Iterator[Path]:
    """Every text that we wrote: code, configuration and documents."""
    yield from DOCUMENTS
    for pattern in CODE:
        yield from ROOT.glob(pattern)
    for room in ROOMS:
        for pattern in ("*.py", "*.yaml", "*.csv"):
            yield from (ROOT / room).rglob(pattern)
    yield from (path for path in (ROOT / "assets").glob("*") if path.suffix in (".js", ".css"))


def hold(path: Path, begin: str, table: list[str]) -> None:
    """A table of a document is the one that the code gives."""
    text = path.read_text(encoding="utf-8")
    start = text.index("\n", text.index(f"<!-- {begin}:")) + 1
    end = text.index("<!-- end -->", start)
    wanted = "".join(f"{line}\n" for line in table)
    if os.environ.get("IOC_WRITE_EXPECTED"):
        path.write_text(text[:start] + wanted + text[end:], encoding="utf-8")
        return
    assert text[start:end] == wanted, f"{path.name}: IOC_WRITE_EXPECTED=1 writes the table"


# --- what is measured ----------------------------------------------------------------------------


def declared() -> Iterator[tuple[str, str, Any]]:
    """File, id and raw entry of every indicator."""
    for path in sorted((ROOT / "kpi" / "indicators").glob("*.yaml")):
        for name, entry in read_yaml(path, [])["indicators"].items():
            yield path.name, name, entry


def test_every_indicator_says_what_it_is_whose_it_is_and_where_it_comes_from():
    for file, name, entry in declared():
        for key in ("name", "short", "definition", "owner"):
            assert str(entry.get(key, "")).strip(), f"{file} {name}: {key}"
        assert "source" in entry, f"{file} {name}: no source must be written `source: none`"


def test_every_indicator_has_a_target_or_says_that_it_has_none(catalogue):
    for file, name, entry in declared():
        explicit = entry.get("target") == "none"
        assert explicit != bool(catalogue.targets_of(name)), f"{file} {name}"


def test_every_source_of_an_indicator_is_configured(catalogue):
    known = {source.id for source in load_sources([PACKAGED])}
    named = {one.source for one in catalogue.indicators.values() if one.source}
    assert named <= known


# --- connectors ----------------------------------------------------------------------------------


def test_every_connector_kind_has_its_cases_and_every_case_its_kind():
    cases = ROOT / "tests" / "cases"
    assert {path.name for path in cases.iterdir() if path.is_dir()} == set(KINDS)
    for kind in KINDS:
        for name in ("normal", "empty", "malformed"):
            assert list((cases / kind / name).glob("payload.*")), f"{kind}: {name}"
            assert (cases / kind / name / "expected.csv").exists(), f"{kind}: {name}"


def test_every_word_that_a_source_brings_has_words_on_a_screen():
    """A kind of connector, a kind of record, and each of our codes that a mapping gives."""
    assert set(KINDS) <= set(words.KINDS)
    for source in load_sources([PACKAGED]):
        if source.record:
            assert source.record in words.RECORD_KINDS, source.id
        for field, spec in source.fields.items():
            for code in spec.get("values", {}).values() if isinstance(spec, dict) else ():
                assert words.code(field, code) != code, f"{source.id}: {field} {code}"


# --- screens -------------------------------------------------------------------------------------


@pytest.mark.parametrize("marks", [theme.STATUS, theme.FRESHNESS], ids=["status", "freshness"])
def test_every_status_and_freshness_has_a_word_a_shape_and_a_colour(marks):
    assert set(marks) in ({*Status}, {*Freshness})
    for mark in marks.values():
        assert mark.word.strip()
        assert (ROOT / "assets" / "shapes" / f"{mark.shape}.svg").exists()
        assert re.fullmatch(r"#[0-9A-F]{6}", mark.colour)
    assert len({mark.word for mark in marks.values()}) == len(marks)
    assert len({mark.shape for mark in marks.values()}) == len(marks)


def pieces(piece: Any) -> Iterator[Any]:
    """A page and everything in it."""
    if isinstance(piece, (list, tuple)):
        for one in piece:
            yield from pieces(one)
    elif hasattr(piece, "to_plotly_json"):
        yield piece
        yield from pieces(getattr(piece, "children", None))


WORDS = (
    "/admin /admin/people /admin/devices /admin/sources /admin/readings /admin/audit /admin/usage"
    " /sector /sources /search /records /lineage /changes /definitions /upload /orientation"
    " /operator /calibration /api"
).split()
"""Pages that have lists and words, and no figure unless the address names one."""


def shows_figures(piece: Any) -> bool:
    """A chart, a bar, a small line, or a number set as a figure."""
    words = set((getattr(piece, "className", None) or "").split())
    return isinstance(piece, dcc.Graph) or bool(words & {"bullet", "sparkline", "figure", "hero"})


@pytest.fixture
def fed(sqlite_store, tmp_path, now) -> Any:
    """The product on a store in which both sources have said something."""
    sources = {source.id: source for source in load_sources([PACKAGED])}
    health.publish_sources(sqlite_store, list(sources.values()))
    opened = now - timedelta(days=400)
    dossiers = [
        Record(
            f"k{day}", "dossier", "18859", opened + timedelta(days=day),
            closed_at=opened + timedelta(days=day + 1), channel="full", result="electronic",
            category="1.000",
        )
        for day in (0, 380)
    ]  # fmt: skip
    staff = [
        Reading(element, "SNV25", Period.parse("2025-12"), value)
        for element, value in (("staff_professional", 100), ("staff_with_computer", 95))
    ]
    for name, items in (("public_services", dossiers), ("staff", staff)):
        run = health.begin_run(sqlite_store, name, now)
        counts = intake.accept(sqlite_store, sources[name], items, run=run, now=now)
        assert counts.new == len(items), counts
    return program.create_app(Settings(data=tmp_path, database_url=sqlite_store.url), sqlite_store)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_every_page_with_a_figure_offers_its_csv_itself_or_a_click_away(page, fed):
    """On the wall nobody clicks a file: there every tile leads to the page that has it."""
    given = {"key": "I02b", "source": "public_services", "uid": "area-qb"}
    given |= {"key": "staff"} if page.path.startswith("/sector/") else {}
    taken = {name: given[name] for name in re.findall(r"<(\w+)>", page.path)}
    taken |= {"indicator": "I02b"} if page.path == "/explore" else {}
    module = __import__(page.module, fromlist=["layout"])
    with fed.server.test_request_context("/", base_url="http://127.0.0.1"):
        g.principal = Principal.local_admin()
        found = list(pieces(module.layout(**taken)))
    assert len(found) > 20
    if page.path not in WORDS and "source" not in taken:
        assert any(shows_figures(piece) for piece in found), f"{page.path} shows no figure at all"
    links = {str(href) for piece in found if (href := getattr(piece, "href", None))}
    if page.path == "/wall":
        tiles = {href for href in links if href != "/"}
        assert tiles and all(href.startswith("/indicator/") for href in tiles)
        return
    if any(shows_figures(piece) for piece in found):
        assert any(re.search(r"/api/v1/[a-z-]+\.csv\b", href) for href in links)


# --- store and settings --------------------------------------------------------------------------


def test_opening_a_store_applies_every_migration_and_leaves_nothing_to_migrate(store):
    scripts = ScriptDirectory(str(ROOT / "kpi" / "migrations"))
    with store.writer.connect() as connection:
        context = MigrationContext.configure(connection)
        assert set(context.get_current_heads()) == set(scripts.get_heads())
        temporary = set(sa.inspect(connection).get_temp_table_names())
        differences = [
            change
            for change in compare_metadata(context, schema.metadata)
            if not (change[0] == "remove_table" and change[1].name in temporary)
        ]
        connection.rollback()
    assert differences == []


def test_every_setting_is_in_the_table_of_the_readme():
    table = ["| Variable | Default | What it says |", "|---|---|---|"]
    table += [
        f"| `{name}` | {f'`{value}`' if value else ''} | {what} |"
        for name, value, what in described()
    ]
    hold(ROOT / "README.md", "settings", table)


# --- questions -----------------------------------------------------------------------------------


def test_every_question_has_an_address_and_every_address_a_row_in_the_documents():
    questions = {
        name
        for name, function in inspect.getmembers(query, inspect.isfunction)
        if name in query.__all__ and inspect.signature(function).return_annotation is Answer
    }
    assert questions == {ask.__name__ for ask, _ in api.QUESTIONS.values()}
    rows = [
        f"| `{name}` | {inspect.getdoc(ask).splitlines()[0].rstrip('.')} |"
        f" {' '.join(f'`{one}`' for one in filters)} |"
        for name, (ask, filters) in api.QUESTIONS.items()
    ]
    hold(ROOT / "docs" / "operations.md", "questions", rows)


# --- documents -----------------------------------------------------------------------------------


def test_the_readme_is_two_screens_and_its_test_command_is_what_decides():
    assert len(README.splitlines()) <= SCREENS
    commands = [line.split("#")[0].strip() for line in block(README, "sh")[0].splitlines()]
    assert commands[0] == "make run"
    decides = (ROOT / ".ci" / "run").read_text().splitlines()
    assert decides[-1] == commands[1]


def test_the_example_of_a_source_loads_as_it_is_written(tmp_path, monkeypatch):
    """A deployment's folder with the two files of docs/connectors.md is a valid configuration."""
    written = (ROOT / "docs" / "connectors.md").read_text()
    found = [one for one in block(written, "yaml") if "library_visits" in one]
    source, indicator = found[0], found[1]
    assert len(source.strip().splitlines()) <= 15
    (tmp_path / "indicators").mkdir()
    (tmp_path / "indicators" / "library.yaml").write_text(indicator)
    (tmp_path / "sources.yaml").write_text(source)
    monkeypatch.setenv("IOC_CONFIG", str(tmp_path))
    assert program.main(["check"]) == 0


def test_the_recipes_of_the_readme_load_as_they_are_written(tmp_path):
    indicator, source = block(README, "yaml")
    for name in ("I02c", "dossiers_in_person"):  # who has followed the recipe has them already
        indicator = indicator.replace(name, f"{name}_recipe")
    (tmp_path / "indicators").mkdir()
    (tmp_path / "indicators" / "recipe.yaml").write_text(f"name: Công thức\n{indicator}")
    (tmp_path / "sources.yaml").write_text(source)
    before = catalogues.load_catalogue()
    after = catalogues.load_catalogue(tmp_path)
    assert len(after.indicators) == len(before.indicators) + 1
    *packaged, added = load_sources([PACKAGED, tmp_path / "sources.yaml"], env={})
    assert len(packaged) == len(load_sources([PACKAGED], env={}))  # it takes nobody's place
    assert set(added.readings or {}) <= set(after.elements)
    counted = {element.count for element in after.elements.values()}
    assert added.readings or added.record in counted


def test_every_command_in_the_documents_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for command in re.findall(r"`(?:\.venv/bin/)?ioc ([a-z-]+)", text):
            assert command in program.COMMANDS, f"{path.name}: ioc {command}"
        for named in re.findall(r"(?:`|^)make ([a-z ]+)", text, re.MULTILINE):
            assert set(named.split()) <= targets, f"{path.name}: make {named}"


def test_every_link_of_the_documents_leads_to_something_that_is_here():
    for path in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if not link.startswith("https://"):
                assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_nothing_points_outside_the_repository():
    outside = (*(".." + f"/{name}" for name in ("shared", "team")), "/" + "work/", "/" + "tmp/team")
    for path in tracked():
        text = path.read_text(encoding="utf-8", errors="replace")
        for place in outside:
            assert place not in text, f"{path.relative_to(ROOT)}: {place}"
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock and "index-url" not in lock


def test_every_decision_is_one_page_of_context_decision_and_consequences():
    numbers = [int(path.name[:4]) for path in DECISIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    for path in DECISIONS:
        text = path.read_text(encoding="utf-8")
        assert re.match(rf"# {path.name[:4]} \S", text), path.name
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], path.name
        assert len(text.splitlines()) <= 60, path.name


def test_every_word_of_the_glossary_is_a_word_of_the_code():
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in tracked() if path.suffix in (".py", ".yaml")
    )
    words = set(re.findall(r"`([^`]+)`", (ROOT / "docs" / "glossary.md").read_text()))
    assert len(words) > 50
    missing = [word for word in sorted(words) if not re.search(rf"\b{re.escape(word)}\b", code)]
    assert missing == []


def test_the_changelog_says_what_is_not_released_yet():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## Unreleased\n\n### (Added|Changed|Fixed|Removed)\n- ", text, re.MULTILINE)
