"""What is typed at the machine: accounts, screens, the audit, and the two ways in from there."""

import json
import re
import socket
import ssl
import stat
import threading
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import app as program
from connectors import syslog
from ioc.errors import IocError
from ioc.principal import Principal
from ioc.settings import Settings
from kpi import accounts, audit, auditfile, breakglass, console, devices, doctor, passwords
from tests.certificates import Authority

ADMIN = Principal("quantri", "admin")
PASSWORD = "mưa rào tháng bảy ở Lệ Thủy"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    hasher = passwords.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", hasher)


@pytest.fixture
def settings(store, tmp_path):
    return Settings(auth="accounts", data=tmp_path, database_url=store.url)


@pytest.fixture
def typed(store, settings, capsys):
    """Runs one line of a command; what it printed."""

    def run(line):
        command, *words = line.split()
        words = [word.replace("~", " ") for word in words]
        if command == "user":
            assert console.user(store, settings, words) == 0
        elif command == "device":
            assert console.device(store, words) == 0
        else:
            run.status = console.audited(store, settings, words, syslog.send)
        return capsys.readouterr().out

    return run


def token_in(text):
    return re.search(r"/setup/([\w-]{43})\b", text)[1]


def enter(store, text, name):
    assert accounts.set_password(store, token_in(text), PASSWORD) == name
    return accounts.session_of(store, accounts.sign_in(store, name, PASSWORD))


def past_the_program(store, statement):
    with store.writer.begin() as connection:
        if store.sqlite:
            connection.exec_driver_sql("DROP TRIGGER audit_UPDATE")
        else:
            connection.exec_driver_sql("DROP TRIGGER audit_keep ON audit")
        connection.exec_driver_sql(statement)


# --- people and screens -----------------------------------------------------------------------


def test_an_account_is_made_changed_and_closed_at_the_command_line(store, typed):
    said = typed("user add lan --display Bà~Lan --role head --unit area-452 --reason tuyển")
    assert enter(store, said, "lan").principal.org_units == {"area-452"}
    assert accounts.ROLES["head"] in typed("user list")
    assert typed("user list --idle 30") == ""
    assert "area-453" in typed("user right lan --unit area-453 --to 2099-12-31")
    number = accounts.rights_of(store, "lan")[0].id
    assert "đã kết thúc" in typed(f"user right lan --revoke {number}")
    typed("user role lan analyst")
    accounts.sign_in(store, "lan", PASSWORD)
    assert "1 phiên" in typed("user end-sessions lan")
    typed("user tie lan https://sso.example 7")
    assert accounts.sign_in_subject(store, "https://sso.example", "7")
    typed("user disable lan --reason nghỉ")
    assert "đã khóa" in typed("user list")
    typed("user enable lan")
    assert token_in(typed("user link lan"))
    assert token_in(typed("user lost-phone lan --reason mất"))
    assert {one.who for one in audit.entries(store, ADMIN, kind="right")} == {
        console.operator().name
    }
    assert audit.verify(store).broken is None


def test_a_screen_is_paired_listed_and_revoked_at_the_command_line(store, typed):
    asked = devices.ask(store)
    assert "số 1" in typed(f"device pair {asked.code} --name Sảnh --layout org_unit=area-452")
    assert "Sảnh  /wall?org_unit=area-452  chưa mở" in typed("device list")
    assert devices.device_of(store, asked.token)
    typed("device revoke 1 --reason mất")
    assert "đã thu hồi" in typed("device list")
    assert devices.device_of(store, asked.token) is None


