"""Sector systems of the sample that answer REST, each in its own way, polled into a store."""

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args

import httpx2
import pytest
from starlette.testclient import TestClient

from connectors.sandbox import education, health_records, traffic_incidents
from connectors.sandbox.listing import Listing, Way
from ioc.orgunits import OrgUnits
from ioc.period import LOCAL, Period
from tests.rest_systems import Reader, ReaderOf, keeps_what_every_system_promises

pytest_plugins = ["tests.rest_systems"]
UNITS = OrgUnits.load()
BASIC = b64encode(f"{health_records.USER}:{health_records.WORD}".encode()).decode()
Rows = list[dict[str, Any]]

ASKED: dict[str, tuple[str, dict[str, Any]]] = {  # how each is asked by somebody else
    "education": ("/api/truong", {"headers": {"X-API-Key": education.KEY}}),
    "health": ("/api/dataValueSets.json", {"headers": {"Authorization": f"Basic {BASIC}"}}),
    "tourism": ("/thongke", {}),
    "traffic_incidents": ("/api/su-co", {"params": {"khoa": traffic_incidents.KEY}}),
    "stations": ("/collections/tram/items", {}),
}
SECRETS = {
    "education": "IOC_EDUCATION_KEY",
    "health": "IOC_HEALTH_PASSWORD",
    "traffic_incidents": "IOC_TRAFFIC_INCIDENTS_KEY",
}
FIGURES = {
    "education": {
        "schools_total": "soTruong",
        "schools_connected": "truongKetNoi",
        "pupils_total": "soHocSinh",
        "pupils_with_records": "hocBaSo",
    },
    "tourism": {
        "tourism_visitors": "luotKhach",
        "tourism_nights": "luotLuuTru",
        "tourism_sites": "diemDuLich",
        "tourism_sites_digital": "diemCoMa",
    },
}


def told(reader: Reader) -> Rows:
    """All that a system says, read page by page in its own way."""
    path, given = ASKED[reader.source.id]
    query = {"kichThuoc": "500"} | given.get("params", {})
    rest = {name: value for name, value in given.items() if name != "params"}
    return read(
        lambda query: httpx2.get(reader.source.url + path, params=query, timeout=30, **rest), query
    )


def read(ask: Callable[[dict[str, str]], Any], query: dict[str, str]) -> Rows:
    """The rows of all pages, the first of which is asked for with ``query``."""
    found: Rows = []
    for page in range(1, 1_000):
        reply = ask(query)
        said = reply.json()
        found += next(value for value in said.values() if isinstance(value, list))
        match said:
            case {"tongSo": total} | {"numberMatched": total} if len(found) < int(total):
                query = query | {"trang": str(page + 1), "batDau": str(len(found))}
            case {"lienKet": {"tiep": str(link)}}:
                query = query | {"sau": httpx2.URL(link).params["sau"]}
            case _ if "x-con-tro-tiep" in reply.headers:
                query = query | {"sau": reply.headers["x-con-tro-tiep"]}
            case _:
                return found
    raise AssertionError("endless")


def cell(code: str, period: str) -> tuple[str, str]:
    """Where a figure stands in the store: the uid of the org unit then, and the last day."""
    end = Period.parse(period).end
    return UNITS.resolve(code, end).uid, end.isoformat()


@pytest.fixture(scope="module")
def schools(reader_of: ReaderOf) -> Reader:
    return reader_of("education")


@pytest.fixture(scope="module")
def posts(reader_of: ReaderOf) -> Reader:
    return reader_of("health")


@pytest.fixture(scope="module")
def centre(reader_of: ReaderOf) -> Reader:
    return reader_of("traffic_incidents", 1.0)


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_the_store_holds_each_figure_of_the_system_as_it_stands(reader_of: ReaderOf, name: str):
    reader = reader_of(name)
    assert reader.runs[0]["outcome"] == "ok"
    for hours in (0, 31):
        reader.forward(hours=hours)
        run = reader.poll()
        assert run["outcome"] in ("ok", "empty")
        rows = [row for row in told(reader) if row["maXa"] != "99880"]
        for element, field in FIGURES[name].items():
            truth = {
                cell(row["maXa"], row.get("ngay") or row["thang"]): float(row[field])
                for row in rows
                if row.get(field) is not None
                and row.get("truongKetNoi", 0) <= row.get("soTruong", 0)
            }
            found = reader.observed(element)
            assert {key: found.get(key) for key in truth} == truth, element
            assert len(found) <= len(truth) + 60  # days that have left the system's window stay
        assert run["read"] < reader.runs[0]["read"] / 5  # what has changed, not everything
    assert any(run["changed"] for run in reader.runs)


