"""The public-order desk of the sample: incidents as CAP 1.2 alerts in a paged Atom feed.

Each incident is an entry whose alert is updated when the incident is over. It is due within a day
(``expires``). Each quarter an exercise is told in the same way, with a status that says so. The
alerts carry what such alerts carry: a headline, a description, a contact.
"""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import NamedTuple
from xml.sax.saxutils import escape

from connectors.sandbox.atom import Told, feed, stamp
from connectors.sandbox.doors import Door
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from ioc.model import OrgUnit
from ioc.period import LOCAL

CAP = "urn:oasis:names:tc:emergency:cap:1.2"
BEGAN = date(2022, 1, 1)
YEARLY = 760  # at scale 1
KINDS = (("gay-roi", 34), ("trom-cap", 27), ("lan-chiem-le-duong", 18), ("chay-no", 7),
         ("tu-tap-dua-xe", 14))  # fmt: skip
SEVERITIES = (("Minor", 52), ("Moderate", 33), ("Severe", 12), ("Extreme", 3))
DUE = timedelta(hours=24)
EXERCISE = "DIEN-TAP"


class Incident(NamedTuple):
    """One incident from its beginning to its end, which may be still to come."""

    key: str
    commune: OrgUnit
    kind: str
    severity: str
    sent: datetime
    over: datetime
    lat: float
    lon: float


class Desk:
    """Every incident up to now; a day is drawn once."""

    def __init__(self, place: Place) -> None:
        self._province, self._now = place.province, place.now
        self._days: dict[date, list[Incident]] = {}

    def incidents(self) -> list[Incident]:
        """All that have begun, oldest first."""
        now = self._now()
        day, found = BEGAN, []
        while day <= now.astimezone(LOCAL).date():
            if day not in self._days:
                self._days[day] = self._drawn(day)
            found += [one for one in self._days[day] if one.sent <= now]
            day += timedelta(days=1)
        return sorted(found, key=lambda one: one.sent)

    def told(self) -> list[Told]:
        """The entries of the feed, newest change first."""
        now = self._now()
        cases = self.incidents() + [one for one in self._exercises() if one.sent <= now]
        told = [(one.over if one.over <= now else one.sent, one) for one in cases]
        told.sort(key=lambda pair: (pair[0], pair[1].key), reverse=True)
        return [(at, entry(one, over=one.over <= now)) for at, one in told]

    def _exercises(self) -> list[Incident]:
        """The exercises of every quarter until this one, each in one commune."""
        today = self._now().astimezone(LOCAL).date()
        days = (date(y, m, 8) for y in range(BEGAN.year, today.year + 1) for m in (2, 5, 8, 11))
        return [self._exercise(day) for day in days if day <= today]

    def _exercise(self, day: date) -> Incident:
        rng = Random(f"exercise:{self._province.seed}:{day}")
        communes = self._province.open_on("commune", day)
        begin = datetime.combine(day, time(8), LOCAL).astimezone(UTC)
        drill = self._incident(rng, begin, communes, [1.0] * len(communes), 0)
        return drill._replace(
            key=f"{EXERCISE}-{day:%Y%m}",
            kind="chay-no",
            sent=begin,
            over=begin + timedelta(hours=3),
        )

    def _drawn(self, day: date) -> list[Incident]:
        rng = Random(f"order:{self._province.seed}:{day}")
        expected = YEARLY * self._province.scale / 365 * (1.6 if day.weekday() >= 5 else 0.8)
        count = int(expected) + (rng.random() < expected % 1)
        communes = self._province.open_on("commune", day)
        sizes = [self._province.traits[one.uid][0] for one in communes]
        begin = datetime.combine(day, time(), LOCAL).astimezone(UTC)
        return [self._incident(rng, begin, communes, sizes, i) for i in range(count)]

    def _incident(
        self, rng: Random, begin: datetime, communes: list[OrgUnit], sizes: list[float], i: int
    ) -> Incident:
        commune = rng.choices(communes, sizes)[0]
        sent = begin + timedelta(seconds=rng.randrange(86_400))
        hours = rng.lognormvariate(2.1, 0.9) * (0.93 ** (sent.year - BEGAN.year))
        kind, severity = (
            rng.choices([name for name, _ in table], [weight for _, weight in table])[0]
            for table in (KINDS, SEVERITIES)
        )
        lat, lon = (commune.lat or 17.5), (commune.lon or 106.4)
        return Incident(
            f"TTCC-{begin.astimezone(LOCAL):%Y%m%d}-{i:03d}", commune, kind, severity, sent,
            sent + timedelta(hours=hours),
            lat + rng.uniform(-0.02, 0.02), lon + rng.uniform(-0.02, 0.02),
        )  # fmt: skip


def entry(one: Incident, *, over: bool) -> str:
    """The Atom entry of an incident with its alert, as it stands."""
    changed = stamp(one.over if over else one.sent)
    first = f"<references>ttcc,{one.key},{stamp(one.sent)}</references>" if over else ""
    state = _named("parameter", "tinhTrang", "xong" if over else "mo")
    end = _named("parameter", "ketThuc", changed) if over else ""
    return (
        f"<entry><id>urn:ttcc:{one.key}</id><title>{SAMPLE}: tại nhà ông Nguyễn Văn Mẫu</title>"
        f"<author><name>MAU. Trần Văn Trực</name></author><published>{stamp(one.sent)}</published>"
        f"<updated>{changed}</updated><content type='application/cap+xml'><alert xmlns='{CAP}'>"
        f"<identifier>{one.key}{'-KT' if over else ''}</identifier><sender>ttcc</sender>"
        f"<sent>{changed}</sent>"
        f"<status>{'Exercise' if one.key.startswith(EXERCISE) else 'Actual'}</status>"
        f"<msgType>{'Update' if over else 'Alert'}</msgType>"
        f"<scope>Restricted</scope>{first}<info><category>Security</category>"
        f"<event>{escape(one.kind)}</event><urgency>Immediate</urgency>"
        f"<severity>{one.severity}</severity>"
        f"<certainty>Observed</certainty>{_named('eventCode', 'loai', one.kind)}"
        f"<onset>{stamp(one.sent)}</onset><expires>{stamp(one.sent + DUE)}</expires>"
        f"<headline>{SAMPLE}</headline><description>Gọi 0912345678 gặp bà Lê Thị Mẫu</description>"
        f"<contact>0912345678</contact>{state}{end}"
        f"<area><areaDesc>{escape(one.commune.name)}</areaDesc>"
        f"<circle>{one.lat:.5f},{one.lon:.5f} 0</circle>"
        f"{_named('geocode', 'maXa', one.commune.code)}"
        "</area></info></alert></content></entry>"
    )


def _named(tag: str, name: str, value: str) -> str:
    return f"<{tag}><valueName>{name}</valueName><value>{escape(value)}</value></{tag}>"


def make(place: Place) -> System:
    """The desk's feed behind its port."""
    return Door(feed("Vụ việc an ninh trật tự", Desk(place).told), place.port)
