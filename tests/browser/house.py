"""A small province with known figures, and the real server in front of it, for the browser tests.

The store is filled through the product's own doors: a folder of reports through the poller,
dossiers through ``kpi.intake.accept`` as the poller hands them over. Then ``ioc web`` serves it,
as a process of its own. Both live in Los Angeles; only their figures are Vietnamese.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from connectors import poller
from connectors.config import PACKAGED, load_sources
from ioc.config import read_yaml
from ioc.model import Record
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, Period
from ioc.settings import Settings
from ioc.source import Source
from kpi import catalogue, health, intake, store

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = "America/Los_Angeles"
FED = ("shared_systems", "work_files", "smart_city", "meetings", "transformation")
"""Sectors that the folder of reports feeds here, whatever feeds them in the packaged catalogue."""
COUNTED = re.compile(r"count: \w+,\s+at: \w+,(\s+where: \{[^}]*\},)?")
"""How an element of theirs is counted from records in the product: here it is declared."""
HEARD = (
    "public_services", "field_reports", "staff", "projects", "disbursements", "smart_services",
)  # fmt: skip
"""The packaged sources that are there in this house; all others are removed."""

SOURCES = """
public_services: {late_after: 12h, stale_after: 1d}
staff: {url: "%(home)s/staff", late_after: 12h, stale_after: 1d}
reports:
  name: Báo cáo định kỳ của các sở, ban, ngành, Ủy ban nhân dân cấp huyện và cấp xã về chuyển đổi số
  sector: reporting
  kind: sheet
  url: "%(home)s/reports"
  owner: STTTT
  every: 1h
  serves: [department, district, commune]
  sample: true
  options: {csv: {separator: ";", encoding: utf-8}}
  fields:
    org_unit: Mã đơn vị
    period: {path: Số liệu đến ngày, grain: month, format: "%%d/%%m/%%Y"}
  readings:
    %(readings)s
