"""Wires the rooms together and decides nothing: ``create_app`` and the ``ioc`` command.

Heavy libraries are imported where they are used, so that each process carries only its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import date
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ioc.config import secret
from ioc.errors import ConfigError, Fault, IocError
from ioc.period import LOCAL
from ioc.processes import (
    INSTANCE,
    PARENT,
    REFUSED,
    Supervisor,
    ask,
    check_free,
    follow_parent,
    wait_until_prepared,
)
from ioc.settings import Settings

if TYPE_CHECKING:
    from dash import Dash

ROOT = Path(__file__).resolve().parent
SANDBOX = "IOC_WITH_SANDBOX"
WORKERS, THREADS, GRACEFUL = 2, 128, 3

INDEX = """<!DOCTYPE html>
<html lang="vi">
    <head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
    <body>{%app_entry%}<footer>{%config%}{%scripts%}{%renderer%}</footer></body>
</html>"""

MAPS = ("/map", "/sector/", "/wall")
"""Where a page begins that has a map."""
ENTRY = '<div id="react-entry-point"><p class="_dash-loading">Đang tải…</p></div>'


def mapped(request: Any) -> bool:
    """Whether the page of an address has a map."""
    chosen = request.path == "/explore" and request.args.get("view") == "map"
    return chosen or request.path.startswith(MAPS)


def create_app(
    settings: Settings, store: Any = None, identify: Callable[[], Any] | None = None
) -> Dash:
    """The web: a guarded Flask server with the pages, the stream and the data addresses on it.

    ``identify`` says whose request it is, a ``Principal`` or None; by default who sits here.
    """
    from dash import Dash
    from flask import Flask, g, request

    from ioc.principal import Principal
    from layouts import shell, state
    from layouts.wall import scenes
    from layouts.web import (
        account,
        api,
        cache,
        codes,
        compress,
        csrf,
        geo,
        guard,
        health,
        hosts,
        incident,
        limits,
        live,
        login,
        oidc,
        openapi,
        pairing,
        problems,
        recorded,
        screens,
        sessions,
        uploads,
    )

    class Pages(Dash):
        def interpolate_index(self, **parts: str) -> str:  # type: ignore[override]
            # in the head and waited for: a page must not be painted in the other theme first
            metas = parts["metas"] + f'<script src="{self.get_asset_url("theme.js")}"></script>'
            # a library that a page imports comes with every page: the map's only with the map
            kept = [
                script
                for script in parts["scripts"].split("\n")
                if "dash_leaflet" not in script or mapped(request)
            ]
            parts |= {"app_entry": ENTRY, "metas": metas, "scripts": "\n".join(kept)}
            return super().interpolate_index(**parts)

    store = store or open_store(settings, migrate=False)
    server = Flask("layouts", static_folder=None)
    app = Pages(
        "layouts",
        server=False,
        assets_folder=str(ROOT / "assets"),
        assets_ignore=r"(theme|pairing)\.js",
        use_pages=True,
        pages_folder="",
        title=shell.PRODUCT,
        update_title="",
        index_string=INDEX,
        suppress_callback_exceptions=True,
        include_pages_meta=False,
        enable_mcp=False,
        add_log_handler=False,
        csrf_token_name=csrf.COOKIE,
        csrf_header_name=csrf.HEADER,
        use_async=False,  # a library of the tests would switch it on by being installed
    )
    problems.install(server)
    hosts.install(server, settings)
    identify = identify or sessions.identity(store, settings)
    guard.install(app, server, settings, identify)  # before Dash: nothing runs ahead of the guard
    csrf.install(server)
    sessions.install(server, settings)
    windows = limits.install(server, settings)
    recorded.install(server, store, settings, windows)
    login.install(server, store, settings, windows)
    account.install(server, store, settings, windows)
    oidc.install(server, store, settings, windows)
    pairing.install(server, store, settings, windows)
    draw_ahead = screens.install(server, store, settings.data)
    compress.install(server)
    wall = scenes.of(settings, store.catalogue)
    state.place(server, store=store, settings=settings, orgunits=store.orgunits, wall=wall)
    watch = live.install(
        server, store, ROOT / "assets", draw_ahead, sessions.lasting(store, settings)
    )
    health.install(server, store, watch)
    geo.install(server, store)
    uploads.install(server, store, settings)
    incident.install(server, store)
    codes.install(server, settings.address)
    taken = recorded.exports(store, settings, windows)
    api.install(server, store, cache.install(server, settings.cache_url), taken)
    openapi.install(server, store, settings.auth == "accounts")
    app.init_app(server)
    shell.install(app)
    # Dash finishes itself in the first request and lets a second one overtake it: do it now
    near = {"REMOTE_ADDR": "127.0.0.1"}
    with server.test_request_context(
        "/_favicon.ico", base_url="http://127.0.0.1", environ_overrides=near
    ):
        g.principal = Principal.local_admin()  # Dash looks at its layout once
        server.preprocess_request()
    return app


def open_store(settings: Settings, *, migrate: bool) -> Any:
    """The KPI store that the settings name."""
    from ioc.orgunits import OrgUnits
    from kpi import store
    from kpi.catalogue import load_catalogue

    catalogue = load_catalogue(settings.config, examples=_is_sample(settings))
    return store.open_store(settings.database_url, catalogue, OrgUnits.load(), migrate=migrate)


def ready_store(settings: Settings) -> Any:
    """The KPI store as it stands. Raises IocError where its schema is another release's."""
    from kpi.migrate import refuse_other

    store = open_store(settings, migrate=False)
    with store.read() as connection:
        refuse_other(connection)
    return store


