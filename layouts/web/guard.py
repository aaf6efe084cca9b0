"""The door: who comes in, with what, and what every answer carries.

Everything is refused that is not on a short list or asked by a principal. A page that hides its
figures protects nothing, for the same figures are a POST away: so the check is here, before
every route, and once more in every question.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import orjson
from dash import Dash
from flask import Flask, Response, g, request
from flask.json.provider import JSONProvider

from ioc.clock import right_now
from ioc.period import LOCAL
from ioc.principal import Principal
from ioc.settings import Settings
from layouts import access
from layouts.web.problems import Problem

STATIC = ("/assets/", "/_dash-component-suites/")
CALLBACK = "/_dash-update-component"
AHEAD = "ioc.ahead"
"""Set by ourselves alone: for whom an answer is drawn before it is asked for."""
BODY = 1 << 20
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORWARDED = (
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-Ip",
)
INNER = frozenset({"/readyz", "/metrics"})
"""What they say of sources and targets is for this machine itself, and for a program's key."""
FILES = (".csv", ".xlsx", ".jsonl")
"""Addresses that are files whatever is asked of them."""
POLICY = (
    "default-src 'none'; script-src 'self' {hashes}; style-src-elem 'self' 'unsafe-inline';"
    " style-src-attr 'none'; img-src 'self' data: blob:{tiles}; font-src 'self' data:;"
    " connect-src 'self'; worker-src 'self' blob:; form-action 'self'; base-uri 'none';"
    " frame-src 'self'; frame-ancestors {framed}; object-src 'none'"
)
FRAMED = "/wall"
"""The one page that a page of ours may show inside itself: the operator's preview."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Json(JSONProvider):
    """orjson both ways: no NaN, no endless depth, no lone surrogates get past it."""

    def dumps(self, obj: Any, **_options: Any) -> str:
        return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        return orjson.loads(s)


Identify = Callable[[], Principal | None]
"""Who sends the request that is being answered; None: nobody that we know."""


def install(app: Dash, server: Flask, settings: Settings, identify: Identify | None = None) -> None:
    """Guard a server; called before Dash adds its own hooks, so that nothing runs ahead.

    Without ``identify`` there is only this machine itself, in open mode.
    """
    identify = identify or this_machine(settings)
    server.json = Json(server)
    server.config["MAX_CONTENT_LENGTH"] = BODY
    policy: dict[tuple[int, bool], str] = {}

    @server.before_request
    def _admit() -> None:
        if settings.auth == "open":
            _only_this_machine()
        _same_site()
        rule = request.url_rule.rule if request.url_rule else ""
        if access.may(access.NOBODY, "routes", rule) or (rule in INNER and itself(settings.host)):
            return
        principal = request.environ.get(AHEAD) or identify()
        if principal is None:
            raise Problem(401, "Cần đăng nhập để xem nội dung này.")
        g.principal = principal.on(right_now().astimezone(LOCAL).date())
        if rule:  # else there is no such address, which everybody inside may hear
            access.check(principal, "routes", rule)
        if request.path == CALLBACK and request.method == "POST":
            declared = check_callback(app.callback_map)
            access.check(principal, "callbacks", access.callback_name(declared))

    @server.after_request
    def _dress(response: Response) -> Response:
        response.headers.update(HEADERS)
        # clientside callbacks are inline scripts: their hashes are known only when all are declared
        known, framed = len(app._inline_scripts), request.path == FRAMED
        if (known, framed) not in policy:
            policy[known, framed] = POLICY.format(
                hashes=" ".join(app.csp_hashes()),
                tiles=tiles(settings.tile_url),
                framed="'self'" if framed else "'none'",
            )
        response.headers["Content-Security-Policy"] = policy[known, framed]
        if framed:
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
        if not request.path.startswith(STATIC):
            response.headers.setdefault("Cache-Control", "no-store")
        elif request.path.startswith("/assets/") and response.status_code in (200, 304):
            fingerprinted = "m" in request.args
            response.headers["Cache-Control"] = (
                "public, max-age=31536000, immutable" if fingerprinted else "no-cache"
            )
        return response


def tiles(address: str | None) -> str:
    """Where map tiles may come from; nowhere but here when none are set."""
    parts = urlsplit(address or "")
    return f" {parts.scheme}://{parts.netloc.replace('{s}', '*')}" if parts.netloc else ""


def this_machine(settings: Settings) -> Identify:
    """Whoever sits at this machine in open mode, and nobody otherwise."""
    return lambda: Principal.local_admin() if settings.auth == "open" else None


def loopback(host: str) -> bool:
    """Whether a host name or address, with or without its port, is this machine itself."""
    name = host.rsplit("]", 1)[0].lstrip("[") if host.startswith("[") else host.rsplit(":", 1)[0]
    if name.lower() in ("localhost", "localhost."):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def itself(host: str = "") -> bool:
    """Whether this machine asks, by loopback or from its own address, with nobody between."""
    asker = request.remote_addr or ""
    near = loopback(asker + ":0") or (asker != "" and asker == host)
    return near and not any(name in request.headers for name in FORWARDED)


def _only_this_machine() -> None:
    """Open mode has no sign-in: a name that merely resolves to us (DNS rebinding) is not us."""
    if not loopback(request.headers.get("Host", "")):
        raise Problem(421, "Chế độ mở chỉ phục vụ chính máy này (127.0.0.1).")
    if any(name in request.headers for name in FORWARDED):
        raise Problem(403, "Chế độ mở không phục vụ qua máy trung gian.")
    if request.remote_addr and not loopback(request.remote_addr + ":0"):
        raise Problem(403, "Chế độ mở chỉ phục vụ chính máy này.")


def _same_site() -> None:
    """Another site's page may link to us; it may not write, embed or export."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method not in SAFE:
        if origin is not None and origin != f"{request.scheme}://{request.host}":
            raise Problem(403, "Yêu cầu đến từ một trang khác.")
        if site not in ("same-origin", "none"):
            raise Problem(403, "Yêu cầu đến từ một trang khác.")
    elif site in ("cross-site", "same-site"):
        navigates = request.headers.get("Sec-Fetch-Mode") == "navigate"
        takes = {"download", "manifest"} & request.args.keys() or request.path.endswith(FILES)
        if not navigates or takes:
            raise Problem(403, "Yêu cầu đến từ một trang khác.")


