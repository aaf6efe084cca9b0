"""The map: classes that keep their meaning, boundaries of the date, layers with a hash."""

import gzip
from datetime import date
from hashlib import sha256
from itertools import combinations, pairwise
from math import dist
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from dash import no_update

import app as program
from ioc.model import Record
from ioc.period import day_number
from ioc.principal import Principal
from ioc.rule import Rule, parse_rule
from ioc.settings import Settings
from kpi import health, query, schema
from layouts import map as page
from layouts import mapcases, maps, theme
from layouts.mapview import look
from layouts.slots import changed, marks
from layouts.web import guard
from tests.test_pages import Reader, classes, having, one, walk, words
from tests.test_theme import SIGHT, lab
from tests.worlds import DOSSIERS, SOURCES, STAFF, World, at, dossiers, source

pytest_plugins = ["tests.worlds"]
SIXTY = Rule(">=", 60)
HERE = "http://127.0.0.1"
DAY = "2026-11-02"


@pytest.fixture
def reader(sqlite_world: World, tmp_path: Any) -> Reader:
    """Two communes with dossiers this year, two districts with some before the reform."""
    world = sqlite_world.live()
    world.poll(
        DOSSIERS,
        dossiers("18880", DAY, 40, 38)
        + dossiers("18859", DAY, 40, 10)
        + dossiers("450", "2025-06-02", 40, 30)
        + dossiers("457", "2025-06-02", 10, 1),
    )
    world.forward(seconds=30)
    world.poll(DOSSIERS)
    world.poll(STAFF)
    return Reader(world, tmp_path)


def units(reader: Reader, **filters: Any) -> dict[str, list[str]]:
    """What the style functions read, by org unit."""
    return one(reader.see(page.layout, **filters), id="map-units").hideout["units"]


# --- classes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "rule", "name"),
    [
        (60, ">= 60", "met"),
        (60, "> 60", "near"),
        (59, ">= 60", "near"),
        (55, ">= 60", "mid"),
        (41, ">= 60", "mid"),
        (40, ">= 60", "far"),
        (0, ">= 60", "far"),
        (80, "range 80 100", "met"),
        (100, "range 80 100", "met"),
        (79, "range 80 100", "near"),
        (24, "qualitative", "q1"),
        (25, "qualitative", "q2"),
        (100, "qualitative", "q4"),
    ],
)
def test_a_class_is_the_distance_from_the_line_and_its_breaks_are_fixed(over, rule, name):
    assert maps.grade(over, 100, parse_rule(rule)) == name


def test_a_figure_just_under_the_line_is_not_met_however_it_would_be_rounded():
    assert maps.grade(5999, 10_000, SIXTY) == "near"
    assert maps.grade(4001, 5000, Rule(">", 80)) == "met"


@pytest.mark.parametrize(("over", "under"), [(None, 5), (float("nan"), 5), (3, None), (0, 0)])
def test_what_has_no_data_has_no_class(over, under):
    assert maps.grade(over, under, SIXTY) == maps.NONE


@pytest.mark.parametrize("rule", [SIXTY, Rule(">", 80), Rule(">=", 20), Rule("range", 80, 100)])
def test_every_class_stands_in_the_legend_with_its_numbers(rule):
    named = dict(maps.classes(rule))
    found = {maps.grade(over, 100, rule) for over in range(101)}
    assert found <= set(named)
    assert list(named) == ["far", "mid", "near", "met"]
    assert "-" not in "".join(named.values()).replace("–", "")  # no class below nothing


@pytest.mark.parametrize(
    "colours", [theme.MAP, theme.MAP_LIGHT, theme.MAP_SHARES, theme.MAP_SHARES_LIGHT]
)
def test_classes_are_told_apart_by_every_eye_and_in_grey(colours):
    lightness = [lab(colour, "normal")[0] for colour in colours.values()]
    steps = [after - before for before, after in pairwise(lightness)]
    assert all(step > 9 for step in steps) or all(step < -9 for step in steps)
    for one_, other in combinations(colours.values(), 2):
        assert min(dist(lab(one_, sight), lab(other, sight)) for sight in SIGHT) > 11


