"""Figures too small to be told: a rejection says which one it was, and not how many people."""

import re
from collections.abc import Mapping
from dataclasses import replace

from ioc.model import Rejection
from kpi.elements import Element

HIDDEN = "(đã che)"
_NUMBER = re.compile(r"(?<![\w-])\d[\d.,]*")


def hushed(said: Rejection, elements: Mapping[str, Element]) -> Rejection:
    """The rejection without small figures of people, nor any number in its reason.

    A figure that nobody can read may be a small one.
    """
    named = {name: elements[name] for name in said.fields if name in elements}
    if (name := said.fields.get("element", "")) in elements:
        named["value"] = elements[name]
    named = {key: element for key, element in named.items() if element.suppress_below}
    if not named:
        return said
    small = [
        key
        for key, element in named.items()
        if key in said.fields and element.hides(_number(said.fields[key]))
    ]
    fields = said.fields | dict.fromkeys(small, HIDDEN)
    return replace(said, fields=fields, reason=_NUMBER.sub("…", said.reason))


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return 0.0
