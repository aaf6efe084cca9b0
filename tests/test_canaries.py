"""Secrets that were planted everywhere a deployment keeps them come out nowhere."""

import logging
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import app as program
from connectors import checkup, poller
from ioc.clock import right_now
from ioc.config import Lined
from ioc.errors import IocError
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import accounts, audit, devices, doctor, health
from tests.chaos import Answer, Chaos, serve
from tests.fields import rest_source
from tests.test_guard import HERE

ADMIN = Principal("quantri", "admin")
BIRDS = {
    "IOC_SECRET_KEY_FILE": "chim-yen-bi-mat-" * 3,
    "IOC_CHIM_KHOA": "chim-khuyen-bi-mat",
    "IOC_CHIM_MAT_KHAU": "chim-sao-bi-mat",
    "redis": "chim-sau-bi-mat",
    "broker": "chim-ri-bi-mat",
    "password": "chim-chich-choe-bi-mat-0",
}
BIRD = "bi-mat"
"""Part of every secret here and of nothing else."""


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: Any, sqlite_store: Any) -> Settings:
    """Settings whose every secret is a canary, by credential, file and name."""
    folder, home = tmp_path / "secrets", tmp_path / "data"
    for one in (folder, home, folder / "credentials"):
        one.mkdir()
    (folder / "key").write_text(BIRDS["IOC_SECRET_KEY_FILE"])
    (folder / "key").chmod(0o600)
    (folder / "credentials" / "IOC_CHIM_KHOA").write_text(BIRDS["IOC_CHIM_KHOA"] + "\n")
    (folder / "broker").write_text(f"redis://:{BIRDS['broker']}@127.0.0.1:1/0\n")
    given = {
        "CREDENTIALS_DIRECTORY": folder / "credentials",
        "IOC_CHIM_MAT_KHAU": BIRDS["IOC_CHIM_MAT_KHAU"],
        "IOC_SECRET_KEY_FILE": folder / "key",
        "IOC_CACHE_URL": f"redis://:{BIRDS['redis']}@127.0.0.1:1/0",
        "IOC_BROKER_URL_FILE": folder / "broker",
        "IOC_DATA": home,
        "IOC_DATABASE_URL": sqlite_store.url,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(poller, "_sleep_until", lambda stop: lambda _: None)
    return Settings.from_env()


def sources(server: Chaos) -> list[Any]:
    """Two that sign in with canaries; one of them repeats what it was sent, in every place."""
    key = Lined({"kind": "api_key", "key": "${IOC_CHIM_KHOA}", "param": "key"})
    basic = Lined({"kind": "basic", "username": "ioc", "password": "${IOC_CHIM_MAT_KHAU}"})
    return [
        rest_source(server.url, id="chim_mot", auth=key),
        rest_source(server.url, id="chim_hai", auth=basic),
        rest_source("http://ioc:${IOC_CHIM_KHOA}@127.0.0.1:1/x", id="chim_ba"),
    ]


def everything_in(folder: Path, *, but: str) -> bytes:
    """Each byte that was written below a folder, one folder in it left out."""
    files = [one for one in folder.rglob("*") if one.is_file() and but not in one.parts]
    return b"".join(one.read_bytes() for one in files)


def test_a_planted_secret_is_in_no_log_run_database_answer_or_line_of_the_doctor(
    planted: Settings, sqlite_store: Any, tmp_path: Path, caplog: Any, capsys: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    said = [repr(planted), str(planted)]
    echo = [
        Answer({"error": " ".join(BIRDS.values())}, status=401),
        Answer({"error": " ".join(BIRDS.values())}, status=500),
        Answer({birds: birds for birds in BIRDS.values()}),
    ]
    with Chaos(serve(*echo)) as server:
        chosen = sources(server)
        health.publish_sources(sqlite_store, chosen)
        for one in chosen:
            run = poller.poll(sqlite_store, one, SimpleNamespace(
                data=planted.data, secret_key_file=planted.secret_key_file))  # fmt: skip
            assert run["outcome"] not in ("ok", "empty")
            said.append(repr(run))
        said += map(str, checkup.examine(chosen, planted, right_now()))
    said += map(str, doctor.examine(sqlite_store, planted))
    said += answers(planted, sqlite_store)
    said += [caplog.text, *capsys.readouterr(), *audit.lines(sqlite_store)]
    sqlite_store.close()
    assert len(said) > 40
    for text in said:
        assert BIRD not in text, text[:2000]
    written = everything_in(tmp_path, but="secrets")
    assert b"chim_mot" in written
    assert BIRD.encode() not in written


def answers(settings: Settings, store: Any) -> list[str]:
    """What pages, data addresses and refusals say, headers too; and a fault of the program."""
    wired = program.create_app(
        Settings(**{
            spec.name: getattr(settings, spec.name)
            for spec in fields(Settings)
            if spec.name != "cache_url"
        }),
        store,
    ).server
    wired.add_url_rule("/api/vo", "vo", lambda: 1 / 0)
    client = wired.test_client()
    paths = "/ /sources /sources/chim_mot /sources/chim_hai /wall /khong-co /api/v1/sources.json"
    paths += " /api/v1/sources.csv /metrics /healthz /readyz /api/vo /api/v1/values.json?org_unit=x"
    said = []
    for path in paths.split():
        for accept in ("text/html", "application/json"):
            answer = client.get(path, base_url=HERE, headers={"Accept": accept})
            said.append(f"{answer.headers}{answer.text}")
    layout = client.get("/_dash-layout", base_url=HERE)
    return [*said, layout.text]


def test_what_a_person_or_a_screen_knows_is_nowhere_in_the_database(
    sqlite_store: Any, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    link = accounts.create(
        sqlite_store, ADMIN, name="lan", display="Lan", role="viewer", org_units=None
    )
    with pytest.raises(IocError):
        accounts.set_password(sqlite_store, link, "bi-mat")
    accounts.set_password(sqlite_store, link, BIRDS["password"])
    session = accounts.sign_in(sqlite_store, "lan", BIRDS["password"])
    for typed in ((BIRDS["password"], "lan"), ("lan", "bi-mat-sai"), ("lan", session)):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(sqlite_store, *typed)
    key = accounts.create_key(sqlite_store, ADMIN, "lan", label="x", days=3)
    screen = devices.ask(sqlite_store)
    devices.pair(sqlite_store, ADMIN, screen.code, name="x", layout="")
    path = Path(sqlite_store.url.removeprefix("sqlite:///"))
    sqlite_store.close()
    written = b"".join(one.read_bytes() for one in path.parent.glob(path.name + "*"))
    assert b"argon2id" in written
    secrets = (link, session, key, screen.code, screen.token, BIRDS["password"], "bi-mat-sai")
    for one in secrets:
        assert one.encode() not in written
        assert one not in caplog.text
