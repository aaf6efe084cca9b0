"""The whole state leaves as a data package, and a clean install made of it answers the same."""

import csv
import gzip
import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import app as program
from ioc.errors import IocError
from ioc.model import Counts
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import acts, bundle, decisions, evidence, health, schema
from kpi.boundaries import Vintage, import_boundaries
from kpi.geometry import SCHEMATIC
from kpi.rebuild import check
from kpi.store import KpiStore, open_store
from layouts import wall
from layouts.web import exports, files, packaged
from tests.test_backup import machine
from tests.test_pages import Reader
from tests.worlds import (
    ADMIN,
    DOSSIERS,
    MEETINGS,
    STAFF,
    World,
    dossier,
    dossiers,
    reading,
    rows,
    share,
)

pytest_plugins = ["tests.worlds"]
OPERATOR = Principal("Nguyễn Văn Chốt", "operator")
MEET = "meetings_department_paperless meetings_department_total"
SECRETS = ("mat-khau-bi-mat", "argon2")


@pytest.fixture
def lived(world: World, tmp_path: Path) -> Iterator[World]:
    """A world with a past: corrections, readings, a figure by hand, acts, a seal, a boundary."""
    store = world.store
    world.live().forward(minutes=5)
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3), rejected=None)
    world.poll(STAFF, share("staff_with_computer staff_professional", "SNV25", "2026-09", 8, 10))
    world.poll(MEETINGS, share(MEET, "SNV25", "2025-12", 45, 50))
    world.poll(STAFF, [reading("staff_professional", "khong-co", "2026-09", 4)], rejected=None)
    world.forward(minutes=5)
    world.seal()
    world.forward(minutes=5)
    late = dossier("STP-2026-10-05-5", "STP", "2026-10-05 08:00", "2026-10-06 09:00")
    world.poll(DOSSIERS, [late, dossier("=1+1", "STP", "2026-10-07 08:00", state="")])
    figures = share(MEET, "STP", "2026-10", 3, 4)
    world.give(MEETINGS, figures, tmp_path, file="'=họp tay.xlsx")
    acts.assess(
        store, OPERATOR, target="T12b", indicator="I12b", judged_on=date(2025, 12, 31),
        verdict="partly", words="Đa số cơ quan\nđã tập huấn, \"cấp xã\" còn chậm.",
        evidence="Báo cáo số 12/BC-SNV", author="Trần Thị B", now=world.now,
    )  # fmt: skip
    world.forward(minutes=2)
    target = next(t for t in store.catalogue.targets.values() if len(t.readings) > 1)
    other = next(r.text for r in target.readings if r.text != target.reading_in_force)
    decisions.choose(
        store, OPERATOR, target=target.id, reading=other, reason="Theo công văn số 5", now=world.now
    )
    decisions.sign(
        store, OPERATOR, target="T07a", indicator="I07a", numerator=45, denominator=50,
        reason="Biên bản chốt số ngày 05/01/2026", now=world.now,
    )  # fmt: skip
    file = tmp_path / "huyen.geojson"
    drawn = json.loads(SCHEMATIC.read_text(encoding="utf-8"))
    for one in drawn["features"]:
        one["properties"]["name"] = one["properties"]["name_vi"]
    file.write_text(json.dumps(drawn), encoding="utf-8")
    of = {"on": date(2024, 1, 1), "source": "Sở TNMT", "licence": "CC BY 4.0"}
    vintage = Vintage(level="district", layer="huyen-2024", **of)
    list(import_boundaries(store, file, vintage, now=world.now))
    world.forward(hours=1)
    yield world
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM map_layer")


@pytest.fixture
def here(lived: World, tmp_path: Path) -> Settings:
    return machine(tmp_path / "here", lived.store.url)


def exported(world: World, settings: Settings, folder: Path) -> dict[str, Any]:
    """The package of a world, with the answers that a test has the patience for."""
    at = world.store.seal(world.now)
    chosen = ("indicators", "targets", "org-units", "standings", "standings-department", "values")
    answers = (a for a in packaged.answers(world.store, at, ADMIN) if a[0] in chosen)
    bundle.export_all(world.store, settings, folder, answers, at)
    return json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))


@contextmanager
def clean(world: World, settings: Settings) -> Iterator[KpiStore]:
    """A clean install, with the catalogue of the world."""
    made = open_store(settings.database_url, world.store.catalogue, world.store.orgunits)
    try:
        yield made
    finally:
        made.close()


