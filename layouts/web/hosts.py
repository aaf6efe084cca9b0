"""Under which names and over which wire this server answers; what stands before it is counted.

With accounts the product is reached through a proxy that holds the certificate. Its headers are
believed for as many hops as ``IOC_PROXY`` says and no more; a name that is not ours is refused, so
that nobody's address gets into a link, and over plain HTTP only this machine itself is served.
"""

from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.middleware.proxy_fix import ProxyFix

from ioc.settings import Settings
from layouts.web.guard import itself, loopback
from layouts.web.problems import Problem

HEALTH = "/healthz"
HSTS = "max-age=31536000"


def install(server: Flask, settings: Settings) -> None:
    """Check name and wire of every request; called before the guard. Open mode has its own rule."""
    if settings.auth != "accounts":
        return
    if settings.proxy:
        hops = settings.proxy
        server.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            server.wsgi_app, x_for=hops, x_proto=hops, x_host=0, x_port=0, x_prefix=0
        )
    known = names(settings)

    @server.before_request
    def _known() -> None:
        host = request.headers.get("Host", "")
        named = loopback(host)
        if not named and bare(host) not in known:
            raise Problem(421, "Tên máy chủ này không có trong IOC_ADDRESS hoặc IOC_HOSTS.")
        here = named and itself()  # a name is only what the asker says
        if not (here or request.is_secure or request.path == HEALTH):
            raise Problem(403, "Trang này chỉ phục vụ qua HTTPS.")

    @server.after_request
    def _lasting(response: Response) -> Response:
        if request.is_secure:
            response.headers["Strict-Transport-Security"] = HSTS
        return response


def names(settings: Settings) -> frozenset[str]:
    """The names that ``IOC_ADDRESS`` and ``IOC_HOSTS`` give this server, in lower case."""
    given = [urlsplit(settings.address).netloc, *settings.hosts.split(",")]
    return frozenset(bare(name) for name in given if name.strip())


def bare(host: str) -> str:
    """A host without its port, in lower case and without the dot of the root."""
    name = host.strip().lower()
    name = name.rsplit("]", 1)[0] + "]" if name.startswith("[") else name.rsplit(":", 1)[0]
    return name.rstrip(".")
