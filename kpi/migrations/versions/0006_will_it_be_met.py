"""what was expected of a target at an instant, from the values known then."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_REAL: sa.types.TypeEngine = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "forecast",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("indicator", sa.Text(), nullable=False),
        sa.Column("org_unit", sa.Text(), nullable=False),
        sa.Column("forecast_at", _INT, nullable=False),
        sa.Column("chance", _REAL, nullable=True),
        sa.Column("low", _REAL, nullable=True),
        sa.Column("high", _REAL, nullable=True),
        sa.Column("points", _INT, nullable=False),
        sa.Column("last_period", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reading", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("reconstructed", _INT, nullable=False),
        sa.Column("computed_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("target", "indicator", "org_unit", "forecast_at"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
