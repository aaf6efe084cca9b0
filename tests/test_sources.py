"""The list of sources loads whole, or says every fault with its file and line."""

from pathlib import Path

import pytest

from connectors.config import PACKAGED, load_sources, paths_of
from ioc.errors import ConfigError, Fault


def test_the_packaged_sources_load_without_any_setting() -> None:
    sources = {source.id: source for source in load_sources(env={})}
    assert {"public_services", "staff"} <= set(sources)
    assert sources["public_services"].sample and sources["staff"].sample
    assert sources["public_services"].limits[1].total_seconds() == 600


def test_what_the_packaged_sources_measure_is_in_the_catalogue(catalogue) -> None:
    for source in load_sources(env={}):
        assert set(source.readings or {}) <= set(catalogue.elements)
        counted = {element.count for element in catalogue.elements.values()}
        summed = {"disbursement"}  # money is added up by the page of projects, never counted
        assert source.record is None or source.record in counted | summed


def test_a_deployment_changes_adds_and_removes_sources(tmp_path: Path) -> None:
    own = tmp_path / "sources.yaml"
    own.write_text(
        "staff:\npublic_services: {every: 60s, url: 'https://dvc.quangbinh.gov.vn'}\n"
        "canbo:\n  name: Cán bộ\n  kind: sheet\n  url: /srv/canbo\n  owner: SNV\n  every: 1h\n"
        "  serves: [department]\n  fields: {org_unit: Mã, period: Kỳ}\n  readings: {a: Số}\n",
        encoding="utf-8",
    )
    sources = {source.id: source for source in load_sources([PACKAGED, own], env={})}
    assert "staff" not in sources and "canbo" in sources
    changed = sources["public_services"]
    assert (changed.url, changed.every.total_seconds()) == ("https://dvc.quangbinh.gov.vn", 60)
    assert changed.key == "maHoSo"


def test_all_faults_are_told_at_once_with_file_and_line(tmp_path: Path) -> None:
    own = tmp_path / "sources.yaml"
    own.write_text(
        """\
mot:
  kind: rest
  name: Một
  url: ftp://may/x
  owner: VPUB
  every: 10s
  serves: [commune]
  key: ma
  record: dossier
  auth: {kind: bearer, token: mat-khau-that}
  fields: {org_unit: a, opened_at: b}
hai:
  kind: fax
  name: Hai
  url: http://may
  owner: VPUB
  every: 10s
  serves: [commune]
  key: ma
  record: dossier
  fields: {org_unit: a, opened_at: b}
ba:
  kind: rest
  name: Ba
  url: http://may:99999/
  owner: VPUB
  every: 10s
  serves: [commune]
  key: ma
  record: dossier
  options: {dedline: 5, max_pages: nhiều}
  fields:
    org_unit: {path: a, bang: {x: y}}
    opened_at: "a.b[?"
bon:
  kind: rest
  name: Bốn
  url: ${IOC_CHUA_DAT}/x
  owner: VPUB
  every: 10 giây
  serves: [commune]
  key: ma
  record: dossier
  fields: {org_unit: a, opened_at: b}
""",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as refused:
        load_sources([PACKAGED, own], env={})
    told = [(fault.line, fault.message) for fault in refused.value.faults]
    assert {fault.file for fault in refused.value.faults} == {str(own)}
    for line, words in [
        (10, "bí mật"),
        (13, "fax"),
        (25, "địa chỉ"),
        (31, "dedline"),
        (31, "max_pages"),
        (32, "bang"),
        (40, "every"),
    ]:
        assert any(at == line and words in message for at, message in told), (line, words, told)
    assert "mat-khau-that" not in str(refused.value)


def test_a_literal_address_that_nobody_may_reach_is_a_fault(tmp_path: Path) -> None:
    own = tmp_path / "sources.yaml"
    own.write_text("public_services: {url: 'http://user:pw@may/'}\n", encoding="utf-8")
    faults: list[Fault] = []
    sources = load_sources([PACKAGED, own], env={}, faults=faults)
    assert "public_services" not in {source.id for source in sources}
    assert len(faults) == 1 and "mật khẩu" in faults[0].message and "pw" not in str(faults[0])


def test_a_readable_list_stands_in_the_configuration_folder(tmp_path: Path) -> None:
    class Given:
        config = tmp_path

    assert paths_of(Given) == [PACKAGED]
    (tmp_path / "sources.yaml").touch()
    assert paths_of(Given) == [PACKAGED, tmp_path / "sources.yaml"]
