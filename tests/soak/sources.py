"""Every source at its own interval on the whole product: ``make soak-sources`` (``--minutes 10``).

Prints how long the first figure and the first load of every source took, the processor time of the
poller, the turns that came late, and what became of the figures when each system of the sample was
stopped in turn: its own go late, then stale, all others move on.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import app
from connectors.config import PACKAGED
from ioc.config import read_yaml
from ioc.settings import Settings
from kpi.schema import instant_of
from kpi.store import KpiStore
from tests.soak.house import House, until

FIRST, LOADED, SHARE = 60, 240, 30.0  # seconds to a figure, to all history; percent of one core
HURRY = {"every": "5s", "late_after": "15s", "stale_after": "30s"}


def main() -> int:
    """Both rehearsals, each on a folder of its own; 1 when something is missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=10)
    asked.add_argument("--scale", default="0.2")
    asked.add_argument("--only", choices=("load", "kills"))
    given = asked.parse_args()
    missed: list[str] = []
    if given.only != "kills":
        with tempfile.TemporaryDirectory(prefix="ioc-sources-") as folder:
            missed += load(Path(folder), given.minutes * 60, given.scale)
    if given.only != "load":
        with tempfile.TemporaryDirectory(prefix="ioc-kills-") as folder:
            missed += kills(Path(folder))
    print("Không đạt: " + "; ".join(missed) if missed else "Đạt mọi giới hạn.")
    return int(bool(missed))


def load(folder: Path, seconds: float, scale: str) -> list[str]:
    """All sources as they are declared; what was missed."""
    house = _house(folder, scale)
    began, missed = time.monotonic(), []
    house.start()
    try:
        missed += _timed("số đầu tiên", began, FIRST, lambda: _ready(house))
        store = app.open_store(Settings.from_env(), migrate=False)
        missed += _timed("mọi nguồn nạp xong", began, LOADED, lambda: _loaded(store))
        missed += _calm(house, store, seconds)
        store.close()
    finally:
        house.end()
    return missed


def _calm(house: House, store: KpiStore, seconds: float) -> list[str]:
    """So many seconds in which nothing is disturbed."""
    since, poller = datetime.now(UTC), _pid(house, "poll")
    before, clock = _cpu(poller), time.monotonic()
    time.sleep(seconds)
    share = (_cpu(poller) - before) / (time.monotonic() - clock) * 100
    late = _late(store, since)
    print(
        f"{seconds / 60:.0f} phút: bộ thu thập dùng {share:.1f} % một lõi (giới hạn {SHARE:.0f} %)"
    )
    print(f"lượt trễ hơn một chu kỳ: {len(late)}" + "".join(f"\n  {one}" for one in late))
    told = [f"{share:.1f} % một lõi"] if share >= SHARE else []
    return [*told, *late]


def kills(folder: Path) -> list[str]:
    """Each system stopped in turn, on a small province with short limits; what went wrong."""
    config = folder / "config"
    config.mkdir()
    names = list(read_yaml(PACKAGED, []))  # an address that is set would be taken for a real one
    (config / "sources.yaml").write_text("".join(f"{n}: {json.dumps(HURRY)}\n" for n in names))
    os.environ["IOC_CONFIG"] = str(config)
    house, missed = _house(folder, "0.005"), []
    house.start()
    try:
        if not until(lambda: _ready(house) and _all_fresh(house, names), LOADED):
            return [f"không mới: {sorted(_ages(house).items())}"]
        for name in names:
            missed += _killed(house, name, names)
    finally:
        house.end()
        del os.environ["IOC_CONFIG"]
    return missed


def _killed(house: House, name: str, names: list[str]) -> list[str]:
    """One system stopped until its figures are stale, then started again."""
    house.order(f"dung?heThong={name}")
    seen: list[str] = []
    disturbed: set[str] = set()

    def stale() -> bool:
        ages = _ages(house)
        if ages.get(name) and ages[name] != (seen or [""])[-1]:
            seen.append(ages[name])
        disturbed.update(one for one in names if one != name and ages.get(one) == "stale")
        return ages.get(name) == "stale"

    until(stale, 90)
    own = _figures(house, name)
    house.order(f"chay?heThong={name}")
    back = until(lambda: _all_fresh(house, names), 90)
    print(
        f"{name}: {' → '.join(seen)}; số của nguồn: {', '.join(sorted(own)) or 'chưa có'}", end=""
    )
    print("; trở lại" if back else "; KHÔNG trở lại", flush=True)
    wrong = [] if seen[-2:] == ["late", "stale"] else [f"{name}: {seen}"]
    wrong += [] if own <= {"stale"} else [f"{name}: số của nguồn vẫn {own}"]
    wrong += [f"{name} kéo theo {sorted(disturbed)}"] if disturbed else []
    return wrong if back else [*wrong, f"{name} không trở lại"]


def _house(folder: Path, scale: str) -> House:
    house = House(folder)
    os.environ |= {
        "IOC_DATA": str(folder / "data"),
        "IOC_PORT": str(house.port),
        "IOC_SANDBOX_PORT": str(house.port + 1),
        "IOC_SANDBOX_SCALE": scale,
    }
    return house


def _timed(what: str, began: float, most: float, true: Any) -> list[str]:
    until(true, 2 * most)
    took = time.monotonic() - began
    print(f"{what}: {took:.0f} s (giới hạn {most:.0f} s)", flush=True)
    return [f"{what} {took:.0f} s"] if took > most else []


def _ask(house: House, question: str) -> list[dict[str, Any]]:
    address = f"http://127.0.0.1:{house.port}/api/v1/{question}"
    with suppress(OSError, ValueError), urllib.request.urlopen(address, timeout=20) as answer:
        return json.load(answer)["rows"]
    return []


def _ready(house: House) -> bool:
    return any(row["value"] is not None for row in _ask(house, "standings.json"))


def _ages(house: House) -> dict[str, str]:
    return {row["source"]: row["freshness"] for row in _ask(house, "sources.json")}


def _all_fresh(house: House, names: list[str]) -> bool:
    ages = _ages(house)
    return all(ages.get(name) == "fresh" for name in names)


def _figures(house: House, source: str) -> set[str]:
    """Freshness of the live figures that a source feeds, where there are any."""
    rows = _ask(house, "standings.json")
    return {r["freshness"] for r in rows if r["source"] == source and r["value"] is not None}


def _loaded(store: KpiStore) -> bool:
    with store.read() as connection:
        waiting = connection.scalar(
            sa.text("SELECT COUNT(*) FROM source WHERE configured = 1 AND loaded_at IS NULL")
        )
    return waiting == 0


def _late(store: KpiStore, since: datetime) -> list[str]:
    """Pairs of polls of a source that began more than two of its intervals apart."""
    with store.read() as connection:
        every = dict(connection.execute(sa.text("SELECT id, every FROM source")).all())
        runs = connection.execute(
            sa.text("SELECT source, started_at FROM poll_run ORDER BY source, started_at")
        ).all()
    found, last = [], ("", since)
    for source, started in runs:
        at = instant_of(started)
        if at is None or at < since:
            continue
        gap = at - last[1] if last[0] == source else timedelta(0)
        if gap > 2 * timedelta(seconds=every[source]):
            found.append(f"{source}: {gap.total_seconds():.0f} s giữa hai lượt, lúc {at:%H:%M:%S}")
        last = (source, at)
    return found


def _pid(house: House, role: str) -> int:
    return next(pid for pid, name in house.tree().items() if name == role)


def _cpu(pid: int) -> float:
    """Processor seconds that a process has used."""
    told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
