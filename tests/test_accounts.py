"""Who comes in, for how long, and what that person may see: accounts, sessions, rights, keys."""

from datetime import timedelta

import pytest

from ioc.principal import Principal
from kpi import accounts, audit, passwords

ADMIN = Principal("quantri", "admin")
PASSWORD = "mưa rào tháng bảy ở Lệ Thủy"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The same algorithm with little work: these tests are about doors, not about the hash."""
    passwords._nobodys.cache_clear()
    monkeypatch.setattr(
        passwords, "_HASHER", passwords.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    )
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture
def person(store, now):
    """Makes an account with a password; its name."""

    def make(name="lan", role="viewer", password=PASSWORD, **rights):
        link = accounts.create(
            store, ADMIN, name=name, display="Bà Lan", role=role, now=now,
            **{"org_units": None} | rights,
        )  # fmt: skip
        assert accounts.set_password(store, link, password, now=now) == name
        return name

    return make


def whole(store):
    """The chain fits after all of this."""
    return audit.verify(store).broken is None


def kinds(store):
    return [(one.kind, one.detail.get("act") or one.detail.get("why")) for one in audit.entries(store, ADMIN)]  # noqa: E501  # fmt: skip


def test_a_link_sets_one_password_once_and_the_person_comes_in(store, person, now):
    token = accounts.sign_in(store, person(), PASSWORD, now=now)
    found = accounts.session_of(store, token, now=now)
    assert (found.account, found.role, found.second, found.limited) == ("lan", "viewer", False, False)  # noqa: E501  # fmt: skip
    assert found.principal == Principal("lan", "viewer")
    assert len(found.csrf) > 30
    assert whole(store)
