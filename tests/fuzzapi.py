"""Ask the running data addresses what their OpenAPI document allows, and what it does not.

``python -m tests.fuzzapi --requests 10000`` (``make fuzz``) starts ``ioc web`` on a small
province, sends as many requests as it is told, by a fixed seed, and counts the answers. Every one
must be documented: its status, its content type, its headers and, where it is JSON, its shape; and
none may be a fault of the server.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.openapi import checks as _openapi  # noqa: F401  fills CHECKS

NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""What must hold of every answer."""
ADDRESS = "/api/v1/openapi.json"


@dataclass
class Told:
    """What came of a run: how often which status, and what was wrong with an answer."""

    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """How many requests were answered."""
        return sum(self.seen.values())


def fuzz(home: str, many: int, *, number: int = 8, seconds: float = 1e9) -> Told:
    """Send at least ``many`` requests to a server, for at most so many seconds; half of them are
    what the document allows, half are not.
    """
    told, end = Told(), time.monotonic() + seconds
    schema = schemathesis.openapi.from_url(home + ADDRESS)
    found = [one.ok() for one in schema.get_all_operations()]
    each = -(-many // (2 * len(found)))
    checks = CHECKS.get_by_names(list(NAMES))
    session = requests.Session()
    for operation in found:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.NEGATIVE and not operation.query:
                mode = GenerationMode.POSITIVE
            if time.monotonic() < end:
                _walk(operation, mode, each, number, checks, session, told, end)
    return told


def _walk(
    operation: Any,
    mode: GenerationMode,
    each: int,
    number: int,
    checks: Any,
    session: requests.Session,
    told: Told,
    end: float,
) -> None:
    sent = 0

    @seed(number)
    @settings(
        max_examples=max(each, 2),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal sent
        if sent >= each or time.monotonic() > end:
            return
        sent += 1
        if mode is GenerationMode.POSITIVE and sent % 8:
            # no state of ours is guessed: it would always have moved on
            case.query = {"limit": 50} | (case.query or {})
            case.query.pop("snapshot", None)
        ask(case, checks, session, told)

    # few schemas have few values: what is left is asked by further seeds
    one()


def ask(case: Any, checks: Any, session: requests.Session, told: Told) -> None:
    """Send one request and look at its answer."""
    response = case.call(session=session, timeout=60)
    if told.sent % 500 == 499:
        print(f"{told.sent + 1} …", file=sys.stderr, flush=True)
    told.seen[f"{case.operation.path.rpartition('.')[2]} {response.status_code}"] += 1
    try:
        case.validate_response(response, checks=checks)
    except BaseExceptionGroup as group:
        for error in group.exceptions:
            told.wrong.append(f"{case.method} {response.request.url}: {error!s:.400}")
    except AssertionError as error:
        told.wrong.append(f"{case.method} {response.request.url}: {error!s:.400}")


@contextmanager
def served() -> Iterator[str]:
    """A small province with ``ioc web`` in front of it; its address."""
    from tests.browser.house import House
    from tests.conftest import free_port

    with tempfile.TemporaryDirectory(prefix="ioc-fuzz-") as folder:
        house = House(Path(folder), free_port())
        house.fill()
        house.start()
        try:
            yield house.address
        finally:
            house.stop()


def main() -> int:
    """Print what was asked and answered; 1 when anything was wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--address", default="", help="of a server that runs already")
    asked = parser.parse_args()
    begun = time.monotonic()
    if asked.address:
        told = fuzz(asked.address, asked.requests, number=asked.seed)
    else:
        with served() as home:
            told = fuzz(home, asked.requests, number=asked.seed)
    took = time.monotonic() - begun
    print(json.dumps(dict(sorted(told.seen.items())), indent=2))
    faults = sum(n for name, n in told.seen.items() if name.split()[1] >= "500")
    print(f"{told.sent} requests in {took:.0f} s: {faults} × 5xx, {len(told.wrong)} undocumented")
    for wrong in told.wrong[:40]:
        print(wrong)
    return 1 if told.wrong or faults or told.sent < asked.requests else 0


if __name__ == "__main__":
    sys.exit(main())
