"""What a file says of itself: beside it as a Frictionless Data Package, inside a workbook a sheet.

What is told of the rows (``facts``) depends on the address and the rights alone, so that a workbook
that holds it stays the same for the same address. Who took a file, when, and the hash of its very
bytes stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from ioc.principal import Principal
from kpi import query
from layouts import text
from layouts.web import downloads
from layouts.web.dialect import dialect_of, instant
from layouts.web.fields import fields, title
from layouts.web.filters import QUESTIONS, Asked

DEFINED = ("definition", "definition_version", "closing_definition")
TOLD = ("target", "indicator", "source", "run", *DEFINED)
"""Columns whose values the description explains."""
TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
PRODUCT = "ioc-quang-binh"
ROWS = "Số liệu"
LICENCE = (
    "Số liệu nội bộ của cơ quan nhà nước, chưa phát hành theo giấy phép dữ liệu mở nào;"
    " khi dẫn lại hãy ghi nguồn, thời điểm và địa chỉ cố định."
)
SAMPLE_LICENCE = "DỮ LIỆU MẪU: số liệu tổng hợp để thử, không phải số liệu của tỉnh."
TYPED_RULE = (
    "Ô chữ là chữ (giữ số 0 ở đầu, không có dấu nháy thêm), số là số, ngày giờ là ngày giờ theo"
    " giờ Việt Nam (+07:00); không có công thức và liên kết. Ô trống nghĩa là chưa biết, không"
    " phải 0."
)
TARGETS = "target sentence operator threshold threshold_high reading_in_force closing_date citation"
INDICATORS = "indicator name definition unit definition_version definitions source"
SOURCES = "source name owner kind"


def facts(
    store: Any, who: Principal, asked: Asked, answer: Any, kind: str, seen: downloads.Seen
) -> dict[str, Any]:
    """What is in a file of this kind and how to ask for it again; the same for the same address."""
    at = {"as_of": asked.arguments["as_of"]} if asked.arguments.get("as_of") else {}
    planned = {"plan": asked.arguments["plan"]} if "plan" in asked.arguments else {}
    indicators = _some(query.indicators, store, who, INDICATORS, seen.named("indicator"), at)
    fed = {row["source"] for row in indicators} | set(seen.named("source"))
    found = {
        "question": asked.question,
        "title": title(asked.question),
        "address": asked.address(kind),
        "filters": {k: v for k, v in asked.filters.items() if k != "download"},
        "frame": _frame(asked),
        "as_of": instant(answer.as_of) or None,
        "scope": scope(who),
        "sample_data": downloads.MARK if answer.sample else None,
        "licence": SAMPLE_LICENCE if answer.sample else LICENCE,
        "rows": seen.count,
        "columns": [*answer.columns, *downloads.TAIL],
        "definitions": seen.named(*DEFINED),
        "runs": seen.named("run"),
        "targets": _some(query.targets, store, who, TARGETS, seen.named("target"), at | planned),
        "indicators": indicators,
        "sources": _some(query.sources, store, who, SOURCES, sorted(fed - {""}), at),
        "text_rule": TYPED_RULE if kind == "xlsx" else dialect_of(asked.filters).rule,
    }
    return found


def release() -> str:
    """The release of this program, which files name as the one that wrote them."""
    return metadata.version(PRODUCT)


def scope(who: Principal) -> dict[str, list[str] | None]:
    """Whose figures the rows may hold: tops of subtrees and classes of indicators; None: all."""
    rights = {"org_units": who.org_units, "indicator_classes": who.indicator_classes}
    return {name: None if held is None else sorted(held) for name, held in rights.items()}


def package(
    asked: Asked, told: Mapping[str, Any], kind: str, *, file: str, size: int, sha256: str
) -> dict[str, Any]:
    """A side-car: the facts with the file's length and hash, as a Data Package descriptor."""
    resource = {
        "name": asked.question,
        "path": file,
        "title": told["title"],
        "profile": "tabular-data-resource",
        "format": kind,
        "mediatype": TYPES[kind],
        "encoding": "utf-8",
        "bytes": size,
        "hash": f"sha256:{sha256}",
        "dialect": _dialect(asked, kind),
        "schema": {
            "fields": _typed(asked, kind, told["columns"]),
            "missingValues": [""],
        },
    }
    named = [row["name"] for row in told["sources"]]
    return {
        "profile": "tabular-data-package",
        "name": asked.question,
        "title": told["title"],
        "sources": [{"title": name} for name in named],
        "resources": [resource],
        **{name: value for name, value in told.items() if name not in ("title", "sources")},
        "read_sources": told["sources"],
        "file": file,
        "bytes": size,
        "sha256": sha256,
    }


