"""which definition computes which windows of a target: so far the only one, all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    connection = op.get_bind()
    known = [dict(row._mapping) for row in connection.execute(sa.text("SELECT * FROM judged"))]
    op.drop_table("judged")
    made = op.create_table(
        "judged",
        sa.Column("target", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("indicator", sa.Text(), autoincrement=False, nullable=False),
        sa.Column("numerator", sa.Text(), nullable=False),
        sa.Column("denominator", sa.Text(), nullable=False),
        sa.Column("by_year", _INT, nullable=False),
        sa.Column("cut_year", _INT, nullable=False),
        sa.Column("cut_month", _INT, nullable=False),
        sa.Column("first_window", _INT, autoincrement=False, nullable=False, server_default="0"),
        sa.Column("last_window", _INT, nullable=False, server_default="1000000"),
        sa.PrimaryKeyConstraint("target", "indicator", "first_window"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.bulk_insert(made, known)
