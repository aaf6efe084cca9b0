"""A file of boundaries as its owner drew it, brought to WGS84: nothing of it is guessed.

GeoJSON, Shapefile (also zipped) and GeoPackage, in any reference system that PROJ can carry over
without a blind spot: a transverse Mercator without a datum would land 200 m off.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FieldError
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from ioc.errors import IocError

SUFFIXES = (".geojson", ".json", ".shp", ".zip", ".gpkg")
DRIVERS = ("GeoJSON", "ESRI Shapefile", "GPKG")
POLYGONS = ("Polygon", "MultiPolygon")
VIETNAM = (102.0, 8.0, 118.0, 24.0)
_MERIDIAN = re.compile(
    r"(?:VN-?2000)?[\s/]*(?:TM-?3)?\s*(\d{3})\s*[-°:]\s*(\d{2})'?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Shape:
    """One row of the file: its place there, code and name as written, polygons in WGS84."""

    row: int
    code: str
    name: str
    geometry: shapely.Geometry


@dataclass(frozen=True, slots=True)
class Drawn:
    """All rows of a file, the reference system they were in, and how many had to be mended."""

    shapes: list[Shape]
    crs: str
    mended: int


def read(
    path: Path,
    *,
    code_field: str = "",
    name_field: str = "",
    crs: str = "",
    table: str = "",
    encoding: str = "",
) -> Drawn:
    """The polygons of a file.

    Raises:
        IocError: says in Vietnamese why the file cannot be taken; nothing else leaves here.
    """
    meta, geometries, columns = _open(path, table, encoding)
    codes, names = (
        _column(columns, field, default)
        for field, default in ((code_field, "code"), (name_field, "name"))
    )
    if codes is None and names is None:
        raise IocError(
            f"{path.name}: không có cột code hay name; hãy cho --code-field hoặc --name-field,"
            f" các cột có trong tệp: {', '.join(columns) or 'không có'}"
        )
    _only_polygons(path, geometries)
    system = _system(path, crs, meta["crs"])
    mended = int((~shapely.is_valid(geometries)).sum())
    placed = _to_wgs84(path, geometries, system)
    _inside_vietnam(path, placed, system)
    whole = [_polygons(path, row, one) for row, one in enumerate(shapely.make_valid(placed), 1)]
    blank = [""] * len(whole)
    rows = zip(codes or blank, names or blank, whole, strict=True)
    return Drawn([Shape(i, *row) for i, row in enumerate(rows, 1)], system.name, mended)


def system_of(text: str) -> CRS:
    """``EPSG:9211``, ``9211``, ``VN-2000 / TM-3 106-00``, ``106-00`` or what else PROJ knows."""
    meridian = _MERIDIAN.fullmatch(text.strip())
    if meridian:
        text = "VN-2000 / TM-3 {}-{}".format(*meridian.groups())
    try:
        return CRS.from_user_input(int(text) if text.strip().isdecimal() else text)
    except CRSError as error:
        raise IocError(f"không biết hệ tọa độ {text!r}; ví dụ: EPSG:9211, 106-00") from error


def _open(path: Path, table: str, encoding: str) -> tuple[dict, np.ndarray, dict[str, Any]]:
    if path.suffix.lower() not in SUFFIXES:
        raise IocError(f"{path.name}: chỉ nhận {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise IocError(f"không có tệp {path}")
    try:
        tables = [str(name) for name, _ in pyogrio.list_layers(path)]
        if len(tables) > 1 and not table:
            raise IocError(
                f"{path.name} có nhiều bảng ({', '.join(tables)}): hãy chọn bằng --table"
            )
        chosen = {"layer": table or None, "encoding": encoding or None}
        if pyogrio.read_info(path, **chosen)["driver"] not in DRIVERS:
            raise IocError(f"{path.name}: không phải GeoJSON, Shapefile hay GeoPackage")
        meta, _, wkb, columns = pyogrio.raw.read(path, force_2d=True, **chosen)
    except (DataSourceError, DataLayerError, FieldError, UnicodeError, LookupError) as error:
        raise IocError(f"không đọc được {path.name}: {error}") from error
    if wkb is None or not len(wkb):
        raise IocError(f"{path.name} không có hình nào")
    return meta, shapely.from_wkb(wkb), dict(zip(meta["fields"], columns, strict=True))


def _column(columns: dict[str, Any], wanted: str, default: str) -> list[str] | None:
    """A column as text; the named one, or the one that carries the plain name."""
    found = [name for name in columns if name.lower() == (wanted or default).lower()]
    if not found:
        if wanted:
            raise IocError(f"không có cột {wanted!r}; các cột có: {', '.join(columns)}")
        return None
    return [_text(value) for value in columns[found[0]]]


def _text(value: object) -> str:
    """A cell as its owner meant it: a code that became a number is a code again."""
    if value is None or value != value:
        return ""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return " ".join(unicodedata.normalize("NFC", str(value)).split())


def _only_polygons(path: Path, geometries: np.ndarray) -> None:
    for row, one in enumerate(geometries, 1):
        if one is None or one.is_empty:
            raise IocError(f"{path.name}: hàng {row} không có hình")
        if one.geom_type not in POLYGONS:
            raise IocError(f"{path.name}: hàng {row} là {one.geom_type}, cần vùng (Polygon)")


def _system(path: Path, given: str, stated: str | None) -> CRS:
    if given:
        return system_of(given)
    if not stated:
        raise IocError(
            f"{path.name} không ghi hệ tọa độ: hãy cho --crs, ví dụ --crs EPSG:9211"
            " (VN-2000 kinh tuyến trục 106°00', Quảng Bình)"
        )
    return system_of(stated)


def _to_wgs84(path: Path, geometries: np.ndarray, system: CRS) -> np.ndarray:
    try:
        way = Transformer.from_crs(system, "EPSG:4326", always_xy=True, allow_ballpark=False)
    except ProjError as error:
        raise IocError(
            f"{path.name}: hệ tọa độ {system.name!r} thiếu tham số để chuyển về WGS84;"
            " hãy cho --crs, ví dụ --crs EPSG:9211"
        ) from error
    return shapely.transform(geometries, lambda xy: np.column_stack(way.transform(*xy.T)))


def _inside_vietnam(path: Path, placed: np.ndarray, system: CRS) -> None:
    west, south, east, north = VIETNAM
    for row, one in enumerate(placed, 1):
        x0, y0, x1, y1 = one.bounds
        if west <= x0 and x1 <= east and south <= y0 and y1 <= north:
            continue
        swapped = west <= y0 and y1 <= east and south <= x0 and x1 <= north
        hint = "hai trục có vẻ bị đổi chỗ" if swapped else "xem lại --crs và thứ tự hai trục"
        raise IocError(
            f"{path.name}: hàng {row} nằm ngoài Việt Nam khi đọc theo {system.name!r}; {hint}"
        )


def _polygons(path: Path, row: int, geometry: shapely.Geometry) -> shapely.Geometry:
    """What is left of a mended shape without the loose lines and points that mending leaves."""
    if geometry.geom_type in POLYGONS:
        return geometry
    parts = [part for part in shapely.get_parts(geometry) if part.geom_type in POLYGONS]
    if not parts:
        raise IocError(f"{path.name}: hàng {row} không có diện tích")
    return shapely.union_all(parts)
