"""Settings: one typed class, refused as a whole, open mode on loopback only."""

import dataclasses
import ipaddress
import socket
from pathlib import Path

import pytest

from ioc.errors import ConfigError
from ioc.settings import Settings, described


def read(**env):
    return Settings.from_env({f"IOC_{name.upper()}": value for name, value in env.items()})


def refusal(**env):
    with pytest.raises(ConfigError) as refused:
        read(**env)
    return str(refused.value)


def test_an_empty_environment_starts_on_this_machine_with_a_file_in_data():
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.auth) == ("127.0.0.1", 8050, "open")
    assert settings.data == Path("data")
    assert settings.sqlite_path == Path("data/ioc.sqlite").absolute()
    assert (settings.sandbox_scale, settings.sandbox_port) == (0.2, 8060)
    assert (settings.cache_url, settings.broker_url, settings.config) == ("", "", None)


def test_the_database_lies_in_the_data_folder(tmp_path):
    assert read(data=str(tmp_path)).sqlite_path == tmp_path / "ioc.sqlite"
    assert read(database_url="postgresql+psycopg://u@h/db").sqlite_path is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.8.9.1"])
def test_open_mode_takes_a_loopback_address(host):
    assert read(host=host).host == host


def test_open_mode_binds_the_number_that_a_name_had_when_it_was_checked():
    assert ipaddress.ip_address(read(host="localhost").host).is_loopback


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "0", "10.0.0.1", "192.168.1.5", "2001:db8::1", "::ffff:10.0.0.1", "*"]
)
def test_open_mode_refuses_any_other_address(host):
    assert "IOC_HOST" in refusal(host=host)


def test_open_mode_refuses_a_name_that_means_another_machine(monkeypatch):
    def elsewhere(host, *_args, **_kwargs):
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", elsewhere)
    assert "IOC_AUTH=open chỉ chạy ở" in refusal(host="ioc.example")


def test_accounts_may_listen_anywhere_but_need_a_secret(tmp_path):
    assert "cần IOC_SECRET_KEY_FILE" in refusal(auth="accounts", host="0.0.0.0")
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    settings = read(auth="accounts", host="0.0.0.0", secret_key_file=str(key))
    assert settings.host == "0.0.0.0"
    key.chmod(0o644)
    assert "chmod 600" in refusal(auth="accounts", secret_key_file=str(key))
    key.chmod(0o600)
    key.write_bytes(b"short")
    assert "ít nhất 32 byte" in refusal(auth="accounts", secret_key_file=str(key))
    assert "không đọc được" in refusal(auth="accounts", secret_key_file=str(tmp_path / "no"))


def test_all_faults_are_listed_at_once_and_no_password_is_printed():
    text = refusal(
        host="0.0.0.0",
        port="abc",
        auth="maybe",
        database_url="mysql://user:canary@h/db",
        cache_url="memcached://:canary@h",
        broker_url="kafka://canary",
        tile_url="https://tiles.example/x.png",
        sandbox_scale="0,2",
        sandbox_seed="-1",
        sandbox_port="70000",
        config="/nowhere",
    )
    for name in ("HOST", "PORT", "AUTH", "DATABASE_URL", "CACHE_URL", "BROKER_URL", "TILE_URL"):
        assert f"IOC_{name}:" in text
    for name in ("CONFIG", "SANDBOX_SCALE", "SANDBOX_SEED", "SANDBOX_PORT"):
        assert f"IOC_{name}:" in text
    assert "Cấu hình có 11 lỗi" in text
    assert "canary" not in text


def test_a_data_path_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "data").write_text("x", encoding="utf-8")
    assert "không phải thư mục" in refusal(data=str(tmp_path / "data"))


def test_a_secret_setting_may_come_from_a_file_and_never_shows_in_a_repr(tmp_path):
    (tmp_path / "url").write_text("postgresql+psycopg://u:canary@h/db\n", encoding="utf-8")
    settings = Settings.from_env({"IOC_DATABASE_URL_FILE": str(tmp_path / "url")})
    assert settings.database_url == "postgresql+psycopg://u:canary@h/db"
    assert "canary" not in repr(settings)
    text = refusal(database_url_file=str(tmp_path / "absent"))
    assert "IOC_DATABASE_URL_FILE" in text


def test_an_empty_variable_means_the_default():
    assert read(port="", host=" ", sandbox_scale="").port == 8050


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings.from_env({}).port = 1


def test_every_setting_is_described():
    listed = described()
    assert [name for name, *_ in listed] == [
        f"IOC_{spec.name.upper()}" for spec in dataclasses.fields(Settings)
    ]
    assert all(description for *_, description in listed)
    assert ("IOC_PORT", "8050", "Port of the web") in listed
