"""The audit only grows, and whoever changes it past the program is found out."""

import json
import threading
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from ioc.errors import Forbidden
from ioc.principal import Principal
from kpi import audit

ADMIN = Principal("quantri", "admin")


@pytest.fixture
def told(store, now):
    """A store with twelve entries, one an hour."""
    for number in range(12):
        audit.write(
            store,
            "export" if number % 2 else "sign_in",
            f"người {number % 3}",
            "targets.csv",
            now=now + timedelta(hours=number),
            rows=number,
        )
    return store


def past_the_program(store, *statements):
    """What somebody does who has the database in hand: the triggers first, then the rows."""
    with store.writer.begin() as connection:
        if store.sqlite:
            connection.exec_driver_sql("DROP TRIGGER audit_UPDATE")
            connection.exec_driver_sql("DROP TRIGGER audit_DELETE")
        else:
            connection.exec_driver_sql("DROP TRIGGER audit_keep ON audit")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_empty_audit_and_a_grown_one_are_whole(store, now):
    assert audit.verify(store) == audit.Verdict(0, None, audit.FIRST)
    assert audit.write(store, "sign_in", "an", now=now) == 1
    assert audit.write(store, "export", ADMIN, "values.csv", now=now, rows=3) == 2
    found = audit.verify(store)
    assert (found.count, found.broken) == (2, None)
    assert found.head == audit.entries(store, ADMIN)[0].hash


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'b' WHERE number = 7",
        "DELETE FROM audit WHERE number = 7",
        "DELETE FROM audit",
    ],
)
def test_the_database_refuses_to_change_or_delete_an_entry(told, statement):
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), told.write() as connection:
        connection.exec_driver_sql(statement)
    assert audit.verify(told).broken is None


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT {replace} INTO audit SELECT number, at, 'b', kind, what, detail, previous, hash"
        " FROM audit WHERE number = 7 {conflict} (number) DO UPDATE SET who = excluded.who",
        "INSERT {replace} INTO audit_head VALUES (1, 6, 'x')"
        " {conflict} (id) DO UPDATE SET number = excluded.number, hash = excluded.hash",
        "UPDATE audit_head SET number = 6, hash = (SELECT hash FROM audit WHERE number = 6)",
        "UPDATE audit_head SET hash = 'x'",
        "UPDATE audit_head SET number = number + 2",
        "UPDATE audit_head SET id = 2, number = number + 1",
        "DELETE FROM audit_head",
    ],
)
def test_the_database_refuses_to_put_another_entry_or_another_head_in_its_place(told, statement):
    kinds = [{"replace": "", "conflict": "ON CONFLICT"}]
    if told.sqlite:
        statement = statement.replace(" WHERE number = 7 {", " WHERE number = 7 AND true {")
        kinds.append({"replace": "OR REPLACE", "conflict": "--"})
    for kind in kinds:
        sql = statement.format(**kind)
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), told.write() as connection:
            connection.exec_driver_sql(sql)
    assert audit.verify(told) == audit.Verdict(12, None, audit.entries(told, ADMIN)[0].hash)
    assert audit.write(told, "edit", "an") == 13


@pytest.mark.postgresql
def test_postgresql_refuses_to_empty_the_audit_too(told):
    if told.sqlite:
        return
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), told.write() as connection:
        connection.exec_driver_sql("TRUNCATE audit")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), told.write() as connection:
        connection.exec_driver_sql("TRUNCATE audit_head")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "at + 1"),
        ("who", "'người 9'"),
        ("kind", "'edit'"),
        ("what", "'targets.cSv'"),
        ("detail", "'{\"rows\":7}'"),
        ("previous", "'x' || substr(previous, 2)"),
        ("hash", "'x' || substr(hash, 2)"),
    ],
)
def test_one_changed_byte_is_found(told, column, value):
    past_the_program(told, f"UPDATE audit SET {column} = {value} WHERE number = 7")
    assert audit.verify(told).broken == 7


@pytest.mark.parametrize("number", [1, 6, 12])
def test_one_removed_entry_is_found_the_last_one_too(told, number):
    past_the_program(told, f"DELETE FROM audit WHERE number = {number}")
    assert audit.verify(told).broken == number


def test_an_emptied_audit_is_found(told):
    past_the_program(told, "DELETE FROM audit")
    assert audit.verify(told).broken == 1


def test_one_inserted_entry_is_found_though_its_own_hash_fits(told):
    last = audit.entries(told, ADMIN)[0]
    row = {
        "number": 13,
        "at": 1,
        "who": "x",
        "kind": "edit",
        "what": "",
        "detail": "{}",
        "previous": last.hash,
    }
    row["hash"] = audit.hash_of(row)
    with told.writer.begin() as connection:
        connection.execute(
            sa.text(
                f"INSERT INTO audit ({', '.join(row)}) VALUES ({', '.join(':' + n for n in row)})"
            ),
            row,
        )
    assert audit.verify(told).broken == 13


