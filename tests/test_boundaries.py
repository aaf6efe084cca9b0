"""Boundaries come in from files of three formats, prove which units they are, and follow dates."""

import gzip
import itertools
import json
import zipfile
from datetime import UTC, date, datetime

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer

import app as program
from ioc.errors import IocError
from ioc.principal import Principal
from kpi import boundaries, query
from kpi.boundaries import Vintage, import_boundaries
from kpi.geometry import SCHEMATIC

ADMIN = Principal.local_admin()
BEFORE, AFTER = date(2025, 6, 30), date(2025, 7, 1)
NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
TRULY = Vintage(level="district", on=date(2024, 1, 1), source="Sở TNMT", licence="CC BY 4.0")
VN2000 = "EPSG:9211"


def districts():
    """The codes, names and polygons that the product itself ships."""
    drawn = json.loads(SCHEMATIC.read_text(encoding="utf-8"))["features"]
    names = [(one["properties"]["code"], one["properties"]["name_vi"]) for one in drawn]
    polygons = [shapely.from_geojson(json.dumps(one["geometry"])) for one in drawn]
    return [code for code, _ in names], [name for _, name in names], np.array(polygons)


CODES, NAMES, POLYGONS = districts()


def in_system(shapes, crs):
    way = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    return shapely.transform(shapes, lambda xy: np.column_stack(way.transform(*xy.T)))


@pytest.fixture
def write(tmp_path):
    """A file as an owner would hand it over."""

    def written(name, *, codes=CODES, names=NAMES, shapes=POLYGONS, crs="EPSG:4326", **more):
        columns = {"code": codes, "name": names}
        kept = {field: cells for field, cells in columns.items() if cells is not None}
        path = tmp_path / name
        pyogrio.raw.write(
            path,
            shapely.to_wkb(np.array(shapes)),
            [np.array(cells, type(cells[0])) for cells in kept.values()],
            list(kept),
            crs=crs,
            geometry_type=more.pop("kind", "Polygon"),
            encoding="UTF-8",
            **more,
        )
        return path

    return written


@pytest.fixture
def told(sqlite_store):
    """What the import says to a person, from a store that the test can look into."""

    def tell(path, vintage=TRULY, **how):
        return "\n".join(import_boundaries(sqlite_store, path, vintage, now=NOW, **how))

    tell.store = sqlite_store
    return tell


def imported(store, on=BEFORE):
    return [layer for layer in query.layers(store, ADMIN, on) if not layer.schematic]


def drawn_in(store, layer):
    return json.loads(query.features(store, ADMIN, layer))["features"]


def refusal(told, path, vintage=TRULY, **how):
    with pytest.raises(IocError) as refused:
        told(path, vintage, **how)
    assert not imported(told.store), "a refusal writes nothing"
    return str(refused.value)


def test_the_schematic_shows_districts_while_they_exist_and_areas_always(sqlite_store):
    before, after = (
        {one.level: one for one in query.layers(sqlite_store, ADMIN, on)} for on in (BEFORE, AFTER)
    )
    assert set(before) == {"area", "district"} and set(after) == {"area"}
    assert all(one.schematic and one.licence == "ODbL 1.0" for one in before.values())
    for level, layer in before.items():
        uids = [feature["id"] for feature in drawn_in(sqlite_store, layer.id)]
        assert len(uids) == 8 and all(sqlite_store.orgunits[uid].level == level for uid in uids)
    with pytest.raises(query.UnknownFilter, match="nowhere"):
        query.features(sqlite_store, ADMIN, "nowhere")


def test_two_vintages_stand_side_by_side_and_the_map_follows_the_date(store, write):
    file, version = write("a.geojson"), store.version()
    old, new = date(2023, 1, 1), date(2024, 1, 1)
    for layer, since, until in (("old", None, date(2023, 12, 31)), ("new", new, None)):
        vintage = Vintage(
            level="district", on=since or old, source="Sở TNMT", licence="CC BY 4.0", layer=layer,
            valid_from=since, valid_to=until,
        )  # fmt: skip
        list(import_boundaries(store, file, vintage, now=NOW))
    assert [imported(store, on)[0].id for on in (old, new)] == ["old", "new"]
    kept = imported(store, new)[0]
    assert (kept.source, kept.licence, kept.valid_from) == ("Sở TNMT", "CC BY 4.0", new)
    assert kept.valid_to == BEFORE, "no layer outlives its units"
    assert not imported(store, AFTER) and len(kept.hash) == 64
    assert store.version() == version + 2, "open maps hear of it"
    list(import_boundaries(store, file, vintage, now=NOW))
    assert imported(store, new)[0].hash == kept.hash, "the same file is the same layer"
    first = drawn_in(store, "new")[0]
    properties = {"uid": "district-450-0000", "code": "450", "name": "Thành phố Đồng Hới"}
    assert (first["id"], first["properties"]) == ("district-450-0000", properties)


