"""What the error of a database means to us; the driver's own text is never passed on."""

import re
import sqlite3
from dataclasses import dataclass

from connectors.wire import TimedOut, is_certificate
from ioc.errors import Broken, IocError, NeedsCredentials, Transient

PLAIN_PASSWORD = 2061
"""MySQL's own number for a way of signing in that cannot be used."""
_LOCKED = "bảng đang bị khóa hoặc máy chủ đang bận"
_AWAY = "không kết nối được, hoặc kết nối đứt giữa chừng"
_SLOW = "câu hỏi chạy quá thời hạn"
_REFUSED = "cơ sở dữ liệu từ chối tài khoản, hoặc chưa cấp quyền đọc"
_IN_CLEAR = "máy chủ đòi mật khẩu không mã hóa: hãy khai tls"
_NO_DATABASE = "không có cơ sở dữ liệu tên đã khai"
_STRANGERS = re.compile(
    r"password authentication failed|no password supplied|pg_hba\.conf|role .* does not exist"
    r"|not permitted to log in|permission denied"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, to be named where it is not there."""

    view: str
    columns: tuple[str, ...]

    def no_view(self) -> Broken:
        return Broken(f"không có khung nhìn “{self.view}”, hoặc nó không còn dùng được")

    def no_column(self, error: BaseException) -> Broken:
        named = [c for c in self.columns if re.search(rf"(?<!\w){re.escape(c)}(?!\w)", str(error))]
        which = f"cột “{named[-1]}”" if named else "một cột đã khai"
        return Broken(f"khung nhìn “{self.view}” không có {which}")

    def no_value(self) -> Broken:
        return Broken(
            f"khung nhìn “{self.view}” có thời điểm ngoài lịch (như infinity) ở một trong các cột:"
            f" {', '.join(self.columns)}"
        )


def sqlite_meaning(error: BaseException, asked: Asked) -> IocError:
    """By SQLite's own number of the error, and its words where that says nothing."""
    number = getattr(error, "sqlite_errorcode", 0) & 0xFF
    match number:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Transient(_LOCKED)
        case sqlite3.SQLITE_INTERRUPT:
            return TimedOut(_SLOW)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_IOERR:
            return Transient("không mở được tệp cơ sở dữ liệu")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return Broken("tệp không phải cơ sở dữ liệu SQLite, hoặc đã hỏng")
    if "no such table" in str(error):
        return asked.no_view()
    if "no such column" in str(error):
        return asked.no_column(error)
    return Broken(f"cơ sở dữ liệu báo lỗi {number}")


def postgresql_meaning(error: BaseException, asked: Asked) -> IocError:
    """By SQLSTATE; a connection that fails has none, only the server's words."""
    state = getattr(error, "sqlstate", None)
    if state is None and any(kind.__name__ == "DataError" for kind in type(error).__mro__):
        return asked.no_value()  # the driver's own: it read a value that Python cannot hold
    if state is None:
        return _postgresql_away(str(error))
    if state == "57014":
        return TimedOut(_SLOW)
    if state in ("55P03", "55006") or state.startswith("40"):
        return Transient(_LOCKED)
    if state[:2] in ("08", "53", "57", "58"):
        return Transient(_AWAY)
    if state == "42501" or state.startswith("28"):
        return NeedsCredentials(_REFUSED)
    match state:
        case "42P01" | "3F000":
            return asked.no_view()
        case "42703":
            return asked.no_column(error)
    return Broken(f"cơ sở dữ liệu báo lỗi {state}")


def _postgresql_away(said: str) -> IocError:
    if "cleartext password" in said:
        return Broken(_IN_CLEAR)
    if _STRANGERS.search(said):
        return NeedsCredentials(_REFUSED)
    if "certificate" in said or "does not support SSL" in said:
        return Broken("máy chủ không có TLS, hoặc chứng thư không hợp lệ")
    if re.search(r'database ".*" does not exist', said):
        return Broken(_NO_DATABASE)
    return Transient(_AWAY)


def mysql_meaning(error: BaseException, asked: Asked) -> IocError:
    """By the number that MariaDB and MySQL share."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    match number:
        case 1969 | 3024 | 1317:
            return TimedOut(_SLOW)
        case 1205 | 1213 | 1412:
            return Transient(_LOCKED)
        case 1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1251 | 1275 | 1698 | 3118 | 4151:
            return NeedsCredentials(_REFUSED)
        case 1146 | 1356:
            return asked.no_view()
        case 1054:
            return asked.no_column(error)
        case 1049:
            return Broken(_NO_DATABASE)
        case 0 | 1040 | 1053 | 1077 | 1080 | 1158 | 1159 | 1160 | 1161 | 1203 | 1226:
            return Transient(_AWAY)
    if number == PLAIN_PASSWORD:
        return Broken(_IN_CLEAR)
    if number == 2026 or is_certificate(error):
        return Broken("máy chủ không có TLS, hoặc chứng thư không hợp lệ")
    if 2000 <= number < 2100:  # the client's own: refused, gone away, lost
        return Transient(_AWAY)
    return Broken(f"cơ sở dữ liệu báo lỗi {number}")
