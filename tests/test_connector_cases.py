"""Every connector case is a folder: what a source sent, and what must come of it.

``tests/cases/<kind>/<case>/payload.*`` goes through the packaged source of that kind (changed by
``source.yaml`` beside it; a kind without a packaged source has the whole source there) and must
give exactly ``expected.csv``. A payload is a file of the folder for ``sheet``, a script that makes
the database for ``sql``, a message for ``mqtt``, what a server answers for every other kind. To add
a case, add a folder;
``IOC_WRITE_EXPECTED=1`` writes what came out, to be read before it is kept.
"""

import csv
import io as text_io
import mimetypes
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connectors import mapping
from connectors.config import PACKAGED
from connectors.io import IO
from connectors.kinds import KINDS
from ioc.config import Lined, read_yaml
from ioc.errors import Broken
from ioc.source import Source
from tests.brokers import queued
from tests.chaos import Answer, Chaos, serve

CASES = Path(__file__).with_name("cases")
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
PACKAGED_OF = {"open311": "field_reports", "rest": "public_services", "sheet": "staff"}
PACKAGED_OF |= {"taxii": "information_security", "feed": "public_order"}
PACKAGED_OF |= {"mqtt": "traffic", "sensorthings": "environment"}
HEADERS_OF = {"taxii": {"X-TAXII-Date-Added-Last": "2026-11-20T02:03:04.567890Z"}}
"""What a server of the kind says beside its body."""
COLUMNS = ["item", "position", "org_unit", "opened_at", "due_at", "closed_at", "changed_at"]
COLUMNS += [
    "place",
    "state",
    "category",
    "channel",
    "result",
    "lat",
    "lon",
    "element",
    "period",
    "value",
    "reason",
]
FOLDERS = sorted({path.parent for path in CASES.glob("*/*/payload.*")})


def case_source(kind: str, folder: Path, url: str) -> Source:
    """The packaged source of a kind at this address, with the case's own entries over it."""
    packaged = read_yaml(PACKAGED, [])
    entry = dict(packaged[PACKAGED_OF[kind]]) if kind in PACKAGED_OF else {"kind": kind}
    if (folder / "source.yaml").exists():
        entry |= read_yaml(folder / "source.yaml", [])
    entry |= {"url": url, "auth": Lined({"kind": "none"})}
    faults: list[Any] = []
    source = Source.from_yaml("nguon", Lined(entry), faults, "case")
    assert source is not None, faults
    return source


def items_of(kind: str, folder: Path, tmp_path: Path) -> list[Any]:
    """What kind and mapping make of the payload; a ``Broken`` stands last."""
    payloads = sorted(folder.glob("payload.*"))
    said = HEADERS_OF.get(kind, {})
    answers = [Answer(body=p.read_bytes(), type=type_of(p), headers=said) for p in payloads]
    bodies = [path.read_bytes() for path in payloads if path.stat().st_size]
    with Chaos(serve(*answers, Answer({"data": []}))) as server, queued(bodies) as broker:
        url = {"sheet": str(tmp_path), "mqtt": broker}.get(kind, server.url)
        for path in payloads:
            if kind == "sheet":
                (tmp_path / path.name).write_bytes(path.read_bytes())
            if kind == "sql":
                url = f"sqlite:///{written(path, tmp_path)}"
        source = case_source(kind, folder, url)
        mapper = mapping.compile(source, b"a key of thirty-two bytes for it")
        items: list[Any] = []
        settings = SimpleNamespace(data=tmp_path)
        with IO(source, settings, now=lambda: NOW, sleep=lambda _: None) as door:
            try:
                for batch in KINDS[kind].poll(source, None, door):
                    items += mapper.map_rows(batch, NOW)
            except Broken as error:
                items.append(error)
    return items


def written(script: Path, folder: Path) -> Path:
    """The database that a script makes."""
    made = folder / "nganh.sqlite"
    with closing(sqlite3.connect(made)) as connection:
        connection.executescript(script.read_text(encoding="utf-8"))
    return made


def type_of(path: Path) -> str:
    """The content type that a server would name for a payload."""
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def row_of(item: Any) -> dict[str, str]:
    """One line of ``expected.csv``."""
    if isinstance(item, Broken):
        return {"item": "Broken", "reason": str(item)}
    row = {"item": type(item).__name__}
    for name in COLUMNS[1:]:
        value = getattr(item, name, None)
        if isinstance(value, datetime):
            value = value.isoformat()
        row[name] = "" if value is None else f"{value:g}" if name == "value" else str(value)
    return row


def as_csv(items: list[Any]) -> str:
    """The text of ``expected.csv``."""
    text = text_io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row_of(item) for item in items)
    return text.getvalue()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda f: f"{f.parent.name}/{f.name}")
def test_a_payload_becomes_exactly_what_its_case_expects(folder: Path, tmp_path: Path) -> None:
    found = as_csv(items_of(folder.parent.name, folder, tmp_path))
    expected = folder / "expected.csv"
    if os.environ.get("IOC_WRITE_EXPECTED"):
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_its_normal_empty_and_malformed_case(kind: str) -> None:
    names = {folder.name for folder in FOLDERS if folder.parent.name == kind}
    assert {"normal", "empty", "malformed"} <= names


def test_nothing_personal_comes_through_any_case(tmp_path: Path) -> None:
    planted = ("Nguyễn", "Trần", "044097001234", "0912345678", "@", "MAU.")
    for number, folder in enumerate(FOLDERS):
        own = tmp_path / str(number)
        own.mkdir()
        for item in items_of(folder.parent.name, folder, own):
            kept = repr(item)
            assert not any(word in kept for word in planted), (folder, kept)
