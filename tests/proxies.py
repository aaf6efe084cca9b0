"""Real proxies on loopback before a real ``ioc web``, set up by the examples of ``docs/tls.md``.

An example is taken to the letter: only the host name, the addresses listened on and passed on to,
and the files of the certificate are put in place of its own.
"""

from __future__ import annotations

import gzip
import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import brotli
import pytest

from app import ROOT
from tests.conftest import SERVERS, free_port
from tests.doors import HOST

DOCUMENT = ROOT / "docs" / "tls.md"
FRAMES = {
    "nginx": """
daemon off;
{user}
pid {home}/pid;
error_log stderr;
worker_processes 1;
events {{ }}
http {{
  access_log {home}/access;
  client_body_temp_path {home}/body;
  proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi;
  scgi_temp_path {home}/scgi;
  sendfile on;
  tcp_nopush on;
  gzip on;
{example}
}}
""",
    "caddy": """
{{
  admin off
  http_port {plain}
  https_port {tls}
  default_bind 127.0.0.1
}}
{example}
""",
}
"""What stands around an example: private folders, and what Debian's own nginx.conf switches on."""


@dataclass
class Proxy:
    """Where it listens, for TLS and without, and the authority of its certificate."""

    name: str
    tls: int
    plain: int
    authority: Path

    def client(self, at: str = "127.0.0.2", host: str = HOST) -> Client:
        """Somebody's browser at an address of loopback."""
        return Client(self, at, host)


@dataclass
class Answer:
    """A whole answer; header names in lower case, in order, each as often as it came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body as it was before it was packed."""
        ways = {"br": brotli.decompress, "gzip": gzip.decompress}
        way = self.all("content-encoding")
        return ways[way[0]](self.body) if way else self.body

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str:
        """The value of a header that came once."""
        [value] = self.all(name)
        return value


@dataclass
class Client:
    """Asks as a browser does: the public name, its cookies, and an address of its own."""

    proxy: Proxy
    at: str
    host: str = HOST
    cookies: dict[str, str] = field(default_factory=dict)

    def open(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The response with its body unread; headers are given as ``X_Name``."""
        wire = http.client.HTTPSConnection(HOST, timeout=20)
        raw = socket.create_connection(
            ("127.0.0.1", self.proxy.tls), 20, source_address=(self.at, 0)
        )
        context = ssl.create_default_context(cafile=str(self.proxy.authority))
        wire.sock = context.wrap_socket(raw, server_hostname=HOST)
        return self._sent(wire, method, path, body, headers)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request and its whole answer; what it sets of cookies is kept."""
        with self.open(method, path, body, **headers) as response:
            return self._kept(response)

    def plainly(self, path: str) -> Answer:
        """The same without TLS, as who types a name without ``https``."""
        wire = http.client.HTTPConnection("127.0.0.1", self.proxy.plain, timeout=20)
        with self._sent(wire, "GET", path, None, {}) as response:
            return self._kept(response)

    def sign_in(self, name: str, password: str, **headers: str) -> Answer:
        """Fill in the form and send it, as a page of this host."""
        form = {"csrf": self.form_token("/login"), "name": name, "password": password}
        headers = {"Origin": f"https://{self.host}", "Sec_Fetch_Site": "same-origin"} | headers
        return self.ask("POST", "/login", form, **headers)

    def form_token(self, path: str) -> str:
        """What the form of a page carries."""
        page = self.ask("GET", path).content.decode()
        return re.search(r'name="csrf" value="([^"]+)"', page)[1]

    def _sent(self, wire: Any, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        given = {"Host": self.host, "Accept": "text/html", "Accept-Encoding": "br, gzip"}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if isinstance(body, dict):
            given["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(body)
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        wire.request(method, path, body, given)
        return wire.getresponse()

    def _kept(self, response: Any) -> Answer:
        headers = [(name.lower(), value) for name, value in response.getheaders()]
        answer = Answer(response.status, headers, response.read())
        for line in answer.all("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer


def example(name: str, values: dict[str, str]) -> str:
    """The example of a proxy in the document; every value of ours must have found its place."""
    text = DOCUMENT.read_text(encoding="utf-8")
    [found] = re.findall(rf"(?ms)^## {name}\n```\w*\n(.*?)^```", text)
    for theirs, ours in values.items():
        assert theirs in found, f"{DOCUMENT.name}: {name} lacks {theirs}"
        found = found.replace(theirs, ours)
    return found


@contextmanager
def started(
    command: list[Any], log: Path, answers: Callable[[], bool], **how: Any
) -> Iterator[None]:
    """A program until the end of the block.

    Fails with its own words when it does not answer, and when it does not end though nobody is
    there any more: then a restart would hang.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **how)
    try:
        end = time.monotonic() + 60
        while not answers():
            assert process.poll() is None and time.monotonic() < end, log.read_text()[-2000:]
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)  # at once, with no grace for streams
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            pytest.fail(f"{command[0]} does not end:\n{log.read_text()[-2000:]}")


@contextmanager
def web(home: Path, **env: str) -> Iterator[int]:
    """``ioc web`` with accounts behind one proxy; its port."""
    port = free_port()
    given = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")}
    given |= {"IOC_AUTH": "accounts", "IOC_PROXY": "1", "IOC_PORT": str(port), **env}
    command = [Path(sys.executable).with_name("ioc"), "web"]
    with started(command, home / "web.log", lambda: _ready(port), env=given, cwd=ROOT):
        yield port


@contextmanager
def before(name: str, home: Path, port: int, files: tuple[Path, Path, Path]) -> Iterator[Proxy]:
    """The proxy of that name before the web at a port; files: certificate, key, authority."""
    proxy = Proxy(name, free_port(), free_port(), files[2])
    values = {
        "ioc.example.gov.vn": HOST,
        "127.0.0.1:8050": f"127.0.0.1:{port}",
        "/etc/ssl/ioc.pem": str(files[0]),
        "/etc/ssl/ioc.key": str(files[1]),
    }
    if name == "nginx":
        values |= {
            "listen 443 ": f"listen 127.0.0.1:{proxy.tls} ",
            "listen 80;": f"listen 127.0.0.1:{proxy.plain};",
        }
    text = FRAMES[name].format(
        home=home,
        user="user root;" if os.geteuid() == 0 else "",
        plain=proxy.plain,
        tls=proxy.tls,
        example=example(name, values) if name == "nginx" else example("Caddy", values),
    )
    (home / "conf").write_text(text)
    command = {
        "nginx": [program("nginx", "nginx-light"), "-e", "stderr", "-c", home / "conf"],
        "caddy": [program("caddy"), "run", "--adapter", "caddyfile", "--config", home / "conf"],
    }[name]
    env = os.environ | {"XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with started(command, home / "log", lambda: _open(proxy.tls) and _open(proxy.plain), env=env):
        yield proxy


def program(name: str, package: str = "") -> str:
    """Where a server stands."""
    found = shutil.which(name, path=SERVERS)
    if found is None:
        pytest.fail(f"{name} is missing: install the package {package or name}")
    return found


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _ready(port: int) -> bool:
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        wire.request("GET", "/healthz")
        return wire.getresponse().status == 200
    except OSError:
        return False
    finally:
        wire.close()