# --- what the map shows --------------------------------------------------------------------------


def test_one_org_unit_with_data_is_coloured_and_all_others_are_hatched(reader):
    found = units(reader)
    grades = {uid: cells[0] for uid, cells in found.items()}
    assert len(grades) == 41
    assert grades["commune-18880-2025-07-01"] == "met"
    assert grades["commune-18859-2025-07-01"] == "far"
    assert sorted(set(grades.values())) == ["far", "met", "none"]
    legend = one(reader.see(page.layout), id="map-legend")
    assert "chưa có số liệu 39" in words([legend])
    assert "đủ mức giao: từ 60 % 1" in words([legend])


def test_a_tooltip_says_name_counts_class_and_age_not_only_a_colour(reader):
    told = " ".join(units(reader)["commune-18859-2025-07-01"]).replace("\u00a0", " ")
    for part in ("Phường Đồng Sơn", "25,0 %", "10/40", "thiếu từ 20 điểm", "ghi nhận"):
        assert part in told or part == "Phường Đồng Sơn", told
    assert "chưa có số liệu" not in told


def test_counts_come_first_where_the_denominator_is_small(reader):
    rows = having(reader.see(page.layout, to="2025-06"), href="/org-unit/district-457-0000")
    assert words(rows).startswith("Huyện Lệ Thủy 1/10 10 %")


def test_a_map_on_which_nobody_has_data_is_all_hatch(reader):
    for filters in ({"to": "2024"}, {"indicator": "I03"}, {"indicator": "I03", "level": "area"}):
        assert {cells[0] for cells in units(reader, **filters).values()} == {"none"}


def test_equal_values_everywhere_are_one_class(reader):
    communes = reader.world.store.orgunits.population("commune", at(f"{DAY} 08:00").date())
    for unit in communes:
        if unit.code not in ("18880", "18859"):
            reader.world.poll(DOSSIERS, dossiers(unit.code, DAY, 4, 3))
    reader.world.forward(minutes=2)
    found = units(reader, to="2026-11")
    assert [cells[0] for cells in found.values()].count("met") == 40


# --- the date ------------------------------------------------------------------------------------


def test_the_map_follows_the_date(reader):
    before, after = (reader.see(page.layout, to=to) for to in ("2025-06", "2025-07"))
    assert set(one(before, id="map-units").hideout["units"]) >= {"district-450-0000"}
    assert "/geo/districts.json?h=" in one(before, id="map-units").url
    assert not having(before, id="map-outline")
    assert "đến 30/06/2025" in words(having(before, className="map-note"))
    points = one(after, id="map-units").data["features"]
    assert len(points) == 41
    assert set(one(after, id="map-units").hideout["units"]) == {point["id"] for point in points}
    assert "/geo/areas.json?h=" in one(after, id="map-outline").url
    note = words(having(after, className="map-note"))
    assert "30/06/2025" in note and "từ 01/07/2025" in note


def test_communes_of_former_times_are_circles_and_those_without_a_place_are_counted(reader):
    found = reader.see(page.layout, to="2025-06", level="commune")
    points, known = one(found, id="map-units"), 145
    assert len(points.hideout["units"]) == known
    lost = known - len(points.data["features"])
    assert (f"{lost} đơn vị chưa có vị trí" in words(found)) == (lost > 0)


def test_a_part_of_the_territory_shows_its_own_org_units_only(reader):
    found = reader.see(page.layout, org_unit="area-450")
    shown = one(found, id="map-units")
    inside = {point["id"] for point in shown.data["features"]}
    assert 1 < len(inside) < 10 and inside == set(shown.hideout["units"])
    assert one(found, id="map-map").bounds != maps.BOUNDS
    assert having(found, href="/map")[0].children == "Bản đồ"


