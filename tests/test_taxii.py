"""Counts over TAXII 2.1: OASIS's own server, and servers that mislead."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid5

import httpx2
import pytest

from connectors.io import IO
from connectors.kinds import taxii
from connectors.poller import poll
from ioc.config import Lined
from ioc.errors import Broken, NeedsCredentials, Transient
from ioc.model import Batch
from ioc.source import Source
from kpi import health
from tests.chaos import Answer, Chaos, Request, serve
from tests.conftest import free_port
from tests.fields import source_of

NOW = datetime.now(UTC)  # the server dates what it gets by the machine's clock
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
ACCEPT = {"Accept": taxii.ACCEPT}
SPACE = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
SECRET = "mat-khau-thu-rat-dai"


def counts(number: int, **changed: Any) -> dict[str, Any]:
    """One day's counts of a department."""
    stamp = (NOW - timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {
        "type": "x-dem",
        "spec_version": "2.1",
        "id": f"x-dem--{uuid5(SPACE, str(number))}",
        "created": stamp,
        "modified": stamp,
        "x_don_vi": "SYT",
        "x_ngay": f"2026-{1 + number // 28:02d}-{1 + number % 28:02d}",
        "x_tong": 5,
        "x_truc": "Nguyễn Văn Trực",
    } | changed


def centre(url: str, **entries: Any) -> Source:
    given: dict[str, Any] = {
        "id": "security",
        "name": "Trung tâm thử",
        "kind": "taxii",
        "url": url,
        "owner": "STTTT",
        "every": "30s",
        "serves": ["department"],
        "auth": Lined({"kind": "basic", "username": "reader", "password": "${IOC_TAXII_WORD}"}),
        "options": Lined({"collection": COLLECTION, "type": "x-dem", "limit": 10}),
        "fields": Lined({
            "org_unit": "x_don_vi",
            "period": Lined({"path": "x_ngay", "grain": "day"}),
            "changed_at": "modified",
        }),
        "readings": Lined({"inspections_total": "x_tong"}),
    }
    return source_of(**(given | entries))


def walk(source: Source, since: str | None = None, **env: str) -> list[Batch]:
    known = {"IOC_TAXII_WORD": SECRET} | env
    with IO(source, now=lambda: NOW, sleep=lambda _: None, env=known) as io:
        return list(taxii.poll(source, since, io))


def ids(batches: list[Batch]) -> list[str]:
    return [row["id"] for batch in batches for row in batch.rows]


# -- OASIS medallion -------------------------------------------------------------------------------

CONFIG = {
    "backend": {
        "module": "medallion.backends.memory_backend",
        "module_class": "MemoryBackend",
        "filename": "data.json",
    },
    "users": {"reader": SECRET},
    "taxii": {"max_page_size": 10},
}
PROGRAM = (
    "import sys; from werkzeug.serving import make_server; from medallion import load_app;"
    "make_server('127.0.0.1', int(sys.argv[1]), load_app('config.json')).serve_forever()"
)


def contents(port: int) -> dict[str, Any]:
    """An empty collection of one api root, in the form of medallion's memory."""
    root = f"http://127.0.0.1:{port}/atttt/"
    return {
        "/discovery": {"title": "thử", "default": root, "api_roots": [root]},
        "atttt": {
            "information": {
                "title": "thử", "versions": [taxii.ACCEPT], "max_content_length": 9_765_625,
            },
            "status": [],
            "collections": [{
                "id": COLLECTION, "title": "thử", "can_read": True, "can_write": True,
                "media_types": ["application/stix+json;version=2.1"], "objects": [], "manifest": [],
            }],
        },
    }  # fmt: skip


class Server:
    """A TAXII server that nobody here wrote."""

    def __init__(self, folder: Path, config: dict[str, Any] = CONFIG) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "data.json").write_text(json.dumps(contents(port)))
        self._log = (folder / "log").open("wb")
        command = [sys.executable, "-c", PROGRAM, str(port)]
        self.process = subprocess.Popen(command, cwd=folder, stdout=self._log, stderr=self._log)
        self.client = httpx2.Client(base_url=self.url, auth=("reader", SECRET), headers=ACCEPT)
        end = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < end and self.process.poll() is None, (
                folder / "log"
            ).read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return self.client.get("/taxii2/").status_code == 200
        except httpx2.TransportError:
            return False

    def add(self, *objects: dict[str, Any]) -> None:
        """Let the server take objects, in this order."""
        where = f"/atttt/collections/{COLLECTION}/objects/"
        kind = {"Content-Type": taxii.ACCEPT}
        answer = self.client.post(where, json={"objects": list(objects)}, headers=kind)
        assert answer.status_code == 202, answer.text
        assert answer.json()["failure_count"] == 0, answer.text

    def forget(self) -> None:
        """Wait until a next page that is given now is no longer known."""
        where = f"/atttt/collections/{COLLECTION}/objects/?limit=1"
        follows = self.client.get(where).json()["next"]
        end = time.monotonic() + 60
        while self.client.get(f"{where}&next={follows}").status_code == 200:
            assert time.monotonic() < end
            time.sleep(1)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


