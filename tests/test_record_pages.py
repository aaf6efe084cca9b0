"""The pages about records: the list, one record's history, lineage, definitions."""

import pytest
from flask import g

from ioc.principal import Principal
from kpi import query
from layouts import definitions, lineage, record, records
from tests.test_pages import Reader, words
from tests.worlds import DOSSIERS, at, dossier

pytest_plugins = ["tests.worlds"]


@pytest.fixture
def reader(sqlite_world, tmp_path):
    """Somebody in front of three dossiers: one late, one answered after a correction, one gone."""
    world = sqlite_world.live()
    late = dossier(
        "muon", "VPUB", "2026-10-01 08:00", due_at=at("2026-11-01 08:00"), state="received"
    )
    done = dossier(
        "xong", "VPUB", "2026-10-01 08:00", state="received", due_at=at("2026-11-30 08:00")
    )
    world.poll(DOSSIERS, [late, done])
    world.forward(minutes=2)
    due = at("2026-11-30 08:00")
    answered = {"state": "resolved", "due_at": due, "online": True}
    again = dossier("xong", "VPUB", "2026-10-01 08:00", "2026-10-20 08:00", **answered)
    world.poll(DOSSIERS, [again])
    return Reader(world, tmp_path)


def hrefs(found) -> set[str]:
    return {str(href) for piece in found if (href := getattr(piece, "href", None))}


def test_the_list_marks_what_is_overdue_by_word_and_shape_and_says_how_late(reader):
    found = reader.see(records.layout)
    said = words(found[:1])
    assert "2 bản ghi" in said and "Quá hạn 21 ngày" in said and "Đúng hạn" in said
    assert any(str(getattr(one, "className", "")).startswith("shape ") for one in found)
    assert any("/api/v1/records.csv?" in href for href in hrefs(found))
    assert "/record/public_services/muon" in hrefs(found)


def test_the_address_says_what_the_list_holds(reader):
    assert "1 bản ghi" in reader.read(records.layout, overdue="1")
    assert "Không có bản ghi nào" in reader.read(records.layout, org_unit="area-457")
    assert "1 bản ghi" in reader.read(
        records.layout, state="resolved", **{"from": "2026", "to": "2026"}
    )


@pytest.mark.parametrize(
    "given", [{"kind": "hồ sơ"}, {"org_unit": "x"}, {"after": "?"}, {"from": "x"}]
)
def test_a_filter_that_cannot_be_meant_is_said_in_words(reader, given):
    assert "Không đọc được bộ lọc" in reader.read(records.layout, **given)


def test_pages_of_the_list_follow_one_another(reader, monkeypatch):
    monkeypatch.setattr(records, "PAGE", 1)
    first = reader.see(records.layout)
    following = next(href for href in hrefs(first) if "after=" in href)
    after = following.split("after=")[1]
    assert "/record/public_services/xong" in hrefs(reader.see(records.layout, after=after))
    assert not any("after=" in href for href in hrefs(reader.see(records.layout, after=after)))


def test_a_key_of_any_letters_has_a_page(reader):
    key = "HS/Trực tiếp 3 %"
    reader.world.poll(DOSSIERS, [dossier(key, "VPUB", "2026-10-02 08:00", state="received")])
    (way,) = [h for h in hrefs(reader.see(records.layout)) if "Tr%E1%BB%B1c" in h]
    quoted = way.removeprefix("/record/public_services/")
    assert "/" not in quoted
    found = reader.see(record.layout, source="public_services", key=quoted)
    assert "khớp" in words(found[:1])


def test_a_record_shows_its_versions_what_changed_and_that_their_hashes_fit(reader):
    found = reader.see(record.layout, source="public_services", key="xong")
    said = words(found[:1])
    assert "2 phiên bản đã thấy" in said
    assert "Đã tiếp nhận" in said and "Đã có kết quả" in said and "mã băm có khóa" in said
    assert said.count(" khớp") == 2 and "không khớp" not in said
    assert any(href.startswith("/indicator/I02b") for href in hrefs(found))
    assert "/sources/public_services" in hrefs(found)


def test_who_reads_one_place_is_told_when_a_version_was_read_and_not_how_much(reader):
    asked = {"source": "public_services", "key": "xong"}
    assert "lượt gọi" in reader.read(record.layout, **asked)
    with reader.request():
        found = query.case_file(reader.world.store, g.principal, *asked.values())
        g.principal = Principal("một nơi", "head", frozenset({found.versions[0].said["org_unit"]}))
        said = words([record.layout(**asked)])
    assert "Lượt đọc" in said
    assert "lượt gọi" not in said and "byte" not in said


def test_a_version_that_was_touched_is_said_not_to_fit(reader):
    with reader.world.store.write() as connection:
        connection.exec_driver_sql("UPDATE record SET state = 'rejected' WHERE key = 'xong'")
    assert "không khớp" in reader.read(record.layout, source="public_services", key="xong")


def test_a_record_that_left_its_source_says_since_when(reader):
    some = [dossier(f"r{n}", "VPUB", "2026-10-01 08:00") for n in range(9)]
    late = dossier(
        "muon", "VPUB", "2026-10-01 08:00", due_at=at("2026-11-01 08:00"), state="received"
    )
    reader.world.poll(DOSSIERS, [late, *some])
    reader.world.forward(minutes=2)
    reader.world.poll(DOSSIERS, [late, *some], whole=True)
    said = reader.read(record.layout, source="public_services", key="xong")
    assert "Không còn ở nguồn từ" in said and "Không chỉ số nào" in said


def test_an_unknown_record_is_a_page_in_words(reader):
    assert "Không có bản ghi này" in reader.read(record.layout, source="x", key="y")


def test_lineage_leads_from_the_figure_to_its_parts_polls_and_records(reader):
    found = reader.see(lineage.layout, indicator="I02b", org_unit="area-qb", to="2026-10")
    said = words(found[:1])
    assert "Công thức" in said and "Cộng từ" in said and "Lượt đọc đã đưa số này về" in said
    assert any(href.startswith("/record/public_services/") for href in hrefs(found))
    leaf = next(h for h in hrefs(found) if h.startswith("/lineage?org_unit=") and "area" not in h)
    assert "to=2026-10" in leaf
    ways = hrefs(found)
    assert "/record/public_services/xong" in ways  # answered in October, and counted
    assert "/record/public_services/muon" not in ways  # received then, and not yet answered
    assert "Không có con số này" in reader.read(lineage.layout, indicator="I99")


def test_every_indicator_is_defined_once_with_the_card_and_the_version_of_its_page(reader):
    found = reader.see(definitions.layout)
    ids = [getattr(one, "id", None) for one in found]
    said = words(found[:1])
    for key, one in reader.world.store.catalogue.indicators.items():
        assert ids.count(key) == 1 and f"#{key}" in hrefs(found)
        assert one.definition_id in said
    for target in reader.world.store.catalogue.targets.values():
        assert target.sentence in said
    assert ids.index("I01") < ids.index("I02a") < ids.index("I04a") < ids.index("E-EDU1")
    assert any("/api/v1/indicators.csv" in href for href in hrefs(found))
