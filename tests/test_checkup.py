"""`ioc doctor sources`: each configured source is read as its poll would; nothing is written."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app as program
from connectors.checkup import examine, look
from ioc.config import Lined
from kpi.doctor import Finding, Level
from tests.chaos import Answer, Chaos, Request, serve
from tests.fields import dossier, rest_source

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ROWS = [dossier(f"A{i}", tra="2024-03-06T08:00:00+07:00") for i in range(6)]


@pytest.fixture
def looked(tmp_path: Path) -> Callable[..., Finding]:
    """What the doctor says of a source whose server answers so."""

    def look_at(answer: Callable[[Request], Answer], **declared: Any) -> Finding:
        with Chaos(answer) as server:
            source = rest_source(server.url, options={"ignore": ["hoTen"]}, **declared)
            return look(source, SimpleNamespace(data=tmp_path, secret_key_file=None), NOW)

    return look_at


def test_a_source_that_can_be_read_and_used_is_fine(looked):
    found = looked(serve(Answer({"data": ROWS})))
    assert found.level is Level.fine, found
    assert "6 dòng mẫu, 6 mục nhận được" in found.said and not found.todo


def test_a_source_that_refuses_us_asks_for_credentials(looked):
    found = looked(serve(Answer(status=401)))
    assert found.level is Level.broken and "không đăng nhập được" in found.said and found.todo


def test_a_source_that_cannot_be_reached_says_where_it_was_sought(tmp_path):
    with Chaos(serve()) as server:
        url = server.url
    found = look(rest_source(url), SimpleNamespace(data=tmp_path, secret_key_file=None), NOW)
    assert found.level is Level.broken and url in found.said


def test_a_reply_that_is_a_page_of_html_is_broken(looked):
    found = looked(serve(Answer(body=b"<html>dang nhap</html>", type="text/html")))
    assert found.level is Level.broken and "text/html" in found.said


def test_a_field_that_no_row_has_and_one_that_nobody_declared_are_named(looked):
    rows = [{**row, "moi": 1} for row in ROWS]
    fields = Lined({**rest_source("http://127.0.0.1:1").fields, "due_at": "ngayHen"})
    found = looked(serve(Answer({"data": rows})), fields=fields)
    assert found.level is Level.note
    assert "không dòng nào có: " in found.said and "ngayHen" in found.said
    assert "trường chưa khai: moi" in found.said


def test_an_org_unit_that_nobody_knows_is_named(looked):
    found = looked(serve(Answer({"data": [*ROWS, dossier("A9", coQuan="99999")]})))
    assert found.level is Level.note and "99999" in found.said


def test_a_source_that_ends_in_a_fault_of_ours_is_broken_and_the_rest_goes_on(
    tmp_path, monkeypatch, caplog
):
    with Chaos(serve(Answer({"data": ROWS}))) as server:
        good = rest_source(server.url, options={"ignore": ["hoTen"]})
        bad = good.model_copy(update={"id": "hong", "kind": "soap", "options": {"rows": 5}})
        settings = SimpleNamespace(data=tmp_path, secret_key_file=None)
        first, second = examine([bad, good], settings, NOW)
    assert first.level is Level.broken and "KeyError" in first.said and first.todo
    assert second.level is Level.fine


def test_a_source_with_nothing_to_say_is_a_note(looked):
    assert looked(serve(Answer({"data": []}))).level is Level.note


def test_looking_writes_nothing_and_asks_no_database(tmp_path, monkeypatch, capsys):
    for name, value in {
        "DATA": str(tmp_path / "data"),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'none' / 'kpi.sqlite'}",
        "SANDBOX_PORT": "1",
    }.items():
        monkeypatch.setenv(f"IOC_{name}", value)
    monkeypatch.setenv("IOC_PUBLIC_SERVICES_URL", "http://127.0.0.1:9")
    assert program.main(["doctor", "sources", "public_services"]) == 1
    assert "nguồn public_services" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()
    assert program.main(["doctor", "sources", "khong-co"]) == 2
