"""The whole state as one data package, and a clean install made of it: ``export-all``, ``import``.

Carried is what the sources said (every version with its hash), what followed from it, what people
did about it, and what both were judged by. Accounts, sessions, keys, screens and the audit are
left behind: they belong to a machine, and some of them are secrets.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from ioc.errors import IocError
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import audit, belongings, cells, datapackage, geometry, migrate, schema
from kpi.answer import INSTANTS, NUMBERS
from kpi.archive import CONFIG, PRODUCT
from kpi.datapackage import MARK, Package, written
from kpi.records import SAID, matches
from kpi.store import KpiStore

FORM = 1
"""The form of a bundle; a program reads its own and older ones."""
PUBLISHED = {
    "org_unit": "đơn vị, như lúc xuất",
    "closure": "cây cộng dồn: đơn vị trên, đơn vị lá",
    "element": "yếu tố số liệu đang đếm",
    "judged": "mục tiêu và chỉ số đang đánh giá",
    "definition_version": "mọi phiên bản định nghĩa chỉ số",
    "config_version": "mọi phiên bản cấu hình",
    "source": "nguồn số liệu và tình trạng",
    "boundary": "đồng hồ của kho",
    "topic": "phiên bản số liệu theo chủ đề",
}
"""Tables that a start writes by itself: in a clean install they are replaced."""
TOLD = {
    "watermark": "đã đọc đến đâu của từng nguồn",
    "poll_run": "các lần thu thập",
    "rejection": "các dòng bị từ chối hoặc nghi ngờ",
    "request": "tệp nộp tay và yêu cầu đã xong",
    "record": "hồ sơ, phiên bản hiện tại",
    "record_version": "hồ sơ, các phiên bản đã thay",
    "observation": "số theo ngày: đếm từ hồ sơ, hoặc nguồn tự báo (có run)",
    "member": "thành phần của các số đếm không trùng",
    "rollup": "số theo tháng, năm và đơn vị",
    "standing": "tử số, mẫu số của từng mục tiêu",
    "forecast": "các dự báo đã đưa ra",
    "assessment": "đánh giá đã ký",
    "reading_choice": "cách đọc mục tiêu đã chọn",
    "closing_signature": "số đã chốt",
    "map_layer": "lớp ranh giới đã nhập (hình ở geometry/)",
    "seal": "các thời điểm đã niêm phong",
}
"""Tables that are empty in a clean install."""
LEFT = {
    "account account_right session link device api_key": "người và màn hình của một máy",
    "audit audit_head": "nhật ký của một máy, nối bằng mã băm",
    "lease steering": "ai đang thu thập, màn hình đang chiếu gì: của lúc này",
    "pack_edition pack_delivery": "gói đã gửi cho ai: của một máy; gói nằm trong IOC_DATA/packs",
    "month": "lịch, tự dựng",
}
"""Tables that stay behind, and why."""
_KEPT = {"request": "ended_at IS NOT NULL"}
_SEPARATE = {"map_layer": ("features",)}
_BATCH = 2000
_LICENCES = {
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "ODC-BY-1.0": "https://opendatacommons.org/licenses/by/1-0/",
    "ODbL-1.0": "https://opendatacommons.org/licenses/odbl/1-0/",
}
Answers = Iterable[tuple[str, str, str, dict[str, str], Iterable[bytes]]]
"""Answers for people to read: name, title, question, filters, the bytes of its CSV."""


def export_all(
    store: KpiStore, settings: Settings, folder: Path, answers: Answers, at: datetime
) -> dict[str, Any]:
    """Write the whole state into a folder that is not there yet; its descriptor.

    ``at``: the sealed instant that ``answers`` are as of. The tables are one snapshot, taken
    after it; neither is ever whole in memory.

    Raises:
        IocError: it could not be written; nothing is left behind.
    """
    said = belongings.manifest(settings, at, False)
    with store.read() as connection:
        sample = _is_sample(connection)
        head = _head("ioc-quang-binh-all", at, sample) | {
            "title": f"{MARK + ': ' if sample else ''}Trung tâm điều hành: toàn bộ dữ liệu",
            "description": "Hồ sơ, số liệu, định nghĩa, việc người dùng đã làm. Không có tài khoản,"
            " mật khẩu, khóa hay nhật ký kiểm toán. Nạp vào bản cài mới: ioc import THƯ-MỤC.",
            "form": FORM,
            "schema": migrate.revision(connection),
            "key": said["key"],
        }
        with written(folder, head) as package:
            for name, what in (PUBLISHED | TOLD).items():
                columns = _columns(name)
                key = [c.name for c in schema.metadata.tables[name].primary_key]
                fields = [cells.field(column) for column in columns]
                rows = _rows(connection, name, columns)
                package.table(name, fields, rows, key=key, title=what, table=name)
            _add_answers(package, answers)
            for layer, body in connection.execute(
                sa.select(schema.map_layer.c.layer, schema.map_layer.c.features)
            ):
                _add_shapes(package, layer, body.encode(), {"layer": layer})
            for layer in geometry.BUILT_IN:
                _add_shapes(package, layer, geometry.features(store, _ALL, layer), {})
            for path, file in belongings.configuration(settings).items():
                package.file(f"config-{len(path)}-{file.stem}", path, file.read_bytes(), title=path)
    return head


def export_public(
    store: KpiStore, folder: Path, answers: Answers, at: datetime, licence: str
) -> dict[str, Any]:
    """Write the figures of public indicators, with their definitions and the map, for anybody.

    ``answers`` are those that somebody with the class public alone is given: no record, no
    figure that is suppressed.
    """
    if licence not in _LICENCES:
        raise IocError(f"giấy phép {licence!r} không có; chọn {', '.join(_LICENCES)}")
    with store.read() as connection:
        sample = _is_sample(connection)
    head = _head("ioc-quang-binh-public", at, sample) | {
        "title": f"{MARK + ': ' if sample else ''}Chỉ số chuyển đổi số công khai",
        "description": "Chỉ số thuộc lớp công khai: định nghĩa, mục tiêu, hiện trạng, giá trị theo"
        " tháng. Không có hồ sơ; số quá nhỏ bị giấu (reason = suppressed).",
        "licenses": [{"name": licence, "path": _LICENCES[licence]}],
    }
    with written(folder, head) as package:
        _add_answers(package, answers)
        for layer in geometry.BUILT_IN:
            shapes = geometry.features(store, _ALL, layer)
            licences = [{"name": "ODbL-1.0", "path": _LICENCES["ODbL-1.0"]}]
            _add_shapes(package, layer, shapes, {"licenses": licences})
    return head


def import_all(
    store: KpiStore,
    settings: Settings,
    folder: Path,
    found: Mapping[str, Any],
    now: datetime,
) -> list[str]:
    """Fill an empty store from a package that ``checked`` has proved; what was done, in sentences.

    Raises:
        IocError: the store is not empty. Nothing was written then.
    """
    tables = _tables(found)
    total = 0
    with store.write() as connection:
        _refuse_filled(connection)
        for name, resource in tables.items():
            connection.exec_driver_sql(f"DELETE FROM {name}")
            total += _load(store, connection, folder, name, resource, found)
        _go_on_counting(store, connection)
        audit.append(
            connection, "edit", "dòng lệnh", "import", now=now, rows=total, made=found["created"]
        )
    store.kept.clear()
    store.publish(now)  # where today's definitions differ, everything is derived again
    return [f"Đã nạp {total} dòng vào {len(tables)} bảng; dữ liệu lúc {found['created']}."]


def checked(settings: Settings, folder: Path) -> dict[str, Any]:
    """The descriptor of a package that may be imported here, once all of it was read and proved.

    Raises:
        IocError: it is damaged, cut short, not ours, of a newer release, of other configuration,
            or of another key of records; or a record no longer has its hash.
    """
    found = datapackage.read_checked(folder)
    if found.get("name") != "ioc-quang-binh-all" or not 1 <= found.get("form", 0) <= FORM:
        raise IocError(f"{folder} không phải bộ dữ liệu toàn phần (ioc export-all) đọc được ở đây")
    migrate.refuse_newer(found["schema"], f"bộ dữ liệu {folder}")
    belongings.check_key(settings, {**found, "files": []})
    _check_configuration(settings, folder, found)
    tables = _tables(found)
    if missing := {*PUBLISHED, *TOLD} - {*tables}:
        raise IocError(f"bộ dữ liệu {folder} thiếu bảng {', '.join(sorted(missing))}")
    for name, resource in tables.items():
        columns = _stated(name, resource)
        says = [column.name for column in columns]
        said = [says.index(column) for column in SAID] if name.startswith("record") else []
        for row in _values(folder, name, resource):
            if said and not matches([row[i] for i in said], row[says.index("hash")]):
                raise IocError(f"{resource['path']}: bản ghi {row[0]}/{row[1]} không đúng mã băm")
    return found


def differing(
    found: Mapping[str, Any], ask: Callable[..., Iterable[bytes]]
) -> Iterator[tuple[str, bool]]:
    """For each answer of a package its name, and whether the store now answers otherwise.

    ``ask`` gives the CSV of a question and its filters with the ``columns`` that the package has:
    a later release may know more.
    """
    for one in found["resources"]:
        if "question" in one:
            columns = [column["name"] for column in one["schema"]["fields"]]
            again = ask(one["question"], one["filters"], columns=columns)
            now = datapackage.content_hash(again)
            yield one["name"], now != one["content_hash"]


_ALL = Principal("xuất toàn bộ", "admin")


def _head(name: str, at: datetime, sample: bool) -> dict[str, Any]:
    return {
        "name": name,
        "product": PRODUCT,
        "release": metadata.version(PRODUCT),
        "created": at.isoformat(),
        "sample_data": MARK if sample else None,
    }


def _is_sample(connection: Connection) -> bool:
    return bool(
        connection.scalar(
            sa.text(
                "SELECT COUNT(*) FROM source WHERE sample = 1 AND (configured = 1"
                " OR first_poll_at IS NOT NULL)"
            )
        )
    )


def _columns(name: str) -> list[sa.Column]:
    left = _SEPARATE.get(name, ())
    return [column for column in schema.metadata.tables[name].columns if column.name not in left]


def _rows(connection: Connection, name: str, columns: list[sa.Column]) -> Iterator[list[str]]:
    """The rows of a table as cells, read a few at a time in the order of its key."""
    table = schema.metadata.tables[name]
    statement = sa.select(*columns).order_by(*table.primary_key.columns)
    if name in _KEPT:
        statement = statement.where(sa.text(_KEPT[name]))
    write = cells.writers(columns)
    for row in connection.execute(statement, execution_options={"yield_per": _BATCH}):
        yield [cell(value) for cell, value in zip(write, row, strict=True)]


def _add_answers(package: Package, answers: Answers) -> None:
    for name, title, question, filters, chunks in answers:
        asked = {"question": question, "filters": filters}
        package.csv(name, chunks, _typed(question), title=title, **asked)


def _typed(question: str) -> Callable[[list[str]], list[dict[str, Any]]]:
    """Types of an answer's columns; words where the same name is a number in another answer."""
    words = {"indicators": ("numerator", "denominator")}.get(question, ())

    def typed(columns: list[str]) -> list[dict[str, Any]]:
        fields = []
        for name in columns:
            kind = "number" if name in NUMBERS and name not in words else "string"
            if name in INSTANTS or name == "as_of":
                fields.append({"name": name, "type": "datetime", "format": "any"})
            else:
                fields.append({"name": name, "type": kind})
        return fields

    return typed


