"""Bring a database to today's schema with Alembic, inside one transaction."""

from importlib import resources
from typing import Any

from sqlalchemy import Engine


def upgrade(engine: Engine) -> None:
    """Run every migration that the database has not seen; nothing is left half done."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("kpi") / "migrations"))
    with engine.begin() as connection:
        attributes: dict[str, Any] = config.attributes
        attributes["connection"] = connection
        command.upgrade(config, "head")
