"""What a person or a program reads when an answer is refused: why, and what to do about it.

Programs get RFC 9457 problem documents in Vietnamese and English (``kinds``), people a page in
Vietnamese that needs neither script nor network.
No stack trace, query or setting ever leaves through here.
"""

import logging
from collections.abc import Mapping
from html import escape
from typing import Any

import orjson
from dash.exceptions import DependencyException
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from ioc.errors import Forbidden, IocError
from kpi import query
from layouts.web import kinds

log = logging.getLogger(__name__)

PAGE = """<!doctype html>
<html lang="vi"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{background:#1F2428;color:#E8EAED;font:1.25rem/1.5 "Noto Sans","Segoe UI",sans-serif;
margin:15vh auto;max-width:40rem;padding:0 1rem}}a{{color:#E8EAED}}p{{color:#A8B0B8}}</style>
<h1>{title}</h1><p>{detail}</p><p>Mã {status}</p><p><a href="/">Về trang đầu</a></p></html>
"""
AGAIN = 5
"""Seconds after which whoever found the store away may ask again."""
MACHINE = ("/api/", "/geo/", "/events", "/_dash", "/healthz", "/readyz", "/metrics")


class Problem(Exception):
    """A refusal with its status and its sentence.

    ``kind`` is one of ``kinds.KINDS``, by default that of the status; ``more`` stands in the
    document beside the members of RFC 9457. ``fault`` is one of ``kinds.FAULTS``: what is wrong
    with the value of the filter ``parameter``.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        kind: str = "",
        parameter: str = "",
        fault: str = "",
        retry_after: int | None = None,
        more: Mapping[str, str] | None = None,
    ):
        super().__init__(detail)
        self.status, self.parameter, self.retry_after = status, parameter, retry_after
        self.kind = kind or ("bad-filter" if status == 400 and parameter else "")
        self.detail = detail or kinds.of(status, self.kind).detail
        self.fault = fault
        self.more = dict(more or {})

    def document(self) -> dict[str, Any]:
        """The problem document (RFC 9457); in English the sentence of its fault or kind."""
        kind = kinds.of(self.status, self.kind)
        said = kinds.FAULTS[self.fault].format(name=self.parameter) if self.fault else ""
        found: dict[str, Any] = {
            "type": f"{kinds.PAGE}#{kind.slug}",
            "title": kind.title,
            "status": self.status,
            "detail": self.detail,
            "title_en": kind.title_en,
            "detail_en": said or kind.detail_en,
        }
        if self.parameter:
            found["parameter"] = self.parameter
        if self.retry_after is not None:
            found["retry_after"] = self.retry_after
        return found | self.more


def answer(problem: Problem) -> Response:
    """The refusal in the form that the caller can read, and when to come back."""
    response = _said(problem)
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response


def _said(problem: Problem) -> Response:
    if request.path.startswith(MACHINE) or not request.accept_mimetypes.accept_html:
        document = orjson.dumps(problem.document())
        return Response(document, problem.status, mimetype="application/problem+json")
    title = kinds.of(problem.status, problem.kind).title
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
    return answer(
        Problem(503, "Kho số liệu chưa đọc được; màn hình sẽ tự thử lại.", retry_after=AGAIN)
    )


def _where() -> str:
    """The rule of an address, never what stands in it: that may be a link that is still good."""
    return request.url_rule.rule if request.url_rule else "(no such address)"
