"""Who may import whom: the contracts hold, and each of them catches what it forbids."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("ioc", "kpi", "connectors", "layouts")


def lint_imports(folder: Path) -> subprocess.CompletedProcess:
    """Run the contracts of ``folder``'s pyproject.toml."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_every_room_imports_only_what_it_may():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_import_is_excused_from_the_contracts():
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Empty rooms under the real contracts."""
    folder = tmp_path_factory.mktemp("rooms")
    modules = ("kpi/query", "kpi/store", "kpi/health", "connectors/mapping", "connectors/poller")
    packages = (*ROOMS, "connectors/kinds", "connectors/sandbox", "layouts/web", "tests")
    for package in packages:
        (folder / package).mkdir(parents=True, exist_ok=True)
        (folder / package / "__init__.py").touch()
    for module in modules:
        (folder / f"{module}.py").touch()
    (folder / "app.py").touch()
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "tests" / "contracts.py", folder / "tests")
    return folder


def test_empty_rooms_keep_every_contract(tree):
    result = lint_imports(tree)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("ioc", "import kpi.query", "Rooms stand over one another"),
        ("kpi", "import connectors.mapping", "Rooms stand over one another"),
        ("connectors", "import layouts", "Rooms stand over one another"),
        ("layouts", "import connectors", "Rooms stand over one another"),
        ("ioc", "import sqlalchemy", "ioc holds words"),
        ("ioc", "import sqlite3", "ioc holds words"),
        ("kpi", "import flask", "kpi measures"),
        ("kpi", "import httpx2", "kpi measures"),
        ("connectors", "from dash import html", "connectors talk to systems"),
        ("layouts", "import sqlalchemy as sa", "layouts draw"),
        ("layouts/web", "import apscheduler", "layouts draw"),
        ("layouts", "from kpi.store import KpiStore", "layouts know of kpi only"),
        ("layouts/web", "import kpi", "layouts know of kpi only"),
        ("connectors/sandbox", "import connectors.mapping", "The sandbox shares no model"),
        ("connectors/sandbox", "import kpi.query", "The sandbox shares no model"),
        ("connectors/sandbox", "import pandas", "The sandbox lives on ioc"),
        ("connectors", "import connectors.sandbox", "Only app starts the sandbox"),
        ("connectors", "import app", "Nobody imports app"),
        ("ioc", "def later():\n    import app", "Nobody imports app"),
    ],
)
def test_a_forbidden_import_is_caught(tree, room, line, contract):
    offender = tree / room / "offender.py"
    offender.write_text(f"{line}\n")
    try:
        result = lint_imports(tree)
    finally:
        offender.unlink()
    assert result.returncode == 1, result.stdout + result.stderr
    broken = [text for text in result.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), result.stdout


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("layouts", "from kpi import query, health"),
        ("layouts", "import plotly, ioc, layouts.web"),
        ("connectors", "import kpi.store, httpx2, apscheduler"),
        ("connectors/sandbox", "import ioc, starlette, connectors.sandbox"),
        ("kpi", "import sqlalchemy, pandas, ioc"),
    ],
)
def test_an_allowed_import_is_let_through(tree, room, line):
    newcomer = tree / room / "newcomer.py"
    newcomer.write_text(f"{line}\n")
    try:
        result = lint_imports(tree)
    finally:
        newcomer.unlink()
    assert result.returncode == 0, result.stdout + result.stderr
