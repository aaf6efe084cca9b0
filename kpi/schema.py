"""The tables of the KPI store: one schema for SQLite and PostgreSQL.

Instants are integers (microseconds, UTC), days are integers (days since 1970-01-01 in local
time), periods are integers (year ``y``, month ``y*12+m-1``). A row that is still believed has
``superseded_at = FAR``; it is never NULL, so that one comparison finds what was believed when.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import sqlalchemy as sa

FAR = 253_402_300_799_000_000
"""The far instant of what is still current (the last second of 9999); a literal in every index."""

metadata = sa.MetaData()
Int = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Real: sa.types.TypeEngine = sa.Double().with_variant(sa.REAL(), "sqlite")
Text = sa.Text()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(instant: datetime | None) -> int | None:
    """Microseconds since 1970 UTC; refuses an instant without an offset."""
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise ValueError(f"thời điểm không có múi giờ: {instant!r}")
    return (instant - _EPOCH) // timedelta(microseconds=1)


@lru_cache(8192)  # a poll brings many figures at one instant
def instant_of(microseconds: int | None) -> datetime | None:
    """The aware UTC instant of stored microseconds; None stays None."""
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def _table(name: str, *columns: sa.schema.SchemaItem, rowid: bool = False) -> sa.Table:
    return sa.Table(name, metadata, *columns, sqlite_strict=True, sqlite_with_rowid=rowid)


def _key(name: str, type_: sa.types.TypeEngine = Text) -> sa.Column:
    return sa.Column(name, type_, primary_key=True, nullable=False, autoincrement=False)


def _need(name: str, type_: sa.types.TypeEngine = Text) -> sa.Column:
    return sa.Column(name, type_, nullable=False)


def _maybe(name: str, type_: sa.types.TypeEngine = Text) -> sa.Column:
    return sa.Column(name, type_, nullable=True)


# --- what is configured, published so that SQL can join it -----------------------------------
org_unit = _table(
    "org_unit",
    _key("uid"),
    _need("code"),
    _need("name"),
    _need("level"),
    _need("unit_group"),
    _need("opened_day", Int),
    _need("closed_day", Int),
)
closure = _table("closure", _key("ancestor"), _key("leaf"))
sa.Index("closure_leaf", closure.c.leaf, closure.c.ancestor)
month = _table(
    "month", _key("month", Int), _need("year", Int), _need("first_day", Int), _need("last_day", Int)
)
sa.Index("month_first_day", month.c.first_day, unique=True)
element = _table(
    "element",
    _key("id"),
    _need("over_time"),
    _need("over_units"),
    _need("silence"),
    _need("definition"),
)
judged = _table(
    "judged",
    _key("target"),
    _key("indicator"),
    _need("numerator"),
    _need("denominator"),
    _need("by_year", Int),
    _need("cut_year", Int),
    _need("cut_month", Int),
    # a definition computes the windows from first_window to last_window: the only one all of them
    sa.Column("first_window", Int, primary_key=True, autoincrement=False, server_default="0"),
    sa.Column("last_window", Int, nullable=False, server_default="1000000"),
)
definition_version = _table(
    "definition_version", _key("definition"), _need("indicator"), _need("yaml"), _need("at", Int)
)

# --- sources and what their polls did ---------------------------------------------------------
source = _table(
    "source",
    _key("id"),
    _need("name"),
    _need("sector"),
    _need("kind"),
    _need("owner"),
    _need("every", Int),
    _need("late_after", Int),
    _need("stale_after", Int),
    _need("reporting_days", Int),
    _need("serves"),
    _need("record"),
    _need("sample", Int),
    _need("paused", Int),
    _need("needs_credentials", Int),
    _need("configured", Int),
    _maybe("first_poll_at", Int),
    _maybe("loaded_at", Int),
    _maybe("load_boundary", Int),
    sa.Column("deadline", Int, nullable=False, server_default="900"),  # seconds of one poll
    _maybe("next_due_at", Int),
    _maybe("lost_at", Int),  # since when it fails, once that has been announced
    sa.Column("form", Text, nullable=False, server_default=""),  # JSON of ioc.form.form_of
)
watermark = _table(
    "watermark",
    _key("source"),
    _maybe("cursor"),
    _maybe("covered_until", Int),
    _maybe("changed_until", Int),
)
poll_run = _table(
    "poll_run",
    sa.Column("run", sa.Integer, primary_key=True, autoincrement=True),
    _need("source"),
    _maybe("slot", Int),
    _need("started_at", Int),
    _maybe("ended_at", Int),
    _need("outcome"),
    _need("note"),
    *(_need(name, Int) for name in ("read", "new", "changed", "same", "rejected", "gone")),
    _need("calls", Int),
    _need("bytes", Int),
    _need("response_hash"),
    _maybe("cursor_before"),
    _maybe("cursor_after"),
    _maybe("covered_until", Int),
    sa.Column("address", Text, nullable=False, server_default=""),
    sa.Column("given_by", Text, nullable=False, server_default=""),  # of a file that a person gave
    rowid=True,
)
sa.Index("poll_run_source", poll_run.c.source, poll_run.c.run)
# no slot is polled twice, whoever schedules; polls by hand have no slot
sa.Index("poll_run_slot", poll_run.c.source, poll_run.c.slot, unique=True)
_by_hand = sa.text("given_by <> ''")
sa.Index(
    "poll_run_given",
    poll_run.c.source,
    poll_run.c.run,
    sqlite_where=_by_hand,
    postgresql_where=_by_hand,
)
rejection = _table(
    "rejection",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("source"),
    _need("run", Int),
    _need("position"),
    _need("reason"),
    _need("fields"),
    _need("hash"),
    _need("at", Int),
    sa.Column("rule", Text, nullable=False, server_default=""),
    rowid=True,
)
sa.Index("rejection_source", rejection.c.source, rejection.c.id)
sa.Index("rejection_known", rejection.c.source, rejection.c.hash)

# what people ask of the poller; the file itself waits in a folder, never in the database
request = _table(
    "request",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("kind"),
    _need("source"),
    _need("file"),
    _need("hash"),
    _need("size", Int),
    _need("who"),
    _need("at", Int),
    _need("state"),
    _need("held"),  # the name it waits under, until it is done
    _need("tries", Int),
    _maybe("claimed_at", Int),
    _maybe("ended_at", Int),
    _maybe("run", Int),
    _need("note"),
    rowid=True,
)
sa.Index("request_state", request.c.state, request.c.id)
sa.Index("request_source", request.c.source, request.c.id)

# what the walls are told: one row
steering = _table(
    "steering",
    _key("id", Int),
    _need("number", Int),  # of the word, so that each is heard once
    _need("sheet"),
    _need("paused", Int),
    _need("codes", Int),  # whether tiles show the code that a phone reads
    _maybe("held_at", Int),
    _need("who"),
    _need("at", Int),
)

# what people say where the plan gives no number; a row that withdraws another is one more row
assessment = _table(
    "assessment",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("target"),
    _need("indicator"),
    _need("org_unit"),
    _need("judged_on", Int),
    _need("verdict"),
    _need("words"),
    _need("evidence"),
    _need("author"),
    _need("who"),
    _need("signed_at", Int),
    _need("known_at", Int),
    _maybe("withdraws", Int),
    rowid=True,
)
sa.Index("assessment_target", assessment.c.target, assessment.c.id)
sa.Index("assessment_withdraws", assessment.c.withdraws, unique=True)

lease = _table(
    "lease", _key("name"), _need("holder"), _need("fence", Int), _need("expires_at", Int)
)

# --- where the org units lie ------------------------------------------------------------------
map_layer = _table(
    "map_layer",
    _key("layer"),
    _need("level"),
    _need("name"),
    _maybe("valid_from", Int),
    _maybe("valid_to", Int),
    _need("source"),
    _need("licence"),
    _need("imported_at", Int),
    _need("hash"),
    _need("features"),
)

# --- what the sources said --------------------------------------------------------------------
RECORD = (
    ("kind", Text, False),
    ("code", Text, False),
    ("org_unit", Text, False),
    ("org_unit_done", Text, False),
    ("place", Text, True),
    ("opened_at", Int, False),
    ("due_at", Int, True),
    ("closed_at", Int, True),
    ("opened_day", Int, False),
    ("closed_day", Int, True),
    ("state", Text, True),
    ("category", Text, True),
    ("channel", Text, True),
    ("result", Text, True),
    ("quantity", Real, True),
    ("lat", Real, True),
    ("lon", Real, True),
    ("changed_at", Int, True),
    ("hash", Text, False),
    ("run", Int, False),
)
"""Columns of a record that a source states or that follow from them at once."""


def _record_columns() -> list[sa.Column]:
    return [sa.Column(name, type_, nullable=nullable) for name, type_, nullable in RECORD]


record = _table(
    "record",
    _key("source"),
    _key("key"),
    *_record_columns(),
    _need("known_at", Int),
    _need("version", Int),
)
sa.Index("record_opened", record.c.kind, record.c.org_unit, record.c.opened_day)
sa.Index("record_closed", record.c.kind, record.c.org_unit_done, record.c.closed_day)
sa.Index("record_newest", record.c.opened_at)
record_version = _table(
    "record_version",
    _key("source"),
    _key("key"),
    _key("version", Int),
    *_record_columns(),
    _need("known_at", Int),
    _need("superseded_at", Int),
)

# --- what follows from it ---------------------------------------------------------------------
observation = _table(
    "observation",
    _key("element"),
    _key("org_unit"),
    _key("day", Int),
    _key("known_at", Int),
    _need("superseded_at", Int),
    _need("value", Real),
    _maybe("changed_at", Int),
    _maybe("run", Int),
)
_read = sa.text("run IS NOT NULL")  # what was declared, not counted
sa.Index(
    "observation_read",
    observation.c.element,
    observation.c.day,
    sqlite_where=_read,
    postgresql_where=_read,
)
member = _table(
    "member",
    _key("element"),
    _key("period", Int),
    _key("org_unit"),
    _key("member_key"),
    _need("n", Int),
)
sa.Index("member_by_key", member.c.element, member.c.period, member.c.member_key, member.c.org_unit)
rollup = _table(
    "rollup",
    _key("element"),
    _key("period", Int),
    _key("org_unit"),
    _key("known_at", Int),
    _need("superseded_at", Int),
    _need("value", Real),
    _need("units", Int),
    _need("upto", Int),
)
_current = sa.text(f"superseded_at = {FAR}")
for _of, _name, _columns in (
    (observation, "observation_current", ("element", "org_unit", "day")),
    (rollup, "rollup_current", ("element", "period", "org_unit")),
):
    sa.Index(
        _name,
        *(_of.c[column] for column in _columns),
        unique=True,
        sqlite_where=_current,
        postgresql_where=_current,
    )
standing = _table(
    "standing",
    _key("target"),
    _key("indicator"),
    _key("org_unit"),
    _key("window", Int),
    _maybe("numerator", Real),
    _maybe("denominator", Real),
    _need("units", Int),
    _need("upto", Int),
    _need("known_at", Int),
)

# what was expected at an instant, from the values known then; written once, never moved
forecast = _table(
    "forecast",
    _key("target"),
    _key("indicator"),
    _key("org_unit"),
    _key("forecast_at", Int),
    _maybe("chance", Real),
    _maybe("low", Real),
    _maybe("high", Real),
    _need("points", Int),
    _need("last_period"),
    _need("reason"),  # why there is no chance; empty where there is one
    _need("reading"),  # the rule that was in force
    _need("model"),
    _need("definition"),
    _need("reconstructed", Int),
    _need("computed_at", Int),
)

# --- who may see and do what, and what was done -----------------------------------------------
account = _table(
    "account",
    _key("name"),
    _need("display"),
    _need("role"),
    _maybe("password"),  # argon2id, with its parameters and salt
    _maybe("totp"),  # the secret of the second factor; begun with "?" until a code was confirmed
    sa.Column("totp_step", Int, nullable=False, server_default="0"),  # no code is taken twice
    _maybe("subject"),  # "issuer|sub" of an outside identity
    _need("state"),
    sa.Column("failures", Int, nullable=False, server_default="0"),
    _maybe("locked_until", Int),
    _need("created_at", Int),
    _need("changed_at", Int),
    _maybe("seen_at", Int),
)
sa.Index("account_subject", account.c.subject, unique=True)
account_right = _table(
    "account_right",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("account"),
    _maybe("org_unit"),  # top of a subtree; none: all
    _maybe("indicator_class"),  # none: all
    _maybe("valid_from", Int),  # days, both ends included
    _maybe("valid_to", Int),
    _need("by_whom"),
    _need("reason"),
    _need("at", Int),
    _maybe("ended_at", Int),
    rowid=True,
)
sa.Index("account_right_account", account_right.c.account)
session = _table(
    "session",
    _key("hash"),  # SHA-256 of the token, which only the browser has
    _need("account"),
    _need("csrf"),
    _need("created_at", Int),
    _need("seen_at", Int),
    _maybe("ended_at", Int),
    _need("second", Int),  # whether the second factor was given
)
sa.Index("session_account", session.c.account)
link = _table(
    "link",
    _key("hash"),
    _need("account"),
    _need("purpose"),
    _need("expires_at", Int),
    _maybe("used_at", Int),
)
sa.Index("link_account", link.c.account)
device = _table(
    "device",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("name"),
    _need("layout"),  # the query of /wall
    _need("org_unit"),
    _maybe("code_hash"),  # of the code on the screen, until it is paired
    _maybe("code_until", Int),
    _need("token_hash"),
    _maybe("paired_by"),
    _maybe("paired_at", Int),
    _maybe("expires_at", Int),
    _maybe("revoked_at", Int),
    _maybe("seen_at", Int),
    rowid=True,
)
sa.Index("device_token", device.c.token_hash, unique=True)
sa.Index("device_code", device.c.code_hash, unique=True)
api_key = _table(
    "api_key",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("account"),
    _need("name"),
    _need("hash"),
    _need("created_at", Int),
    _need("expires_at", Int),
    _maybe("revoked_at", Int),
    _maybe("seen_at", Int),
    rowid=True,
)
sa.Index("api_key_hash", api_key.c.hash, unique=True)
sa.Index("api_key_account", api_key.c.account)
# append-only: triggers refuse to change or delete a row, each row holds the hash of the last
audit = _table(
    "audit",
    _key("number", Int),
    _need("at", Int),
    _need("who"),
    _need("kind"),
    _need("what"),
    _need("detail"),  # canonical JSON
    _need("previous"),
    _need("hash"),
    rowid=True,
)
sa.Index("audit_at", audit.c.at)
sa.Index("audit_kind", audit.c.kind, audit.c.number)
sa.Index("audit_who", audit.c.who, audit.c.number)
# the newest row, one row: without it nobody would miss the last ones
audit_head = _table("audit_head", _key("id", Int), _need("number", Int), _need("hash"))
reading_choice = _table(
    "reading_choice",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("target"),
    _need("reading"),
    _need("reason"),
    _need("by_whom"),
    _need("at", Int),
    rowid=True,
)
sa.Index("reading_choice_target", reading_choice.c.target, reading_choice.c.id)
closing_signature = _table(
    "closing_signature",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("target"),
    _need("indicator"),
    _need("org_unit"),
    _maybe("numerator", Real),
    _maybe("denominator", Real),
    _maybe("value", Real),
    _need("by_whom"),
    _need("reason"),
    _need("at", Int),
    rowid=True,
)
sa.Index("closing_signature_target", closing_signature.c.target, closing_signature.c.id)
config_version = _table(
    "config_version",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("file"),
    _need("hash"),
    _need("body"),
    _need("by_whom"),
    _need("at", Int),
    _need("note"),
    rowid=True,
)
sa.Index("config_version_file", config_version.c.file, config_version.c.id)

# --- packs that leave by themselves --------------------------------------------------------------
pack_edition = _table(
    "pack_edition",
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    _need("pack"),
    _maybe("slot", Int),  # none: made by hand
    _need("state"),  # none (before we knew the pack), making, made, failed
    _need("tries", Int),
    _need("claimed_at", Int),
    _maybe("as_of", Int),  # the sealed instant of its figures
    _maybe("made_at", Int),
    _need("folder"),
    _need("note"),
    rowid=True,
)
# no slot is made twice, whoever schedules
sa.Index("pack_edition_slot", pack_edition.c.pack, pack_edition.c.slot, unique=True)
pack_delivery = _table(
    "pack_delivery",
    _key("edition", Int),
    _key("recipient"),
    _need("state"),  # waiting, sending, sent, failed, unsure
    _need("tries", Int),
    _need("next_at", Int),
    _maybe("ended_at", Int),
    _need("note"),
)

# --- clock and versions -----------------------------------------------------------------------
seal = _table("seal", _key("at", Int), _need("reason"))
topic = _table("topic", _key("name"), _need("version", Int))
boundary = _table("boundary", _key("id", Int), _need("at", Int), _need("version", Int))