def _add_shapes(package: Package, layer: str, body: bytes, more: Mapping[str, Any]) -> None:
    said = {
        "title": f"ranh giới: {layer}",
        "format": "geojson",
        "mediatype": "application/geo+json",
    }
    package.file(f"geometry-{layer}", f"geometry/{layer}.geojson", body, **said, **more)


def _tables(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The tables of a package in our order; one that we do not know is refused."""
    there = {one["table"]: one for one in found["resources"] if "table" in one}
    if strange := sorted({*there} - {*PUBLISHED, *TOLD}):
        raise IocError(f"bộ dữ liệu có bảng không nhận: {', '.join(strange)}")
    return {name: there[name] for name in (*PUBLISHED, *TOLD) if name in there}


def _stated(name: str, resource: Mapping[str, Any]) -> list[sa.Column]:
    """The columns of a file as the table has them; what is missing must have a default."""
    known = {column.name: column for column in _columns(name)}
    says = [one["name"] for one in resource["schema"]["fields"]]
    needed = {n for n, c in known.items() if not c.nullable and c.server_default is None}
    if strange := sorted({*says} - {*known} | needed - {*says}):
        raise IocError(f"{resource['path']}: cột thừa hoặc thiếu: {', '.join(strange)}")
    return [known[one] for one in says]


def _values(folder: Path, name: str, resource: Mapping[str, Any]) -> Iterator[list[Any]]:
    """The rows of a file as the store has them."""
    read = cells.readers(_stated(name, resource))
    for number, row in enumerate(datapackage.rows(folder, resource), 2):
        try:
            yield [value(cell) for value, cell in zip(read, row, strict=True)]
        except (ValueError, OverflowError) as error:
            raise IocError(f"{resource['path']} dòng {number}: {error}") from error


def _load(
    store: KpiStore,
    connection: Connection,
    folder: Path,
    name: str,
    resource: Mapping[str, Any],
    found: Mapping[str, Any],
) -> int:
    """Load one table; how many rows."""
    columns = [column.name for column in _stated(name, resource)]
    values: Iterator[list[Any]] = _values(folder, name, resource)
    if name == "map_layer":
        shapes = {one["layer"]: one["path"] for one in found["resources"] if "layer" in one}
        at = columns.index("layer")
        columns.append("features")
        values = ([*row, (folder / shapes[row[at]]).read_text(encoding="utf-8")] for row in values)
    quoted, total = [f'"{column}"' for column in columns], 0
    while batch := list(islice(values, _BATCH)):
        store.load(connection, name, quoted, batch)  # type: ignore[arg-type]
        total += len(batch)
    return total


def _refuse_filled(connection: Connection) -> None:
    filled = [
        name
        for name in TOLD
        if connection.scalar(sa.text(f"SELECT 1 FROM {name} LIMIT 1")) is not None
    ]
    if filled:
        raise IocError(
            f"kho số liệu này đã có dữ liệu ({', '.join(filled[:5])}): chỉ nạp vào một bản cài mới,"
            " trước lần chạy đầu; không ghi gì"
        )


def _go_on_counting(store: KpiStore, connection: Connection) -> None:
    """PostgreSQL counts beside its tables: the next row must not take a number that is there."""
    if store.sqlite:
        return
    for name in (*PUBLISHED, *TOLD):
        for column in schema.metadata.tables[name].primary_key.columns:
            if column.autoincrement is True:
                connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{name}', '{column.name}'),"
                    f" COALESCE((SELECT MAX({column.name}) FROM {name}), 1),"
                    f" EXISTS (SELECT 1 FROM {name}))"
                )


def _check_configuration(settings: Settings, folder: Path, found: Mapping[str, Any]) -> None:
    """Figures are read with the configuration that they were made with."""
    stated = {one["path"] for one in found["resources"] if one["path"].startswith(f"{CONFIG}/")}
    here = {path: file.read_bytes() for path, file in belongings.configuration(settings).items()}
    if {path: (folder / path).read_bytes() for path in stated} != here:
        where = folder.absolute() / CONFIG if stated else "để trống"
        raise IocError(
            f"cấu hình ở đây khác cấu hình của bộ dữ liệu: hãy đặt IOC_CONFIG ({where}) rồi làm lại"
        )