@pytest.mark.parametrize("name", ["a.geojson", "a.shp", "a.gpkg", "a.zip"])
def test_vn2000_comes_to_wgs84_within_a_metre_from_every_format(told, write, name):
    crs = "EPSG:4326" if name == "a.geojson" else VN2000
    path = write(name.replace("zip", "shp"), shapes=in_system(POLYGONS, crs), crs=crs)
    if name == "a.zip":
        parts = list(path.parent.glob("a.*"))
        with zipfile.ZipFile(path.with_suffix(".zip"), "w") as packed:
            for part in parts:
                packed.write(part, part.name)
        path = path.with_suffix(".zip")
    assert "Đã ghi lớp district" in told(path)
    for feature, truth in zip(drawn_in(told.store, "district"), POLYGONS, strict=True):
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert shapely.hausdorff_distance(shape, truth) * boundaries.METRES < 1


@pytest.mark.parametrize(
    "said", ["EPSG:9211", "9211", "VN-2000 / TM-3 106-00", "106-00", "106°00'"]
)
def test_a_file_without_a_system_is_taken_only_when_a_person_names_it(told, write, said):
    with pytest.warns(UserWarning, match="crs"):
        path = write("a.shp", shapes=in_system(POLYGONS, VN2000), crs=None)
    assert "--crs" in refusal(told, path)
    assert "TM-3 106-00" in told(path, crs=said)


def test_the_wrong_zone_the_wrong_order_and_a_blind_spot_are_noticed(told, write):
    projected = in_system(POLYGONS, VN2000)
    path = write("zone.gpkg", shapes=projected, crs="EPSG:9209")
    assert "cách vị trí đã biết hơn 10 km" in refusal(told, path)
    swapped = shapely.transform(POLYGONS, lambda xy: xy[:, ::-1])
    assert "hai trục có vẻ bị đổi chỗ" in refusal(told, write("swapped.geojson", shapes=swapped))
    assert "nằm ngoài Việt Nam" in refusal(told, write("metres.geojson", shapes=projected))
    blind = "+proj=tmerc +lat_0=0 +lon_0=106 +k=0.9999 +x_0=500000 +ellps=WGS84"
    assert "thiếu tham số" in refusal(told, write("a.gpkg", shapes=projected), crs=blind)
    assert "không biết hệ tọa độ" in refusal(told, write("b.gpkg"), crs="VN-1972")


def test_units_are_found_by_code_then_by_name_but_never_without_accents(told, write):
    by_number = write("n.gpkg", codes=None, names=["Đồng Hới".upper(), *NAMES[1:]])
    assert "(8 đơn vị)" in told(by_number, dry_run=True)
    assert not imported(told.store), "a rehearsal writes nothing"
    plain = write("p.gpkg", codes=None, names=["Thanh pho Dong Hoi", *NAMES[1:]])
    text = refusal(told, plain)
    assert "hàng 1: không có đơn vị Thanh pho Dong Hoi" in text
    assert "Thành phố Đồng Hới (450) không có hình" in text and "--partial" in text
    other = write("o.gpkg", names=["Huyện Hải Lăng", *NAMES[1:]])
    assert "hàng 1: mã của Thành phố Đồng Hới (450) mà tên là 'Huyện Hải Lăng'" in refusal(
        told, other
    )
    numbers = write("f.gpkg", codes=[float(code) for code in CODES], names=None)
    assert "(8 đơn vị)" in told(numbers, dry_run=True)


def test_areas_answer_to_the_code_and_name_of_the_district_that_they_were(told, write):
    areas = Vintage(level="area", on=AFTER, source="x", licence="y")
    assert "(8 đơn vị), hiệu lực … – …" in told(write("a.geojson"), areas)
    assert {layer.level: layer.id for layer in query.layers(told.store, ADMIN, AFTER)} == {
        "area": "area"
    }


def test_strangers_and_doubles_are_refused_and_left_out_only_on_demand(told, write):
    codes = ["450", "450", "999", *CODES[3:]]
    path = write("a.geojson", codes=codes, names=None)
    text = refusal(told, path)
    assert "hàng 3: không có đơn vị 999" in text and "(450) có 2 hình: hàng 1, 2" in text
    assert "(5 đơn vị)" in told(path, Vintage(**fields_of(TRULY), partial=True))


def fields_of(vintage):
    return {
        "level": vintage.level,
        "on": vintage.on,
        "source": vintage.source,
        "licence": vintage.licence,
    }


def test_an_area_more_than_five_in_a_hundred_off_is_refused_unless_forced(told, write):
    shapes = POLYGONS.copy()
    shapes[0] = shapely.affinity.scale(shapes[0], 0.95, 1)
    path = write("a.geojson", shapes=shapes)
    text = refusal(told, path)
    assert "Thành phố Đồng Hới: hình rộng 145.84 km², số đã biết là 155.87 km²" in text
    assert "Huyện" not in text, "the others are within the limit"
    said = told(path, Vintage(**fields_of(TRULY), force=True))
    assert "Bỏ qua theo --force" in said and "chồng lấn hoặc hở" in said


