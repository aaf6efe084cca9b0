"""The measurements themselves, at a small size: what they load, compare, refuse and leave."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from ioc.clock import right_now
from ioc.period import Period, date_of
from ioc.principal import Principal
from kpi import query
from kpi.catalogue import load_catalogue
from kpi.schema import FAR
from layouts.web.files import File
from layouts.web.filters import read
from tests import test_downloads
from tests.benchmarks import drilling, exporting, floors, grown, large, reading, reference, writing
from tests.benchmarks.grown import Cost, Form
from tests.benchmarks.reference import HEAD


def test_growth_adds_elements_to_the_same_org_units_and_days():
    small = Form.of(large.ROWS // large.GROWTH)
    grown_to = small.times(large.GROWTH)

    assert (small.elements, small.days, small.rows) == (25, 1_826, 8_217_000)
    assert (grown_to.days, grown_to.rows) == (small.days, 82_170_000)
    assert grown_to.names() == sorted(grown_to.names())
    assert len(set(grown_to.names())) == 250
    assert len(set(grown.leaves())) == grown.UNITS


def test_a_grown_store_answers_with_the_sums_of_its_observations(tmp_path: Path):
    form = Form.of(36_000)
    cost = grown.grow(tmp_path / "grown.sqlite", form)
    store = grown.opened(tmp_path / "grown.sqlite")

    with store.read() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM observation")) == form.rows
        total = connection.scalar(
            sa.text("SELECT SUM(value) FROM observation WHERE element = 'dossiers_resolved'")
        )
        inside = connection.scalar(
            sa.text(
                "SELECT SUM(value) FROM observation JOIN closure ON leaf = org_unit"
                f" AND ancestor = '{floors.AREA}' WHERE element = 'dossiers_resolved'"
                f" AND superseded_at = {FAR}"
            )
        )
    now = Period.of("day", form.last).ends_at
    tile = query.standings(store, HEAD, targets=[reading.TILE], now=now).records()[0]
    store.close()

    assert cost.bytes > 50 * form.rows
    assert 0 < inside <= total
    assert tile["denominator"] == inside
    assert tile["value"] == 50.0
    assert date_of(grown.FIRST) < form.last


def test_the_large_store_is_laid_beside_the_small_one_and_nothing_stays(tmp_path: Path):
    found = list(large.lines(tmp_path, 40_000, times=2))

    assert [line.limit for line in found] == [1.2, 1.2, None]
    assert all(line.ours > 0 and line.floor > 0 for line in found)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_refused_before_the_large_stores_are_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    room = large.shutil.disk_usage(tmp_path)._replace(free=2_000_000)
    monkeypatch.setattr(large.shutil, "disk_usage", lambda _: room)

    with pytest.raises(large.NoRoom, match="Không đủ chỗ"):
        list(large.lines(tmp_path, 400_000, times=1))

    assert "Ước tính: cần khoảng" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_needed_grows_with_the_rows():
    form = Form.of(36_000)
    need = large.needed(Cost(2.0, 1_000_000), form, 10 * form.rows)

    assert need == Cost(20.0, round(10_000_000 * large.SPARE))


def test_distinct_counts_are_laid_beside_as_many_additive_ones_of_the_same_records():
    catalogue = load_catalogue()
    journal = reference.DOSSIERS.record
    alike = [e for e in writing.additive(catalogue).values() if e.count == journal]
    twins = writing.distinct(catalogue).values()

    assert alike
    assert [(e.count, e.at, e.over_time) for e in twins] == [
        (journal, e.at, "distinct") for e in alike
    ]


def test_the_drill_down_and_its_floor_read_the_same_figures(tmp_path: Path):
    form = Form.of(36_000)
    grown.grow(tmp_path / "grown.sqlite", form)
    store = grown.opened(tmp_path / "grown.sqlite")
    try:  # the measurement itself refuses to compare other figures
        found = list(drilling.lines(store, tmp_path, "nhỏ", times=2, month=form.month))
    finally:
        store.close()

    assert [line.limit for line in found] == [None, None, 2, 2]
    assert [line.size for line in found[:2]] == ["1826 dòng, nhỏ", "151 dòng, nhỏ"]


loaded = test_downloads.loaded


def test_the_floor_of_exports_writes_the_very_cells_of_the_product(loaded):
    asked = read("records", {"limit": "50"}, loaded, right_now())
    file = b"".join(File.of(loaded, Principal.local_admin(), asked, "csv").bytes())
    compared = exporting.Floors(loaded)
    exporting.compare(compared, file, 50)
    assert file.count(b"\r\n") > 3 and b"T" in file
    with pytest.raises(RuntimeError, match="other rows"):
        exporting.compare(compared, file.replace(b"+07:00", b"+00:00"), 50)
