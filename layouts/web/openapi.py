"""The data addresses as an OpenAPI 3.1 document, made from the questions themselves.

What a program reads here is what the server does: addresses come from its routes, filters and
columns from the questions, their prose from the docstrings, refusals from ``kinds``.
"""

from __future__ import annotations

import inspect
import re
from functools import lru_cache
from hashlib import sha256
from mimetypes import guess_type
from typing import Any

import orjson
from flask import Flask, Response, g

from ioc.clock import right_now
from ioc.principal import Principal
from kpi import query
from layouts.web import cookies, downloads, etag, fields, filters, kinds, parameters

ADDRESS = f"{filters.ROOT}/openapi.json"
JSON, PROBLEM = "application/json", "application/problem+json"
TITLE = "Dữ liệu của Trung tâm điều hành thông minh"
TYPES = {
    "string": {"type": ["string", "null"]},
    "number": {"type": ["number", "null"]},
    "integer": {"type": ["integer", "null"]},
    "date": {"type": ["string", "null"], "format": "date"},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
}
"""What stands in a row of JSON, by the type of its column; what is unknown is null, never 0."""
LONG = 414
UNASKED = frozenset({"media-type"})
"""Kinds of problem that no data address has: nothing is sent to them."""


def install(server: Flask, store: Any, accounts: bool) -> None:
    """Serve the document; who may ask for more targets and indicators is told of more."""

    @server.get(ADDRESS)
    def openapi() -> Response:
        said = document(server, store, g.principal, accounts=accounts)
        body = orjson.dumps(said)
        response = Response(body, mimetype=JSON)
        response.set_etag(tag := sha256(body).hexdigest()[:32])
        response.headers["Cache-Control"] = etag.ASK_FIRST
        response.vary.update(("Authorization", "Cookie", "Accept-Encoding"))
        if etag.has(tag):
            response.status_code = 304
            response.set_data(b"")
        return response


def document(server: Flask, store: Any, who: Principal, *, accounts: bool) -> dict[str, Any]:
    """All data addresses with their filters, rows and refusals, as ``who`` may ask them."""
    known = parameters.schemas(store, who)
    paths = {ADDRESS: {"get": _own()}}
    rows = {}
    for question in filters.QUESTIONS:
        rows[_row(question)] = row(question, columns(store, question))
        for kind in file_kinds(server):
            paths[f"{filters.ROOT}/{question}.{kind}"] = {"get": _operation(question, kind, known)}
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": TITLE,
            "version": "1",
            "description": "Mỗi câu hỏi của màn hình có một địa chỉ; JSON, CSV và XLSX cùng dòng,"
            " cùng cột, cùng quyền. / The questions of the screens, each at an address of its own.",
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"session": []}] if accounts else [{}],
        "tags": [{"name": name, "description": fields.title(name)} for name in filters.QUESTIONS],
        "paths": paths,
        "components": {
            "securitySchemes": _security(),
            "responses": _refusals(),
            "schemas": {
                "Problem": _problem(),
                "Package": _package(),
                **rows,
                **{
                    f"one_{name}": schema["items"]
                    for name, schema in known.items()
                    if schema["type"] == "array"
                },
            },
        },
    }


def file_kinds(server: Flask) -> list[str]:
    """The kinds of file that the data addresses have, as the server routes them."""
    for rule in server.url_map.iter_rules():
        if found := re.search(r"<question>\.<any\(([^)]*)\):kind>", rule.rule):
            return [kind.strip() for kind in found[1].split(",")]
    raise LookupError("no data address is routed")


@lru_cache(64)
def columns(store: Any, question: str) -> tuple[str, ...]:
    """The columns of a question, in their order; they are the same for every reader."""
    asked = filters.read(question, _least(store, question), store, right_now())
    ask, _ = filters.QUESTIONS[question]
    return ask(store, Principal.local_admin(), **asked.arguments).columns


def _least(store: Any, question: str) -> dict[str, str]:
    """The filters without which a question means nothing."""
    some = {"indicator": next(iter(store.catalogue.indicators)), "org_unit": query.ROOT}
    return {name: some[name] for name in parameters.REQUIRED.get(question, ())}