# --- the shape of a callback's body --------------------------------------------------------------
STARTS = {"pathname": "/", "search": "?", "hash": "#", "href": "http"}
COUNT = frozenset({"n_clicks", "n_intervals", "n_blur", "n_submit"})


def check_callback(callback_map: dict[str, Any]) -> dict[str, Any]:
    """Refuse a body that no page of ours sends; Dash itself would answer 500.

    Ids, properties and their order must be those that the callback declared; values must be
    of a type that the property can have.

    Returns:
        The callback as it was declared.
    """
    body = request.get_json()
    output = body.get("output") if isinstance(body, dict) else None
    declared = callback_map.get(output) if isinstance(output, str) else None
    if declared is None or "callback" not in declared or set(request.args) - {"endId"}:
        raise Problem(400, "Trang đã cũ hoặc yêu cầu bị hỏng: hãy tải lại trang.")
    many = isinstance(declared["output"], (list, tuple))
    outputs = declared["output"] if many else [declared["output"]]
    wanted = [] if declared.get("no_output") else [one.to_dict() for one in outputs]
    given = body.get("outputs", []) if wanted else []
    if wanted and not many:
        given = [given]
    changed = body.get("changedPropIds", [])
    inputs, state = body.get("inputs", []), body.get("state", [])
    fits = (
        _fits(given, wanted)
        and _fits(inputs, declared["inputs"])
        and _fits(state, declared["state"])
        and _agree(given + inputs + state, wanted + declared["inputs"] + declared["state"])
        and isinstance(changed, list)
        and all(map(_names_one, changed))
    )
    if not fits:
        raise Problem(400, "Trang đã cũ hoặc yêu cầu bị hỏng: hãy tải lại trang.")
    return declared


def _names_one(changed: object) -> bool:
    """Whether this is the name of a property, as Dash will take it apart."""
    if not isinstance(changed, str):
        return False
    key = changed.rpartition(".")[0] or changed
    try:
        return not key.startswith("{") or isinstance(orjson.loads(key), dict)
    except orjson.JSONDecodeError:
        return False


def _fits(given: object, declared: list[dict[str, Any]]) -> bool:
    if not isinstance(given, list) or len(given) != len(declared):
        return False
    return all(
        _one_fits(item, wanted)
        for group, wanted in zip(given, declared, strict=True)
        for item in _items(group, wanted)
    )


def _agree(given: list[Any], declared: list[dict[str, Any]]) -> bool:
    """A page has one list of ids for one pattern, wherever a callback names it."""
    lists: dict[str, list[Any]] = {}
    return all(
        lists.setdefault(wanted["id"], keys) == keys
        for group, wanted in zip(given, declared, strict=True)
        if isinstance(group, list)
        for keys in [[item["id"] for item in group]]
    )


def _items(group: object, wanted: dict[str, Any]) -> list[object]:
    """``ALL`` brings a list where every other id brings one item."""
    several = {"ALL", "ALLSMALLER"}
    pattern = _pattern(wanted["id"]) or {}
    if any(isinstance(part, list) and part[0] in several for part in pattern.values()):
        return group if isinstance(group, list) else [None]
    return [group]


def _pattern(declared: str) -> dict[str, Any] | None:
    return orjson.loads(declared) if declared.startswith("{") else None


def _one_fits(item: object, wanted: dict[str, Any]) -> bool:
    if not isinstance(item, dict):
        return False
    name, key = item.get("property"), item.get("id")
    if not isinstance(name, str) or name.split("@")[0] != wanted["property"].split("@")[0]:
        return False
    pattern = _pattern(wanted["id"])
    if pattern is None:
        same = key == wanted["id"]
    else:
        same = (
            isinstance(key, dict)
            and key.keys() == pattern.keys()
            and all(isinstance(part, (str, int)) for part in key.values())
            and all(isinstance(p, list) or p == key[k] for k, p in pattern.items())
        )
    return same and _value_fits(key, name, item.get("value"))


def _value_fits(key: object, name: str, value: object) -> bool:
    if value is None:
        # Dash's own router fails without a path
        return (key, name) != ("_pages_location", "pathname")
    if name == "id":
        return value == key
    if name in STARTS:
        empty = value == "" and name != "pathname"
        return empty or (isinstance(value, str) and value.startswith(STARTS[name]))
    if name in COUNT:
        return isinstance(value, int)
    if name == "value":
        return all(isinstance(v, (str, int, float)) for v in _flat(value))
    return True


def _flat(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
