"""YAML that names its lines, secrets by reference, sources checked in full."""

import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest

from ioc.config import Lined, expand, read_yaml, references, secret
from ioc.errors import ConfigError, Fault, NeedsCredentials
from ioc.source import Source, duration


def read(folder: Path, text: str | bytes):
    path = folder / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    faults: list[Fault] = []
    return read_yaml(path, faults), faults


def messages(faults):
    return [(fault.line, fault.message) for fault in faults]


def test_every_mapping_and_key_knows_its_line(tmp_path):
    data, faults = read(tmp_path, "# c\na:\n  b: 1\n\n  c: [x, {d: 2}]\n")
    assert not faults
    assert data == {"a": {"b": 1, "c": ["x", {"d": 2}]}}
    assert isinstance(data["a"], Lined)
    assert (data.lines, data["a"].line, data["a"].lines) == ({"a": 2}, 3, {"b": 3, "c": 5})
    assert data["a"]["c"][1].line == 5
    assert data["a"].line_of("nothing") == 3


def test_a_key_twice_is_a_fault_on_its_second_line(tmp_path):
    data, faults = read(tmp_path, "a: 1\nb: 2\na: 3\n")
    assert messages(faults) == [(3, "khóa 'a' bị lặp (dòng 1)")]
    assert data == {"a": 1, "b": 2}


def test_all_faults_of_a_file_are_listed_not_only_the_first(tmp_path):
    _, faults = read(tmp_path, "a: 1\na: 2\nb:\n  c: 1\n  c: 2\nd: 2025-13-45\n? [x]\n: 1\n")
    assert [fault.line for fault in faults] == [2, 5, 6, 7]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: !!python/object/apply:os.system ['true']\n", 1, "thẻ YAML"),
        ("a: 1\nb: !!str 2\n", 2, "thẻ YAML"),
        ("a: !secret x\n", 1, "thẻ YAML"),
        ("a: &x {b: 1}\nc: *x\n", 1, "neo YAML"),
        ("a: &x [*x]\n", 1, "neo YAML"),
        ("a: 1\n---\nb: 2\n", 0, "nhiều tài liệu"),
        ("a: [1\nb: 2\n", 2, "sai cú pháp"),
        ("a:\n\t- 1\n", 2, "sai cú pháp"),
        ("a: 1\n  b: 2\n", 2, "sai cú pháp"),
    ],
)
def test_only_plain_data_is_read(tmp_path, text, line, part):
    _, faults = read(tmp_path, text)
    assert any(part in fault.message and fault.line == line for fault in faults), faults


def test_bytes_that_are_not_utf_8_are_a_fault_with_their_line(tmp_path):
    _, faults = read(tmp_path, b"a: 1\nb: \xff\n")
    assert messages(faults) == [(2, "không phải UTF-8")]


def test_decomposed_accents_are_a_fault_and_a_byte_order_mark_is_not(tmp_path):
    _, faults = read(tmp_path, "a: Đồng\nb: " + unicodedata.normalize("NFD", "Đồng"))
    assert [fault.line for fault in faults] == [2]
    data, faults = read(tmp_path, b"\xef\xbb\xbfa: 1\n")
    assert (data, faults) == ({"a": 1}, [])


def test_an_empty_or_absent_file_is_an_empty_mapping(tmp_path):
    assert read(tmp_path, "# nothing\n") == ({}, [])
    faults: list[Fault] = []
    assert read_yaml(tmp_path / "absent.yaml", faults) == {}
    assert "không đọc được tệp" in faults[0].message


def test_values_are_what_yaml_makes_of_them_so_codes_need_quotes(tmp_path):
    data, _ = read(tmp_path, "a: 012\nb: no\nc: '012'\n")
    assert data == {"a": 10, "b": False, "c": "012"}


def test_a_fault_says_file_line_and_message():
    error = ConfigError([Fault("a.yaml", 3, "sai"), Fault("môi trường", 0, "thiếu")])
    assert str(error) == "Cấu hình có 2 lỗi:\na.yaml:3: sai\nmôi trường: thiếu"


# References -------------------------------------------------------------------------------------


