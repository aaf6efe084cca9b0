"""Year-to-date counters: months are differences, and what cannot be one is a rejection."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import mapping
from connectors.config import load_sources
from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import ConfigError
from ioc.model import Batch, Reading, Rejection
from ioc.source import Source
from kpi import health
from kpi.store import KpiStore
from tests.chaos import Answer, Chaos, serve
from tests.fields import source_of
from tests.test_poller import numbers

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
EARLY, LATE = "2026-10-05T08:00:00+07:00", "2026-11-05T08:00:00+07:00"


def counter_source(url: str = "http://127.0.0.1:9", **more: Any) -> Source:
    """Meetings of departments, paperless ones counted from the beginning of the year."""
    given: dict[str, Any] = {
        "name": "Lũy kế",
        "kind": "rest",
        "url": url,
        "owner": "VPUB",
        "every": "1h",
        "serves": ["department"],
        "fields": Lined({"org_unit": "ma", "period": "ky", "changed_at": "luc"}),
        "readings": Lined({
            "meetings_department_total": Lined({"path": "tong", "cumulative": "year"}),
            "meetings_department_paperless": Lined({"path": "giay", "cumulative": "year"}),
        }),
    }
    return source_of(**given | more)


def row(month: str, total: Any, paperless: Any = 0, unit: str = "STP", at: str = EARLY) -> dict:
    return {"ma": unit, "ky": month, "tong": total, "giay": paperless, "luc": at}


def mapped(*rows: Any) -> list[Any]:
    mapper = mapping.compile(counter_source(), b"a key of thirty-two bytes for it")
    return list(mapper.map_rows(Batch(rows, origin="/p"), NOW))


def months(items: list[Any], element: str = "meetings_department_total") -> dict[str, float]:
    readings = [item for item in items if isinstance(item, Reading) and item.element == element]
    assert len(readings) == len({(one.org_unit, one.period) for one in readings})
    return {f"{one.org_unit} {one.period.text}": one.value for one in readings}


def reasons(items: list[Any]) -> list[str]:
    """Each reason once: both counters of a row have the same."""
    said = (item.reason.partition(": ")[2] for item in items if isinstance(item, Rejection))
    return list(dict.fromkeys(said))


@given(figures=st.lists(st.integers(0, 500), min_size=1, max_size=12), data=st.data())
def test_the_months_of_a_counter_are_what_it_was_summed_from_in_any_order(
    figures: list[int], data: st.DataObject
) -> None:
    rows = [row(f"2024-{i + 1:02d}", sum(figures[: i + 1])) for i in range(len(figures))]
    found = months(mapped(*data.draw(st.permutations(rows))))
    assert found == {f"STP 2024-{i + 1:02d}": float(n) for i, n in enumerate(figures)}


def test_each_year_and_each_org_unit_begins_at_zero() -> None:
    found = mapped(
        row("2023-12", 99), row("2024-01", 5), row("2024-02", 8), row("2024-01", 7, unit="SNV")
    )
    assert months(found) == {"STP 2024-01": 5, "STP 2024-02": 3, "SNV 2024-01": 7}
    assert reasons(found) == ["thiếu lũy kế tháng 11: không tách được số của tháng 12"]


def test_a_missing_month_and_the_month_after_it_are_never_added_together() -> None:
    found = mapped(row("2024-01", 5), row("2024-03", 20), row("2024-04", 26))
    assert months(found) == {"STP 2024-01": 5, "STP 2024-04": 6}
    assert reasons(found) == ["thiếu lũy kế tháng 2: không tách được số của tháng 3"]


def test_a_counter_that_falls_is_refused_and_so_is_the_month_that_rests_on_it() -> None:
    rows = [row(f"2024-0{i}", n) for i, n in enumerate((10, 30, 20, 45, 50), 1)]
    found = mapped(*rows)
    assert months(found) == {"STP 2024-01": 10, "STP 2024-02": 20, "STP 2024-05": 5}
    assert reasons(found) == [
        "lũy kế giảm từ 30 (tháng 2) xuống 20",
        "thiếu lũy kế tháng 3: không tách được số của tháng 4",
    ]


def test_a_row_of_which_one_counter_is_refused_gives_no_figure() -> None:
    found = mapped(row("2024-01", 10, 8), row("2024-02", 20, 5), row("2024-03", 30, 9))
    assert months(found, "meetings_department_paperless") == {"STP 2024-01": 8}
    assert months(found) == {"STP 2024-01": 10}
    assert len(reasons(found)) == 2


def test_an_unreadable_counter_is_a_missing_month() -> None:
    found = mapped(row("2024-01", 10), row("2024-02", "N/A"), row("2024-03", 30))
    assert months(found) == {"STP 2024-01": 10}
    assert len(reasons(found)) == 2


def test_of_two_counters_for_a_month_the_one_changed_later_counts() -> None:
    found = mapped(row("2024-01", 12, at=LATE), row("2024-01", 10), row("2024-02", 15))
    assert months(found) == {"STP 2024-01": 12, "STP 2024-02": 3}
    assert {item.changed_at.isoformat() for item in found} == {"2026-11-05T01:00:00+00:00"}


def test_the_counter_of_a_unit_that_opened_within_the_year_begins_with_it() -> None:
    found = mapped(row("2025-07", 4, unit="SXD25"), row("2025-08", 9, unit="SXD25"))
    assert months(found) == {"SXD25 2025-07": 4, "SXD25 2025-08": 5}
    before = mapped(row("2025-04", 4, unit="SXD25"))
    assert (months(before), len(reasons(before))) == ({}, 1)


def test_a_correction_backwards_changes_its_month_and_the_one_after(
    store: KpiStore, tmp_path: Path
) -> None:
    first = [row("2026-01", 10), row("2026-02", 30), row("2026-03", 60)]
    again = [row("2026-01", 10), row("2026-02", 25, at=LATE), row("2026-03", 60)]
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
    with Chaos(serve(Answer(first), Answer(again))) as server:
        source = counter_source(server.url)
        health.publish_sources(store, [source])
        loaded, corrected = (poll(store, source, settings, now=NOW) for _ in range(2))
    assert (loaded["outcome"], *numbers(loaded)) == ("ok", 6, 6, 0, 0, 0, 0)
    assert (corrected["outcome"], *numbers(corrected)) == ("ok", 6, 0, 2, 4, 0, 0)
    with store.read() as connection:
        kept = connection.exec_driver_sql(
            "SELECT value FROM observation WHERE element = 'meetings_department_total'"
            " AND superseded_at = 253402300799000000 ORDER BY day"
        )
        assert list(kept.scalars()) == [10, 15, 35]


def test_a_code_that_passes_to_another_unit_within_a_year_passes_to_another_counter() -> None:
    """STP ends with June 2025; the new one bears its code and counts from zero."""
    rows = [row(f"2025-{month:02d}", 10 * month) for month in range(1, 7)]
    rows += [row(f"2025-{month:02d}", 4 * (month - 6)) for month in range(7, 10)]
    found = mapped(*rows)
    assert not reasons(found)
    assert list(months(found).values()) == [10.0] * 6 + [4.0] * 3


def test_a_counter_of_a_unit_that_nobody_knows_is_left_to_the_store_to_refuse() -> None:
    found = mapped(row("2025-03", 5, unit="99999"))
    assert months(found) == {"99999 2025-03": 5.0}


def test_counters_may_be_asked_for_by_change_where_whole_years_come(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    since = "options: {since_param: x, since_field: b, whole_years: true}"
    path.write_text(DECLARED.replace("  fields:", f"  {since}\n  fields:"))
    assert load_sources([path])


DECLARED = """
luy_ke:
  name: Lũy kế
  kind: rest
  url: http://127.0.0.1:1
  owner: VPUB
  every: 1h
  serves: [department]
  fields: {org_unit: a, period: b}
  readings: {meetings_department_total: {path: c, cumulative: year}}
"""


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("cumulative: year", "cumulative: quarter", "chỉ nhận year"),
        ("period: b", "period: {path: b, grain: quarter}", "kỳ báo cáo là tháng"),
        ("  fields:", "  paging: {kind: page}\n  fields:", "cả năm trong một lần đọc"),
        ("  fields:", "  options: {since_param: x}\n  fields:", "cả năm trong một lần đọc"),
    ],
)
def test_counters_that_could_not_be_told_apart_are_refused_by_the_check(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(DECLARED)
    load_sources([path])
    path.write_text(DECLARED.replace(old, new))
    with pytest.raises(ConfigError, match=fault):
        load_sources([path])