def test_broken_shapes_are_mended_and_counted(told, write):
    twisted = POLYGONS.copy()
    ring = twisted[0].exterior.coords[:]
    twisted[0] = shapely.Polygon([*ring[:-1], ring[3], ring[0]])
    assert not twisted[0].is_valid
    assert "sửa 1 hình lỗi" in told(write("a.geojson", shapes=twisted), force_all())
    shapes = [
        shapely.from_geojson(json.dumps(f["geometry"])) for f in drawn_in(told.store, "district")
    ]
    assert all(shape.is_valid for shape in shapes)


def force_all():
    return Vintage(**fields_of(TRULY), force=True)


def winding(ring, pieces=200):
    """A border with many bends, the same from whichever side it is walked."""
    for one, other in itertools.pairwise(ring):
        first, last = np.array(sorted((one, other)))
        along = np.linspace(0, 1, pieces)[:, None]
        across = np.array([first[1] - last[1], last[0] - first[0]])
        line = (
            first
            + along * (last - first)
            + np.sin(along * 3 * pieces) * across * along * (1 - along) / 200
        )
        yield from np.round(line if one < other else line[::-1], 7)


def test_a_heavy_file_becomes_light_and_neighbours_keep_one_border(told, write):
    fine = [shapely.Polygon(list(winding(shape.exterior.coords))) for shape in POLYGONS]
    assert shapely.coverage_is_valid(fine) and shapely.is_valid(fine).all()
    told(write("a.gpkg", shapes=fine))
    body = query.features(told.store, ADMIN, "district")
    assert 50_000 < len(gzip.compress(body)) <= boundaries.HEAVIEST
    shapes = [shapely.from_geojson(json.dumps(f["geometry"])) for f in json.loads(body)["features"]]
    assert shapely.coverage_is_valid(shapes), "no gap and no overlap between neighbours"


def test_what_cannot_be_read_is_refused_in_a_sentence(told, write, tmp_path):
    for name, text in (
        ("empty.geojson", ""),
        ("torn.geojson", '{"type": "FeatureColl'),
        ("a.gpkg", "?"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert f"không đọc được {name}" in refusal(told, tmp_path / name)
    (tmp_path / "none.json").write_text('{"type": "FeatureCollection", "features": []}')
    assert "không có hình nào" in refusal(told, tmp_path / "none.json")
    points = [shape.centroid for shape in POLYGONS]
    assert "hàng 1 là Point, cần vùng" in refusal(
        told, write("p.geojson", shapes=points, kind="Point")
    )
    assert "không có tệp" in refusal(told, tmp_path / "absent.gpkg")
    assert "chỉ nhận" in refusal(told, tmp_path / "boundaries.dwg")
    assert "hàng 1 không có hình" in refusal(told, write("n.geojson", shapes=[None, *POLYGONS[1:]]))
    assert "không có cột 'ma_xa'; các cột có: code, name" in refusal(
        told, write("c.geojson"), code_field="ma_xa"
    )
    assert "--code-field" in refusal(told, write("d.gpkg", codes=None, names=None))
    two = write("two.gpkg", layer="xa")
    write("two.gpkg", layer="huyen", append=True)
    assert "nhiều bảng (xa, huyen)" in refusal(told, two)
    assert "Đã ghi" in told(two, table="huyen")


def test_the_wrong_level_or_date_names_what_does_not_exist(told, write):
    path = write("a.geojson")
    text = refusal(told, path, Vintage(**fields_of(TRULY) | {"level": "commune"}))
    assert "hàng 8: không có đơn vị 458 Thị xã Ba Đồn" in text and "điều nữa" in text
    late = Vintage(**fields_of(TRULY) | {"on": AFTER}, partial=True)
    assert "không hình nào khớp với đơn vị nào ngày 01/07/2025" in refusal(told, path, late)
    beyond = Vintage(**fields_of(TRULY), valid_from=date(2024, 6, 1))
    assert "ngày 01/01/2024 nằm ngoài hiệu lực 01/06/2024 – 30/06/2025" in refusal(
        told, path, beyond
    )
    assert "khác areas, districts" in refusal(
        told, path, Vintage(**fields_of(TRULY), layer="areas")
    )


def test_the_command_needs_source_licence_and_date_and_ends_with_two_when_it_refuses(
    write, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("IOC_DATA", str(tmp_path / "data"))
    path = str(write("a.geojson", crs="EPSG:4326"))
    given = [
        "--level",
        "district",
        "--date",
        "2024-01-01",
        "--source",
        "Sở",
        "--licence",
        "ODbL 1.0",
    ]
    for left in range(2, len(given), 2):
        with pytest.raises(SystemExit) as stopped:
            program.main(["import-boundaries", path, *given[:left], *given[left + 2 :]])
        assert stopped.value.code == 2
    assert program.main(["import-boundaries", path, *given]) == 0
    assert "Đã ghi lớp district (8 đơn vị), hiệu lực … – 30/06/2025" in capsys.readouterr().out
    assert program.main(["import-boundaries", "/nowhere.zip", *given]) == 2
    assert "không có tệp /nowhere.zip" in capsys.readouterr().err
