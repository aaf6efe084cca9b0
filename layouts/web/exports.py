"""Exports at this machine: a file with its side-car, and the proof that it can be made again."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from ioc.clock import right_now
from ioc.errors import IocError
from ioc.principal import Principal
from kpi import audit
from layouts.web import described, differences
from layouts.web.dialect import dialect_of, instant
from layouts.web.differences import Sheet
from layouts.web.downloads import TAIL
from layouts.web.files import File, fleeting, sealed
from layouts.web.filters import KINDS, ROOT, Asked, one_dialect, read
from layouts.web.problems import Problem
from layouts.web.workbook import ABOUT

BESIDE = ".datapackage.json"


def stream(
    store: Any,
    question: str,
    given: Mapping[str, str],
    kind: str = "csv",
    *,
    who: Principal | None = None,
    columns: Sequence[str] = (),
) -> Iterator[bytes]:
    """The file of one question, as its address gives it to whoever sits here, or to ``who``.

    With ``columns`` it has these alone, as an older release wrote it.
    """
    try:
        file = _file(store, _asked(store, question, given, kind), kind, who)
        _narrow(file, columns)
        yield from file.bytes()
    except Problem as problem:
        raise IocError(problem.detail) from problem


def save(
    store: Any, question: str, given: Mapping[str, str], path: Path, *, home: str = ""
) -> dict[str, Any]:
    """Write what a page's button would give, held at a seal, with its side-car beside it.

    The kind of file is what its name ends with. Returns the side-car.

    Raises:
        IocError: the question means nothing, or the file could not be whole; nothing is left then.
    """
    now, who, kind = right_now(), Principal.local_admin(), path.suffix.removeprefix(".")
    try:
        asked = _asked(store, question, dict(given) | {"download": "1"}, kind)
        asked = sealed(store, asked, now) if fleeting(asked, now) else asked
        file = _file(store, asked, kind)
        size, digest = _write(file, path)
        told = file.told_of(size, digest)
    except Problem as problem:
        raise IocError(problem.detail) from problem
    told["file"] = told["resources"][0]["path"] = path.name
    told |= {
        "permalink": home.rstrip("/") + told["address"],
        "exporter": who.name,
        "exported_at": instant(now),
        "described_at": instant(now),
    }
    path.with_name(path.name + BESIDE).write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    audit.write(store, "export", who, question, file=kind, filters=asked.filters, rows=told["rows"])
    return told


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a file came out again byte for byte, and what is to be said of it."""

    same: bool
    said: list[str]


def reproduce(store: Any, path: Path, sheet: Sheet, *, out: Path | None = None) -> Verdict:
    """Ask again for what a side-car, a file beside one, or a workbook describes, and compare.

    The rows are read with the rights that the file was made with, as it records them.

    Raises:
        IocError: nothing says what the file is, or its question cannot be asked any more.
    """
    told, made = _description(path, sheet)
    question, kind, given = _address(told["address"])
    limits = {
        name: None if held is None else frozenset(held) for name, held in told["scope"].items()
    }
    who = Principal(Principal.local_admin().name, "analyst", **limits)
    said = [f"Hỏi lại: {told['address']}", f"Phạm vi: {_scope(told['scope'])}"]
    with tempfile.TemporaryDirectory(prefix="ioc-export-") as folder:
        again = out or Path(folder, f"again.{kind}")
        try:
            file = _file(store, _asked(store, question, given, kind), kind, who)
            said += _releases(told.get("release"), file)
            said += _narrow(file, told.get("columns", ()))
            _, digest = _write(file, again)
            new = file.facts()
        except Problem as problem:
            raise IocError(problem.detail) from problem
        verdict, more = _compared(told, made, digest, new["rows"])
        said += more
        if verdict:
            return Verdict(True, said)
        said += _facts_apart(told, new)
        if made and _hash(made) != digest:
            said += _apart(made, again, kind, file, sheet)
        if "as_of" not in given:
            said.append("Địa chỉ không có as_of: câu hỏi này chỉ biết hiện nay.")
        return Verdict(False, said)


def _compared(
    told: Mapping[str, Any], made: Path | None, digest: str, rows: int
) -> tuple[bool, list[str]]:
    """Whether what is asked now is the file in hand (or what its side-car records), in words."""
    recorded, mine = told.get("sha256"), _hash(made) if made else ""
    said = []
    if recorded:
        said.append(f"SHA-256 ghi lại: {recorded}")
    if mine and mine != recorded:
        edited = "Tệp đã bị sửa sau khi xuất: SHA-256 của nó là" if recorded else "SHA-256 của tệp:"
        said.append(f"{edited} {mine}")
    whole = mine in ("", recorded) or not recorded
    if digest == (mine or recorded):
        same = f"{'Tệp trùng' if mine else 'Trùng'} từng byte với số hỏi lại: {rows} dòng."
        wrong = "Tệp trùng số hỏi lại, nhưng tệp mô tả ghi mã băm khác: tệp mô tả đã bị sửa."
        return whole, [*said, same if whole else wrong]
    if digest == recorded:
        said.append("Hỏi lại cho đúng SHA-256 ghi lại: tệp lúc xuất đúng với số hỏi lại.")
    else:
        said.append(f"KHÁC: hỏi lại cho SHA-256 {digest}")
    return False, said


