"""The one clock: true by default, faster only in a rehearsal that says since when."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ioc import clock

ASK = "from ioc import clock; print(clock.right_now().isoformat(), clock.speed())"


def asked(monkeypatch: pytest.MonkeyPatch, given: str) -> tuple[datetime, float]:
    """What another process takes for the time."""
    monkeypatch.setenv(clock.VARIABLE, given)
    said = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True)
    at, speed = said.stdout.split()
    return datetime.fromisoformat(at), float(speed)


def test_the_clock_is_true_unless_a_rehearsal_says_otherwise(monkeypatch):
    at, speed = asked(monkeypatch, "")
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
    assert speed == 1


def test_a_rehearsal_runs_as_many_times_as_fast_since_its_begin(monkeypatch):
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    at, speed = asked(monkeypatch, f"12@{begin:%Y-%m-%dT%H:%M:%SZ}")
    assert speed == 12
    assert timedelta(0) <= at - (begin + timedelta(hours=12)) < timedelta(minutes=20)


@pytest.mark.parametrize(
    "bad",
    [
        "12",
        "0.5@2026-11-24T14:00:00Z",
        "12@hôm nay",
        "500@2026-11-24T14:00:00Z",
        "2@2026-11-24T14:00:00",
    ],
)
def test_a_rehearsal_that_is_not_clear_is_refused(bad):
    with pytest.raises(ValueError, match="phải có dạng"):
        clock.rate(bad)
