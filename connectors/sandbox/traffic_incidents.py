"""The traffic control centre of the sample: incidents, page by page along links in the body."""

from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from random import Random

from connectors.sandbox.doors import Door
from connectors.sandbox.listing import Row, listing
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.place import Place, System
from ioc.period import LOCAL

BEGAN = date(2023, 3, 1)
YEARLY = 1_400  # at scale 1
KINDS = (("va-cham", 44), ("un-tac", 27), ("hong-xe", 14), ("ngap", 8), ("den-hong", 7))
GRAVE = (("nhe", 70), ("vua", 24), ("nang", 6))


class Centre:
    """Every incident up to now; a day is drawn once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._days: dict[date, list[Row]] = {}

    def rows(self) -> list[Row]:
        """All incidents that have begun, each as it stands, oldest change first."""
        now, day, found = self._place.now(), BEGAN, []
        while day <= now.astimezone(LOCAL).date():
            if day not in self._days:
                self._days[day] = self._drawn(day)
            found += [_standing(row, now) for row in self._days[day] if row["batDau"] <= now]
            day += timedelta(days=1)
        return sorted(found, key=lambda row: (row["capNhat"], row["maSuCo"]))

    def _drawn(self, day: date) -> list[Row]:
        province = self._place.province
        rng = Random(f"traffic:{province.seed}:{day}")
        expected = YEARLY * province.scale / 365
        communes = province.open_on("commune", day)
        sizes = [province.traits[one.uid][0] for one in communes]
        begin = datetime.combine(day, time(), LOCAL).astimezone(UTC)
        found = []
        for i in range(int(expected) + (rng.random() < expected % 1)):
            unit = rng.choices(communes, sizes)[0]
            start = begin + timedelta(minutes=min(1439, max(0, round(rng.gauss(870, 260)))))
            kind, grave = (
                rng.choices([n for n, _ in t], [w for _, w in t])[0] for t in (KINDS, GRAVE)
            )
            minutes = rng.lognormvariate(3.7, 0.7) * 0.93 ** (day.year - BEGAN.year)
            found.append({
                "maSuCo": f"GT-{day:%Y%m%d}-{i:03d}", "maXa": unit.code, "loai": kind, "muc": grave,
                "batDau": start, "han": start + timedelta(hours=1),
                "ketThuc": start + timedelta(minutes=minutes),
                "viDo": f"{(unit.lat or 17.5) + rng.uniform(-0.02, 0.02):.5f}",
                "kinhDo": f"{(unit.lon or 106.4) + rng.uniform(-0.02, 0.02):.5f}",
            })  # fmt: skip
        return found


def _standing(row: Row, now: datetime) -> Row:
    """An incident as the centre tells it at an instant."""
    over = row["ketThuc"] <= now
    return row | {
        "batDau": row["batDau"].isoformat(),
        "han": row["han"].isoformat(),
        "ketThuc": row["ketThuc"].isoformat(timespec="seconds") if over else None,
        "trangThai": "đã xử lý" if over else "đang xử lý",
        "capNhat": (row["ketThuc"] if over else row["batDau"]).isoformat(timespec="seconds"),
        "bienSo": "73A-000.00",
        "laiXe": "MAU. Nguyễn Văn Lái",
        "ghiChu": SAMPLE,
    }


def make(place: Place) -> System:
    """The centre behind its port."""
    app = listing("/api/su-co", partial(Centre.rows, Centre(place)), "link", "capNhat", place.now)
    return Door(app, place.port)