def test_the_program_hands_their_words_to_these_commands(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IOC_DATA", str(tmp_path))
    monkeypatch.setenv("IOC_DATABASE_URL", store.url)
    line = ["user", "add", "lan", "--display", "Lan", "--role", "viewer"]
    assert program.main(line) == 0
    assert token_in(capsys.readouterr().out)
    assert program.main(line) == program.REFUSED
    assert "Đã có tài khoản" in capsys.readouterr().err
    assert program.main(["audit", "verify"]) == 0
    assert "Nguyên vẹn: 1 mục" in capsys.readouterr().out
    for command in program.WORDS:
        with pytest.raises(SystemExit) as left:
            program.main([command, "--help"])
        assert left.value.code == 0


# --- the first admin, and the locked-out one --------------------------------------------------


def test_the_first_run_with_accounts_prints_a_link_until_an_admin_can_come_in(
    store, settings, capsys
):
    console.tell_first_link(store, settings, terminal=True)
    first = capsys.readouterr().out
    console.tell_first_link(store, settings, terminal=True)
    second = capsys.readouterr().out
    with pytest.raises(accounts.NotDone):
        accounts.set_password(store, token_in(first), PASSWORD)
    found = enter(store, second, breakglass.FIRST)
    assert (found.role, found.limited) == ("admin", True)
    console.tell_first_link(store, settings, terminal=True)
    assert capsys.readouterr().out == ""


def test_where_what_is_printed_becomes_a_log_the_link_goes_into_a_file_of_its_owner(
    store, settings, capsys
):
    console.tell_first_link(store, settings, terminal=False)
    file = settings.data / console.SETUP
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    printed = capsys.readouterr().out
    assert token_in(file.read_text()) not in printed
    assert breakglass.FIRST in file.read_text() and breakglass.FIRST in printed
    enter(store, file.read_text(), breakglass.FIRST)
    console.tell_first_link(store, settings, terminal=False)
    assert not file.exists()


def test_an_admin_who_is_locked_out_comes_in_by_break_glass_and_the_audit_says_so(
    store, settings, typed, now
):
    console.tell_first_link(store, settings, terminal=False)
    enter(store, (settings.data / console.SETUP).read_text(), breakglass.FIRST)
    accounts.totp_begin(store, breakglass.FIRST)
    said = typed(f"user break-glass {breakglass.FIRST} --reason mất~điện~thoại")
    with pytest.raises(accounts.SignInRefused):
        accounts.sign_in(store, breakglass.FIRST, PASSWORD)
    assert enter(store, said, breakglass.FIRST).role == "admin"
    (entry,) = audit.entries(store, ADMIN, kind="break_glass")
    assert (entry.what, entry.detail["reason"]) == (breakglass.FIRST, "mất điện thoại")
    with pytest.raises(accounts.NotDone, match="lý do"):
        breakglass.break_glass(store, ADMIN, breakglass.FIRST, reason=" ")


def test_who_breaks_the_glass_without_an_account_is_an_admin_until_tomorrow(store, now):
    link = breakglass.break_glass(store, ADMIN, "khan-cap", reason="mất hết quản trị", now=now)
    with pytest.raises(accounts.NotDone):
        accounts.set_password(store, link, PASSWORD, now=now + timedelta(minutes=30))
    accounts.set_password(store, link, PASSWORD, now=now)
    for days, role in ((0, "admin"), (1, "admin"), (2, "viewer")):
        at = now + days * DAY
        rights = accounts.rights_of(store, "khan-cap")
        account = next(one for one in accounts.listed(store) if one.name == "khan-cap")
        assert accounts.principal_of(account, rights, at.date()).role == role


def test_the_glass_makes_no_admin_of_who_was_none(store, now):
    accounts.create(store, ADMIN, name="lan", display="Lan", role="operator", now=now)
    with pytest.raises(accounts.NotDone, match="không phải quản trị"):
        breakglass.break_glass(store, ADMIN, "lan", reason="mất hết quản trị", now=now)


# --- the audit elsewhere ----------------------------------------------------------------------


def doctor_of(store, settings):
    """What the doctor says of accounts and the audit: how each check ended."""
    found = {one.check: one for one in doctor.examine(store, settings)}
    return [
        found[name].level if name in found else None for name in ("nhật ký kiểm toán", "tài khoản")
    ]


def test_one_changed_byte_is_found_at_the_command_line_and_by_the_doctor(
    store, typed, settings, now
):
    for number in range(4):
        audit.write(store, "export", "lan", f"tệp {number}", now=now)
    assert "Nguyên vẹn: 4 mục" in typed("audit verify")
    assert typed.status == 0
    assert doctor_of(store, settings) == [doctor.Level.fine, doctor.Level.note]  # nobody yet
    enter(store, typed("user add lan --display Lan --role admin --all"), "lan")
    assert doctor_of(store, settings) == [doctor.Level.fine, None]
    past_the_program(store, "UPDATE audit SET what = 'tệp x' WHERE number = 3")
    assert "mục 3" in typed("audit verify")
    assert typed.status == 1
    assert doctor_of(store, settings) == [doctor.Level.broken, None]


def test_a_file_grows_by_what_is_new_and_finds_a_chain_that_was_written_anew(
    store, typed, now, tmp_path
):
    file = tmp_path / "audit.jsonl"
    for number in range(3):
        audit.write(store, "export", "lan", f"tệp {number}", now=now)
    assert "3 mục" in typed(f"audit export --file {file}")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    audit.write(store, "export", "lan", "tệp 3", now=now)
    assert "1 mục" in typed(f"audit export --file {file}")
    assert "Đã xuất 0 mục" in typed(f"audit export --file {file}")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2, 3, 4]
    assert all(map(audit.line_fits, lines))
    past_the_program(store, "UPDATE audit SET hash = 'another' WHERE number = 4")
    with pytest.raises(IocError, match="ĐÃ BỊ SỬA: mục 4"):
        typed(f"audit export --file {file}")