def test_a_reference_is_resolved_when_it_is_used(tmp_path):
    env = {"IOC_HOST": "h", "IOC_TOKEN_FILE": str(tmp_path / "token")}
    (tmp_path / "token").write_text("first\n", encoding="utf-8")
    assert expand("http://${IOC_HOST}/${IOC_TOKEN}", env) == "http://h/first"
    (tmp_path / "token").write_text("second\n", encoding="utf-8")
    assert expand("${IOC_TOKEN}", env) == "second"
    assert references("${IOC_A}/${IOC_B:-x}/$HOME/${HOME}") == ["IOC_A", "IOC_B"]


def test_a_system_credential_comes_before_a_file_and_a_file_before_the_environment(tmp_path):
    (tmp_path / "IOC_A").write_text("credential", encoding="utf-8")
    (tmp_path / "file").write_text("file", encoding="utf-8")
    env = {"IOC_A": "environment"}
    assert secret("IOC_A", env) == "environment"
    env["IOC_A_FILE"] = str(tmp_path / "file")
    assert secret("IOC_A", env) == "file"
    env["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert secret("IOC_A", env) == "credential"
    assert secret("IOC_B", env) is None


def test_a_file_that_is_named_but_absent_does_not_fall_back_to_an_old_value(tmp_path):
    env = {"IOC_A": "old", "IOC_A_FILE": str(tmp_path / "absent")}
    with pytest.raises(NeedsCredentials, match="IOC_A_FILE"):
        secret("IOC_A", env)


def test_a_reference_without_value_names_itself_and_nothing_else():
    with pytest.raises(NeedsCredentials, match="chưa đặt IOC_TOKEN") as refused:
        expand("${IOC_OTHER}-${IOC_TOKEN}", {"IOC_OTHER": "canary"})
    assert "canary" not in str(refused.value)
    assert expand("${IOC_TOKEN:-http://127.0.0.1:1}", {}) == "http://127.0.0.1:1"


# Sources ----------------------------------------------------------------------------------------

PORTAL = """\
portal:
  kind: rest
  name: Cổng dịch vụ công
  url: ${IOC_PORTAL_URL}
  owner: VPUB
  every: 60s
  serves: [department, district, commune]
  key: code
  record: dossier
  auth: {kind: oauth2_client_credentials, token_url: "${IOC_PORTAL_URL}/token",
         client_id: ioc, client_secret: "${IOC_PORTAL_SECRET}"}
  paging: {kind: cursor, rows_path: items, next_path: next}
  fields: {org_unit: agency, opened_at: received, closed_at: done}
"""


def load(folder: Path, text: str):
    data, faults = read(folder, text)
    name = next(iter(data))
    return Source.from_yaml(name, data[name], faults, "sources.yaml"), faults


def test_a_source_is_read_whole(tmp_path):
    source, faults = load(tmp_path, PORTAL)
    assert not faults
    assert source.id == "portal"
    assert source.serves == ("department", "district", "commune")
    assert source.keys == ("code",)
    assert source.auth.kind == "oauth2_client_credentials"
    assert source.paging.next_path == "next"
    assert source.limits == (timedelta(minutes=2), timedelta(minutes=6))
    assert not source.sample


def test_limits_are_those_declared(tmp_path):
    text = PORTAL + "  late_after: 5m\n  stale_after: 2h\n"
    source, faults = load(tmp_path, text)
    assert not faults
    assert source.limits == (timedelta(minutes=5), timedelta(hours=2))


def test_a_source_of_readings_needs_a_period(tmp_path):
    text = """\
staff:
  kind: sheet
  name: CBCCVC
  url: file:///srv/staff
  owner: SNV
  every: 1d
  serves: [department]
  readings: {staff_total: "Tổng số"}
  fields: {org_unit: "Mã", period: "Tháng"}
  reporting_days: 10
"""
    source, faults = load(tmp_path, text)
    assert not faults
    assert source.reporting_days == 10
    _, faults = load(tmp_path, text.replace(', period: "Tháng"', ""))
    assert "fields thiếu 'period'" in faults[0].message


@pytest.mark.parametrize(
    ("old", "new", "line", "part"),
    [
        ("owner: VPUB", "owner: 012", 5, "mục owner: phải là chuỗi"),
        ("owner: VPUB", "owner: ''", 5, "mục owner: không được trống"),
        ("  owner: VPUB\n", "", 2, "mục owner: thiếu"),
        ("every: 60s", "every: 60", 6, "dạng 60s, 5m, 2h hoặc 1d"),
        ("every: 60s", "every: 0s", 6, "dạng 60s, 5m, 2h hoặc 1d"),
        ("district, commune]", "province]", 7, "phải là 'department', 'district' hoặc 'commune'"),
        ("[department, district, commune]", "commune", 7, "mục serves: phải là danh sách"),
        ("[department, district, commune]", "[]", 2, "serves không được trống"),
        ("  key: code\n", "", 2, "nguồn có record phải có key"),
        ("  record: dossier\n", "", 2, "đúng một trong hai mục"),
        ("record: dossier", "bogus: 1", 9, "mục bogus: không có mục này"),
        ("org_unit: agency, ", "", 2, "fields thiếu 'org_unit'"),
        ("closed_at: done", "citizen_name: ten", 2, "fields có mục lạ 'citizen_name'"),
        ("kind: oauth2_client_credentials", "kind: magic", 10, "phải là 'none'"),
        ("kind: oauth2_client_credentials,", "", 10, "mục auth: thiếu kind"),
        (", next_path: next", "", 12, "kiểu cursor cần next_path"),
        ("rows_path: items", "size: 0", 12, "mục paging.size: ngoài giới hạn 1"),
        ("portal:\n", "Portal:\n", 2, "chỉ gồm chữ thường"),
    ],
)
def test_a_fault_of_a_source_is_told_in_vietnamese_with_its_line(tmp_path, old, new, line, part):
    assert old in PORTAL
    source, faults = load(tmp_path, PORTAL.replace(old, new))
    assert source is None
    assert any(part in fault.message and fault.line == line for fault in faults), faults


def test_a_secret_in_the_file_is_refused_and_never_repeated(tmp_path):
    _, faults = load(tmp_path, PORTAL.replace("${IOC_PORTAL_SECRET}", "canary-123"))
    assert [fault.line for fault in faults] == [11]
    assert "không ghi bí mật trực tiếp" in faults[0].message
    assert "canary" not in str(faults)


@pytest.mark.parametrize(
    "auth",
    [
        "{kind: none}",
        '{kind: basic, username: u, password: "${IOC_P}"}',
        '{kind: bearer, token: "${IOC_T}"}',
        '{kind: api_key, key: "${IOC_K}", header: X-Key}',
        '{kind: header, headers: {AppName: ioc, SecretKey: "${IOC_K}"}}',
    ],
)
def test_every_form_of_authentication_is_known(tmp_path, auth):
    text = PORTAL[: PORTAL.index("  auth")] + f"  auth: {auth}\n" + PORTAL[PORTAL.index("  pag") :]
    source, faults = load(tmp_path, text)
    assert not faults
    assert source.auth.kind in auth


@pytest.mark.parametrize("header", ["x", "Bearer literal"])
def test_a_header_template_without_reference_is_refused(tmp_path, header):
    auth = f"  auth: {{kind: header, headers: {{Authorization: '{header}'}}}}\n"
    text = PORTAL[: PORTAL.index("  auth")] + auth + PORTAL[PORTAL.index("  pag") :]
    source, faults = load(tmp_path, text)
    assert source is None
    assert header not in str(faults)


def test_a_source_that_is_no_mapping_is_refused(tmp_path):
    source, faults = load(tmp_path, "portal: 3\n")
    assert source is None
    assert "phải là các mục tên: giá trị" in faults[0].message


def test_a_source_cannot_be_changed_after_reading(tmp_path):
    source, _ = load(tmp_path, PORTAL)
    with pytest.raises(ValueError, match="frozen"):
        source.url = "http://elsewhere"


def test_durations_are_whole_seconds_minutes_hours_or_days():
    assert [duration(text) for text in ("90s", "5m", "2h", "1d")] == [
        timedelta(seconds=90),
        timedelta(minutes=5),
        timedelta(hours=2),
        timedelta(days=1),
    ]
    for text in ("1:30", "5", "-5m", "1.5h", "5 m", "1w", 5, None, "999999999d"):
        with pytest.raises(ValueError, match="60s"):
            duration(text)
