"""The wired product: its routes, its pages under attack, and its processes."""

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app as program
from connectors.config import PACKAGED, load_sources
from connectors.sandbox import systems
from ioc.errors import IocError
from ioc.settings import Settings
from layouts.web import guard
from tests.test_downloads import loaded  # noqa: F401  a fixture
from tests.test_guard import HERE, bodies, dump, wellformed


@pytest.fixture
def wired(loaded: Any, tmp_path: Path) -> Any:  # noqa: F811
    """The product on a store that knows something."""
    return program.create_app(Settings(data=tmp_path, database_url=loaded.url), loaded)


def test_pages_are_vietnamese_before_any_script_has_run(wired):
    text = wired.server.test_client().get("/", base_url=HERE).text
    assert '<html lang="vi">' in text and "Loading..." not in text


def test_an_app_may_be_made_twice_in_one_process(loaded, tmp_path):  # noqa: F811
    chosen = Settings(data=tmp_path, database_url=loaded.url)
    first, second = (program.create_app(chosen, loaded) for _ in range(2))
    assert first.callback_map.keys() == second.callback_map.keys() != set()


TEXTS = st.sampled_from([
    "I02b", "I11a", "nothing", "area-qb", "commune", "2025", "2025-06", "2025-99", "month", "1",
    "2999-01-01", "2025-06-30T00:00:00+07:00", "' OR 1=1", "<b>", "\x00", "%00", "9" * 30, "",
])  # fmt: skip
SEARCHES = st.lists(
    st.tuples(
        st.sampled_from([
            "org_unit", "indicator", "target", "level", "grain", "from", "to", "on", "as_of",
            "limit", "after", "figure", "frame", "key", "source", "pathname_", "self", "x",
        ]),
        TEXTS | st.text(max_size=5),
    ),
    max_size=3,
).map(lambda pairs: "?" + "&".join(f"{k}={v}" for k, v in pairs))  # fmt: skip
PATHS = st.sampled_from([
    "/",
    "/wall",
    "/indicator/I02b",
    "/indicator/T11b",
    "/indicator/x",
    "/sources",
    "/no",
    "/sources/staff",
]) | st.text(max_size=8).map(lambda text: "/" + text)


def hostile(body: dict[str, Any], draw: Any) -> dict[str, Any]:
    """The same body with values that its properties can have, so that the pages themselves run."""
    choices = {"search": SEARCHES, "pathname": PATHS, "hash": st.just("")}
    for item in (*body["inputs"], *body["state"]):
        for one in item if isinstance(item, list) else [item]:
            if one["property"] in choices:
                one["value"] = draw(choices[one["property"]])
            elif one["property"] == "value":
                one["value"] = draw(st.none() | TEXTS | st.lists(TEXTS, max_size=2) | st.integers())
            elif one["property"].startswith("n_"):
                one["value"] = draw(st.none() | st.integers(-1, 2**40))
    return body


