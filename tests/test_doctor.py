"""The doctor's rounds: a healthy system passes, and each illness is named with what helps."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ioc.settings import Settings
from kpi import audit, backup, doctor, health
from kpi.doctor import Finding, Level, examine
from kpi.migrate import head
from kpi.schema import micros
from tests.worlds import DOSSIERS, STAFF, World, dossiers, share

pytest_plugins = ["tests.worlds"]


@pytest.fixture
def healthy(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A system as it should be: polled, led, backed up, its key for its owner only."""
    monkeypatch.setattr(doctor, "right_now", lambda: world.now)
    monkeypatch.setattr(backup, "right_now", lambda: world.now)
    monkeypatch.setattr(doctor, "ROOM", 0)
    for name in ("IOC_SECRET_KEY_FILE", "IOC_PUBLIC_SERVICES_CLIENT_SECRET_FILE"):
        monkeypatch.delenv(name, raising=False)
    health.publish_sources(world.store, [DOSSIERS, STAFF])
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 6, 3))
    world.poll(STAFF, share("staff_with_computer staff_professional", "SNV25", "2026-09", 8, 10))
    change(world, "DELETE FROM lease")
    change(world, "INSERT INTO lease (name, holder, fence, expires_at) VALUES ('poll', 'may', 1,"
           f" {micros(world.now + timedelta(seconds=15))})")  # fmt: skip
    (tmp_path / "secret.key").write_bytes(b"k" * 64)
    (tmp_path / "secret.key").chmod(0o600)
    backup.backup(world.store, settings(world, tmp_path), tmp_path / "a.tar.gz")
    return world


def settings(world: World, folder: Path) -> Settings:
    return Settings(data=folder, database_url=world.store.url)


def change(world: World, statement: str) -> None:
    with world.store.write() as connection:
        connection.execute(sa.text(statement))


def ill(world: World, folder: Path) -> dict[str, Finding]:
    """What is not as it should be, by the name of its check."""
    findings = list(examine(world.store, settings(world, folder)))
    ill = [found for found in findings if found.level is not Level.fine]
    return {found.check.partition(" (")[0]: found for found in ill}


def test_a_healthy_system_passes_every_check(healthy, tmp_path):
    findings = list(examine(healthy.store, settings(healthy, tmp_path)))
    assert [str(one) for one in findings if one.level is not Level.fine] == []
    assert len(findings) == 12
    assert all(str(one).startswith("ĐẠT ") and not one.todo for one in findings)


def test_the_doctor_speaks_of_sources_times_and_outcomes_as_people_do(healthy, tmp_path):
    findings = list(examine(healthy.store, settings(healthy, tmp_path)))
    lines = [str(one) for one in findings]
    assert findings[0].check == "nhật ký kiểm toán"
    assert not [line for line in lines if "UTC" in line or line.endswith((": ok", ": empty"))]
    (staff,) = [line for line in lines if "nguồn staff" in line]
    assert STAFF.name in staff and "lần cuối: thành công" in staff
    change(healthy, "UPDATE poll_run SET started_at = started_at + 3600000000")
    findings = list(examine(healthy.store, settings(healthy, tmp_path)))
    told = doctor.summary(findings)
    assert "1 HỎNG: đồng hồ" in told and told.startswith("TỔNG")


ILLNESSES: list[tuple[str, Level, str, str]] = [
    ("lược đồ", Level.broken, "UPDATE alembic_version SET version_num = '0001'", "0001"),
    ("tiến trình thu thập", Level.broken, "UPDATE lease SET expires_at = 0", "không chạy"),
    ("nguồn staff", Level.note, "UPDATE source SET paused = 1 WHERE id = 'staff'", "tạm dừng"),
    ("nguồn staff", Level.note, "UPDATE source SET needs_credentials = 1 WHERE id = 'staff'",
     "đăng nhập"),
    ("nguồn staff", Level.note, "UPDATE poll_run SET outcome = 'held' WHERE source = 'staff'",
     "tạm giữ, chờ duyệt"),
    ("đồng hồ", Level.broken, "UPDATE poll_run SET started_at = started_at + 3600000000", "chậm"),
    ("mã băm bản ghi", Level.broken, "UPDATE record SET result = 'paper'", "6 bản ghi"),
    ("số đếm lại", Level.broken, "UPDATE observation SET value = 7 WHERE element ="
     " 'dossiers_resolved'", "đếm 6, đang ghi 7"),
    ("số đếm lại", Level.broken, "UPDATE rollup SET value = 5 WHERE element ="
     " 'dossiers_resolved'", "5.0"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "level", "statement", "said"), ILLNESSES, ids=range(9))
def test_each_illness_is_named_with_what_helps(healthy, tmp_path, check, level, statement, said):
    change(healthy, statement)
    try:
        found = ill(healthy, tmp_path)
    finally:
        change(healthy, f"UPDATE alembic_version SET version_num = '{head()}'")
    assert check in found, found
    assert found[check].level is level and found[check].todo
    assert any(said in str(one) for one in found.values()), found


def test_a_poller_that_missed_its_turns_is_broken(healthy, tmp_path):
    healthy.forward(minutes=30)
    found = ill(healthy, tmp_path)
    assert found["nguồn staff"].level is found["tiến trình thu thập"].level is Level.broken


CASES: list[tuple[str, Level, Callable[[Path], object]]] = [
    ("tệp bí mật", Level.broken, lambda folder: (folder / "secret.key").chmod(0o644)),
    ("bản sao lưu", Level.note, lambda folder: (folder / "last-backup.json").unlink()),
]


@pytest.mark.parametrize(("check", "level", "harm"), CASES)
def test_what_lies_beside_the_database_is_looked_at_too(healthy, tmp_path, check, level, harm):
    harm(tmp_path)
    assert ill(healthy, tmp_path)[check].level is level


def test_an_old_backup_is_a_note(healthy, tmp_path):
    healthy.forward(hours=30)
    assert "cuối cùng lúc" in ill(healthy, tmp_path)["bản sao lưu"].said


def test_a_full_disk_is_broken(healthy, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "ROOM", 1 << 60)
    assert ill(healthy, tmp_path)["đĩa"].level is Level.broken


def test_what_cannot_be_looked_at_is_a_finding_and_no_stack_trace(healthy, tmp_path):
    change(healthy, "ALTER TABLE watermark RENAME TO elsewhere")
    try:
        found = ill(healthy, tmp_path)
    finally:
        change(healthy, "ALTER TABLE elsewhere RENAME TO watermark")
    assert found["nguồn"].level is Level.broken and "không kiểm tra được" in found["nguồn"].said


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET what = 'targets.cSv' WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "DELETE FROM audit WHERE number = 3",
    ],
)
def test_one_changed_byte_or_removed_entry_of_the_audit_is_broken(store, now, tmp_path, statement):
    """In a database of its own: what is done to the audit stays."""

    def found():
        said = examine(store, Settings(data=tmp_path, database_url=store.url))
        return next(one for one in said if one.check == "nhật ký kiểm toán")

    for _ in range(3):
        audit.write(store, "export", "lan", "targets.csv", now=now)
    assert found().level is Level.fine
    keepers = ["audit_UPDATE", "audit_DELETE"] if store.sqlite else ["audit_keep ON audit"]
    with store.write() as connection:
        for keeper in keepers:
            connection.exec_driver_sql(f"DROP TRIGGER {keeper}")
        connection.exec_driver_sql(statement)
    assert found().level is Level.broken
    assert f"từ mục {statement[-1]}" in found().said