def test_an_incident_is_a_window_of_days_in_a_new_file_and_stands_in_the_audit(
    store, typed, now, tmp_path
):
    for days in range(4):
        audit.write(store, "export", "lan", f"ngày {days}", now=now + days * DAY)
    file = tmp_path / "incident.jsonl"
    line = f"audit export --from 2026-11-23 --to 2026-11-24 --file {file}"
    assert "2 mục" in typed(line)
    found = [json.loads(one)["what"] for one in file.read_text(encoding="utf-8").splitlines()]
    assert found == ["ngày 1", "ngày 2"]
    assert len(audit.entries(store, ADMIN, kind="incident")) == 1
    with pytest.raises(IocError, match="đã có tệp"):
        typed(line)
    assert len(typed("audit export --from 2026-11-23 --to 2026-11-24").splitlines()) == 2


@pytest.fixture
def listener():
    """A log server on a loopback port, which keeps what it hears."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield listening(server)


def listening(server):
    """The port of a server, and what is said to it."""
    heard = bytearray()

    def listen():
        with suppress(OSError):  # until it is closed
            while True:
                with suppress(ssl.SSLError):
                    peer, _ = server.accept()
                    with peer:
                        while more := peer.recv(65536):
                            heard.extend(more)

    threading.Thread(target=listen, daemon=True).start()
    return server.getsockname()[1], heard


def messages(heard):
    """The messages of RFC 6587, each behind its length."""
    rest, found = bytes(heard), []
    while rest:
        length, _, rest = rest.partition(b" ")
        found.append(rest[: int(length)].decode())
        rest = rest[int(length) :]
    return found


def test_a_log_server_gets_every_entry_once(store, typed, listener, now, settings):
    port, heard = listener
    for number in range(3):
        audit.write(store, "export", "lan", f"tệp\n{number}", now=now)
    assert "3 mục" in typed(f"audit export --syslog tcp://127.0.0.1:{port}")
    audit.write(store, "sign_in", "lan", now=now)
    assert "1 mục" in typed(f"audit export --syslog tcp://127.0.0.1:{port}")
    found = messages(heard)
    assert len(found) == 4
    assert found[0].startswith("<109>1 2026-11-22T01:00:00.000000Z ")
    assert " sign_in - \ufeff{" in found[3]
    assert all(audit.line_fits(one.partition("\ufeff")[2]) for one in found)
    past_the_program(store, "UPDATE audit SET hash = 'another' WHERE number = 4")
    with pytest.raises(IocError, match="ĐÃ BỊ SỬA"):
        typed(f"audit export --syslog tcp://127.0.0.1:{port}")


def test_what_a_log_server_did_not_take_is_sent_again(store, typed, listener, now):
    audit.write(store, "sign_in", "lan", now=now)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        closed = gone.getsockname()[1]
    for address in (f"tcp://127.0.0.1:{closed}", "http://127.0.0.1", "tcp://", "/khong/co"):
        with pytest.raises(IocError):
            typed(f"audit export --syslog {address}")
    assert "1 mục" in typed(f"audit export --syslog tcp://127.0.0.1:{listener[0]}")


def test_a_log_server_behind_tls_must_prove_who_it_is(store, typed, now, tmp_path, monkeypatch):
    audit.write(store, "sign_in", "lan", now=now)
    authority = Authority(tmp_path)
    plain = socket.create_server(("127.0.0.1", 0))
    with closing(authority.context().wrap_socket(plain, server_side=True)) as server:
        port, heard = listening(server)
        with pytest.raises(IocError, match="không gửi được"):
            typed(f"audit export --syslog tls://127.0.0.1:{port}")
        assert not heard
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert "1 mục" in typed(f"audit export --syslog tls://127.0.0.1:{port}")
        assert len(messages(heard)) == 1


def test_one_datagram_carries_one_entry(store, now):
    audit.write(store, "sign_in", "lan", now=now)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        port = server.getsockname()[1]
        assert syslog.send(f"udp://127.0.0.1:{port}", audit.lines(store)) == 1
        assert server.recv(65536).decode().startswith("<109>1 ")


def test_the_file_of_what_was_sent_and_a_strange_last_line_are_no_surprise(store, tmp_path, now):
    audit.write(store, "sign_in", "lan", now=now)
    file = tmp_path / "a.jsonl"
    file.write_text("không phải JSON\n", encoding="utf-8")
    with pytest.raises(IocError, match="dòng cuối"):
        auditfile.append(store, file)
    with store.read() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM audit")) == 1


def test_the_database_with_its_second_factors_is_its_owners_alone(store):
    if store.sqlite:
        path = Path(store.url.removeprefix("sqlite:///"))
        files = list(path.parent.glob(path.name + "*"))
        assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}
