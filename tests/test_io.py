"""The door outside: what it lets through, how long it waits, what it never tells."""

import base64
import contextlib
import gzip
import json
import logging
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.door import Door, origin_of, refuse_address
from connectors.io import IO
from connectors.wire import TimedOut, parse_json, retry_after
from ioc.config import Lined
from ioc.errors import Broken, NeedsCredentials, Transient
from tests.chaos import Answer, Chaos, Request, serve
from tests.fields import rest_source, sheet_source

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


@contextlib.contextmanager
def door(
    url: str, *, env: dict[str, str] | None = None, sleeps: list | None = None, **entries: Any
):
    waits = [] if sleeps is None else sleeps
    source = rest_source(url, **entries)
    with IO(source, now=lambda: NOW, sleep=waits.append, env=env or {}) as io:
        yield io


def test_json_is_read_and_calls_bytes_and_hash_are_counted() -> None:
    with Chaos(serve(Answer({"a": "Quảng Bình"}))) as server, door(server.url) as io:
        assert io.response_hash == ""
        assert io.json(f"{server.url}/x", ten="Đồng Hới & Ba Đồn", none=None) == {"a": "Quảng Bình"}
        assert (io.calls, len(io.response_hash)) == (1, 64)
        assert io.bytes_read == len(json.dumps({"a": "Quảng Bình"}))
        assert server.requests[0].query == {"ten": "Đồng Hới & Ba Đồn"}


# -- where it may go (39, 20) --------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://127.0.0.1:1/",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "http://user:pw@127.0.0.1/",
    ],
)
def test_a_redirect_leaves_the_declared_host_never(target: str) -> None:
    answer = Answer(status=302, headers={"Location": target})
    with Chaos(serve(answer)) as server, door(server.url) as io:
        with pytest.raises(Broken):
            io.json(f"{server.url}/x")
        assert io.calls == 1


def test_a_redirect_to_a_declared_host_is_followed_without_our_credentials() -> None:
    with Chaos(serve(Answer({"ok": 1}))) as other:
        moved = Answer(status=302, headers={"Location": f"{other.url}/y"})
        auth = Lined({"kind": "bearer", "token": "${IOC_THU}"})
        options = Lined({"hosts": [other.url]})
        with (
            Chaos(serve(moved)) as server,
            door(server.url, env={"IOC_THU": "bi-mat-9"}, auth=auth, options=options) as io,
        ):
            assert io.json(f"{server.url}/x") == {"ok": 1}
            assert server.requests[0].headers["authorization"] == "Bearer bi-mat-9"
            assert "authorization" not in other.requests[0].headers


def test_a_request_with_a_body_reaches_its_own_server_and_no_other() -> None:
    how = {"method": "PROPFIND", "headers": {"Depth": "1"}, "body": b"<a/>", "accept": "text/xml"}
    answers = serve(
        Answer(status=307, headers={"Location": "/y"}),
        Answer(body=b"<b/>", status=207, type="application/xml"),
    )
    with Chaos(answers) as server, door(server.url) as io:
        reply = io.fetch(f"{server.url}/x", taken=(207,), **how)
        assert (reply.status, reply.body) == (207, b"<b/>")
        for request in server.requests:
            assert (request.method, request.headers["depth"]) == ("PROPFIND", "1")
            assert request.body == b"<a/>"
    with Chaos(serve(Answer(body=b"<b/>", type="text/xml"))) as other:
        moved = Answer(status=307, headers={"Location": other.url})
        options = Lined({"hosts": [other.url]})
        with Chaos(serve(moved)) as server, door(server.url, options=options) as io:
            with pytest.raises(Broken, match="sang máy khác"):
                io.fetch(server.url, **how)
            assert other.requests == []


def test_a_status_is_read_only_where_it_is_taken() -> None:
    told = Answer({"status": "error"}, status=400)
    with Chaos(serve(told)) as server, door(server.url) as io:
        assert parse_json(io.fetch(server.url, taken=(400,)).body) == {"status": "error"}
        with pytest.raises(Broken, match="400"):
            io.fetch(server.url)


