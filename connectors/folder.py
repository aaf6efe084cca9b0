"""A source's files: whole ones only, never a link, never one that is still being written."""

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

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
    """A file as it stood when its place was listed.

    ``name`` tells it from all others there, its last part (after "/") is what people call it;
    ``mtime_ns`` changes whenever the file does, ``modified`` is by our own clock.
    """

    name: str
    size: int
    modified: datetime
    mtime_ns: int

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name.rpartition("/")[2]


class Shelf(Protocol):
    """A place of files: a folder of this machine, or one that is reached over a network.

    ``settles``: a file there may be half written; ``counted``: what it reads is counted already.
    """

    settles: bool
    counted: bool

    def listed(self, suffixes: tuple[str, ...]) -> list[File]: ...

    def read(self, file: File) -> bytes: ...

    def close(self) -> None: ...


class Folder:
    """A folder that this machine sees, its own or a mounted one."""

    settles, counted = True, False

    def __init__(self, path: Path):
        self._path = path

    def listed(self, suffixes: tuple[str, ...]) -> list[File]:
        """Regular files with these suffixes, oldest first; temporary names are passed over."""
        try:
            here = [path for path in self._path.iterdir() if is_data(path.name, suffixes)]
            found = [(path.name, path.lstat()) for path in here]
        except OSError as error:
            raise unreadable(error) from None
        return in_order(
            File(name, at.st_size, datetime.fromtimestamp(at.st_mtime, UTC), at.st_mtime_ns)
            for name, at in found
            if stat.S_ISREG(at.st_mode)
        )

    def read(self, file: File) -> bytes:
        """The bytes of a listed file; Transient when it is no longer what was listed."""
        try:
            with (self._path / file.name).open("rb") as stream:
                body = stream.read(file.size + 1)
                at = os.fstat(stream.fileno())
        except OSError as error:
            raise unreadable(error, file) from None
        if (at.st_size, at.st_mtime_ns, len(body)) != (file.size, file.mtime_ns, file.size):
            raise still_written(file)
        return body

    def close(self) -> None:
        """Nothing is held open."""


def in_order(files: Iterable[File]) -> list[File]:
    """Oldest first."""
    return sorted(files, key=lambda file: (file.mtime_ns, file.name))


def is_data(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a name is one of a report: neither hidden nor temporary."""
    return name.lower().endswith(suffixes) and not name.startswith((".", "~"))


def still_written(file: File) -> Transient:
    """A file is no longer what was listed."""
    return Transient(f"{file.name}: tệp đang được ghi")


def unreadable(error: OSError, file: File | None = None) -> Transient:
    """Why a folder, or a file of it, cannot be read, in words that an official reads."""
    why = WHY.get(error.errno or 0, f"lỗi hệ thống số {error.errno}")
    what = f"{file.name}: không đọc được tệp" if file else "không đọc được thư mục"
    return Transient(f"{what}: {why}")
