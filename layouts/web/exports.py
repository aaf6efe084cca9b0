"""Exports at this machine: a file with its side-car, and the proof that it can be made again."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from ioc.clock import right_now
from ioc.errors import IocError
from ioc.principal import Principal
from kpi import audit
from layouts.web import described
from layouts.web.dialect import instant
from layouts.web.files import File, fleeting, sealed
from layouts.web.filters import KINDS, ROOT, Asked, one_dialect, read
from layouts.web.problems import Problem

BESIDE = ".datapackage.json"
SHOWN = 3
"""Lines that differ and are printed."""
Sheet = Callable[[Path], list[list[Any]]]
"""Reads the cells of a workbook's sheet ``described.ABOUT``."""


def stream(
    store: Any,
    question: str,
    given: Mapping[str, str],
    kind: str = "csv",
    *,
    who: Principal | None = None,
) -> Iterator[bytes]:
    """The file of one question, as its address gives it to whoever sits here, or to ``who``."""
    try:
        yield from _file(store, _asked(store, question, given, kind), kind, who).bytes()
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
            file.seen.columns = described.TOLD
            _, digest = _write(file, again)
            new = file.facts()
        except Problem as problem:
            raise IocError(problem.detail) from problem
        mine = _hash(made) if made else ""
        wanted = told.get("sha256") or mine
        said.append(f"SHA-256 ghi lại: {wanted}")
        whole = not mine or mine == wanted
        if not whole:
            said.append(f"Tệp đã bị sửa sau khi xuất: SHA-256 của nó là {mine}")
        if digest == wanted:
            said.append(f"Trùng từng byte: {new['rows']} dòng.")
            return Verdict(whole, said)
        said.append(f"KHÁC: hỏi lại cho SHA-256 {digest}")
        said += _facts_apart(told, new)
        if made:
            said += _zips_apart(made, again) if kind == "xlsx" else _lines_apart(made, again)
        if "as_of" not in given:
            said.append("Địa chỉ không có as_of: câu hỏi này chỉ biết hiện nay.")
        return Verdict(False, said)


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
    head = takewhile(any, sheet(path))  # up to the empty line before the columns
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
    return {"address": words["address"], "scope": limits}, path


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
    for name, word in (("rows", "số dòng"), ("columns", "cột"), ("definitions", "định nghĩa")):
        if name in told and told[name] != new[name]:
            yield f"Khác {word}: {told[name]} → {new[name]}"


def _lines_apart(old: Path, new: Path) -> Iterator[str]:
    count = 0
    with old.open("rb") as before, new.open("rb") as after:
        for number, (a, b) in enumerate(zip_longest(before, after), 1):
            if a != b:
                count += 1
                if count <= SHOWN:
                    yield f"Dòng {number}: {_shown(a)} → {_shown(b)}"
    yield f"{count} dòng khác nhau."


def _shown(line: bytes | None) -> str:
    return "(không có)" if line is None else line.decode("utf-8", "replace").strip()[:200]


def _zips_apart(old: Path, new: Path) -> Iterator[str]:
    """Which parts of two workbooks differ; none: only how they were packed."""
    try:
        with zipfile.ZipFile(old) as before, zipfile.ZipFile(new) as after:
            parts = {**_parts(before), **_parts(after)}
            apart = [name for name in parts if _parts(before).get(name) != _parts(after).get(name)]
    except zipfile.BadZipFile:
        yield "Tệp cũ không đọc được."
        return
    yield from (f"Khác phần {name}" for name in apart)
    if not apart:
        yield "Nội dung trùng nhau; chỉ cách nén khác (thư viện nén của hai máy khác nhau)."


def _parts(book: zipfile.ZipFile) -> dict[str, int]:
    return {one.filename: one.CRC for one in book.infolist()}
