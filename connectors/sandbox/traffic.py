"""Traffic counters (Giám sát điều hành giao thông): gateways that publish over MQTT 3.1.1.

Wire format: topic ``giaothong/<mã xã>/tong``, retained, QoS 1, every ten minutes a JSON object
    {id, maXa, ngay, thoiDiem, soXe, thietBi, hoatDong, vanTocTB, nguoiTruc, soDienThoai, ghiChu}
``soXe`` is the running total of the local day, ``hoatDong`` of ``thietBi`` devices are up. A
message may come twice. A session that first subscribes finds the last sixty days in its queue: the
closing message of each commune and day, and today's newest; before that nothing was joined up.
Some messages are faulty: without a commune, with more devices up than there are, no JSON; and a
counter that was taken down has left its last value retained.
"""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from threading import Lock
from typing import Any

from connectors.sandbox.broker import Broker
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.packets import Published
from connectors.sandbox.place import Place
from ioc.model import OrgUnit
from ioc.period import LOCAL, date_of, day_number, day_of, instant_of

USER, PASSWORD = "du-lieu-mau", "du-lieu-mau-khong-bi-mat"  # sample values, for a loopback port
KEPT_DAYS = 60
JOINED = 24  # communes with counters
SLOT = timedelta(minutes=10)
SLOTS = 144
_HOURS = (  # share of a day's vehicles that has passed by the end of each hour
    0.005, 0.008, 0.01, 0.014, 0.03, 0.075, 0.16, 0.25, 0.31, 0.36, 0.41, 0.47, 0.52, 0.57, 0.62,
    0.68, 0.77, 0.85, 0.9, 0.935, 0.96, 0.98, 0.993, 1.0,
)  # fmt: skip

Row = dict[str, Any]


class Gateways:
    """What the gateways of all communes say, from a seed and a clock."""

    def __init__(self, place: Place) -> None:
        self._seed, self._province = place.province.seed, place.province
        communes = place.province.open_on("commune", date_of(day_of(place.now())))
        rng = Random(f"counters:{self._seed}")
        joined = rng.sample(communes, min(JOINED, len(communes)))
        self.communes = sorted(joined, key=lambda unit: unit.uid)

    def devices(self, commune: OrgUnit) -> int:
        """How many counters a commune has."""
        return Random(f"devices:{self._seed}:{commune.uid}").randint(2, 9)

    def row(self, commune: OrgUnit, day: int, slot: int) -> Row:
        """What a gateway says at the end of a slot of ten minutes (0 to 143) of a day."""
        rng = Random(f"traffic:{self._seed}:{commune.uid}:{day}")
        size = self._province.traits[commune.uid][0]
        weekday = 0.82 if (day + 3) % 7 == 6 else 1.0
        total = size * 55 * weekday * rng.uniform(0.85, 1.15)
        devices = self.devices(commune)
        down = Random(f"down:{self._seed}:{commune.uid}:{day}:{slot // 24}")
        up = sum(down.random() > 0.05 for _ in range(devices))
        at = instant_of(day) + (slot + 1) * SLOT - timedelta(seconds=1 + rng.randrange(50))
        return {
            "id": f"{commune.code}-{date_of(day):%Y%m%d}-{slot:03d}",
            "maXa": commune.code,
            "ngay": date_of(day).isoformat(),
            "thoiDiem": at.astimezone(LOCAL).isoformat(),
            "soXe": round(total * _passed(slot)),
            "thietBi": devices,
            "hoatDong": up,
            "vanTocTB": round(rng.uniform(28, 46), 1),
            "nguoiTruc": f"Người trực {SAMPLE} {commune.code[-2:]}",
            "soDienThoai": f"0000 000 {commune.code[-3:]}",
            "ghiChu": SAMPLE,
        }

    def between(self, since: datetime, until: datetime) -> Iterator[Published]:
        """What is published in (since, until], in order."""
        first, last = _slot_of(since), _slot_of(until)
        for number in range(first, last):
            day, slot = divmod(number, SLOTS)
            for commune in self.communes:
                if _is_open(commune, day):
                    yield from self._said(commune, day, slot)

    def backlog(self, now: datetime) -> Iterator[Published]:
        """The last message of each day, and the newest of today."""
        today, slot = divmod(_slot_of(now) - 1, SLOTS)
        for day in range(today - KEPT_DAYS, today + 1):
            for commune in self.communes:
                if _is_open(commune, day):
                    yield from self._said(commune, day, slot if day == today else SLOTS - 1)

    def left_behind(self, now: datetime) -> Published:
        """The last value of a counter that was taken down long ago."""
        commune = self.communes[0]
        row = self.row(commune, day_of(now) - 240, SLOTS - 1)
        return _published(f"giaothong/{commune.code}-cu/tong", row)

    def _said(self, commune: OrgUnit, day: int, slot: int) -> Iterator[Published]:
        """A message, sometimes twice, and the faulty ones of this moment."""
        row, topic = self.row(commune, day, slot), f"giaothong/{commune.code}/tong"
        chance = Random(f"fault:{self._seed}:{commune.uid}:{day}:{slot}").random()
        if chance < 0.002 and slot < SLOTS - 1:  # put right by the next one
            row |= {"hoatDong": row["thietBi"] + 1}
        elif chance < 0.004:
            yield _published(topic, row | {"id": f"{row['id']}-a", "maXa": ""})
        elif chance < 0.005:
            yield Published(topic, f"{SAMPLE}: soXe=12;".encode())
        yield _published(topic, row)
        if chance > 0.98:
            yield _published(topic, row)


class Traffic:
    """The broker and the gateways that publish to it."""

    def __init__(self, place: Place) -> None:
        self._gateways, self._now = Gateways(place), place.now
        self._told, self._lock, self._is_new = place.now(), Lock(), True
        self._broker = Broker(
            place.port, (USER, PASSWORD), lambda: self._gateways.backlog(self._now())
        )

    @property
    def port(self) -> int | None:
        return self._broker.port

    @property
    def is_open(self) -> bool:
        return self._broker.is_open

    async def open(self) -> None:
        await self._broker.open()
        if self._is_new:
            self._broker.publish(self._gateways.left_behind(self._now()))
            self._is_new = False
        await asyncio.to_thread(self.tend, self._now())

    async def close(self) -> None:
        await self._broker.close()

    def tend(self, now: datetime) -> None:
        """Publish what has come due; gateways keep what they could not send while we were away."""
        with self._lock:
            if not self.is_open or now <= self._told:
                return
            since = max(self._told, now - timedelta(days=KEPT_DAYS))
            for message in self._gateways.between(since, now):
                self._broker.publish(message)
            self._told = now


def _published(topic: str, row: Row) -> Published:
    return Published(topic, json.dumps(row, ensure_ascii=False).encode(), retain=True)


def _passed(slot: int) -> float:
    """The share of a day's vehicles that has passed by the end of a slot."""
    hour, part = divmod(slot + 1, 6)
    before = _HOURS[hour - 1] if hour else 0.0
    return before if not part else before + (_HOURS[hour] - before) * part / 6


def _slot_of(at: datetime) -> int:
    """How many slots have ended by an instant, since 1970."""
    return day_of(at) * SLOTS + (at - instant_of(day_of(at))) // SLOT


def _is_open(commune: OrgUnit, day: int) -> bool:
    return commune.opened is None or day_number(commune.opened) <= day


def make(place: Place) -> Traffic:
    """The counters behind their port."""
    return Traffic(place)