def test_another_content_type_than_xml_is_refused_where_xml_is_asked_for() -> None:
    with (
        Chaos(serve(Answer({}))) as server,
        door(server.url) as io,
        pytest.raises(Broken, match="chờ dữ liệu text/xml"),
    ):
        io.fetch(server.url, accept="text/xml")


def test_endless_redirects_end() -> None:
    here = Answer(status=302, headers={"Location": "/x"})
    with Chaos(serve(here)) as server, door(server.url) as io:
        with pytest.raises(Broken, match="chuyển hướng"):
            io.json(f"{server.url}/x")
        assert io.calls == 6


def test_a_name_that_resolves_to_a_forbidden_address_is_refused(monkeypatch: Any) -> None:
    def resolve(host: str, port: int, **_: Any) -> list:
        return [(2, 1, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with (
        door("http://metadata.example") as io,
        pytest.raises(Broken, match=r"169\.254\.169\.254"),
    ):
        io.json("http://metadata.example/x")


def test_a_public_name_that_resolves_to_this_machine_is_refused(monkeypatch: Any) -> None:
    with Chaos(serve(Answer({}))) as server:
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", server.port))]
        )
        url = f"http://he-thong.example:{server.port}"
        with door(url) as io, pytest.raises(Broken, match="không được phép"):
            io.json(url)
        assert server.requests == []


@pytest.mark.parametrize(
    "address",
    ["169.254.1.1", "fe80::1", "224.0.0.1", "0.0.0.0", "::", "fd00:ec2::254", "127.0.0.1"],
)
def test_addresses_where_no_sector_system_lives_are_refused(address: str) -> None:
    with pytest.raises(Broken):
        refuse_address(address, loopback=False)


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.1.1", "203.162.0.1", "2405:4800::1"])
def test_private_and_public_addresses_pass(address: str) -> None:
    refuse_address(address, loopback=False)


def test_the_allow_list_compares_scheme_host_and_port() -> None:
    doorway = Door([origin_of("https://LGSP.quangbinh.gov.vn")], lambda: 5.0)
    assert doorway.check("https://lgsp.quangbinh.gov.vn:443/a") == (
        "https",
        "lgsp.quangbinh.gov.vn",
        443,
    )
    for url in ("http://lgsp.quangbinh.gov.vn/", "https://lgsp.quangbinh.gov.vn:8443/"):
        with pytest.raises(Broken, match="ngoài danh sách"):
            doorway.check(url)


# -- how long it waits (1-7, 21, 22, 24) ---------------------------------------------------------


def test_a_refused_connection_is_tried_again_and_then_transient(unused_port: Any) -> None:
    waits: list[float] = []
    url = f"http://127.0.0.1:{unused_port()}"
    with door(url, sleeps=waits) as io, pytest.raises(Transient, match="không kết nối được"):
        io.json(url)
    assert len(waits) == 3 and 0.25 <= waits[0] <= 0.75 and 1.0 <= waits[2] <= 3.0


def test_an_unknown_host_name_says_dns() -> None:
    with door("http://khong-co.invalid") as io, pytest.raises(Transient, match="DNS"):
        io.json("http://khong-co.invalid/")


def test_a_black_hole_is_given_up_within_three_seconds(monkeypatch: Any) -> None:
    monkeypatch.setattr("connectors.io.RETRIES", 0)  # one try, with the time of a whole poll
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with contextlib.ExitStack() as held:
            for _ in range(4):  # fill the backlog: the next SYN gets no answer
                filler = held.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            time.sleep(0.05)
            began = time.monotonic()
            with door(url) as io, pytest.raises(Transient, match="trong 3 giây"):
                io.json(url)
            assert time.monotonic() - began < 8


@pytest.mark.parametrize("answer", [Answer({"a": 1}, delay=30), Answer({"a": "b" * 99}, drip=0.1)])
def test_neither_a_late_first_byte_nor_a_drip_feed_outlasts_the_deadline(answer: Answer) -> None:
    options = Lined({"deadline": 1})
    began = time.monotonic()
    with (
        Chaos(serve(answer)) as server,
        door(server.url, options=options) as io,
        pytest.raises(TimedOut),
    ):
        io.json(server.url)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("status", [500, 502, 503, 408, 425, 429])
def test_a_passing_fault_is_tried_three_times_more(status: int) -> None:
    with Chaos(serve(Answer({}, status=status))) as server, door(server.url) as io:
        with pytest.raises(Transient, match=str(status)):
            io.json(server.url)
        assert len(server.requests) == 4


def test_a_fault_that_passes_is_not_noticed() -> None:
    answers = serve(Answer(reset=True), Answer(status=503), Answer([1], cut=2), Answer([1]))
    with Chaos(answers) as server, door(server.url) as io:
        assert io.json(server.url) == [1]
        assert io.calls == 4


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 206, 304])
def test_another_status_is_not_tried_again(status: int) -> None:
    with Chaos(serve(Answer({}, status=status))) as server, door(server.url) as io:
        with pytest.raises(Broken, match=str(status)):
            io.json(server.url)
        assert len(server.requests) == 1


