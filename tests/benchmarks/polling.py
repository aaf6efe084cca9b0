"""The REST poll beside reading the same pages with the bare client."""

import ssl
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx2

from connectors import poller
from ioc.source import Source
from kpi import health
from tests.benchmarks import reference
from tests.benchmarks.measure import Line, seconds
from tests.benchmarks.portal import PAGE, ROWS
from tests.benchmarks.serving import free_port, process

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A plain address needs no certificates: reading them would cost the floor 50 ms a poll."""
LATENCY = 0.05
"""What a reply takes on the way: a portal of another agency, over the province's network."""


def source(port: int) -> Source:
    """The portal as a source, mapped as the real one is."""
    real = reference.DOSSIERS
    fields = {name: spec for name, spec in real.fields.items() if name not in ("due_at",)}
    return real.model_copy(
        update={
            "id": "bench_portal",
            "url": f"http://127.0.0.1:{port}",
            "auth": Source.model_fields["auth"].get_default(call_default_factory=True),
            "fields": fields,
            "options": {**real.options, "path": "/thayDoi"},
            "paging": real.paging.model_copy(update={"size": PAGE}),
        }
    )


def lines(folder: Path, *, times: int) -> Iterator[Line]:
    """A full poll and one that finds nothing new, with and without a network in between."""
    for latency, limit in ((LATENCY, 2.0), (0.0, None)):
        port = free_port()
        command = [sys.executable, "-m", "tests.benchmarks.portal", str(port), str(latency)]
        with process(command, port, {}):
            yield from _of_portal(folder, port, latency, limit, times)


def _of_portal(
    folder: Path, port: int, latency: float, limit: float | None, times: int
) -> Iterator[Line]:
    portal = source(port)
    database = Path(tempfile.mkdtemp(dir=folder)) / "poll.sqlite"
    store = reference.new_store(f"sqlite:///{database}")
    health.publish_sources(store, [portal])
    settings = SimpleNamespace(data=database.parent, secret_key_file=None)
    base = f"http://127.0.0.1:{port}/thayDoi"

    def poll() -> None:
        ended = poller.poll(store, portal, settings)
        if ended["outcome"] not in ("ok", "empty"):
            raise RuntimeError(ended)

    def turn_to(number: int) -> None:
        with store.write() as connection:
            connection.exec_driver_sql(
                f"UPDATE watermark SET cursor = '{number}:0' WHERE source = 'bench_portal'"
            )

    def read(cursor: str) -> None:
        with httpx2.Client(verify=NO_TLS, trust_env=False) as client:
            while True:
                page = client.get(base, params={"sau": cursor, "soLuong": PAGE}).json()
                cursor = page["tiepTheo"]
                if not page["conNua"]:
                    return

    poll()
    full: tuple[list[float], list[float]] = ([], [])
    quiet: tuple[list[float], list[float]] = ([], [])
    for turn in range(1, times + 2):
        turn_to(turn)
        read(f"{turn}:0")  # the portal draws the rows of this turn
        full[1].append(seconds(read, f"{turn}:0"))
        full[0].append(seconds(poll))
        for _ in range(3):
            quiet[1].append(seconds(read, f"{turn}:{ROWS}"))
            quiet[0].append(seconds(poll))
    store.close()
    wire = f"trễ {latency * 1e3:.0f} ms" if latency else "không trễ"
    pages = f"{ROWS // PAGE} × {PAGE} dòng, {wire}"
    yield Line("thu REST trọn 1.000 dòng", pages, *map(_middle, full), limit)
    yield Line("thu REST không có gì mới", wire, *map(_middle, quiet), limit)


def _middle(taken: list[float]) -> float:
    return statistics.median(taken[1:])
