"""Reads YAML so that every fault has its line, and secrets only at the moment they are used.

Only plain data is read: no tags, anchors or merge keys (what a line means stands on that line),
no key twice, UTF-8 in NFC. Values are what YAML makes of them, ``012`` is 10 and ``no`` is False:
whoever expects a string checks for one and asks for quotes.
"""

import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ioc.errors import Fault, NeedsCredentials

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_REFERENCE = re.compile(r"\$\{(?P<name>IOC_[A-Z0-9_]+)(?::-(?P<default>[^}]*))?\}")


class Lined(dict):
    """A mapping that knows its own line and the line of each key (1-based)."""

    def __init__(self, *args: Any, line: int = 1, lines: Mapping[str, int] | None = None):
        super().__init__(*args)
        self.line = line
        self.lines: dict[Any, int] = dict(lines or {})

    def line_of(self, key: Any) -> int:
        """The line of a key, else of the mapping itself."""
        return self.lines.get(key, self.line)


def read_yaml(path: Path | str, faults: list[Fault]) -> Any:
    """Read one YAML file; faults are added to the list, never raised.

    Returns plain data whose mappings are ``Lined``; an empty or unreadable file is an
    empty ``Lined``.
    """
    file = str(path)
    text = _read_text(Path(path), faults)
    if text is None:
        return Lined()
    before = len(faults)
    try:
        _refuse_magic(text, file, faults)
        node = yaml.compose(text, Loader=_Loader) if len(faults) == before else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or ""
        faults.append(Fault(file, mark.line + 1 if mark else 0, f"YAML sai cú pháp: {problem}"))
        return Lined()
    except (yaml.YAMLError, ValueError) as error:
        faults.append(Fault(file, 0, f"YAML không đọc được: {error}"))
        return Lined()
    if node is None:
        return Lined()
    data = _build(node, _Loader(""), file, faults)
    return Lined() if data is None else data


def _read_text(path: Path, faults: list[Fault]) -> str | None:
    file = str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        faults.append(Fault(file, 0, f"không đọc được tệp: {error.strerror or error}"))
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        faults.append(Fault(file, line, "không phải UTF-8"))
        return None
    if not unicodedata.is_normalized("NFC", text):
        for number, line_text in enumerate(text.splitlines(), 1):
            if not unicodedata.is_normalized("NFC", line_text):
                faults.append(Fault(file, number, "chữ có dấu chưa ở dạng dựng sẵn (NFC)"))
    return text


def _refuse_magic(text: str, file: str, faults: list[Fault]) -> None:
    documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        documents += isinstance(event, yaml.DocumentStartEvent)
        if tag := getattr(event, "tag", None):
            faults.append(Fault(file, line, f"không dùng thẻ YAML ({tag})"))
        if anchor := getattr(event, "anchor", None):
            faults.append(Fault(file, line, f"không dùng neo YAML (&{anchor}, *, <<)"))
    if documents > 1:
        faults.append(Fault(file, 0, "tệp có nhiều tài liệu YAML (---); chỉ được một"))


def _build(node: yaml.Node, loader: Any, file: str, faults: list[Fault]) -> Any:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(node, loader, file, faults)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, loader, file, faults) for item in node.value]
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or error
        faults.append(Fault(file, line, f"giá trị {node.value!r} không đọc được: {problem}"))
        return None


def _build_mapping(node: yaml.MappingNode, loader: Any, file: str, faults: list[Fault]) -> Lined:
    data = Lined(line=node.start_mark.line + 1)
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            faults.append(Fault(file, line, "khóa phải là một từ hoặc chuỗi"))
            continue
        key = _build(key_node, loader, file, faults)
        if key in data:
            faults.append(Fault(file, line, f"khóa {key!r} bị lặp (dòng {data.lines[key]})"))
            continue
        data.lines[key] = line
        data[key] = _build(value_node, loader, file, faults)
    return data


def secret(name: str, env: Mapping[str, str]) -> str | None:
    """A secret or address by its name: systemd credential, else ``NAME_FILE``, else ``NAME``.

    Read anew at each use, so that a rotated file needs no restart; None when it is not given.

    Raises:
        NeedsCredentials: the file is named but cannot be read: no fall-back to an older value.
    """
    if folder := env.get("CREDENTIALS_DIRECTORY"):
        credential = Path(folder) / name
        if credential.is_file():
            return _read_secret(credential, name)
    if file := env.get(f"{name}_FILE"):
        return _read_secret(Path(file), f"{name}_FILE")
    return env.get(name)


def _read_secret(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "không phải UTF-8"
        raise NeedsCredentials(f"{name}: không đọc được tệp: {reason}") from error


def expand(text: str, env: Mapping[str, str] = os.environ) -> str:
    """Put the values of ``${IOC_NAME}`` (or ``${IOC_NAME:-default}``) into a text.

    Raises:
        NeedsCredentials: a name has neither value nor default; the message names it, no value.
    """

    def value_of(found: re.Match[str]) -> str:
        value = secret(found["name"], env) or found["default"]
        if value is None:
            raise NeedsCredentials(f"chưa đặt {found['name']} (biến môi trường hoặc tệp)")
        return value

    return _REFERENCE.sub(value_of, text)


def references(text: str) -> list[str]:
    """Names of all ``${IOC_NAME}`` in a text, in order."""
    return [found["name"] for found in _REFERENCE.finditer(text)]
