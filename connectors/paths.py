"""Finds a value in a row: by a plain key where it is one, else by JMESPath."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import jmespath

PLAIN = re.compile(r"[^.\[\]|&*@`'\"(){}?]+")

_TOP = re.compile(r'\s*"?([^.\[\]|"\s]+)')

Get = Callable[[Mapping[str, Any]], Any]


def getter(path: str, *, flat: bool = False) -> Get:
    """A plain key goes around JMESPath, which costs ten times as much; ``flat`` rows have no other.

    Raises:
        JMESPathError: the expression is not one.
    """
    if flat or PLAIN.fullmatch(path):
        return lambda row: row.get(path)
    return jmespath.compile(path).search


def top(path: str) -> str:
    """The key of a row at which a path begins."""
    if PLAIN.fullmatch(path):
        return path
    found = _TOP.match(path)
    return found[1] if found else path
