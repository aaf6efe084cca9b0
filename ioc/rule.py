"""The one judge: a reading of a plan's sentence, and whether a figure satisfies it, exactly.

Numbers become ``int`` or ``Fraction`` first, so that 80 of 100 is never "over 80 %", and a sum
that a database gave back as 81.0 is 81. NaN and None are unknown.
"""

import math
import re
from fractions import Fraction
from typing import NamedTuple

Exact = int | Fraction
Number = float | Fraction | None
"""What a store, a frame or another function may hand in."""
_READING = re.compile(r"(>=?) (\d+(?:\.\d+)?)")
_RANGE = re.compile(r"range (\d+(?:\.\d+)?) (\d+(?:\.\d+)?)")


class Rule(NamedTuple):
    """One way to read a sentence of the plan: an operator and its threshold."""

    operator: str
    threshold: float | None = None
    threshold_high: float | None = None

    @property
    def text(self) -> str:
        """As files and URLs carry it: ``> 80``, ``>= 60``, ``range 80 100``, ``qualitative``."""
        numbers = (self.threshold, self.threshold_high)
        return " ".join([self.operator, *(f"{n:g}" for n in numbers if n is not None)])


def parse_reading(text: str) -> Rule:
    """Read ``> 60`` or ``>= 60``; anything else raises ValueError."""
    found = _READING.fullmatch(text)
    if found is None:
        raise ValueError(f"cách đọc {text!r} phải viết như “> 60” hoặc “>= 60”")
    value = Fraction(found[2])
    return Rule(found[1], int(value) if value.denominator == 1 else float(value))


def parse_rule(text: str) -> Rule:
    """Read what ``Rule.text`` wrote: a reading, ``range 80 100`` or ``qualitative``."""
    if found := _RANGE.fullmatch(text):
        return Rule("range", float(found[1]), float(found[2]))
    return Rule(text) if text == "qualitative" else parse_reading(text)


def exact(number: Number) -> Exact | None:
    """The number as written: 81.0 is 81 and 12.3 is 123/10; None for NaN and None."""
    if number is None or isinstance(number, int | Fraction):
        return number
    value = float(number)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else Fraction(str(value))


def satisfies(
    operator: str,
    numerator: Number,
    denominator: Number,
    factor: float = 100,
    threshold: float | None = None,
    threshold_high: float | None = None,
) -> bool | None:
    """Whether numerator × factor stands against threshold × denominator as the operator asks.

    Returns:
        None where there is nothing to compare: a number is unknown, the denominator is 0, or
        the plan names no threshold. A range includes both its ends.
    """
    above, below, scale = exact(numerator), exact(denominator), exact(factor)
    low, high = exact(threshold), exact(threshold_high)
    if above is None or below is None or scale is None or below <= 0 or low is None:
        return None
    reached = above * scale
    match operator:
        case ">":
            return reached > low * below
        case ">=":
            return reached >= low * below
        case "range":
            return high is not None and low * below <= reached <= high * below
    return None