def brought(world: World, settings: Settings, folder: Path, store: KpiStore) -> list[str]:
    found = bundle.checked(settings, folder)
    return bundle.import_all(store, settings, folder, found, world.now)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def another(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Another machine with the key of records, its database of either kind."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return machine(tmp_path / "another", url)


def figures(world: World, store: KpiStore) -> list[bytes]:
    """Standings, values, changes and runs now and in the past, as files."""
    known = ("standings", "values", "closings", "assessments", "runs", "rejections", "uploads")
    past = [world.now - timedelta(minutes=minutes) for minutes in (1, 61, 66, 70, 90)]
    asked = [(question, {}) for question in known] + [("indicators", {}), ("targets", {})]
    asked += [(q, {"as_of": at.isoformat()}) for q in ("standings", "values") for at in past]
    asked += [("lineage", {"indicator": "I02b", "from": "2026-10", "to": "2026-10"})]
    asked += [("values", {"level": "department", "indicator": "I02b", "from": "2026-09"})]
    return [b"".join(exports.stream(store, question, given)) for question, given in asked]


def the_wall(world: World, store: KpiStore, folder: Path) -> str:
    """All words of the wall."""
    return Reader(replaced(world, store), folder).read(wall.layout)


def replaced(world: World, store: KpiStore) -> World:
    made = object.__new__(World)
    made.store, made.now = store, world.now
    return made


def test_a_clean_install_on_either_database_answers_as_the_first_did(
    lived, here, another, tmp_path, monkeypatch
):
    monkeypatch.setattr("layouts.web.api.right_now", lambda: lived.now)
    monkeypatch.setattr("kpi.answer.right_now", lambda: lived.now)
    exported(lived, here, tmp_path / "out")
    before, shown = figures(lived, lived.store), the_wall(lived, lived.store, tmp_path)
    assert len(set(before)) > 12, "the answers must differ, or the test proves nothing"
    assert "90,0 %" in shown
    with clean(lived, another) as store:
        assert figures(lived, store) != before
        (said,) = brought(lived, another, tmp_path / "out", store)
        assert "Đã nạp" in said
        assert figures(lived, store) == before
        assert the_wall(lived, store, tmp_path) == shown
        with store.read() as connection:
            assert next(evidence.altered(connection), None) is None
        assert evidence.miscounted(store) == []
        assert check(store, lived.now).differences == 0
        found = bundle.checked(another, tmp_path / "out")
        told = dict(bundle.differing(found, partial(exports.stream, store)))
        assert len(told) == 6 and not any(told.values())


def test_a_package_of_a_release_that_knew_fewer_columns_is_compared_by_its_own(
    lived, here, another, tmp_path
):
    kept = files.answer_of

    def older(*asked: Any) -> Any:
        told = kept(*asked)
        return told.narrowed(tuple(name for name in told.columns if name not in ("mark", "short")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "answer_of", older)
        exported(lived, here, tmp_path / "out")
    with clean(lived, another) as store:
        brought(lived, another, tmp_path / "out", store)
        found = bundle.checked(another, tmp_path / "out")
        told = dict(bundle.differing(found, partial(exports.stream, store)))
        assert len(told) == 6 and not any(told.values()), told


def test_every_row_that_is_carried_arrives_and_nothing_else(lived, here, another, tmp_path):
    exported(lived, here, tmp_path / "out")
    with clean(lived, another) as store:
        brought(lived, another, tmp_path / "out", store)
        for name in (*bundle.PUBLISHED, *bundle.TOLD):
            assert rows(store, name) == rows(lived.store, name), name
        for names in bundle.LEFT:
            for name in set(names.split()) - {"month", "audit", "audit_head"}:
                assert rows(store, name) == []
        (entry,) = rows(store, "audit")
        assert "import" in entry


def test_every_table_is_carried_or_left_behind_for_a_reason():
    left = {name for names in bundle.LEFT for name in names.split()}
    carried = {*bundle.PUBLISHED, *bundle.TOLD}
    assert not left & carried and left | carried == set(schema.metadata.tables)


def test_polls_go_on_where_they_were(lived, here, another, tmp_path):
    exported(lived, here, tmp_path / "out")
    with clean(lived, another) as store:
        brought(lived, another, tmp_path / "out", store)
        there = replaced(lived, store)
        assert health.watermark(store, DOSSIERS.id) == health.watermark(lived.store, DOSSIERS.id)
        newest = max(row[0] for row in rows(store, "poll_run"))
        again: Counts = there.poll(DOSSIERS, dossiers("STP", "2026-10-05", 5, 3))
        assert (again.new, again.changed, again.same) == (0, 0, 5), "known records are known"
        assert max(row[0] for row in rows(store, "poll_run")) == newest + 1
        fresh = there.poll(DOSSIERS, [dossier("moi", "STP", "2026-11-20 08:00")])
        assert fresh.new == 1


def test_no_secret_leaves(lived, here, tmp_path):
    with lived.store.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO account (name, display, role, password, state, created_at, changed_at)"
                " VALUES ('b', 'B', 'admin', '$argon2id$mat-khau-bi-mat', 'active', 1, 1)"
            )
        )
    try:
        exported(lived, here, tmp_path / "out")
    finally:
        with lived.store.write() as connection:
            connection.exec_driver_sql("DELETE FROM account")
    key = (here.data / "secret.key").read_text()
    for path in (tmp_path / "out").rglob("*.*"):
        body = path.read_bytes()
        text = (gzip.decompress(body) if path.suffix == ".gz" else body).decode()
        assert not [word for word in (*SECRETS, key) if word in text], path
        assert path.stat().st_mode & 0o077 == 0


