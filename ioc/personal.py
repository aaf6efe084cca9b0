"""What looks like personal data in a text: it is never kept."""

import re

_PERSONAL = (
    ("giống số định danh cá nhân", re.compile(r"(?<![\d.])(?:\d[ ]?){11}\d(?![ .]?\d)")),
    ("giống số điện thoại", re.compile(r"(?<![\d.])(?:0|\+?84)(?:[ .-]?\d){9,10}(?![ .-]?\d)")),
    ("giống địa chỉ thư điện tử", re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")),
)


def personal(text: str) -> str | None:
    """What kind of personal data a text looks like (Vietnamese), None when like none."""
    if len(text) < 6:
        return None
    for name, pattern in _PERSONAL:
        if pattern.search(text):
            return name
    return None
