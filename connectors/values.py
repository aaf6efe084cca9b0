"""Reads single values as a source declared them: nothing is inferred, all else is refused.

Each maker returns a function from a raw value to a clean one; None stays None, and what does not
fit raises ``Bad`` with the reason in Vietnamese.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from connectors.privacy import personal
from ioc.period import GRAINS, LOCAL, Period

FUTURE = timedelta(minutes=5)
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_INVISIBLE |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_CODE = re.compile(r"[0-9A-Za-zĐđ][0-9A-Za-zĐđ._/\-]{0,63}")
_FIGURE = re.compile(r"[\d .,:+/\-TZ%]+")
_NUMBERS = {
    "vi": (re.compile(r"-?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?", re.ASCII), ".", ","),
    "en": (re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?", re.ASCII), ",", "."),
}
_EXCEL_ZERO = {"excel": datetime(1899, 12, 30), "excel1904": datetime(1904, 1, 1)}  # noqa: DTZ001
_CACHED = 20_000
MASKED = "(đã che)"

Read = Callable[[Any], Any]


class Bad(Exception):
    """A value that does not fit; the text is the reason."""


def clean(text: str) -> str:
    """NFC, without invisible characters, without spaces around or doubled within."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if " " in text else text
    return " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())


def code(value: Any) -> str | None:
    """A code: 19207, 19207.0 and " 19207 " are the same; None and "" are none."""
    if value is None:
        return None
    if type(value) is str:
        return clean(value) or None
    if type(value) is int or (type(value) is float and value.is_integer()):
        return str(int(value))
    raise Bad(f"kiểu {_kind(value)} thay vì mã")


def coded(table: Mapping[str, str] | None) -> Read:
    """Text of an allow-listed field: through its table of values, else only a code.

    Free text cannot pass: a name has spaces, an identity number is recognised.
    """
    known: dict[Any, Any] = {None: None, "": None}
    named = {clean(str(text)): coded for text, coded in table.items()} if table else None

    def read(value: Any) -> str | None:
        try:
            return known[value]
        except (KeyError, TypeError):
            pass
        text = code(value)
        if text is None:
            return None
        if named is not None:
            if text not in named:
                raise Bad(f"giá trị lạ {shown(text)}")
            found = named[text]
        elif what := personal(text):
            raise Bad(what)
        elif not _CODE.fullmatch(text):
            raise Bad("không phải mã (có dấu cách, ký tự lạ hoặc quá dài)")
        else:
            found = text
        if len(known) < _CACHED and type(value) is str:
            known[value] = found
        return found

    return read


def is_harmless(text: str) -> bool:
    """Whether a text is a code, a number or a time, and nothing personal."""
    return bool(_CODE.fullmatch(text) or _FIGURE.fullmatch(text)) and not personal(text)


def shown(text: str) -> str:
    """A value for a reason or a rejection: a code, a number or a time; words are masked."""
    text = clean(text)
    return text if len(text) <= 40 and is_harmless(text) else MASKED


def number(locale: str | None, *, signed: bool = False) -> Read:
    """A finite number; texts only by the declared locale ("1.234,5" in vi)."""

    def read(value: Any) -> float | None:
        if value is None or value == "":
            return None
        if type(value) is str:
            value = _number_of(clean(value), locale)
        elif type(value) is not int and type(value) is not float:
            raise Bad(f"kiểu {_kind(value)} thay vì số")
        try:
            found = float(value)
        except OverflowError:
            raise Bad("số quá lớn") from None
        if not math.isfinite(found):
            raise Bad("không phải số hữu hạn")
        if found < 0 and not signed:
            raise Bad("số âm")
        return found

    return read


def _number_of(text: str, locale: str | None) -> float:
    if locale is None:
        raise Bad(f"chữ {shown(text)} thay vì số (chưa khai kiểu viết số)")
    pattern, thousands, decimal = _NUMBERS[locale]
    if not pattern.fullmatch(text):
        raise Bad(f"không phải số: {shown(text)}")
    return float(text.replace(thousands, "").replace(decimal, "."))


