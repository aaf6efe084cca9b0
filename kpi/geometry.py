"""Where the org units lie: map layers by date, the built-in schematic or imported boundaries.

The schematic outlives every reform: it carries the eight former district areas, and the
districts themselves for dates on which they still existed.
"""

import json
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from hashlib import sha256
from pathlib import Path

import sqlalchemy as sa

from ioc.model import Level, OrgUnit
from ioc.period import date_of, day_number
from ioc.principal import Principal
from kpi import schema
from kpi.scope import UnknownFilter, entitled, reads_all
from kpi.store import KpiStore

SCHEMATIC = Path(__file__).parent / "geo" / "schematic.geojson"
LAST_DISTRICTS = date(2025, 6, 30)
BUILT_IN: dict[str, tuple[Level, str, date | None]] = {
    "areas": ("area", "Sơ đồ các địa bàn", None),
    "districts": ("district", "Sơ đồ các huyện", LAST_DISTRICTS),
}
_table = schema.map_layer


@dataclass(frozen=True, slots=True)
class Layer:
    """One set of polygons of one level; valid on both dates given, open where None."""

    id: str
    level: Level
    name: str
    valid_from: date | None
    valid_to: date | None
    source: str
    licence: str
    schematic: bool
    hash: str


def layers(store: KpiStore, who: Principal, on: date) -> list[Layer]:
    """The best layer of each level on a date: an imported one before the built-in schematic.

    Among imported ones the one that begins latest, then the one imported last. A level without
    polygons on that date has no row. ``hash`` is another for each scope, for so are the polygons.
    """
    who = entitled(who, None)
    t, day = _table, day_number(on)
    valid = sa.and_(
        sa.func.coalesce(t.c.valid_from, day) <= day, sa.func.coalesce(t.c.valid_to, day) >= day
    )
    order = (sa.func.coalesce(t.c.valid_from, -(10**9)), t.c.imported_at, t.c.layer)
    with store.read() as connection:
        imported = connection.execute(
            sa.select(*(c for c in t.c if c.name != "features")).where(valid).order_by(*order)
        ).all()
    built_in = [one for one in _built_in(store) if one.valid_to is None or on <= one.valid_to]
    best = {layer.level: layer for layer in built_in + [_layer(row) for row in imported]}
    if reads_all(store, who):
        return list(best.values())
    return [replace(layer, hash=f"{layer.hash}-{who.scope}") for layer in best.values()]


def features(store: KpiStore, who: Principal, layer_id: str) -> bytes:
    """The GeoJSON of a layer: feature ids are uids, properties uid, code and name (WGS84).

    Only the polygons of org units in ``who``'s scope.

    Raises:
        UnknownFilter: no such layer.
    """
    who = entitled(who, None)
    body = _features(store, layer_id)
    if reads_all(store, who):
        return body
    drawn = json.loads(body)["features"]
    return collection([one for one in drawn if who.may_read(one["id"], store.orgunits)])


def _features(store: KpiStore, layer_id: str) -> bytes:
    for layer in _built_in(store):
        if layer.id == layer_id:
            return _schematic(tuple(_units(store, layer.level)))
    with store.read() as connection:
        text = connection.scalar(sa.select(_table.c.features).where(_table.c.layer == layer_id))
    if text is None:
        raise UnknownFilter(f"không có lớp bản đồ {layer_id!r}")
    return text.encode()


def _layer(row: sa.Row) -> Layer:
    since, until = (None if day is None else date_of(day) for day in (row.valid_from, row.valid_to))
    return Layer(
        row.layer, row.level, row.name, since, until, row.source, row.licence, False, row.hash
    )


def _built_in(store: KpiStore) -> list[Layer]:
    return [
        Layer(
            id,
            level,
            name,
            None,
            until,
            "Dựng từ vị trí các xã và đường bao tỉnh của bộ dữ liệu bản đồ ECharts",
            "ODbL 1.0",
            True,
            sha256(_schematic(tuple(_units(store, level)))).hexdigest(),
        )
        for id, (level, name, until) in BUILT_IN.items()
    ]


def _units(store: KpiStore, level: Level) -> list[OrgUnit]:
    return store.orgunits.open_on(LAST_DISTRICTS, [level])


@cache
def _schematic(units: tuple[OrgUnit, ...]) -> bytes:
    """The schematic with its polygons named by the units that lie there."""
    by_area = {unit.uid if unit.level == "area" else unit.area: unit for unit in units}
    drawn = []
    for feature in json.loads(SCHEMATIC.read_text(encoding="utf-8"))["features"]:
        unit = by_area.get(f"area-{feature['id']}")
        if unit is not None:
            drawn.append(feature_of(unit, feature["geometry"]))
    return collection(drawn)


def feature_of(unit: OrgUnit, geometry: dict) -> dict:
    """One polygon as every layer carries it."""
    return {
        "type": "Feature",
        "id": unit.uid,
        "properties": {"uid": unit.uid, "code": unit.code, "name": unit.name},
        "geometry": geometry,
    }


def collection(drawn: list[dict]) -> bytes:
    """The bytes of a layer; equal polygons give equal bytes."""
    whole = {"type": "FeatureCollection", "features": drawn}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()
