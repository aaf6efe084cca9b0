"""An SQLite file of the sample with a view on it: written aside, renamed, so whole or absent."""

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path


def write(path: Path, view: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The rows in a table behind a view of that name; a file that holds them already stays."""
    rows = [tuple(row) for row in rows]
    if path.exists() and _held(path, view, columns) == rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    named = ", ".join(columns)
    with closing(sqlite3.connect(aside)) as file:
        file.execute(f"CREATE TABLE du_lieu_mau ({named})")
        marks = ", ".join("?" * len(columns))
        file.executemany(f"INSERT INTO du_lieu_mau VALUES ({marks})", rows)
        file.execute(f"CREATE VIEW {view} AS SELECT {named} FROM du_lieu_mau")
        file.commit()
    aside.replace(path)


def _held(path: Path, view: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
    try:
        with closing(sqlite3.connect(path)) as file:
            return file.execute(f"SELECT {', '.join(columns)} FROM {view}").fetchall()
    except sqlite3.Error:
        return []