def test_imported_communes_are_drawn_as_areas_and_the_missing_ones_are_counted(reader):
    """Real boundaries take the place of the circles; the badge then speaks of the outline only."""
    feature = {
        "type": "Feature", "id": "commune-18880-2025-07-01",
        "properties": {"uid": "commune-18880-2025-07-01", "code": "18880", "name": "x"},
        "geometry": {"type": "Point", "coordinates": [106.5, 17.4]},
    }  # fmt: skip
    drawn = orjson.dumps({"type": "FeatureCollection", "features": [feature]}).decode()
    with reader.world.store.write() as connection:
        connection.execute(
            sa.insert(schema.map_layer).values(
                layer="xa-2025", level="commune", name="Ranh giới xã", source="Sở NN&MT",
                valid_from=day_number(date(2025, 7, 1)), valid_to=None, licence="nội bộ",
                imported_at=1, hash=sha256(drawn.encode()).hexdigest(), features=drawn,
            )
        )  # fmt: skip
    try:
        found = reader.see(page.layout, to="2026")
        assert "/geo/xa-2025.json?h=" in one(found, id="map-units").url
        note = words(having(found, className="map-note"))
        assert "Ranh giới xã từ 01/07/2025" in note and "40 đơn vị chưa có vị trí" in note
        assert any("Sở NN&amp;MT" in str(getattr(p, "prefix", "")) for p in found)
        assert one(reader.see(page.layout, to="2025-06", level="commune"), id="map-units").data
    finally:
        with reader.world.store.write() as connection:
            connection.execute(sa.delete(schema.map_layer))


def test_areas_are_drawn_on_every_date(reader):
    for to in ("2025-06", "2026"):
        found = one(reader.see(page.layout, to=to, level="area"), id="map-units")
        assert "/geo/areas.json" in found.url
        assert len(found.hideout["units"]) == 8


@pytest.mark.parametrize(
    "given",
    [{"to": "2025-13"}, {"on": "hôm qua"}, {"indicator": "I99"}, {"org_unit": "x"},
     {"level": "district", "to": "2026"}, {"grain": "ytd"}, {"days": "8"},
     {"from": "2024", "to": "2025"}, {"as_of": "2025-01-01"}, {"frame": "then"}],
)  # fmt: skip
def test_a_filter_that_the_map_cannot_mean_is_refused_not_ignored(reader, given):
    with reader.request():
        assert look(given) is None
        assert not having(list(walk(page.layout(**given))), id="map-map")


def test_every_view_is_an_address_that_leads_back_to_it(reader):
    wanted = {"indicator": "I12a", "level": "area", "to": "2025-Q2", "state": "received"}
    with reader.request():
        view = look(wanted)
        assert view is not None
        assert view.address() == "/map?state=received&indicator=I12a&level=area&to=2025-Q2"
        address = dict(part.split("=") for part in view.address().split("?")[1].split("&"))
        assert look(address) == view
        assert look(view.given) == view


# --- list, files, refresh ------------------------------------------------------------------------


def test_the_list_has_every_org_unit_worst_first_and_the_silent_ones_last(reader):
    rows = one(reader.see(page.layout), id="map-list").children
    assert len(rows) == 41
    assert [row.href for row in rows[:2]] == [
        "/org-unit/commune-18859-2025-07-01",
        "/org-unit/commune-18880-2025-07-01",
    ]
    assert all("empty" in classes(row) for row in rows[2:])


def test_the_files_hold_the_rows_of_the_map(reader):
    links = [p.href for p in reader.see(page.layout) if ".csv" in str(getattr(p, "href", ""))]
    lines = reader.app.server.test_client().get(links[0], base_url=HERE).text.splitlines()
    assert len(lines) == 42


