"""Bring a database to today's schema with Alembic, inside one transaction."""

from importlib import resources
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from ioc.errors import IocError


def upgrade(engine: Engine) -> None:
    """Run every migration that the database has not seen; nothing is left half done.

    Raises:
        IocError: a newer release has written this database; nothing is touched.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("kpi") / "migrations"))
    with engine.begin() as connection:
        refuse_newer(revision(connection), "kho số liệu")
        attributes: dict[str, Any] = config.attributes
        attributes["connection"] = connection
        command.upgrade(config, "head")


def head() -> str:
    """The schema of this release: its newest migration, by the number in the file's name."""
    versions = resources.files("kpi") / "migrations" / "versions"
    return max(entry.name[:4] for entry in versions.iterdir() if entry.name.endswith(".py"))


def revision(connection: Connection) -> str:
    """The schema of a database; empty before the first migration."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or ""


def refuse_other(connection: Connection) -> None:
    """Raise when the database has not this release's schema: its columns are not what we ask."""
    found = revision(connection)
    refuse_newer(found, "kho số liệu")
    if found != head():
        at = f"ở lược đồ {found}" if found else "chưa có lược đồ"
        raise IocError(
            f"kho {at}, chương trình cần {head()}: hãy sao lưu (ioc backup) rồi chạy ioc run, ioc"
            " web hoặc ioc poll của bản này một lần, hoặc dùng chương trình cùng bản với kho"
        )


def refuse_newer(found: str, what: str) -> None:
    """Raise when a newer release has written this: an older one would misread it."""
    if found > head():
        raise IocError(
            f"{what} có lược đồ {found}, mới hơn chương trình này ({head()}): hãy chạy đúng bản"
            " đã ghi nó, hoặc khôi phục bản sao lưu làm trước khi nâng cấp (ioc restore)"
        )
