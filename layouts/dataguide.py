"""What a program needs to read the data: address, key, examples, filters, columns, refusals.

All of it is taken from the OpenAPI document, so that page, document and server say the same.
"""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from flask import current_app, request

from layouts import components, shell, text
from layouts.components import Piece
from layouts.state import desk, who
from layouts.web import etag, fields, filters, kinds, limits, openapi, parameters

CSV = "/api/v1/values.csv?indicator=I02b&from=2025-01&to=2025-12"
TYPES = {
    "string": "chữ",
    "number": "số",
    "integer": "số nguyên",
    "date": "ngày",
    "datetime": "thời điểm",
}


def layout(**_: Any) -> Piece:
    """The page."""
    closed = desk().settings.auth == "accounts"
    said = openapi.document(current_app, desk().store, who(), accounts=closed)
    return shell.desk_page(
        html.Div(
            html.Div([
                html.H1("Dữ liệu cho chương trình"),
                html.P(
                    "Mỗi con số trên màn hình có một địa chỉ trả đúng các dòng ấy, với đúng quyền"
                    " của người hỏi. Nút CSV trên các trang gọi chính các địa chỉ này.",
                    className="lede",
                ),
            ]),
            className="title-row",
        ),
        html.Div(
            [
                _start(request.host_url.rstrip("/"), closed),
                _questions(said),
                _filters(said),
                _columns(said),
                _pages(),
                _limits(closed),
                _refusals(),
            ],
            className="stack guide",
        ),
        active="/api",
    )


def _code(*lines: str) -> Piece:
    return html.Pre(html.Code("\n".join(lines)), className="guide-code table-scroll", tabIndex="0")


def _start(home: str, closed: bool) -> Piece:
    head = ' -H "Authorization: Bearer $IOC_KEY"' if closed else ""
    key = 'headers = {"Authorization": f"Bearer {os.environ[\'IOC_KEY\']}"}'
    options = ", storage_options=headers" if closed else ""
    steps: list[Piece] = [
        html.P(["Địa chỉ gốc: ", html.Code(f"{home}{filters.ROOT}"), "."]),
        _key(closed),
        html.P("Hỏi thử từ dòng lệnh:"),
        _code(f"curl{head} '{home}{filters.ROOT}/standings.json'"),
        html.P("Đọc thành bảng trong Python:"),
        _code(
            *(["import os"] if closed else []),
            "import pandas as pd",
            *([key] if closed else []),
            f'url = "{home}{CSV}"',
            f'table = pd.read_csv(url, dtype={{"code": str}}{options})  # mã giữ số 0 ở đầu',
        ),
        html.P([
            "Bản mô tả cho máy đọc (OpenAPI 3.1): ",
            html.A(html.Code(openapi.ADDRESS), href=openapi.ADDRESS, target="_blank"),
            ". Trang này được dựng từ chính bản đó.",
        ]),
    ]
    return components.card("Bắt đầu", *steps, id="start")


def _key(closed: bool) -> Piece:
    if not closed:
        return html.P("Máy này đang ở chế độ mở: hỏi từ chính máy này, không cần khóa.")
    return html.P([
        "Khóa: mở ",
        html.A("trang tài khoản", href="/account"),
        " rồi tạo khóa, chỉ hiện một lần, có hạn nhiều nhất 366 ngày. Khóa chỉ đọc, với quyền và"
        " hạn mức của tài khoản ấy; gửi ở ",
        html.Code("Authorization: Bearer …"),
        ".",
    ])


def _questions(said: dict[str, Any]) -> Piece:
    known = openapi.file_kinds(current_app)

    def row(name: str) -> list[Piece]:
        own = filters.QUESTIONS[name][1]
        needed = parameters.REQUIRED.get(name, ())
        links = [html.A(kind.upper(), href=f"{filters.ROOT}/{name}.{kind}") for kind in known]
        return [
            html.A(html.Code(name), href=f"#columns-{name}"),
            fields.title(name),
            html.Span(_apart(links, " · ")) if not needed else "",
            html.Span(_apart([html.Code(one) for one in own], " ")),
        ]

    head = ["Câu hỏi", "Một dòng là", "Địa chỉ", "Bộ lọc riêng"]
    return components.card(
        "Các câu hỏi",
        components.table(
            head, [row(name) for name in filters.QUESTIONS], class_name="guide-wide guide-questions"
        ),
        id="questions",
        note=f"{len(filters.QUESTIONS)} câu hỏi",
    )


def _apart(pieces: list[Piece], mark: str) -> list[Piece]:
    return [part for piece in pieces for part in (mark, piece)][1:]


def _filters(said: dict[str, Any]) -> Piece:
    """Every filter once, with what it takes and who takes it."""
    taken: dict[str, list[str]] = {}
    for question in filters.QUESTIONS:
        for name in parameters.names(question):
            taken.setdefault(name, []).append(question)

    def row(name: str) -> list[Piece]:
        told = parameters.WORDS.get(name, parameters.Words(name, ""))
        every = len(taken[name]) == len(filters.QUESTIONS)
        return [
            html.Code(name),
            told.says,
            _allowed(said, name),
            html.Code(told.example),
            "mọi câu hỏi" if every else html.Span(_apart(list(map(html.Code, taken[name])), " ")),
        ]

    head = ["Bộ lọc", "Nghĩa", "Giá trị", "Ví dụ", "Dùng cho"]
    return components.card(
        "Bộ lọc",
        html.P("Bộ lọc lạ hoặc giá trị lạ bị từ chối, không bao giờ bị bỏ qua."),
        components.table(
            head, [row(name) for name in taken], class_name="guide-wide guide-filters"
        ),
        id="filters",
    )


