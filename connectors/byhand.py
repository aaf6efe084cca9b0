"""Files that people filled in: each is read as if it stood alone in its source's folder.

They come from the page of uploads, or lay in the folder itself under the name of our form.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.folder import File
from connectors.io import IO
from connectors.kinds import KINDS
from ioc.errors import Broken
from ioc.model import Batch
from ioc.source import Source
from kpi import requests
from kpi.requests import Claimed
from kpi.store import KpiStore

FOLDER = "thư mục của nguồn"
"""Who gave a file that lay in the folder: nobody knows more."""


def told(given: Claimed) -> str:
    """What the note of its run says first."""
    if given.kind == "replay":
        return f"đọc lại các dòng bị loại theo yêu cầu của {given.who}"
    return f"nhập tay: {given.who}, tệp {given.file}, SHA-256 {given.hash[:12]}"


def batches(source: Source, settings: Any, given: Claimed, io: IO) -> Iterator[Batch]:
    """The rows of a given file.

    Raises:
        Broken: the file does not fit, or its bytes are not where they were put.
    """
    alone = getattr(KINDS[source.kind], "alone", None)
    if alone is None:
        raise Broken("nguồn này không nhận tệp nhập tay")
    body = requests.body_of(Path(settings.data), given)
    if body is None:
        raise Broken(f"không còn thấy nội dung của {given.file}: hãy tải lên lần nữa")
    stamp = round(given.at.timestamp() * 1e9)
    yield from alone(source, File(given.file, len(body), given.at, stamp), io.take(body))


def put_aside(store: KpiStore, source: Source, settings: Any, batch: Batch, io: IO) -> None:
    """Let a file that lay in the folder wait for a run of its own."""
    if batch.given is None:
        return
    file = batch.origin.rpartition("/")[2]
    given = {"source": source.id, "file": file, "body": batch.given, "who": FOLDER}
    requests.put(store, Path(settings.data), "drop", now=io.now(), **given)


def take_away(store: KpiStore, settings: Any, given: Claimed) -> None:
    """Remove the bytes of a file that was taken or refused."""
    requests.forget(Path(settings.data), given, store)