def _apart(made: Path, again: Path, kind: str, file: File, sheet: Sheet) -> Iterator[str]:
    """Where the file in hand is not what is asked now; or that it is damaged."""
    if kind == "xlsx" and (damage := differences.damage(made)):
        yield f"{made.name}: {damage}."
    elif kind == "xlsx":
        yield from differences.workbooks(made, again, sheet)
    elif kind == "json":
        yield from differences.documents(made, again)
    else:
        separator = dialect_of(file.asked.filters).separator
        yield from differences.lines(made, again, separator)


def _releases(recorded: str | None, file: File) -> Iterator[str]:
    """Let a file say the release that wrote it, and say so where that is another."""
    now, file.release = file.release, recorded
    if recorded != now:
        yield f"Tệp do bản {recorded or '(không ghi)'} xuất, hỏi lại bằng bản {now}."


def _narrow(file: File, recorded: Sequence[str]) -> Iterator[str]:
    """Give a file the columns that an older release wrote, in their order; what is missing."""
    columns = [name for name in recorded if name not in TAIL]
    known = file.answer.columns
    gone = [name for name in columns if name not in known]
    if columns and tuple(columns) != known:
        kept = tuple(name for name in columns if name in known)
        file.answer = file.answer.narrowed(kept)
    return iter([f"Cột không còn: {', '.join(gone)}."] if gone else [])


def _asked(store: Any, question: str, given: Mapping[str, str], kind: str) -> Asked:
    asked = read(question, given, store, right_now())
    one_dialect(asked.filters, kind)
    return asked


def _file(store: Any, asked: Asked, kind: str, who: Principal | None = None) -> File:
    return File.of(store, who or Principal.local_admin(), asked, kind)


def _write(file: File, path: Path) -> tuple[int, str]:
    """Put a file in its place once it is whole; its length and hash."""
    file.seen.columns = described.TOLD
    building = path.with_name(f".{path.name}.dang-ghi")
    try:
        with building.open("wb") as target:
            for part in file.bytes():
                target.write(part)
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)
    return path.stat().st_size, _hash(path)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _description(path: Path, sheet: Sheet) -> tuple[dict[str, Any], Path | None]:
    """What a file says of itself, and the file where it is there."""
    if not path.is_file():
        raise IocError(f"không có tệp {path}")
    beside = path if path.name.endswith(".json") else path.with_name(path.name + BESIDE)
    if not (told := _side_car(beside)) and path.suffix == ".json":
        told = _side_car(beside := path.with_name(path.name + BESIDE))
    if told:
        made = path if path != beside else path.with_name(Path(told["file"]).name)
        return told, made if made.is_file() else None
    if path.suffix != ".xlsx":
        raise IocError(f"{path.name}: cần tệp mô tả {path.name}{BESIDE} ở bên cạnh")
    lines = iter(sheet(path, ABOUT))
    head = list(takewhile(any, lines))  # up to the empty line before the columns
    columns = [str(line[0]) for line in takewhile(any, lines)][1:]
    words = {str(line[0]): line[2] for line in head if len(line) > 2}
    limits = {
        name.removeprefix("scope "): None
        if held == "*"
        else [one for one in held.split(",") if one]
        for name, held in words.items()
        if name.startswith("scope ")
    }
    if "address" not in words or len(limits) != 2:
        raise IocError(f"{path.name}: trang mô tả không còn nguyên")
    told = {"address": words["address"], "scope": limits, "columns": columns}
    return told | {"release": words.get("release")}, path


def _side_car(path: Path) -> dict[str, Any] | None:
    try:
        told = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    wanted = {"resources", "address", "scope", "sha256", "file"}
    return told if isinstance(told, dict) and wanted <= told.keys() else None


def _address(address: str) -> tuple[str, str, dict[str, str]]:
    parts = urlsplit(address)
    found = re.fullmatch(rf"{ROOT}/([a-z-]+)\.({'|'.join(KINDS)})", parts.path)
    if not found:
        raise IocError(f"{address!r} không phải địa chỉ dữ liệu")
    return found[1], found[2], dict(parse_qsl(parts.query))


def _scope(limits: Mapping[str, list[str] | None]) -> str:
    words = {"org_units": "đơn vị", "indicator_classes": "loại chỉ số"}
    return "; ".join(
        f"{words[name]} {'tất cả' if held is None else ', '.join(held) or 'không có'}"
        for name, held in limits.items()
    )


def _facts_apart(told: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What both descriptions know and say differently."""
    for name, word in (("rows", "số dòng"), ("definitions", "định nghĩa")):
        if name in told and told[name] != new[name]:
            yield f"Khác {word}: {told[name]} → {new[name]}"
