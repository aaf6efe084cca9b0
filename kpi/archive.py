"""A backup is one tar.gz file: what it is, the files themselves, and the SHA-256 of each.

``manifest.json``, ``database.sqlite`` or ``database.dump``, ``config/…``, ``secret.key`` (only when
asked for) and last ``SHA256SUMS``, so that a file cut short shows; ``sha256sum -c`` reads it too.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ioc.errors import IocError

PRODUCT = "ioc-quang-binh"
MANIFEST, SUMS, KEY, CONFIG = "manifest.json", "SHA256SUMS", "secret.key", "config"
DATABASES = ("database.sqlite", "database.dump")
_PIECE = 1 << 20


def pack(target: Path, manifest: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Write the archive beside its place, read all of it back, and only then put it there."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    said = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
    try:
        with unfinished.open("xb") as file:
            unfinished.chmod(0o600)
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as tar:
                sums = {MANIFEST: _add(tar, MANIFEST, io.BytesIO(said), len(said))}
                for name, path in files.items():
                    with path.open("rb") as content:
                        sums[name] = _add(tar, name, content, path.stat().st_size)
                text = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode()
                _add(tar, SUMS, io.BytesIO(text), len(text))
            file.flush()
            os.fsync(file.fileno())
        read_checked(unfinished)
        unfinished.replace(target)
    except OSError as error:
        raise IocError(f"không ghi được {target}: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def read_checked(path: Path) -> dict[str, Any]:
    """The manifest of an archive, once every byte in it has the hash that it was written with.

    Raises:
        IocError: it is not one of ours, or it is damaged.
    """
    sums: dict[str, str] = {}
    manifest: Any = None
    stated = ""
    with opened(path) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or member.name in sums or not _is_ours(member.name):
                raise IocError(f"{path} không phải bản sao lưu của chương trình này")
            if member.name == SUMS:
                stated = content.read().decode()
                continue
            if member.name == MANIFEST:
                kept = content.read()
                manifest, content = kept, io.BytesIO(kept)
            sums[member.name] = _digest(content)
    if manifest is None or stated != "".join(f"{d}  {name}\n" for name, d in sums.items()):
        raise IocError(f"bản sao lưu {path} bị hỏng hoặc bị cắt cụt: mã băm không khớp")
    found = json.loads(manifest)
    if found.get("product") != PRODUCT or len(set(DATABASES) & set(sums)) != 1:
        raise IocError(f"{path} không phải bản sao lưu của chương trình này")
    return found | {"files": list(sums)}


def extract(path: Path, name: str, to: Path) -> None:
    """Write one file of a checked archive, readable by us only."""
    with opened(path) as tar:
        content = tar.extractfile(name)
        assert content is not None
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb") as file:
            to.chmod(0o600)
            shutil.copyfileobj(content, file, _PIECE)
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def opened(path: Path) -> Any:
    """An archive to read from; whatever is wrong with its bytes is one sentence."""
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            yield tar
            while stream.read(_PIECE):  # to its very end: there stands the checksum of it all
                pass
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise IocError(f"bản sao lưu {path} bị hỏng hoặc không phải bản sao lưu") from error
    except OSError as error:
        raise IocError(f"bản sao lưu {path}: {error.strerror or 'bị hỏng'}") from error


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder outlive a power cut."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_ours(name: str) -> bool:
    path = PurePosixPath(name)
    under = path.parts[:1] == (CONFIG,) and len(path.parts) > 1 and ".." not in path.parts
    return under or name in (MANIFEST, SUMS, KEY, *DATABASES)


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> str:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    watched = _Hashing(content)
    tar.addfile(entry, watched)
    return watched.digest.hexdigest()


def _digest(content: Any) -> str:
    digest = hashlib.sha256()
    while piece := content.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


class _Hashing:
    """A file that hashes what is read of it, so that what is hashed is what was written."""

    def __init__(self, content: IO[bytes]):
        self.content, self.digest = content, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self.content.read(size)
        self.digest.update(piece)
        return piece