def test_a_refresh_without_news_sends_nothing_and_news_restyle_through_the_hideout(reader):
    with reader.request():
        view = look({})
        assert view is not None
        first = marks(page.pieces(view))
    with reader.request():
        shown = page.pieces(view)
        kept = changed(shown, marks(shown), page.PARTS, first)
    assert kept == [no_update] * len(page.PARTS)
    reader.world.poll(DOSSIERS, dossiers("18871", DAY, 40, 30))
    reader.world.forward(minutes=2)
    with reader.request():
        new = marks(page.pieces(view))
    assert {name for name in new if new[name] != first[name]} == {
        "head", "legend", "list", "hideout",
    }  # fmt: skip


# --- cases ---------------------------------------------------------------------------------------
REPORTS = source("field_reports", record="field_report")


def report(key: str, opened: str, due: str, **more: Any) -> Record:
    return Record(
        key, "field_report", "18880", at(opened), at(due), lat=17.4, lon=106.5, **more
    )  # fmt: skip


@pytest.fixture
def reported(reader: Reader) -> Reader:
    """Reports: overdue, in time, with a result, turned down, and one without a place."""
    health.publish_sources(reader.world.store, [*SOURCES, REPORTS])
    done = at(f"{DAY} 10:00")
    nowhere = report("e", f"{DAY} 08:00", "2027-01-01 08:00", state="received")
    nowhere.lat = nowhere.lon = None
    reader.world.poll(
        REPORTS,
        [
            report("a/b", "2026-08-01 08:00", "2026-08-05 08:00", state="in_progress"),
            report("b", f"{DAY} 08:00", "2027-01-01 08:00", state="received"),
            report("c", f"{DAY} 08:00", "2026-11-05 08:00", state="resolved", closed_at=done),
            report("d", f"{DAY} 08:00", "2026-11-05 08:00", state="rejected"),
            nowhere,
        ],
    )
    reader.world.forward(minutes=2)
    return reader


def pins(reader: Reader, **filters: Any) -> dict[str, str]:
    """How every pin of a map stands."""
    found = one(reader.see(page.layout, **filters), id="map-cases").data["features"]
    return {pin["id"].removeprefix("field_reports/"): pin["properties"]["look"] for pin in found}


def test_open_cases_with_a_place_are_pins_and_each_says_how_it_stands(reported):
    assert pins(reported) == {"a/b": "overdue", "b": "open"}
    found = one(reported.see(page.layout), id="map-cases").data["features"]
    late = next(pin for pin in found if pin["id"].endswith("a/b"))
    assert late["properties"]["href"] == "/record/field_reports/a%2Fb"
    assert late["properties"]["title"] == "Phản ánh hiện trường · đang xử lý · quá hạn"
    assert late["geometry"]["coordinates"] == [106.5, 17.4]
    assert "2 vụ việc trên bản đồ · 1 quá hạn" in reported.read(page.layout)


def test_figures_and_cases_past_their_limits_say_so_on_the_map(reported):
    assert "Số liệu đến" in reported.read(page.layout) and "Số cũ" not in reported.read(page.layout)
    reported.world.forward(hours=6)
    assert reported.read(page.layout).count("Số cũ") == 2
    assert "Số cũ" not in reported.read(page.layout, to="2025", org_unit="area-457")


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ({"days": "30"}, {"b": "open", "c": "closed", "d": "closed"}),
        ({"days": "30", "state": "resolved"}, {"c": "closed"}),
        ({"state": "rejected"}, {"d": "closed"}),
        ({"kind": "field_report"}, {"a/b": "overdue", "b": "open"}),
        ({"org_unit": "area-450"}, {"a/b": "overdue", "b": "open"}),
        ({"org_unit": "area-457"}, {}),
    ],
)
def test_the_cases_follow_the_filters_of_the_address(reported, filters, keys):
    assert pins(reported, **filters) == keys


