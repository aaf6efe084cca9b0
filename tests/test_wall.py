"""The wall's programme, its sizes, its order, and what it is told; without a browser."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import g

from ioc.errors import ConfigError, Forbidden
from ioc.principal import Principal
from kpi import acts, query
from kpi.steering import steering
from layouts import operator, text, wall
from layouts.lines import indicators
from layouts.wall import legibility, news, scenes, sheets, tile, view, worst
from layouts.wall.legibility import plan
from tests.test_pages import Reader, classes, having, walk, words
from tests.test_pages import reader as reader
from tests.worlds import DOSSIERS, dossiers

pytest_plugins = ["tests.worlds"]

KNOWN: Any = (["I01", "I02b"], ["public_services", "staff"])


def programme(tmp_path: Path, text: str) -> scenes.Programme:
    path = tmp_path / "wall.yaml"
    path.write_text(text, encoding="utf-8")
    return scenes.load(path, *KNOWN)


# ── wall.yaml ──────────────────────────────────────────────────────────────────────────────


def test_our_own_programme_shows_every_scene_once():
    found = scenes.load(scenes.PACKAGED, *KNOWN)
    assert [one.name for one in found.scenes] == list(scenes.KNOWN)
    assert (found.night, found.dim, found.reload) == (("20:00", "06:00"), 40, "03:00")


def test_a_deployment_chooses_scenes_order_dwell_and_filters(tmp_path):
    found = programme(
        tmp_path,
        "scenes:\n- {scene: sector, sector: staff, dwell: 40s}\n- {scene: map, indicator: I02b}\n",
    )
    assert found.scenes == (scenes.Scene("sector", "staff", 40), scenes.Scene("map", "I02b"))
    assert found.night is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("scenes: []\n", 1, "ít nhất 1 cảnh"),
        ("scenes:\n- scene: weather\n", 2, "không có cảnh 'weather'"),
        ("scenes:\n- {scene: map, indicator: I99}\n", 2, "không có indicator 'I99'"),
        ("scenes:\n- {scene: worst, sector: staff}\n", 2, "không có mục 'sector'"),
        ("scenes:\n- {scene: worst, dwell: 2s}\n", 2, "dwell viết là 30s"),
        ("scenes:\n- scene: worst\n- scene: worst\n", 1, "chỉ được ghi một lần"),
        ("scenes:\n- scene: worst\nnight: {from: '20:00'}\n", 3, "night viết là"),
        ("scenes:\n- scene: worst\nnight: {from: '20:00', to: '25:00', dim: 40}\n", 3, "to phải"),
        ("scenes:\n- scene: worst\nreload: 3\n", 3, "reload phải là giờ"),
        ("scenes:\n- scene: worst\nspeed: 3\n", 3, "mục lạ 'speed'"),
        ("- scene: worst\n", 1, "tệp phải gồm"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path, text, line, said):
    with pytest.raises(ConfigError) as refused:
        programme(tmp_path, text)
    (fault,) = refused.value.faults
    assert fault.line == line and said in str(fault)


# ── type from metres and inches ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", [1366 / 768, 16 / 9, 16 / 10, 5760 / 1080, 1080 / 1920])
@pytest.mark.parametrize(("distance", "diagonal"), [(3, 86), (4, 65), (5, 75), (6, 65), (8, 65)])
def test_letters_never_shrink_tiles_and_pages_give_way(distance, diagonal, shape):
    fit = plan(distance, diagonal, shape)
    height = diagonal * 0.0254 / (1 + min(shape, 16 / 9) ** 2) ** 0.5
    minutes = 60 * 57.29578 * fit.note / 100 * height * legibility.CAP / distance
    assert minutes >= 15.9
    assert fit.figure / fit.note == pytest.approx(30 / 16, rel=0.01)
    assert fit.tiles >= 1
    lines = 3 + fit.stacked
    high = fit.down * (lines * fit.line + fit.figure * 1.04 + 1.8 + 0.75 + 0.7) + 0.7
    assert 2 * fit.line + high <= 101.5 or fit.tiles == 1


def test_a_nearer_row_gets_more_on_a_page_never_less():
    tiles = [plan(d, 65).tiles for d in (3, 4, 5, 6, 8, 10)]
    assert tiles[:2] == [16, 16] and tiles == sorted(tiles, reverse=True)


# ── scenes ─────────────────────────────────────────────────────────────────────────────────


def test_every_scene_has_its_sheets_with_title_and_dwell(reader: Reader):
    pieces = reader.see(wall.layout)
    found = [p for p in pieces if "wall-sheet" in classes_of(p)]
    told = [p.to_plotly_json()["props"] for p in found]
    assert {one["data-sheet"].partition("-")[0] for one in told} == set(scenes.KNOWN)
    assert all(20 <= int(one["data-dwell"]) <= 60 and one["data-title"] for one in told)
    assert sum(int(one["data-dwell"]) for one in told) <= 240
    assert ["on" in classes(one) for one in found] == [True] + [False] * (len(found) - 1)


@pytest.mark.parametrize("name", scenes.KNOWN)
def test_a_scene_can_stand_alone_and_draws_its_figures(reader: Reader, name: str):
    pieces = reader.see(wall.layout, scene=name)
    told = words(having(pieces, className="wall-stage"))
    assert len(told) > 40, told


@pytest.mark.parametrize("given", [{"scene": "weather"}, {"org_unit": "nowhere"}])
def test_an_address_that_names_nothing_of_ours_is_no_wall(reader: Reader, given):
    assert "Không có trang này" in reader.read(wall.layout, **given)


def test_the_worst_stand_by_status_then_by_the_share_they_lack(reader: Reader):
    with reader.request():
        found = view.again({})
        ranked = worst.ranked(found.numeric)
        shares = [
            (line.status, (worst.gap(line, worst.deciding(line)) or 0) / line.target["threshold"])
            for line in ranked
        ]
        told = words(worst.draw(found, 1).values())
    order = list(worst.FAILING)
    ranks = [(order.index(status), -share) for status, share in shares]
    assert ranks == sorted(ranks) and ranked
    assert not any(line.locked for line in ranked)
    assert "không còn chỉ tiêu nào" in told or len(ranked) >= 5
    for line in ranked[:3]:
        assert worst.brief(line.owner) in told and worst.far(line, worst.deciding(line)) in told


# ── what has become critical ───────────────────────────────────────────────────────────────


def test_a_target_that_fails_is_critical_with_the_page_of_its_tile(reader: Reader):
    with reader.request():
        found = view.again({})
        told = json.loads(news.told(found, sheets(found)))
    failing = {
        f"{line.id} {line.status}"
        for line in found.numeric
        if line.status in ("missed", "off_track") and not line.muted
    }
    assert {name for name in told["critical"] if "stale" not in name} == failing and failing
    pages = {told["critical"][name] for name in failing}
    assert pages == {"overview-1"}


def test_a_source_is_critical_when_it_leaves_three_targets_or_more_stale(reader: Reader):
    reader.world.forward(days=3)
    with reader.request():
        found = view.again({})
        told = json.loads(news.told(found, sheets(found)))["critical"]
    fed: dict[str, list[str]] = {}
    for line in found.numeric:
        for part in line.parts:
            source = part.row.get("source") or ""
            fed.setdefault(source, []).append(part.row.get("freshness") or "")
    silent = {name.split()[0] for name, page in told.items() if page == "sources-1"}
    assert silent, "some source feeds three targets"
    assert all(len(fed[name]) >= 3 and set(fed[name]) == {"stale"} for name in silent)
    assert "stale" in fed["public_services"] and "public_services" not in silent  # it feeds two


# ── what the walls are told ────────────────────────────────────────────────────────────────


def test_a_word_to_the_walls_is_numbered_and_keeps_what_it_does_not_say(world):
    store, who = world.store, Principal.local_admin()
    before = store.version()
    assert steering(store).number == 0
    assert acts.steer(store, who, sheet="worst-1", paused=True, now=world.now) == 1
    assert acts.steer(store, who, codes=True, now=world.now) == 2
    said = steering(store)
    assert (said.number, said.sheet, said.paused, said.codes) == (2, "worst-1", True, True)
    assert said.held is None and said.at == world.now
    assert store.version() == before + 2 and store.topics()["wall"] == before + 2


def test_who_may_only_read_steers_nothing(world):
    viewer = Principal("khách", "viewer", frozenset(["area-qb"]))
    for act in (
        lambda: acts.steer(world.store, viewer, paused=True),
        lambda: acts.hold(world.store, viewer),
        lambda: acts.release(world.store, viewer),
    ):
        with pytest.raises(Forbidden):
            act()
    assert steering(world.store).number == 0


@pytest.mark.parametrize("name", scenes.KNOWN)
def test_every_sheet_of_a_held_wall_stays_at_its_instant(reader: Reader, name: str):
    """What is answered later, also hours later, is what was known at the instant."""
    world = reader.world

    def told() -> list[str]:
        with reader.request():
            held = view.again({"scene": name}, steering(world.store))
            g.now = held.held
            every = [(one, wall.SCENES[one.scene]) for one in sheets(held)]
            return [words(module.draw(held, one.number).values()) for one, module in every]

    with reader.request():
        acts.hold(world.store, Principal.local_admin(), now=world.now)
    before = told()
    world.forward(hours=30)
    for org_unit in ("VPUB", "STP"):
        world.poll(DOSSIERS, dossiers(org_unit, "2026-11-21", 50, 1))
    assert told() == before and "".join(before)


def test_a_wall_of_an_org_unit_asks_for_its_own_figures_in_every_scene(reader: Reader):
    """None of its scenes shows the trend or the newest month of the whole territory."""
    with reader.request():
        here, whole = view.again({"org_unit": "area-450"}), view.again({})
        own, all_ = here.periods(indicators()), whole.periods(indicators())
    differing = [name for name in all_ if own[name] != all_[name]]
    assert differing and any(row["value"] for name in differing for row in all_[name])
    assert {row["org_unit"] for rows in own.values() for row in rows} == {"area-450"}


def test_an_indicator_without_figures_leaves_a_cell_that_says_so(sqlite_world: Any, tmp_path):
    """A province that has just begun has no newest period of anything: no sector fails by it."""
    new, told = Reader(sqlite_world.live(), tmp_path), []
    with new.request():
        for sector in new.world.store.catalogue.sectors:
            shown = replace(view.again({}), scenes=(scenes.Scene("sector", sector),))
            pages = range(1, wall.SCENES["sector"].count(shown) + 1)
            told += [words(wall.SCENES["sector"].draw(shown, n).values()) for n in pages]
    assert any("chưa có số liệu" in one for one in told) and all(told)


def test_held_figures_stay_whatever_comes_until_they_are_released(reader: Reader):
    world = reader.world
    fresh = words(having(reader.see(wall.layout), className="wall-stage"))
    with reader.request():
        assert "Giữ số lúc" in operator._do("hold", Principal.local_admin())
    world.forward(hours=3)
    world.poll(DOSSIERS, dossiers("VPUB", "2026-11-21", 50, 1))
    pieces = reader.see(wall.layout)
    assert words(having(pieces, className="wall-stage")) == fresh
    assert "Giữ số lúc" in words(having(pieces, id="wall-held"))
    with reader.request():
        operator._do("release", Principal.local_admin())
    after = reader.see(wall.layout)
    assert words(having(after, className="wall-stage")) != fresh
    assert words(having(after, id="wall-held")) == ""


def test_sources_are_told_as_they_were_heard_at_the_instant(world):
    who = Principal.local_admin()
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 3, 2))
    then = world.now + timedelta(seconds=1)
    world.forward(hours=2)
    world.poll(DOSSIERS, dossiers("STP", "2026-10-05", 3, 3))

    def told(**when: Any) -> dict[str, Any]:
        rows = query.sources(world.store, who, now=world.now, **when).records()
        return next(row for row in rows if row["source"] == DOSSIERS.id)

    assert told()["last_good_at"] > then >= told(as_of=then)["last_good_at"]
    assert told(as_of=then)["covered_until"] <= then


def classes_of(piece: Any) -> set[str]:
    name = getattr(piece, "className", None)
    return set(name.split()) if isinstance(name, str) else set()


def test_the_operator_sees_every_page_and_what_was_said_last(reader: Reader):
    with reader.request():
        operator._do("sheet worst-1", Principal.local_admin())
    pieces = reader.see(operator.layout)
    buttons = [p for p in pieces if isinstance(getattr(p, "id", None), dict) and "steer" in p.id]
    on = [p.id["steer"] for p in buttons if p.to_plotly_json()["props"].get("className") == "on"]
    assert on == ["sheet worst-1"]
    assert "Lệnh cuối" in words(pieces[:1])
    assert list(walk(pieces[0]))


@pytest.mark.parametrize(("status", "word"), [("awaiting", False), ("met", True)])
def test_an_age_gives_its_word_away_where_the_status_needs_the_line(reader: Reader, status, word):
    """Of a tile of parts: a shape that is whole tells more than a word that is cut."""
    row = {"data_as_of": reader.world.now, "freshness": "stale"}
    line: Any = SimpleNamespace(parts=[SimpleNamespace(row=row)], status=status)
    with reader.request():
        drawn = words(walk(tile._age(line, "", plan())))
    assert ("Số cũ" in drawn) == word


def test_the_number_stands_under_its_headline_and_not_behind_the_figure_of_now(reader: Reader):
    """45,7 % and right under it n 3.830; then the figure of now, with its date as one piece."""
    told = 0
    with reader.request():
        for line in view.again({}).numeric:
            row = line.parts[0].row
            number = tile._of(row).replace(text.GAP, " ")
            if len(line.parts) == 1 and number and not line.locked:
                first, today = tile.live(line, row, plan(), 99)
                assert words([first]) == number and number not in words([today])
                assert today.className == "today" and "hiện nay" in words([today])
                told += 1
    assert told
