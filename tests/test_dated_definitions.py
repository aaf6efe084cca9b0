"""An indicator whose formula changes: what ended before the day stays as it was computed."""

from contextlib import closing
from datetime import date, timedelta

import pandas as pd
import psycopg
import pytest

from ioc.errors import ConfigError
from ioc.period import Period
from kpi import configversions, formulas, query, rebuild
from kpi.catalogue import PACKAGED, load_catalogue
from kpi.migrate import upgrade
from kpi.store import open_store
from layouts import figures, lines
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    MEETINGS,
    STAFF,
    World,
    at,
    dossier,
    dossiers,
    rows,
    share,
    tables,
    with_sources,
)

pytest_plugins = ["tests.worlds"]
JULY = date(2025, 7, 1)
MARK = "tính theo định nghĩa có hiệu lực từ 01/07/2025"
NEW = "definition: Chỉ tính hồ sơ nộp trực tuyến., numerator: dossiers_full_channel"
ELEMENT = (
    "  dossiers_full_channel: {name: Số hồ sơ nộp trực tuyến toàn trình, count: dossier,"
    " at: closed_at, where: {channel: full}, unit: hồ sơ, over_time: sum, over_units: sum}\n"
)


def changed(folder, sector: str, *changes: tuple[str, str], elements: str = ""):
    """The product's catalogue with changes of indicators of a sector: (indicator, change)."""
    text = (PACKAGED / "indicators" / f"{sector}.yaml").read_text(encoding="utf-8")
    text = text.replace("elements:\n", f"elements:\n{elements}", 1)
    for indicator, change in changes:
        head = f"  {indicator}:\n"
        assert text.count(head) == 1
        text = text.replace(head, f"{head}    changes:\n      - {{{change}}}\n")
    (folder / "indicators").mkdir(exist_ok=True, parents=True)
    (folder / "indicators" / f"{sector}.yaml").write_text(text, encoding="utf-8")
    return load_catalogue(folder)


def renewed(folder, *, begins: str = "2025-07-01"):
    """I02b counts all that was handed in online from July on, whatever way the result went."""
    change = f'from: "{begins}", {NEW}'
    return changed(folder, "public_services", ("I02b", change), elements=ELEMENT)