def test_two_thousand_hostile_bodies_never_break_a_page(wired):
    client = wired.server.test_client()
    served = [key for key, spec in wired.callback_map.items() if "callback" in spec]
    seen: dict[int, int] = {}

    def send(body: Any) -> None:
        answer = client.post(
            guard.CALLBACK, data=dump(body), content_type="application/json", base_url=HERE
        )
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (body, answer.text)

    options = {"database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}

    @settings(max_examples=1_500, **options)
    @given(bodies(list(wired.callback_map)))
    def malformed(body: Any) -> None:
        send(body)

    @settings(max_examples=500, **options)
    @given(st.data(), st.sampled_from(served))
    def typed(data: Any, key: str) -> None:
        body = data.draw(wellformed(wired.callback_map[key]))
        send(hostile(body, data.draw) | {"output": key})

    malformed()
    typed()
    assert seen[400] > 1_000 and seen.get(200, 0) + seen.get(204, 0) > 50, seen


# --- processes -----------------------------------------------------------------------------------


def get(port: int, path: str) -> tuple[int, bytes]:
    """One request; status 0 when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def family(pid: int) -> set[int]:
    """A process and everything that descends from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found, open_ = set(), [pid]
    while open_:
        one = open_.pop()
        found.add(one)
        open_ += parents.get(one, [])
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; a zombie waits only for its parent."""
    left = set()
    for pid in pids:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                left.add(pid)
    return left


def until(true: Any, seconds: float) -> Any:
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.1)
    pytest.fail(f"not true within {seconds} s")


class Running:
    """``ioc run`` on a small province and free ports."""

    def __init__(self, folder: Path, port: int, sandbox: int, **more: str):
        self.port, self.sandbox, self.log = port, sandbox, folder / "log"
        env = (
            {k: v for k, v in os.environ.items() if not k.startswith("IOC_")}
            | {
                "IOC_DATA": str(folder / "data"),
                "IOC_PORT": str(port),
                "IOC_SANDBOX_PORT": str(sandbox),
                "IOC_SANDBOX_SCALE": "0.005",
            }
            | more
        )
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(program.ROOT / "app.py"), "run"],
                env=env, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        self.pids: set[int] = set()

    def said(self, sentence: str) -> bool:
        """Whether the log has the sentence."""
        self.pids |= family(self.process.pid)
        return sentence in self.log.read_text(errors="replace")

    def until_ready(self) -> None:
        """Wait for the first figure on the wall."""
        try:
            until(lambda: self.said("Sẵn sàng") or self.process.poll() is not None, 110)
            assert self.process.poll() is None
        except BaseException:
            print(self.log.read_text(errors="replace"))
            raise

    def end(self) -> None:
        """Leave nothing behind, whatever the test found."""
        for pid in alive(self.pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def running(tmp_path: Path, unused_port: Any) -> Iterator[Running]:
    """The product, ready."""
    count = systems.FIRST + len(systems.SYSTEMS)
    started = Running(tmp_path, unused_port(), neighbouring_ports(count))
    try:
        started.until_ready()
        yield started
    finally:
        started.end()


def neighbouring_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody holds, nor is given for a call out."""
    while True:
        port = random.randrange(20_000, 32_000)
        with ExitStack() as held, suppress(OSError):
            for number in range(count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port + number))
            return port


@pytest.mark.timeout(300)
def test_one_command_brings_figures_and_one_signal_ends_every_process(running):
    assert get(running.port, "/wall")[0] == 200
    standings = json.loads(get(running.port, "/api/v1/standings.json")[1])
    assert standings["sample_data"] == "DỮ LIỆU MẪU"
    assert any(row["value"] is not None for row in standings["rows"])

    def polled() -> set[str]:
        rows = json.loads(get(running.port, "/api/v1/sources.json")[1])["rows"]
        return {row["source"] for row in rows if row["last_good_at"]}

    every = {source.id for source in load_sources([PACKAGED], env={})}
    until(lambda: polled() == every, 150)
    stream = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    stream.request("GET", "/events")
    assert stream.getresponse().status == 200
    running.pids |= family(running.process.pid)
    assert len(running.pids) >= 6  # ourselves, sandbox, poller, web and its two workers
    begun = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    running.process.wait(20)
    assert running.process.returncode == 0
    assert not alive(running.pids)
    assert time.monotonic() - begun < 15
    stream.close()


def live_counts(port: int) -> str:
    """Numerator and denominator of T02b as its page writes them, once there are any."""
    rows = json.loads(get(port, "/api/v1/standings.json?target=T02b&indicator=I02b")[1])["rows"]
    counts = [rows[0][name] for name in ("numerator", "denominator")]
    if None in counts:
        return "none yet"  # another source was first
    return "/".join(f"{int(count):,}".replace(",", ".") for count in counts)


def has_told_its_past(port: int) -> bool:
    """Whether the portal's history has been told."""
    rows = json.loads(get(port, "/api/v1/sources.json")[1])["rows"]
    return any(row["source"] == "public_services" and row["loaded_at"] for row in rows)