def test_each_row_of_health_holds_one_value_of_one_element(posts: Reader):
    names = dict(
        zip(
            health_records.ELEMENTS,
            (
                "residents", "residents_with_health_record",
                "health_facilities", "health_facilities_linked",
            ),
            strict=True,
        )
    )  # fmt: skip
    for minutes in (0, 40):
        posts.forward(minutes=minutes)
        assert posts.poll()["outcome"] in ("ok", "empty")
        truth: dict[str, dict] = {element: {} for element in names.values()}
        for row in told(posts):
            if row["orgUnit"] in (None, "99901") or not row["value"].isdigit():
                continue
            where = cell(row["orgUnit"], f"{row['period'][:4]}-{row['period'][4:]}")
            truth[names[row["dataElement"]]][where] = float(row["value"])
        for element, cells in truth.items():
            found = posts.observed(element)
            # the other half of a pair that is told in words, or of an unknown unit, waits
            assert {key: cells[key] for key in found} == found, element
            assert len(cells) - len(found) <= 1
    assert posts.runs[-1]["changed"] > 0
    assert len(posts.rejections()) == 3


def test_in_the_first_months_a_commune_of_few_has_no_figure_and_the_province_has(posts: Reader):
    some = posts.values("E-HEA1", "2023-03", level="commune")
    hidden = some[some.reason == "suppressed"]
    assert 20 < len(hidden) < len(some) / 2
    assert hidden[["value", "numerator", "denominator"]].isna().all(axis=None)
    above = posts.value("E-HEA1", "2023-03")
    people = posts.observed("residents_with_health_record")
    assert above.numerator == sum(n for (_, day), n in people.items() if day == "2023-03-31")
    now = posts.values("E-HEA1", "2026-10", level="commune")
    assert set(now.reason) == {""} and now.value.between(60, 100).all()


def test_mountain_communes_are_behind_in_schools_and_a_faulty_row_says_why(schools: Reader):
    values = schools.values("E-EDU2", "2026-10", level="commune").set_index("code").value
    assert values["18904"] < values["18880"] - 5
    reasons = schools.rejections()  # of four readings of one row, and of a pair of another
    assert "99880" in reasons[0] and "lớn hơn mẫu số" in reasons[-1] and len(reasons) == 5


# --- records ------------------------------------------------------------------------------------


def as_stored(row: dict[str, Any]) -> tuple:
    times = (row["batDau"], row["han"], row["ketThuc"])
    micro = [round(datetime.fromisoformat(t).timestamp()) * 10**6 if t else None for t in times]
    place = [float(row[name]) if row[name] else None for name in ("viDo", "kinhDo")]
    state = {"đang xử lý": "in_progress", "đã xử lý": "resolved"}[row["trangThai"]]
    grave = {"nhe": "minor", "vua": "moderate", "nang": "severe"}[row["muc"]]
    day = datetime.fromisoformat(row["batDau"]).date()
    return (*micro, *place, state, grave, UNITS.resolve(row["maXa"], day).uid)


COLUMNS = "opened_at, due_at, closed_at, lat, lon, state, result, place"


def test_the_store_holds_each_incident_as_it_stands_however_many_moved_between_two_polls(
    centre: Reader,
):
    for minutes in (0, 7, 45, 600, 3_000):
        centre.forward(minutes=minutes)
        assert centre.poll()["outcome"] in ("ok", "empty")
        truth = told(centre)
        assert centre.records(COLUMNS) == sorted(map(as_stored, truth), key=repr)
    assert len(truth) > 1_500
    assert 0.01 < sum(not row["viDo"] for row in truth) / len(truth) < 0.06
    assert not centre.rejections()


def test_incidents_cleared_within_their_time_are_counted_from_their_records(centre: Reader):
    done = [row for row in told(centre) if (row["ketThuc"] or "")[:4] == "2025"]
    timely = [row for row in done if row["ketThuc"] <= row["han"]]
    assert centre.share("I10.2c", "2025") == (len(timely), len(done))
    assert 0.6 < len(timely) / len(done) < 0.95