def load_sources(settings: Settings) -> Any:
    """The sources that the poller runs. Raises ConfigError with all faults.

    What the environment does not set points at the sample province.
    """
    from connectors.config import load_sources, paths_of
    from connectors.sandbox.portal import CLIENT_ID, CLIENT_SECRET

    sample = _sample(settings) | {
        "IOC_PUBLIC_SERVICES_CLIENT_ID": CLIENT_ID,
        "IOC_PUBLIC_SERVICES_CLIENT_SECRET": CLIENT_SECRET,
    }
    for name, value in sample.items():
        if not _is_given(name):
            os.environ[name] = value
    return load_sources(paths_of(settings))


def _sample(settings: Settings) -> dict[str, str]:
    """What the variables of all sector systems say while the sample province is read."""
    from connectors.sandbox import systems

    home = (settings.data / "sandbox").absolute()
    return {
        "IOC_PUBLIC_SERVICES_URL": f"http://127.0.0.1:{settings.sandbox_port}",
        "IOC_FIELD_REPORTS_URL": f"http://127.0.0.1:{settings.sandbox_port + 2}",
        "IOC_STAFF_FOLDER": str(home / "staff"),
        **systems.sample_of(settings.sandbox_port, home),
    }


def _is_sample(settings: Settings) -> bool:
    """Whether nothing is configured: no folder of one's own, and no address but the sample's.

    Every process of an instance says the same, also where its parent has filled the addresses in.
    """
    if settings.config:
        return False
    sample = _sample(settings).items()
    return all(not _is_given(name) or _given(name) == value for name, value in sample)


def _is_given(name: str) -> bool:
    """Whether a deployment gives this variable, in one of the ways that ``secret`` reads."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return (
        name in os.environ
        or f"{name}_FILE" in os.environ
        or (credentials is not None and (Path(credentials) / name).is_file())
    )


def _given(name: str) -> str:
    """What a variable says once ``load_sources`` has given the missing ones their sample."""
    return secret(name, os.environ) or ""


# --- commands ------------------------------------------------------------------------------------


def check(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Look at the configuration only; print every fault, keep what is new of a valid one."""
    _validate(settings)
    if settings.sqlite_path is None or settings.sqlite_path.exists():
        _keep_configuration(settings)
    print("Cấu hình hợp lệ.")
    return 0


def load_packs(settings: Settings) -> Any:
    """The packs that leave by themselves. Raises ConfigError with all faults."""
    from ioc import packs
    from ioc.orgunits import OrgUnits
    from kpi.catalogue import load_catalogue

    catalogue = load_catalogue(settings.config, examples=_is_sample(settings))
    return packs.load(
        settings.config,
        org_units=OrgUnits.load(),
        targets=catalogue.targets,
        sectors=catalogue.sectors,
    )


def _validate(settings: Settings) -> None:
    """Load all of the configuration. Raises ConfigError with every fault."""
    from ioc.orgunits import OrgUnits
    from kpi.catalogue import load_catalogue
    from layouts.wall import scenes

    faults: list[Fault] = []
    checks = (
        OrgUnits.load,
        lambda: scenes.of(settings, load_catalogue(settings.config, examples=_is_sample(settings))),
        lambda: load_sources(settings),
        lambda: load_packs(settings),
    )
    for load in checks:
        try:
            load()
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)


