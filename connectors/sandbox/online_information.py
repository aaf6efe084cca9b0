"""The monitor of online information of the sample: mentions by topic and tone, as an Atom feed.

An entry says in its categories which topic, which tone, which kind of outlet and which department
or commune is concerned, and whether it was answered. Its title, text, link and author are what
such a monitor also knows; they stand there to be left where they are.
"""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from connectors.sandbox.atom import Told, feed, stamp
from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from ioc.period import LOCAL

BEGAN = date(2022, 7, 1)
YEARLY = 2_400  # at scale 1
TOPICS = (
    "dat-dai",
    "moi-truong",
    "giao-thong",
    "y-te",
    "giao-duc",
    "thu-tuc",
    "du-lich",
    "an-ninh",
)
TONES = (("tich-cuc", 41), ("trung-tinh", 36), ("tieu-cuc", 23))
OUTLETS = (("mang-xa-hoi", 61), ("bao-dien-tu", 27), ("dien-dan", 12))
DUE = timedelta(hours=24)
STRANGE = "QB-KHAC"  # what some clerks wrote until 2024 where they did not know whose it was


class Mention(NamedTuple):
    """One mention; ``answered`` is None where nobody need answer."""

    key: str
    unit: str
    topic: str
    tone: str
    outlet: str
    at: datetime
    answered: datetime | None


class Monitor:
    """Every mention up to now; a day is drawn once."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self._days: dict[date, list[Mention]] = {}

    def mentions(self) -> list[Mention]:
        """All that have appeared, oldest first."""
        now = self._now()
        day, found = BEGAN, []
        while day <= now.astimezone(LOCAL).date():
            if day not in self._days:
                self._days[day] = self._drawn(day)
            found += [one for one in self._days[day] if one.at <= now]
            day += timedelta(days=1)
        return sorted(found, key=lambda one: one.at)

    def told(self) -> list[Told]:
        """The entries of the feed, newest change first."""
        now = self._now()
        found = []
        for one in self.mentions():
            done = one.answered is not None and one.answered <= now
            found.append((one.answered if done and one.answered else one.at, one, done))
        found.sort(key=lambda row: (row[0], row[1].key), reverse=True)
        return [(at, entry(one, at, done=done)) for at, one, done in found]

    def _drawn(self, day: date) -> list[Mention]:
        rng = Random(f"mentions:{self._province.seed}:{day}")
        expected = YEARLY * self._province.scale / 365
        count = int(expected) + (rng.random() < expected % 1)
        units = [
            *self._province.open_on("department", day),
            *self._province.open_on("commune", day),
        ]
        begin = datetime.combine(day, time(), LOCAL).astimezone(UTC)
        return [self._mention(rng, begin, [unit.code for unit in units], i) for i in range(count)]

    def _mention(self, rng: Random, begin: datetime, codes: list[str], i: int) -> Mention:
        at = begin + timedelta(seconds=rng.randrange(86_400))
        tone, outlet = (
            rng.choices([name for name, _ in table], [weight for _, weight in table])[0]
            for table in (TONES, OUTLETS)
        )
        hours = rng.lognormvariate(2.5, 0.8) * 0.9 ** (at.year - BEGAN.year)
        nobody = at.year < 2024 and rng.random() < 1 / 150
        unit, topic = STRANGE if nobody else rng.choice(codes), rng.choice(TOPICS)
        answered = at + timedelta(hours=hours) if tone == "tieu-cuc" else None
        key = f"TIN-{begin.astimezone(LOCAL):%Y%m%d}-{i:03d}"
        return Mention(key, unit, topic, tone, outlet, at, answered)


def entry(one: Mention, changed: datetime, *, done: bool) -> str:
    """The Atom entry of a mention as it stands."""
    state = "khong-can" if one.answered is None else "da-phan-hoi" if done else "cho-phan-hoi"
    words = {"chu-de": one.topic, "sac-thai": one.tone, "kenh": one.outlet, "don-vi": one.unit}
    words |= {"tinh-trang": state}
    if one.answered is not None:
        words |= {"han": stamp(one.at + DUE)} | ({"phan-hoi-luc": stamp(changed)} if done else {})
    tags = "".join(
        f"<category scheme='urn:du-lieu-mau:{scheme}' term={quoteattr(term)}/>"
        for scheme, term in words.items()
    )
    return (
        f"<entry><id>urn:tin:{one.key}</id><title>{SAMPLE}: bà Nguyễn Thị Mẫu bức xúc</title>"
        "<author><name>Trần Văn Đăng</name></author><link href='https://mang.example/bai/1'/>"
        f"<published>{stamp(one.at)}</published><updated>{stamp(changed)}</updated>{tags}"
        "<summary>Liên hệ 0912345678, nguyenthimau@example.com</summary></entry>"
    )


def make(place: Place) -> System:
    """The monitor's feed behind its port."""
    return Door(feed("Thông tin trên môi trường mạng", Monitor(place).told), place.port)