def test_a_link_that_repeats_our_key_is_kept_without_it(centre: Reader):
    with centre.store.read() as connection:
        cursor = connection.exec_driver_sql("SELECT cursor FROM watermark").scalar()
    assert cursor.startswith("/api/su-co?") and "sau=" in cursor
    assert traffic_incidents.KEY not in cursor and "khoa" not in cursor


def test_the_store_holds_each_station_as_it_stands_and_counts_them_by_technology(
    reader_of: ReaderOf,
):
    register = reader_of("stations")
    states = {"phát sóng": "on_air", "bảo trì": "maintenance"}
    seen = set()
    for minutes in (0, 6, 12, 60):
        register.forward(minutes=minutes)
        assert register.poll()["outcome"] in ("ok", "empty")
        truth = told(register)
        told_of = [
            (
                round(datetime.fromisoformat(p["phatSong"]).timestamp()) * 10**6,
                *row["geometry"]["coordinates"][::-1],
                p["congNghe"].lower(),
                p["nhaMang"],
                states[p["trangThai"]],
            )
            for row in truth
            for p in [row["properties"]]
        ]
        assert register.records("opened_at, lat, lon, channel, category, state") == sorted(
            told_of, key=repr
        )
        seen |= {one[-1] for one in told_of}
    assert seen == {"on_air", "maintenance"} and len(truth) > 600
    new = [row["properties"] for row in truth if row["properties"]["phatSong"][:4] == "2025"]
    five = [one for one in new if one["congNghe"] == "5G"]
    assert register.share("I09c.1", "2025") == (len(five), len(new))
    assert five


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", get_args(Way))
@pytest.mark.parametrize("size", ["1", "2", "4", "5", "6"])
def test_all_pages_together_are_the_whole_also_of_rows_that_changed_at_one_instant(
    way: Way, size: str
):
    at = ("2026-11-01T08:00:00+07:00", "2026-11-01T09:00:00+07:00")
    rows = [{"ma": f"m{i}", "capNhat": at[i > 3]} for i in range(5)]
    listing = Listing("/hang", lambda: rows, way, "ma", lambda: datetime.now(LOCAL))
    client = TestClient(listing.app())
    assert read(lambda query: client.get("/hang", params=query), {"kichThuoc": size}) == rows
    later = {"kichThuoc": size, "capNhatTu": at[1]}
    assert read(lambda query: client.get("/hang", params=query), later) == rows[4:]


# --- promises -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_it_keeps_what_every_system_promises(
    reader_of: ReaderOf, monkeypatch: pytest.MonkeyPatch, name: str
):
    reader = reader_of(name, 1.0 if name == "traffic_incidents" else 0.2)
    keeps_what_every_system_promises(reader, monkeypatch, SECRETS[name], ASKED[name][0])


@pytest.mark.parametrize("name", ["tourism", "stations"])
def test_an_open_system_keeps_them_too(
    reader_of: ReaderOf, monkeypatch: pytest.MonkeyPatch, name: str
):
    keeps_what_every_system_promises(reader_of(name), monkeypatch, "", ASKED[name][0])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("education", {"trang": "x"}),
        ("education", {"kichThuoc": "-1"}),
        ("education", {"capNhatTu": "hom-qua"}),
        ("traffic_incidents", {"sau": "rác"}),
        ("stations", {"kichThuoc": "999999"}),
        ("tourism", {"batDau": "-3"}),
        ("health", {"lastUpdated": "2025"}),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(
    reader_of: ReaderOf, name: str, wrong: dict[str, str]
):
    path, given = ASKED[name]
    given = given | {"params": given.get("params", {}) | wrong}
    reader = reader_of(name, 1.0 if name == "traffic_incidents" else 0.2)
    assert httpx2.get(reader.source.url + path, **given).status_code == 400


def test_the_communes_of_a_day_are_those_that_exist_then(schools: Reader):
    counted = {month: set[str]() for month in ("2024-11", "2025-06", "2025-07")}
    for row in told(schools):
        if row["thang"] in counted:
            counted[row["thang"]].add(row["maXa"])
    assert [len(codes) for codes in counted.values()] == [151, 145, 41]