@pytest.mark.browser
@pytest.mark.timeout(400)
def test_a_change_in_a_sector_system_reaches_an_open_screen_which_sees_the_server_die(
    running, chromium
):
    page = chromium.new_context().new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"http://127.0.0.1:{running.port}/indicator/I02b")
    until(
        lambda: has_told_its_past(running.port), 180
    )  # until then the counts run ahead of every page
    # dossiers move all the time: what the page says is compared with what is true just then
    until(lambda: page.get_by_text(live_counts(running.port)).count(), 40)
    before = live_counts(running.port)
    control = http.client.HTTPConnection("127.0.0.1", running.sandbox + 1, timeout=20)
    control.request("POST", "/control/bien-dong?so=40", headers={"X-Sandbox-Control": "1"})
    assert control.getresponse().status == 200
    begun = time.monotonic()
    until(lambda: live_counts(running.port) != before, 40)
    until(lambda: page.get_by_text(live_counts(running.port)).count(), 15)
    print(f"source to screen {time.monotonic() - begun:.1f} s")
    assert said == []

    running.pids |= family(running.process.pid)
    running.process.kill()
    page.locator("body.lost").wait_for(timeout=60_000)
    assert page.is_visible("#lost-band")
    assert re.search(r"MẤT KẾT NỐI từ [0-2]\d:[0-5]\d", page.inner_text("#lost-band"))
    page.context.close()


@pytest.mark.timeout(300)
def test_a_killed_poller_comes_back_and_a_killed_supervisor_leaves_no_orphan(running):
    poller = next(pid for pid in family(running.process.pid) if role_of(pid) == "poll")
    os.kill(poller, signal.SIGKILL)
    until(lambda: running.said("poll đã dừng"), 20)

    def again() -> bool:
        running.pids |= family(running.process.pid)
        return any(role_of(pid) == "poll" for pid in alive(running.pids))

    until(again, 20)
    assert get(running.port, "/wall")[0] == 200
    running.pids |= family(running.process.pid)
    running.process.kill()
    running.process.wait()
    until(lambda: not alive(running.pids), 25)


@pytest.mark.timeout(300)
def test_a_file_spoilt_while_it_runs_stops_nothing_and_refuses_the_next_start(
    tmp_path, unused_port
):
    config = tmp_path / "config"
    config.mkdir()
    (config / "sources.yaml").write_text("staff: {every: 5s}\n")
    ports = unused_port(), neighbouring_ports(systems.FIRST + len(systems.SYSTEMS))
    started = Running(tmp_path, *ports, IOC_CONFIG=str(config))
    try:
        started.until_ready()
        (config / "sources.yaml").write_text("staff: {kind: telepathy}\n")
        for role in ("poll", "web"):
            pid = min(pid for pid in family(started.process.pid) if role_of(pid) == role)
            os.kill(pid, signal.SIGKILL)
            until(lambda role=role: started.said(f"{role} đã dừng"), 20)
        until(lambda: get(started.port, "/wall")[0] == 200, 60)
        assert started.process.poll() is None
    finally:
        started.end()
    refused = command("run", IOC_CONFIG=str(config), IOC_DATA=str(tmp_path / "data"))
    assert refused.returncode == 2
    assert "sources.yaml:1" in refused.stderr and "telepathy" in refused.stderr


@pytest.mark.parametrize(("config", "data"), [(".", "data"), ("config", "."), ("a/..", "./b")])
def test_configuration_and_data_have_folders_of_their_own(tmp_path, config, data):
    """One in the other would be copied into itself, or lost with it."""
    (tmp_path / config.partition("/")[0]).mkdir(exist_ok=True)
    nested = Settings(config=tmp_path / config, data=tmp_path / data)
    with pytest.raises(IocError, match="hai thư mục riêng"):
        program._keep_in_force(nested)
    assert not list(tmp_path.rglob("config-in-force"))


def role_of(pid: int) -> str:
    """The last word of a process's command line."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").rpartition(b"\0")[2].decode()
    return ""


def command(*words: str, **env: str) -> subprocess.CompletedProcess:
    """One short command."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("IOC_")}
    return subprocess.run(
        [sys.executable, str(program.ROOT / "app.py"), *words],
        env=clean | env, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_a_port_that_somebody_holds_is_said_at_once(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])
        refused = command("run", IOC_PORT=port, IOC_DATA=str(tmp_path))
    assert refused.returncode == 2
    assert f"cổng {port} đang được dùng" in refused.stderr and "Traceback" not in refused.stderr


def test_settings_at_fault_are_refused_all_at_once(tmp_path):
    refused = command("check", IOC_HOST="0.0.0.0", IOC_PORT="x", IOC_DATA=str(tmp_path))
    assert refused.returncode == 2
    assert "IOC_HOST" in refused.stderr and "IOC_PORT" in refused.stderr


