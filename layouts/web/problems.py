"""What a person or a program reads when an answer is refused: one sentence in Vietnamese.

Programs get RFC 9457 problem documents, people a page that needs neither script nor network.
No stack trace, query or setting ever leaves through here.
"""

import logging
from html import escape

import orjson
from dash.exceptions import DependencyException
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from ioc.errors import Forbidden, IocError
from kpi import query

log = logging.getLogger(__name__)

TITLES = {
    400: "Yêu cầu không hợp lệ",
    401: "Cần đăng nhập",
    403: "Không có quyền xem",
    404: "Không tìm thấy",
    405: "Cách gọi không được phép",
    413: "Quá lớn",
    415: "Không đúng kiểu nội dung",
    421: "Sai tên máy chủ",
    429: "Quá nhiều yêu cầu",
    500: "Lỗi trong chương trình",
    503: "Tạm thời chưa phục vụ được",
}
SENTENCES = {
    400: "Nội dung gửi lên không đọc được.",
    404: "Địa chỉ này không có trong hệ thống.",
    405: "Địa chỉ này không nhận cách gọi đó.",
    413: "Nội dung gửi lên vượt mức cho phép.",
    415: "Nội dung gửi lên phải là JSON.",
    500: "Sự cố đã được ghi vào nhật ký. Số liệu không bị ảnh hưởng.",
}
PAGE = """<!doctype html>
<html lang="vi"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{background:#1F2428;color:#E8EAED;font:1.25rem/1.5 "Noto Sans","Segoe UI",sans-serif;
margin:15vh auto;max-width:40rem;padding:0 1rem}}a{{color:#E8EAED}}p{{color:#A8B0B8}}</style>
<h1>{title}</h1><p>{detail}</p><p>Mã {status}</p><p><a href="/">Về trang đầu</a></p></html>
"""
MACHINE = ("/api/", "/geo/", "/events", "/_dash", "/healthz", "/readyz", "/metrics")


class Problem(Exception):
    """A refusal with its status and its sentence."""

    def __init__(
        self, status: int, detail: str = "", *, parameter: str = "", retry_after: int | None = None
    ):
        super().__init__(detail)
        self.status, self.parameter, self.retry_after = status, parameter, retry_after
        self.detail = detail or SENTENCES.get(status, "")


def answer(problem: Problem) -> Response:
    """The refusal in the form that the caller can read, and when to come back."""
    response = _said(problem)
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response


def _said(problem: Problem) -> Response:
    title = TITLES.get(problem.status, "Yêu cầu bị từ chối")
    if request.path.startswith(MACHINE) or not request.accept_mimetypes.accept_html:
        document = {"type": "about:blank", "title": title, "status": problem.status}
        document["detail"] = problem.detail
        if problem.parameter:
            document["parameter"] = problem.parameter
        return Response(orjson.dumps(document), problem.status, mimetype="application/problem+json")
    page = PAGE.format(title=title, detail=escape(problem.detail), status=problem.status)
    return Response(page, problem.status, mimetype="text/html")


def install(server: Flask) -> None:
    """Answer every error of this server in our words."""

    @server.errorhandler(Problem)
    def _ours(problem: Problem) -> Response:
        return answer(problem)

    @server.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        if status in (301, 302, 303, 307, 308):
            return error.get_response()  # type: ignore[return-value]
        refused = answer(Problem(status))
        if status == 405:
            refused.headers["Allow"] = ", ".join(getattr(error, "valid_methods", None) or ())
        return refused

    @server.errorhandler(DependencyException)
    def _no_such_file(_error: DependencyException) -> Response:
        return answer(Problem(404))  # Dash answers 500 to a guessed path

    @server.errorhandler(Forbidden)
    def _forbidden(error: Forbidden) -> Response:
        return answer(Problem(403, str(error)))

    @server.errorhandler(IocError)
    def _refused(error: IocError) -> Response:
        return answer(Problem(400, str(error)))

    for away in query.UNREADABLE:  # down, full of connections or locked: not a fault of ours
        server.register_error_handler(away, _unreadable)

    @server.errorhandler(Exception)
    def _broken(error: Exception) -> Response:
        log.exception("%s %s failed", request.method, _where(), exc_info=error)
        g.failed = True
        return answer(Problem(500))


def _unreadable(error: Exception) -> Response:
    log.error("%s %s: %s", request.method, _where(), type(error).__name__)
    return answer(Problem(503, "Kho số liệu chưa đọc được; màn hình sẽ tự thử lại."))


def _where() -> str:
    """The rule of an address, never what stands in it: that may be a link that is still good."""
    return request.url_rule.rule if request.url_rule else "(no such address)"
