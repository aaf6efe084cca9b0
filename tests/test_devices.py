"""Wall screens: paired by the code they show, one layout each, put out at a word."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from ioc.errors import Forbidden
from ioc.principal import Principal
from kpi import accounts, audit, devices

ADMIN = Principal("quantri", "admin")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def screen(store, now):
    """Pairs a new screen; its number and its token."""

    def make(layout="scene=sector&org_unit=area-452", at=now, **more):
        asked = devices.ask(store, now=at)
        given = {"name": "Sảnh tầng 1", "layout": layout, "now": at, **more}
        return devices.pair(store, ADMIN, asked.code, **given), asked.token

    return make


def test_a_screen_sees_its_one_layout_once_an_admin_typed_its_code(store, now):
    asked = devices.ask(store, now=now)
    assert len(asked.code) == 8
    assert not set(asked.code) & set("01OI5S2Z8B6")
    assert devices.device_of(store, asked.token, now=now) is None
    typed = f" {asked.code[:4].lower()}-{asked.code[4:]} "
    number = devices.pair(
        store, ADMIN, typed, name="Sảnh", layout="/wall?org_unit=area-452", now=now
    )
    device = devices.device_of(store, asked.token, now=now)
    assert (device.id, device.layout, device.org_unit) == (number, "org_unit=area-452", "area-452")
    who = device.principal
    assert (who.role, who.org_units) == ("screen", {"area-452"})
    assert not who.may_read_class("restricted")
    assert not who.may_read("area-453", store.orgunits)
    assert device.expires_at == now + 365 * DAY
    (entry,) = audit.entries(store, ADMIN, kind="pairing")
    assert (entry.who, entry.what, entry.detail["device"]) == ("quantri", "Sảnh", number)


def test_a_code_counts_once_and_for_ten_minutes(store, now):
    asked = devices.ask(store, now=now)
    given = {"name": "x", "layout": ""}
    with pytest.raises(devices.NotDone, match="10 phút"):
        devices.pair(store, ADMIN, asked.code, **given, now=now + 10 * MINUTE)
    devices.pair(store, ADMIN, asked.code, **given, now=now + 9 * MINUTE)
    with pytest.raises(devices.NotDone):
        devices.pair(store, ADMIN, asked.code, **given, now=now + 9 * MINUTE)


def test_a_revoked_screen_is_nobody_at_once(store, screen, now):
    number, token = screen()
    other = screen()[1]
    assert devices.device_of(store, token, now=now)
    devices.revoke(store, ADMIN, number, reason="mất máy", now=now)
    assert devices.device_of(store, token, now=now) is None
    assert devices.device_of(store, other, now=now)
    assert [one.revoked_at for one in devices.listed(store)] == [None, now]
    with pytest.raises(devices.NotDone):
        devices.revoke(store, ADMIN, number, now=now)
    assert audit.entries(store, ADMIN, kind="revoked")[0].detail["reason"] == "mất máy"


def test_a_screen_lasts_as_many_days_as_it_was_given(store, screen, now):
    _, token = screen(days=30)
    assert devices.device_of(store, token, now=now + 30 * DAY - MINUTE)
    assert devices.device_of(store, token, now=now + 30 * DAY) is None


def test_when_a_screen_was_last_seen_is_known_to_the_minute(store, screen, now):
    _, token = screen()
    assert devices.listed(store)[0].seen_at is None
    for at in (now, now + MINUTE / 2):
        devices.device_of(store, token, now=at)
    assert devices.listed(store)[0].seen_at == now
    devices.device_of(store, token, now=now + 5 * MINUTE)
    assert devices.listed(store)[0].seen_at == now + 5 * MINUTE


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"name": " "}, "tên"),
        ({"days": 0}, "hạn"),
        ({"days": 5000}, "hạn"),
        ({"layout": "org_unit=khong-co"}, "Không có đơn vị"),
        ({"layout": "org_unit=area-452&org_unit=area-453"}, "Không có đơn vị"),
        ({"layout": "scene=a\r\nSet-Cookie: x"}, "Bố cục"),
        ({"layout": "a=" + "x" * 900}, "Bố cục"),
    ],
)
def test_a_pairing_that_makes_no_sense_is_refused_and_the_code_stays_good(store, now, given, why):
    asked = devices.ask(store, now=now)
    with pytest.raises(devices.NotDone, match=why):
        devices.pair(store, ADMIN, asked.code, **{"name": "x", "layout": ""} | given, now=now)
    devices.pair(store, ADMIN, asked.code, name="x", layout="", now=now)


def test_nobody_pairs_a_screen_with_more_than_that_person_may_read(store, now):
    asked = devices.ask(store, now=now)
    by = Principal("lan", "admin", frozenset({"area-452"}))
    with pytest.raises(devices.NotDone, match="không được xem"):
        devices.pair(store, by, asked.code, name="x", layout="", now=now)
    devices.pair(store, by, asked.code, name="x", layout="org_unit=area-452", now=now)


@pytest.mark.parametrize("role", ["screen", "viewer", "head", "analyst", "operator"])
def test_only_an_admin_pairs_and_revokes(store, screen, now, role):
    number, token = screen()
    code = devices.ask(store, now=now).code
    with pytest.raises(Forbidden):
        devices.pair(store, Principal("x", role), code, name="x", layout="", now=now)
    with pytest.raises(Forbidden):
        devices.revoke(store, Principal("x", role), number, now=now)
    assert devices.device_of(store, token, now=now)


def test_those_who_ask_without_end_fill_no_table(store, now):
    with store.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO device (name, layout, org_unit, code_hash, code_until, token_hash)"
                " VALUES ('', '', '', :a, :until, :a)"
            ),
            [
                {"a": str(number), "until": int((now + 10 * MINUTE).timestamp() * 1e6)}
                for number in range(devices.WAITING)
            ],
        )
    with pytest.raises(accounts.NotDone, match="Quá nhiều"):
        devices.ask(store, now=now)
    devices.ask(store, now=now + 10 * MINUTE)
    with store.read() as connection:
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM device")) == 1


def test_neither_code_nor_token_of_a_screen_is_stored(store, screen, now):
    asked = devices.ask(store, now=now)
    _, token = screen()
    with store.read() as connection:
        rows = [
            tuple(row)
            for table in ("device", "audit")
            for row in connection.execute(sa.text(f"SELECT * FROM {table}"))
        ]
    assert not [one for one in (asked.code, asked.token, token) if one in str(rows)]
    for odd in ("", "x", "\ud800", "x" * 100_000):
        assert devices.device_of(store, odd, now=now) is None