def test_check_finds_every_fault_of_configuration_and_starts_nothing(tmp_path):
    assert command("check", IOC_DATA=str(tmp_path)).returncode == 0
    (tmp_path / "sources.yaml").write_text("a: {kind: telepathy}\nb: {kind: rest}\n")
    refused = command("check", IOC_CONFIG=str(tmp_path), IOC_DATA=str(tmp_path))
    assert refused.returncode == 2
    assert "sources.yaml:1" in refused.stderr and "sources.yaml:2" in refused.stderr
    assert not (tmp_path / "ioc.sqlite").exists()


def test_an_export_on_the_command_line_is_the_file_of_its_address(tmp_path):
    data = {"IOC_DATA": str(tmp_path)}
    assert command("rebuild", **data).returncode == 0
    written = command("export", "targets", "target=T01", **data)
    assert written.returncode == 0
    assert written.stdout.splitlines()[1].startswith("T01,")
    refused = command("export", "targets", "target=T99", **data)
    assert refused.returncode == 2 and "T99" in refused.stderr


@pytest.mark.parametrize("system", ["PUBLIC_SERVICES", "FIELD_REPORTS"])
def test_a_real_system_given_by_a_file_keeps_the_sample_province_away(
    tmp_path, monkeypatch, system
):
    (tmp_path / "url").write_text("https://portal.example")
    for name in list(os.environ):
        if name.startswith("IOC_"):
            monkeypatch.delenv(name)
    started: list[str] = []

    class Supervised:
        def __init__(self, _program: Any, names: list[str], **_: Any):
            started.extend(names)

        def run(self) -> int:
            return 0

    monkeypatch.setattr(program, "Supervisor", Supervised)
    monkeypatch.setattr(program, "check_free", lambda *_: None)
    monkeypatch.setenv(f"IOC_{system}_URL_FILE", str(tmp_path / "url"))
    assert program.main(["run"]) == 0
    assert started == ["web", "poll"]


def test_the_sample_province_takes_its_credentials_from_files(tmp_path, monkeypatch):
    from connectors.sandbox import serve

    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        (tmp_path / name).write_text(f"the {name} of the file, long enough")
        monkeypatch.setenv(f"IOC_PUBLIC_SERVICES_{name}_FILE", str(tmp_path / name))
        monkeypatch.delenv(f"IOC_PUBLIC_SERVICES_{name}", raising=False)
    for name in ("IOC_PUBLIC_SERVICES_URL", "IOC_FIELD_REPORTS_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:8060")
    monkeypatch.setenv("IOC_STAFF_FOLDER", str(tmp_path / "staff"))
    given_to: dict[str, Any] = {}
    monkeypatch.setattr(serve, "run", lambda **options: given_to.update(options))
    monkeypatch.setenv("IOC_DATA", str(tmp_path))
    assert program.main(["sandbox"]) == 0
    assert given_to["client_id"] == "the CLIENT_ID of the file, long enough"
    assert given_to["client_secret"] == "the CLIENT_SECRET of the file, long enough"


@pytest.mark.parametrize("words", [("rebuild",), ("web",), ("poll",), ("export", "targets")])
def test_a_store_that_refuses_is_one_sentence_and_code_2(words, tmp_path, monkeypatch, capsys):
    def refuse(*_: Any, **__: Any) -> None:
        raise IocError("Không kết nối được cơ sở dữ liệu.")

    monkeypatch.setattr("kpi.store.open_store", refuse)
    monkeypatch.setenv("IOC_DATA", str(tmp_path))
    assert program.main([*words]) == 2
    assert capsys.readouterr().err == "Không kết nối được cơ sở dữ liệu.\n"


def test_a_child_that_refuses_is_not_started_again(tmp_path):
    log = tmp_path / "starts"
    refusing = f"open({str(log)!r}, 'a').write('x'); raise SystemExit(2)"
    tended = (
        "import sys; from ioc.processes import Supervisor;"
        f"s = Supervisor([sys.executable, '-c', {refusing!r}], ['web'], host='127.0.0.1', port=1,"
        " prepare=lambda: None); sys.exit(s.run())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", tended], cwd=program.ROOT, timeout=30, check=False
    )
    assert ended.returncode == 2 and log.read_text() == "x"
