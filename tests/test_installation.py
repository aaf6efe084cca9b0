"""A fresh machine: what the lock promises and what is said when something is missing."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCK = (ROOT / "requirements.lock").read_text()


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_locked_package_has_an_exact_version_and_hashes():
    packages = re.split(r"\n(?=[a-z0-9])", LOCK.strip())
    assert len(packages) > 50
    for package in packages:
        assert re.match(r"[a-z0-9-]+==\S+", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]


def test_the_lock_names_no_address():
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|file:", LOCK)


def test_every_declared_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in declared}
    locked = {normal(line.split("==")[0]) for line in LOCK.splitlines() if "==" in line}
    assert names <= locked


@pytest.fixture
def bare_machine(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has no apt, no Chromium and no Python."""
    for program in ("bash", "id", "dirname", "rm"):
        (tmp_path / program).symlink_to(shutil.which(program))
    return {"PATH": str(tmp_path)}


def test_a_missing_system_package_is_named_where_apt_cannot_bring_it(bare_machine):
    result = subprocess.run(
        [ROOT / ".ci" / "packages"], env=bare_machine, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "Missing system packages: chromium" in result.stderr


def test_a_machine_without_a_new_enough_python_is_told_so(bare_machine, tmp_path):
    shutil.copytree(ROOT / ".ci", tmp_path / "clone" / ".ci")
    result = subprocess.run(
        [tmp_path / "clone" / ".ci" / "environment"],
        env=bare_machine,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert "Python 3.11 or newer" in result.stderr