def test_what_is_not_drawn_is_said(reported, monkeypatch):
    monkeypatch.setattr(mapcases, "MOST", 1)
    assert len(pins(reported, days="30")) == 1
    assert "2 vụ cũ hơn không vẽ" in reported.read(page.layout, days="30")


def test_only_a_change_among_the_cases_moves_the_pins(reported):
    with reported.request():
        view = look({})
        assert view is not None
        before = marks(page.pieces(view))
    reported.world.poll(DOSSIERS, dossiers("18871", DAY, 40, 30))
    reported.world.forward(minutes=2)
    with reported.request():
        assert marks(page.pieces(view))["cases"] == before["cases"]
    done = at(f"{DAY} 11:00")
    closed = report("b", f"{DAY} 08:00", "2027-01-01 08:00", state="resolved", closed_at=done)
    reported.world.poll(REPORTS, [closed])
    reported.world.forward(minutes=2)
    with reported.request():
        assert marks(page.pieces(view))["cases"] != before["cases"]


# --- layers --------------------------------------------------------------------------------------


def test_the_ids_of_the_features_are_the_org_units_of_the_map(reader):
    client = reader.app.server.test_client()
    for level, to in (("district", "2025-06"), ("area", "2026")):
        found = one(reader.see(page.layout, to=to, level=level), id="map-units")
        drawn = orjson.loads(client.get(found.url, base_url=HERE).data)
        assert {each["id"] for each in drawn["features"]} == set(found.hideout["units"])


def test_a_layer_with_its_hash_is_kept_for_a_year_and_asked_again_costs_nothing(reader):
    client = reader.app.server.test_client()
    layer = query.layers(
        reader.world.store, Principal.local_admin(), at("2026-01-01 08:00").date()
    )[0]
    accepted = {"Accept-Encoding": "gzip"}
    first = client.get(maps.url(layer), base_url=HERE, headers=accepted)
    assert "max-age=31536000" in first.headers["Cache-Control"]
    assert first.headers["Content-Encoding"] == "gzip"
    assert len(first.data) < 500_000
    assert len(orjson.loads(gzip.decompress(first.data))["features"]) == 8
    known = {"If-None-Match": first.headers["ETag"], **accepted}
    again = client.get(maps.url(layer), base_url=HERE, headers=known)
    assert (again.status_code, again.data) == (304, b"")
    plain = client.get(f"/geo/{layer.id}.json?h=0", base_url=HERE)
    assert plain.headers["Cache-Control"] == "no-cache"


def test_an_unknown_layer_is_a_problem_in_vietnamese(reader):
    for accepted in ("application/json", "text/html"):
        answer = reader.app.server.test_client().get(
            "/geo/nowhere.json", base_url=HERE, headers={"Accept": accepted}
        )
        assert answer.status_code == 404
        assert answer.mimetype == "application/problem+json"
        assert "lớp bản đồ" in answer.json["detail"].lower()


def test_tiles_come_from_nowhere_unless_a_deployment_names_a_place(reader, tmp_path):
    policy = reader.app.server.test_client().get("/healthz", base_url=HERE).headers
    assert "img-src 'self' data: blob:;" in policy["Content-Security-Policy"]
    assert guard.tiles("https://{s}.tiles.example/{z}/{x}/{y}.png") == " https://*.tiles.example"
    assert guard.tiles("") == ""
    assert not [p for p in reader.see(page.layout) if type(p).__name__ == "TileLayer"]
    address = "https://tiles.example/{z}/{x}/{y}.png"
    settings = Settings(
        data=tmp_path, database_url=reader.world.store.url, tile_url=address
    )  # fmt: skip
    reader.app = program.create_app(settings, reader.world.store)
    (tiles,) = (p for p in reader.see(page.layout) if type(p).__name__ == "TileLayer")
    assert tiles.url == address
    answer = reader.app.server.test_client().get("/healthz", base_url=HERE)
    assert "blob: https://tiles.example;" in answer.headers["Content-Security-Policy"]