def test_retry_after_in_seconds_or_as_a_date_is_waited_for_exactly() -> None:
    at = format_datetime(NOW + timedelta(seconds=20), usegmt=True)
    answers = serve(
        Answer(status=429, headers={"Retry-After": "7"}),
        Answer(status=503, headers={"Retry-After": at}),
        Answer([]),
    )
    waits: list[float] = []
    with Chaos(answers) as server, door(server.url, sleeps=waits) as io:
        assert io.json(server.url) == []
    assert waits == [7.0, 20.0]


def test_a_long_retry_after_gives_the_thread_back_and_is_capped() -> None:
    answer = Answer(status=429, headers={"Retry-After": "86400"})
    with Chaos(serve(answer)) as server, door(server.url) as io:
        with pytest.raises(Transient) as refused:
            io.json(server.url)
        assert refused.value.retry_after == 900
        assert len(server.requests) == 1


@pytest.mark.parametrize("text", ["", "soon", "-5", "nan", "Wed, 99 Foo 2026", "1e400"])
def test_a_senseless_retry_after_is_harmless(text: str) -> None:
    wait = retry_after(text, NOW)
    assert wait is None or 0 <= wait <= 900


def test_reading_ends_at_once_when_the_process_must_end() -> None:
    with Chaos(serve(Answer({}, delay=30))) as server:
        began = time.monotonic()
        io = IO(
            rest_source(server.url),
            sleep=lambda _: None,
            stopped=lambda: time.monotonic() - began > 0.3,
        )
        with io, pytest.raises(Transient):
            io.json(server.url)
        assert time.monotonic() - began < 2


