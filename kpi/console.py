"""What is typed at the machine itself about people, screens and the audit: ``ioc user`` and kin."""

import argparse
import getpass
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from ioc.clock import right_now
from ioc.period import LOCAL
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import accounts, audit, auditfile, devices
from kpi.breakglass import FIRST, SETUP, break_glass, first_link
from kpi.store import KpiStore

Send = Callable[[str, Iterator[str]], int]
NONE_YET = f"Chưa có quản trị; tài khoản đầu tiên tên là {FIRST}."


def operator() -> Principal:
    """Who types here: whoever has the machine has everything, and the audit says who it was."""
    try:
        return Principal(f"dòng lệnh ({getpass.getuser()})", "admin")
    except (OSError, KeyError):  # a user without a name
        return Principal("dòng lệnh", "admin")


def address_of(settings: Settings, token: str) -> str:
    """The address of a one-time link."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base = settings.address.rstrip("/") or f"http://{host}:{settings.port}"
    return f"{base}/setup/{token}"


def tell_first_link(store: KpiStore, settings: Settings, *, terminal: bool) -> None:
    """Say how the first administrator comes in, while there is none.

    At a terminal the link is printed. Elsewhere what is printed becomes a log, so that the link
    goes into a file for its owner only, which is gone once somebody can sign in.
    """
    file = settings.data / SETUP
    token = first_link(store, operator())
    if token is None:
        file.unlink(missing_ok=True)
        return
    link = address_of(settings, token)
    if terminal:
        said = f"{NONE_YET} Mở một lần, trong 24 giờ, để đặt mật khẩu: {link}"
        print(said, flush=True)
        return
    file.unlink(missing_ok=True)
    with open(file, "x", encoding="utf-8", opener=auditfile.private) as into:
        into.write(f"{link}\nTên đăng nhập: {FIRST}\n")
    print(f"{NONE_YET} Liên kết đặt mật khẩu (một lần, 24 giờ) ở tệp {file}", flush=True)


def user(store: KpiStore, settings: Settings, words: list[str]) -> int:
    """Run ``ioc user``; 0 when done."""
    asked, by = user_words().parse_args(words), operator()
    name, reason = getattr(asked, "name", ""), getattr(asked, "reason", "")
    if asked.act == "list":
        found = accounts.listed(store)
        for one in found if asked.idle is None else accounts.idle(store, asked.idle):
            print(_line(one))
    elif asked.act == "add":
        token = accounts.create(
            store, by, name=name, display=asked.display, role=asked.role, **_rights(asked)
        )
        print(f"Liên kết đặt mật khẩu của {name}, dùng một lần: {address_of(settings, token)}")
    elif asked.act == "right":
        _right(store, by, asked)
    elif asked.act == "role":
        accounts.set_role(store, by, name, asked.role, reason=reason)
    elif asked.act == "tie":
        accounts.tie(store, by, name, asked.issuer, asked.subject)
    elif asked.act == "end-sessions":
        print(f"Đã kết thúc {accounts.end_all(store, by, name)} phiên.")
    elif asked.act in ("disable", "enable"):
        getattr(accounts, asked.act)(store, by, name, reason=reason)
    else:
        how = {
            "link": lambda: accounts.new_link(store, by, name),
            "lost-phone": lambda: accounts.totp_remove(store, by, name, reason=reason),
            "break-glass": lambda: break_glass(store, by, name, reason=reason),
        }
        print(f"Liên kết của {name}, dùng một lần: {address_of(settings, how[asked.act]())}")
    return 0


def device(store: KpiStore, words: list[str]) -> int:
    """Run ``ioc device``; 0 when done."""
    asked, by, now = device_words().parse_args(words), operator(), right_now()
    if asked.act == "pair":
        given = {"name": asked.name, "layout": asked.layout, "days": asked.days}
        print(f"Đã ghép màn hình số {devices.pair(store, by, asked.code, **given)}.")
    elif asked.act == "revoke":
        devices.revoke(store, by, asked.number, reason=asked.reason)
    else:
        for one in devices.listed(store):
            state = "đã thu hồi" if one.revoked_at else "" if one.good_at(now) else "hết hạn"
            seen = f"{one.seen_at.astimezone(LOCAL):%Y-%m-%d %H:%M}" if one.seen_at else "chưa mở"
            until = f"{one.expires_at.astimezone(LOCAL):%Y-%m-%d}"
            print(f"{one.id:>4}  {one.name}  /wall?{one.layout}  {seen}  đến {until}  {state}")
    return 0


def audited(store: KpiStore, settings: Settings, words: list[str], send: Send) -> int:
    """Run ``ioc audit``; 1 when the chain is broken. ``send`` carries lines to a log server."""
    asked = audit_words().parse_args(words)
    if asked.act == "verify":
        found = audit.verify(store)
        if found.broken is None:
            print(f"Nguyên vẹn: {found.count} mục, mã cuối {found.head}")
            return 0
        print(f"NHẬT KÝ BỊ HỎNG: mục {found.broken} không khớp mục trước nó.")
        return 1
    window = (asked.first, asked.last)
    if asked.file:
        windowed = any(window)
        taken = auditfile.extract(store, asked.file, *window) if windowed else None
        count = auditfile.append(store, asked.file) if taken is None else taken
    elif asked.syslog and any(window):
        count = send(asked.syslog, audit.lines(store, first=asked.first, last=asked.last))
    elif asked.syslog:
        count = auditfile.send_new(store, settings.data, lambda new: send(asked.syslog, new))
    else:
        for line in audit.lines(store, first=asked.first, last=asked.last):
            print(line, end="")
        return 0
    if any(window):
        audit.write(store, "incident", operator(), "", first=asked.first, last=asked.last)
    print(f"Đã xuất {count} mục.")
    return 0


def user_words() -> argparse.ArgumentParser:
    """The words of ``ioc user``."""
    parser = argparse.ArgumentParser("ioc user", description="Tài khoản và quyền")
    acts = parser.add_subparsers(dest="act", required=True, metavar="VIỆC")
    listed = acts.add_parser("list", help="mọi tài khoản")
    listed.add_argument("--idle", type=int, metavar="NGÀY", help="chỉ ai lâu không đăng nhập")
    about = {
        "add": "lập tài khoản, in liên kết đặt mật khẩu",
        "link": "liên kết mới để đặt mật khẩu",
        "disable": "khóa tài khoản: phiên, khóa lập trình, liên kết đều hết hiệu lực",
        "enable": "mở lại tài khoản",
        "role": "đổi vai trò",
        "right": "xem, cấp (--all, --unit), thu hồi (--revoke) quyền",
        "tie": "gắn với danh tính OpenID Connect",
        "end-sessions": "kết thúc mọi phiên",
        "lost-phone": "gỡ mã xác thực và mật khẩu, in liên kết mới",
        "break-glass": "mở khẩn cấp: quản trị bị khóa ngoài, hoặc quản trị mới trong hai ngày",
    }
    made = {name: acts.add_parser(name, help=what) for name, what in about.items()}
    for one in made.values():
        one.add_argument("name", help="tên đăng nhập")
    for act in ("disable", "break-glass"):
        made[act].add_argument("--reason", required=True, help="lý do")
    for act in ("add", "enable", "role", "right", "lost-phone"):
        made[act].add_argument("--reason", default="", help="lý do")
    made["add"].add_argument("--display", required=True, help="tên hiển thị")
    made["add"].add_argument("--role", required=True, choices=accounts.ROLES)
    made["role"].add_argument("role", choices=accounts.ROLES)
    made["tie"].add_argument("issuer", help="địa chỉ nơi cấp, https://…")
    made["tie"].add_argument("subject", help="mã người dùng ở đó (sub)")
    made["right"].add_argument("--revoke", type=int, metavar="SỐ", help="kết thúc quyền này")
    for act in ("add", "right"):
        _right_words(made[act])
    return parser


def device_words() -> argparse.ArgumentParser:
    """The words of ``ioc device``."""
    parser = argparse.ArgumentParser("ioc device", description="Màn hình treo tường")
    acts = parser.add_subparsers(dest="act", required=True, metavar="VIỆC")
    acts.add_parser("list", help="mọi màn hình, lần thấy gần nhất")
    pair = acts.add_parser("pair", help="ghép màn hình đang hiện mã")
    pair.add_argument("code", help="mã 8 chữ trên màn hình")
    pair.add_argument("--name", required=True, help="tên, ví dụ nơi treo")
    pair.add_argument("--layout", default="", help="phần sau /wall?, ví dụ org_unit=area-450")
    pair.add_argument("--days", type=int, default=365, help="số ngày có hiệu lực")
    revoke = acts.add_parser("revoke", help="thu hồi ngay")
    revoke.add_argument("number", type=int, help="số của màn hình")
    revoke.add_argument("--reason", default="", help="lý do")
    return parser


def audit_words() -> argparse.ArgumentParser:
    """The words of ``ioc audit``."""
    parser = argparse.ArgumentParser("ioc audit", description="Nhật ký kiểm toán")
    acts = parser.add_subparsers(dest="act", required=True, metavar="VIỆC")
    acts.add_parser("verify", help="kiểm tra chuỗi từ mục đầu tới mục cuối")
    export = acts.add_parser("export", help="dòng JSON; không có ngày: chỉ những mục mới")
    for word, into in (("--from", "first"), ("--to", "last")):
        export.add_argument(word, dest=into, type=date.fromisoformat, metavar="NGÀY")
    where = export.add_mutually_exclusive_group()
    where.add_argument("--file", type=Path, help="tệp, chỉ chủ sở hữu đọc được")
    where.add_argument("--syslog", metavar="ĐỊA_CHỈ", help="udp://, tcp://, tls:// hoặc /dev/log")
    return parser


def _right_words(parser: argparse.ArgumentParser) -> None:
    units = parser.add_mutually_exclusive_group()
    units.add_argument("--unit", action="append", default=[], help="mã đơn vị và mọi đơn vị trong")
    units.add_argument("--all", action="store_true", help="mọi đơn vị")
    parser.add_argument("--class", action="append", dest="classes", help="nhóm chỉ số")
    for word, into in (("--from", "valid_from"), ("--to", "valid_to")):
        parser.add_argument(word, dest=into, type=date.fromisoformat, metavar="NGÀY")


def _rights(asked: argparse.Namespace) -> dict:
    return {
        "org_units": None if asked.all else asked.unit,
        "classes": asked.classes,
        "valid_from": asked.valid_from,
        "valid_to": asked.valid_to,
        "reason": asked.reason,
    }


def _right(store: KpiStore, by: Principal, asked: argparse.Namespace) -> None:
    if asked.revoke is not None:
        accounts.revoke_right(store, by, asked.revoke, reason=asked.reason)
    if asked.all or asked.unit:
        accounts.grant(store, by, asked.name, **_rights(asked))
    for one in accounts.rights_of(store, asked.name):
        ended = "đã kết thúc" if one.ended_at else ""
        days = f"{one.valid_from or '…'} đến {one.valid_to or '…'}"
        where, what = one.org_unit or "mọi đơn vị", one.indicator_class or "mọi nhóm"
        print(f"{one.id:>4}  {where}  {what}  {days}  {one.reason}  {ended}")


def _line(one: accounts.Account) -> str:
    seen = f"{one.seen_at.astimezone(LOCAL):%Y-%m-%d %H:%M}" if one.seen_at else "chưa vào"
    state = "" if one.state == "active" else "đã khóa"
    return (
        f"{one.name:<20} {accounts.ROLES[one.role]:<21} {seen:<16} {one.display} {state}".rstrip()
    )
