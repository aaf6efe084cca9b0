"""A read-only WebDAV server over one folder: OPTIONS, PROPFIND (depth 0 and 1), GET and HEAD.

Only whole files are shown: what begins with a dot is ours. Without the password nobody sees
anything; a request that would change something is refused with 405.
"""

import base64
import binascii
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from connectors.sandbox.mark import marked

ALLOW = "OPTIONS, GET, HEAD, PROPFIND"
KINDS = {".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
OTHER = "application/octet-stream"


class Shared:
    """A folder at ``/<name>/`` for one user."""

    def __init__(self, folder: Path, name: str, user: str, password: str) -> None:
        self._folder, self._root = folder, f"/{name}/"
        self._word = f"{user}:{password}".encode()

    def app(self) -> Any:
        """The ASGI application, its replies marked as sample data."""
        methods = ["OPTIONS", "GET", "HEAD", "PROPFIND", "PUT", "DELETE", "POST", "MKCOL", "MOVE"]
        return marked(Starlette(routes=[Route("/{path:path}", self._answer, methods=methods)]))

    async def _answer(self, request: Request) -> Response:
        if not self._knows(request):
            return Response("cần đăng nhập", 401, {"WWW-Authenticate": 'Basic realm="kho tep"'})
        if request.method == "OPTIONS":
            return Response(None, 200, {"Allow": ALLOW, "DAV": "1"})
        where = f"/{request.path_params['path']}"
        if request.method == "PROPFIND":
            return await run_in_threadpool(self._listed, where, request.headers.get("depth", ""))
        if request.method not in ("GET", "HEAD"):
            return Response(None, 405, {"Allow": ALLOW})
        path = next((one for one in self._files() if where == self._root + one.name), None)
        if path is None:
            return Response("không có tệp này", 404)
        return FileResponse(path, media_type=KINDS.get(path.suffix, OTHER))

    def _knows(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        try:
            word = base64.b64decode(given, validate=True) if scheme == "Basic" else b""
        except binascii.Error:
            word = b""
        return hmac.compare_digest(word, self._word)

    def _files(self) -> list[Path]:
        found = sorted(self._folder.iterdir()) if self._folder.is_dir() else []
        return [path for path in found if path.is_file() and not path.name.startswith(".")]

    def _listed(self, where: str, depth: str) -> Response:
        if where.rstrip("/") != self._root.rstrip("/"):
            return Response("không có thư mục này", 404)
        if depth not in ("0", "1"):
            return Response("chỉ liệt kê từng thư mục", 403)
        answers = [_answer(self._root, "<D:resourcetype><D:collection/></D:resourcetype>")]
        if depth == "1":
            answers += [_answer(self._root + path.name, _said(path)) for path in self._files()]
        head = '<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:">'
        body = f"{head}{''.join(answers)}</D:multistatus>"
        return Response(body.encode(), 207, media_type="application/xml; charset=utf-8")


def _said(path: Path) -> str:
    at = path.stat()
    changed = format_datetime(datetime.fromtimestamp(at.st_mtime, UTC), usegmt=True)
    properties = {
        "displayname": path.name,
        "getcontentlength": at.st_size,
        "getlastmodified": changed,
        "getetag": f'"{at.st_mtime_ns:x}-{at.st_size:x}"',
        "getcontenttype": KINDS.get(path.suffix, OTHER),
    }
    told = (f"<D:{name}>{escape(str(text))}</D:{name}>" for name, text in properties.items())
    return f"<D:resourcetype/>{''.join(told)}"


def _answer(where: str, properties: str) -> str:
    good, none = (f"<D:status>HTTP/1.1 {text}</D:status>" for text in ("200 OK", "404 Not Found"))
    return (
        f"<D:response><D:href>{escape(quote(where))}</D:href>"
        f"<D:propstat><D:prop>{properties}</D:prop>{good}</D:propstat>"
        f"<D:propstat><D:prop><D:quota-used-bytes/></D:prop>{none}</D:propstat></D:response>"
    )
