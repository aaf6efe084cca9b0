"""W1, W2 and the first load of the wall, over HTTP; ``as_of`` beside its live twin."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import orjson

from ioc.period import LOCAL, Period, day_start
from ioc.principal import Principal
from kpi import query
from kpi.store import KpiStore
from tests.benchmarks import serving
from tests.benchmarks.measure import Line, in_turn
from tests.benchmarks.serving import Client
from tests.benchmarks.writing import commit

TILE = "T02b"
CALLBACK = "/_dash-update-component"
EVENTS = {"Accept": "application/json", "Accept-Encoding": "identity"}


def over_http(store: KpiStore, scratch: Path, size: str, *, times: int) -> Iterator[Line]:
    """The lines that are read through the real product, each beside both floors."""
    database = store.url.removeprefix("sqlite:///")
    answers = scratch / "bytes"
    answers.mkdir(exist_ok=True)
    env = {
        "IOC_DATABASE_URL": f"sqlite:///{database}",
        "IOC_DATA": str(scratch),
        "BENCH_DATABASE": database,
        "BENCH_BYTES": str(answers),
    }
    here = "tests.benchmarks.floors"
    with ExitStack() as stack:
        port = stack.enter_context(serving.gunicorn(f"{here}:create_product()", env))
        stack.enter_context(serving.live_screen(port))
        ours = Client(port)
        floor = Client(stack.enter_context(serving.gunicorn(f"{here}:create()", env)))
        stack.callback(ours.close)
        stack.callback(floor.close)
        yield from _one_tile(ours, floor, answers, size, times)
        yield from _the_wall(store, ours, floor, answers, size, times)
        yield _first_load(ours, floor, answers, times)


def _one_tile(ours: Client, floor: Client, answers: Path, size: str, times: int) -> Iterator[Line]:
    path = f"/api/v1/standings.json?target={TILE}"
    (answers / "w1").write_bytes(ours.ask(path))
    mine, sql, same = in_turn(
        lambda: ours.ask(path),
        lambda: floor.ask(f"/w1?target={TILE}"),
        lambda: floor.ask("/same/w1"),
        times=times,
        warm=10,
    )
    yield Line("W1 một ô, so với SQL trần", size, mine, sql, 2)
    yield Line("W1 một ô, so với byte có sẵn", size, mine, same, 4)


def _the_wall(
    store: KpiStore, ours: Client, floor: Client, answers: Path, size: str, times: int
) -> Iterator[Line]:
    """One refresh: by the first screen that is told of a commit, and by the others."""
    body = refresh(ours)
    drawn = _plain(ours, CALLBACK, body)
    tiles = drawn.count(b"data-target")
    months = "?months=1" if b"mask-image" in drawn or b"--trend" in drawn else ""
    (answers / "w2").write_bytes(ours.ask(CALLBACK, body))
    asked = (
        lambda: ours.ask(CALLBACK, body),
        lambda: floor.ask(f"/w2{months}", body),
        lambda: floor.ask("/same/w2", body),
    )

    changes = (
        ("màn đầu sau thay đổi", partial(told, store, ours), times // 4),
        ("các màn tiếp theo", lambda: None, times),
    )
    for name, before, turns in changes:
        mine, sql, same = in_turn(*asked, times=turns, warm=10, before=before)
        yield Line(f"W2 tường, {name} / SQL trần", f"{tiles} ô, {size}", mine, sql, 2)
        yield Line(f"W2 tường, {name} / byte có sẵn", f"{tiles} ô, {size}", mine, same, 4)


def refresh(client: Client) -> bytes:
    """What a wall asks when it hears of a change."""
    declared = {one["output"]: one for one in orjson.loads(_plain(client, "/_dash-dependencies"))}
    drawing = next(one for name, one in declared.items() if "wall-seen.data" in name)
    values = {"live": {"version": 1, "topics": {}}, "wall-at": "overview-1"}
    return callback_body(drawing, values | {"wall-given": {}, "wall-seen": {}})


def drill(client: Client) -> bytes:
    """What the page of an indicator asks when it hears of a change."""
    declared = {one["output"]: one for one in orjson.loads(_plain(client, "/_dash-dependencies"))}
    drawing = next(one for name, one in declared.items() if "indicator-seen.data" in name)
    values = {"live": {"version": 1, "topics": {}}, "indicator-view": {"key": "I02b"}}
    return callback_body(drawing, values | {"indicator-seen": {}})


def with_rights(store: KpiStore, scratch: Path, size: str, *, times: int) -> Iterator[Line]:
    """A wall's refresh and a drill-down after a change, for a head with rights beside an admin."""
    env = {"IOC_DATABASE_URL": store.url, "IOC_DATA": str(scratch)}
    here = "tests.benchmarks.floors"
    with ExitStack() as stack:
        clients = []
        for app in ("create_limited", "create_product"):
            clients.append(Client(stack.enter_context(serving.gunicorn(f"{here}:{app}()", env))))
            stack.callback(clients[-1].close)
        for name, body in (("tường", refresh(clients[1])), ("một chỉ số", drill(clients[1]))):
            asked = [partial(one.ask, CALLBACK, body) for one in clients]
            mine, free = in_turn(*asked, times=times, warm=5, before=partial(commit, store))
            yield Line(f"có quyền, {name} / không giới hạn", size, mine, free, 1.15)


