"""/explore: its address is its whole state, its rows are those of the file, page by page."""

import csv
import io
import json
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import g
from sqlalchemy import text as sql

from ioc.errors import Forbidden
from ioc.period import Period
from ioc.principal import Principal
from layouts import explore, places, state
from layouts.explore import choices, drawing, paged, view
from layouts.web import parameters
from layouts.web.filters import WHOLE
from layouts.web.problems import Problem
from tests.test_pages import Reader, classes, having, walk, words
from tests.worlds import ADMIN, DOSSIERS, World, at, dossiers

pytest_plugins = ["tests.worlds"]
HERE = "http://127.0.0.1:8050"
COMMUNES = {"indicator": "I02b", "level": "commune", "from": "2025-01", "to": "2025-03"}


@pytest.fixture
def reader(sqlite_world: World, tmp_path: Any) -> Reader:
    """Dossiers of two communes in the first months of 2025, some online."""
    world = sqlite_world.live()
    world.now = at("2026-03-05T09:00")
    world.poll(DOSSIERS, [
        *dossiers("18880", "2025-01-10", 40, 10),
        *dossiers("18859", "2025-02-10", 20, 15),
    ])  # fmt: skip
    return Reader(world, tmp_path)


@contextmanager
def asking(reader: Reader, who: Principal = ADMIN) -> Any:
    """A request of somebody at the world's clock."""
    with reader.app.server.test_request_context("/", base_url=HERE):
        g.principal, g.now = who, reader.world.now
        yield


def asked(address: str) -> dict[str, str]:
    """What an address of the page says."""
    parts = urlsplit(address)
    assert parts.path == "/explore"
    return dict(parse_qsl(parts.query))


def file(reader: Reader, seen: Any) -> list[dict[str, str]]:
    """The rows of the file that the page offers."""
    links = [p.href for p in walk(seen) if "/values.csv" in str(getattr(p, "href", ""))]
    reply = reader.app.server.test_client().get(links[0], base_url=HERE)
    assert reply.status_code == 200, reply.text
    return list(csv.DictReader(io.StringIO(reply.data.decode("utf-8-sig"), newline="")))


# --- the address ---------------------------------------------------------------------------------


ADDRESSES = (
    {},
    {"indicator": "I02b"},
    {"indicator": "I02b,I03", "org_unit": "area-450,area-457", "sort": "period"},
    COMMUNES | {"sort": "high", "after": "100"},
    {"indicator": "I02b", "level": "area", "grain": "quarter", "from": "2024-Q2", "to": "2025-Q3",
     "view": "chart", "period": "2025-Q1"},
    {"indicator": "I02b", "level": "commune", "grain": "year", "from": "2025", "to": "2025",
     "frame": "today", "on": "2025-06-30", "view": "map"},
    {"indicator": "I02b", "grain": "ytd", "from": "2025-02", "to": "2025-09"},
    {"indicator": "I02b", "grain": "day", "from": "2025-02-03", "to": "2025-02-09"},
)  # fmt: skip


@pytest.mark.parametrize("given", ADDRESSES, ids=lambda one: "&".join(one.values()) or "nothing")
def test_an_address_gives_a_view_and_the_view_the_same_address(reader, given):
    with asking(reader):
        first = view.look(given)
        again = asked(first.address())
        assert view.look(again) == first
        assert again == given


def test_the_question_of_a_view_is_the_one_that_its_file_asks(reader):
    with asking(reader):
        for given in ADDRESSES[1:]:
            seen = view.look(given)
            theirs = {k.rstrip("_"): v for k, v in seen.question.items() if v}
            meant = view.read("values", theirs, state.desk().store, state.present())
            theirs = {k: v for k, v in meant.arguments.items() if v is not None}
            assert theirs == seen.arguments, given


def test_people_write_periods_as_they_speak(reader):
    said = {
        "6/2025": "2025-06", "tháng 6/2025": "2025-06", "30/6/2025": "2025-06-30",
        "quý 2/2025": "2025-Q2", "Quý II/2025": "2025-Q2", "q4/2024": "2024-Q4",
        "năm 2025": "2025", "2025": "2025", "2025-q1": "2025-Q1", "bao giờ": "bao giờ",
    }  # fmt: skip
    assert {text: view.written(text) for text in said} == said
    for period in ("2025-06", "2025-Q2", "2025", "2025-06-30"):
        assert view.written(view.shown(Period.parse(period))) == period


