"""The catalogue: what is measured, complete in its six headings, loaded whole or refused."""

import re

import pytest

from ioc.errors import ConfigError
from kpi.catalogue import PACKAGED, load_catalogue

PLAN_INDICATORS = (
    "I01 I01.1 I01.2 I02a I02b I03 I04a I04b I05a I05b I06 I07a I07b I07c I08a I08b I09a I09b I09c"
    " I10 I10.1 I10.2 I10.3 I10.4 I10.5 I11a I11b I11c I12a I12b O1 O2 O3 O4"
    " E-EDU1 E-EDU2 E-HEA1 E-HEA2 E-TOU1 E-TOU2 E-ENV1 E-ENV2"
)

SECTOR = """\
name: Thử
elements:
  a_done: {name: Số đã xong, reading: true, unit: việc, over_time: sum, over_units: sum}
  a_all: {name: Tổng số, reading: true, unit: việc, over_time: sum, over_units: sum}
indicators:
  X1:
    name: Tỷ lệ việc đã xong
    short: Việc đã xong
    definition: Số đã xong trên tổng số.
    numerator: a_done
    denominator: a_all
    unit: "%"
    grain: month
    better: higher
    source: none
    owner: STTTT
    target: none
"""


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue()


@pytest.fixture
def load(tmp_path):
    """Loads the packaged catalogue with one file more, given as text."""

    def load_with(text, name="test.yaml", kind="indicators"):
        (tmp_path / kind).mkdir(exist_ok=True)
        (tmp_path / kind / name).write_text(text, encoding="utf-8")
        return load_catalogue(tmp_path)

    return load_with


@pytest.fixture
def faults(load):
    """The faults of one file more, as "line: message"."""

    def faults_of(text, **where):
        with pytest.raises(ConfigError) as refused:
            load(text, **where)
        return [f"{fault.line}: {fault.message}" for fault in refused.value.faults]

    return faults_of


def test_every_indicator_of_the_plan_and_of_the_orientation_is_there(catalogue):
    assert set(PLAN_INDICATORS.split()) <= set(catalogue.indicators)


def test_every_indicator_has_the_six_headings_and_a_short_name_for_the_wall(catalogue):
    for indicator in catalogue.indicators.values():
        headings = (
            indicator.name,
            indicator.definition,
            indicator.numerator_text,
            indicator.denominator_text,
            indicator.unit,
            indicator.grain,
            indicator.owner,
            catalogue.sectors[indicator.sector],
        )
        assert all(headings), indicator.id
        assert 0 < len(indicator.short) <= 44, indicator.id
        assert re.fullmatch(r"[0-9a-f]{12}", indicator.definition_id)


def test_the_sectors_with_a_connector_name_their_source(catalogue):
    sourced = {i.id: i.source for i in catalogue.indicators.values() if i.source}
    assert sourced["I02a"] == sourced["I02b"] == "public_services"
    assert sourced["I12a"] == sourced["I12b"] == "staff"


def test_components_orientations_and_enhanced_services_serve_no_target(catalogue):
    for key, indicator in catalogue.indicators.items():
        if indicator.kind in ("component", "orientation", "enhanced"):
            assert not catalogue.targets_of(key), key


def test_the_secret_work_files_stay_outside_by_declaration(catalogue):
    assert "bí mật nhà nước" in catalogue.indicators["I03"].exclusions


def test_services_are_recounted_and_dossiers_are_added(catalogue):
    services = catalogue.elements["procedures_online"]
    assert (services.count, services.at, services.distinct) == ("dossier", "opened_at", "category")
    assert services.where == {"channel": ("full", "partial")}
    assert services.over_time == services.over_units == "distinct"
    dossiers = catalogue.elements["dossiers_fully_online"]
    assert dossiers.where == {"channel": ("full",), "result": ("electronic",)}
    assert (dossiers.at, dossiers.over_time, dossiers.silence) == ("closed_at", "sum", "zero")
    staff = catalogue.elements["staff_trained_this_year"]
    assert (staff.reading, staff.over_time, staff.silence) == (True, "last", "unknown")


