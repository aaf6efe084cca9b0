"""Passwords: argon2id, a least length, and none of those that everybody tries first."""

import unicodedata
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from ioc.errors import IocError

LEAST, LEAST_WITH_CODE, MOST = 14, 8, 128
_TYPED = 4 * MOST  # letters with their marks apart
_TOO_LONG = f"Mật khẩu tối đa {MOST} ký tự."
_AT_ONCE = BoundedSemaphore(4)  # each takes 64 MiB for as long as it runs
_HASHER = PasswordHasher()
_COMMON = (
    "password passw0rd p@ssword p@ssw0rd matkhau mậtkhẩu mkhau quangbinh quảngbình quangtri"
    " donghoi đồnghới vietnam việtnam admin administrator quantri quảntrị quantrivien root"
    " qwerty qwertyuiop asdfghjkl 1q2w3e4r 1qaz2wsx zaq12wsx abc123 abcd1234 aa123456 123456"
    " 12345678 123456789 1234567890 0123456789 0987654321 987654321 11111111 00000000 88888888"
    " 66668888 iloveyou anhyeuem emyeuanh toiyeuvietnam welcome letmein changeme ioc iocquangbinh"
    " chuyendoiso dieuhanh thanhphothongminh chinhquyenso ubnd ubndtinh sttttquangbinh"
).split()


class WeakPassword(IocError):
    """The password is refused; the message is the reason, in Vietnamese."""


def check(password: str, *, name: str, second: bool) -> str:
    """The password in its one form (NFC), fit to be hashed.

    ``second``: a second factor stands beside it, so that a shorter one will do.

    Raises:
        WeakPassword: too short or long, common, a repetition, or made of the account's name.
    """
    if len(password) > _TYPED:
        raise WeakPassword(_TOO_LONG)
    password = _form(password)
    least = LEAST_WITH_CODE if second else LEAST
    if len(password) < least:
        raise WeakPassword(f"Mật khẩu phải có ít nhất {least} ký tự.")
    if len(password) > MOST:
        raise WeakPassword(_TOO_LONG)
    plain = "".join(password.casefold().split())
    core = plain.strip("0123456789!@#$%^&*()-_=+.,?~") or plain
    if plain in _COMMON or core in _COMMON or any(core == word * 2 for word in _COMMON):
        raise WeakPassword("Mật khẩu này quá quen thuộc; hãy chọn mật khẩu khác.")
    if len(set(plain)) < 5 or plain in "0123456789" * 14:
        raise WeakPassword("Mật khẩu lặp lại; hãy chọn mật khẩu khác.")
    if len(name) > 3 and core.replace(name.casefold(), "") == "":
        raise WeakPassword("Mật khẩu không được là tên tài khoản.")
    return password


def hashed(password: str) -> str:
    """argon2id with its parameters and a salt of its own."""
    with _AT_ONCE:
        return _HASHER.hash(_form(password))


def fits(stored: str | None, password: str) -> bool:
    """Whether a password is the one that was hashed; takes as long where there is none.

    What is longer than any password is refused at once, whoever's it would be.
    """
    given = "" if len(password) > _TYPED else _form(password)
    if not given or len(given) > MOST:
        return False
    with _AT_ONCE:
        try:
            right = _HASHER.verify(stored or _nobodys(), given)
        except (Argon2Error, InvalidHashError):
            return False
    return right and stored is not None


def outdated(stored: str) -> bool:
    """Whether it was hashed with lesser parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")


def _form(password: str) -> str:
    """One form of the letters with marks; what no encoding takes cannot be a password.

    Cut first: to put many marks in order takes time by the square of their number.
    """
    return unicodedata.normalize("NFC", password[:_TYPED]).encode(errors="replace").decode()
