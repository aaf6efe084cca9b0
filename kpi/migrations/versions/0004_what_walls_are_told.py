"""what the operator tells the walls: which sheet, paused or not, held since when."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "steering",
        sa.Column("id", _INT, nullable=False),
        sa.Column("number", _INT, nullable=False),
        sa.Column("sheet", sa.Text(), nullable=False),
        sa.Column("paused", _INT, nullable=False),
        sa.Column("codes", _INT, nullable=False),
        sa.Column("held_at", _INT, nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