def test_a_definition_changes_with_its_words_and_not_with_the_order_or_comments(load):
    first = load(SECTOR).indicators["X1"].definition_id
    lines = SECTOR.splitlines()
    moved = [*lines[:6], *reversed(lines[6:]), "# ghi chú"]
    assert load("\n".join(moved)).indicators["X1"].definition_id == first
    assert load(SECTOR.replace("Số đã xong,", "Số xong,")).indicators["X1"].definition_id != first
    assert load(SECTOR.replace('"%"', "'%'")).indicators["X1"].definition_id == first


def test_a_file_of_the_same_name_replaces_and_a_new_one_adds(load):
    text = (PACKAGED / "indicators" / "meetings.yaml").read_text(encoding="utf-8")
    changed = load(text.replace("source: none", "source: meetings", 1), name="meetings.yaml")
    assert changed.indicators["I07a"].source == "meetings"
    assert load(SECTOR).sectors["test"] == "Thử"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("numerator: a_done", "numerator: a_dnoe", "10: X1: không có phần tử 'a_dnoe'"),
        ("short: Việc đã xong", f"short: {'x' * 45}", "8: X1: tên ngắn dài 45 ký tự, tối đa 44"),
        ("    better: higher\n", "", "6: X1: thiếu mục “better”"),
        ("    source: none\n", "", "6: X1: thiếu mục “source”"),
        ("owner: STTTT", "owner: 012", "16: X1: mục “owner” đọc thành 10; hãy đặt trong dấu nháy"),
        ("owner: STTTT", "owner: no", "16: X1: mục “owner” đọc thành False; hãy đặt trong dấu"),
        (
            "name: Tỷ lệ việc đã xong",
            "name: 2026-11-01",
            "7: X1: mục “name” đọc thành 2026-11-01; hãy",
        ),
        ("owner: STTTT", "owner: XYZ", "16: X1: không có cơ quan nào mang mã 'XYZ'"),
        ("    target: none\n", "", "6: X1: không mục tiêu nào dùng; hãy ghi “target: none”"),
        ("    unit: ", "    color: red\n    unit: ", "12: X1: không có mục “color”"),
        ("  X1:", "  I01:", "6: I01: mã đã được khai báo ở shared_systems.yaml:"),
        ("  X1:", "  012:", "6: khóa đọc thành 10; hãy đặt trong dấu nháy"),
        ("grain: month", "grain: week", "13: X1: mục “grain” là 'week'; chỉ nhận day, month"),
        ("unit: việc, over_time: sum", "unit: việc, over_time: mean", "khai báo tử số/mẫu số"),
        ("unit: việc, over_time: sum", "unit: việc, over_time: last", "cùng cách cộng theo thời"),
        ("reading: true, unit", "unit", "3: a_done: phải ghi đúng một trong hai: “count"),
        ("reading: true", "count: d, at: seen_at", "3: a_done: mục “at” là 'seen_at'; chỉ nhận"),
        ("reading: true", "count: d, at: opened_at, where: {age: a}", "không lọc được theo 'age'"),
        ("reading: true", "count: d, at: opened_at, distinct: category", "đếm không trùng thì cả"),
        (
            "reading: true",
            "count: d, at: closed_at, where: {deadline: late}",
            "chỉ nhận met, missed",
        ),
        ("reading: true", "count: d, at: closed_at, distinct: deadline", "chỉ nhận state"),
    ],
)
def test_a_fault_is_named_with_its_line(faults, old, new, said):
    assert old in SECTOR
    found = faults(SECTOR.replace(old, new, 1))
    assert any(said in fault for fault in found), found


def test_all_faults_of_all_files_are_listed_at_once(tmp_path):
    (tmp_path / "indicators").mkdir()
    wrong = SECTOR.replace("numerator: a_done", "numerator: zzz").replace("sum, over", "mean, over")
    (tmp_path / "indicators" / "a.yaml").write_text(wrong, encoding="utf-8")
    (tmp_path / "indicators" / "b.yaml").write_text("name: [", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_catalogue(tmp_path)
    files = [fault.file.rsplit("/", 1)[-1] for fault in refused.value.faults]
    assert files.count("a.yaml") == 3 and "b.yaml" in files
    assert "a.yaml:3: a_done:" in str(refused.value)
