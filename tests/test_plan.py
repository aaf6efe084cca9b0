"""The plan's targets: exact sentences, both readings, populations and closing dates."""

import hashlib
import unicodedata
from datetime import date

import pytest

from ioc.errors import ConfigError
from kpi.catalogue import PACKAGED, load_catalogue
from kpi.targets import Rule, bullets, parse_reading

PLAN = PACKAGED / "plan" / "2021-2025.yaml"
TEXT = PACKAGED / "plan" / "text.vi.txt"


@pytest.fixture(scope="module")
def targets():
    return load_catalogue().targets


@pytest.fixture
def faults(tmp_path):
    """The faults of the plan's file after one change."""

    def faults_of(old, new):
        text = PLAN.read_text(encoding="utf-8")
        assert old in text
        (tmp_path / "plan").mkdir(exist_ok=True)
        (tmp_path / "plan" / PLAN.name).write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(ConfigError) as refused:
            load_catalogue(tmp_path)
        return [f"{fault.line}: {fault.message}" for fault in refused.value.faults]

    return faults_of


def test_the_plan_has_its_twenty_rows_in_order_and_sixteen_have_a_number(targets):
    assert " ".join(targets) == (
        "T01 T02a T02b T03 T04 T05 T06 T07a T07b T08a T08b T09a T09b T09c T10 T11a T11b T11c"
        " T12a T12b"
    )
    assert sum(target.threshold is not None for target in targets.values()) == 16


def test_every_sentence_is_a_line_of_the_plan_byte_for_byte(targets):
    lines = TEXT.read_bytes().split(b"\n")
    for target in targets.values():
        assert unicodedata.is_normalized("NFC", target.sentence)
        assert b"- " + target.sentence.encode() in lines, target.id
    said = {target.sentence for target in targets.values()}
    assert said == set(bullets(TEXT.read_text(encoding="utf-8"))["2.2"])


def test_the_text_of_the_plan_is_the_one_that_was_published():
    digest = hashlib.sha256(TEXT.read_bytes()).hexdigest()
    assert digest.startswith("6764977ca05dc955")
    assert "báo cáo cáo của tỉnh" in TEXT.read_text(encoding="utf-8")  # a misprint of the source


def test_every_target_cites_title_date_section_and_bullet(targets):
    for target in targets.values():
        cited = target.citation
        assert cited.title.startswith("Đề án phát triển Chính quyền điện tử")
        assert (cited.number, cited.published) == (None, date(2022, 2, 25))
        assert (cited.section, cited.bullet) == ("2.2", target.bullet)
        assert "số văn bản: chưa xác định" in cited.text and "25/02/2022" in cited.text


def test_over_is_strict_and_a_bare_number_is_a_floor(targets):
    rules = {key: target.rule.text for key, target in targets.items()}
    assert rules == {
        "T01": "> 80",
        "T02a": "> 70",
        "T02b": ">= 60",
        "T03": "> 90",
        "T04": "> 70",
        "T05": "> 80",
        "T06": "> 50",
        "T07a": "> 70",
        "T07b": ">= 50",
        "T08a": "> 50",
        "T08b": ">= 40",
        "T09a": "qualitative",
        "T09b": "qualitative",
        "T09c": "qualitative",
        "T10": "range 80 100",
        "T11a": "> 30",
        "T11b": ">= 25",
        "T11c": ">= 20",
        "T12a": "> 90",
        "T12b": "qualitative",
    }


def test_an_unclear_sentence_keeps_both_readings_and_says_who_chose(targets):
    unclear = [key for key, target in targets.items() if target.second_reading]
    assert unclear == ["T02b", "T07b", "T08b", "T11b", "T11c", "T12b"]
    for key in unclear:
        assert targets[key].operator_certainty == "unclear"
        assert targets[key].reading_chosen_by and targets[key].reading_chosen_at
    assert targets["T11b"].readings == (Rule(">=", 25), Rule(">", 25))


def test_another_reading_in_force_is_what_judges(tmp_path):
    text = PLAN.read_text(encoding="utf-8")
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / PLAN.name).write_text(
        text.replace('reading_in_force: ">= 25"', 'reading_in_force: "> 25"'), encoding="utf-8"
    )
    target = load_catalogue(tmp_path).targets["T11b"]
    assert (target.operator, target.rule) == (">=", Rule(">", 25))


def test_departments_and_districts_of_one_target_close_on_their_own_dates(targets):
    parts = targets["T07a"].parts
    assert [(p.indicator, p.population, p.closing_date, p.closes_early) for p in parts] == [
        ("I07a", "department", date(2025, 12, 31), False),
        ("I07b", "district", date(2025, 6, 30), True),
    ]
    assert parts[1].closed(date(2025, 7, 1)) and not parts[1].closed(date(2025, 6, 30))
    early = [p.target for t in targets.values() for p in t.parts if p.closes_early]
    assert early == ["T07a", "T08a", "T08b", "T11b"]


def test_two_indicators_of_one_target_share_its_population_and_date(targets):
    assert [(p.indicator, p.population) for p in targets["T04"].parts] == [
        ("I04a", "area"),
        ("I04b", "area"),
    ]


