"""The staff reports: a folder of monthly workbooks on computers and training, all units in each.

    BC_CBCCVC_2024-06.xlsx             the month; sent in the first days of the next, some late
    BC_CBCCVC_2024-06_dinhchinh.xlsx   a corrected re-issue: sorts after, its rows are dated later
    BC_CBCCVC_2023-08.csv              two months came as csv
Columns are those of ``connectors.sandbox.workbook``. Some units are missing in some months and a
few cells are faulty ("N/A", more computers than people). Training counts restart each January.
Files appear whole: written aside as ".…" and renamed. After the history the folder lives: the
month's report appears when it is due, and the latest one is corrected every few minutes.
"""

import calendar
import json
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

from connectors.sandbox.forms import authority
from connectors.sandbox.outbox import CORRECTED, bring_up, place
from connectors.sandbox.province import LEVELS, Province
from connectors.sandbox.workbook import Row, table, xlsx
from ioc.model import OrgUnit
from ioc.period import LOCAL

FIRST_MONTH = 2021 * 12
CSV_MONTHS = {2023 * 12 + 7, 2023 * 12 + 8}
PREFIX = "BC_CBCCVC_"
_TRAINED_BY = (0.01, 0.03, 0.09, 0.17, 0.27, 0.38, 0.46, 0.55, 0.68, 0.8, 0.92, 1.0)


