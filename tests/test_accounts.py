"""Who comes in, for how long, and what that person may see: accounts, sessions, rights, keys."""

import statistics
import threading
import time
from dataclasses import replace
from datetime import date, timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
import sqlalchemy as sa

from ioc.errors import Forbidden
from ioc.principal import Principal
from kpi import accounts, audit, passwords, sessions

ADMIN = Principal("quantri", "admin")
PASSWORD = "mưa rào tháng bảy ở Lệ Thủy"
WRONG = "nắng to tháng sáu ở Ba Đồn"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOTHING: frozenset[str] = frozenset()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The same algorithm with little work: these tests are about doors, not about the hash."""
    passwords._nobodys.cache_clear()
    hasher = passwords.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture
def person(store, now):
    """Makes an account with rights to everything and a password; its name."""

    def make(name="lan", role="viewer", password=PASSWORD, **rights):
        given = {"display": "Bà Lan", "role": role, "now": now, "org_units": None, **rights}
        link = accounts.create(store, ADMIN, name=name, **given)
        assert accounts.set_password(store, link, password, now=now) == name
        return name

    return make


@pytest.fixture
def phone(store, now):
    """Gives an account a second factor; a function that tells its code of an instant."""

    def make(name, **more):
        uri = accounts.totp_begin(store, name, now=now)
        codes = pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0])
        assert accounts.totp_confirm(store, name, codes.at(now), now=now, **more)
        return codes.at

    return make


def told(store, *kinds):
    """What the audit says of these kinds, oldest first; the chain must fit."""
    assert audit.verify(store).broken is None
    found = [one for one in reversed(audit.entries(store, ADMIN)) if one.kind in kinds]
    return [(one.who, one.kind, one.detail.get("act") or one.detail.get("why")) for one in found]


def as_of(store, name, at):
    token = accounts.sign_in(store, name, PASSWORD, now=at)
    return accounts.session_of(store, token, now=at).principal


# --- coming in --------------------------------------------------------------------------------


def test_a_link_sets_one_password_once_and_the_person_comes_in(store, person, now):
    token = accounts.sign_in(store, person(), PASSWORD, now=now)
    found = accounts.session_of(store, token, now=now)
    assert (found.account, found.role, found.display) == ("lan", "viewer", "Bà Lan")
    assert not found.second
    assert not found.limited
    assert found.principal == Principal("lan", "viewer")
    assert len(found.csrf) > 30
    link = accounts.new_link(store, ADMIN, "lan", now=now)
    accounts.set_password(store, link, WRONG, now=now)
    with pytest.raises(accounts.NotDone, match="đã dùng"):
        accounts.set_password(store, link, PASSWORD, now=now)
    assert accounts.session_of(store, token, now=now) is None  # a new password ends sessions
    assert [why for _, _, why in told(store, "account")] == [
        "create", "password", "link", "password",
    ]  # fmt: skip


def test_a_link_runs_out_and_a_newer_one_takes_its_place(store, now):
    first = accounts.create(store, ADMIN, name="lan", display="Lan", role="viewer", now=now)
    second = accounts.new_link(store, ADMIN, "lan", now=now)
    for link, at in ((first, now), (second, now + 2 * DAY), ("x", now), ("\ud800", now)):
        with pytest.raises(accounts.NotDone):
            accounts.set_password(store, link, PASSWORD, now=at)
    assert accounts.set_password(store, second, PASSWORD, now=now) == "lan"


def test_of_two_who_use_one_link_at_once_one_wins(store, now):
    link = accounts.create(store, ADMIN, name="lan", display="Lan", role="viewer", now=now)
    ended = []

    def use(password):
        try:
            ended.append(accounts.set_password(store, link, password, now=now))
        except accounts.NotDone:
            ended.append(None)

    both = [threading.Thread(target=use, args=(one,)) for one in (PASSWORD, WRONG)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(ended, key=str) == [None, "lan"]


def test_unknown_names_wrong_passwords_and_disabled_accounts_get_one_sentence(store, person, now):
    name = person()
    person("huong")
    accounts.disable(store, ADMIN, "huong", reason="nghỉ việc", now=now)
    tried = [(name, WRONG), ("khong-co", PASSWORD), ("huong", PASSWORD), ("\ud800\0", "\ud800")]
    said = set()
    for who, password in tried:
        with pytest.raises(accounts.SignInRefused) as refused:
            accounts.sign_in(store, who, password, now=now)
        said.add(str(refused.value))
    assert len(said) == 1
    whys = [(who, why) for who, _, why in told(store, "refused")]
    assert whys == [
        ("lan", "password"),
        (audit.NOBODY, "unknown"),  # what was typed may have been a password
        ("huong", "disabled"),
        (audit.NOBODY, "unknown"),
    ]


def test_an_unknown_name_takes_as_long_as_a_known_one(store, person, now, monkeypatch):
    hasher = passwords.PasswordHasher(time_cost=2, memory_cost=8192, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    passwords._nobodys.cache_clear()
    passwords._nobodys()
    person()
    asked: dict[str, list[float]] = {"lan": [], "khong-co": []}
    for turn in range(9):
        for name, taken in asked.items():
            began = time.thread_time()
            with pytest.raises(accounts.SignInRefused):
                accounts.sign_in(store, name, WRONG, now=now + turn * HOUR)
            taken.append(time.thread_time() - began)
    known, unknown = (statistics.median(taken) for taken in asked.values())
    assert unknown > 0.5 * known  # without the hash of nobody it is less than a tenth
    assert unknown < 2 * known


def test_five_wrong_passwords_lock_an_account_for_the_right_one_too(store, person, now):
    name = person()
    for _ in range(5):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(store, name, WRONG, now=now)
    for later in (MINUTE, 14 * MINUTE):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(store, name, PASSWORD, now=now + later)
    assert accounts.sign_in(store, name, PASSWORD, now=now + 15 * MINUTE)
    assert [kind for _, kind, _ in told(store, "locked")] == ["locked"]


def test_an_admin_opens_a_locked_account_early_and_four_failures_lock_nothing(store, person, now):
    name = person()
    for _ in range(4):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(store, name, WRONG, now=now)
    assert accounts.sign_in(store, name, PASSWORD, now=now)  # begins to count anew
    for _ in range(5):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(store, name, WRONG, now=now)
    assert accounts.listed(store)[0].locked_until == now + 15 * MINUTE
    accounts.enable(store, ADMIN, name, now=now)
    assert accounts.sign_in(store, name, PASSWORD, now=now)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("ngắn quá", "14 ký tự"),
        ("x" * 200, "128"),
        ("Matkhau2026!!!!", "quen thuộc"),
        ("quảng bình 2026", "quen thuộc"),
        ("abababababababab", "lặp lại"),
        ("12345678901234567", "quen thuộc|lặp lại"),
        ("nguyenthilan2026!", "tên tài khoản"),
    ],
)
def test_a_password_that_everybody_tries_is_refused_and_the_link_stays_good(
    store, now, password, why
):
    link = accounts.create(store, ADMIN, name="nguyenthilan", display="Lan", role="viewer", now=now)
    with pytest.raises(accounts.WeakPassword, match=why):
        accounts.set_password(store, link, password, now=now)
    accounts.set_password(store, link, PASSWORD, now=now)


def test_a_password_is_one_however_its_marks_were_typed(store, person, now):
    import unicodedata

    assert accounts.sign_in(store, person(), unicodedata.normalize("NFD", PASSWORD), now=now)


def test_what_is_far_too_long_to_be_a_password_costs_nobody_time(store, person, now):
    """Marks that a normal form must put in order take time by the square of their number."""
    marks = "\u0315\u0300" * 60_000
    link = accounts.new_link(store, ADMIN, person(), now=now)
    began = time.thread_time()
    with pytest.raises(accounts.WeakPassword, match="128"):
        accounts.set_password(store, link, "a" + marks, now=now)
    for name in ("lan", "khong-co"):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(store, name, "a" + marks, now=now)
    assert time.thread_time() - began < 1


def test_a_password_of_the_greatest_length_is_right_to_its_last_letter(store, person, now):
    longest = ("mưa rào tháng bảy " * 8)[: passwords.MOST - 1] + "."
    name = person(password=longest)
    assert accounts.sign_in(store, name, longest, now=now)
    with pytest.raises(accounts.SignInRefused):
        accounts.sign_in(store, name, longest + "x", now=now)


def test_the_name_that_is_shown_is_cut_before_its_letters_are_put_in_one_form(store, now):
    began = time.thread_time()
    shown = "a" + "\u0315\u0300" * 60_000
    accounts.create(store, ADMIN, name="lan", display=shown, role="viewer", now=now)
    assert time.thread_time() - began < 1
    assert len(accounts.listed(store)[0].display) == 80


def test_no_password_token_or_code_is_stored_or_told(store, person, phone, now, caplog):
    name = person("quan-tri", role="admin")
    code = phone(name)(now + HOUR)
    token = accounts.sign_in(store, name, PASSWORD, code, now=now + HOUR)
    key = accounts.create_key(store, ADMIN, name, label="tệp", days=9, now=now)
    with pytest.raises(accounts.SignInRefused):
        accounts.sign_in(store, PASSWORD, token, now=now)  # the fields were mixed up
    with store.read() as connection:
        held = str([
            tuple(row)
            for table in ("account", "session", "link", "api_key", "audit", "account_right")
            for row in connection.execute(sa.text(f"SELECT * FROM {table}"))
        ])
    for secret in (PASSWORD, token, key):
        assert secret not in held + caplog.text
    assert "argon2id" in held


# --- the second factor ------------------------------------------------------------------------


def test_an_admin_without_a_second_factor_may_only_set_one_up(store, person, phone, now):
    name = person("quan-tri", role="admin")
    token = accounts.sign_in(store, name, PASSWORD, now=now)
    held = accounts.session_of(store, token, now=now)
    assert held.limited
    assert held.principal == Principal(name, "viewer", NOTHING, NOTHING)
    phone(name, session=token)
    held = accounts.session_of(store, token, now=now)
    assert (held.limited, held.second, held.principal) == (False, True, Principal(name, "admin"))


def test_a_code_counts_once_and_half_a_minute_off(store, person, phone, now):
    name = person()
    code_at = phone(name)
    at = now + HOUR
    for code in ("", "000000", "12345", code_at(at + 2 * MINUTE)):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(store, name, PASSWORD, code, now=at)
    code = code_at(at)
    token = accounts.sign_in(store, name, PASSWORD, f"{code[:3]} {code[3:]}", now=at)
    assert accounts.session_of(store, token, now=at).second
    with pytest.raises(accounts.SignInRefused):  # who looked over the shoulder
        accounts.sign_in(store, name, PASSWORD, code, now=at)
    later = at + MINUTE
    assert accounts.sign_in(store, name, PASSWORD, code_at(later - MINUTE / 2), now=later)


def test_wrong_codes_lock_as_wrong_passwords_do(store, person, phone, now):
    name = person()
    code_at = phone(name)
    for _ in range(5):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in(store, name, PASSWORD, "000000", now=now + HOUR)
    with pytest.raises(accounts.SignInRefused):
        accounts.sign_in(store, name, PASSWORD, code_at(now + HOUR), now=now + HOUR)
    with pytest.raises(accounts.NotDone, match="tạm khóa"):
        accounts.totp_confirm(store, name, code_at(now + HOUR), now=now + HOUR)


def test_beside_a_second_factor_eight_letters_will_do_and_a_lost_phone_takes_them_away(
    store, person, phone, now
):
    name, short = person(), "cá kho 7"
    phone(name)
    accounts.set_password(store, accounts.new_link(store, ADMIN, name, now=now), short, now=now)
    with pytest.raises(accounts.NotDone, match="đã có mã"):
        accounts.totp_begin(store, name, now=now)  # nor may a stolen session replace it
    link = accounts.totp_remove(store, ADMIN, name, reason="mất máy", now=now)
    assert not accounts.has_second(store, name)
    with pytest.raises(accounts.SignInRefused):
        accounts.sign_in(store, name, short, now=now)
    with pytest.raises(accounts.WeakPassword):
        accounts.set_password(store, link, short, now=now)
    accounts.set_password(store, link, PASSWORD, now=now)
    assert accounts.sign_in(store, name, PASSWORD, now=now)


# --- staying in -------------------------------------------------------------------------------


def test_a_session_ends_after_a_quarter_of_an_hour_without_anybody(store, person, now):
    token = accounts.sign_in(store, person(), PASSWORD, now=now)
    at = now
    for _ in range(5):
        at += 14 * MINUTE
        assert accounts.session_of(store, token, now=at)
    assert accounts.session_of(store, token, now=at + 15 * MINUTE) is None


def test_a_page_that_asks_by_itself_keeps_no_session_alive(store, person, now):
    token = accounts.sign_in(store, person(), PASSWORD, now=now)
    for minutes in range(1, 15):
        assert accounts.session_of(store, token, touch=False, now=now + minutes * MINUTE)
    assert accounts.session_of(store, token, touch=False, now=now + 15 * MINUTE) is None


def test_a_session_ends_after_twelve_hours_whoever_sits_there(store, person, now):
    token, at = accounts.sign_in(store, person(), PASSWORD, now=now), now
    while at < now + 12 * HOUR - 10 * MINUTE:
        at += 10 * MINUTE
        assert (accounts.session_of(store, token, now=at) is not None) == (at < now + 12 * HOUR)
    assert accounts.session_of(store, token, now=now + 12 * HOUR) is None


def test_being_seen_is_written_once_a_minute_and_never_waits_for_a_writer(store, person, now):
    token = accounts.sign_in(store, person(), PASSWORD, now=now)

    def seen():
        with store.read() as connection:
            return connection.scalar(sa.text("SELECT seen_at FROM session"))

    first = seen()
    accounts.session_of(store, token, now=now + MINUTE / 2)
    assert seen() == first
    with store.write() as connection:  # a poll holds the lock, and the row
        connection.execute(sa.text("UPDATE session SET csrf = csrf"))
        began = time.monotonic()
        assert accounts.session_of(store, token, now=now + 2 * MINUTE)
        assert time.monotonic() - began < 5
    assert seen() == first
    accounts.session_of(store, token, now=now + 2 * MINUTE)
    assert seen() > first


def test_every_sign_in_has_a_token_of_its_own_and_signing_out_ends_one(store, person, now):
    name = person()
    here, there = (accounts.sign_in(store, name, PASSWORD, now=now) for _ in range(2))
    assert here != there
    assert len(accounts.open_sessions(store, name, now=now)) == 2
    accounts.sign_out(store, here, now=now)
    accounts.sign_out(store, here, now=now)
    accounts.sign_out(store, "none", now=now)
    assert accounts.session_of(store, here, now=now) is None
    assert accounts.session_of(store, there, now=now)
    assert told(store, "sign_out") == [(name, "sign_out", None)]


def test_all_sessions_end_at_the_word_of_their_owner_or_an_admin_alone(store, person, now):
    name = person()
    held = [accounts.sign_in(store, name, PASSWORD, now=now) for _ in range(3)]
    with pytest.raises(Forbidden):
        accounts.end_all(store, Principal("khac", "operator"), name, now=now)
    assert accounts.end_all(store, Principal(name, "viewer"), name, now=now) == 3
    assert not any(accounts.session_of(store, one, now=now) for one in held)
    assert accounts.end_all(store, ADMIN, name, now=now) == 0


@pytest.mark.parametrize("act", ["disable", "set_role", "tie"])
def test_whose_account_changes_is_put_out(store, person, now, act):
    name = person()
    token = accounts.sign_in(store, name, PASSWORD, now=now)
    more = {"disable": (), "set_role": ("head",), "tie": ("https://sso.example", "7")}[act]
    getattr(accounts, act)(store, ADMIN, name, *more, now=now)
    assert accounts.session_of(store, token, now=now) is None


# --- outside identities -----------------------------------------------------------------------


def test_an_outside_identity_comes_in_only_where_an_admin_tied_it(store, person, now):
    name, issuer = person(), "https://sso.example"
    for _ in range(2):
        with pytest.raises(accounts.SignInRefused):
            accounts.sign_in_subject(store, issuer, "7", now=now)
        accounts.tie(store, ADMIN, name, issuer, "8", now=now)
    token = accounts.sign_in_subject(store, issuer, "8", now=now)
    assert accounts.session_of(store, token, now=now).account == name
    person("huong")
    with pytest.raises(accounts.NotDone, match="đã gắn"):
        accounts.tie(store, ADMIN, "huong", issuer, "8", now=now)
    accounts.disable(store, ADMIN, name, now=now)
    with pytest.raises(accounts.SignInRefused):
        accounts.sign_in_subject(store, issuer, "8", now=now)


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_an_outside_identity_gives_nobody_more_tries_at_the_second_factor(
    store, person, phone, now, role
):
    name, issuer = person(role=role), "https://sso.example"
    code_at = phone(name)
    accounts.tie(store, ADMIN, name, issuer, "8", now=now)
    at = now + HOUR
    for _ in range(5):  # a sign-in before each guess
        held = accounts.sign_in_subject(store, issuer, "8", now=at)
        assert not accounts.totp_confirm(store, name, "000000", session=held, now=at)
    with pytest.raises(accounts.SignInRefused, match="tạm khóa"):
        accounts.sign_in_subject(store, issuer, "8", now=at)
    with pytest.raises(accounts.NotDone, match="tạm khóa"):
        accounts.totp_confirm(store, name, code_at(at), session=held, now=at)
    assert told(store, "locked") == [(name, "locked", None)]
    assert told(store, "refused")[-1] == (name, "refused", "locked")
    later = at + 15 * MINUTE
    held = accounts.sign_in_subject(store, issuer, "8", now=later)
    assert accounts.totp_confirm(store, name, code_at(later), session=held, now=later)
    assert accounts.listed(store)[0].locked_until is None
    assert accounts.session_of(store, held, now=later).second


# --- rights -----------------------------------------------------------------------------------


def test_an_account_without_a_right_sees_nothing(store, person, now):
    assert as_of(store, person(org_units=()), now) == Principal("lan", "viewer", NOTHING, NOTHING)


def test_rights_hold_from_their_first_to_their_last_day_in_local_time(store, person, now):
    day = now.date()
    name = person(org_units=["area-452"], valid_from=day + DAY, valid_to=day + 2 * DAY)
    midnight = now.replace(hour=0) + DAY
    for at, sees in (
        (midnight - MINUTE, False),
        (midnight, True),
        (midnight + 2 * DAY - MINUTE, True),
        (midnight + 2 * DAY, False),
    ):
        assert (as_of(store, name, at).org_units == {"area-452"}) is sees


def test_whose_rights_have_run_out_may_do_nothing_more(store, person, now):
    name = person(role="operator", valid_to=now.date())
    assert as_of(store, name, now).role == "operator"
    later = as_of(store, name, now + DAY)
    assert (later.role, later.org_units) == ("viewer", NOTHING)


def test_a_right_that_is_taken_away_counts_at_once_and_stays_in_the_history(store, person, now):
    name = person(org_units=["area-452"])
    token = accounts.sign_in(store, name, PASSWORD, now=now)
    (right,) = accounts.rights_of(store, name)
    accounts.revoke_right(store, ADMIN, right.id, reason="điều chuyển", now=now)
    assert accounts.session_of(store, token, now=now).principal.org_units == NOTHING
    assert accounts.rights_of(store, name) == [replace(right, ended_at=now)]
    with pytest.raises(accounts.NotDone):
        accounts.revoke_right(store, ADMIN, right.id, now=now)
    accounts.grant(store, ADMIN, name, org_units=["area-453"], now=now)
    assert accounts.session_of(store, token, now=now).principal.org_units == {"area-453"}
    assert [why for _, _, why in told(store, "right")] == ["grant", "revoke", "grant"]


def test_classes_are_never_wider_than_any_right_says(store, person, now):
    name = person(org_units=["area-452"], classes=["public"])
    with pytest.raises(accounts.NotDone, match="nhóm chỉ số khác"):
        accounts.grant(store, ADMIN, name, org_units=["area-453"], classes=None, now=now)
    accounts.grant(store, ADMIN, name, org_units=["area-453"], classes=["public"], now=now)
    found = as_of(store, name, now)
    assert (found.org_units, found.indicator_classes) == ({"area-452", "area-453"}, {"public"})


def test_the_head_of_an_abolished_district_keeps_its_history_but_not_the_present_of_its_successor(
    store, person, now
):
    units = store.orgunits
    district = next(
        one for one in units.values() if one.level == "district" and one.closed is not None
    )
    assert district.closed < now.date()
    who = as_of(store, person(role="head", org_units=[district.uid]), now)
    assert who.may_read(district.uid, units)
    after = [
        one.uid
        for one in units.values()
        if one.open_on(now.date()) and one.level in ("commune", "district", "area", "province")
    ]
    assert after
    assert not [uid for uid in after if who.may_read(uid, units)]
    assert not who.may_read(units.rest_leaf(district.uid), units)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"name": "Có Dấu"}, "Tên đăng nhập"),
        ({"name": "lan"}, "Đã có"),
        ({"display": "  "}, "tên hiển thị"),
        ({"role": "screen"}, "vai trò"),
        ({"org_units": ["khong-co"]}, "đơn vị"),
        ({"classes": []}, "nhóm chỉ số"),
        ({"classes": ["mật"]}, "nhóm chỉ số mật"),
        ({"valid_from": date(2026, 2, 2), "valid_to": date(2026, 2, 1)}, "hết hiệu lực"),
    ],
)
def test_an_account_that_makes_no_sense_is_refused_whole(store, person, now, given, why):
    person()
    asked = {"name": "moi", "display": "Mới", "role": "viewer", "org_units": None, "now": now}
    before = audit.verify(store).count
    with pytest.raises(accounts.NotDone, match=why):
        accounts.create(store, ADMIN, **asked | given)
    assert [one.name for one in accounts.listed(store)] == ["lan"]
    assert audit.verify(store).count == before


@pytest.mark.parametrize("role", ["screen", "viewer", "head", "analyst", "operator"])
def test_only_an_admin_changes_accounts(store, person, now, role):
    person()
    by = Principal("ai do", role)
    acts = {
        accounts.create: {"name": "x1", "display": "x", "role": "admin"},
        accounts.new_link: {"name": "lan"},
        accounts.disable: {"name": "lan"},
        accounts.enable: {"name": "lan"},
        accounts.set_role: {"name": "lan", "role": "admin"},
        accounts.tie: {"name": "lan", "issuer": "a", "subject": "b"},
        accounts.grant: {"name": "lan", "org_units": None},
        accounts.revoke_right: {"right": 1},
        accounts.totp_remove: {"name": "lan"},
        accounts.create_key: {"name": "lan", "label": "x", "days": 1},
        accounts.end_all: {"name": "lan"},
    }
    before = audit.verify(store).count
    for act, given in acts.items():
        with pytest.raises(Forbidden):
            act(store, by, **given, now=now)
    assert audit.verify(store).count == before


def test_the_last_admin_who_can_come_in_is_neither_disabled_nor_made_less(store, person, now):
    person("mot", role="admin")
    accounts.create(store, ADMIN, name="hai", display="Hai", role="admin", now=now)  # no password
    for act in (
        lambda: accounts.disable(store, ADMIN, "mot", now=now),
        lambda: accounts.set_role(store, ADMIN, "mot", "viewer", now=now),
    ):
        with pytest.raises(accounts.NotDone, match="cuối cùng"):
            act()
    person("ba", role="admin")
    accounts.disable(store, ADMIN, "mot", now=now)
    assert accounts.has_admin(store, now=now)
    person("bon", role="admin", valid_to=now.date())  # until tonight an admin
    accounts.set_role(store, ADMIN, "ba", "head", now=now)
    assert accounts.has_admin(store, now=now)
    assert not accounts.has_admin(store, now=now + DAY)


def test_the_last_admin_whose_rights_hold_keeps_them(store, person, now):
    person("mot", role="admin")
    accounts.create(store, ADMIN, name="hai", display="Hai", role="admin", now=now)  # no password
    accounts.grant(
        store, ADMIN, "mot", org_units=None, valid_from=now.date() + 9 * DAY, now=now
    )  # from then on, and until then nobody could give it back
    held, later = accounts.rights_of(store, "mot")
    with pytest.raises(accounts.NotDone, match="cuối cùng"):
        accounts.revoke_right(store, ADMIN, held.id, now=now)
    assert accounts.rights_of(store, "mot")[0].ended_at is None
    accounts.revoke_right(store, ADMIN, later.id, now=now)
    with pytest.raises(accounts.NotDone, match="cuối cùng"):
        accounts.revoke_right(store, ADMIN, held.id, now=now)
    person("ba", role="admin")
    accounts.revoke_right(store, ADMIN, held.id, now=now)
    assert accounts.has_admin(store, now=now)


def test_accounts_that_nobody_uses_are_listed_the_longest_idle_first(store, person, now):
    person("an")
    person("binh")
    person("chi")
    accounts.sign_in(store, "an", PASSWORD, now=now + 50 * DAY)
    accounts.sign_in(store, "binh", PASSWORD, now=now + 89 * DAY)
    found = accounts.idle(store, 30, now=now + 90 * DAY)
    assert [one.name for one in found] == ["chi", "an"]
    accounts.disable(store, ADMIN, "chi", now=now)
    assert [one.name for one in accounts.idle(store, 30, now=now + 90 * DAY)] == ["an"]


# --- keys -------------------------------------------------------------------------------------


def test_a_key_reads_with_the_rights_of_its_account_until_it_runs_out(store, person, now):
    me = Principal(person(org_units=["area-452"]), "viewer")
    key = accounts.create_key(store, me, "lan", label="bảng tính", days=30, now=now)
    assert key.startswith("ioc_")
    found = accounts.principal_of_key(store, key, now=now + DAY)
    assert found == Principal("lan", "viewer", frozenset({"area-452"}))
    (held,) = accounts.keys_of(store, "lan", now=now)
    assert (held.label, held.seen_at) == ("bảng tính", now + DAY)
    assert accounts.principal_of_key(store, key, now=now + 30 * DAY) is None
    assert accounts.principal_of_key(store, key[:-1], now=now) is None
    accounts.revoke_key(store, me, held.id, now=now)
    assert accounts.principal_of_key(store, key, now=now) is None
    with pytest.raises(accounts.NotDone):
        accounts.revoke_key(store, me, held.id, now=now)


def test_the_key_of_a_disabled_account_is_dead_and_stays_so(store, person, now):
    key = accounts.create_key(store, ADMIN, person(), label="x", days=30, now=now)
    accounts.disable(store, ADMIN, "lan", now=now)
    assert accounts.principal_of_key(store, key, now=now) is None
    accounts.enable(store, ADMIN, "lan", now=now)
    assert accounts.principal_of_key(store, key, now=now) is None


@pytest.mark.parametrize("act", ["set_password", "totp_remove", "set_role", "end_all"])
def test_keys_end_with_whatever_was_to_end_what_a_stranger_holds(store, person, phone, now, act):
    name = person()
    phone(name)
    person("huong")
    key = accounts.create_key(store, ADMIN, name, label="x", days=30, now=now)
    other = accounts.create_key(store, ADMIN, "huong", label="x", days=30, now=now)
    if act == "set_password":
        accounts.set_password(store, accounts.new_link(store, ADMIN, name, now=now), WRONG, now=now)
    else:
        more = ("head",) if act == "set_role" else ()
        getattr(accounts, act)(store, ADMIN, name, *more, now=now)
    assert accounts.principal_of_key(store, key, now=now) is None
    assert accounts.principal_of_key(store, other, now=now)
    assert audit.verify(store).broken is None
    newest = audit.entries(store, ADMIN)[0]
    assert (newest.what, newest.detail["keys"]) == (name, 1)


def test_the_key_of_an_admin_only_reads_and_needs_the_second_factor_first(
    store, person, phone, now
):
    name = person("quan-tri", role="admin")
    with pytest.raises(accounts.NotDone, match="mã xác thực"):
        accounts.create_key(store, ADMIN, name, label="x", days=30, now=now)
    phone(name)
    key = accounts.create_key(store, ADMIN, name, label="x", days=30, now=now)
    assert accounts.principal_of_key(store, key, now=now).role == "analyst"


def test_the_fault_of_one_step_undoes_the_others_and_their_entry(store, person, now, monkeypatch):
    person()
    before = audit.verify(store)
    monkeypatch.setattr(sessions, "end", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        accounts.disable(store, ADMIN, "lan", now=now)
    assert accounts.listed(store)[0].state == "active"
    assert audit.verify(store) == before
