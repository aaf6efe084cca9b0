"""Behind nginx and Caddy, set up as docs/tls.md says, people come in and nobody pretends."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from ioc.form import MOST_BYTES
from kpi import accounts, audit, health
from kpi.store import open_store
from tests import proxies
from tests.certificates import Authority
from tests.conftest import QUIET, chromium_program
from tests.doors import ADMIN, HOST, PASSWORD
from tests.proxies import Client, Proxy
from tests.test_downloads import portal

NAMES = ("nginx", "caddy")
SPOOFED = {
    "X_Forwarded_For": "203.0.113.9",
    "X_Forwarded_Proto": "http",
    "X_Forwarded_Host": "evil.example",
    "X_Real_IP": "203.0.113.9",
    "Forwarded": "for=203.0.113.9;host=evil.example;proto=http",
}
ONCE = (
    "Strict-Transport-Security",
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
    "Cross-Origin-Resource-Policy",
    "Permissions-Policy",
    "Cache-Control",
)

ANALYSTS = (("lan", "analyst"), ("mai", "analyst"), ("tam", "analyst"))
HELLO = """new Promise(say => {
  const stream = new EventSource('/events');
  stream.addEventListener('hello', () => { stream.close(); say(true); });
})"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxy")


@pytest.fixture(scope="module")
def held(home: Path, catalogue: Any, orgunits: Any) -> Iterator[Any]:
    """The store, with an operator and analysts: one alone would come too often for one account."""
    store = open_store(f"sqlite:///{home / 'ioc.sqlite'}", catalogue, orgunits)
    for name, role in (*ANALYSTS, ("hoa", "operator")):
        link = accounts.create(store, ADMIN, name=name, display=name, role=role, org_units=None)
        accounts.set_password(store, link, PASSWORD)
    yield store
    store.close()


@pytest.fixture(scope="module")
def port(home: Path, held: Any) -> Iterator[int]:
    """Where the web itself listens."""
    key = home / "secret"
    key.write_bytes(b"k" * 48)
    key.chmod(0o600)
    given = {"IOC_DATA": str(home), "IOC_SECRET_KEY_FILE": str(key)}
    with proxies.web(home, IOC_ADDRESS=f"https://{HOST}", **given) as found:
        yield found


@pytest.fixture(scope="module", params=NAMES)
def proxy(request: pytest.FixtureRequest, home: Path, port: int) -> Iterator[Proxy]:
    folder = home / request.param
    folder.mkdir()
    authority = Authority(folder)
    files = (*authority.issue(HOST), authority.file)
    with proxies.before(request.param, folder, port, files) as found:
        yield found


@pytest.fixture(scope="module")
def inside(proxy: Proxy) -> Client:
    """A browser in which somebody has signed in."""
    client = proxy.client()
    assert client.sign_in("tam", PASSWORD).status == 303
    return client


def elsewhere(proxy: Proxy, number: int) -> str:
    """An address from which nobody has asked yet, whatever the proxy."""
    return f"127.0.{NAMES.index(proxy.name) + 1}.{number}"


def event(response: HTTPResponse) -> tuple[str, dict[str, Any]]:
    """The next event of a stream."""
    name = ""
    while line := response.readline().decode():
        if line.startswith("event: "):
            name = line[7:].strip()
        elif line.startswith("data: "):
            return name, json.loads(line[6:])
    raise EOFError


def test_signing_in_gives_a_cookie_that_goes_over_tls_and_to_this_host_only(proxy):
    client = proxy.client()
    entered = client.sign_in("lan", PASSWORD)
    assert entered.status == 303 and entered.one("location") == "/"
    given = {
        line.partition("=")[0]: {part.strip() for part in line.split(";")[1:]}
        for line in entered.all("set-cookie")
    }
    assert given["__Host-ioc"] == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert client.ask("GET", "/sources").status == 200
    assert {"__Host-ioc", "__Host-ioc-form", "ioc-csrf"} == client.cookies.keys()
    for line in client.ask("GET", "/account").all("set-cookie"):
        assert "Secure" in line


def test_a_port_of_ones_own_is_part_of_the_origin(proxy):
    host = f"{HOST}:{proxy.tls}"
    assert proxy.client(host=host).sign_in("tam", PASSWORD).status == 303


@pytest.mark.parametrize(
    "origin", [f"http://{HOST}", "https://evil.example", f"https://{HOST}.evil.example", "null"]
)
def test_a_form_of_another_site_signs_nobody_in(proxy, origin):
    refused = proxy.client().sign_in("lan", PASSWORD, Origin=origin)
    assert refused.status == 403 and not refused.all("set-cookie")


def test_only_the_public_name_is_answered(proxy):
    for host in ("evil.example", f"{HOST}.evil.example", "203.0.113.9"):
        client = proxy.client(host=host)
        answer = client.ask("GET", "/login", **SPOOFED)
        # Caddy knows its names and has nothing to say under another
        assert answer.status == 421 or (proxy.name == "caddy" and not answer.body)
        assert host not in "".join(client.plainly("/").all("location")) or proxy.name == "caddy"


