"""The data centre and the wide area network of the sample, as their Prometheus sees them.

    wan_link_up{ma_don_vi}             1 or 0 each minute: the link of every authority that is open
    dc_service_up{ma_don_vi, dich_vu}  1 or 0 each minute: each service of the data centre
    dc_vcpu_used, dc_vcpu_total        processors in use, and all there are
Only the last 60 days are kept, as such servers do: of the years before nobody can ask it. Links of
the mountains fail more often; now and then a switch is not scraped for some hours, says no number,
or bears a code that nobody has. Labels also name an officer on duty, as careless set-ups do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from random import Random
from typing import NamedTuple

from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from connectors.sandbox.promql import DAY, Api, Series, Told
from connectors.sandbox.province import LEVELS, Province
from ioc.model import OrgUnit

KEPT = timedelta(days=60)
OWNER = "STTTT"  # of the data centre; its successors answer for it later
UNKNOWN = "99999"
MISLABELLED = (3, 5)  # days of a month on which a new switch may bear a wrong code
SERVICES = (
    "cong-dich-vu-cong", "mot-cua", "van-ban", "thu-cong-vu", "hop-khong-giay", "truyen-hinh-hop",
    "cong-thong-tin", "lgsp", "csdl-dung-chung", "bao-cao", "luu-tru", "soc", "dns", "sao-luu",
)  # fmt: skip
VCPU = 1_536
OFFICER = {"nguoi_truc": "MAU. Nguyễn Văn Mạng", "dien_thoai": "0912345678", "ghi_chu": SAMPLE}


class Stretch(NamedTuple):
    """Minutes of a day, from and until."""

    start: int
    end: int

    def within(self, start: int, end: int) -> int:
        """How many of them lie in another stretch."""
        return max(0, min(self.end, end) - max(self.start, start))


NEVER = Stretch(0, 0)


class Day(NamedTuple):
    """When something was down on a day, when nobody looked, and whether it said no number."""

    down: Stretch
    unseen: Stretch
    lost: bool

    def told(self, start: int, end: int) -> Told:
        """What was seen in the minutes from and until."""
        seen = end - start - self.unseen.within(start, end)
        up = float("nan") if self.lost else float(seen - self.down.within(start, end))
        return Told(seen, up, min(up, 1.0))


@dataclass(frozen=True, slots=True)
class Habit:
    """How often something fails in a day, and for how many minutes at most."""

    name: str
    seed: int
    fails: float
    longest: int
    switch: bool = False


@lru_cache(maxsize=20_000)
def day_of(habit: Habit, day: date) -> Day:
    """What became of something on a day; from the seed."""
    rng = Random(f"mang:{habit.seed}:{habit.name}:{day}")
    at, down, unseen = rng.randrange(60, DAY - 60), NEVER, NEVER
    if rng.random() < habit.fails:
        down = Stretch(at, min(DAY, at + rng.randint(2, habit.longest)))
    if habit.switch and rng.random() < 0.015:  # ends before any failure begins
        unseen = Stretch(rng.randrange(at // 2), at)
    return Day(down, unseen, habit.switch and rng.random() < 0.0005)


class Network:
    """What there is to be measured on each day; from the seed of the province."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def series(self, metric: str, day: date) -> Iterator[Series]:
        """The series of a metric on a day, none of a metric that nobody measures."""
        if metric == "wan_link_up":
            for level in LEVELS:
                for unit in self._province.open_on(level, day):
                    labels = {
                        "ma_don_vi": self.code(unit, day),
                        "duong_truyen": f"TSLCD-{unit.uid}",
                    }
                    yield Series(labels | OFFICER, day_of(self.link(unit), day).told)
            return
        owner = self._province.orgunits.owner(OWNER, day)
        labels = {"ma_don_vi": owner.code if owner else UNKNOWN, **OFFICER}
        if metric == "dc_service_up":
            for name in SERVICES:
                habit = Habit(name, self._province.seed, 0.04, 50)
                yield Series(labels | {"dich_vu": name}, day_of(habit, day).told)
        elif metric == "dc_vcpu_total":
            yield Series(labels, lambda start, end: Told(end - start, VCPU * (end - start), VCPU))
        elif metric == "dc_vcpu_used":
            yield Series(labels, lambda start, end: self.load(day, start, end))

    def link(self, unit: OrgUnit) -> Habit:
        """The link of an authority: those of the mountains fail more often."""
        ready = self._province.traits[unit.uid][1] if unit.level == "commune" else 1.2
        fails = 0.05 + 0.3 * max(0.0, 1.15 - ready)
        return Habit(unit.uid, self._province.seed, fails, 240, switch=True)

    def code(self, unit: OrgUnit, day: date) -> str:
        """The code that the label of a link says."""
        first, last = MISLABELLED
        rng = Random(f"nhan:{self._province.seed}:{unit.uid}:{day:%Y-%m}")
        return UNKNOWN if first <= day.day <= last and rng.random() < 0.01 else unit.code

    def load(self, day: date, start: int, end: int) -> Told:
        """Processors in use: more by day than by night, another number in each hour."""
        found = Told()
        for hour in range(start // 60, (end + 59) // 60):
            minutes = Stretch(hour * 60, hour * 60 + 60).within(start, end)
            busy = 0.42 + (0.24 if 7 <= hour < 17 and day.weekday() < 5 else 0.0)
            rng = Random(f"tai:{self._province.seed}:{day}:{hour}")
            used = float(round(VCPU * (busy + rng.uniform(-0.06, 0.06))))
            found.add(Told(minutes, used * minutes, used))
        return found


def make(place: Place) -> System:
    """The server behind its port."""
    return Door(Api(Network(place.province).series, place.now, KEPT).app(), place.port)