# -- what it takes (9-13, 23, 25) ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain", "", "image/png"])
def test_another_content_type_is_broken(kind: str) -> None:
    page = Answer(body=b"<html>dang nhap</html>", type=kind)
    with Chaos(serve(page)) as server, door(server.url) as io, pytest.raises(Broken, match="chờ"):
        io.json(server.url)


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_a_truncated_body_is_transient_and_gives_nothing(coding: str) -> None:
    whole = json.dumps([{"ma": i} for i in range(1000)]).encode()
    if coding:
        packed = gzip.compress(whole)
        answer = Answer(body=packed[: len(packed) // 2], headers={"Content-Encoding": "gzip"})
    else:
        answer = Answer(body=whole, cut=len(whole) // 2)
    with Chaos(serve(answer)) as server, door(server.url) as io, pytest.raises(Transient):
        io.json(server.url)


def test_a_truncated_chunked_body_is_transient() -> None:
    pieces = Answer(body=iter([b"5\r\n[1,2,\r\n"] * 1), headers={"Transfer-Encoding": "chunked"})
    answers = serve(pieces, Answer(status=404))
    with Chaos(answers) as server, door(server.url) as io, pytest.raises(Broken, match="404"):
        io.json(server.url)  # the first try was transient, so that there was a second
    assert len(server.requests) == 2


def test_gzip_is_read() -> None:
    body = gzip.compress(json.dumps({"a": "ô" * 9000}).encode())
    answer = Answer(body=body, headers={"Content-Encoding": "gzip"})
    with Chaos(serve(answer)) as server, door(server.url) as io:
        assert io.json(server.url) == {"a": "ô" * 9000}
        assert io.bytes_read == len(body)


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd"])
def test_an_encoding_that_was_not_asked_for_is_refused(coding: str) -> None:
    answer = Answer(body=b"x", headers={"Content-Encoding": coding})
    with Chaos(serve(answer)) as server, door(server.url) as io, pytest.raises(Broken, match="nén"):
        io.json(server.url)


READ_A_BOMB = """
import resource, sys
from connectors.io import IO
from ioc.errors import Broken
from tests.fields import rest_source
with IO(rest_source(sys.argv[1], options={"max_bytes": 4 << 20})) as io:
    io.json(sys.argv[1] + "/small")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        io.json(sys.argv[1])
    except Broken as error:
        print(error)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_gzip_bomb_meets_the_cap_before_it_unfolds() -> None:
    bomb = gzip.compress(bytes(256 << 20), 6)
    packed = Answer(body=bomb, headers={"Content-Encoding": "gzip"})
    with Chaos(lambda r: Answer({}) if r.path == "/small" else packed) as server:
        command = [sys.executable, "-c", READ_A_BOMB, server.url]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    message, rise = said.stdout.splitlines()
    assert "quá lớn" in message
    assert int(rise) < 20, f"{rise} MB"


def test_an_endless_body_meets_the_byte_cap() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(65_536)

    options = Lined({"max_bytes": 1 << 20})
    with (
        Chaos(lambda _: Answer(body=endless())) as server,
        door(server.url, options=options) as io,
        pytest.raises(Broken, match="quá lớn"),
    ):
        io.json(server.url)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[1",
        b"",
        b"\xff\xfe[\x00",
        b"[" * 99_999,
    ],
)
def test_json_that_is_not_strict_is_broken(body: bytes) -> None:
    with pytest.raises(Broken):
        parse_json(body)


@pytest.mark.parametrize("body", [b"{a: 1}", b"[1", b"", b"9" * 5000, b"[NaN]", b"[1e999]"])
def test_what_is_wrong_with_json_is_said_without_the_parsers_english(body: bytes) -> None:
    with pytest.raises(Broken) as refused:
        parse_json(body)
    said = r"JSON không hợp lệ(: số quá (dài|lớn)|: có NaN| ở ký tự \d+)"
    assert re.fullmatch(said, str(refused.value))


def test_a_byte_order_mark_is_stripped_and_long_integers_stay_whole() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 12345678901234567890123}')["a"] % 10 == 3


# -- who we are (8, 23, 38) ----------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_tried_again(status: int) -> None:
    with Chaos(serve(Answer({}, status=status))) as server, door(server.url) as io:
        with pytest.raises(NeedsCredentials):
            io.json(server.url)
        assert len(server.requests) == 1


def test_a_missing_secret_needs_credentials_and_names_only_the_variable() -> None:
    auth = Lined({"kind": "bearer", "token": "${IOC_KHONG_CO}"})
    with (
        Chaos(serve(Answer({}))) as server,
        door(server.url, auth=auth) as io,
        pytest.raises(NeedsCredentials, match="IOC_KHONG_CO"),
    ):
        io.json(server.url)
    assert server.requests == []


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"kind": "basic", "username": "qb", "password": "${IOC_S}"}, "Basic "),
        ({"kind": "bearer", "token": "${IOC_S}"}, "Bearer bi-mat"),
        ({"kind": "api_key", "key": "${IOC_S}", "header": "X-Khoa"}, "bi-mat"),
        ({"kind": "api_key", "key": "${IOC_S}", "param": "khoa"}, "bi-mat"),
        ({"kind": "header", "headers": {"Authorization": "QB ${IOC_S}/1"}}, "QB bi-mat/1"),
    ],
)
def test_each_kind_of_authentication_reaches_the_server(auth: dict, sent: str) -> None:
    with Chaos(serve(Answer({}))) as server:
        with door(server.url, env={"IOC_S": "bi-mat"}, auth=Lined(auth)) as io:
            io.json(server.url)
        request = server.requests[0]
        places = [request.headers.get("authorization"), request.headers.get("x-khoa")]
        found = next(value for value in [*places, request.query.get("khoa")] if value)
        assert found.startswith(sent)
        if sent == "Basic ":
            assert base64.b64decode(found[6:]) == b"qb:bi-mat"


KEYS = {"IOC_APP": "ung-dung-ioc", "IOC_ACCESS": "khoa-vao-cua", "IOC_SECRET": "chim-hoang-yen"}
TRIPLE = {
    "AppName": "${IOC_APP}",
    "AccessKey": "${IOC_ACCESS}",
    "SecretKey": "v1 ${IOC_SECRET}",
}


def test_a_key_triple_reaches_the_platform_on_every_page_and_stands_in_no_message_or_log(
    caplog: Any,
) -> None:
    """Platforms of some provinces ask for three headers of their own."""
    caplog.set_level(logging.DEBUG)
    auth = Lined({"kind": "header", "headers": TRIPLE})
    answers = serve(Answer(status=503), Answer({"rows": [1]}), Answer(status=403))
    with Chaos(answers) as server, door(server.url, env=KEYS, auth=auth) as io:
        assert io.json(server.url) == {"rows": [1]}
        with pytest.raises(NeedsCredentials) as refused:
            io.json(server.url, trang=2)
        io.note(f"máy chủ nói: {KEYS['IOC_SECRET']} của {KEYS['IOC_ACCESS']}")
        told = [repr(refused.value), caplog.text, repr(io.notes), repr(vars(io)["_source"])]
    for request in server.requests:
        sent = [request.headers.get(name) for name in ("appname", "accesskey", "secretkey")]
        assert sent == ["ung-dung-ioc", "khoa-vao-cua", "v1 chim-hoang-yen"]
    assert len(server.requests) == 3
    assert not any(key in text for key in KEYS.values() for text in told), told


def test_a_key_triple_with_a_literal_key_is_refused() -> None:
    headers = TRIPLE | {"AccessKey": "khoa-vao-cua"}
    with pytest.raises(AssertionError, match="không ghi khóa trực tiếp") as refused:
        rest_source("http://127.0.0.1:9", auth=Lined({"kind": "header", "headers": headers}))
    assert "khoa-vao-cua" not in str(refused.value)


class TokenServer:
    """A portal whose tokens live for ``seconds``; ``revoked`` are no longer taken."""

    def __init__(self, seconds: Any = 300):
        self.seconds, self.issued, self.revoked = seconds, 0, set()

    def __call__(self, request: Request) -> Answer:
        if request.path == "/token":
            if b"client_secret=bi-mat-lon" not in request.body:
                return Answer({"error": "invalid_client"}, status=401)
            self.issued += 1
            return Answer({"access_token": f"the-{self.issued}", "expires_in": self.seconds})
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token.startswith("the-") or token in self.revoked:
            return Answer({}, status=401)
        return Answer({"token": token})


def oauth(server: Chaos) -> Lined:
    return Lined({
        "kind": "oauth2_client_credentials",
        "token_url": f"{server.url}/token",
        "client_id": "ioc",
        "client_secret": "${IOC_S}",
    })


def test_a_token_is_asked_for_once_and_kept_over_polls_until_shortly_before_its_end() -> None:
    tokens, time_now = TokenServer(seconds="100"), [0.0]
    with Chaos(tokens) as server:
        source = rest_source(server.url, auth=oauth(server))
        for at, expected in [(0, "the-1"), (50, "the-1"), (89, "the-1"), (91, "the-2")]:
            time_now[0] = float(at)
            with IO(source, clock=lambda: time_now[0], env={"IOC_S": "bi-mat-lon"}) as io:
                assert io.json(server.url) == {"token": expected}
    assert tokens.issued == 2


def test_a_token_that_is_refused_is_renewed_once_and_only_once() -> None:
    tokens = TokenServer()
    with Chaos(tokens) as server:
        source = rest_source(server.url, auth=oauth(server))
        with IO(source, env={"IOC_S": "bi-mat-lon"}) as io:
            assert io.json(server.url) == {"token": "the-1"}
            tokens.revoked.add("the-1")
            assert io.json(server.url) == {"token": "the-2"}
            tokens.revoked |= {f"the-{i}" for i in range(99)}
            with pytest.raises(NeedsCredentials):
                io.json(server.url)
    assert tokens.issued == 3


@pytest.mark.parametrize("reply", [[], {}, {"access_token": 5}, {"access_token": "a\r\nX: y"}])
def test_a_senseless_token_reply_is_broken(reply: Any) -> None:
    def answer(request: Request) -> Answer:
        return Answer(reply if request.path == "/token" else {})

    with Chaos(answer) as server:
        source = rest_source(server.url, auth=oauth(server))
        with IO(source, env={"IOC_S": "bi-mat-lon"}) as io, pytest.raises(Broken):
            io.json(server.url)


def test_secrets_stand_in_no_message_log_or_repr(caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    auth = Lined({"kind": "api_key", "key": "${IOC_S}", "param": "khoa"})
    env = {"IOC_S": "con-chim & hoang-yen"}
    answers = serve(Answer(status=500), Answer(status=404))
    with Chaos(answers) as server, door(server.url, env=env, auth=auth) as io:
        with pytest.raises(Broken) as refused:
            io.json(f"{server.url}/x")
        said = [
            repr(refused.value),
            caplog.text,
            repr(vars(io.credentials)["_source"]),
            io.redact(
                "gửi con-chim & hoang-yen tới http://a:b@h/?x=1&access_token=zz&y=con-chim%20%26"
            ),
            io.redact("con-chim+%26+hoang-yen con-chim%20%26%20hoang-yen"),
        ]
    assert not any("hoang-yen" in text for text in said), said
    assert "a:b" not in said[3] and "zz" not in said[3]


# -- files (37-39) -------------------------------------------------------------------------------


def test_only_whole_data_files_of_the_folder_itself_are_listed(tmp_path: Path) -> None:
    outside = tmp_path / "ngoai.csv"
    outside.write_text("x")
    folder = tmp_path / "bao-cao"
    folder.mkdir()
    for name in ("a.xlsx", "~$a.xlsx", ".b.xlsx", "c.xlsx.part", "d.tmp", "e.CSV"):
        (folder / name).write_text("x")
    (folder / "f.csv").symlink_to(outside)
    (folder / "g.csv").mkdir()
    with IO(sheet_source(folder)) as io:
        assert {file.name for file in io.files(".xlsx", ".csv")} == {"a.xlsx", "e.CSV"}


def test_a_file_that_is_still_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("nửa")
    with IO(sheet_source(tmp_path, options={"settle": 2})) as io:
        assert io.files(".csv") == []
        assert "a.csv" in io.notes[0]
    with IO(sheet_source(tmp_path, options={"settle": 0})) as io:
        file = io.files(".csv")[0]
        path.write_text("nửa kia nữa")
        with pytest.raises(Transient, match="đang được ghi"):
            io.read(file)


def test_a_folder_that_is_not_there_is_transient(tmp_path: Path) -> None:
    with IO(sheet_source(tmp_path / "khong-co")) as io, pytest.raises(Transient):
        io.files(".csv")


def test_a_file_above_the_cap_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(bytes(2000))
    with IO(sheet_source(tmp_path, options={"max_bytes": 1000, "settle": 0})) as io:
        file = io.files(".csv")[0]
        with pytest.raises(Broken, match=r"a\.csv"):
            io.read(file)


@pytest.mark.parametrize(
    ("url", "options", "address"),
    [
        ("https://ai:mat-khau@lgsp.example:8443/api?khoa=bi-mat", {"path": "/hoSo"},
         "https://lgsp.example:8443/api/hoSo"),
        ("/srv/so-lieu/bao-cao", {}, "bao-cao"),
        ("${IOC_KHONG_CO}", {}, ""),
    ],
)  # fmt: skip
def test_a_run_says_where_it_read_and_nothing_secret(url, options, address):
    with IO(rest_source(url=url, options=options), env={}) as io:
        assert io.address == address