def instant(formats: str | Sequence[str] | None, zone: tzinfo | None = None) -> Read:
    """An aware UTC instant; naive times are of ``zone``, a bare date begins its local day.

    Formats: ``iso`` (the default), ``epoch_s``, ``epoch_ms``, ``excel``, ``excel1904`` or
    strptime patterns, tried in order. A bare number in an ISO field is refused.
    """
    zone = zone or LOCAL
    ways = [formats] if isinstance(formats, str) else list(formats or ["iso"])
    patterns = [way for way in ways if "%" in way]
    epochs = [way for way in ways if way in ("epoch_s", "epoch_ms")]
    excel = next((way for way in ways if way in _EXCEL_ZERO), None)
    iso = "iso" in ways

    def read(value: Any) -> datetime | None:
        if value is None or value == "":
            return None
        kind = type(value)
        if kind is str:
            found = text_of(value)
        elif kind is datetime:
            found = value
        elif kind is date:
            found = datetime(value.year, value.month, value.day)  # noqa: DTZ001
        elif (kind is int or kind is float) and (epochs or excel):
            found = number_of(value)
        else:
            raise Bad(f"kiểu {_kind(value)} thay vì thời điểm")
        try:  # astimezone does the same at five times the cost
            ahead = zone.utcoffset(found) if found.tzinfo is None else found.utcoffset()
            found = found.replace(tzinfo=UTC) - ahead
        except (OverflowError, ValueError):
            raise Bad("thời điểm ngoài khoảng hợp lệ") from None
        if found < _EARLIEST:
            raise Bad(f"thời điểm trước năm 1990: {found.year}")
        return found

    def text_of(text: str) -> datetime:
        if iso:
            try:
                return datetime.fromisoformat(text)
            except ValueError:
                pass
        text = clean(text)
        for pattern in patterns:
            try:
                return datetime.strptime(text, pattern)  # noqa: DTZ007
            except ValueError:
                continue
        if iso and not text.isdigit():
            try:
                return datetime.fromisoformat(text)
            except ValueError:
                pass
        elif epochs and text.isdigit():
            return number_of(int(text))
        raise Bad(f"không phải thời điểm theo mẫu đã khai: {shown(text)}")

    def number_of(value: float) -> datetime:
        try:
            if excel:
                seconds = round(float(value) * 86_400)
                return _EXCEL_ZERO[excel] + timedelta(seconds=seconds)
            unit = 1_000_000 if epochs == ["epoch_s"] else 1000
            micro = int(value * unit) if type(value) is int else round(value * unit)
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro)
        except (OverflowError, ValueError):
            raise Bad("thời điểm ngoài khoảng hợp lệ") from None

    return read


def period(spec: Mapping[str, Any], zone: tzinfo | None = None) -> Read:
    """A period of ``grain`` (month): by ``match`` with groups year, month, day; or by a date.

    ``match`` reads it out of a text, a file's name say; else texts like 2025-06 are taken, and
    what the declared ``format`` makes an instant of.
    """
    grain = spec.get("grain", "month")
    if grain not in GRAINS:
        raise ValueError(f"không có loại kỳ {grain!r}")
    pattern = re.compile(spec["match"]) if spec.get("match") else None
    as_instant = instant(spec.get("format"), zone)

    def read(value: Any) -> Period | None:
        if value is None or value == "":
            return None
        if type(value) is str:
            text = clean(value)
            try:
                if pattern:
                    return _matched(pattern, text, grain)
                if not spec.get("format"):
                    return Period.parse(text, grain)
            except ValueError:
                raise Bad(f"không phải kỳ báo cáo: {shown(text)}") from None
        return Period.of(grain, as_instant(value))

    return read


def _matched(pattern: re.Pattern[str], text: str, grain: Any) -> Period:
    found = pattern.search(text)
    if not found:
        raise ValueError(text)
    parts = {name: int(digits) for name, digits in found.groupdict(default="1").items()}
    return Period.of(grain, date(parts["year"], parts.get("month", 1), parts.get("day", 1)))


def zone_of(name: str | None) -> tzinfo:
    """A declared time zone; the province's own by default."""
    return ZoneInfo(name) if name else LOCAL


def _kind(value: Any) -> str:
    names = {bool: "đúng/sai", list: "danh sách", dict: "đối tượng", float: "số lẻ", int: "số"}
    return names.get(type(value), type(value).__name__)