class StaffReports:
    """Figures of every unit and month, and the folder that holds them; from a seed and a clock."""

    def __init__(self, province: Province, folder: Path) -> None:
        self._province, self.folder = province, folder
        self._heads: dict[str, int] = {}

    def write_history(self, now: datetime) -> int:
        """Write every report that has been sent by now; returns how many files there are.

        A file that already holds the same bytes stays untouched; a folder that does not exist
        yet appears at once with everything in it.
        """
        files = dict(self._files(now))
        bring_up(self.folder, PREFIX, files)
        return len(files)

    def correct(self, now: datetime) -> str:
        """Re-issue the latest month with one figure changed; returns the file's name.

        Earlier corrections stay: they are noted in a hidden file beside the reports.
        """
        month = self._latest(now)
        notes = self._notes(month)
        rng = Random(f"correct:{self._province.seed}:{month}:{len(notes)}:{now.timestamp():.0f}")
        rows = self._corrected_rows(month, notes)
        row = rng.choice([row for row in rows if isinstance(row.equipped, int)])
        before = int(row.equipped)
        after = before + rng.choice((-2, -1, 1, 2))
        if not 0.8 * row.total <= after <= row.total:
            after = before - 1 if before >= row.total else before + 1
        notes[row.code] = (after, _local(now).isoformat(timespec="minutes"))
        place(self.folder / f".{_text(month)}.json", json.dumps(notes).encode())
        name = f"{PREFIX}{_text(month)}{CORRECTED}.xlsx"
        place(self.folder / name, self._xlsx(month, self._corrected_rows(month, notes)))
        return name

    def months(self, now: datetime) -> list[int]:
        """The months (index y*12+m-1) whose report has been sent by now."""
        today = _local(now)
        last = today.year * 12 + today.month - 2
        return [month for month in range(FIRST_MONTH, last + 1) if self._sent(month) <= today]

    def _latest(self, now: datetime) -> int:
        return self.months(now)[-1]

    def _files(self, now: datetime) -> list[tuple[str, bytes]]:
        found = []
        months = self.months(now)
        for month in months:
            rows, name = self._rows(month), f"{PREFIX}{_text(month)}"
            if month in CSV_MONTHS:
                found.append((f"{name}.csv", table(rows)))
            else:
                found.append((f"{name}.xlsx", self._xlsx(month, rows)))
            notes = self._notes(month)
            again = self._corrected_rows(month, notes) if notes else self._reissue(month, rows)
            if again and max(row.sent for row in again) <= _local(now):
                found.append((f"{name}{CORRECTED}.xlsx", self._xlsx(month, again)))
        return found

    def _xlsx(self, month: int, rows: list[Row]) -> bytes:
        return xlsx(rows, f"{month % 12 + 1:02d}/{month // 12}", authority(_month_end(month)))

    def _sent(self, month: int) -> datetime:
        """When the month's workbook is sent (local, naive): early next month, sometimes late."""
        rng = Random(f"sent:{self._province.seed}:{month}")
        late = rng.randint(14, 24) if rng.random() < 0.12 else 0
        start = datetime((month + 1) // 12, (month + 1) % 12 + 1, 1)  # noqa: DTZ001 local, as in the sheet
        return start + timedelta(days=rng.randint(4, 7) + late, hours=16)

    def _rows(self, month: int) -> list[Row]:
        rng = Random(f"report:{self._province.seed}:{month}")
        sent, until = self._sent(month), _month_end(month)
        missing = rng.choice((0, 0, 0, 0, 1, 2, 3)) if month % 12 != 11 else 0
        units = [unit for level in LEVELS for unit in self._province.open_on(level, until)]
        absent = set(rng.sample(range(len(units)), missing))
        rows = []
        for number, unit in enumerate(units):
            total, equipped, trained = self.figures(unit, month)
            minutes = rng.randrange(3 * 24 * 60)
            if number not in absent:
                code = f"UBND-{unit.code}" if unit.level == "district" else unit.code
                at = sent - timedelta(minutes=minutes)
                rows.append(Row(code, unit.name, total, equipped, trained, until, at))
        if rng.random() < 0.3 and month % 12 != 11:
            bad = rng.choice(rows)
            bad.equipped = "N/A" if rng.random() < 0.5 else bad.total + rng.randint(1, 30)
        return rows

    def _reissue(self, month: int, rows: list[Row]) -> list[Row]:
        """The corrected report of some months: a few rows changed, dated weeks later."""
        rng = Random(f"reissue:{self._province.seed}:{month}")
        if month in CSV_MONTHS or rng.random() > 0.08:
            return []
        later = self._sent(month) + timedelta(days=rng.randint(12, 40))
        for row in rng.sample(rows, 4):
            row.equipped = max(0, min(row.total, round(row.total * rng.uniform(0.78, 0.99))))
            row.sent = later
        return rows

    def _corrected_rows(self, month: int, notes: dict[str, tuple[int, str]]) -> list[Row]:
        rows = self._rows(month)
        for row in rows:
            if row.code in notes:
                row.equipped = notes[row.code][0]
                row.sent = datetime.fromisoformat(notes[row.code][1])
        return rows

    def _notes(self, month: int) -> dict[str, tuple[int, str]]:
        path = self.folder / f".{_text(month)}.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def figures(self, unit: OrgUnit, month: int) -> tuple[int, int, int]:
        """Professional staff, those with a computer, and those trained this year until then."""
        rng = Random(f"staff:{self._province.seed}:{unit.uid}")
        ready = self._province.traits[unit.uid][1] if unit.level == "commune" else 1.1
        total = self._headcount(unit) + Random(f"{unit.uid}:{month // 12}").randint(-1, 1)
        progress = min(1.0, (month - FIRST_MONTH) / 59)  # the last month of 2025
        share = 0.79 + 0.16 * progress + 0.14 * (min(ready, 1.1) - 1) + rng.uniform(-0.05, 0.05)
        year = month // 12 - 2021
        goal = min(0.97, 0.6 + 0.05 * year + 0.1 * (min(ready, 1.2) - 1) + rng.uniform(-0.1, 0.1))
        trained = int(total * goal * _TRAINED_BY[month % 12])
        return total, min(total, round(total * share)), trained

    def _headcount(self, unit: OrgUnit) -> int:
        if unit.uid not in self._heads:
            rng = Random(f"heads:{self._province.seed}:{unit.uid}")
            parts = [self._headcount(part) for part in self._province.parts.get(unit.uid, [])]
            if unit.level == "district":
                heads = rng.randint(95, 150)
            elif unit.level == "commune":
                heads = (
                    round(sum(parts) * 0.72) + rng.randint(6, 14) if parts else rng.randint(18, 24)
                )
                heads = max(heads, 22)
            elif parts:
                wider = 1.35 if unit.opened == date(2025, 7, 1) else 0.92
                heads = round(sum(parts) * wider)
            else:
                heads = (
                    rng.randint(150, 190) if unit.code in ("SYT", "SGDDT") else rng.randint(32, 92)
                )
            self._heads[unit.uid] = heads
        return self._heads[unit.uid]


def _text(month: int) -> str:
    return f"{month // 12}-{month % 12 + 1:02d}"


def _month_end(month: int) -> date:
    year, number = month // 12, month % 12 + 1
    return date(year, number, calendar.monthrange(year, number)[1])


def _local(now: datetime) -> datetime:
    """The wall clock of the office, without an offset as a spreadsheet has it."""
    return now.astimezone(LOCAL).replace(tzinfo=None)