@pytest.fixture
def medallion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty server of its own for this test."""
    server = Server(tmp_path_factory.mktemp("medallion"))
    yield server
    server.end()


def test_all_pages_of_a_real_server_are_the_whole_and_the_watermark_is_its_own_word(medallion):
    told = [counts(number) for number in range(34)]
    for start in range(0, 34, 5):
        medallion.add(*told[start : start + 5])
    batches = walk(centre(medallion.url))  # its root is found by discovery
    assert set(ids(batches)) == {one["id"] for one in told} and len(batches) == 4
    assert len(ids(batches)) == 34
    marks = [batch.cursor for batch in batches]
    assert marks == sorted(marks) and len(marks[-1]) == len("2026-11-20T02:03:04.567890Z")


def test_a_page_in_the_middle_may_be_resumed_from_and_late_objects_are_found(medallion):
    medallion.add(*(counts(number) for number in range(25)))
    source = centre(medallion.url, options=options(api_root="/atttt/"))
    first, *_ = walk(source)
    rest = walk(source, first.cursor)
    assert set(ids([first])) | set(ids(rest)) == {counts(number)["id"] for number in range(25)}
    last = rest[-1].cursor
    medallion.add(counts(40))
    assert counts(40)["id"] in ids(walk(source, last))


def test_a_next_page_that_the_server_has_forgotten_is_asked_for_anew_at_the_next_poll(
    tmp_path_factory,
):
    told = [counts(number) for number in range(25)]
    backend = CONFIG["backend"] | {"session_timeout": 1, "check_interval": 1}
    server = Server(tmp_path_factory.mktemp("medallion"), CONFIG | {"backend": backend})
    try:
        server.add(*told)
        source = centre(server.url, options=options(api_root="/atttt/"))
        with IO(source, now=lambda: NOW, env={"IOC_TAXII_WORD": SECRET}) as io:
            pages = taxii.poll(source, None, io)
            first = next(pages)
            server.forget()  # what is newer than the page that is to come next
            with pytest.raises(Transient, match="không còn giữ"):
                next(pages)
        rest = walk(source, first.cursor)
        assert set(ids([first])) | set(ids(rest)) == {one["id"] for one in told}
    finally:
        server.end()


def test_polled_again_nothing_changes_and_a_revised_count_replaces_the_old_one(
    medallion, sqlite_store, tmp_path, monkeypatch
):
    monkeypatch.setenv("IOC_TAXII_WORD", SECRET)
    medallion.add(*(counts(number) for number in range(12)))
    source = centre(medallion.url)
    health.publish_sources(sqlite_store, [source])
    settings = SimpleNamespace(data=tmp_path, secret_key_file=None)

    def polled() -> dict[str, Any]:
        return poll(sqlite_store, source, settings, now=datetime.now(UTC))

    first = polled()
    assert (first["outcome"], first["new"], first["rejected"]) == ("ok", 12, 0)
    again = polled()
    assert (again["new"], again["changed"]) == (0, 0)
    modified = NOW.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    medallion.add(counts(3, x_tong=9, modified=modified))
    third = polled()
    assert (third["new"], third["changed"]) == (0, 1)
    with sqlite_store.read() as connection:
        values = connection.exec_driver_sql(
            "SELECT value FROM observation WHERE superseded_at > 250000000000000000"
        ).scalars()
        assert sorted(values) == [5.0] * 11 + [9.0]
    everything = b"".join(path.read_bytes() for path in Path(tmp_path).rglob("*") if path.is_file())
    assert "Trực".encode() not in everything and SECRET.encode() not in everything


def test_a_wrong_password_asks_for_credentials_and_is_never_told(medallion):
    with pytest.raises(NeedsCredentials) as refused:
        walk(centre(medallion.url), IOC_TAXII_WORD="mot-mat-khau-sai")
    assert "mot-mat-khau-sai" not in str(refused.value)


def test_a_collection_that_is_not_there_is_broken(medallion):
    with pytest.raises(Broken, match="404"):
        walk(centre(medallion.url, options=options(collection="khong-co")))


# -- servers that mislead --------------------------------------------------------------------------


def options(**changed: Any) -> Lined:
    return Lined({
        "collection": COLLECTION,
        "type": "x-dem",
        "limit": 10,
        "api_root": "/a/",
        **changed,
    })


def page(objects: list[dict[str, Any]], **said: Any) -> Answer:
    stamp = (NOW - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    headers = said.pop("headers", {"X-TAXII-Date-Added-Last": stamp})
    return Answer({"objects": objects, **said}, type=taxii.ACCEPT, headers=headers)


def test_a_root_on_another_host_is_refused() -> None:
    roots = {"title": "x", "default": "http://192.0.2.1/a/", "api_roots": ["http://192.0.2.1/a/"]}
    asked = Lined({"collection": COLLECTION, "type": "x-dem"})
    with Chaos(serve(Answer(roots, type=taxii.ACCEPT))) as server, pytest.raises(Broken):
        walk(centre(server.url, options=asked))


def test_we_ask_for_taxii_2_1_and_a_server_of_another_version_is_named() -> None:
    with Chaos(serve(Answer({"title": "no"}, status=406, type=taxii.ACCEPT))) as server:
        with pytest.raises(Broken, match=r"TAXII 2\.1"):
            walk(centre(server.url, options=options()))
        assert server.requests[0].headers["accept"] == taxii.ACCEPT


def test_pages_that_never_end_are_broken() -> None:
    def endless(request: Request) -> Answer:
        return page([counts(1)], more=True, next="1")

    with Chaos(endless) as server, pytest.raises(Broken, match="không kết thúc"):
        walk(centre(server.url, options=options()))


def test_more_without_a_next_page_is_broken() -> None:
    with Chaos(serve(page([counts(1)], more=True))) as server, pytest.raises(Broken):
        walk(centre(server.url, options=options()))


@pytest.mark.parametrize("said", [None, "2999-01-01T00:00:00Z", "hom nay"])
def test_a_server_that_does_not_say_when_or_says_the_far_future_is_broken(said) -> None:
    answer = page([counts(1)], headers={"X-TAXII-Date-Added-Last": said} if said else {})
    with Chaos(serve(answer)) as server, pytest.raises(Broken):
        walk(centre(server.url, options=options()))


@pytest.mark.parametrize("since", ["2999-01-01T00:00:00.000000Z", "xyz", "2026-11-01T00:00:00"])
def test_a_watermark_of_the_future_or_of_another_form_is_refused(since) -> None:
    with Chaos(serve(page([]))) as server, pytest.raises(Broken, match="mốc đã lưu"):
        walk(centre(server.url, options=options()), since)


def test_the_lag_and_the_border_are_asked_for_again() -> None:
    with Chaos(serve(page([]))) as server:
        walk(centre(server.url, lag="1h", options=options()), "2026-11-20T02:03:04.567890Z")
    assert server.requests[0].query["added_after"] == "2026-11-20T01:03:04.567889Z"


def test_only_objects_of_the_declared_type_are_rows() -> None:
    other = {"type": "identity", "id": "identity--1", "name": "Nguyễn Văn A"}
    with Chaos(serve(page([other, counts(1)]))) as server:
        assert ids(walk(centre(server.url, options=options()))) == [counts(1)["id"]]


@pytest.mark.parametrize(
    "body", [b"[]", b'{"objects": {}}', b'{"objects": ["x"]}', b"{", b"<html>dang nhap</html>"]
)
def test_what_is_no_page_of_objects_is_broken(body) -> None:
    answer = Answer(body=body, type="text/html" if body[:1] == b"<" else taxii.ACCEPT)
    with Chaos(serve(answer)) as server, pytest.raises(Broken):
        walk(centre(server.url, options=options()))
