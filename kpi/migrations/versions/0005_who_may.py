"""who may see and do what, on which screens, and an audit that only grows."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_REAL: sa.types.TypeEngine = sa.Double().with_variant(sa.REAL(), "sqlite")

# the database itself refuses: whoever writes past the program must first take the triggers away
_SQLITE = """
CREATE TRIGGER audit_{verb} BEFORE {verb} ON audit
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END
"""
# REPLACE deletes without a trigger, so what it would replace is refused; the head only goes on
_SQLITE_MORE = (
    "CREATE TRIGGER audit_INSERT BEFORE INSERT ON audit"
    " WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number)"
    " BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END",
    "CREATE TRIGGER audit_head_INSERT BEFORE INSERT ON audit_head"
    " WHEN EXISTS (SELECT 1 FROM audit_head WHERE id = NEW.id AND number <> NEW.number - 1)"
    " BEGIN SELECT RAISE(ABORT, 'audit_head is append-only'); END",
    "CREATE TRIGGER audit_head_UPDATE BEFORE UPDATE ON audit_head"
    " WHEN NEW.id <> OLD.id OR NEW.number <> OLD.number + 1"
    " BEGIN SELECT RAISE(ABORT, 'audit_head is append-only'); END",
    "CREATE TRIGGER audit_head_DELETE BEFORE DELETE ON audit_head"
    " BEGIN SELECT RAISE(ABORT, 'audit_head is append-only'); END",
)
_FUNCTION = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'audit is append-only'; END $$
"""
_POSTGRESQL = (
    "CREATE TRIGGER audit_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
)
_POSTGRESQL_HEAD = (
    "CREATE TRIGGER audit_head_keep BEFORE DELETE OR TRUNCATE ON audit_head"
    " FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_head_next BEFORE UPDATE ON audit_head FOR EACH ROW"
    " WHEN (NEW.id <> OLD.id OR NEW.number <> OLD.number + 1)"
    " EXECUTE FUNCTION audit_refuse()",
)


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("totp", sa.Text(), nullable=True),
        sa.Column("totp_step", _INT, server_default="0", nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("failures", _INT, server_default="0", nullable=False),
        sa.Column("locked_until", _INT, nullable=True),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("changed_at", _INT, nullable=False),
        sa.Column("seen_at", _INT, nullable=True),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("account_subject", "account", ["subject"], unique=True)
    op.create_table(
        "account_right",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("org_unit", sa.Text(), nullable=True),
        sa.Column("indicator_class", sa.Text(), nullable=True),
        sa.Column("valid_from", _INT, nullable=True),
        sa.Column("valid_to", _INT, nullable=True),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _INT, nullable=False),
        sa.Column("ended_at", _INT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("account_right_account", "account_right", ["account"])
    op.create_table(
        "session",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("seen_at", _INT, nullable=False),
        sa.Column("ended_at", _INT, nullable=True),
        sa.Column("second", _INT, nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("session_account", "session", ["account"])
    op.create_table(
        "link",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("expires_at", _INT, nullable=False),
        sa.Column("used_at", _INT, nullable=True),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("link_account", "link", ["account"])
    op.create_table(
        "device",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("layout", sa.Text(), nullable=False),
        sa.Column("org_unit", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=True),
        sa.Column("code_until", _INT, nullable=True),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("paired_by", sa.Text(), nullable=True),
        sa.Column("paired_at", _INT, nullable=True),
        sa.Column("expires_at", _INT, nullable=True),
        sa.Column("revoked_at", _INT, nullable=True),
        sa.Column("seen_at", _INT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("device_code", "device", ["code_hash"], unique=True)
    op.create_index("device_token", "device", ["token_hash"], unique=True)
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("created_at", _INT, nullable=False),
        sa.Column("expires_at", _INT, nullable=False),
        sa.Column("revoked_at", _INT, nullable=True),
        sa.Column("seen_at", _INT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("api_key_account", "api_key", ["account"])
    op.create_index("api_key_hash", "api_key", ["hash"], unique=True)
    op.create_table(
        "audit",
        sa.Column("number", _INT, nullable=False),
        sa.Column("at", _INT, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sqlite_strict=True,
    )
    op.create_index("audit_at", "audit", ["at"])
    op.create_index("audit_kind", "audit", ["kind", "number"])
    op.create_index("audit_who", "audit", ["who", "number"])
    op.create_table(
        "audit_head",
        sa.Column("id", _INT, nullable=False),
        sa.Column("number", _INT, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "reading_choice",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("reading", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("reading_choice_target", "reading_choice", ["target", "id"])
    op.create_table(
        "closing_signature",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("indicator", sa.Text(), nullable=False),
        sa.Column("org_unit", sa.Text(), nullable=False),
        sa.Column("numerator", _REAL, nullable=True),
        sa.Column("denominator", _REAL, nullable=True),
        sa.Column("value", _REAL, nullable=True),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("closing_signature_target", "closing_signature", ["target", "id"])
    op.create_table(
        "config_version",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("by_whom", sa.Text(), nullable=False),
        sa.Column("at", _INT, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("config_version_file", "config_version", ["file", "id"])
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_SQLITE.format(verb=verb))
        for statement in _SQLITE_MORE:
            op.execute(statement)
    else:
        op.execute(_FUNCTION)
        op.execute(_POSTGRESQL)
        for statement in _POSTGRESQL_HEAD:
            op.execute(statement)