def test_an_entry_put_between_two_others_is_found(told):
    past_the_program(
        told,
        "UPDATE audit SET number = number + 100 WHERE number > 6",
        "UPDATE audit SET number = number - 99 WHERE number > 100",
        "INSERT INTO audit SELECT 7, at, who, kind, what, detail, previous, hash FROM audit"
        " WHERE number = 6",
    )
    assert audit.verify(told).broken == 7


def test_an_act_that_fails_leaves_no_entry_and_the_chain_goes_on(told, now):
    with pytest.raises(RuntimeError), told.write() as connection:
        audit.append(connection, "edit", "an", "x", now=now)
        raise RuntimeError
    assert audit.write(told, "edit", "an", now=now) == 13
    assert audit.verify(told).broken is None


def test_many_writers_at_once_make_one_chain(store, now):
    def work(name):
        for _ in range(10):
            audit.write(store, "export", name, now=now)

    threads = [threading.Thread(target=work, args=(f"người {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.verify(store).count == 40
    assert audit.verify(store).broken is None


def test_words_that_no_database_takes_are_written_as_blanks(store, now):
    audit.write(store, "refused", "a\x00b\ud800", "c\nd", now=now, path="\x00\ud800")
    entry = audit.entries(store, ADMIN)[0]
    assert (entry.who, entry.what) == ("a b ", "c d")
    assert audit.verify(store).broken is None


def test_an_unknown_kind_is_a_fault_of_the_program(store):
    with pytest.raises(ValueError, match="naps"):
        audit.write(store, "naps", "an")


def test_entries_are_told_newest_first_by_pages_and_filters(told, now):
    first = audit.entries(told, ADMIN, limit=5)
    assert [e.number for e in first] == [12, 11, 10, 9, 8]
    assert [e.number for e in audit.entries(told, ADMIN, limit=5, after=8)] == [7, 6, 5, 4, 3]
    assert {e.kind for e in audit.entries(told, ADMIN, kind="export")} == {"export"}
    assert {e.who for e in audit.entries(told, ADMIN, account="người 2")} == {"người 2"}
    window = audit.entries(
        told, ADMIN, first=now + timedelta(hours=2), last=now + timedelta(hours=4)
    )
    assert [e.number for e in window] == [5, 4, 3]
    assert audit.entries(told, ADMIN, last=date(2026, 11, 21)) == []
    assert len(audit.entries(told, ADMIN, first=date(2026, 11, 22), last=date(2026, 11, 22))) == 12


@pytest.mark.parametrize("role", ["screen", "viewer", "head", "analyst", "operator"])
def test_only_admins_read_the_audit(told, role):
    who = Principal("x", role)
    for ask in (
        lambda: audit.entries(told, who),
        lambda: audit.export(told, who, first=None, last=None),
        lambda: audit.usage(told, who, first=date(2026, 11, 1), last=date(2026, 11, 30)),
    ):
        with pytest.raises(Forbidden):
            ask()


def test_an_export_has_the_window_with_its_hashes_and_is_an_entry_itself(told, now):
    found = list(audit.export(told, ADMIN, first=now, last=now + timedelta(hours=2)))
    rows = [json.loads(line) for line in found]
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert all(line.endswith("\n") and audit.line_fits(line) for line in found)
    assert not audit.line_fits(found[1].replace("targets", "tarqets"))
    newest = audit.entries(told, ADMIN)[0]
    assert (newest.kind, newest.who) == ("incident", "quantri")


def test_an_extract_tells_details_as_an_object_with_its_letters_and_still_fits(store, now):
    audit.write(store, "request", "mai", "staff", now=now, reason="Bảo trì", half="\ud800")
    (line,) = audit.lines(store, first=now)
    assert json.loads(line)["detail"] == {"half": "\ud800", "reason": "Bảo trì"}
    assert audit.line_fits(line) and line.encode()
    audit.write(store, "request", "mai", "staff", now=now, reason="Bảo trì")
    (_, line) = audit.lines(store, first=now)
    assert '"detail":{"reason":"Bảo trì"}' in line and audit.line_fits(line)
    assert not audit.line_fits(line.replace("Bảo trì", "Bao tri"))


def test_usage_counts_local_days_of_work_and_names_who_never_came(store, now):
    with store.write() as connection:
        for name in ("an", "bình"):
            connection.execute(
                sa.text(
                    "INSERT INTO account (name, display, role, state, created_at, changed_at)"
                    " VALUES (:n, :n, 'head', 'active', 0, 0)"
                ),
                {"n": name},
            )
    day = now.replace(hour=0, minute=30)  # still the day before in UTC
    for at in (day, day + timedelta(hours=23), day + timedelta(days=2)):
        audit.write(store, "sign_in", "an", now=at)
    audit.write(store, "refused", "bình", now=now)
    found = audit.usage(store, ADMIN, first=day.date(), last=day.date() + timedelta(days=6))
    assert [(u.account, u.days) for u in found] == [("bình", 0), ("an", 2)]
    assert found[0].last is None and found[1].last == day + timedelta(days=2)