def _allowed(said: dict[str, Any], name: str) -> Piece:
    """The words that a filter takes, where they are few and ours."""
    for path in said["paths"].values():
        for one in path["get"].get("parameters", ()):
            if one["name"] == name:
                return html.Span(
                    _apart([html.Code(word) for word in one["schema"].get("enum", ())], " ")
                )
    return ""


def _columns(said: dict[str, Any]) -> Piece:
    """The columns of every question, folded."""
    return components.card(
        "Các cột",
        html.P(
            "Tên cột và thứ tự như nhau trong JSON, CSV và XLSX; tệp CSV và XLSX có thêm ba cột"
            " cuối để hỏi lại đúng như vậy. Điều chưa biết là ô trống hoặc null, không bao giờ"
            " là 0."
        ),
        *[_of(question) for question in filters.QUESTIONS],
        id="columns",
    )


def _of(question: str) -> Piece:
    found = fields.fields(question, openapi.columns(desk().store, question))
    rows = [
        [
            html.Code(one["name"]),
            one["title"],
            TYPES[one["type"]],
            one.get("unit", ""),
            html.Span(
                _apart(
                    [html.Code(f"{w['value']}: {w['label']}") for w in one.get("categories", ())],
                    " · ",
                )
            ),
        ]
        for one in found
    ]
    named: list[Piece] = [html.Code(question), f" {fields.title(question)} · {len(found)} cột"]
    head = ["Cột", "Nghĩa", "Kiểu", "Đơn vị", "Các giá trị"]
    table = components.table(head, rows, class_name="guide-wide")
    return html.Div(components.more(named, table), id=f"columns-{question}")


def _pages() -> Piece:
    held = etag.HELD >> 20
    return components.card(
        "Trang tiếp, thời điểm và bản đã có",
        components.facts([
            (
                "Trang tiếp",
                [
                    "JSON trả nhiều nhất 10.000 dòng nếu không có ",
                    html.Code("limit"),
                    "; ",
                    html.Code("next"),
                    " là địa chỉ các dòng sau, của cùng một trạng thái số liệu. Nếu số liệu đã đổi,"
                    " trả 409 kèm ",
                    html.Code("again"),
                    ": trang đầu tại một thời điểm không đổi nữa. Lấy nhiều trang thì nên hỏi với ",
                    html.Code("as_of"),
                    ".",
                ],
            ),
            (
                "Đúng như đã xem",
                [
                    html.Code("download=1"),
                    " ghi lại thời điểm xuất; địa chỉ ở ",
                    html.Code("Content-Location"),
                    " luôn trả đúng các byte ấy, ",
                    html.Code("manifest=1"),
                    " cho số dòng và mã băm.",
                ],
            ),
            (
                "Bản đã có",
                [
                    "Gửi lại ",
                    html.Code("ETag"),
                    " ở ",
                    html.Code("If-None-Match"),
                    f": không đổi thì trả 304, không có nội dung. Tệp CSV dài hơn {held} MB của"
                    " hiện nay không có thẻ; hỏi với ",
                    html.Code("as_of"),
                    " thì có.",
                ],
            ),
            ("Nén", [html.Code("Accept-Encoding: br"), " hoặc ", html.Code("gzip"), "."]),
        ]),
        id="pages",
    )


def _limits(closed: bool) -> Piece:
    held = limits.Limits()
    api, export, rows = held.api, held.export, held.rows

    def said(window: limits.Window, what: str) -> str:
        minutes = int(window.seconds // 60)
        told = "ngày" if minutes == 1440 else "giờ" if minutes == 60 else f"{minutes} phút"
        return f"{text.number(window.most)} {what} trong một {told}".replace("một 1 ", "một ")

    open_mode = html.P("Ở chế độ mở không có hạn mức.") if not closed else None
    return components.card(
        "Hạn mức của một tài khoản",
        html.Ul([
            html.Li(said(api, "lượt hỏi")),
            html.Li(said(export, "tệp xuất")),
            html.Li(said(rows, "dòng")),
        ]),
        html.P([
            "Mọi khóa của một tài khoản dùng chung hạn mức. Hết mức thì trả 429; ",
            html.Code("Retry-After"),
            " cho số giây phải chờ.",
        ]),
        open_mode,
        id="limits",
    )


def _refusals() -> Piece:
    """Each kind at the address that its documents name as their type."""
    rows = [
        [
            html.Code(f"{kinds.PAGE}#{one.slug}", id=one.slug),
            str(one.status),
            one.title,
            one.detail,
        ]
        for one in kinds.KINDS
    ]
    head = [("type", ""), ("Mã", ""), ("Tên", ""), ("Nghĩa", "")]
    return components.card(
        "Khi bị từ chối",
        html.P([
            "Thân trả lời là ",
            html.Code("application/problem+json"),
            " (RFC 9457), tiếng Việt ở ",
            html.Code("title"),
            ", ",
            html.Code("detail"),
            " và tiếng Anh ở ",
            html.Code("title_en"),
            ", ",
            html.Code("detail_en"),
            ". Chương trình nên so ",
            html.Code("type"),
            ".",
        ]),
        components.table(head, rows, class_name="guide-wide"),
        dcc.Link("Về đầu trang", href="#start"),
        id="refusals",
    )
