"""what people ask and say: files filled in by hand, and assessments where there is no number."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_BY_HAND, _READ = sa.text("given_by <> ''"), sa.text("run IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "request",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("size", _INT, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", _INT, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("held", sa.Text(), nullable=False),
        sa.Column("tries", _INT, nullable=False),
        sa.Column("claimed_at", _INT, nullable=True),
        sa.Column("ended_at", _INT, nullable=True),
        sa.Column("run", _INT, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("request_state", "request", ["state", "id"])
    op.create_index("request_source", "request", ["source", "id"])
    op.create_table(
        "assessment",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("indicator", sa.Text(), nullable=False),
        sa.Column("org_unit", sa.Text(), nullable=False),
        sa.Column("judged_on", _INT, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("signed_at", _INT, nullable=False),
        sa.Column("known_at", _INT, nullable=False),
        sa.Column("withdraws", _INT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("assessment_target", "assessment", ["target", "id"])
    op.create_index("assessment_withdraws", "assessment", ["withdraws"], unique=True)
    op.add_column("source", sa.Column("form", sa.Text(), nullable=False, server_default=""))
    op.add_column("poll_run", sa.Column("given_by", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "poll_run_given",
        "poll_run",
        ["source", "run"],
        sqlite_where=_BY_HAND,
        postgresql_where=_BY_HAND,
    )
    op.create_index(
        "observation_read",
        "observation",
        ["element", "day"],
        sqlite_where=_READ,
        postgresql_where=_READ,
    )
