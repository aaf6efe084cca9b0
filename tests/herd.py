"""A web of two processes whose one callback writes down when it draws; ``python -m tests.herd``."""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import flask
from flask import Response, g
from gunicorn.app.base import BaseApplication

from app import serving
from ioc.principal import Principal
from ioc.settings import Settings
from layouts import state
from layouts.web import screens, turns
from layouts.web.guard import CALLBACK

NOW = datetime(2026, 11, 27, 2, 0, 30, tzinfo=UTC)
ONE = frozenset({"area-450"})
PEOPLE = {
    "one": Principal("one", "viewer", ONE),
    "another": Principal("another", "viewer", frozenset({"area-456"})),
    "fewer": Principal("fewer", "viewer", ONE, frozenset({"public"})),
    "higher": Principal("higher", "head", ONE),
}
"""Nobody of them may get an answer of the others."""
PATIENCE, ELSEWHERE = 3.0, 2.0


class Version:
    """A store that only says which version it has."""

    def version(self) -> int:
        return 7


def create(folder: Path) -> flask.Flask:
    """A web that draws for whoever stands in a header."""
    server = flask.Flask("herd")

    @server.before_request
    def _who() -> None:
        said = flask.request.headers
        g.now = NOW + timedelta(minutes=int(said.get("X-Later", "0")))
        g.principal = PEOPLE[said.get("X-Who", "one")]

    @server.after_request
    def _worker(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        response.headers["X-Looked"] = " ".join(g.get("restricted", ()))
        return response

    screens.install(server, Version(), folder)

    @server.post(CALLBACK)
    def draw() -> Response:
        said = flask.request.headers
        note(folder / "begun", str(os.getpid()))
        time.sleep(float(said.get("X-Takes", "0.1")))
        note(folder / "finished", g.principal.name)
        g.restricted = {f"of {g.principal.name}"}
        if "X-Unsteady" not in said:
            state.steady()
        return Response(g.principal.name)

    return server


def note(file: Path, line: str) -> None:
    """Add one line, whole whoever else writes."""
    with file.open("a") as lines:
        lines.write(f"{line}\n")


class Web(BaseApplication):
    """The server and the settings of ``ioc web``."""

    def __init__(self, folder: Path, port: int):
        self.folder, self.port = folder, port
        super().__init__()

    def load_config(self) -> None:
        for name, value in serving(Settings(port=self.port)).items():
            self.cfg.set(name, value)

    def load(self) -> flask.Flask:
        return create(self.folder)


if __name__ == "__main__":
    turns.PATIENCE, turns.ELSEWHERE = PATIENCE, ELSEWHERE
    Web(Path(sys.argv[1]), int(sys.argv[2])).run()