def row(question: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The JSON Schema of one row of a question."""
    properties = {}
    for column in fields.fields(question, names):
        said = TYPES[column["type"]] | {"title": column["title"]}
        if "unit" in column:
            said["x-unit"] = column["unit"]
        if "categories" in column:
            said["x-words"] = {word["value"]: word["label"] for word in column["categories"]}
        properties[column["name"]] = said
    return {
        "type": "object",
        "title": fields.title(question),
        "properties": properties,
        "required": list(names),
        "additionalProperties": False,
    }


def _row(question: str) -> str:
    return "".join(part.capitalize() for part in question.split("-")) + "Row"


def _operation(question: str, kind: str, known: dict[str, Any]) -> dict[str, Any]:
    ask, _ = filters.QUESTIONS[question]
    said = [_parameter(question, name, known) for name in parameters.names(question)]
    return {
        "operationId": f"{question}_{kind}",
        "tags": [question],
        "summary": f"{fields.title(question)} ({kind})",
        "description": inspect.getdoc(ask) or "",
        "parameters": [one for one in said if _takes(kind, one["name"])],
        "responses": {
            "200": _answer(question, kind),
            "304": {"description": "Không đổi: If-None-Match là ETag của lần trước."},
            **{
                str(status): {"$ref": f"#/components/responses/{_name(status)}"}
                for status in _statuses()
            },
        },
    }


def _takes(kind: str, name: str) -> bool:
    """Whether a kind of file takes a filter: how a CSV is written is for CSV."""
    return kind == "csv" or name not in getattr(filters, "DIALECT", {})


def _parameter(question: str, name: str, known: dict[str, Any]) -> dict[str, Any]:
    told = parameters.words(question, name)
    schema = known.get(name, {"type": "string"})
    if told is parameters.PLACE:
        schema = {"type": "string"}
    listed = schema["type"] == "array"
    said: dict[str, Any] = {"name": name, "in": "query", "description": f"{told.says}."}
    if name in parameters.REQUIRED.get(question, ()):
        return said | {"required": True, "schema": _ref(name, "one") if listed else schema}
    if listed:
        several = {"type": "array", "minItems": 1, "items": _ref(name, "one")}
        return said | {"schema": several, "style": "form", "explode": False}
    return said | {"schema": schema}


def _ref(name: str, part: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{part}_{name}"}


def _answer(question: str, kind: str) -> dict[str, Any]:
    package = {"$ref": "#/components/schemas/Package"}
    if kind == "json":
        content = {JSON: {"schema": {"anyOf": [_page(question), package]}}}
    else:
        media = guess_type(f"x.{kind}")[0] or "application/octet-stream"
        content = {media: {"schema": {"type": "string"}}, JSON: {"schema": package}}
    said = "Thẻ của đúng các byte này; gửi lại ở If-None-Match."
    return {
        "description": f"{fields.title(question)}; với manifest=1 là tệp mô tả.",
        "headers": {"ETag": {"description": said, "schema": {"type": "string"}}},
        "content": content,
    }


def _page(question: str) -> dict[str, Any]:
    """A page of JSON: the rows, how many match, where the next are."""
    properties = {
        "version": {"type": ["integer", "null"]},
        "as_of": TYPES["datetime"],
        "sample_data": {"enum": [downloads.MARK, None]},
        "count": {"type": "integer", "minimum": 0},
        "next": {"type": ["string", "null"], "format": "uri-reference"},
        "rows": {
            "type": "array",
            "items": {"$ref": f"#/components/schemas/{_row(question)}"},
        },
    }
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _package() -> dict[str, Any]:
    return {
        "type": "object",
        "title": "Tệp mô tả",
        "description": "Frictionless Data Package",
        "properties": {
            "file": {"type": "string"},
            "address": {"type": "string", "format": "uri-reference"},
            "rows": {"type": "integer", "minimum": 0},
            "bytes": {"type": "integer", "minimum": 0},
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        },
        "required": ["file", "address", "rows", "bytes", "sha256"],
    }


def _problem() -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    said = [f"{kinds.PAGE}#{kind.slug}" for kind in kinds.KINDS]
    return {
        "type": "object",
        "title": "RFC 9457",
        "properties": {
            "type": {"type": "string", "format": "uri-reference", "enum": said},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "title_en": text,
            "detail_en": text,
            "parameter": {"type": "string"},
            "retry_after": {"type": "integer", "minimum": 0},
            "again": {"type": "string", "format": "uri-reference"},
        },
        "required": ["type", "title", "status", "detail", "title_en", "detail_en"],
        "additionalProperties": False,
    }


def _statuses() -> list[int]:
    return sorted({kind.status for kind in kinds.KINDS if kind.slug not in UNASKED})


def _name(status: int) -> str:
    return f"Refused{status}"


def _refusals() -> dict[str, Any]:
    """One response for each status, with the kinds that it may be of."""
    found: dict[str, Any] = {}
    for status in _statuses():
        fitting = [one for one in kinds.KINDS if one.status == status and one.slug not in UNASKED]
        found[_name(status)] = {
            "description": " ".join(f"{k.slug}: {k.title}. {k.title_en}." for k in fitting),
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status == LONG:  # by the server in front of us, before it is read
            found[_name(status)]["content"] = {"text/html": {"schema": {"type": "string"}}}
        if status in (429, 503):
            waits = {"description": "Giây", "schema": {"type": "integer", "minimum": 0}}
            found[_name(status)]["headers"] = {"Retry-After": waits}
    return found


def _security() -> dict[str, Any]:
    return {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "Khóa của một tài khoản, tạo ở /account: chỉ đọc, với quyền và hạn mức"
            " của tài khoản đó.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": cookies.name(cookies.SESSION),
            "description": "Phiên đăng nhập của trình duyệt.",
        },
    }


def _own() -> dict[str, Any]:
    """This very document."""
    schema = {"type": "object", "required": ["openapi", "paths", "components"]}
    return {
        "operationId": "openapi",
        "summary": "Bản mô tả này (OpenAPI 3.1)",
        "responses": {
            "200": {"description": "OpenAPI 3.1", "content": {JSON: {"schema": schema}}},
            "304": {"description": "Không đổi."},
            **{
                str(status): {"$ref": f"#/components/responses/{_name(status)}"}
                for status in (400, 401, 403, 405, 421, 429, 500, 503)
            },
        },
    }
