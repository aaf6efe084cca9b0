"""Imports the boundaries of one level at one date: every polygon must prove which unit it is.

By code valid on the date, else by name with its accents; then its area and its place are held
against what the org units say of themselves. What does not fit is listed and refused.
"""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyproj
import shapely

from ioc.errors import IocError
from ioc.model import Level, OrgUnit
from ioc.orgunits import OrgUnits, fold
from ioc.period import day_number
from kpi import boundaryfile, schema
from kpi.boundaryfile import Shape
from kpi.geometry import BUILT_IN, LAST_DISTRICTS, collection, feature_of
from kpi.schema import micros
from kpi.store import KpiStore

TOLERANCE = 0.05
"""How far an area may lie from the official one."""
FAR_AWAY = 0.1
"""Degrees (about 10 km) from its polygon at which a unit's point contradicts it."""
HEAVIEST = 500_000
DIGITS = 6  # of a degree: a tenth of a metre
COARSEST = 0.02
METRES = 111_000  # in one degree of latitude
LISTED = 20
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_EARTH = pyproj.Geod(ellps="WGS84")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintage:
    """What a file cannot say of itself; ``on``: the day on which codes and names are read."""

    level: Level
    on: date
    source: str
    licence: str
    layer: str = ""
    name: str = ""
    valid_from: date | None = None
    valid_to: date | None = None
    partial: bool = False
    force: bool = False


def import_boundaries(
    store: KpiStore,
    path: Path,
    vintage: Vintage,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    **how: str,
) -> Iterator[str]:
    """Read, check and store one layer in one transaction; says sentence by sentence what it did.

    ``how`` goes to ``boundaryfile.read``. A layer of the same id is replaced; others stay, so
    that two vintages stand side by side.

    Raises:
        IocError: the file or what it claims is refused; nothing is written.
    """
    drawn = boundaryfile.read(path, **how)
    yield f"Đã đọc {len(drawn.shapes)} hình, hệ tọa độ {drawn.crs}; sửa {drawn.mended} hình lỗi."
    placed, strange = match(store.orgunits, drawn.shapes, vintage)
    if strange:
        yield from _refused(strange, vintage.partial, "--partial", "để bỏ qua chúng")
    if not placed:
        raise IocError(
            f"{path.name}: không hình nào khớp với đơn vị nào ngày {vintage.on:%d/%m/%Y}"
        )
    doubtful = list(_doubts(store.orgunits, placed))
    if doubtful:
        yield from _refused(doubtful, vintage.force, "--force", "nếu chắc chắn tệp đúng")
    yield from _torn(placed)
    vintage = _dated([unit for unit, _ in placed], vintage)
    features, tolerance = simplified(placed)
    size = len(gzip.compress(features)) / 1000
    yield f"Giản lược {tolerance * METRES:.0f} m, {size:.0f} kB khi nén."
    stretch = _stretch(vintage.valid_from, vintage.valid_to)
    place = f"lớp {vintage.layer} ({len(placed)} đơn vị), hiệu lực {stretch}"
    if dry_run:
        yield f"Chạy thử, không ghi: {place}."
        return
    _save(store, vintage, features.decode(), now or datetime.now(UTC))
    yield f"Đã ghi {place}."


def match(
    tree: OrgUnits, shapes: Sequence[Shape], vintage: Vintage
) -> tuple[list[tuple[OrgUnit, Shape]], list[str]]:
    """The units that shapes prove to be, and all that finds no partner: on either side."""
    units = [u for u in tree.population(vintage.level, vintage.on) if u.area]
    kin = {unit: _kin(tree, unit) for unit in units}
    codes = {code: unit for unit in units for one in kin[unit] for code in (one.uid, one.code)}
    bearers = Counter(name for unit in units for name in _names(kin[unit]))
    names = {n: unit for unit in units for n in _names(kin[unit]) if bearers[n] == 1}
    found: dict[OrgUnit, list[Shape]] = {}
    strange = []
    for shape in shapes:
        unit = codes.get(shape.code) or names.get(shape.name.casefold())
        if unit is None:
            said = f"{shape.code} {shape.name}".strip()
            strange.append(f"hàng {shape.row}: không có đơn vị {said}")
        else:
            found.setdefault(unit, []).append(shape)
    for unit, claims in found.items():
        if len(claims) > 1:
            rows = ", ".join(str(shape.row) for shape in claims)
            strange.append(f"{unit.name} ({unit.code}) có {len(claims)} hình: hàng {rows}")
    strange += [f"{unit.name} ({unit.code}) không có hình" for unit in units if unit not in found]
    return [(unit, claims[0]) for unit, claims in found.items() if len(claims) == 1], strange


def _kin(tree: OrgUnits, unit: OrgUnit) -> list[OrgUnit]:
    """An area also answers to the code and name of the district that it was."""
    districts = tree.open_on(LAST_DISTRICTS, ["district"]) if unit.level == "area" else []
    return [unit, *(district for district in districts if district.area == unit.uid)]


def _names(kin: Sequence[OrgUnit]) -> set[str]:
    """With and without the word for its kind: ``phường đồng hới``, ``đồng hới``."""
    full = [(unit.name.casefold(), unit.unit_type.casefold()) for unit in kin]
    return {name for name, _ in full} | {name.removeprefix(word).strip() for name, word in full}


