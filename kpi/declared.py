"""Reads declared YAML field by field, so that every fault is found at once and has its line."""

import math
import re
from datetime import date, datetime, timedelta
from typing import Any

from ioc.config import Lined
from ioc.errors import Fault

_SPAN = re.compile(r"([1-9]\d*)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Form:
    """One mapping of a file. Each question notes its fault and answers something harmless.

    Reading goes on after a fault: whoever loads a form looks at ``faults`` before using it.
    """

    def __init__(self, file: str, name: str, data: Any, faults: list[Fault], *, line: int = 1):
        self.file, self.name, self.faults = file, name, faults
        self.data = data if isinstance(data, Lined) else Lined(line=line)
        self.asked: set[str] = set()
        if not isinstance(data, Lined):
            self.fault("phải gồm các mục “khóa: giá trị”")

    def fault(self, message: str, key: str | None = None) -> None:
        """Note a fault at the line of a key, or of the mapping itself."""
        named = f"{self.name}: {message}" if self.name else message
        self.faults.append(Fault(self.file, self.data.line_of(key), named))

    def has(self, key: str) -> bool:
        """Whether the key is there with a value."""
        self.asked.add(key)
        return self.data.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """A text; one that YAML read as something else (012, no, a date) must be quoted."""
        if not self.has(key):
            return self._missing(key, default) or ""
        return self._text(self.data[key], key)

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A text or a list of texts."""
        if not self.has(key):
            return self._missing(key, default) or ()
        value = self.data[key]
        items = value if isinstance(value, list) else [value]
        if not items:
            self.fault(f"mục “{key}” trống", key)
        return tuple(self._text(item, key) for item in items)

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """One of the choices; a wrong one is a fault and counts as the first."""
        value = self.text(key, default)
        if value in choices:
            return value
        if value:
            self.fault(f"mục “{key}” là {value!r}; chỉ nhận {', '.join(choices)}", key)
        return choices[0]

    def choices(
        self, key: str, choices: tuple[str, ...], default: tuple[str, ...] | None = None
    ) -> tuple[str, ...]:
        """Some of the choices; wrong ones are faults and left out."""
        values = self.texts(key, default)
        for value in values:
            if value and value not in choices:
                self.fault(f"mục “{key}” có {value!r}; chỉ nhận {', '.join(choices)}", key)
        return tuple(value for value in values if value in choices)

    def number(self, key: str, default: int | float | None = None) -> int | float | None:
        """A finite number, whole ones as int; None when absent and no default is given."""
        if not self.has(key):
            return default
        value = self.data[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fault(f"mục “{key}” phải là số, không phải {value!r}", key)
            return default
        if not math.isfinite(value):
            self.fault(f"mục “{key}” phải là số hữu hạn", key)
            return default
        return int(value) if float(value).is_integer() else value

    def numbers(self, key: str, count: int) -> tuple[float, ...] | None:
        """So many finite numbers; None when absent or not so."""
        if not self.has(key):
            return None
        value = self.data[key]
        items = value if isinstance(value, list) else [value]
        if len(items) != count or not all(
            type(item) in (int, float) and math.isfinite(item) for item in items
        ):
            self.fault(f"mục “{key}” phải gồm {count} số hữu hạn, không phải {value!r}", key)
            return None
        return tuple(map(float, items))

    def flag(self, key: str) -> bool:
        """True or false; absent is false."""
        if not self.has(key):
            return False
        if not isinstance(self.data[key], bool):
            self.fault(f"mục “{key}” phải là true hoặc false", key)
            return False
        return bool(self.data[key])

    def day(self, key: str) -> date | None:
        """A date as "2025-12-31"; None when absent."""
        return self._day(self.data[key], key) if self.has(key) else None

    def begins(self, before: date | None) -> date | None:
        """From which day a change holds (``from``): there, and after the one before it."""
        day = self.day("from")
        if day is None:
            self.fault("thay đổi phải ghi “from”: ngày bắt đầu", "from")
        elif before is not None and day <= before:
            self.fault("ngày bắt đầu phải sau lời trước đó", "from")
        return day

    def days(self, key: str) -> tuple[date, ...]:
        """A date or a list of dates, at least one."""
        if not self.has(key):
            self._missing(key, None)
            return ()
        value = self.data[key]
        found = [self._day(item, key) for item in (value if isinstance(value, list) else [value])]
        return tuple(day for day in found if day is not None)

    def span(self, key: str) -> timedelta | None:
        """A length of time as 60s, 5m, 2h or 1d; None when absent."""
        if not self.has(key):
            return None
        found = _SPAN.fullmatch(self._text(self.data[key], key))
        if found is None:
            self.fault(f"mục “{key}” phải viết như 60s, 5m, 2h, 1d", key)
            return None
        return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])

    def form(self, key: str, name: str = "") -> "Form":
        """The mapping under a key; an absent one is a fault."""
        if not self.has(key):
            self._missing(key, None)
        data = self.data.get(key)
        line = self.data.line_of(key)
        if data is None:
            data = Lined(line=line)
        return Form(self.file, name or self.name, data, self.faults, line=line)

    def forms(self, key: str) -> dict[str, "Form"]:
        """The mappings under a key by their own keys, which must be texts; absent is empty."""
        group = self.form(key) if self.has(key) else None
        found = {}
        for name, data in (group.data if group else {}).items():
            line = group.data.line_of(name) if group else 0
            if not isinstance(name, str):
                message = f"khóa đọc thành {name}; hãy đặt trong dấu nháy"
                self.faults.append(Fault(self.file, line, message))
                continue
            form = Form(self.file, name, data, self.faults, line=line)
            form.data.line = line  # the line of "I02b:", not of its first field
            found[name] = form
        return found

    def listed(self, key: str) -> list["Form"]:
        """The mappings of a list, each with its line; what is no list of them is a fault."""
        value = self.data[key] if self.has(key) else []
        items = value if isinstance(value, list) else [value]
        lines = [item.line if isinstance(item, Lined) else self.data.line_of(key) for item in items]
        return [
            Form(self.file, f"{self.name}.{key}[{i}]", item, self.faults, line=line)
            for i, (item, line) in enumerate(zip(items, lines, strict=True))
        ]

    def close(self) -> None:
        """Refuse keys that nobody asked for: mostly misspelt ones."""
        for key in self.data:
            if key not in self.asked:
                self.fault(f"không có mục “{key}”", key)

    def _missing(self, key: str, default: Any) -> Any:
        if default is None:
            self.fault(f"thiếu mục “{key}”", key)
        return default

    def _text(self, value: Any, key: str) -> str:
        if not isinstance(value, str):
            self.fault(f"mục “{key}” đọc thành {value}; hãy đặt trong dấu nháy", key)
            return ""
        if not value.strip():
            self.fault(f"mục “{key}” trống", key)
        return value.strip()

    def _day(self, value: Any, key: str) -> date | None:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        try:
            if isinstance(value, str) and len(value) == 10:
                return date.fromisoformat(value)
        except ValueError:
            pass
        self.fault(f"mục “{key}” phải là ngày viết như 2025-12-31, không phải {value!r}", key)
        return None
