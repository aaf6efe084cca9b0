"""A data package is a folder that anybody can read: ``datapackage.json`` says what each file holds.

The form is that of Frictionless Data (Data Package, Table Schema): CSV in UTF-8, long tables packed
with gzip. ``SHA256SUMS`` is written last and covers every file, so that a folder that is damaged
or cut short shows; ``sha256sum -c`` reads it too.
"""

import csv
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ioc.errors import IocError
from kpi.archive import PRODUCT, SUMS, sync_folder

DESCRIPTOR, README = "datapackage.json", "README.txt"
MARK = "DỮ LIỆU MẪU"
PROFILE = "tabular-data-resource"
_PIECE = 1 << 20
_CELL = 1 << 27
_LINE = re.compile(r"([0-9a-f]{64})  (\S[^\n]*)\n")


class Package:
    """A folder under way; ``written`` puts it in its place once every file is whole."""

    def __init__(self, folder: Path, descriptor: Mapping[str, Any]):
        self.folder, self._said = folder, dict(descriptor)
        self._resources: list[dict[str, Any]] = []
        self._sums: dict[str, str] = {}

    def table(
        self, name: str, fields: list[dict[str, Any]], rows: Iterable[list[str]], **more: Any
    ) -> None:
        """Write one table from rows of cells, a gzipped CSV, and describe it."""
        path = f"data/{name}.csv.gz"
        count = 0
        with self._packed(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
            writer = csv.writer(text, lineterminator="\r\n")
            writer.writerow([one["name"] for one in fields])
            for row in rows:
                writer.writerow(row)
                count += 1
            text.flush()
            text.detach()
        self._describe(name, path, PROFILE, fields=fields, rows=count, compression="gz", **more)

    def csv(self, name: str, chunks: Iterable[bytes], fields: Any = None, **more: Any) -> None:
        """Write a table that comes as the bytes of a CSV; ``fields`` from its header by default."""
        path, digest, head = f"figures/{name}.csv.gz", hashlib.sha256(), b""
        with self._packed(path) as file:
            for chunk in chunks:
                head = head or chunk
                digest.update(chunk)
                file.write(chunk)
        columns = next(csv.reader([head.split(b"\r\n", 1)[0].decode()]))
        named = fields(columns) if fields else [{"name": c, "type": "string"} for c in columns]
        more |= {"compression": "gz", "content_hash": f"sha256:{digest.hexdigest()}"}
        self._describe(name, path, PROFILE, fields=named, **more)

    def file(self, name: str, path: str, body: bytes, **more: Any) -> None:
        """Write any other file."""
        with self._open(path) as file:
            file.write(body)
        self._describe(name, path, "data-resource", **more)

    def close(self) -> dict[str, Any]:
        """Write the descriptor and the sums; what was written."""
        said = {"profile": "data-package", **self._said, "resources": self._resources}
        with self._open(README) as file:
            file.write(_told(said).encode())
        with self._open(DESCRIPTOR) as file:
            file.write(json.dumps(said, ensure_ascii=False, indent=1).encode())
        sums = "".join(f"{digest}  {name}\n" for name, digest in self._sums.items())
        with self._open(SUMS) as file:
            file.write(sums.encode())
        return said

    def _describe(self, name: str, path: str, profile: str, **more: Any) -> None:
        said: dict[str, Any] = {"name": name.replace("_", "-").lower(), "path": path}
        said["profile"] = profile
        if profile == PROFILE:
            fields = more.pop("fields")
            key = more.pop("key", None)
            said |= {"format": "csv", "mediatype": "text/csv", "encoding": "utf-8"}
            said["schema"] = {"fields": fields, "missingValues": [""]}
            if key:
                said["schema"]["primaryKey"] = key
        said |= {"bytes": (self.folder / path).stat().st_size, "hash": f"sha256:{self._sums[path]}"}
        self._resources.append(said | more)

    @contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        target = self.folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as file:
            target.chmod(0o600)
            watched = _Hashing(file)
            yield watched
            file.flush()
            os.fsync(file.fileno())
        self._sums[path] = watched.digest.hexdigest()

    @contextmanager
    def _packed(self, path: str) -> Iterator[Any]:
        """A file whose packing says nothing of when it was packed."""
        with self._open(path) as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            yield packed


@contextmanager
def written(target: Path, descriptor: Mapping[str, Any]) -> Iterator[Package]:
    """A package that is built beside its place and moved there whole, or not at all.

    Raises:
        IocError: there is something there already, or it cannot be written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise IocError(f"{target} đã có; hãy chọn một thư mục mới")
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        package = Package(unfinished, descriptor)
        yield package
        package.close()
        if target.is_dir():
            target.rmdir()
        unfinished.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise IocError(f"không ghi được {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def read_checked(folder: Path) -> dict[str, Any]:
    """The descriptor of a package, once every byte of every file has the hash it was written with.

    Raises:
        IocError: it is not one of ours, a file is missing, damaged, cut short, or one too many.
    """
    stated = dict(_sums(folder))
    there = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    if DESCRIPTOR not in stated or there != {*stated, SUMS}:
        odd = sorted(there ^ {*stated, SUMS})
        raise IocError(f"bộ dữ liệu {folder} thiếu hoặc thừa tệp: {', '.join(odd[:5])}")
    for name, digest in stated.items():
        if (folder / name).is_symlink() or _digest(folder / name) != digest:
            raise IocError(f"bộ dữ liệu {folder} bị hỏng hoặc bị cắt cụt: {name} sai mã băm")
    try:
        found = json.loads((folder / DESCRIPTOR).read_text(encoding="utf-8"))
        resources = {one["path"]: one for one in found["resources"]}
        said = {path: one["hash"] for path, one in resources.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise IocError(f"{folder} không phải bộ dữ liệu của chương trình này") from error
    files = {k: f"sha256:{v}" for k, v in stated.items() if k not in (DESCRIPTOR, README)}
    if found.get("product") != PRODUCT or said != files:
        raise IocError(f"{folder} không phải bộ dữ liệu của chương trình này")
    return found


def rows(folder: Path, resource: Mapping[str, Any]) -> Iterator[list[str]]:
    """The rows of a table, cells as text, its header checked and left out."""
    names = [one["name"] for one in resource["schema"]["fields"]]
    try:
        csv.field_size_limit(_CELL)
        with gzip.open(folder / resource["path"], "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            if next(reader, None) != names:
                raise IocError(f"{resource['path']}: dòng đầu không khớp {DESCRIPTOR}")
            count = 0
            for count, row in enumerate(reader, 1):
                if len(row) != len(names):
                    raise IocError(f"{resource['path']} dòng {count + 1}: sai số cột")
                yield row
        if count != resource["rows"]:
            raise IocError(f"{resource['path']}: {count} dòng, bản kê ghi {resource['rows']}")
    except (OSError, EOFError, csv.Error, UnicodeDecodeError, zlib.error) as error:
        raise IocError(f"{resource['path']}: không đọc được ({error})") from error


def content_hash(chunks: Iterable[bytes]) -> str:
    """What ``content_hash`` of a table says, of bytes that come anew."""
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _sums(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        text = (folder / SUMS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise IocError(f"{folder} không phải bộ dữ liệu: không có {SUMS}") from error
    end = 0
    for line in _LINE.finditer(text):
        path = PurePosixPath(line[2])
        if line.start() != end or path.is_absolute() or ".." in path.parts:
            break
        end = line.end()
        yield line[2], line[1]
    if end != len(text):
        raise IocError(f"bộ dữ liệu {folder} bị hỏng: {SUMS}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _told(said: Mapping[str, Any]) -> str:
    """What a person reads first, in a folder that may outlive the program."""
    lines = [said["title"], said["description"], ""]
    lines += [f"{one['path']}: {one.get('title', one['name'])}" for one in said["resources"]]
    lines += ["", *_HOW]
    return "\n".join(lines) + "\n"


_HOW = (
    f"Đọc thế nào: {DESCRIPTOR} ghi từng tệp, từng cột và kiểu của nó (Frictionless Data Package);",
    "tệp .csv.gz giải nén bằng gzip rồi mở như CSV (UTF-8, dấu phẩy). Ô trống: không biết hoặc",
    "không có, không bao giờ là 0. Thời điểm ghi theo UTC (kết thúc bằng Z) hoặc kèm +07:00.",
    "Ô chữ bắt đầu bằng dấu nháy đơn: bỏ đúng một dấu nháy đơn ở đầu.",
    f"Kiểm tra nguyên vẹn: sha256sum -c {SUMS}",
)


class _Hashing:
    """A file that hashes what is written to it."""

    def __init__(self, file: IO[bytes]):
        self._file, self.digest = file, hashlib.sha256()

    def write(self, piece: Any) -> int:
        self.digest.update(piece)
        return self._file.write(piece)

    def flush(self) -> None:
        self._file.flush()
