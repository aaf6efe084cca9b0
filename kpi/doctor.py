"""Looks at the running system, check by check: what is wrong, and what a person can do about it."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.errors import IocError
from ioc.period import LOCAL
from ioc.settings import Settings
from kpi import audit, belongings, evidence, gauges, health, migrate, people
from kpi.schema import instant_of
from kpi.store import KpiStore

ROOM = 1 << 30
"""Bytes that should be free; besides, a backup needs room for a copy of the database."""
BACKED_UP = timedelta(hours=26)
AHEAD = timedelta(minutes=5)
SAMPLED = 20_000
OUTCOMES = {
    "ok": "thành công", "empty": "không có dòng nào", "held": "tạm giữ, chờ duyệt",
    "partial": "thiếu một phần", "retry": "sẽ thử lại", "broken": "hỏng, cần người xử lý",
    "needs_credentials": "thiếu quyền truy cập", "timeout": "quá thời hạn",
    "skipped": "bỏ qua lượt",
}  # fmt: skip
"""How the last poll of a source ended, in the words of its page."""


class Level(StrEnum):
    """How a check ends, in the words of its line."""

    fine = "ĐẠT"
    note = "LƯU Ý"
    broken = "HỎNG"


@dataclass(frozen=True, slots=True)
class Finding:
    """The line of one check; ``todo`` is empty where nothing is to be done."""

    check: str
    level: Level
    said: str
    todo: str = ""

    def __str__(self) -> str:
        todo = f" → {self.todo}" if self.todo else ""
        return f"{self.level:<5} {self.check}: {self.said}{todo}"


Check = Callable[[KpiStore, Settings], Iterator[Finding]]


def examine(store: KpiStore, settings: Settings) -> Iterator[Finding]:
    """Every check in order; one that cannot be made is a finding too."""
    checks: tuple[tuple[str, Check], ...] = (
        ("nhật ký kiểm toán", _audit),
        ("cơ sở dữ liệu", _integrity),
        ("lược đồ", _schema),
        ("đĩa", _disk),
        ("đồng hồ", _clock),
        ("tiến trình thu thập", _poller),
        ("nguồn", _sources),
        ("bản sao lưu", _backup),
        ("gói định kỳ", _packs),
        ("tệp bí mật", _secrets),
        ("mã băm bản ghi", _hashes),
        ("số đếm lại", _recount),
        ("tài khoản", _accounts),
    )
    for name, check in checks:
        try:
            yield from check(store, settings)
        except (sa.exc.SQLAlchemyError, IocError, OSError) as error:
            said = f"không kiểm tra được ({type(error).__name__})"
            yield Finding(name, Level.broken, said, "xem cơ sở dữ liệu có chạy và đọc được không")


def summary(findings: Iterable[Finding]) -> str:
    """The last line: how many checks ended how, and which are broken."""
    found = list(findings)
    counts = [f"{sum(one.level is level for one in found)} {level}" for level in Level]
    broken = "; ".join(one.check for one in found if one.level is Level.broken)
    return f"TỔNG  {', '.join(counts)}{f': {broken}' if broken else ''}"


def _told(at: datetime) -> str:
    return f"{at.astimezone(LOCAL):%H:%M %d/%m/%Y}"


def _integrity(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    with store.read() as connection:
        if store.sqlite:
            found = str(connection.scalar(sa.text("PRAGMA integrity_check(1)")))
            release = f"SQLite {connection.scalar(sa.text('SELECT sqlite_version()'))}"
        else:
            found, release = "ok", f"PostgreSQL {connection.scalar(sa.text('SHOW server_version'))}"
    if found == "ok":
        yield Finding("cơ sở dữ liệu", Level.fine, f"nguyên vẹn, {release}")
    else:
        yield Finding(
            "cơ sở dữ liệu", Level.broken, found, "dừng ioc, chạy ioc restore TỆP --replace"
        )


def _schema(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    with store.read() as connection:
        found = migrate.revision(connection)
    if found == migrate.head():
        yield Finding("lược đồ", Level.fine, found)
    else:
        said = f"{found or 'chưa có'}, chương trình cần {migrate.head()}"
        yield Finding(
            "lược đồ", Level.broken, said, "sao lưu rồi khởi động lại ioc để nâng lược đồ"
        )


def _disk(store: KpiStore, settings: Settings) -> Iterator[Finding]:
    seen = gauges.gauges(store, right_now())
    free = shutil.disk_usage(settings.data).free
    said = f"còn {free / 1e9:.1f} GB, kho {seen.size / 1e9:.2f} GB"
    level = Level.fine if free > ROOM + 2 * seen.size else Level.note
    if free < ROOM / 8:
        level = Level.broken
    yield Finding(
        "đĩa", level, said, "" if level is Level.fine else "giải phóng chỗ trong IOC_DATA"
    )


def _clock(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    now = right_now()
    with store.read() as connection:
        last = instant_of(connection.scalar(sa.text("SELECT MAX(started_at) FROM poll_run")))
    if last is None or last <= now + AHEAD:
        yield Finding("đồng hồ", Level.fine, f"{_told(now)}, không đi sau kho số liệu")
    else:
        said = f"chậm hơn lần thu thập mới nhất {last - now}"
        yield Finding("đồng hồ", Level.broken, said, "chỉnh giờ máy (timedatectl), bật NTP")


def _poller(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    leader = health.leader(store)
    if leader is not None and gauges.leads(leader, right_now()):
        yield Finding("tiến trình thu thập", Level.fine, f"đang chạy ({leader.holder})")
    else:
        said = f"không chạy từ {_told(leader.until)}" if leader else "không chạy"
        yield Finding("tiến trình thu thập", Level.broken, said, "systemctl start ioc, xem nhật ký")


def _sources(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    now = right_now()
    late = health.overdue(store, now - timedelta(days=1), now)
    with store.read() as connection:
        names = {r.id: r.name for r in connection.execute(sa.text("SELECT id, name FROM source"))}
    for one in gauges.gauges(store, now).sources:
        name = f"nguồn {one.id} ({names.get(one.id, one.id)})"
        if one.id in late:
            said = f"lỡ lượt từ {_told(late[one.id])}"
            yield Finding(name, Level.broken, said, "xem tiến trình thu thập còn chạy không")
        elif one.needs_credentials:
            todo = f"sửa thông tin đăng nhập, chạy ioc poll {one.id} --once"
            yield Finding(name, Level.note, "bị từ chối đăng nhập", todo)
        elif one.paused:
            yield Finding(name, Level.note, "đang tạm dừng", "mở lại khi xong việc")
        elif one.last_outcome in (*health.FAILED, "held"):
            todo = f"xem /sources/{one.id}; số đang có được giữ nguyên"
            yield Finding(name, Level.note, f"lần cuối: {OUTCOMES[one.last_outcome]}", todo)
        else:
            yield Finding(
                name, Level.fine, f"lần cuối: {OUTCOMES.get(one.last_outcome, 'chưa có')}"
            )


def _backup(_store: KpiStore, settings: Settings) -> Iterator[Finding]:
    last = belongings.last_backup(settings)
    todo = "chạy ioc backup, bật ioc-backup.timer"
    if last is None:
        yield Finding("bản sao lưu", Level.note, "chưa có", todo)
    elif right_now() - last["at"] > BACKED_UP:
        yield Finding("bản sao lưu", Level.note, f"cuối cùng lúc {_told(last['at'])}", todo)
    else:
        yield Finding("bản sao lưu", Level.fine, f"{_told(last['at'])}, {last['file']}")


def _packs(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    for one in health.packs(store):
        name = f"gói {one.pack}"
        if one.state == "failed":
            yield Finding(name, Level.broken, f"chưa làm được: {one.note}", f"ioc pack {one.pack}")
        elif one.failed:
            said = f"{one.failed} thư không tới: {one.why}"
            yield Finding(name, Level.broken, said, "sửa địa chỉ hoặc IOC_SMTP_URL")
        elif one.waiting:
            yield Finding(name, Level.note, f"{one.waiting} thư chờ gửi lại: {one.why}")
        elif one.made_at:
            yield Finding(name, Level.fine, f"làm lúc {_told(one.made_at)}")


def _secrets(_store: KpiStore, settings: Settings) -> Iterator[Finding]:
    """Files of secrets that others may read; what they hold is never looked at."""
    named = [Path(path) for name, path in os.environ.items()
             if name.startswith("IOC_") and name.endswith("_FILE") and path]  # fmt: skip
    files = {path for path in (belongings.key_file(settings), *named) if path.exists()}
    open_ = sorted(str(path) for path in files if path.stat().st_mode & 0o077)
    if open_:
        yield Finding(
            "tệp bí mật", Level.broken, f"người khác đọc được {', '.join(open_)}", "chmod 600"
        )
    else:
        yield Finding("tệp bí mật", Level.fine, f"{len(files)} tệp, chỉ chủ sở hữu đọc được")


def _hashes(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    with store.read() as connection:
        wrong = list(evidence.altered(connection, SAMPLED))
    if wrong:
        said = f"{len(wrong)} bản ghi bị sửa ngoài chương trình: {', '.join(wrong[:5])}"
        yield Finding(
            "mã băm bản ghi", Level.broken, said, "khôi phục bản sao lưu trước lúc bị sửa"
        )
    else:
        yield Finding("mã băm bản ghi", Level.fine, f"đúng (tối đa {SAMPLED} bản mỗi bảng)")


def _recount(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    wrong = evidence.miscounted(store)
    with store.read() as connection:
        wrong += evidence.missummed(connection)
    if wrong:
        said = f"{len(wrong)} số khác khi đếm lại, như {wrong[0]}"
        yield Finding("số đếm lại", Level.broken, said, "dừng ioc, chạy ioc rebuild, chạy lại ioc")
    else:
        yield Finding("số đếm lại", Level.fine, "khớp với bản ghi (mẫu những ngày mới nhất)")


def _audit(store: KpiStore, _settings: Settings) -> Iterator[Finding]:
    """The chain of entries; its head can be held against the one that another machine was sent."""
    found = audit.verify(store)
    if found.broken is None:
        said = f"{found.count} mục, chuỗi liền, mã cuối {found.head[:16]}"
        yield Finding("nhật ký kiểm toán", Level.fine, said)
    else:
        said = f"bị sửa, xóa hoặc chèn từ mục {found.broken}"
        todo = "giữ nguyên máy, so với bản đã gửi ra ngoài, báo người phụ trách an toàn thông tin"
        yield Finding("nhật ký kiểm toán", Level.broken, said, todo)


def _accounts(store: KpiStore, settings: Settings) -> Iterator[Finding]:
    """Where people sign in, whether somebody can who may let others in."""
    if settings.auth == "accounts" and not people.has_admin(store):
        yield Finding("tài khoản", Level.note, "chưa có quản trị", "khởi động lại ioc, mở liên kết")
