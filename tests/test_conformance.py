"""The forty properties of a poll and the faults of a source: each is shown by a test."""

import re
from functools import cache
from pathlib import Path

import pytest

from connectors.config import PACKAGED, load_sources
from connectors.kinds import KINDS
from ioc.config import read_yaml
from tests.test_promises import hold

HERE = Path(__file__).parent
MATRIX = read_yaml(HERE / "conformance.yaml", [])
FAULTS = {*range(20, 27), 28, 29, *range(31, 45)}
WORDS = {"tier", "says", "frame", "exempt"}


@cache
def found_in(file: str) -> set[str]:
    """The tests of a file; none where there is no such file."""
    path = HERE / f"{file}.py"
    return (
        set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
        if path.exists()
        else set()
    )


def named() -> list[str]:
    """Every test that the matrix names."""
    found: list[str] = []
    for entry in MATRIX["properties"].values():
        found += entry.get("frame", [])
        found += [value for name, value in entry.items() if name not in WORDS]
    return found + [one for tests in MATRIX["faults"].values() for one in tests]


def test_every_test_that_the_matrix_names_exists():
    missing = []
    for one in named():
        file, _, test = one.partition("::")
        if test not in found_in(file):
            missing.append(one)
    assert missing == []


def test_the_matrix_holds_forty_properties_and_every_fault_of_a_source():
    assert list(MATRIX["properties"]) == list(range(1, 41))
    assert set(MATRIX["faults"]) == FAULTS


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_property_is_shown_for_every_kind_or_it_says_why_not(kind):
    for number, entry in MATRIX["properties"].items():
        assert entry["tier"] in MATRIX["tiers"], number
        assert set(entry) - WORDS <= set(KINDS), number
        shown = kind in entry or entry.get("frame")
        excused = (entry.get("exempt") or {}).get(kind)
        assert shown or (isinstance(excused, str) and len(excused) > 10), (number, kind)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_meets_a_server_that_nobody_here_wrote_or_says_why_not(kind):
    assert (kind in MATRIX["servers"]) != (kind in MATRIX["exempt_servers"])


def scale() -> list[str]:
    """Each kind and how far it has come on the scale: shown, excused."""
    table = ["| Kind | Sources | Bronze | Silver | Gold | Against |", "|---|---|---|---|---|---|"]
    sources = load_sources([PACKAGED])
    for kind in sorted(KINDS):
        names = " ".join(f"`{one.id}`" for one in sources if one.kind == kind)
        cells = []
        for tier in MATRIX["tiers"]:
            entries = [one for one in MATRIX["properties"].values() if one["tier"] == tier]
            excused = sum(kind in (one.get("exempt") or {}) for one in entries)
            cells.append(
                f"{len(entries) - excused} done" + (f", {excused} exempt" if excused else "")
            )
        server = MATRIX["servers"].get(kind, "–")
        table.append(f"| `{kind}` | {names} | {' | '.join(cells)} | {server} |")
    return table


def reasons() -> list[str]:
    """Why a kind has nothing to hold, by property."""
    table = ["| Property | Kind | Exempt because |", "|---|---|---|"]
    for number, entry in MATRIX["properties"].items():
        for kind, why in (entry.get("exempt") or {}).items():
            table.append(f"| {number} {entry['says']} | `{kind}` | {why} |")
    table += [
        f"| a server of others | `{k}` | {why} |" for k, why in MATRIX["exempt_servers"].items()
    ]
    return table


def test_the_document_has_the_scale_and_every_excuse():
    hold(HERE.parent / "docs" / "connectors.md", "scale", scale())
    hold(HERE.parent / "docs" / "connectors.md", "exempt", reasons())


def sources() -> list[str]:
    """Every packaged source: how it is read, how often, whose it is."""
    table = [
        "| Source | What | Kind | Every | Late, stale after | Owner | Serves |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in load_sources([PACKAGED]):
        late, stale = (f"{limit.total_seconds():.0f} s" for limit in one.limits)
        table.append(
            f"| `{one.id}` | {one.name} | `{one.kind}` | {one.every.total_seconds():.0f} s |"
            f" {late}, {stale} | {one.owner} | {', '.join(one.serves)} |"
        )
    return table


def test_the_document_lists_every_source_as_it_is_declared():
    hold(HERE.parent / "docs" / "connectors.md", "sources", sources())


def test_a_source_of_a_known_kind_takes_at_most_fifteen_lines(tmp_path):
    text = (HERE.parent / "docs" / "connectors.md").read_text(encoding="utf-8")
    example = re.search(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert example and 5 <= len(example[1].splitlines()) <= 15
    (tmp_path / "sources.yaml").write_text(example[1], encoding="utf-8")
    (source,) = load_sources([tmp_path / "sources.yaml"], env={})
    assert source.kind in KINDS
