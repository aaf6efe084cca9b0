"""A folder that report workbooks are sent to: each appears whole when it is due, some corrected.

    KIEMTRA_2024-06.xlsx             a period's report, sent some days after its end
    KIEMTRA_2024-06_dinhchinh.xlsx   its corrected re-issue: sorts after, changed rows dated later
After the history the folder lives: the newest report is corrected every few minutes.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from connectors.sandbox.forms import Form, Row, xlsx
from connectors.sandbox.mark import SAMPLE
from ioc.errors import ConfigError, Fault
from ioc.period import LOCAL, Period, periods

MARKER = ".du-lieu-mau"  # says that the sandbox owns the folder
CORRECTED = "_dinhchinh"
CORRECT_EVERY = timedelta(minutes=5)
REISSUED = 0.08  # of the reports of the past
_NOTES = ".dinhchinh.json"
_WORDS = {"month": "tháng {1}/{0}", "quarter": "quý {1}/{0}", "year": "năm {0}"}

Amend = Callable[[Row, Random], bool]
"""Changes one figure of a row as a correction would; False where this row has none to change."""


@dataclass(frozen=True, slots=True)
class Series:
    """Reports of one kind, one for each period since ``first``; what they say is a function."""

    prefix: str
    form: Form
    first: Period
    due: tuple[int, int]  # days from the end of the period until it is sent, at least and at most
    rows: Callable[[Period, datetime], list[Row]]  # of a period; each ends with when it was sent
    amend: Amend
    seed: int


class Outbox:
    """The reports of a series in a folder; ``write`` brings the folder up to a clock."""

    def __init__(self, folder: Path, series: Series) -> None:
        self.folder, self._series = folder, series
        self._sent: dict[Period, datetime] = {}
        self._there: dict[str, int] = {}  # how many corrections the files of the folder hold
        self._corrected_at: datetime | None = None

    def write(self, now: datetime) -> None:
        """Let everything appear that has been sent by now; a correction when its turn has come."""
        if self._corrected_at is None:
            self._corrected_at = now
        elif now >= self._corrected_at + CORRECT_EVERY:
            self.correct(now)
        files = dict(self._files(now))
        if not self._there:
            made = {name: self._made(period, n) for name, (period, n) in files.items()}
            bring_up(self.folder, self._series.prefix, made)
        else:
            for name, (period, n) in files.items():
                if self._there.get(name) != n:
                    place(self.folder / name, self._made(period, n))
        self._there = {name: n for name, (_, n) in files.items()}

    def correct(self, now: datetime) -> Period:
        """Note one more correction of the newest report, which ``write`` then lets appear."""
        period = self.sent_by(now)[-1]
        noted = self._noted()
        noted.setdefault(period.text, []).append(_local(now).isoformat(timespec="seconds"))
        place(self.folder / _NOTES, json.dumps(noted).encode())
        self._corrected_at = now
        return period

    def sent_by(self, now: datetime) -> list[Period]:
        """The periods whose report has been sent by now."""
        first, today = self._series.first, _local(now)
        known = periods(first, Period.of(first.grain, today.date()))
        return [period for period in known if self._sent_at(period) <= today]

    def rows(self, period: Period, now: datetime) -> list[Row]:
        """What the report of a period says by now, its corrections among it."""
        return self._rows(period, len(self._corrections(period, now)))

    def _files(self, now: datetime) -> Iterable[tuple[str, tuple[Period, int]]]:
        noted = self._noted()
        for period in self.sent_by(now):
            name = f"{self._series.prefix}{period.text}"
            yield f"{name}.xlsx", (period, 0)
            if corrections := self._corrections(period, now, noted):
                yield f"{name}{CORRECTED}.xlsx", (period, len(corrections))

    def _made(self, period: Period, corrections: int) -> bytes:
        parts = period.text.replace("-Q", "-").split("-")
        told = _WORDS[period.grain].format(*parts)
        return xlsx(self._series.form, told, period.end, self._rows(period, corrections))

    def _rows(self, period: Period, corrections: int) -> list[Row]:
        rows = self._series.rows(period, self._sent_at(period))
        for number, at in enumerate(self._corrections(period, None)[:corrections]):
            rng = Random(f"correct:{self._series.prefix}:{self._series.seed}:{period}:{number}")
            for i in rng.sample(range(len(rows)), len(rows)):
                if self._series.amend(rows[i], rng):
                    rows[i][-1] = at
                    break
        return rows

    def _corrections(
        self, period: Period, now: datetime | None, noted: dict[str, list[str]] | None = None
    ) -> list[datetime]:
        """When rows of a report were corrected, by now or ever; local, in order."""
        rng = Random(f"reissue:{self._series.prefix}:{self._series.seed}:{period}")
        found = []
        if rng.random() < REISSUED:
            later = self._sent_at(period) + timedelta(days=rng.randint(12, 25))
            found = [later + timedelta(minutes=i) for i in range(3)]
        noted = self._noted() if noted is None else noted
        found += [datetime.fromisoformat(text) for text in noted.get(period.text, ())]
        return sorted(at for at in found if now is None or at <= _local(now))

    def _sent_at(self, period: Period) -> datetime:
        """When the report was sent; local, naive as in a spreadsheet."""
        if period not in self._sent:
            rng = Random(f"sent:{self._series.prefix}:{self._series.seed}:{period}")
            days = timedelta(days=rng.randint(*self._series.due), hours=16, minutes=5)
            self._sent[period] = _local(period.ends_at) + days
        return self._sent[period]

    def _noted(self) -> dict[str, list[str]]:
        path = self.folder / _NOTES
        return json.loads(path.read_text()) if path.exists() else {}


def bring_up(folder: Path, prefix: str, files: dict[str, bytes]) -> None:
    """Make a folder hold these files: one that does not exist appears at once with all of them.

    Files that already have the same bytes stay untouched, others of the prefix go.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        aside.mkdir()
        for name, content in [(MARKER, b""), *files.items()]:
            (aside / name).write_bytes(content)
        aside.rename(folder)
        return
    check_folder(folder)
    (folder / MARKER).touch()
    for stale in folder.glob(f"{prefix}*"):
        if stale.name not in files:
            stale.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            place(path, content)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds somebody else's files: reports there are replaced and removed.

    Raises:
        ConfigError: the folder is not empty and the sandbox never wrote there.
    """
    if folder.is_dir() and not (folder / MARKER).exists() and any(folder.iterdir()):
        message = f"thư mục có tệp không phải của {SAMPLE}; hãy chọn thư mục khác"
        raise ConfigError([Fault(str(folder), 0, message)])


def place(path: Path, content: bytes) -> None:
    """Write a file whole: aside, synced, renamed."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def _local(now: datetime) -> datetime:
    """The wall clock of the office, without an offset as a spreadsheet has it."""
    return now.astimezone(LOCAL).replace(tzinfo=None)
