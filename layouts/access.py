"""Who may use what: the access matrix of ``access.yaml``, by role.

What one may do hangs on the role and is decided here; what one may read hangs on the org units
and classes of the principal and is decided in every question.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, get_args

from ioc.config import read_yaml
from ioc.errors import ConfigError, Fault, Forbidden
from ioc.principal import Principal, Role

FILE = Path(__file__).with_name("access.yaml")
NOBODY = "anonymous"
ROLES = (NOBODY, *get_args(Role))
KINDS = ("routes", "pages", "callbacks", "questions", "exports")
UNLISTED = frozenset({"admin"})
"""Whose alone is what stands in no row."""
REFUSED = "Vai trò của tài khoản này không dùng được mục này."

Matrix = dict[str, dict[str, frozenset[str]]]


@cache
def matrix() -> Matrix:
    """Kind, then name, to the roles that may.

    Raises:
        ConfigError: a kind, group or role that does not exist.
    """
    faults: list[Fault] = []
    said = read_yaml(FILE, faults)
    groups = {name: frozenset(roles) for name, roles in said.get("groups", {}).items()}
    strange = {role for roles in groups.values() for role in roles} - set(ROLES)
    faults += [Fault(str(FILE), 0, f"không có vai trò {role!r}") for role in sorted(strange)]
    for kind in set(said) ^ {"groups", *KINDS}:
        faults.append(Fault(str(FILE), 0, f"mục {kind!r} thừa hoặc thiếu"))
    for kind in KINDS:
        for name, group in said.get(kind, {}).items():
            if group not in groups:
                faults.append(Fault(str(FILE), 0, f"{kind} {name}: không có nhóm {group!r}"))
    if faults:
        raise ConfigError(faults)
    return {kind: {name: groups[group] for name, group in said[kind].items()} for kind in KINDS}


def may(role: str, kind: str, name: str) -> bool:
    """Whether a role may use a thing of a kind."""
    return role in matrix()[kind].get(name, UNLISTED)


def check(who: Principal, kind: str, name: str) -> None:
    """Refuse what the role may not use.

    Raises:
        Forbidden: in one sentence.
    """
    if not may(who.role, kind, name):
        raise Forbidden(REFUSED)


def callback_name(declared: Any) -> str:
    """What a callback is called in the matrix: its module, of ours without the room's name."""
    function = declared["callback"]
    return f"{function.__module__}.{function.__name__}".removeprefix("layouts.")


def table() -> list[str]:
    """The matrix as a table of a document, in the order of the file."""
    lines = [f"| | {' | '.join(ROLES)} |", f"|---|{'---|' * len(ROLES)}"]
    for kind in KINDS:
        lines.append(f"| **{kind}** |{' |' * len(ROLES)}")
        for name, roles in matrix()[kind].items():
            cells = " | ".join("✓" if role in roles else "" for role in ROLES)
            lines.append(f"| `{name}` | {cells} |")
    return lines
