"""Packs that leave by themselves: which editions were made, and who was sent them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pack_edition",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("slot", _INT, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", _INT, nullable=False),
        sa.Column("claimed_at", _INT, nullable=False),
        sa.Column("as_of", _INT, nullable=True),
        sa.Column("made_at", _INT, nullable=True),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sqlite_strict=True,
    )
    op.create_index("pack_edition_slot", "pack_edition", ["pack", "slot"], unique=True)
    op.create_table(
        "pack_delivery",
        sa.Column("edition", _INT, nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", _INT, nullable=False),
        sa.Column("next_at", _INT, nullable=False),
        sa.Column("ended_at", _INT, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("edition", "recipient"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
