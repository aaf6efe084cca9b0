"""What leaves as a data package is one to the library that others read such packages with."""

from pathlib import Path

import frictionless

from tests.test_backup import here  # noqa: F401
from tests.test_bundle import exported, lived, public  # noqa: F401  lived is a fixture
from tests.worlds import DOSSIERS, dossiers

pytest_plugins = ["tests.worlds"]


def faults(folder: Path) -> list:
    """What Frictionless finds wrong, every row of every table read by its schema."""
    report = frictionless.Package(str(folder / "datapackage.json")).validate()
    assert report.stats["tasks"] > 5
    return report.flatten(["name", "rowNumber", "fieldName", "type", "note"])


def test_the_whole_state_is_one(lived, here, tmp_path):  # noqa: F811
    exported(lived, here, tmp_path / "out")
    assert faults(tmp_path / "out") == []


def test_what_anybody_may_have_is_one(sqlite_world, tmp_path):
    sqlite_world.live().poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3))
    sqlite_world.forward(minutes=5)
    public(sqlite_world, tmp_path / "open")
    assert faults(tmp_path / "open") == []
