"""A source's folder: whole files only, never a link, never one that is still being written."""

import errno
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ioc.errors import Transient

WHY = {
    errno.ENOENT: "không tồn tại",
    errno.ENOTDIR: "không phải thư mục",
    errno.EACCES: "không có quyền đọc",
    errno.EPERM: "không có quyền đọc",
    errno.EIO: "thiết bị lưu trữ báo lỗi",
    errno.ESTALE: "ổ đĩa mạng đã ngắt",
    errno.EHOSTDOWN: "máy chủ tệp không trả lời",
    errno.ETIMEDOUT: "máy chủ tệp không trả lời",
}
"""The system's own words are English; officials read the notes of a run."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in the source's folder, as it stood when the folder was listed."""

    name: str
    size: int
    modified: datetime
    mtime_ns: int


def listed(folder: Path, suffixes: tuple[str, ...]) -> list[File]:
    """Regular files with these suffixes, oldest first; temporary names are passed over."""
    try:
        found = [(path, path.lstat()) for path in folder.iterdir() if _is_data(path, suffixes)]
    except OSError as error:
        raise Transient(f"không đọc được thư mục: {_why(error)}") from None
    files = [
        File(path.name, at.st_size, datetime.fromtimestamp(at.st_mtime, UTC), at.st_mtime_ns)
        for path, at in found
        if stat.S_ISREG(at.st_mode)
    ]
    return sorted(files, key=lambda file: (file.mtime_ns, file.name))


def read_whole(folder: Path, file: File) -> bytes:
    """The bytes of a listed file; Transient when it is no longer what was listed."""
    try:
        with (folder / file.name).open("rb") as stream:
            body = stream.read(file.size + 1)
            at = os.fstat(stream.fileno())
    except OSError as error:
        raise Transient(f"{file.name}: không đọc được tệp: {_why(error)}") from None
    if (at.st_size, at.st_mtime_ns, len(body)) != (file.size, file.mtime_ns, file.size):
        raise Transient(f"{file.name}: tệp đang được ghi")
    return body


def _why(error: OSError) -> str:
    return WHY.get(error.errno or 0, f"lỗi hệ thống số {error.errno}")


def _is_data(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.suffix.lower() in suffixes and not path.name.startswith((".", "~"))