def simplified(placed: Sequence[tuple[OrgUnit, Shape]]) -> tuple[bytes, float]:
    """The layer's bytes, as fine as 500 kB allow; neighbours keep one border between them."""
    shapes = np.array([shape.geometry for _, shape in placed])
    tolerance = 0.0
    while tolerance <= COARSEST:
        lines = shapely.coverage_simplify(shapes, tolerance) if tolerance else shapes
        lines = shapely.transform(lines, lambda xy: np.round(xy, DIGITS))
        features = collection([
            feature_of(unit, json.loads(shapely.to_geojson(line)))
            for (unit, _), line in zip(placed, lines, strict=True)
        ])
        if len(gzip.compress(features)) <= HEAVIEST:
            return features, tolerance
        tolerance = tolerance * 2 or 0.00005
    raise IocError(f"không giản lược được xuống dưới {HEAVIEST // 1000} kB")


def _refused(found: list[str], allowed: bool, option: str, why: str) -> Iterator[str]:
    """List what does not fit; goes on only when the person has said so."""
    more = [f"… và {len(found) - LISTED} điều nữa"] if len(found) > LISTED else []
    text = "\n".join(f"  - {line}" for line in found[:LISTED] + more)
    if not allowed:
        raise IocError(f"{len(found)} điều không khớp, chưa ghi gì:\n{text}\nDùng {option} {why}.")
    yield f"Bỏ qua theo {option} {len(found)} điều không khớp:\n{text}"


def _doubts(tree: OrgUnits, placed: Sequence[tuple[OrgUnit, Shape]]) -> Iterator[str]:
    """Where a polygon contradicts what is known of its unit: its name, its size, its place."""
    for unit, shape in placed:
        said = fold(shape.name)
        if said and not any(fold(n) in said or said in fold(n) for n in _names(_kin(tree, unit))):
            yield f"hàng {shape.row}: mã của {unit.name} ({unit.code}) mà tên là {shape.name!r}"
        km2 = abs(_EARTH.geometry_area_perimeter(shape.geometry)[0]) / 1e6
        if unit.area_km2 and abs(km2 / unit.area_km2 - 1) > TOLERANCE:
            yield f"{unit.name}: hình rộng {km2:.2f} km², số đã biết là {unit.area_km2:.2f} km²"
        if unit.lat is not None and unit.lon is not None:
            point = shapely.Point(unit.lon, unit.lat)
            if shape.geometry.distance(point) > FAR_AWAY:
                yield f"{unit.name}: hình nằm cách vị trí đã biết hơn 10 km"


def _torn(placed: Sequence[tuple[OrgUnit, Shape]]) -> Iterator[str]:
    """A layer whose neighbours overlap or gape is taken as it is, and said to be so."""
    edges = shapely.coverage_invalid_edges(np.array([shape.geometry for _, shape in placed]))
    torn = [unit.name for (unit, _), edge in zip(placed, edges, strict=True) if not edge.is_empty]
    if torn:
        yield f"Chú ý: ranh giới chồng lấn hoặc hở ở {', '.join(torn)}."


def _dated(units: list[OrgUnit], vintage: Vintage) -> Vintage:
    """The dates given, within those between which all these units exist together."""
    since = max(filter(None, (vintage.valid_from, *(u.opened for u in units))), default=None)
    until = min(filter(None, (vintage.valid_to, *(u.closed for u in units))), default=None)
    if not (since or date.min) <= vintage.on <= (until or date.max):
        raise IocError(
            f"ngày {vintage.on:%d/%m/%Y} nằm ngoài hiệu lực {_stretch(since, until)} của lớp"
        )
    layer = vintage.layer or "-".join(filter(None, (vintage.level, str(since or ""))))
    if not _ID.fullmatch(layer) or layer in BUILT_IN:
        raise IocError(
            f"tên lớp {layer!r} phải gồm a-z, 0-9, gạch nối và khác {', '.join(BUILT_IN)}"
        )
    words = {"area": "các địa bàn", "district": "các huyện", "commune": "các xã, phường"}
    name = vintage.name or f"Ranh giới {words[vintage.level]}"
    return replace(vintage, valid_from=since, valid_to=until, layer=layer, name=name)


def _stretch(since: date | None, until: date | None) -> str:
    return " – ".join(f"{day:%d/%m/%Y}" if day else "…" for day in (since, until))


def _save(store: KpiStore, vintage: Vintage, features: str, now: datetime) -> None:
    t = schema.map_layer
    row = {
        "layer": vintage.layer,
        "level": vintage.level,
        "name": vintage.name,
        "valid_from": vintage.valid_from and day_number(vintage.valid_from),
        "valid_to": vintage.valid_to and day_number(vintage.valid_to),
        "source": vintage.source,
        "licence": vintage.licence,
        "imported_at": micros(now),
        "hash": sha256(features.encode()).hexdigest(),
        "features": features,
    }
    with store.write() as connection:
        connection.execute(t.delete().where(t.c.layer == vintage.layer))
        connection.execute(t.insert().values(row))
        store.touch(connection, ["map"])
