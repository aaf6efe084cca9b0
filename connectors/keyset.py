"""Where a walk through a view stands: the change time and key of its last row, kept exactly.

A mark is JSON of format 1. Its change time is what the database said, of whatever type sorts as
time does: an instant, a date, an ISO text or a growing number.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from ioc.errors import Broken

_FORMAT = 1
_SOON = timedelta(minutes=5)  # clocks differ; what is further ahead moves no watermark
_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Mark:
    """What was seen: up to ``changed``; within it up to ``key``, where more was still to come.

    ``swept`` is when all was last read as a whole.
    """

    changed: Any = None
    key: tuple[Any, ...] | None = None
    swept: datetime | None = None

    @classmethod
    def read(cls, text: str | None, now: datetime, zone: tzinfo) -> "Mark":
        """The stored mark; Broken when it is not one, or of a time that has not come."""
        if text is None:
            return cls()
        try:
            state = json.loads(text)
            if state["v"] != _FORMAT:
                raise ValueError(state["v"])
            key = state["key"] and tuple(_decoded(part) for part in state["key"])
            swept = datetime.fromisoformat(state["swept"]) if state["swept"] else None
            found = cls(_decoded(state["changed"]), key, swept)
            at = moment(found.changed, zone)
        except (ValueError, KeyError, TypeError, AttributeError, Broken):
            raise Broken("mốc đã lưu không đọc được: cần người xem lại") from None
        if max(at or now, swept or now) - now > _AHEAD:
            raise Broken(f"mốc đã lưu ở tương lai: {found.changed}")
        return found

    def text(self) -> str:
        """The mark as it is stored."""
        key = self.key and [_coded(part) for part in self.key]
        swept = self.swept and self.swept.isoformat()
        state = {"v": _FORMAT, "changed": _coded(self.changed), "key": key, "swept": swept}
        return json.dumps(state, ensure_ascii=False, separators=(",", ":"))


def moment(changed: Any, zone: tzinfo) -> datetime | None:
    """The instant of a change time, None for a number; Broken for a text that does not sort."""
    match changed:
        case datetime():
            at = changed
        case date():
            at = datetime(changed.year, changed.month, changed.day)  # noqa: DTZ001
        case str():
            try:
                at = datetime.fromisoformat(changed)
            except ValueError:
                raise Broken("cột thay đổi là chữ không theo thứ tự thời gian (ISO)") from None
        case int() | float() | None:
            return None
        case _:
            raise Broken("cột thay đổi không phải thời điểm, ngày hay số tăng dần")
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def is_ahead(changed: Any, now: datetime, zone: tzinfo) -> bool:
    """Whether a row says that it changed in the future."""
    at = moment(changed, zone)
    return at is not None and at > now + _SOON


def earlier(changed: Any, lag: timedelta) -> Any:
    """A change time less the lag, written as it was."""
    match changed:
        case datetime():
            return changed - lag
        case date():
            return changed - timedelta(days=-(-lag // timedelta(days=1)))
        case str() if len(changed) == 10:
            return earlier(date.fromisoformat(changed), lag).isoformat()
        case str():
            return _rewritten(changed, datetime.fromisoformat(changed) - lag)
    raise Broken("lag cần một cột thời điểm; cột thay đổi là số")


def later(first: Any, second: Any) -> Any:
    """The later one of two change times."""
    try:
        return second if first is None or second > first else first
    except TypeError:
        raise Broken("cột thay đổi đã đổi kiểu so với mốc đã lưu: cần người xem lại") from None


def _rewritten(text: str, at: datetime) -> str:
    """An instant in the form of a text: the same separator, digits and mark of UTC."""
    _, _, fraction = text.partition(".")
    digits = len(fraction) - len(fraction.lstrip("0123456789"))
    told = at.isoformat(sep=text[10], timespec="microseconds")
    head, rest = told[:19], told[26:]
    if digits:
        head += "." + f"{at.microsecond:06d}".ljust(digits, "0")[:digits]
    return head + ("Z" if text.endswith("Z") else rest)


def _coded(value: Any) -> Any:
    match value:
        case datetime():
            return {"at": value.isoformat()}
        case date():
            return {"on": value.isoformat()}
    return value


def _decoded(value: Any) -> Any:
    match value:
        case {"at": str(text)}:
            return datetime.fromisoformat(text)
        case {"on": str(text)}:
            return date.fromisoformat(text)
        case None | str() | int() | float():
            return value
    raise ValueError(value)
