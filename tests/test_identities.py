"""A thousand planted identities through every kind of connector: none is found anywhere after it.

They stand beside the declared fields and, in every fourth row, in one of them: as key, code, org
unit, state or figure. The database with its log, the notes and rejections of the runs, what is
logged, each file a person can export and each page are searched for all of them.
"""

import copy
import io
import json
import logging
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import cycle, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import xlsxwriter
from lxml import etree

import app as program
from connectors.kinds import KINDS
from connectors.poller import poll
from ioc.config import Lined
from ioc.orgunits import OrgUnits
from ioc.settings import Settings
from ioc.source import Source
from kpi import health
from layouts.web import api
from tests.brokers import queued
from tests.chaos import Answer, Chaos, serve
from tests.fields import sheet_source, source_of
from tests.test_connector_cases import CASES, HEADERS_OF, case_source, type_of

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
HERE = "http://127.0.0.1:8050"
EACH = 100  # identities sent through a kind; ten kinds make the thousand
FAMILY = ("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Phan", "Võ", "Đặng", "Bùi", "Đỗ")
MIDDLE = ("Văn", "Thị", "Hữu", "Ngọc", "Đức", "Minh", "Quang", "Thanh", "Xuân", "Hồng")
GIVEN = ("Mẫn", "Tẻ", "Lựu", "Quýt", "Bưởi", "Thắm", "Nghĩa", "Khuê", "Trạch", "Dậu")


CODES = [unit.code for unit in OrgUnits.load().open_on(NOW.date()) if unit.level != "area"]
BESIDE = ("hoTen", "dinhDanh", "dienThoai", "thu", "diaChi")


class Person(NamedTuple):
    """What one planted identity is known by."""

    name: str
    number: str
    phone: str
    mail: str
    address: str


def people() -> list[Person]:
    """A thousand of them, no two alike."""
    names = [" ".join(parts) for parts in product(FAMILY, MIDDLE, GIVEN)]
    return [
        Person(
            name,
            f"0440{(i * 7919 + 13) % 10**8:08d}",
            f"09{(i * 104729 + 7) % 10**8:08d}",
            f"nguoi{i:04d}@thu.example",
            f"{i} đường {name.split()[-1]}, tổ dân phố {i % 17}",
        )
        for i, name in enumerate(names)
    ]


def planted(kind: str) -> list[Person]:
    """Those that go through a kind."""
    start = sorted(KINDS).index(kind) * EACH
    found = people()[start : start + EACH]
    assert len(found) == EACH, "more kinds than identities"
    return found


# -- payloads --------------------------------------------------------------------------------------


