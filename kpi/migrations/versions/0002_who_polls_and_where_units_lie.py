"""who may poll, which rule refused a row, and where org units lie."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("fence", _INT, nullable=False),
        sa.Column("expires_at", _INT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "map_layer",
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("valid_from", _INT, nullable=True),
        sa.Column("valid_to", _INT, nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("imported_at", _INT, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("features", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("layer"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("record_newest", "record", ["opened_at"])
    op.create_index("poll_run_slot", "poll_run", ["source", "slot"], unique=True)
    op.add_column("rejection", sa.Column("rule", sa.Text(), nullable=False, server_default=""))
    op.add_column("poll_run", sa.Column("address", sa.Text(), nullable=False, server_default=""))
    op.add_column("source", sa.Column("deadline", _INT, nullable=False, server_default="900"))
    op.add_column("source", sa.Column("next_due_at", _INT, nullable=True))
    op.add_column("source", sa.Column("lost_at", _INT, nullable=True))
