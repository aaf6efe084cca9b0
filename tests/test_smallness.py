"""Fewer than five people of an org unit are stored and summed, and told nowhere."""

import csv
import io
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app as program
from connectors.poller import poll
from ioc.errors import ConfigError
from ioc.model import Rejection
from ioc.settings import Settings
from kpi import health
from kpi.catalogue import load_catalogue
from kpi.elements import Element
from kpi.smallness import hushed
from layouts import text
from tests.fields import sheet_source
from tests.worlds import World, reading, rows, source

pytest_plugins = ["tests.worlds"]
HEALTH = source(
    "health",
    elements=("residents", "residents_with_health_record"),
    serves=["commune"],
)
HAVE, ALL = "residents_with_health_record", "residents"
MONTH = "2026-10"
COUNTS = ((3, 4_000), (0, 900), (5, 700), (412, 2_000))


@pytest.fixture
def communes(sqlite_world: World) -> list[str]:
    """Four communes: the first alone of its area, with fewer than five who have a record."""
    units = sqlite_world.store.orgunits.population("commune", sqlite_world.now.date())
    first, *others = [unit for unit in units if unit.area == "area-450"][:1] + [
        unit for unit in units if unit.area == "area-457"
    ][:3]
    return [unit.uid for unit in (first, *others)]


@pytest.fixture
def people(sqlite_world: World, communes: list[str]) -> World:
    """A month of them."""
    health.publish_sources(sqlite_world.store, [HEALTH])
    items = []
    for uid, (have, everybody) in zip(communes, COUNTS, strict=True):
        items += [reading(HAVE, uid, MONTH, have), reading(ALL, uid, MONTH, everybody)]
    sqlite_world.poll(HEALTH, items)
    return sqlite_world


def asked(people: World, tmp_path: Path, question: str, **filters: str) -> tuple[list, list]:
    """The rows of one question as JSON and as CSV have them."""
    settings = Settings(data=tmp_path, database_url=people.store.url)
    client = program.create_app(settings, people.store).server.test_client()
    found = []
    for kind in ("json", "csv"):
        reply = client.get(
            f"/api/v1/{question}.{kind}", query_string=filters, base_url="http://127.0.0.1:8050"
        )
        assert reply.status_code == 200, reply.text
        found.append(reply.text)
    return json.loads(found[0])["rows"], list(csv.DictReader(io.StringIO(found[1])))


def test_a_small_count_has_no_figure_at_its_org_unit_and_the_sum_above_keeps_it(
    people: World, communes: list[str]
):
    here = people.values("E-HEA1", MONTH, org_units=communes)
    assert list(here.reason) == ["suppressed", "suppressed", "", ""]
    hidden = here[here.reason == "suppressed"]
    assert hidden[["value", "numerator", "denominator"]].isna().all(axis=None)
    assert list(here.numerator)[2:] == [5, 412]  # five people are told
    above = people.value("E-HEA1", MONTH)
    assert (above.numerator, above.denominator) == (3 + 0 + 5 + 412, 4_000 + 900 + 700 + 2_000)


def test_json_csv_and_lineage_tell_no_more_than_the_page(people: World, tmp_path: Path):
    filters = {"indicator": "E-HEA1", "level": "commune", "from": MONTH, "to": MONTH}
    as_json, as_csv = asked(people, tmp_path, "values", **filters)
    told = [row for row in as_json if row["numerator"] is not None]
    assert [row["numerator"] for row in told] == [5, 412]
    hidden = [row for row in as_json if row["reason"] == "suppressed"]
    assert [[row[name] for name in ("numerator", "denominator", "value")] for row in hidden] == [
        [None] * 3
    ] * 2
    assert [row["numerator"] for row in as_csv if row["numerator"]] == ["5", "412"]
    filters = {"indicator": "E-HEA1", "org_unit": "area-qb", "from": MONTH, "to": MONTH}
    as_json, as_csv = asked(people, tmp_path, "lineage", **filters)
    counted = [row for row in as_json if row["element"] == HAVE and row["step"] == "reading"]
    assert sorted(str(row["value"]) for row in counted) == ["412.0", "5.0", "None", "None"]
    assert {row["value"] for row in as_csv if row["element"] == HAVE} == {"", "5", "412", "420"}
    assert text.REASONS["suppressed"]