def in_json(text: bytes, persons: list[Person]) -> bytes:
    """The same reply with a row for each person."""
    data = json.loads(text)
    rows = longest(data)
    patterns = copy.deepcopy(rows)
    rows.clear()
    for i, (person, pattern) in enumerate(zip(persons, cycle(patterns), strict=False)):
        row = copy.deepcopy(pattern)
        said = row.get("metric", row)  # of a series only its labels are words, and no two are alike
        if said is not row:
            said["ma_don_vi"] = CODES[i] if i < len(CODES) else f"Z{i}"
        leaves = list(texts(said))
        if i % 4 == 0 and leaves:
            holder, key = leaves[(i // 4) % len(leaves)]
            holder[key] = person[(i // 4) % len(person)]
        said |= dict(zip(BESIDE, person, strict=True))
        rows.append(row)
    return json.dumps(data, ensure_ascii=False).encode()


def longest(data: Any) -> list[dict[str, Any]]:
    """The longest list of objects anywhere in a document."""
    found: list[list[Any]] = []

    def look(value: Any) -> None:
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            found.append(value)
        inside = value.values() if isinstance(value, dict) else value
        for one in inside if isinstance(value, dict | list) else ():
            look(one)

    look(data)
    return max(found, key=len)


def texts(row: Any) -> Iterator[tuple[Any, Any]]:
    """Where the texts of a row stand."""
    for key, value in row.items() if isinstance(row, dict) else enumerate(row):
        if isinstance(value, str):
            yield row, key
        elif isinstance(value, dict | list):
            yield from texts(value)


def in_xml(text: bytes, persons: list[Person]) -> bytes:
    """The same document with a row for each person."""
    root = etree.fromstring(text)
    parent = max(root.iter(), key=lambda one: len(one) if len({c.tag for c in one}) == 1 else 0)
    if len(parent) < 2:  # entries stand beside the words of their feed
        parent = root
    tags = [child.tag for child in parent]
    repeated = max(set(tags), key=tags.count)
    patterns = [child for child in parent if child.tag == repeated]
    for child in patterns:
        parent.remove(child)
    space = etree.QName(repeated).namespace
    for i, (person, pattern) in enumerate(zip(persons, cycle(patterns), strict=False)):
        row = copy.deepcopy(pattern)
        leaves = [one for one in row.iter() if len(one) == 0 and (one.text or "").strip()]
        if i % 4 == 0:
            leaves[(i // 4) % len(leaves)].text = person[(i // 4) % len(person)]
        for name, value in zip(BESIDE, person, strict=True):
            etree.SubElement(row, f"{{{space}}}{name}").text = value
        parent.append(row)
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def in_workbook(persons: list[Person]) -> bytes:
    """A workbook with a row for each person."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target)
    sheet = book.add_worksheet()
    head = [
        "Mã đơn vị",
        "Kỳ",
        "Tổng số",
        "Có máy tính",
        "Họ tên",
        "CCCD",
        "Điện thoại",
        "Thư",
        "Địa chỉ",
    ]
    sheet.write_row(0, 0, head)
    for i, person in enumerate(persons):
        row: list[Any] = ["VPUB", f"{i % 12 + 1:02d}/202{i % 5 + 1}", 20, 10, *person]
        if i % 4 == 0:
            row[(i // 4) % 4] = person[(i // 4) % len(person)]
        sheet.write_row(i + 1, 0, row)
    book.close()
    return target.getvalue()


# -- the way through -------------------------------------------------------------------------------

Served = Iterator[Source]


def replies(kind: str, persons: list[Person]) -> list[Answer]:
    """What a server of the kind answers, one reply after the other."""
    found = []
    for path in sorted((CASES / kind / "normal").glob("payload*")):
        put = {".json": in_json, ".xml": in_xml}[path.suffix]
        body = put(path.read_bytes(), persons)
        found.append(Answer(body=body, type=type_of(path), headers=HEADERS_OF.get(kind, {})))
    return [*found, found[-1]]


def known(source: Source, store: Any) -> Source:
    """The same source, its figures under names that the catalogue has."""
    names = [one.id for one in store.catalogue.elements.values() if one.reading and not one.serves]
    if not source.readings or set(source.readings) <= set(store.catalogue.elements):
        return source
    return source.model_copy(
        update={"readings": dict(zip(names, source.readings.values(), strict=False))}
    )


def polled(kind: str, store: Any, folder: Path) -> dict[str, Any]:
    """One poll of a source of the kind whose rows are full of persons."""
    persons = planted(kind)
    settings = Settings(data=folder, database_url=store.url)
    if kind == "sheet":
        (folder / "tep").mkdir()
        (folder / "tep" / "bao-cao.xlsx").write_bytes(in_workbook(persons))
        source = sheet_source(folder / "tep", id=f"nguon_{kind}")
        health.publish_sources(store, [source])
        run = poll(store, source, settings, now=NOW)
        (folder / "tep" / "bao-cao.xlsx").unlink()
        return run
    with Chaos(serve(*replies(kind, persons))) as server:
        source = known(case_source(kind, CASES / kind / "normal", server.url), store)
        source = source.model_copy(update={"id": f"nguon_{kind}"})
        health.publish_sources(store, [source])
        return poll(store, source, settings, now=NOW)


def viewed(kind: str, store: Any, folder: Path) -> dict[str, Any]:
    """The same through a view of a database whose columns hold persons."""
    path = folder / "nganh.sqlite"
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"CREATE TABLE v ({', '.join((*COLUMNS, *BESIDE))})")
        for i, person in enumerate(planted(kind)):
            row = [f"HT-{i}", "VPUB", "2026-11-20", 1, "2026-11-20 08:00:00"]
            if i % 4 == 0:
                row[(i // 4) % 4] = person[(i // 4) % len(person)]
            file.execute(f"INSERT INTO v VALUES ({', '.join('?' * 10)})", [*row, *person])
        file.commit()
    fields = {"org_unit": "don_vi", "opened_at": "ngay", "category": "ma", "changed_at": "cap_nhat"}
    fields |= {"state": {"path": "dat", "values": {"1": "upgraded"}}}
    source = source_of(
        id=f"nguon_{kind}", name="Thử", kind=kind, url=f"sqlite:///{path}", owner="VPUB",
        every="30s", serves=["department"], key="ma", record="system_check", fields=Lined(fields),
        options=Lined({"view": "v", "changed": "cap_nhat"}),
    )  # fmt: skip
    health.publish_sources(store, [source])
    run = poll(store, source, Settings(data=folder, database_url=store.url), now=NOW)
    path.unlink()
    return run


COLUMNS = ("ma", "don_vi", "ngay", "dat", "cap_nhat")


def published(kind: str, store: Any, folder: Path) -> dict[str, Any]:
    """One poll of a broker whose messages are full of persons, their ids and topics too."""
    pattern = json.loads((CASES / kind / "normal" / "payload.1.json").read_bytes())
    persons, bodies = planted(kind), []
    for i, person in enumerate(persons):
        row = pattern | {"id": f"m{i}", "thietBi": 1000 + i}
        if i % 4 == 0:
            row[("maXa", "id", "thoiDiem", "soXe")[i // 4 % 4]] = person[i // 4 % len(person)]
        bodies.append(json.dumps(row | dict(zip(BESIDE, person, strict=True))).encode())
    topic = f"giaothong/{persons[0].phone}/tong"
    with queued([*bodies, persons[1].name.encode()], topic) as url:
        source = case_source(kind, CASES / kind / "normal", url)
        source = source.model_copy(update={"id": f"nguon_{kind}"})
        health.publish_sources(store, [source])
        return poll(store, source, Settings(data=folder, database_url=store.url), now=NOW)


FOLDED = ("sensorthings",)  # many values of a server become one row
SENT: dict[str, Callable[..., dict[str, Any]]] = {"mqtt": published, "sql": viewed}
"""Kinds whose servers speak no plain reply, with their own way through."""


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_identity_that_a_source_sends_is_found_anywhere_afterwards(
    kind, sqlite_store, tmp_path, caplog
):
    caplog.set_level(logging.DEBUG)
    run = SENT.get(kind, polled)(kind, sqlite_store, tmp_path)
    assert run["read"] >= (1 if kind in FOLDED else EACH / 2) and run["new"] > 0, run
    # what stood in a declared field was refused, not taken
    assert run["rejected"] > 0 or "bỏ" in run["note"] or "từ chối" in run["note"], run
    seen = {
        "log": caplog.text.encode(),
        "run": json.dumps(run, default=str, ensure_ascii=False).encode(),
    }
    seen |= {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    seen |= dict(shown(sqlite_store, tmp_path, f"nguon_{kind}"))
    assert len(seen) > 12
    for place, content in seen.items():
        for person in planted(kind):
            for word in person:
                assert word.encode() not in content, (place, word)


def shown(store: Any, folder: Path, source: str) -> Iterator[tuple[str, bytes]]:
    """Every file and page that a person can ask for."""
    settings = Settings(data=folder, database_url=store.url)
    client = program.create_app(settings, store).server.test_client()
    asked = {"lineage": "indicator=I02b&from=2025&to=2025", "search": "q=nguyen"}
    asked |= {"values": "indicator=I02b&level=commune&from=2025-01&to=2025-03"}
    for question in api.QUESTIONS:
        for kind in ("csv", "json", "xlsx"):
            address = f"/api/v1/{question}.{kind}?{asked.get(question, '')}"
            reply = client.get(address, base_url=HERE)
            assert reply.status_code < 500, address
            body = reply.data
            if kind == "xlsx":
                with zipfile.ZipFile(io.BytesIO(body)) as parts:
                    body = b"".join(map(parts.read, parts.namelist()))
            yield address, body
    for page in ("/_dash-layout", f"/api/v1/runs.json?source={source}", "/metrics", "/healthz"):
        yield page, client.get(page, base_url=HERE).data


def test_the_search_itself_finds_what_is_there(tmp_path, sqlite_store):
    person = people()[0]
    with sqlite_store.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO rejection (source, run, position, reason, fields, hash, at)"
            f" VALUES ('x', 1, '{person.name}', '', '{{}}', '', 0)"
        )
    found = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and person.name.encode() in path.read_bytes()
    ]
    assert found
    assert len({word for one in people() for word in one}) == 5_000