def sheet(asked: Asked, told: Mapping[str, Any]) -> list[Sequence[Any]]:
    """The rows of the sheet that describes a workbook: word of ours, title, value."""
    limits = told["scope"]
    lines: list[Sequence[Any]] = [
        ("title", "Tệp này", told["title"]),
        ("sample_data", "Dấu dữ liệu mẫu", told["sample_data"]),
        ("question", "Câu hỏi", told["question"]),
        ("address", "Địa chỉ cố định", told["address"]),
        ("as_of", "Số liệu như đã biết tại", told["as_of"]),
        ("data_version", "Phiên bản số liệu", told["data_version"]),
        *([("release", "Bản chương trình đã xuất", told["release"])] if told["release"] else ()),
        ("frame", "Khung đơn vị", told["frame"]),
        ("rows", "Số dòng", told["rows"]),
        *((f"filter {name}", "Bộ lọc", value) for name, value in told["filters"].items()),
        *((f"scope {name}", "Phạm vi được xem", listed(limits[name])) for name in limits),
        ("text_rule", "Cách ghi ô", told["text_rule"]),
        ("licence", "Sử dụng", told["licence"]),
        ("definitions", "Các phiên bản định nghĩa", ", ".join(told["definitions"])),
        ("runs", "Lần thu thập mới nhất của các nguồn khi ấy", _ranges(told["runs"])),
        ("lineage", "Lần đã đưa một số vào", "câu hỏi lineage của số ấy"),
        ("sha256", "Mã băm, người hỏi, giờ hỏi", "ở tệp mô tả: thêm manifest=1 vào địa chỉ"),
        (),
        ("Cột", "Tên", "Kiểu", "Đơn vị", "Các giá trị"),
    ]
    for column in fields(asked.question, told["columns"]):
        words = "; ".join(f"{w['value']}: {w['label']}" for w in column.get("categories", ()))
        lines.append((
            column["name"],
            column["title"],
            column["type"],
            column.get("unit", ""),
            words,
        ))
    for heading, columns in (
        ("targets", TARGETS),
        ("indicators", INDICATORS),
        ("sources", SOURCES),
    ):
        if told[heading]:
            names = columns.split()
            lines += [(), [_title(heading, name) for name in names]]
            lines += [[row[name] for name in names] for row in told[heading]]
    return lines


def listed(held: list[str] | None) -> str:
    """Rights as one cell: ``*`` is everything."""
    return "*" if held is None else ",".join(held)


def _title(question: str, column: str) -> str:
    return fields(question, [column])[0]["title"]


def _some(
    question: Any, store: Any, who: Principal, columns: str, wanted: list[str], at: dict[str, Any]
) -> list[dict[str, Any]]:
    """Rows of a register, of what a file names and its reader may see; days as JSON has them."""
    if not wanted:
        return []
    names = columns.split()
    answer = question(store, who, **at)
    known = [dict(zip(answer.columns, row, strict=True)) for row in answer.stream()]
    return [{n: _bare(row[n]) for n in names} for row in known if row[names[0]] in wanted]


def _bare(value: Any) -> Any:
    return "" if value is None else value if isinstance(value, (str, int, float)) else str(value)


def _frame(asked: Asked) -> str | None:
    if "frame" not in QUESTIONS[asked.question][1]:
        return None
    name = asked.filters.get("frame", "then")
    return f"{name}: {text.FRAMES[name]}"


def _dialect(asked: Asked, kind: str) -> dict[str, Any]:
    if kind == "xlsx":
        return {"excel": {"sheet": ROWS}}
    if kind == "json":
        return {"json": {"property": "rows", "keyed": True}}
    return {
        "delimiter": dialect_of(asked.filters).separator,
        "lineTerminator": "\r\n",
        "quoteChar": '"',
        "doubleQuote": True,
        "header": True,
    }


def _typed(asked: Asked, kind: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The fields; a number says how its decimals are written where that is not with a point."""
    if kind == "json":
        columns = columns[: -len(downloads.TAIL)]
    comma = kind == "csv" and dialect_of(asked.filters).decimal == ","
    found = fields(asked.question, columns)
    for field in found:
        if comma and field["type"] == "number":
            field["decimalChar"] = ","
    return found


def _ranges(numbers: list[int]) -> str:
    """Numbers as short as they can be told: ``3–7, 9``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in spans)
