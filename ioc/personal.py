"""What looks like personal data in a text: it is never kept."""

import re

_LONGEST = 120  # letters of a file's name
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


def shown_name(file: str) -> str:
    """The path of a file as it may be told: what looks personal in its name is not."""
    folder, slash, name = file.rpartition("/")
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    if personal(stem) or re.search(r"\d{9}", stem):
        stem = "(đã che)"
    return f"{folder}{slash}{stem[: _LONGEST - len(suffix)]}{dot}{suffix[:10]}"