"""
STAFF_HEAD = (
    "Mã đơn vị;Tên đơn vị;STT;Số liệu đến ngày;Ngày báo cáo;Tổng CBCCVC chuyên môn, nghiệp vụ;"
    "Được trang bị máy tính;Được tập huấn trong năm (lũy kế)"
)
REFORM = datetime(2025, 7, 1, tzinfo=LOCAL)
GAP = "2023-05"  # a month in which nobody reported on staff
UNKNOWN_UNIT = "99999"
LAST = Period.of("month", datetime.now(LOCAL).date()).previous()

# element pairs of an indicator: (period, org unit, numerator, denominator) as reported
REPORTED: dict[str, list[tuple[str, str, int, int]]] = {
    "systems_qualified systems_listed": [
        ("2022-12", "VPUB", 9_000, 25_000),
        ("2024-12", "VPUB", 15_000, 25_000),
        ("2025-12", "VPUB", 20_001, 25_000),  # 80,004 %: over 80, and never shown as 80
    ],
    "work_files_online work_files_total": [
        ("2025-12", "VPUB", 9_001, 10_000),
        (LAST.text, "VPUB", 9_240, 10_000),
    ],
    "smart_services_operating smart_services_basic": [("2025-12", "VPUB", 4, 5)],
    "meetings_department_paperless meetings_department_total": [
        ("2025-12", "VPUB", 710, 1_000),
        (LAST.text, "VPUB", 690, 1_000),
    ],
    "meetings_district_paperless meetings_district_total": [("2025-06", "450", 12, 20)],
    "meetings_commune_paperless meetings_commune_total": [("2025-12", "18859", 50, 100)],
    "meetings_province_district_online meetings_province_district_total": [
        ("2025-03", "VPUB", 3, 4)
    ],
    "departments_dx_succeeded departments_dx_assessed": [("2025-12", "VPUB", 6, 20)],
    "districts_dx_succeeded districts_dx_assessed": [
        ("2025-06", code, int(code in ("450", "457")), 1)
        for code in ("450", "452", "453", "454", "455", "456", "457", "458")
    ],
    "communes_dx_succeeded communes_dx_assessed": [("2025-12", "18859", 9, 41)],
}
STATUSES = {  # of the 20 targets, as these figures make them once the plan is over
    "T01": "met", "T02a": "missed", "T02b": "missed", "T03": "met", "T04": "no_source",
    "T05": "no_source", "T06": "no_source", "T07a": "missed", "T07b": "met", "T08a": "met",
    "T08b": "awaiting", "T09a": "no_source", "T09b": "no_source", "T09c": "no_source",
    "T10": "met", "T11a": "missed", "T11b": "met", "T11c": "met", "T12a": "missed",
    "T12b": "qualitative",
}  # fmt: skip


ADDRESSES = {
    "/explore": "/explore?indicator=I02b&level=commune&from=2024&to=2024",
    "/indicator/<key>": "/indicator/I02b",
    "/org-unit/<uid>": "/org-unit/area-450",
    "/record/<source>/<key>": "/record/public_services/2025-1",
    "/search": "/search?q=dong hoi",
    "/sector/<key>": "/sector/public_services",
    "/sources/<source>": "/sources/staff",
}
"""Where a page that needs to be told something stands in this house."""


def address_of(path: str) -> str:
    """An address of a page; every new page that is asked for something needs a line above."""
    assert "<" not in path or path in ADDRESSES, f"tests/browser/house.py: ADDRESSES lacks {path}"
    return ADDRESSES.get(path, path)


class House:
    """The store and, once ``start`` returned, the server in front of it."""

    def __init__(self, home: Path, port: int):
        self.home, self.port = home, port
        self.config = home / "config"
        self._settle()
        self.settings = Settings.from_env({
            "IOC_DATA": str(home / "data"),
            "IOC_CONFIG": str(self.config),
            "IOC_PORT": str(port),
        })
        found = load_sources([PACKAGED, self.config / "sources.yaml"], {"IOC_DATA": ""} | SECRET)
        self.sources: dict[str, Source] = {source.id: source for source in found}
        self.store = store.open_store(
            self.settings.database_url, catalogue.load_catalogue(self.config), OrgUnits.load()
        )
        self._web: subprocess.Popen | None = None
        self._made = 0

    @property
    def address(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.port}"

    def _settle(self) -> None:
        """The configuration of the deployment: sources of its own, fed indicators, a plan to come.

        The example stands beside the plan everywhere, so that every test also says that nothing
        of the plan moves by it.
        """
        (self.config / "indicators").mkdir(parents=True)
        shutil.copytree(ROOT / "kpi" / "plan" / "examples", self.config / "plan")
        (self.home / "data").mkdir()
        for name in FED:
            text = (ROOT / "kpi" / "indicators" / f"{name}.yaml").read_text(encoding="utf-8")
            fed = re.sub(r"(?m)^( +source: )\w+$", r"\1reports", text)
            fed = COUNTED.sub("reading: true,", fed)
            (self.config / "indicators" / f"{name}.yaml").write_text(fed, encoding="utf-8")
        elements = [element for pair in REPORTED for element in pair.split()]
        elements += ["meetings_district_commune_online", "meetings_district_commune_total"]
        readings = "\n    ".join(f"{element}: {element}" for element in elements)
        text = SOURCES % {"home": self.home, "readings": readings}
        text += "".join(f"{name}:\n" for name in read_yaml(PACKAGED, []) if name not in HEARD)
        (self.config / "sources.yaml").write_text(text, encoding="utf-8")

    # --- what the sector systems said ------------------------------------------------------------

    def fill(self) -> None:
        """Everything up to now: reports, staff with faulty rows, dossiers, and a failed poll."""
        health.publish_sources(self.store, list(self.sources.values()))
        place(self.home / "reports" / "bao-cao.csv", reports())
        self.poll("reports")
        place(self.home / "staff" / "BC_CBCCVC.csv", staff())
        self.poll("staff")
        self.take(dossiers(datetime.now(UTC)))
        self.take(field_reports(), "field_reports")
        self.take(milestones(), "projects")
        self.take(payments(), "disbursements")
        self.take(checks(), "smart_services")
        (self.home / "reports").rename(self.home / "mislaid")
        self.poll("reports")

    def poll(self, source: str) -> dict:
        """One poll by the product's own poller."""
        return poller.poll(self.store, self.sources[source], self.settings)

    def take(self, records: Sequence[Record], source_id: str = "public_services") -> None:
        """Records as a poll of their system would bring them; committed on return."""
        source, now = self.sources[source_id], datetime.now(UTC)
        run = health.begin_run(self.store, source.id, now)
        counts = intake.accept(self.store, source, records, run=run, now=now)
        health.end_run(
            self.store,
            run,
            outcome="ok",
            note="",
            counts=counts,
            calls=1,
            bytes=len(records) * 300,
            response_hash="",
            now=now,
            completed=True,
            covered_until=now,
        )

    def resolve(self, number: int, *, online: bool) -> None:
        """So many more dossiers, filed and answered this minute."""
        now = datetime.now(UTC) - timedelta(seconds=2)
        first, self._made = self._made, self._made + number
        self.take([
            dossier(f"TRỰC-TIẾP-{i}", now, now, "18880", f"1.{i % 70:06}", full=online)
            for i in range(first, first + number)
        ])

    # --- the server ------------------------------------------------------------------------------

    def start(self) -> None:
        """Start ``ioc web`` as a person would; returns when it answers."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("IOC_")}
        env |= {
            "IOC_DATA": str(self.home / "data"),
            "IOC_CONFIG": str(self.config),
            "IOC_PORT": str(self.port),
            "TZ": ELSEWHERE,
        }
        program = Path(sys.executable).with_name("ioc")
        with (self.home / "web.log").open("ab") as log:
            self._web = subprocess.Popen(
                [program, "web"], env=env, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._web.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.address}/readyz", timeout=5):
                return
            time.sleep(0.1)
        raise AssertionError(f"the server did not start:\n{self.log()}")

    def stop(self) -> None:
        """End the server and whatever it started."""
        if self._web is None:
            return
        self._web.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._web.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(self._web.pid, signal.SIGKILL)
        self._web.wait()
        self._web = None

    def log(self) -> str:
        """What the server wrote."""
        return (self.home / "web.log").read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> tuple[bytes, dict[str, str]]:
        """The bytes and headers of an address of the server."""
        with urllib.request.urlopen(self.address + path, timeout=30) as reply:
            return reply.read(), {k.lower(): v for k, v in reply.headers.items()}

    def json(self, path: str) -> dict:
        """A JSON answer."""
        return json.loads(self.get(path)[0])


SECRET = {"IOC_PUBLIC_SERVICES_CLIENT_SECRET": "mau", "IOC_STAFF_FOLDER": "staff"}


def place(path: Path, text: str) -> None:
    """A file that has lain there for a while: the reader lets new ones settle."""
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    since = time.time() - 3600
    os.utime(path, (since, since))


def end_of(period: str) -> str:
    """The last day of a period, dd/mm/yyyy."""
    return f"{Period.parse(period).end:%d/%m/%Y}"


def reports() -> str:
    """The periodic reports as one CSV: a row for an org unit and a month, empty where silent."""
    elements = [element for pair in REPORTED for element in pair.split()]
    elements += ["meetings_district_commune_online", "meetings_district_commune_total"]
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for pair, said in REPORTED.items():
        above, below = pair.split()
        for period, code, numerator, denominator in said:
            rows.setdefault((code, period), {}).update({above: numerator, below: denominator})
    lines = [";".join(["Mã đơn vị", "Số liệu đến ngày", *elements])]
    lines += [
        ";".join([code, end_of(period), *(str(values.get(name, "")) for name in elements)])
        for (code, period), values in rows.items()
    ]
    return "\n".join(lines)


def staff() -> str:
    """Monthly staff reports of two offices: one month silent, three rows nobody can take."""
    lines = [STAFF_HEAD]
    for month in months("2021-01", LAST.text):
        if month.text == GAP:
            continue
        equipped = 3_600 + 15 * (month.index - 2021 * 12)
        if month.text == "2025-12":
            equipped = 4_499  # 89,98 % of 5.000: under 90, and never shown as 90,0
        trained = 380 * (month.index % 12 + 1)
        reported = f"{date(month.end.year, 12, 28):%d/%m/%Y}"
        if month.index // 12 == LAST.index // 12:
            reported = f"{LAST.end:%d/%m/%Y}"
        first = f"VPUB;Văn phòng;1;{month.end:%d/%m/%Y};{reported};3000"
        lines.append(f"{first};{min(equipped - 1_700, 3_000)};{min(trained, 2_900)}")
        second = f"SYT;Sở Y tế;2;{month.end:%d/%m/%Y};{reported};2000"
        lines.append(f"{second};1700;{min(trained // 2, 1_900)}")
    for code, total, with_computer in ((UNKNOWN_UNIT, 90, 80), ("SCT", 10, 90), ("STP", 10, "N/A")):
        lines.append(f"{code};Không rõ;9;31/10/2024;28/12/2024;{total};{with_computer};0")
    return "\n".join(lines)


def months(first: str, last: str) -> Iterator[Period]:
    """Every month of a stretch."""
    month = Period.parse(first)
    while month <= Period.parse(last):
        yield month
        month = month.next()


def dossiers(now: datetime) -> list[Record]:
    """Dossiers since 2021, exact by year: (resolved, of them fully online)."""
    exact = {2021: (600, 90), 2022: (600, 180), 2023: (600, 290), 2024: (600, 355)}
    exact[2025] = (5_000, 2_999)  # 59,98 %: under 60, and never shown as 60,0
    this_year = now.astimezone(LOCAL).year
    exact |= dict.fromkeys(range(2026, this_year + 1), (400, 251))
    return [record for year in exact for record in of_year(year, *exact[year], now)]


def of_year(year: int, total: int, online: int, now: datetime) -> Iterator[Record]:
    """Spread evenly over the year, a hundred procedures of which seventy see an online dossier."""
    begins = datetime(year, 1, 1, tzinfo=LOCAL)
    ends = min(datetime(year, 12, 27, tzinfo=LOCAL), now - timedelta(minutes=1))
    eligible = sum(i % 100 < 70 for i in range(total))
    passed = 0
    for i in range(total):
        opened = begins + (ends - begins) * i / total
        closed = min(opened + timedelta(days=2), ends)
        procedure = i % 100
        full = False
        if procedure < 70:  # every so many of the eligible ones, exactly ``online`` in all
            full = (passed + 1) * online // eligible > passed * online // eligible
            passed += 1
        # the city answered until the districts ended, a ward of its area since then
        last = "450" if closed < REFORM else "18871"
        code = ("VPUB", "SYT", "18880", "18859", last)[i % 5]
        yield dossier(f"{year}-{i}", opened, closed, code, f"1.{procedure:06}", full=full, now=now)


def field_reports() -> list[Record]:
    """A few reports of years ago, all answered in time."""
    return [
        Record(
            key=f"PA-CŨ-{day}",
            kind="field_report",
            org_unit="450",
            opened_at=datetime(2024, 5, day, 8, tzinfo=LOCAL),
            due_at=datetime(2024, 5, day + 9, 17, tzinfo=LOCAL),
            closed_at=datetime(2024, 5, day + 3, 9, tzinfo=LOCAL),
            category="MT-RAC",
            channel="app",
            result="satisfied",
            state="resolved",
        )
        for day in range(1, 9)
    ]


def milestones() -> list[Record]:
    """Two milestones of one project: done late, and long overdue."""
    return [
        Record(
            key=f"DA05-M{number}",
            kind="milestone",
            org_unit="SNV",
            opened_at=datetime(2022, 1, 4, 8, tzinfo=LOCAL),
            due_at=datetime(2022 + number, 6, 30, 17, tzinfo=LOCAL),
            closed_at=done,
            category="DA05",
            channel=f"M{number}",
            state="done" if done else "underway",
        )
        for number, done in ((1, datetime(2023, 7, 1, 9, tzinfo=LOCAL)), (2, None))
    ]


def checks() -> list[Record]:
    """Two checks of one service, piloted in Đồng Hới, then in operation there."""
    found = []
    for month, here in ((6, "pilot"), (12, "operating")):
        for area in ("area-450", "area-452", "area-qb"):
            state = here if area == "area-450" else "pilot" if area == "area-qb" else "none"
            found.append(
                Record(
                    key=f"GT-{area}-{month}",
                    kind="rollout",
                    org_unit="SXD25",
                    opened_at=datetime(2025, month, 30, tzinfo=LOCAL),
                    category="traffic",
                    channel=area,
                    state=state,
                    result=None if state == "none" else f"QD-{month}-2025",
                )
            )
    return found


def payments() -> list[Record]:
    """What was paid for it, by two funds."""
    return [
        Record(
            key=f"DA05-{fund}",
            kind="disbursement",
            org_unit="SNV25",
            opened_at=datetime(2025, 12, 31, 17, tzinfo=LOCAL),
            category="DA05",
            channel=fund,
            quantity=amount,
        )
        for fund, amount in (("central", 4_200.0), ("local", 1_310.0))
    ]


def dossier(
    key: str,
    opened: datetime,
    closed: datetime,
    code: str,
    procedure: str,
    *,
    full: bool,
    now: datetime | None = None,
) -> Record:
    """One dossier; what is online but not fully stands for the partial channel."""
    online = int(procedure.split(".")[1]) < 70
    changed = None
    if now is not None:  # known since the end of its year, so that a first load has few boundaries
        changed = min(datetime(closed.astimezone(LOCAL).year, 12, 31, tzinfo=LOCAL), now)
    return Record(
        key=key,
        kind="dossier",
        org_unit=code,
        opened_at=opened,
        closed_at=closed,
        changed_at=changed,
        category=procedure,
        channel="full" if full else "partial" if online else "direct",
        result="electronic" if full else "paper",
        state="resolved",
    )
