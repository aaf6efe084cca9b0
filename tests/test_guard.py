"""Nothing comes in but what the door allows, and nothing that comes in breaks the program."""

import json
import re
from base64 import b64encode
from hashlib import sha256

import brotli
import dash
import flask
import pytest
from dash import ALL, MATCH, Dash, Input, Output, State, dcc, html
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ioc.errors import ConfigError
from ioc.settings import Settings
from layouts.web import compress, guard, problems

HERE = "http://127.0.0.1:8050"
LOCKED = Settings(auth="accounts")


def guarded(tmp_path, chosen=None):
    """A small app with every way of declaring a callback, behind the real guard."""
    server = flask.Flask("layouts", static_folder=None)
    (tmp_path / "page.js").write_text("void 0;" * 400)
    app = Dash(
        "layouts",
        server=False,
        assets_folder=str(tmp_path),
        use_pages=True,
        pages_folder="",
        enable_mcp=False,
        use_async=False,
        suppress_callback_exceptions=True,
        add_log_handler=False,
    )
    problems.install(server)
    guard.install(app, server, chosen or Settings())
    compress.install(server)
    app.init_app(server)
    app.layout = lambda: html.Div([dash.page_container, dcc.Store(id="live")])

    @app.callback(Output("a", "children"), Input("live", "data"), State("b", "value"))
    def plain(live, value):
        return "đây"

    @app.callback(
        Output("m", "children"),
        Output({"type": "cell", "at": ALL}, "children"),
        Input({"type": "button", "at": ALL}, "n_clicks"),
        State("where", "search"),
    )
    def many(clicks, search):
        return (search or "").upper(), [sum(filter(None, clicks)) for _ in dash.ctx.outputs_list[1]]

    @app.callback(
        Output({"type": "row", "at": MATCH}, "children"),
        Input({"type": "row", "at": MATCH}, "value"),
    )
    def matched(value):
        return str(value)

    @app.callback(Output("d", "children", allow_duplicate=True), Input("b", "value"),
                  prevent_initial_call=True)  # fmt: skip
    def twice(value):
        return value

    @app.callback(Input("live", "data"))
    def silent(data):
        return None

    app.clientside_callback("function (x) { return x; }", Output("c", "children"),
                            Input("live", "data"))  # fmt: skip

    @server.get("/secret")
    def secret():
        return "một con số"

    @server.get("/fails")
    def fails():
        raise RuntimeError("mật khẩu là 123")

    with server.test_request_context("/_favicon.ico", base_url=HERE):
        server.preprocess_request()
    return app


@pytest.fixture
def app(tmp_path):
    return guarded(tmp_path)


@pytest.fixture
def client(app):
    return app.server.test_client()


def routes(app):
    values = {"path": "x", "filename": "page.js", "package_name": "dash"}
    values["fingerprinted_path"] = "x.js"
    for rule in app.server.url_map.iter_rules():
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            yield method, re.sub(r"<(?:\w+:)?(\w+)>", lambda m: values[m[1]], rule.rule)


def test_every_route_is_refused_to_a_stranger_but_for_a_short_list(tmp_path):
    app = guarded(tmp_path, LOCKED)
    client = app.server.test_client()
    opened = set()
    for method, address in routes(app):
        answer = client.open(address, method=method, base_url="https://ioc.example", json={})
        if answer.status_code != 401:
            opened.add(address)
        else:
            assert b"m\xe1\xbb\x99t con s\xe1\xbb\x91" not in answer.data
    assert opened == {
        "/assets/page.js",
        "/_dash-component-suites/dash/x.js",
        "/_favicon.ico",
    }