@pytest.mark.parametrize(
    "wrong",
    [{"indicator": "I99"}, {"org_unit": "nowhere"}, {"level": "village"}, {"grain": "week"},
     {"from": "bao giờ"}, {"from": "2025-05", "to": "2025-01"}, {"frame": "old"}],
    ids=str,
)  # fmt: skip
def test_a_choice_that_means_nothing_is_told_with_a_way_on(reader, wrong):
    with asking(reader), pytest.raises(Problem):
        view.look(wrong)
    told = reader.read(explore.layout, **({"indicator": "I02b"} | wrong))
    assert "Không đọc được lựa chọn" in told and "Chọn lại từ đầu" in told


def test_another_order_begins_at_its_first_page_and_other_rows_keep_the_order(reader):
    with asking(reader):
        seen = view.look(COMMUNES | {"sort": "high", "after": "100"})
        assert "after" not in asked(seen.address(sort="low"))
        assert asked(seen.address(frame="today"))["sort"] == "high"
        assert "after" not in asked(seen.address(frame="today"))
        moved = view.look(COMMUNES | {"period": "2025-02"})
        assert "period" not in asked(moved.address(to="2025-06"))


# --- the rows ------------------------------------------------------------------------------------


def shown_rows(seen: Any) -> list[tuple[str, str]]:
    """Each line of the table: what it is of, and its figure in words."""
    lines = [p for p in walk(seen) if getattr(p, "data-key", None)]
    return [
        (getattr(line, "data-key"), words([next(
            c for c in line.children if {"figure", "num"} <= classes(c))]))
        for line in lines
    ]  # fmt: skip


@pytest.mark.parametrize("sort", view.SORTS)
def test_all_pages_together_are_the_rows_of_the_file_each_once(reader, sort):
    given = COMMUNES | {"sort": sort}
    with asking(reader):
        first = explore.layout(**given)
        seen, units = view.look(given), view.look(given).units()
        many = seen.count()
        pages = [paged.page_of(seen, units, at) for at in range(0, many, paged.PAGE)]
    rows = file(reader, first)
    keys = [(row["indicator"], row["org_unit"], row["period"]) for page in pages for row in page]
    assert len(rows) == many == len(keys) > 2 * paged.PAGE
    assert sorted(keys) == sorted((r["indicator"], r["org_unit"], r["period"]) for r in rows)
    by_key = {(r["indicator"], r["org_unit"], r["period"]): r for r in rows}
    for row in (row for page in pages for row in page):
        theirs = by_key[row["indicator"], row["org_unit"], row["period"]]
        assert theirs["reason"] == row["reason"]
        assert (theirs["value"] == "") == (row["value"] != row["value"])
        if theirs["value"]:
            assert float(theirs["value"]) == row["value"]
    assert f"{many} dòng" in words([first])