def test_the_audit_tells_the_address_that_the_proxy_saw_whatever_the_client_says(proxy, held):
    at = elsewhere(proxy, 7)
    client = proxy.client(at)
    assert client.sign_in("lan", "sai", **SPOOFED).status == 401
    assert client.sign_in("lan", PASSWORD, **SPOOFED).status == 303
    newest = list(audit.entries(held, ADMIN))[:2]
    assert [(one.kind, one.who, one.detail["address"]) for one in newest] == [
        ("sign_in", "lan", at),
        ("refused", "lan", at),
    ]


def test_a_client_that_names_other_addresses_is_still_one_client(proxy):
    client = proxy.client(elsewhere(proxy, 8))
    form = {"csrf": client.form_token("/login"), "password": "một", "again": "hai"}

    def try_once(number: int) -> int:
        said = {"X_Forwarded_For": f"203.0.113.{number}", "Origin": f"https://{HOST}"}
        return client.ask("POST", "/setup/x", form, **said).status

    with ThreadPoolExecutor(8) as pool:  # thirty in each of two processes
        statuses = list(pool.map(try_once, range(64)))
    assert set(statuses) == {410, 429}
    other = proxy.client(elsewhere(proxy, 9))
    form["csrf"] = other.form_token("/login")
    assert other.ask("POST", "/setup/x", form, Origin=f"https://{HOST}").status == 410


def test_what_only_this_machine_may_hear_stays_behind_the_proxy(proxy, inside):
    for path in ("/metrics", "/readyz"):
        assert inside.ask("GET", path).status == 403
        assert proxy.client("127.0.0.1").ask("GET", path).status == 403
    assert proxy.client().ask("GET", "/healthz").status in (200, 503)  # nobody polls here


def test_an_event_arrives_as_soon_as_something_changed(inside, held):
    with inside.open("GET", "/events", Accept="text/event-stream") as stream:
        assert stream.getheader("Content-Type").startswith("text/event-stream")
        assert event(stream)[0] == "hello"
        assert event(stream)[0] == "version"
        begun = time.monotonic()
        health.publish_sources(held, [portal()])
        assert event(stream)[0] == "version"
        assert time.monotonic() - begun < 2


def test_data_come_packed_and_files_as_they_are_written(inside, port):
    data = inside.ask("GET", "/api/v1/org-units.json")
    assert data.one("content-encoding") == "br"
    assert len(data.body) < len(data.content) / 4 and json.loads(data.content)["rows"]
    file = inside.ask("GET", "/api/v1/org-units.csv?download=1")
    assert bool(file.all("transfer-encoding")) != bool(file.all("content-length"))
    assert file.one("content-disposition").startswith("attachment")
    assert file.content.count(b"\r\n") == len(json.loads(data.content)["rows"]) + 1


@pytest.mark.parametrize("path", ["/", "/login", "/api/v1/targets.json", "/khong-co", "/events"])
def test_headers_of_protection_come_once(inside, path):
    accept = "application/json" if path == "/events" else "text/html"
    answer = inside.ask("GET", path, Accept=accept)
    assert [name for name in ONCE if len(answer.all(name.lower())) != 1] == []
    assert answer.one("strict-transport-security") == "max-age=31536000"


def test_without_tls_one_is_sent_to_it(proxy):
    sent = proxy.client().plainly("/sources?x=1")
    assert sent.status in (301, 308)
    assert sent.one("location") == f"https://{HOST}/sources?x=1"


def test_the_largest_workbook_reaches_the_product(proxy):
    operator = proxy.client()
    operator.sign_in("hoa", PASSWORD)
    operator.ask("GET", "/account")
    headers = {"Content_Type": "application/octet-stream", "Origin": f"https://{HOST}"}
    headers["X_CSRFToken"] = operator.cookies["ioc-csrf"]
    headers["X_File_Name"] = "a.csv"
    read = operator.ask("POST", "/upload/staff", b"x" * MOST_BYTES, **headers)
    assert read.status == 400 and "không nhận tệp nhập tay" in read.content.decode()


@pytest.mark.browser
def signed_in_by_a_browser(proxy):
    """The cookies that a browser holds then, and whether each is for TLS only."""
    there = f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{proxy.tls}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_program(), args=[*QUIET, there]
        )
        context = browser.new_context(ignore_https_errors=True)  # of our own authority
        page = context.new_page()
        page.goto(f"https://{HOST}/sources")
        page.fill("#name", "mai")
        page.fill("#password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_selector("#main h1")
        assert page.url == f"https://{HOST}/sources"
        assert page.evaluate(HELLO)
        wire = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert page.evaluate(wire) == "h2"
        kept = {one["name"]: one["secure"] for one in context.cookies()}
        browser.close()
    return kept


def test_a_browser_signs_in_over_http_2_and_follows_the_data(proxy):
    """At the address of the document, without a port; the browser itself holds us to the names."""
    with ThreadPoolExecutor(1) as apart:  # where another test's browser has a loop of its own
        kept = apart.submit(signed_in_by_a_browser, proxy).result()
    assert kept == {"__Host-ioc": True, "__Host-ioc-form": True, "ioc-csrf": True}