def _keep_configuration(settings: Settings) -> None:
    """Keep what changed where there is a store of today's schema; elsewhere the next start does."""
    from sqlalchemy.exc import SQLAlchemyError

    from kpi import configversions

    try:
        store = open_store(settings, migrate=False)
        configversions.record(store, settings.config, by="dòng lệnh")
        store.close()
    except (SQLAlchemyError, IocError):
        return


def user(settings: Settings, asked: argparse.Namespace) -> int:
    """Accounts and rights, for whoever sits at this machine."""
    from kpi import console

    return console.user(open_store(settings, migrate=True), settings, asked.words)


def device(settings: Settings, asked: argparse.Namespace) -> int:
    """Wall screens: list, pair, revoke."""
    from kpi import console

    return console.device(open_store(settings, migrate=True), asked.words)


def audit(settings: Settings, asked: argparse.Namespace) -> int:
    """Verify the audit, or export it to a file or a log server."""
    from connectors import syslog
    from kpi import console

    store = ready_store(settings)
    return console.audited(store, settings, asked.words, syslog.send)


def _tell_first_link(settings: Settings, store: Any) -> None:
    """Say how the first administrator comes in, where accounts are on and none can yet."""
    if settings.auth == "accounts":
        from kpi import console

        console.tell_first_link(store, settings, terminal=sys.stdout.isatty())


def config(settings: Settings, asked: argparse.Namespace) -> int:
    """List the versions of the configuration, show one, or put one back."""
    from dataclasses import replace

    from ioc.principal import Principal
    from kpi import configversions

    store = ready_store(settings)
    if asked.action == "list":
        for one in configversions.versions(store):
            at = f"{one.at:%Y-%m-%dT%H:%M:%SZ}" if one.at else ""
            words = (at, f"{one.hash[:12] or '-':<12}", one.file, one.by, one.note)
            print(f"{one.number:>5}  {'  '.join(words)}")
        return 0
    if asked.number is None:
        raise IocError(f"ioc config {asked.action} phải có số phiên bản")
    if asked.action == "show":
        print(configversions.version(store, asked.number).body, end="")
        return 0
    older = configversions.roll_back(
        store,
        settings.config,
        asked.number,
        by=Principal("dòng lệnh", "admin"),
        validate=lambda folder: _validate(replace(settings, config=folder)),
    )
    print(f"Đã ghi lại {older.file} theo phiên bản số {older.number}; khởi động lại để áp dụng.")
    return 0


def served(app: Any) -> Any:
    """The server of a process of its own.

    What it was made of stays for good: looking through all of that for garbage again and again
    would take a quarter of the time of a long answer.
    """
    gc.collect()
    gc.freeze()
    return app.server


def serving(settings: Settings) -> dict[str, Any]:
    """How gunicorn serves: no header of a proxy is believed there, see ``layouts.web.hosts``."""
    memory = Path("/dev/shm")  # noqa: S108  heartbeat files of workers, never data
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        "bind": f"{host}:{settings.port}",
        "worker_class": "gthread",
        "workers": WORKERS,
        "threads": THREADS,
        "graceful_timeout": GRACEFUL,
        "keepalive": 75,
        "preload_app": False,
        "control_socket_disable": True,
        "worker_tmp_dir": str(memory) if memory.is_dir() else None,
        "loglevel": "warning",
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
    }