def test_a_page_asks_for_its_own_rows_only(reader, monkeypatch):
    given = {"indicator": "I02b,I03", "level": "commune", "grain": "day",
             "from": "2021-01-01", "to": "2025-12-31"}  # fmt: skip
    asks: list[int] = []

    def counted(question: Any, **args: Any) -> Any:
        found = state.rows(question, **args)
        asks.append(len(found))
        return found

    with asking(reader):
        seen = view.look(given)
        units = seen.units()
        assert seen.count() == 2 * len(units) * 1826
        monkeypatch.setattr(paged, "rows", counted)
        middle = paged.page_of(seen, units, seen.count() // 2 - 50)
    assert len(middle) == paged.PAGE
    assert {row["indicator"] for row in middle} == {"I02b", "I03"}
    assert sum(asks) < 300


def test_org_units_stand_in_the_order_of_vietnamese_dictionaries(reader):
    with asking(reader):
        units = view.look(COMMUNES).units()
        known = state.desk().orgunits
        names = [known[uid].name.removeprefix(known[uid].unit_type).strip() for uid in units]
    assert names == sorted(names, key=places.alphabetical)
    d, dd = [[n[0] for n in names].index(letter) for letter in "DĐ"]
    assert d < dd


def test_what_has_no_figure_stands_at_the_end_with_its_reason_in_words(reader):
    told = explore_words(reader, COMMUNES | {"sort": "low"})
    assert told.index("25,0 %") < told.index("75 %") < told.index("mẫu số bằng 0")
    told = explore_words(reader, COMMUNES | {"sort": "high"})
    assert told.index("75 %") < told.index("25,0 %") < told.index("mẫu số bằng 0")


def explore_words(reader: Reader, given: dict[str, str]) -> str:
    with asking(reader):
        drawn = explore.layout(**given)
    lines = [p for p in walk(drawn) if getattr(p, "data-key", None)]
    return words(lines)


def test_over_the_cap_of_a_file_there_is_a_sentence_and_no_shorter_file(reader):
    every = ",".join(reader.world.store.catalogue.indicators)
    given = {"indicator": every, "level": "commune", "grain": "day",
             "from": "2021-01-01", "to": "2025-12-31"}  # fmt: skip
    with asking(reader):
        assert view.look(given).count() > WHOLE
        drawn = explore.layout(**given)
    assert "Quá 1.000.000 dòng của một tệp" in words([drawn])
    assert not [p for p in walk(drawn) if "/api/v1/values" in str(getattr(p, "href", ""))]


# --- choosing ------------------------------------------------------------------------------------


def test_what_is_ticked_joins_what_was_chosen_and_leaves_a_level_alone(reader):
    with asking(reader):
        seen = view.look(COMMUNES | {"after": "100"})
        assert explore.chosen(seen, ["I02b"], []) == seen
        more = explore.chosen(seen, ["I03", "I02b"], [])
        assert (more.indicators, more.level, more.after) == (("I02b", "I03"), "commune", 0)
        few = explore.chosen(seen, ["I02b"], ["area-450", "area-457"])
        assert (few.org_units, few.level) == (("area-450", "area-457"), "")
        assert explore.choose([["I02b"]], [[]], COMMUNES) is None
        told = explore.choose([["I02b"], ["I03"]], [[]], COMMUNES)
        assert f"{2 * seen.count()} dòng" in words(told)
        assert "ít nhất một chỉ số" in words([explore.choose([[]], [[]], COMMUNES)])


def test_the_tree_holds_the_org_units_of_the_date(reader):
    def values(given: dict[str, str]) -> set[str]:
        with asking(reader):
            groups = [p for p in walk(choices.chooser(view.look(given), 1)) if _is_units(p)]
        return {option["value"] for group in groups for option in group.options}

    before = values({"indicator": "I02b", "to": "2025-06"})
    after = values({"indicator": "I02b", "to": "2025-12"})
    assert "district-450-0000" in before and "district-450-0000" not in after
    assert "commune-18880-2025-07-01" in after and "commune-18880-2025-07-01" not in before
    assert {"area-qb", "area-450"} <= before & after


def _is_units(piece: Any) -> bool:
    name = getattr(piece, "id", None)
    return isinstance(name, dict) and name.get("explore") == "unit"


# --- rights --------------------------------------------------------------------------------------


def test_a_head_sees_their_own_org_units_and_no_other(reader):
    head = Principal("trưởng", "head", frozenset({"area-450"}))
    tree = reader.world.store.orgunits
    with asking(reader, head):
        drawn = explore.layout(**COMMUNES)
        units = view.look(COMMUNES).units()
        listed = {o["value"] for p in walk(drawn) if _is_units(p) for o in p.options}
        whole = words([explore.layout(indicator="I02b")])
        with pytest.raises(Forbidden):
            explore.layout(indicator="I02b", org_unit="area-457")
    inside = {uid for uid in tree if uid == "area-450" or "area-450" in tree.ancestors(uid)}
    assert units and set(units) <= inside
    assert listed and listed <= inside
    assert "Địa bàn Đồng Hới" in whole and "Lệ Thủy" not in whole
    assert {key.split()[1] for key, _ in shown_rows(drawn)} <= inside


def test_a_viewer_sees_rows_and_takes_none(reader):
    with asking(reader, Principal("xem", "viewer")):
        drawn = explore.layout(**COMMUNES)
    assert shown_rows(drawn)
    assert not [p for p in walk(drawn) if "/api/v1/" in str(getattr(p, "href", ""))]
    assert not having(walk(drawn), id="explore-pin")


# --- pictures ------------------------------------------------------------------------------------


def test_lines_for_few_org_units_and_a_ranking_for_many_with_what_is_left_out(reader):
    with asking(reader):
        few = explore.layout(indicator="I02b", org_unit="area-450,area-457",
                             **{"from": "2025", "to": "2025", "view": "chart"})  # fmt: skip
        many = explore.layout(**COMMUNES, view="chart")
    graph = next(p for p in walk(few) if type(p).__name__ == "Graph")
    assert [one["name"] for one in graph.figure["data"]] == [
        "Địa bàn Đồng Hới (cũ)", "Địa bàn Lệ Thủy (cũ)",
    ]  # fmt: skip
    assert len({(o["line"]["dash"], o["marker"]["symbol"]) for o in graph.figure["data"]}) == 2
    ranks = [p for p in walk(many) if "rank" in classes_of(p)]
    assert len(ranks) == 2 * drawing.ENDS
    assert "chỉ vẽ 30 đơn vị cao nhất và 30 thấp nhất" in words([many])


def classes_of(piece: Any) -> set[str]:
    return set((getattr(piece, "className", None) or "").split())


@pytest.mark.parametrize(
    ("given", "why"),
    [({}, "cần một cấp"), ({"level": "commune", "frame": "plan"}, "ban hành Đề án"),
     ({"level": "district", "frame": "today", "to": "2025-06"}, "trong khung này"),
     ({"level": "commune", "grain": "day"}, "hãy xem theo"), ({"level": "department"}, "một cấp")],
)  # fmt: skip
def test_rows_that_have_no_map_say_why(reader, given, why):
    with asking(reader):
        drawn = explore.layout(indicator="I02b", view="map", **given)
        said = next(p for p in walk(drawn) if "says" in classes_of(p))
        ways = [asked(p.href) for p in walk(said) if getattr(p, "href", None)]
        assert all(not drawing.unmapped(view.look(way)) for way in ways)
    assert why in words([said])
    assert ways or "một cấp" in why  # a level is chosen at the side


def test_the_map_draws_the_org_units_of_today_with_the_figures_of_the_table(reader):
    given = COMMUNES | {"grain": "year", "frame": "today"}
    with asking(reader):
        drawn = explore.layout(**given, view="map")
        seen = view.look(given)
        known = state.rows(view.query.values, **seen.arguments)
    (units,) = [p for p in walk(drawn) if getattr(p, "id", None) == "explore-map-units"]
    assert units.hideout["units"].keys() == {row["org_unit"] for row in known}
    there = {row["org_unit"] for row in known if row["denominator"] > 0}
    assert there and all(units.hideout["units"][uid] != "none" for uid in there)


# --- which org units -----------------------------------------------------------------------------


@pytest.mark.parametrize("shown", ["", "chart"])
def test_the_areas_are_the_eight_parts_and_their_file_has_no_total(reader, shown):
    given = {"indicator": "I02b", "level": "area", "from": "2025-01", "to": "2025-03"}
    with asking(reader):
        drawn = explore.layout(**given, view=shown)
        seen = view.look(given)
        assert len(seen.units()) == 8 and seen.count() == 24
        asked_for = view.look(given | {"org_unit": "area-qb"})
        assert asked_for.units() == seen.units()
    rows = file(reader, drawn)
    assert len(rows) == 24 and "24 dòng" in words([drawn])
    assert "area-qb" not in {row["org_unit"] for row in rows}
    told = words([drawn])
    assert "8 địa bàn" in told and "9 địa bàn" not in told
    if not shown:
        keys = [key.split()[1] for key, _ in shown_rows(drawn)]
        assert sorted(keys) == sorted(row["org_unit"] for row in rows)
    whole = "/api/v1/values.json?indicator=I02b&level=area&from=2025-01&to=2025-01"
    reply = reader.app.server.test_client().get(whole, base_url=HERE).json
    assert len(reply["rows"]) == 9  # with its total, which the filter's words name
    assert "area-qb" in parameters.WORDS["level"].says


@pytest.mark.parametrize(
    ("given", "hint"),
    [({"level": "commune", "from": "2025", "to": "2025"}, "dùng đơn vị đến 30/06/2025"),
     ({"level": "commune", "from": "2025", "to": "2025", "on": "2025-06-30"},
      "dùng đơn vị từ 01/07/2025"),
     ({"level": "department", "grain": "quarter", "from": "2025", "to": "2025"},
      "dùng đơn vị đến 30/06/2025"),
     ({"level": "commune", "from": "2025-08", "to": "2025-12"}, ""),
     ({"level": "department", "from": "2025", "to": "2025", "frame": "today"}, ""),
     ({"level": "area", "from": "2025", "to": "2025"}, "")],
    ids=str,
)  # fmt: skip
def test_where_org_units_opened_within_the_periods_there_are_two_ways_to_full_rows(
    reader, given, hint
):
    with asking(reader):
        drawn = choices.chooser(view.look({"indicator": "I02b"} | given), 1)
        told = words([drawn])
        assert (hint in told) if hint else ("dùng đơn vị" not in told)
        assert ("cộng lại theo đơn vị hôm nay" in told) is bool(hint)


def test_the_first_question_to_begin_with_has_no_org_unit_that_was_not_there(reader):
    with asking(reader):
        links = [str(getattr(p, "href", "")) for p in walk(explore.layout())]
        first = next(link for link in links if link.startswith("/explore?indicator="))
        seen = view.look(asked(first))
        rows = state.rows(view.query.values, **seen.arguments)
    assert {row["grain"] for row in rows} == {"month"} and len({r["period"] for r in rows}) == 12
    assert not [row for row in rows if row["reason"] in ("not_open", "not_comparable")]


def test_the_side_car_and_the_address_of_the_file_stand_beside_it(reader):
    with asking(reader):
        drawn = explore.layout(**COMMUNES)
    (described,) = [p for p in walk(drawn) if "explore-described" in classes_of(p)]
    (address,) = [p for p in walk(drawn) if getattr(p, "data-copy", "") == "file"]
    client = reader.app.server.test_client()
    told = client.get(described.href, base_url=HERE, follow_redirects=True)
    rows = client.get(getattr(address, "data-address"), base_url=HERE)
    assert told.status_code == rows.status_code == 200
    lines = list(csv.DictReader(io.StringIO(rows.data.decode("utf-8-sig"), newline="")))
    assert [r["org_unit"] for r in lines] == [r["org_unit"] for r in file(reader, drawn)]
    assert told.json["resources"][0]["path"].endswith(".csv")
    assert getattr(address, "data-address") in words([drawn])


def test_a_chart_of_quarters_names_each_and_ends_with_the_last(reader):
    given = {"indicator": "I02b", "org_unit": "area-450", "grain": "quarter",
             "from": "2025-Q1", "to": "2025-Q4", "view": "chart"}  # fmt: skip
    with asking(reader):
        drawn = explore.layout(**given)
    layout = next(p for p in walk(drawn) if type(p).__name__ == "Graph").figure["layout"]
    told = [f"quý {which}<br>2025" for which in ("I", "II", "III", "IV")]
    assert layout["xaxis"]["ticktext"] == told
    assert "2025-10-01" < layout["xaxis"]["range"][1] < "2025-11-15"
    (note,) = layout["annotations"]
    assert "Mức giao" in note["text"] and (note["yref"], note["yanchor"]) == ("paper", "bottom")


# --- a view to keep ------------------------------------------------------------------------------


def test_a_pinned_address_shows_the_very_figures_after_they_were_corrected(reader, sqlite_world):
    with asking(reader):
        sealed = sqlite_world.seal()
        link = explore.pinned(view.look(COMMUNES), sealed.isoformat()).href
    sqlite_world.forward(minutes=1)
    given = asked(link)
    assert given["as_of"] and given["on"] and given["from"]

    def bytes_of() -> tuple[str, bytes]:
        address = "/api/v1/values.csv?" + urlsplit(link).query.replace("+", "%2B")
        reply = reader.app.server.test_client().get(address, base_url=HERE)
        assert reply.status_code == 200, reply.text
        with asking(reader):
            state.hold(sealed, given["as_of"])
            drawn = explore.layout(**{k: v for k, v in given.items() if k != "as_of"})
        return json.dumps(shown_rows(drawn)), reply.data

    before = bytes_of()
    sqlite_world.forward(minutes=5)
    sqlite_world.poll(DOSSIERS, dossiers("18880", "2025-01-12", 30, 30))
    assert bytes_of() == before
    with asking(reader):
        assert json.dumps(shown_rows(explore.layout(**COMMUNES))) != before[0]


# --- a reader that breaks off --------------------------------------------------------------------


@pytest.mark.parametrize("packed", ["identity", "br", "gzip"])
def test_a_file_that_is_broken_off_frees_its_snapshot_and_its_rows_are_taken_down(reader, packed):
    store, server = reader.world.store, reader.app.server
    every = ",".join(store.catalogue.indicators)
    address = f"/api/v1/values.csv?indicator={every}&level=commune&from=2024&to=2025&download=1"
    with asking(reader):
        seen = view.look({"indicator": every, "level": "commune", "from": "2024", "to": "2025"})
        whole = seen.count()
    idle = store.reader.pool.checkedout()
    headers = {"Accept-Encoding": packed}
    reply = server.test_client().get(address, base_url=HERE, headers=headers, buffered=False)
    chunks = reply.iter_encoded()
    assert next(chunks) and next(chunks)
    assert store.reader.pool.checkedout() == idle + 1  # it is still being read
    reply.close()
    assert store.reader.pool.checkedout() == idle  # though the reply is still held here
    with store.read() as connection:
        told = connection.execute(
            sql("SELECT detail FROM audit WHERE kind = 'export' ORDER BY number DESC LIMIT 1")
        ).scalar()
    rows = json.loads(told)["rows"]
    assert 0 < rows < whole / 2


def test_the_app_serves_the_map_library_only_with_a_map(reader):
    client, library = reader.app.server.test_client(), "/_dash-component-suites/dash_leaflet/"
    assert library not in client.get("/explore?indicator=I02b", base_url=HERE).text
    assert library in client.get("/explore?indicator=I02b&view=map", base_url=HERE).text