def test_its_tables_are_plain_and_its_sums_are_those_of_sha256sum(lived, here, tmp_path):
    said = exported(lived, here, tmp_path / "out")
    with gzip.open(tmp_path / "out/data/record.csv.gz", "rt", newline="", encoding="utf-8") as file:
        records = {row["key"]: row for row in csv.DictReader(file)}
    assert records["STP-2026-10-05-0"]["closed_at"] == "2026-10-05T02:00:00.000000Z"
    assert records["STP-2026-10-05-0"]["closed_day"] == "2026-10-05"
    assert "'=1+1" in records, "no spreadsheet calculates it"
    assert len(records) == len(rows(lived.store, "record"))
    assert next(one for one in said["resources"] if one["name"] == "record")["rows"] == len(records)
    for line in (tmp_path / "out" / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


# --- what is refused, and before anything is written -------------------------------------------


@pytest.fixture
def out(sqlite_world: World, tmp_path: Path) -> tuple[World, Settings, Path]:
    """A small package, the machine it is for."""
    sqlite_world.live().poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3))
    sqlite_world.forward(minutes=5)
    exported(sqlite_world, machine(tmp_path / "here", sqlite_world.store.url), tmp_path / "out")
    return sqlite_world, machine(tmp_path / "another"), tmp_path / "out"


