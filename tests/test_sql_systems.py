"""The inventory of shared systems and the video conferences of the sample, read as views."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.sandbox.inventory import Inventory
from connectors.sandbox.video_meetings import Meetings
from ioc.period import LOCAL
from tests.rest_systems import Reader, ReaderOf

pytest_plugins = ["tests.rest_systems"]


@pytest.fixture(scope="module")
def systems(reader_of: ReaderOf) -> Reader:
    return reader_of("shared_systems")


@pytest.fixture(scope="module")
def meetings(reader_of: ReaderOf) -> Reader:
    return reader_of("online_meetings")


def checks(systems: Reader, day: str) -> list[dict[str, Any]]:
    rows = Inventory(systems.truth).rows(systems.now)
    return [row for row in rows if row["ngay_ra_soat"] == day]


def whole(row: dict[str, Any]) -> bool:
    """Every criterion, by our own reading of it."""
    return bool(row["nang_cap"] and row["ket_noi_lgsp"] and row["lien_thong_tw"] != "không")


def test_a_system_counts_only_with_every_criterion_and_the_target_is_met(systems):
    rows = checks(systems, "2025-12-31")
    assert systems.share("I01", "2025-12") == (sum(map(whole, rows)), len(rows))
    found = systems.standing("T01", "I01")
    assert (found.closing_status, found.closing_denominator) == ("met", len(rows))
    assert 80 < found.closing_value < 90


def test_each_criterion_stands_apart_and_what_needs_no_link_is_in_no_denominator(systems):
    rows = checks(systems, "2025-12-31")
    linked = Counter(row["lien_thong_tw"] for row in rows)
    assert systems.share("I01.1", "2025-12") == (
        sum(row["ket_noi_lgsp"] for row in rows),
        len(rows),
    )
    assert systems.share("I01.2", "2025-12") == (linked["có"], linked["có"] + linked["không"])
    assert linked["không áp dụng"] > 0


def test_the_systems_that_fail_can_be_listed_with_what_they_fail_in(systems):
    kept = systems.records("category, state, channel, result, org_unit")
    assert len(kept) == len(Inventory(systems.truth).rows(systems.now))
    assert "Nguyễn Văn Soát".encode() not in systems.everything_stored()


def test_connections_that_fail_and_come_back_are_followed_while_it_runs(systems):
    seen, changed = set(), 0
    for _ in range(6):
        systems.forward(minutes=4)
        run = systems.poll()
        assert (run["outcome"], run["new"], run["rejected"]) == ("ok", 0, 0)
        changed += run["changed"]
        rows = checks(systems, "2026-09-30")
        on = sum(row["ket_noi_lgsp"] for row in rows)
        assert systems.share("I01.1", "2026-09") == (on, len(rows))
        assert systems.share("I01", "2026-09") == (sum(map(whole, rows)), len(rows))
        seen.add(on)
    assert len(seen) == 2 and changed >= 3
    before = systems.share("I01", "2025-12")
    assert before == (sum(map(whole, checks(systems, "2025-12-31"))), 61)


def test_faulty_rows_are_refused_with_their_reason_and_the_rest_is_kept(systems, meetings):
    told = " ".join(systems.rejections())
    assert "CNTT-01" in told and "nang_cap: giá trị lạ 2" in told
    assert len(systems.rejections()) == 2
    assert all(code in " ".join(meetings.rejections()) for code in ("HN-99", "PVP-02"))


def test_minutes_that_come_in_late_put_the_newest_month_right(meetings):
    found = set()
    for _ in range(3):
        meetings.forward(minutes=5)
        assert meetings.poll()["outcome"] == "ok"
        rows = Meetings(meetings.truth).rows(meetings.now)
        row = next(row for row in rows if row["thang"] == "2026-10")
        assert meetings.share("I08a.1", "2026-10") == (row["tinh_xa_truc_tuyen"], row["tinh_xa_so"])
        found.add(row["tinh_xa_so"])
    assert len(found) == 2


def test_a_check_that_is_settled_later_changes_its_own_rows_only(systems):
    systems.clock[0] = datetime(2027, 1, 2, 8, 0, tzinfo=LOCAL)
    systems.forward(minutes=0)
    first = systems.poll()
    assert first["outcome"] == "ok" and first["new"] == len(checks(systems, "2026-12-31"))
    before = systems.share("I01", "2026-12")
    systems.forward(days=30)
    later = systems.poll()
    assert later["changed"] > 0 and later["new"] == 0
    rows = checks(systems, "2026-12-31")
    assert systems.share("I01", "2026-12") == (sum(map(whole, rows)), len(rows))
    assert systems.share("I01", "2026-12")[0] > before[0]


def test_exactly_forty_percent_is_met_or_missed_by_the_reading_in_force(meetings):
    found = meetings.standing("T08b", "I08b")
    assert found.closing_numerator * 100 == 40 * found.closing_denominator
    assert found.closing_status == "met" and found.reading == ">= 40"
    assert meetings.standing("T08a", "I08a").closing_status == "met"


def test_the_three_series_are_never_spliced(meetings):
    rows = Meetings(meetings.truth).rows(meetings.now)
    for month in ("2025-06", "2025-07", "2026-09"):
        told = [row for row in rows if row["thang"] == month]
        for indicator, kind in (
            ("I08a", "tinh_huyen"),
            ("I08b", "huyen_xa"),
            ("I08a.1", "tinh_xa"),
        ):
            counts = [row for row in told if row[f"{kind}_so"] is not None]
            value = meetings.value(indicator, month)
            if not counts:
                assert value.value != value.value, (indicator, month)
                continue
            said = tuple(
                sum(row[f"{kind}_{what}"] for row in counts) for what in ("truc_tuyen", "so")
            )
            assert (value.numerator, value.denominator) == said


def test_a_file_that_is_away_is_tried_again_and_nothing_is_lost(meetings):
    meetings.stop()
    assert meetings.poll()["outcome"] == "retry"
    meetings.start()
    meetings.clock[0] += timedelta(minutes=1)
    assert meetings.poll()["outcome"] in ("ok", "empty")
    assert "Trần Thị Thư".encode() not in meetings.everything_stored()