def test_an_area_of_one_small_commune_tells_no_more_than_the_commune(people: World):
    area = people.value("E-HEA1", MONTH, "area-450")
    assert area.reason == "suppressed" and math.isnan(area.numerator + area.denominator)
    assert people.value("E-HEA1", MONTH, "area-457").numerator == 0 + 5 + 412
    assert people.value("E-HEA1", "2026", "area-450").reason == "suppressed"
    assert people.value("E-HEA1", "2026-Q4", "area-450").reason == "suppressed"


def test_a_rejection_says_which_figure_it_was_and_not_how_many_people(people: World):
    code = people.store.orgunits.population("commune", people.now.date())[-1].code
    items = [reading(HAVE, code, MONTH, 4), reading(ALL, code, MONTH, 3)]
    said = Rejection(
        "/x#1", f"{ALL}: không phải số: 3 người", {"org_unit": code, ALL: "3 ng"}, "ab"
    )
    people.poll(HEALTH, [*items, said], rejected=None)
    kept = [(row[4], row[5]) for row in rows(people.store, "rejection")]
    assert len(kept) == 2
    for reason, fields in kept:
        assert not any(character.isdigit() for character in reason.replace("E-HEA1", ""))
        named = json.loads(fields)
        assert {named[name] for name in (HAVE, ALL) if name in named} == {"(đã che)"}
        assert named["org_unit"]


def test_the_note_of_a_run_and_the_log_tell_no_small_count(
    people: World, tmp_path: Path, caplog: Any
):
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    for name, lines in (("it", 1), ("nhieu", 30)):  # a few of them, and a change of form
        rows = "".join(f"SNV{n},10/2026,900,1.5.2\n" for n in range(lines))
        (folder / f"{name}.csv").write_text("Mã đơn vị,Kỳ,Tổng số,Có máy tính\n" + rows)
    small = sheet_source(folder, readings={ALL: "Tổng số", HAVE: "Có máy tính"})
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    health.publish_sources(people.store, [small])
    run = poll(people.store, small, settings)
    assert "Có máy tính: không phải số" in run["note"]
    assert "1.5.2" not in run["note"] + caplog.text


def test_what_is_no_count_of_people_keeps_its_numbers():
    plain = Rejection("/x#1", "3 lớn hơn 2", {"staff_professional": "3"}, "ab")
    catalogue = load_catalogue()
    assert hushed(plain, catalogue.elements) is plain
    large = Rejection("/x#1", "tăng từ 2 lên 900", {"element": HAVE, "value": "900.0"}, "ab")
    told = hushed(large, catalogue.elements)
    assert (told.reason, told.fields["value"]) == ("tăng từ … lên …", "900.0")


ELEMENT = "name: x, unit: người, over_time: sum, over_units: sum"


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        (f"{{{ELEMENT}, reading: true, suppress_below: 1}}", "số nguyên từ 2"),
        (f"{{{ELEMENT}, reading: true, suppress_below: 4.5}}", "số nguyên từ 2"),
        (f"{{{ELEMENT}, count: dossier, at: closed_at, suppress_below: 5}}", "không có mục"),
    ],
)
def test_a_threshold_that_is_none_is_refused(tmp_path: Path, declared: str, fault: str):
    folder = tmp_path / "indicators"
    folder.mkdir()
    (folder / "thu.yaml").write_text(f"name: Thử\nelements:\n  thu: {declared}\n")
    with pytest.raises(ConfigError, match=fault):
        load_catalogue(tmp_path)


def test_no_target_is_judged_by_figures_that_may_not_be_told(tmp_path: Path):
    folder = tmp_path / "indicators"
    folder.mkdir()
    packaged = Path(load_catalogue.__code__.co_filename).parent / "indicators" / "staff.yaml"
    declared = packaged.read_text().replace("reading: true", "reading: true, suppress_below: 5")
    (folder / "staff.yaml").write_text(declared)
    with pytest.raises(ConfigError, match="che số nhỏ nên không xét mục tiêu được"):
        load_catalogue(tmp_path)


def test_every_count_of_people_in_health_and_education_declares_its_threshold(catalogue: Any):
    counted = ("người", "học sinh")
    people: list[Element] = [
        element
        for sector in ("health", "education")
        for indicator in catalogue.indicators.values()
        if indicator.sector == sector
        for element in (
            catalogue.elements[indicator.numerator],
            catalogue.elements[indicator.denominator],
        )
        if element.unit in counted
    ]
    assert len({element.id for element in people}) == 4
    assert {element.suppress_below for element in people} == {5}