def resum(folder: Path) -> None:
    """Say of every file the hash that it has now, as who alters one on purpose would."""
    said = json.loads((folder / "datapackage.json").read_text())
    for one in said["resources"]:
        one["hash"] = "sha256:" + hashlib.sha256((folder / one["path"]).read_bytes()).hexdigest()
    (folder / "datapackage.json").write_text(json.dumps(said))
    names = [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    (folder / "SHA256SUMS").write_text("".join(
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    ))  # fmt: skip


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    said = json.loads((folder / "datapackage.json").read_text())
    change(said)
    (folder / "datapackage.json").write_text(json.dumps(said))
    resum(folder)


def rewrite(folder: Path, table: str, change: Callable[[list[list[str]]], Any]) -> None:
    path = folder / f"data/{table}.csv.gz"
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    change(lines)
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    resum(folder)


def flip(folder: Path) -> None:
    path = folder / "data/record.csv.gz"
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def cut(folder: Path) -> None:
    path = folder / "data/rollup.csv.gz"
    path.write_bytes(path.read_bytes()[:-40])


def cut_and_resum(folder: Path) -> None:
    cut(folder)
    resum(folder)


def alter(lines: list[list[str]]) -> None:
    lines[1][lines[0].index("state")] = "altered"


def renamed(said: dict[str, Any]) -> None:
    said["product"] = "another"


def newer(said: dict[str, Any]) -> None:
    said["schema"] = "9999"


def later(said: dict[str, Any]) -> None:
    said["form"] = bundle.FORM + 1


def strange(said: dict[str, Any]) -> None:
    one = next(o for o in said["resources"] if o["name"] == "record")
    one["table"] = "account"


def fewer(said: dict[str, Any]) -> None:
    said["resources"] = [o for o in said["resources"] if o["name"] != "standing"]


def escape(folder: Path) -> None:
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text() + "0" * 64 + "  ../here/secret.key\n")


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a bit flipped": (flip, "data/record.csv.gz sai mã băm"),
    "cut short": (cut, "data/rollup.csv.gz sai mã băm"),
    "cut short, and sums to match": (cut_and_resum, "không đọc được"),
    "no sums": (lambda f: (f / "SHA256SUMS").unlink(), "không có SHA256SUMS"),
    "sums cut": (
        lambda f: (f / "SHA256SUMS").write_bytes((f / "SHA256SUMS").read_bytes()[:-9]), "hỏng",
    ),
    "a path that leads out": (escape, "SHA256SUMS"),
    "a file missing": (lambda f: (f / "data/seal.csv.gz").unlink(), "thiếu hoặc thừa tệp"),
    "a file too many": (lambda f: (f / "data/more.csv").write_text("a"), "thừa tệp: data/more.csv"),
    "a record altered, sums to match": (
        lambda f: rewrite(f, "record", alter), "không đúng mã băm",
    ),
    "a row left out, sums to match": (
        lambda f: rewrite(f, "observation", lambda lines: lines.pop()), "bản kê ghi",
    ),
    "a cell that is no number": (
        lambda f: rewrite(f, "rollup", lambda lines: lines[1].__setitem__(5, "nhiều")), "dòng 2",
    ),
    "another product's": (lambda f: edit(f, renamed), "không phải bộ dữ liệu của"),
    "a newer schema": (lambda f: edit(f, newer), "mới hơn"),
    "a newer form": (lambda f: edit(f, later), "không phải bộ dữ liệu toàn phần"),
    "a table that is none of it": (lambda f: edit(f, strange), "bảng không nhận: account"),
    "a table missing": (lambda f: edit(f, fewer), "không phải bộ dữ liệu"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_package_that_is_not_whole_and_ours_is_refused_before_anything_is_written(out, what):
    world, settings, folder = out
    damage, said = REFUSED[what]
    bundle.checked(settings, folder)
    damage(folder)
    with clean(world, settings) as store:
        before = {name: rows(store, name) for name in schema.metadata.tables}
        with pytest.raises(IocError, match=said):
            brought(world, settings, folder, store)
        assert {name: rows(store, name) for name in schema.metadata.tables} == before


def test_a_store_that_holds_anything_is_refused(out):
    world, settings, folder = out
    with clean(world, settings) as store:
        World(store, world.now).poll(DOSSIERS, dossiers("STP", "2026-10-05", 1, 1))
        before = rows(store, "record")
        with pytest.raises(IocError, match="đã có dữ liệu"):
            brought(world, settings, folder, store)
        assert rows(store, "record") == before
    with clean(world, replace(settings, database_url=f"sqlite:///{settings.data}/b.sqlite")) as two:
        brought(world, settings, folder, two)
        with pytest.raises(IocError, match="đã có dữ liệu"):
            brought(world, settings, folder, two)


def test_a_file_that_changes_after_it_was_proved_leaves_nothing_half_done(out):
    world, settings, folder = out
    found = bundle.checked(settings, folder)
    cut(folder)
    with clean(world, settings) as store:
        before = {name: rows(store, name) for name in schema.metadata.tables}
        with pytest.raises(IocError, match="không đọc được"):
            bundle.import_all(store, settings, folder, found, world.now)
        assert {name: rows(store, name) for name in schema.metadata.tables} == before


def test_another_key_of_records_or_none_is_refused(out, tmp_path):
    _, _, folder = out
    with pytest.raises(IocError, match="hai lần"):
        bundle.checked(machine(tmp_path / "other-key", key=b"x" * 64), folder)
    with pytest.raises(IocError, match="thiếu khóa"):
        bundle.checked(machine(tmp_path / "no-key", key=b""), folder)


def test_other_configuration_is_refused_and_the_package_has_the_right_one(sqlite_world, tmp_path):
    sqlite_world.live()
    config = tmp_path / "config"
    config.mkdir()
    (config / "wall.yaml").write_text("scenes:\n- scene: worst\n")
    here = replace(machine(tmp_path / "here", sqlite_world.store.url), config=config)
    exported(sqlite_world, here, tmp_path / "out")
    there = machine(tmp_path / "there")
    with pytest.raises(IocError, match="IOC_CONFIG"):
        bundle.checked(there, tmp_path / "out")
    bundle.checked(replace(there, config=tmp_path / "out" / "config"), tmp_path / "out")


def test_it_goes_nowhere_where_something_is(out, tmp_path):
    world, settings, folder = out
    with pytest.raises(IocError, match="đã có"):
        exported(world, settings, folder)
    assert not list(tmp_path.glob(".out*")), "nothing is left behind"


def test_memory_stays_the_same_whatever_is_stored(out, tmp_path):
    world, settings, _ = out
    peaks = []
    for day in ("2026-10-06", "2026-10-07"):
        world.poll(DOSSIERS, dossiers("STP", day, 3000 if not peaks else 12000, 3))
        world.forward(minutes=5)
        at = world.store.seal(world.now)
        tracemalloc.start()
        bundle.export_all(world.store, settings, tmp_path / day, [], at)
        bundle.checked(settings, tmp_path / day)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000, peaks


# --- what anybody may have ----------------------------------------------------------------------


def public(world: World, folder: Path, licence: str = "CC-BY-4.0") -> dict[str, Any]:
    at = world.store.seal(world.now)
    answers = packaged.answers(world.store, at, packaged.PUBLIC)
    chosen = ("indicators", "targets", "org-units", "standings", "values", "values-department")
    bundle.export_public(
        world.store, folder, (one for one in answers if one[0] in chosen), at, licence
    )
    return json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(folder / f"figures/{name}.csv.gz", "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_public_package_has_public_indicators_alone_and_no_record(sqlite_world, tmp_path):
    world = sqlite_world.live()
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3))
    world.forward(minutes=5)
    folder = tmp_path / "open"
    said = public(world, folder)
    known = world.store.catalogue.indicators
    shared = {id for id, one in known.items() if one.access == "public"}
    assert {row["indicator"] for row in table(folder, "indicators")} == shared
    assert {row["indicator"] for row in table(folder, "values")} == shared
    told = {row["indicator"] for row in table(folder, "standings")} - {""}
    assert told and told <= shared
    assert said["licenses"][0]["name"] == "CC-BY-4.0" and said["sample_data"] is None
    assert not list(folder.rglob("data/*")) and not list(folder.rglob("config*"))
    assert b"STP-2026-10-05-0" not in b"".join(p.read_bytes() for p in folder.rglob("*.geojson"))
    (value,) = [
        row for row in table(folder, "values")
        if (row["indicator"], row["period"]) == ("I02b", "2026-10")
    ]  # fmt: skip
    assert (value["numerator"], value["denominator"], value["value"]) == ("3", "6", "50")


