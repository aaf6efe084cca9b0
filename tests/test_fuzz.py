"""Ten thousand addresses and ten thousand callbacks that nobody means: no 5xx, no trace."""

import copy
import random
from typing import Any
from urllib.parse import quote

import pytest

from layouts.web import filters
from tests.test_access import FULL, Door, blank, door  # noqa: F401  a fixture

pytest_plugins = ["tests.worlds"]
MANY = 10_000
TEXTS = (
    "", "1", "0", "-1", "9" * 30, "I02b", "T02", "area-qb", "commune", "month", "2025", "2025-06",
    "2025-99", "2999-01-01", "2025-06-30T00:00:00+07:00", "' OR 1=1 --", "<script>", "../../etc",
    "%00", "\x00", "\ud7ff", "🙂" * 9, "{}", "[]", "NaN", "null", "a,b,,c", "=cmd|' /C calc'!A0",
)  # fmt: skip
NAMES = sorted({name for _, some in filters.QUESTIONS.values() for name in some})
NAMES += [
    "limit",
    "after",
    "download",
    "manifest",
    "separator",
    "decimal",
    "x",
    "self",
    "__class__",
    "",
]
VALUES: tuple[Any, ...] = (None, True, -1, 1e308, "", "x", [], {}, [[]], {"id": {}}, TEXTS[4])


def address(dice: random.Random) -> str:
    """An address under /api, near enough to a good one to be read."""
    question = dice.choice([*filters.QUESTIONS, "nothing", "..", "%2e%2e", quote("tỉnh")])
    kind = dice.choice(("json", "json", "csv", "xlsx", "xml", ""))
    pairs = [(dice.choice(NAMES), dice.choice(TEXTS)) for _ in range(dice.randrange(4))]
    text = "&".join(f"{name}={quote(value, errors='replace')}" for name, value in pairs)
    return f"/api/v1/{question}.{kind}?{text}"


def spoilt(dice: random.Random, part: Any) -> Any:
    """The same body with one thing in it changed, at any depth."""
    if isinstance(part, dict) and part and dice.random() < 0.85:
        name = dice.choice(list(part))
        return part | {name: spoilt(dice, part[name])}
    if isinstance(part, list) and part and dice.random() < 0.85:
        at = dice.randrange(len(part))
        return [*part[:at], spoilt(dice, part[at]), *part[at + 1 :]]
    return dice.choice(VALUES)


@pytest.mark.timeout(300)
def test_ten_thousand_addresses_are_answered_or_refused(door: Door) -> None:  # noqa: F811
    dice, seen = random.Random(8), {}
    for number in range(MANY):
        path = address(dice)
        answer = door.ask(path, FULL["analyst" if number % 2 else "viewer"])
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (path, answer.data)
        assert b"Traceback" not in answer.data, path
    assert seen[200] > 300 and seen[400] > 1_000, seen


@pytest.mark.timeout(300)
def test_ten_thousand_spoilt_callbacks_are_answered_or_refused(door: Door) -> None:  # noqa: F811
    dice, seen = random.Random(9), {}
    served = [(key, one) for key, one in door.app.callback_map.items() if "callback" in one]
    whole = [{"output": key, **blank(one)} for key, one in served]
    for _ in range(MANY):
        body = spoilt(dice, copy.deepcopy(dice.choice(whole)))
        answer = door.call(body, FULL["viewer"])
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (body, answer.data)
        assert b"Traceback" not in answer.data, body
    assert seen[400] > 5_000, seen