def told(store: KpiStore, client: Client) -> None:
    """A commit, until the stream says so: screens ask then, not before."""
    commit(store)
    newest = store.version()
    while orjson.loads(client.ask("/events", None, EVENTS))["version"] < newest:
        time.sleep(0.01)


def _first_load(ours: Client, floor: Client, answers: Path, times: int) -> Line:
    """Every request of a browser that opens the wall for the first time, one after the other."""
    page = _plain(ours, "/wall").decode()
    paths = ["/wall", "/_dash-layout", "/_dash-dependencies"]
    paths += [unescape(path) for path in re.findall(r'(?:src|href)="(/[^"]+)"', page)]
    declared = orjson.loads(_plain(ours, "/_dash-dependencies"))
    route = next(one for one in declared if "_pages_content" in one["output"])
    place = {"pathname": "/wall", "search": ""}
    body = callback_body(route, {}, place)
    requests: list[tuple[str, bytes | None]] = [(path, None) for path in dict.fromkeys(paths)]
    requests.append((CALLBACK, body))
    for at, (path, sent) in enumerate(requests):
        (answers / f"load{at}").write_bytes(ours.ask(path, sent))

    def load() -> None:
        for path, sent in requests:
            ours.ask(path, sent)

    def same() -> None:
        for at, (_, sent) in enumerate(requests):
            floor.ask(f"/same/load{at}", sent)

    mine, constant = in_turn(load, same, times=max(5, times // 10))
    total = sum((answers / f"load{at}").stat().st_size for at in range(len(requests)))
    size = f"{len(requests)} yêu cầu, {total / 1e6:.1f} MB nén"
    return Line("W2 mở tường lần đầu, so với byte có sẵn", size, mine, constant, 6)


def _plain(client: Client, path: str, body: bytes | None = None) -> bytes:
    return client.ask(path, body, {"Accept-Encoding": "identity"})


def callback_body(
    declared: dict[str, Any], values: dict[str, Any], place: dict[str, str] | None = None
) -> bytes:
    """The body that Dash's renderer sends for one callback."""

    def item(one: dict[str, str]) -> dict[str, Any]:
        value = (place or {}).get(one["property"], values.get(one["id"]))
        return {"id": one["id"], "property": one["property"], "value": value}

    output = declared["output"]
    many = output.startswith("..")
    names = output.strip(".").split("...") if many else [output]
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
    inputs = [item(one) for one in declared["inputs"]]
    return orjson.dumps({
        "output": output,
        "outputs": outputs if many else outputs[0],
        "inputs": inputs,
        "state": [item(one) for one in declared["state"]],
        "changedPropIds": [f"{one['id']}.{one['property']}" for one in inputs],
    })


def as_of(store: KpiStore, size: str, *, times: int) -> Iterator[Line]:
    """Standings and sixty months as they were known at an instant, beside what is known now.

    The clock stands a month after the first load: every instant since is answered by its own
    minute or day, and only one from before by the weeks of the source's change times.
    """
    who, now = Principal.local_admin(), datetime.now(UTC) + timedelta(days=30)
    last = Period.of("month", now.astimezone(LOCAL).date())
    moments = (
        ("trong 7 ngày", now - timedelta(days=1)),
        ("cuối ngày", day_start(now - timedelta(days=20))),
        ("trước lần nạp đầu", Period.of("month", date(2025, 6, 1)).ends_at),
    )

    def standings(moment: datetime | None) -> list[tuple]:
        store.kept.clear()  # else the live twin would only be looked up
        return list(query.standings(store, who, as_of=moment, now=now).stream())

    def months(moment: datetime | None) -> list[tuple]:
        given = {"indicators": ["I02b", "I02a"], "first": last.previous(59), "last": last}
        return list(query.values(store, who, as_of=moment, now=now, **given).stream())

    for name, at in moments:
        for what, ask in (("bảng chỉ tiêu", standings), ("60 tháng", months)):
            past, live = in_turn(partial(ask, at), partial(ask, None), times=times)
            yield Line(f"as_of {name}: {what}", size, past, live, 5)