def web(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Serve the pages with gunicorn; every worker opens the store for itself."""
    from gunicorn.app.base import BaseApplication
    from gunicorn.errors import AppImportError
    from gunicorn.glogging import Logger

    class Log(Logger):
        error_fmt = "web     | %(levelname)s gunicorn: %(message)s"

    class Web(BaseApplication):
        def load_config(self) -> None:
            for name, value in serving(settings).items():
                self.cfg.set(name, value)
            self.cfg.set("logger_class", Log)

        def load(self) -> Any:
            try:
                return served(create_app(settings))
            except IocError as error:
                raise AppImportError(error) from error  # said in one sentence, without a trace

    import kpi.store  # noqa: F401  what all workers need is loaded once, before they part
    from layouts import PAGES

    for page in PAGES:
        import_module(page.module)
    os.environ.setdefault(INSTANCE, secrets.token_hex(8))
    wait_until_prepared()
    if PARENT not in os.environ:
        store = open_store(settings, migrate=True)
        _tell_first_link(settings, store)
        store.close()
    Web("%(prog)s").run()
    return 0


def poll(settings: Settings, arguments: argparse.Namespace) -> int:
    """Poll all sources on schedule, or one of them once."""
    from connectors import packs, poller, schedule
    from connectors.drawing import Drawing
    from kpi import configversions, health

    sources = load_sources(settings)
    store = open_store(settings, migrate=PARENT not in os.environ)
    if not arguments.dry_run:
        configversions.record(store, settings.config)
    if arguments.source is None and arguments.confirm:
        raise IocError("--confirm phải có tên một nguồn")
    if arguments.source is None:
        _await_sandbox(settings)
        drawing = Drawing(ROOT / "app.py")
        desk = packs.Desk(load_packs(settings), settings, drawing)
        try:
            schedule.run(store, sources, settings, packs=desk)
        finally:
            drawing.stop()
        return 0
    source = next((one for one in sources if one.id == arguments.source), None)
    if source is None:
        names = ", ".join(one.id for one in sources)
        raise IocError(f"không có nguồn {arguments.source!r}; có: {names}")
    if not arguments.dry_run:
        health.publish_sources(store, sources)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # its run ends: the schedule waits for it
        signal.signal(number, lambda *_: stop.set())
    how = {"dry_run": arguments.dry_run, "confirm": arguments.confirm}
    done = poller.poll(store, source, settings, stop=stop, **how)
    if not arguments.dry_run:
        given = poller.poll_given(store, [source], settings, stop)  # what people gave for it
        for one in (done, *given):
            print(json.dumps(one, ensure_ascii=False, indent=2, default=str))
    return 0 if done.get("outcome") in ("ok", "empty") else 1


def pack(settings: Settings, asked: argparse.Namespace) -> int:
    """List the packs, or make one: that of its slot, or beside it with ``--now``."""
    from connectors.packs import Desk
    from ioc.clock import right_now
    from kpi import editions

    known = {one.name: one for one in load_packs(settings)}
    store = ready_store(settings) if asked.edition else open_store(settings, migrate=True)
    if asked.name is None:
        for found in known.values():
            due = found.following(right_now()).astimezone(LOCAL)
            print(
                f"{found.name:<16} {found.title} · {found.org_unit} · lần tới {due:%H:%M %d/%m/%Y}"
            )
        return 0
    if asked.name not in known:
        raise IocError(f"không có gói {asked.name!r}; có: {', '.join(known)}")
    one, now = known[asked.name], right_now()
    number = asked.edition
    if number is None and asked.now:
        number = editions.by_hand(store, one.name, now)
    elif number is None:
        number = editions.claim(store, one.name, one.slot(now), now)
        if number is None:
            slot = one.slot(now).astimezone(LOCAL)
            print(f"Gói của {slot:%H:%M %d/%m/%Y} không phải làm; --now để làm thêm.")
            return 0
    folder = _make_pack(settings, store, one, number, mail=asked.mail or not asked.now)
    print(f"Đã làm {folder}")
    if asked.edition is None:
        Desk((), settings, lambda *_: "").deliver(store)
        made = editions.edition(store, number)
        if made and (made.waiting or made.failed):
            how = f"{made.sent} đã gửi, {made.waiting} chờ gửi lại, {made.failed} hỏng"
            print(f"Thư: {how}. {made.why}")
            return int(bool(made.failed))
    return 0


def _make_pack(settings: Settings, store: Any, one: Any, number: int, *, mail: bool) -> Path:
    """Draw an edition of a pack into its folder; where that is."""
    from kpi import editions
    from layouts import pack as drawing
    from layouts import paper

    def drawn(at: Any, found: Any, since: Any, now: Any) -> dict[str, bytes]:
        said = {"slot": found.slot, "made_at": now, "since": since, "address": settings.address}
        files = drawing.draw(store, one, at, **said).files
        printed = paper.pdf(files["pack.html"])
        return files | ({"pack.pdf": printed} if printed else {})

    return editions.make(store, one, number, settings.data, drawn, mail=mail)


def _await_sandbox(settings: Settings, seconds: float = 60.0) -> None:
    """Under ``ioc run`` the sample province starts beside us: its first poll is no failure.

    Half a folder would be taken for all of it, so its workbooks are waited for too.
    """
    folder, end = Path(_given("IOC_STAFF_FOLDER")), time.monotonic() + seconds
    while SANDBOX in os.environ and time.monotonic() < end:
        state = ask("127.0.0.1", settings.sandbox_port + 1, "/healthz") or {}
        if folder.is_dir() and state.get("chuanBiXong"):
            return
        time.sleep(0.2)


def sandbox(settings: Settings, arguments: argparse.Namespace) -> int:
    """Serve the sample province on loopback ports, or stop one system of a running one."""
    if arguments.action:
        path = {"stop": "/control/dung", "start": "/control/chay"}[arguments.action]
        path += f"?heThong={arguments.system or 'public_services'}"
        answer = ask(
            "127.0.0.1", settings.sandbox_port + 1, path, "POST", **{"X-Sandbox-Control": "1"}
        )
        print("Tỉnh mẫu không chạy." if answer is None else json.dumps(answer, ensure_ascii=False))
        return int(not answer or "thongBao" in answer)
    from connectors.sandbox import serve

    load_sources(settings)
    serve.run(
        first_port=settings.sandbox_port,
        folder=Path(_given("IOC_STAFF_FOLDER")),
        scale=settings.sandbox_scale,
        seed=settings.sandbox_seed,
        client_id=_given("IOC_PUBLIC_SERVICES_CLIENT_ID"),
        client_secret=_given("IOC_PUBLIC_SERVICES_CLIENT_SECRET"),
        home=(settings.data / "sandbox").absolute(),
    )
    return 0


def rebuild(settings: Settings, arguments: argparse.Namespace) -> int:
    """Derive every figure again from the stored versions, or see whether that would change any."""
    from kpi.rebuild import check, rebuild

    if arguments.check:
        found = check(ready_store(settings))
        for line in found.some:
            print(line)
        print(f"{found.differences} khác biệt (dựng thử từ {found.boundaries} mốc thời gian).")
        return 1 if found.differences else 0
    print(f"Đã dựng lại từ {rebuild(open_store(settings, migrate=True))} mốc thời gian.")
    return 0


def export(settings: Settings, asked: argparse.Namespace) -> int:
    """Write one question as a file with its side-car, or to standard output; or make one again."""
    from layouts.web import exports

    if (asked.question is None) == (asked.reproduce is None):
        raise IocError("cần một câu hỏi, hoặc --reproduce TỆP")
    store = ready_store(settings)
    if asked.reproduce:
        found = exports.reproduce(store, asked.reproduce, _cells, out=asked.output)
        print(*found.said, sep="\n")
        return 0 if found.same else 1
    given = dict(part.partition("=")[::2] for part in asked.filter)
    if asked.output:
        told = exports.save(store, asked.question, given, asked.output, home=settings.address)
        print(f"{asked.output}: {told['rows']} dòng, SHA-256 {told['sha256']}")
        print(f"Mô tả: {asked.output}{exports.BESIDE}")
        return 0
    for chunk in exports.stream(store, asked.question, given, asked.format):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    return 0


def _cells(file: Path, sheet: str) -> list[list[Any]]:
    """The cells of a workbook's sheet; none where it is gone or cannot be read."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        return CalamineWorkbook.from_path(file).get_sheet_by_name(sheet).to_python()
    except CalamineError:
        return []


def export_all(settings: Settings, asked: argparse.Namespace) -> int:
    """Write the whole state, or what is public of it, as a data package into a new folder."""
    from ioc.clock import right_now
    from ioc.principal import Principal
    from kpi import audit, bundle
    from layouts.web import packaged

    store = ready_store(settings)
    at = store.seal(right_now())
    who = packaged.PUBLIC if asked.public else Principal.local_admin()
    answers = packaged.answers(store, at, who)
    if asked.public:
        bundle.export_public(store, asked.folder, answers, at, asked.licence)
    else:
        bundle.export_all(store, settings, asked.folder, answers, at)
    what = "public" if asked.public else "all"
    audit.write(store, "export", "dòng lệnh", what, now=at)
    print(f"Đã xuất vào {asked.folder}, số liệu lúc {at.astimezone(LOCAL):%H:%M %d/%m/%Y}.")
    if not asked.public:
        print("Có hồ sơ và tên người đã ký: hãy cất như bản sao lưu. Không kèm khóa secret.key.")
    return 0


def import_all(settings: Settings, asked: argparse.Namespace) -> int:
    """Fill a clean install from a data package, and see whether it answers the same."""
    from ioc.clock import right_now
    from kpi import bundle
    from layouts.web import exports

    found = bundle.checked(settings, asked.folder)
    store = open_store(settings, migrate=True)
    for said in bundle.import_all(store, settings, asked.folder, found, right_now()):
        print(said)
    compared = dict(bundle.differing(found, partial(exports.stream, store)))
    other = [name for name, differs in compared.items() if differs]
    print(f"Đã hỏi lại {len(compared)} bảng số liệu: {len(compared) - len(other)} giống hệt.")
    if other:
        print(f"Khác: {', '.join(other)}. Bản này định nghĩa hoặc tính khác bản đã xuất.")
    print("Các nguồn đọc tiếp từ chỗ đã đọc; tài khoản, màn hình phải lập lại.")
    return int(bool(other))


def import_boundaries(settings: Settings, asked: argparse.Namespace) -> int:
    """Read a file of boundaries into the store, sentence by sentence; refused as a whole."""
    from kpi.boundaries import Vintage, import_boundaries

    vintage = Vintage(**{spec.name: getattr(asked, spec.name) for spec in fields(Vintage)})
    how = {name: getattr(asked, name) for name in ("code_field", "name_field", "crs", "table")}
    store = open_store(settings, migrate=True)
    for said in import_boundaries(
        store, asked.file, vintage, dry_run=asked.dry_run, encoding=asked.encoding, **how
    ):
        print(said)
    return 0


def backup(settings: Settings, asked: argparse.Namespace) -> int:
    """Copy the database, its configuration and, when asked, its key into one proved archive."""
    from kpi import backup

    store = open_store(settings, migrate=False)
    file, made = backup.backup(
        store, settings, asked.file, with_key=asked.with_key, keep=asked.keep
    )
    print(f"Đã sao lưu {sum(made['rows'].values())} dòng, phiên bản {made['version']}, vào {file}.")
    print(
        "CẢNH BÁO: bản sao lưu này CÓ khóa bí mật; ai có tệp là có khóa. Hãy cất riêng, mã hóa."
        if asked.with_key
        else "Không kèm khóa: hãy cất secret.key ở nơi khác, thiếu nó không khôi phục được."
    )
    return 0


def restore(settings: Settings, asked: argparse.Namespace) -> int:
    """Put a backup where the settings say; refused unless it proves itself."""
    from kpi import backup

    for said in backup.restore(settings, asked.file, replace=asked.replace):
        print(said)
    return 0


def doctor(settings: Settings, arguments: argparse.Namespace) -> int:
    """Look at the running system, or at its sources, line by line; 1 when something is broken."""
    from kpi.doctor import Finding, Level, examine, summary

    if arguments.what:
        return _doctor_sources(settings, arguments.names)
    try:
        check(settings, arguments)
        answer = ask(settings.host, settings.port, "/readyz")
    except ConfigError as error:
        print(Finding("cấu hình", Level.broken, str(error), "sửa rồi chạy ioc check"))
        return 1
    answers = {None: "không có trang nào trả lời", True: "trang trả lời"}
    said = answers.get(answer if answer is None else "instance" in answer, "chương trình khác giữ")
    level = Level.note if answer is None else Level.fine if "instance" in answer else Level.broken
    findings = [Finding(f"cổng {settings.port}", level, said)]
    print(findings[0])
    for found in examine(open_store(settings, migrate=False), settings):
        print(found, flush=True)
        findings.append(found)
    print(summary(findings))
    return int(any(found.level is Level.broken for found in findings))


def _doctor_sources(settings: Settings, names: list[str]) -> int:
    """Look at each configured source, or at those named; nothing is written."""
    from connectors import checkup
    from ioc.clock import right_now
    from kpi.doctor import Level

    sources = load_sources(settings)
    if strange := sorted(set(names) - {one.id for one in sources}):
        raise IocError(f"không có nguồn {', '.join(strange)}")
    chosen = [one for one in sources if not names or one.id in names]
    broken = False
    for found in checkup.examine(chosen, settings, right_now()):
        print(found, flush=True)
        broken |= found.level is Level.broken
    return int(broken)


def _keep_in_force(settings: Settings) -> None:
    """Give the processes of this run a copy of the configuration that they began with.

    One of them that must start again while somebody edits a file finds what was good.
    """
    if settings.config:
        given, data = (Path(one).resolve() for one in (settings.config, settings.data))
        if given in (data, *data.parents) or data in given.parents:
            raise IocError(f"IOC_CONFIG ({given}) và IOC_DATA ({data}) phải là hai thư mục riêng")
        kept = settings.data / "config-in-force"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(settings.config, kept)
        os.environ["IOC_CONFIG"] = str(kept.absolute())


def run(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Everything on one machine: sample province, poller and web, until told to stop."""
    from connectors.sandbox import systems

    addresses = ["IOC_PUBLIC_SERVICES_URL", "IOC_FIELD_REPORTS_URL"]
    real = any(map(_is_given, [*addresses, *(listed.variable for listed in systems.SYSTEMS)]))
    if real and settings.clock:
        raise IocError("IOC_CLOCK chỉ dùng với tỉnh mẫu: số thật không có giờ giả")
    first = settings.sandbox_port
    sample = [*range(first, first + systems.FIRST), *systems.ports(first)]
    for port in (settings.port, *(() if real else sample)):
        check_free(settings.host, port)

    def prepare() -> None:
        from ioc.clock import right_now
        from kpi import health
        from kpi.sampled import sample_assessments

        sources = load_sources(settings)
        store = open_store(settings, migrate=True)
        health.publish_sources(store, sources)  # so that the first page already says: sample data
        if not real:
            sample_assessments(store, right_now())
        _tell_first_link(settings, store)
        store.close()

    print("Đang chuẩn bị kho số liệu…", flush=True)
    _keep_in_force(settings)
    program = [sys.executable, str(ROOT / "app.py")]
    names = ["web", "poll"]
    if not real:
        os.environ[SANDBOX] = "1"
        names.insert(1, "sandbox")
    return Supervisor(program, names, host=settings.host, port=settings.port, prepare=prepare).run()


# --- the command line ----------------------------------------------------------------------------
COMMANDS: dict[str, tuple[Callable[[Settings, argparse.Namespace], int], str]] = {
    "run": (run, "chạy tất cả trên một máy, kèm tỉnh mẫu"),
    "web": (web, "chỉ chạy trang"),
    "poll": (poll, "chỉ thu thập số liệu"),
    "sandbox": (sandbox, "chỉ chạy tỉnh mẫu"),
    "check": (check, "kiểm tra cấu hình"),
    "user": (user, "tài khoản: list, add, link, right, role, disable, break-glass, …"),
    "device": (device, "màn hình treo tường: list, pair, revoke"),
    "audit": (audit, "nhật ký kiểm toán: verify, export"),
    "config": (config, "các phiên bản của cấu hình: xem, quay lại"),
    "rebuild": (rebuild, "dựng lại mọi số liệu từ các bản ghi đã lưu"),
    "export": (export, "xuất CSV, XLSX, JSON kèm tệp mô tả; làm lại một tệp đã xuất"),
    "export-all": (export_all, "xuất toàn bộ dữ liệu thành thư mục ai cũng đọc được"),
    "import": (import_all, "nạp thư mục của export-all vào bản cài mới"),
    "pack": (pack, "gói số liệu để in, gửi thư: liệt kê, làm ngay"),
    "backup": (backup, "sao lưu kho số liệu vào một tệp, cả khi đang chạy"),
    "restore": (restore, "khôi phục kho số liệu từ một bản sao lưu"),
    "doctor": (doctor, "khám hệ thống đang chạy"),
    "import-boundaries": (import_boundaries, "nhập ranh giới từ GeoJSON, Shapefile, GeoPackage"),
}


WORDS = ("user", "device", "audit")
"""Commands that read their own arguments, in the process that knows accounts."""


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command and its arguments."""
    given = sys.argv[1:] if given is None else given
    if given and given[0] in WORDS:
        return argparse.Namespace(command=given[0], words=given[1:])
    parser = argparse.ArgumentParser("ioc", description="Trung tâm điều hành thông minh")
    commands = parser.add_subparsers(dest="command", required=True, metavar="LỆNH")
    parsers = {name: commands.add_parser(name, help=what) for name, (_, what) in COMMANDS.items()}
    parsers["poll"].add_argument("source", nargs="?", help="mã nguồn; để trống: mọi nguồn")
    parsers["poll"].add_argument("--once", action="store_true", help="một lần rồi thôi")
    parsers["poll"].add_argument("--dry-run", action="store_true", help="chỉ in, không ghi")
    parsers["poll"].add_argument(
        "--confirm", action="store_true", help="nhận phản hồi đang bị giữ, sau khi đã xem lại"
    )
    parsers["rebuild"].add_argument(
        "--check",
        action="store_true",
        help="chỉ dựng thử rồi bỏ, so với số đang có; mã thoát 1 nếu khác. Giữ khóa ghi suốt lúc"
        " đó: thu thập và ghi của người dùng phải chờ, quá 30 giây thì bị từ chối",
    )
    parsers["config"].add_argument("action", choices=("list", "show", "rollback"))
    parsers["config"].add_argument("number", nargs="?", type=int, help="số phiên bản")
    parsers["sandbox"].add_argument("action", nargs="?", choices=("stop", "start"))
    parsers["sandbox"].add_argument("system", nargs="?", help="mã nguồn của hệ thống mẫu")
    parsers["doctor"].add_argument(
        "what", nargs="?", choices=("sources",), help="khám từng nguồn đã khai báo, không ghi gì"
    )
    parsers["doctor"].add_argument("names", nargs="*", help="chỉ những nguồn này")
    _export_arguments(parsers["export"])
    parsers["export-all"].add_argument("folder", type=Path, help="thư mục mới")
    parsers["export-all"].add_argument(
        "--public", action="store_true", help="chỉ chỉ số công khai, để công bố; không có hồ sơ"
    )
    parsers["export-all"].add_argument(
        "--licence", default="CC-BY-4.0", help="giấy phép của bản công bố; mặc định CC-BY-4.0"
    )
    parsers["pack"].add_argument("name", nargs="?", help="tên gói; để trống: liệt kê")
    parsers["pack"].add_argument("--now", action="store_true", help="làm ngay, ngoài lịch")
    parsers["pack"].add_argument("--mail", action="store_true", help="với --now: gửi cả thư")
    parsers["pack"].add_argument("--edition", type=int, help=argparse.SUPPRESS)
    parsers["import"].add_argument("folder", type=Path, help="thư mục của ioc export-all")
    _boundary_arguments(parsers["import-boundaries"])
    parsers["backup"].add_argument("file", type=Path, help="tệp .tar.gz, hoặc thư mục (tự đặt tên)")
    parsers["backup"].add_argument("--with-key", action="store_true", help="kèm khóa bí mật")
    parsers["backup"].add_argument(
        "--keep", type=int, default=0, help="trong thư mục chỉ giữ N bản mới nhất"
    )
    parsers["restore"].add_argument("file", type=Path, help="bản sao lưu")
    parsers["restore"].add_argument(
        "--replace", action="store_true", help="thay kho đang có; kho cũ được giữ bên cạnh"
    )
    return parser.parse_args(given)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", nargs="?", help="standings, values, targets, …")
    parser.add_argument("filter", nargs="*", help="bộ lọc, ví dụ org_unit=area-qb decimal=comma")
    parser.add_argument(
        "-o", "--output", type=Path, help="tệp .csv, .xlsx hoặc .json; ghi kèm tệp mô tả"
    )
    parser.add_argument(
        "--format", choices=("csv", "xlsx", "json"), default="csv", help="khi ghi ra màn hình"
    )
    parser.add_argument(
        "--reproduce",
        type=Path,
        metavar="TỆP",
        help="làm lại tệp đã xuất, so từng byte; 1 nếu khác",
    )


def _boundary_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help=".geojson, .shp, .zip (Shapefile) hoặc .gpkg")
    parser.add_argument("--level", required=True, choices=("area", "district", "commune"))
    day = date.fromisoformat
    parser.add_argument("--date", required=True, type=day, dest="on", help="ngày của số liệu")
    parser.add_argument("--source", required=True, help="cơ quan hoặc nơi phát hành")
    parser.add_argument("--licence", required=True, help="giấy phép sử dụng")
    texts = {
        "layer": "mã lớp; để trống: cấp và ngày hiệu lực",
        "name": "tên hiện trên bản đồ",
        "code-field": "cột chứa mã đơn vị; để trống: code",
        "name-field": "cột chứa tên đơn vị; để trống: name",
        "crs": "hệ tọa độ, thay điều tệp ghi: EPSG:9211, 106-00, VN-2000 / TM-3 106-00",
        "table": "bảng trong GeoPackage",
        "encoding": "bảng mã chữ của Shapefile",
    }
    for name, what in texts.items():
        parser.add_argument(f"--{name}", default="", help=what)
    parser.add_argument("--valid-from", type=day, help="ngày đầu có hiệu lực")
    parser.add_argument("--valid-to", type=day, help="ngày cuối còn hiệu lực")
    parser.add_argument("--partial", action="store_true", help="bỏ qua hình và đơn vị không khớp")
    parser.add_argument("--force", action="store_true", help="nhận cả khi diện tích, vị trí lệch")
    parser.add_argument("--dry-run", action="store_true", help="chỉ kiểm tra, không ghi")


def main(given: list[str] | None = None) -> int:
    """Run one command; a refusal is a sentence in Vietnamese and exit code 2."""
    asked = arguments(given)
    logging.basicConfig(
        level=logging.INFO, format=f"{asked.command:<7} | %(levelname)s %(name)s: %(message)s"
    )
    for noisy in ("httpx", "httpx2", "httpcore2", "apscheduler", "alembic", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if PARENT in os.environ:
        follow_parent()
    try:
        return COMMANDS[asked.command][0](Settings.from_env(), asked)
    except IocError as error:
        print(error, file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