def online(month: str, full: int, electronic: int, total: int = 20):
    """Dossiers of a month at one department: so many online, of these so many also answered so."""
    found = dossiers("STP", f"{month}-05", total, electronic)
    return [
        one
        if i < electronic or i >= full
        else dossier(one.key, "STP", f"{month}-05 08:00", f"{month}-05 09:00", channel="full",
                     result="paper")
        for i, one in enumerate(found)
    ]  # fmt: skip


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request, tmp_path):
    """An empty database of either kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/kpi.sqlite"
        return
    base = request.getfixturevalue("postgres_server")
    with closing(psycopg.connect(f"{base}/postgres", autocommit=True)) as connection:
        connection.execute("DROP DATABASE IF EXISTS formulas WITH (FORCE)")
        connection.execute("CREATE DATABASE formulas TEMPLATE template0")
    yield f"{base}/formulas"


@pytest.fixture
def world(url, tmp_path, orgunits):
    """Dossiers of May to August: 4 of 20 by the old formula, 10 of 20 by the new one."""
    store = open_store(url, with_sources(renewed(tmp_path)), orgunits)
    found = World(store, at("2025-01-10 08:00")).live()
    for month in ("2025-05", "2025-06", "2025-07", "2025-08"):
        found.now = at(f"{month}-20 08:00")
        found.poll(DOSSIERS, online(month, 10, 4))
    found.now = at("2025-09-10 08:00")
    found.poll(DOSSIERS)
    found.forward(minutes=5)
    yield found
    store.close()


def ids(world, indicator="I02b") -> list[str]:
    return [one.definition_id for one in world.store.catalogue.indicators[indicator].every]


def test_june_is_by_the_old_formula_july_by_the_new_and_the_year_wholly_by_the_new(world):
    old, new = ids(world)
    months = world.values("I02b", "2025-05", "2025-08", org_units=["area-qb"])
    assert list(months.value) == [20, 20, 50, 50]
    assert list(months.numerator) == [4, 4, 10, 10]
    assert list(months.definition) == [old, old, new, new]
    assert set(months.mark) == {""}
    year = world.value("I02b", "2025")
    assert (year.numerator, year.denominator, year.definition) == (40, 80, new)
    assert year.mark == MARK
    halves = [world.value("I02b", f"2025-0{m}", grain="ytd") for m in (6, 7)]
    assert [(h.numerator, h.definition, h.mark) for h in halves] == [(8, old, ""), (30, new, MARK)]
    quarters = world.values("I02b", "2025-Q2", "2025-Q3", org_units=["area-qb"])
    assert list(quarters.numerator) == [8, 20]
    assert list(quarters["mark"]) == ["", ""]


def test_rows_of_several_org_units_stay_in_their_order(world):
    asked = {"org_units": ["area-qb", "area-450"], "frame": "then"}
    found = world.values("I02b", "2025-06", "2025-07", **asked)
    assert list(zip(found.org_unit, found.period, strict=True)) == [
        (unit, month) for unit in asked["org_units"] for month in ("2025-06", "2025-07")
    ]
    today = world.values("I02b", "2025-06", "2025-07", org_units=["area-qb"], frame="today")
    assert list(today.value) == [20, 50] and list(today.definition) == ids(world)


def test_a_year_that_is_judged_says_by_which_definition_and_as_of_an_instant_too(world):
    _, new = ids(world)
    row = world.standing("T02b", "I02b")
    assert (row.numerator, row.denominator, row.value) == (40, 80, 50)
    assert (row.definition, row.period) == (new, "2025")
    assert MARK in row["mark"].split("; ")
    # known by the end of June: the same formula, the data of then
    june = world.standing("T02b", "I02b", as_of=at("2025-06-30 12:00"))
    assert (june.numerator, june.denominator, june.definition) == (20, 40, new)
    assert MARK in june["mark"]
    whole = world.standing("T02b", "I02b", as_of=world.now)
    assert (whole.numerator, whole.definition) == (40, new)
    assert world.standing("T02b", "I02b", frame="today").numerator == 40


def test_a_rebuild_finds_the_same(world):
    checked = rebuild.check(world.store, world.now)
    assert checked.boundaries > 3 and checked.differences == 0, checked.some
    before = tables(world.store)
    rebuild.rebuild(world.store)
    assert tables(world.store) == before


def test_totals_of_a_table_are_by_the_definition_of_each_period(world):
    old, new = ids(world)
    asked = {"indicators": ["I02b"], "grain": "month", "level": "department", "now": world.now}
    span = {"first": Period.parse("2025-06"), "last": Period.parse("2025-07")}
    frame = query.pivot(world.store, ADMIN, **asked, **span).frame()
    for kind in ("listed", "whole"):
        told = frame[(frame.row == kind) & ~frame.period.str.contains("..", regex=False)]
        assert list(told.value) == [20, 50], kind
        assert list(told.definition) == [old, new]
        total = frame[(frame.row == kind) & frame.period.str.contains("..", regex=False)].iloc[0]
        assert total.reason == "not_comparable" and pd.isna(total.value)
    later = {"first": Period.parse("2025-07"), "last": Period.parse("2025-08")}
    frame = query.pivot(world.store, ADMIN, **asked, **later).frame()
    total = frame[(frame.row == "whole") & (frame.period == "2025-07..2025-08")].iloc[0]
    assert (total.numerator, total.value, total.definition) == (20, 50, new)


def test_lineage_goes_down_the_elements_of_the_definition_that_counted(world):
    old, new = ids(world)

    def sums(first, last, **more):
        span = {"first": Period.parse(first), "last": Period.parse(last)}
        asked = {"indicators": ["I02b"], "org_units": ["area-qb"], "now": world.now}
        return query.lineage(world.store, ADMIN, **asked, **span, **more).frame()

    june, july = sums("2025-06", "2025-06"), sums("2025-07", "2025-07")
    assert set(june.element) == {"dossiers_fully_online", "dossiers_resolved"}
    assert set(july.element) == {"dossiers_full_channel", "dossiers_resolved"}
    assert set(june.definition) == {old} and set(july.definition) == {new}
    # months of a year that is judged add up to it, though they ended before the change
    year = sums("2025-01", "2025-06", targets=["T02b"])
    assert year.iloc[0].step == "standing" and set(year.definition) == {new}
    assert "dossiers_full_channel" in set(year.element)


def test_corrections_are_told_by_the_definition_of_their_period(world):
    world.now = at("2025-10-20 08:00")
    late = [
        *(dossier(f"tre-6-{i}", "STP", "2025-06-05 08:00", "2025-06-05 09:00", online=True)
          for i in range(2)),
        dossier("tre-7", "STP", "2025-07-05 08:00", "2025-07-05 09:00", channel="full",
                result="paper"),
    ]  # fmt: skip
    world.poll(DOSSIERS, late)
    world.forward(days=1)
    span = {"first": Period.parse("2025-06"), "last": Period.parse("2025-07")}
    asked = {"indicators": ["I02b"], "org_units": ["area-qb"], "now": world.now}
    found = query.revisions(world.store, ADMIN, **asked, **span).frame()
    assert list(found.period) == ["2025-06", "2025-07"]
    assert list(found.numerator_before) == [4, 10] and list(found.numerator) == [6, 11]
    assert list(found.definition) == ids(world)


def test_the_register_tells_each_date_its_own_definition(world):
    old, new = ids(world)

    def row(on):
        asked = {"indicators": ["I02b"], "on": on, "now": world.now}
        return query.indicators(world.store, ADMIN, **asked).records()[0]

    june, july = row(JULY - timedelta(days=1)), row(JULY)
    assert (june["definition_version"], july["definition_version"]) == (old, new)
    assert june["numerator"] == "dossiers_fully_online"
    assert july["numerator"] == "dossiers_full_channel"
    assert july["numerator_text"] == "Số hồ sơ nộp trực tuyến toàn trình"
    assert july["definition"] == "Chỉ tính hồ sơ nộp trực tuyến."
    assert june["definitions"] == july["definitions"] == f"{old};2025-07-01 {new}"
    assert lines.dated(july) == [(JULY, new)]
    other = query.indicators(world.store, ADMIN, indicators=["I02a"], now=world.now).records()[0]
    assert other["definitions"] == "" and lines.dated(other) == []
    kept = {row[0]: row[1] for row in rows(world.store, "definition_version")}
    assert kept[old] == kept[new] == "I02b"


def test_the_first_definition_keeps_its_id_when_a_later_one_is_written_down(world):
    assert ids(world)[0] == load_catalogue().indicators["I02b"].definition_id


# ── what people read: knowledge and effect are two instants ────────────────────────────────


def test_what_was_known_of_the_definition_is_not_when_it_holds(url, tmp_path, orgunits):
    """Written on 10 September, in force from July: that day knowledge moves, figures in July."""
    plain = with_sources(load_catalogue())
    store = open_store(url, plain, orgunits)
    world = World(store, at("2025-01-10 08:00")).live()
    configversions.record(store, None, now=world.now)
    for month in ("2025-06", "2025-07"):
        world.now = at(f"{month}-20 08:00")
        world.poll(DOSSIERS, online(month, 10, 4))
    world.now = at("2025-08-20 08:00")
    world.poll(DOSSIERS)
    august = world.forward(minutes=5)
    assert world.value("I02b", "2025-07").value == 20
    store.close()

    again = open_store(url, with_sources(renewed(tmp_path)), orgunits)
    world.store, world.now = again, at("2025-09-10 08:00")
    configversions.record(again, None, now=world.now)
    world.poll(DOSSIERS)
    world.forward(minutes=5)
    old, new = ids(world)
    assert [world.value("I02b", m).value for m in ("2025-06", "2025-07")] == [20, 50]
    # as of August the data are those of August; the formula of July is the one written since
    assert world.value("I02b", "2025-07", as_of=august).value == 50

    def register(**when):
        asked = {"indicators": ["I02b"], "now": world.now}
        return query.indicators(again, ADMIN, **asked, **when).records()[0]

    then = register(as_of=august)
    assert (then["definition_version"], then["definition_then"]) == (new, old)
    assert register(as_of=world.now)["definition_then"] == new
    assert register(as_of=world.now, on=date(2025, 6, 1))["definition_then"] == old

    since = {"since": august, "as_of": world.now, "now": world.now}
    found = query.changes(again, ADMIN, targets=["T02b"], **since).records()
    (row,) = [one for one in found if one["indicator"] == "I02b"]
    assert "definition" in row["causes"].split() and row["definition"] == new
    assert row["config"] == configversions.versions(again)[0].number
    again.close()


def test_only_the_standings_of_what_changed_are_made_again(url, tmp_path, orgunits, caplog):
    """T07a closes its districts in June: nothing of them moves when I07b changes in July."""
    store = open_store(url, with_sources(load_catalogue()), orgunits)
    world = World(store, at("2025-06-20 08:00")).live()
    departments = "meetings_department_paperless meetings_department_total"
    districts = "meetings_district_paperless meetings_district_total"
    for month in ("2025-05", "2025-06"):
        world.poll(MEETINGS, share(departments, "STP", month, 60, 100))
        world.poll(MEETINGS, share(districts, "450", month, 72, 100))
    world.now = at("2025-08-20 08:00")
    world.poll(MEETINGS, share(departments, "STP", "2025-08", 10, 50))
    world.forward(minutes=5)
    before = {name: rows(store, name) for name in ("rollup", "observation", "standing")}
    was = {key: world.standing("T07a", key) for key in ("I07a", "I07b")}
    store.close()

    change = 'from: "2025-07-01", numerator: meetings_{0}_total, factor: 50'
    catalogue = changed(
        tmp_path,
        "meetings",
        ("I07a", change.format("department")),
        ("I07b", change.format("district")),
    )
    caplog.clear()
    world.store = again = open_store(url, with_sources(catalogue), orgunits)
    assert "T07a/I07a" in caplog.text and "dựng lại toàn bộ" not in caplog.text
    assert rows(again, "rollup") == before["rollup"]
    assert rows(again, "observation") == before["observation"]
    kept, made = (
        [row for row in some if row[1] != "I07a"] for some in (before["standing"],
                                                              rows(again, "standing"))
    )  # fmt: skip
    assert kept == made
    assert rebuild.check(again, world.now).differences == 0
    district, department = world.standing("T07a", "I07b"), world.standing("T07a", "I07a")
    assert (district.closing_value, district.closing_status) == (72, was["I07b"].closing_status)
    assert district.closing_definition == was["I07b"].closing_definition
    assert department.value == 50 and was["I07a"].value != 50
    assert MARK in department["mark"] and MARK not in district["mark"]
    again.close()


def test_a_month_that_is_judged_is_by_the_definition_of_its_end(url, tmp_path, orgunits):
    change = 'from: "2025-07-15", numerator: staff_trained_this_year'
    catalogue = changed(tmp_path, "staff", ("I12a", change))
    store = open_store(url, with_sources(catalogue), orgunits)
    world = World(store, at("2025-05-20 08:00")).live()
    for month in (5, 6, 7):
        world.now = at(f"2025-0{month + 1}-05 08:00")
        for element, many in (("staff_with_computer", 90), ("staff_trained_this_year", 30)):
            pair = f"{element} staff_professional"
            world.poll(STAFF, share(pair, "STP", f"2025-0{month}", many, 100))
    world.now = at("2025-08-10 08:00")
    world.poll(STAFF)
    world.forward(minutes=5)
    old, new = ids(world, "I12a")
    june, july = (
        world.standing("T12a", "I12a", on=day) for day in (date(2025, 6, 30), date(2025, 7, 31))
    )
    assert (june.value, june.definition) == (90, old)
    assert (july.value, july.definition) == (30, new)
    assert "15/07/2025" in july["mark"] and "định nghĩa" not in june["mark"]
    past = world.standing("T12a", "I12a", on=date(2025, 6, 30), as_of=world.now)
    assert (past.value, past.definition) == (90, old)
    past = world.standing("T12a", "I12a", on=date(2025, 7, 31), as_of=world.now)
    assert (past.value, past.definition) == (30, new)
    # from June to August another definition came into force: that is a cause
    asked = {"since": at("2025-07-05 08:00"), "as_of": world.now, "now": world.now}
    found = query.changes(store, ADMIN, targets=["T12a"], **asked).records()
    (row,) = [one for one in found if one["indicator"] == "I12a"]
    assert "definition" in row["causes"].split()
    assert rebuild.check(store, world.now).differences == 0
    store.close()


# ── files ──────────────────────────────────────────────────────────────────────────────────


def test_an_id_is_the_same_as_if_it_had_always_been_written_so(tmp_path):
    dated = renewed(tmp_path / "dated").indicators["I02b"]
    text = (PACKAGED / "indicators" / "public_services.yaml").read_text(encoding="utf-8")
    text = text.replace("elements:\n", f"elements:\n{ELEMENT}", 1)
    head, _, tail = text.partition("  I02b:\n")
    said = tail.replace("numerator: dossiers_fully_online", "numerator: dossiers_full_channel", 1)
    first = said.index("    definition:")
    lines_ = said[first:].splitlines(keepends=True)
    rest = next(i for i, line in enumerate(lines_[1:], 1) if not line.startswith("      "))
    said = (
        said[:first] + "    definition: Chỉ tính hồ sơ nộp trực tuyến.\n" + "".join(lines_[rest:])
    )
    folder = tmp_path / "plain" / "indicators"
    folder.mkdir(parents=True)
    (folder / "public_services.yaml").write_text(head + "  I02b:\n" + said, encoding="utf-8")
    plain = load_catalogue(tmp_path / "plain").indicators["I02b"]
    assert dated.at(JULY).definition_id == plain.definition_id
    assert dated.at(JULY).numerator_text == plain.numerator_text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('from: "2025-07-01"', "ít nhất một trong"),
        ("factor: 10", "phải ghi “from”"),
        ('from: "2025-07-01", factor: 0', "hệ số phải lớn hơn 0"),
        ('from: "2025-07-01", unit: điểm, factor: 10', "không có mục “unit”"),
        ('from: "2025-07-01", numerator: khong_co', "không có phần tử"),
        ('from: "2025-07-01", denominator: none', "phải mô tả"),
        ('from: "2025-07-01", denominator: none, denominator_text: x', "phải có denominator"),
        ('from: "2025-07-01", factor: 100', "không đổi gì"),
        ('from: "2025-07-32", factor: 10', "phải là ngày"),
        ('from: "2025-07-01", factor: 10}\n      - {from: "2025-07-01", factor: 20', "phải sau"),
        ('from: "2025-07-01", numerator: dossiers_resolved}\n      - {x: 1', "không có mục “x”"),
    ],
)
def test_a_change_that_says_nothing_or_too_much_stops_the_start(tmp_path, change, said):
    with pytest.raises(ConfigError) as refused:
        changed(tmp_path, "public_services", ("I02b", change))
    found = [fault for fault in refused.value.faults if said in fault.message]
    assert found and found[0].line > 10, refused.value
    assert len({*refused.value.faults}) == len(refused.value.faults)


def test_an_element_of_a_later_definition_must_serve_the_population_too(tmp_path):
    change = 'from: "2025-07-01", numerator: meetings_district_paperless'
    with pytest.raises(ConfigError) as refused:
        changed(tmp_path, "meetings", ("I07a", change))
    assert "meetings_district_paperless phải ghi “serves" in str(refused.value)


def test_several_changes_each_hold_until_the_next(tmp_path):
    later = 'from: "2025-07-01", factor: 10}\n      - {from: "2026-01-01", exclusions: Không có.'
    known = changed(tmp_path, "public_services", ("I02b", later)).indicators["I02b"]
    days = ("1990-01-01", "2025-06-30", "2025-07-01", "2025-12-31", "2026-01-01", "2030-01-01")
    found = [known.at(date.fromisoformat(day)) for day in days]
    assert [one.factor for one in found] == [100, 100, 10, 10, 10, 10]
    assert len({one.definition_id for one in found}) == 3
    assert [bool(one.within) for one in found] == [True, True, False, False, False, False]
    said = formulas.dated(known)
    assert [formulas.of_day(said, date.fromisoformat(day)) for day in days] == [
        one.definition_id for one in found
    ]
    assert known.at(JULY).at(date(2024, 1, 1)) == known.at(date(2024, 1, 1))


def test_windows_are_cut_where_another_definition_computes_them(tmp_path):
    catalogue = renewed(tmp_path, begins="2025-07-02")
    known = {part.target: part for part in catalogue.parts() if part.indicator == "I02b"}
    part, indicator = known["T02b"], catalogue.indicators["I02b"]
    first, second = formulas.by_window(indicator, part)
    assert (first.high + 1, second.low) == (second.low, 2025)
    assert [one.low for one in formulas.by_window(indicator, part, 2026, 2030)] == [2026]
    assert [one.high for one in formulas.by_window(indicator, part, 2020, 2024)] == [2024]
    plain = catalogue.indicators["I02a"]
    assert list(formulas.by_window(plain, part, 3, 9)) == [(plain, 3, 9)]


# ── drawings ───────────────────────────────────────────────────────────────────────────────


def test_no_line_joins_periods_that_do_not_compare(world):
    found = world.values("I02b", "2025-05", "2025-08", org_units=["area-qb"]).to_dict("records")
    drawn = figures.trend(found, breaks=[JULY])["data"][0]
    assert drawn["y"] == [20, 20, None, 50, 50]
    assert len(drawn["x"]) == len(drawn["text"]) == len(drawn["marker"]["symbol"]) == 5
    assert figures.trend(found)["data"][0]["y"] == [20, 20, 50, 50]


# ── stores of earlier releases ─────────────────────────────────────────────────────────────


def test_a_store_of_an_earlier_release_keeps_what_it_judged(url, orgunits):
    """Or a definition that changes at the very start of the new release would renew nothing."""
    store = open_store(url, with_sources(load_catalogue()), orgunits)
    kept = rows(store, "judged")
    with store.writer.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE older AS SELECT target, indicator, numerator, denominator, by_year,"
            " cut_year, cut_month FROM judged"
        )
        connection.exec_driver_sql("DROP TABLE judged")
        connection.exec_driver_sql("ALTER TABLE older RENAME TO judged")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0007'")
    upgrade(store.writer)
    assert rows(store, "judged") == kept and len(kept) > 10
    assert {row[-2:] for row in kept} == {(0, formulas.ANY)}
    store.close()