def test_the_public_package_is_marked_and_hides_what_is_too_small(sqlite_world, tmp_path):
    world = sqlite_world
    known = world.store.catalogue
    small = replace(known.elements["staff_with_computer"], suppress_below=5)
    elements = {**known.elements, "staff_with_computer": small}
    world.store.catalogue = replace(known, elements=elements)
    try:
        health.publish_sources(world.store, [STAFF.model_copy(update={"sample": True})])
        world.poll(STAFF, share("staff_with_computer staff_professional", "SNV25", "2026-09", 3, 9))
        world.forward(minutes=5)
        said = public(world, tmp_path / "open")
        rows_ = table(tmp_path / "open", "values-department")
        indicator = next(
            i.id for i in known.indicators.values() if i.numerator == "staff_with_computer"
        )
        (row,) = [
            row for row in rows_
            if (row["indicator"], row["period"], row["code"])
            == (indicator, "2026-09", "SNV25")
        ]  # fmt: skip
        assert (row["reason"], row["numerator"], row["value"]) == ("suppressed", "", "")
        assert said["sample_data"] == "DỮ LIỆU MẪU" and said["title"].startswith("DỮ LIỆU MẪU")
        assert row["sample_data"] == "DỮ LIỆU MẪU"
    finally:
        world.store.catalogue = known


def test_a_licence_that_nobody_knows_is_refused(sqlite_world, tmp_path):
    with pytest.raises(IocError, match="CC-BY"):
        public(sqlite_world, tmp_path / "open", "mine")


def test_what_anybody_may_have_is_no_whole_state(sqlite_world, tmp_path):
    public(sqlite_world.live(), tmp_path / "open")
    with pytest.raises(IocError, match="toàn phần"):
        bundle.checked(machine(tmp_path / "there"), tmp_path / "open")


# --- the command ---------------------------------------------------------------------------------


def test_the_command_exports_and_imports(tmp_path, monkeypatch, capsys, catalogue, orgunits):
    monkeypatch.setenv("IOC_DATA", str(tmp_path / "one"))
    machine(tmp_path / "one"), machine(tmp_path / "two")
    open_store(f"sqlite:///{tmp_path}/one/ioc.sqlite", catalogue, orgunits).close()
    monkeypatch.setattr(packaged, "_LEVELS", ())
    assert program.main(["export-all", str(tmp_path / "out")]) == 0
    assert "Không kèm khóa" in capsys.readouterr().out
    assert program.main(["export-all", str(tmp_path / "open"), "--public"]) == 0
    monkeypatch.setenv("IOC_DATA", str(tmp_path / "two"))
    assert program.main(["import", str(tmp_path / "out")]) == 0
    assert "5 giống hệt" in capsys.readouterr().out
    assert program.main(["import", str(tmp_path / "out")]) == program.REFUSED