def test_flows_are_judged_over_years_and_stocks_over_months():
    judged = {(j.target, j.indicator): j for j in load_catalogue().judged()}
    assert judged["T02b", "I02b"].closing == 2025 and judged["T02b", "I02b"].cut_year == 0
    district = judged["T07a", "I07b"]
    assert (district.by_year, district.cut_year, district.cut_month) == (True, 2025, 2025 * 12 + 5)
    stock = judged["T11b", "I11b"]
    assert (stock.by_year, stock.closing, stock.cut_month) == (False, 2025 * 12 + 5, 0)
    assert {"T09a", "T09b", "T09c"} <= {target for target, _ in judged}  # their proxies


def test_each_target_has_one_owner_and_may_have_others_beside_it(targets):
    assert all(target.owner for target in targets.values())
    assert (targets["T02a"].owner, targets["T02a"].co_owners) == ("VPUB", ("STTTT",))


@pytest.mark.parametrize("text", ["60", "trên 60", ">60", "> 60 %", "=> 60", "> -1"])
def test_a_reading_is_an_operator_and_a_number(text):
    with pytest.raises(ValueError, match="cách đọc"):
        parse_reading(text)
    assert parse_reading("> 60") == (">", 60, None)
    assert parse_reading(">= 62.5") == (">=", 62.5, None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hệ thống báo cáo cáo của tỉnh", "hệ thống báo cáo của tỉnh", "câu không khớp từng chữ"),
        ("bullet: 3}", "bullet: 4}", "T03: câu không khớp từng chữ"),
        ("    citation: {section", "    cited: {section", "T01: thiếu mục “citation”"),
        ('closing_date: "2025-12-31"', 'closing_date: "2025-12-30"', "không phải ngày cuối tháng"),
        ('closing_date: "2025-12-31"', 'closing_date: "2026-12-31"', "ngoài thời kỳ của kế hoạch"),
        ('closing_date: "2025-12-31"', "closing_date: hết năm", "phải là ngày viết như 2025-12-31"),
        (
            'closing_date: ["2025-12-31", "2025-06-30"]',
            'closing_date: ["2025-12-31", "2025-06-30", "2025-12-31"]',
            "T07a: mục “closing_date” có 3 giá trị cho 2 chỉ số",
        ),
        (
            "indicators: I02a\n    combine: one\n",
            "indicators: [I02a, I02b]\n    combine: one\n",
            "T02a: “combine: one” không hợp với 2 chỉ số",
        ),
        ("population: [department, district]", "population: [department, commune]", "serves: [com"),
        ("population: commune", "population: thôn", "T07b: mục “population” có 'thôn'"),
        ("indicators: I03", "indicators: I99", "T03: không có chỉ số 'I99'"),
        ("indicators: I03", "indicators: O4", "có ngưỡng nhưng O4 chưa có tử số, mẫu số"),
        ('operator: ">"', 'operator: "<"', "T01: mục “operator” là '<'"),
        ("    threshold: 80\n", "", "T01: ngưỡng không hợp với toán tử '>'"),
        ("    threshold: 80\n", '    threshold: "80"\n', "T01: mục “threshold” phải là số"),
        ("threshold_high: 100", "threshold_high: 70", "ngưỡng dưới phải nhỏ hơn ngưỡng trên"),
        ('    second_reading: "> 60"\n', "", "T02b: câu chưa rõ (unclear) phải có cách đọc"),
        ('second_reading: "> 60"', 'second_reading: "60"', "T02b: cách đọc '60' phải viết như"),
        ('reading_in_force: ">= 60"', 'reading_in_force: "> 70"', "cách đọc '> 70' không có trong"),
        ("    reading_chosen_by: Mặc định của sản phẩm\n", "", "phải ghi ai chọn và ngày chọn"),
        ("baseline_value: null", "baseline_value: 40", "mốc đầu phải có cả ngày và giá trị"),
        ("owner: STTTT", "owner: SỞ KHÁC", "T01: không có cơ quan nào mang mã"),
        ("text: text.vi.txt", "text: khac.txt", "không thấy tệp văn bản 'khac.txt'"),
        ('closing_date: "2025-12-31"\n    owner: VPUB', "closing_date:\n    owner: VPUB", "T02a:"),
        (
            "judged_over: calendar_year\n    baseline_date: null\n    baseline_value: null\n"
            '    closing_date: "2025-12-31"',
            'judged_over: calendar_year\n    closing_date: "2025-06-30"',
            "T02a: phần tử procedures_online không cộng được theo tháng",
        ),
    ],
)
def test_a_wrong_plan_is_refused_with_the_reason(faults, old, new, said):
    found = faults(old, new)
    assert any(said in fault for fault in found), found


def test_several_plans_load_side_by_side(tmp_path):
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "next.txt").write_text("2. Chỉ tiêu\n- Trên 90% hồ sơ.\n", "utf-8")
    (tmp_path / "plan" / "2026-2030.yaml").write_text(
        """\
plan: {title: Kế hoạch sau, number: "1/KH", published: "2026-01-02", begins: "2026-01-01",
  ends: "2030-12-31", text: next.txt}
targets:
  X01:
    {indicators: I02b, operator: ">", operator_certainty: explicit, threshold: 90, population: area,
    judged_over: calendar_year, closing_date: "2030-12-31", owner: VPUB,
    citation: {section: "2", bullet: 1}, sentence: Trên 90% hồ sơ.}
""",
        encoding="utf-8",
    )
    catalogue = load_catalogue(tmp_path)
    assert len(catalogue.targets) == 21
    assert catalogue.targets_of("I02b") == ["T02b", "X01"]
    assert catalogue.targets["X01"].citation.number == "1/KH"