def test_a_new_route_is_refused_until_somebody_decides(tmp_path):
    app = guarded(tmp_path, LOCKED)
    assert (
        app.server.test_client().get("/secret", base_url="https://ioc.example").status_code == 401
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.10", "10.0.0.1", "::"])
def test_open_mode_refuses_to_listen_elsewhere_than_on_this_machine(host):
    with pytest.raises(ConfigError, match="IOC_HOST"):
        Settings.from_env({"IOC_HOST": host})


@pytest.mark.parametrize(
    "host", ["ioc.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.7:8050", ""]
)
def test_a_name_that_only_resolves_to_this_machine_is_refused(client, host):
    answer = client.get("/", base_url=HERE, headers={"Host": host})
    assert answer.status_code == 421
    assert "127.0.0.1" in answer.get_data(as_text=True)


@pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost:8050", "[::1]:8050", "127.0.0.1"])
def test_this_machine_by_any_of_its_own_names_is_served(client, host):
    assert client.get("/", base_url=HERE, headers={"Host": host}).status_code == 200


def test_open_mode_is_not_served_through_a_proxy(client):
    for name in ("X-Forwarded-For", "X-Forwarded-Proto", "Via"):
        answer = client.get("/", base_url=HERE, headers={name: "10.0.0.7"})
        assert answer.status_code == 403, name


BODY = {
    "output": "a.children",
    "outputs": {"id": "a", "property": "children"},
    "inputs": [{"id": "live", "property": "data", "value": {"version": 3}}],
    "state": [{"id": "b", "property": "value", "value": "x"}],
    "changedPropIds": ["live.data"],
}


def post(client, body, **headers):
    return client.post(guard.CALLBACK, json=body, base_url=HERE, headers=headers)


def test_a_callback_of_our_own_page_is_answered(client):
    answer = post(client, BODY, Origin=HERE)
    assert answer.status_code == 200
    assert answer.json["response"] == {"a": {"children": "đây"}}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_a_callback_from_another_page_is_refused(client, origin):
    assert post(client, BODY, Origin=origin).status_code == 403


def test_another_site_may_link_to_a_page_but_neither_embed_it_nor_start_an_export(client):
    far = {"Sec-Fetch-Site": "cross-site"}
    assert (
        client.get("/", base_url=HERE, headers=far | {"Sec-Fetch-Mode": "navigate"}).status_code
        == 200
    )
    assert (
        client.get("/", base_url=HERE, headers=far | {"Sec-Fetch-Mode": "no-cors"}).status_code
        == 403
    )
    export = client.get("/?download=1", base_url=HERE, headers=far | {"Sec-Fetch-Mode": "navigate"})
    assert export.status_code == 403


def test_the_policy_allows_our_scripts_by_hash_and_no_evaluation(client):
    answer = client.get("/", base_url=HERE)
    policy = answer.headers["Content-Security-Policy"]
    assert "unsafe-eval" not in policy
    scripts = re.search(r"script-src ([^;]*);", policy)[1]
    assert "unsafe-inline" not in scripts
    page = re.sub(r"<!--.*?-->", "", answer.text, flags=re.S)
    inline = re.findall(r"<script(?![^>]*(?:src|json))[^>]*>(.*?)</script>", page, re.S)
    assert inline
    for script in inline:
        assert b64encode(sha256(script.encode()).digest()).decode() in scripts


def test_every_answer_carries_the_headers_even_a_refusal(client):
    for address in ("/", "/secret", "/fails", "/_dash-layout"):
        answer = client.get(address, base_url=HERE)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"


def test_what_breaks_is_told_in_vietnamese_and_without_its_cause(client):
    answer = client.get("/fails", base_url=HERE, headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert "Lỗi trong chương trình" in answer.text
    assert "mật khẩu" not in answer.text and "Traceback" not in answer.text


def test_a_guessed_library_file_is_not_found_rather_than_an_error(client):
    for address in ("/_dash-component-suites/nothing/x.js", "/_dash-component-suites/dash/../x.js"):
        assert client.get(address, base_url=HERE).status_code == 404


def test_a_fingerprinted_file_is_kept_a_year_and_sent_compressed(client):
    answer = client.get("/assets/page.js?m=1", base_url=HERE, headers={"Accept-Encoding": "br"})
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "br"
    assert brotli.decompress(answer.data) == b"void 0;" * 400
    bare = client.get("/assets/page.js", base_url=HERE)
    assert bare.headers["Cache-Control"] == "no-cache" and bare.data == b"void 0;" * 400


@pytest.mark.parametrize(
    ("accepted", "way"),
    [
        ("gzip, br", "br"),
        ("gzip", "gzip"),
        ("gzip;q=0", ""),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000, gzip;q=0.5", "gzip"),
        ("gzip;q=0.01", "gzip"),
        ("identity", ""),
    ],
)
def test_an_encoding_that_is_refused_is_not_used(accepted, way):
    assert compress.encoding(accepted) == way


def test_no_tool_protocol_and_no_developer_tools_are_served(client, app):
    assert client.post("/_mcp", json={}, base_url=HERE).status_code == 405
    assert not any("mcp" in rule.rule for rule in app.server.url_map.iter_rules())


@pytest.mark.parametrize("name", ["{", '{"a":', "{1}.value", '{"a":1.value', 7, None])
def test_a_name_of_a_change_that_cannot_be_taken_apart_is_refused(client, name):
    answer = post(client, BODY | {"changedPropIds": [name]}, Origin=HERE)
    assert answer.status_code == 400


def test_a_body_over_the_cap_is_refused(client):
    body = BODY | {"changedPropIds": ["x" * (guard.BODY + 1)]}
    assert post(client, body).status_code == 413


# --- malformed bodies ----------------------------------------------------------------------------
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "property", "value", "type", "at", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
IDS = (
    st.sampled_from(["a", "b", "live", "m", "where", "d", "c"])
    | st.fixed_dictionaries({"type": st.sampled_from(["cell", "row", "button"]), "at": VALUES})
    | VALUES
)
ITEMS = st.fixed_dictionaries(
    {
        "id": IDS,
        "property": st.sampled_from(["children", "data", "value", "search", "n_clicks"]) | VALUES,
    },
    optional={"value": VALUES},
)
LISTS = st.lists(ITEMS | st.lists(ITEMS, max_size=3) | VALUES, max_size=3) | ITEMS | VALUES


def bodies(outputs):
    return st.fixed_dictionaries(
        {},
        optional={
            "output": st.sampled_from(outputs) | VALUES,
            "outputs": LISTS,
            "inputs": LISTS,
            "state": LISTS,
            "changedPropIds": st.lists(st.text(max_size=5), max_size=2) | VALUES,
        },
    )


@st.composite
def wellformed(draw, callback):
    """A body whose ids and properties are those declared and whose values are anything."""
    lists = {}  # a page has one list of ids for one pattern

    def item(key, name):
        given = {"id": key, "property": name}
        if name == "id":
            return given | {"value": key}
        return given | ({"value": draw(VALUES)} if draw(st.booleans()) else {})

    def group(wanted):
        key, name = wanted["id"], wanted["property"]
        if not key.startswith("{"):
            return item(key, name)
        pattern = json.loads(key)
        parts = {k: st.integers(0, 3) if isinstance(v, list) else st.just(v)
                 for k, v in pattern.items()}  # fmt: skip
        ids = st.lists(st.fixed_dictionaries(parts), min_size=1, max_size=2)
        found = lists[key] if key in lists else lists.setdefault(key, draw(ids))
        return (
            [item(k, name) for k in found] if ["ALL"] in pattern.values() else item(found[0], name)
        )

    outputs = callback["output"]
    many = isinstance(outputs, (list, tuple))
    wanted = [o.to_dict() for o in (outputs if many else [outputs])] if outputs else []
    given = [group(one) for one in wanted]
    return {
        "outputs": given if many or not given else given[0],
        "inputs": [group(one) for one in callback["inputs"]],
        "state": [group(one) for one in callback["state"]],
        "changedPropIds": draw(st.lists(st.text(max_size=5), max_size=2)),
    }


def dump(body):
    return json.dumps(body)  # also NaN and Infinity, which JSON does not have


def fuzz(app, examples, headers=None):
    client = app.server.test_client()
    outputs = list(app.callback_map)
    seen = {}

    def send(data):
        answer = client.post(
            guard.CALLBACK, data=data, content_type="application/json", base_url=HERE
        )
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (data, answer.text)

    named = st.sampled_from(outputs).flatmap(
        lambda key: wellformed(app.callback_map[key]).map(lambda body: body | {"output": key})
    )

    @settings(max_examples=examples, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(bodies(outputs) | named | VALUES)
    def any_body(body):
        send(dump(body))

    @settings(max_examples=examples // 4, deadline=None, database=None)
    @given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
    def any_bytes(data):
        send(data)

    any_body()
    any_bytes()
    return seen


def test_two_thousand_malformed_callback_bodies_never_break_the_server(app):
    seen = fuzz(app, 2_000)
    assert sum(seen.values()) >= 2_000
    assert seen.get(400, 0) > 1_000


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"output": ' + b"9" * 10_000 + b"}",
        b'{"output": "a.children", "inputs": [{"id": "\\ud800"}]}',
        b'\xff\xfe{"output": 1}',
        b"",
    ],
)
def test_hostile_json_is_refused_before_it_is_understood(client, data):
    answer = client.post(guard.CALLBACK, data=data, content_type="application/json", base_url=HERE)
    assert answer.status_code == 400


def test_without_the_shape_guard_the_same_bodies_do_break_it(app, monkeypatch):
    monkeypatch.setattr(guard, "check_callback", lambda callback_map: None)
    with pytest.raises(AssertionError):
        fuzz(app, 200)
