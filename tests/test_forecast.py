"""Whether a target will be met: the arithmetic, how often it is right, what it may never do."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
import sqlalchemy as sa
from flask import g
from hypothesis import given, settings
from hypothesis import strategies as st
from plotly.utils import PlotlyJSONEncoder

import app as program
from ioc.period import Period
from ioc.principal import Principal
from ioc.rule import Rule
from ioc.settings import Settings
from kpi import forecast, foresight, query
from kpi.forecast import Point
from layouts import calibration, forecastcard, indicator, state, view
from tests.worlds import ADMIN, MEETINGS, STAFF, reading, rows, share

pytest_plugins = ["tests.worlds"]
pytestmark = pytest.mark.timeout(400)  # five years on PostgreSQL take a busy machine minutes
MEETINGS_OF = "meetings_department_paperless meetings_department_total"
STAFF_OF = "staff_with_computer staff_professional"
END = datetime(2024, 6, 30, 17, tzinfo=UTC)
OVER_70 = Rule(">", 70)


def series(rng, n, *, step=0.1, noise=0.1, trend=0.02):
    return np.cumsum(rng.normal(trend, step, n)) + noise * rng.normal(0, 1, n)


def interval(fitted, horizon, draws=forecast.DRAWS):
    return np.quantile(forecast.paths(fitted, horizon, draws)[-1], [0.1, 0.9])


# --- arithmetic -------------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 4, 12])
def test_the_interval_of_a_random_walk_is_that_of_the_textbook(horizon):
    """1,2816 σ √h, and what its trend, known from n − 1 steps, may be off: h²/(n − 1)."""
    n, step = 400, 0.1
    walk = series(np.random.default_rng(3), n, step=step, noise=0, trend=0)
    low, high = interval(forecast.known(forecast.fit(walk), 0, step**2), horizon, 40_000)
    expected = 1.2816 * step * np.sqrt(horizon + horizon**2 / (n - 1))
    assert (high - low) / 2 == pytest.approx(expected, rel=0.02)
    trend = (walk[-1] - walk[0]) / (n - 1)
    assert (high + low) / 2 == pytest.approx(walk[-1] + horizon * trend, abs=0.04 * expected)


def test_a_month_of_noise_widens_the_interval_by_its_own_variance():
    walk = series(np.random.default_rng(3), 400, step=0.001, noise=1, trend=0)
    low, high = interval(forecast.known(forecast.fit(walk), 1, 0.001), 1, 40_000)
    gain = np.sqrt(0.001)  # of the steady filter: P/(P + 1) with P about √(level/noise)
    assert (high - low) / 2 == pytest.approx(1.2816 * np.sqrt(1 + gain), rel=0.03)


@pytest.mark.parametrize(("n", "horizon"), [(36, 6), (48, 12)])
def test_the_interval_holds_about_four_of_five_outcomes(n, horizon):
    rng, held, many = np.random.default_rng(11), 0, 250
    kinds = [(0.1, 0.1, 0.02), (0.1, 0.0, 0.0), (0.05, 0.15, 0.02), (0.15, 0.05, -0.01)]
    for number in range(many):
        step, noise, trend = kinds[number % len(kinds)]
        walk = series(rng, n + horizon, step=step, noise=noise, trend=trend)
        low, high = interval(forecast.fit(walk[:n]), horizon)
        held += low <= walk[-1] <= high
    assert 0.72 <= held / many <= 0.88, held / many


def monthly(shares, total=1000, first=24_000):
    return [Point(first + n, round(one * total), total) for n, one in enumerate(shares)]


def test_seven_points_are_not_enough_and_eight_are():
    points = monthly(np.linspace(0.3, 0.6, 8))
    for known, found in ((points[:7], False), (points, True)):
        closing = known[-1].index + 3
        assert (forecast.stock(known, closing, OVER_70) is not None) is found
        assert (forecast.flow(known, closing - 11, closing, OVER_70) is not None) is found


def test_the_same_points_give_the_same_forecast():
    points = monthly(np.linspace(0.3, 0.6, 20))
    assert forecast.stock(points, 24_030, OVER_70) == forecast.stock(points, 24_030, OVER_70)


def test_a_flow_weighs_what_is_known_of_its_year_and_the_denominators_of_the_last():
    """Eleven of twelve months are in: the last, a tenth of the year's work, moves it little."""
    last_year = [Point(24_000 + n, 500, 1000) for n in range(12)]
    this_year = [Point(24_012 + n, 700, 1000) for n in range(11)]
    found = forecast.flow([*last_year, *this_year], 24_012, 24_023, OVER_70)
    assert found is not None
    least, most = (100 * (7700 + one) / 12_000 for one in (0, 1000))
    assert least < found.low < 70 < found.high < most
    heavy = [*last_year[:11], Point(24_011, 50_000, 100_000)]  # the last December outweighs all
    assert forecast.flow([*heavy, *this_year], 24_012, 24_023, OVER_70).low < found.low


def test_a_stock_of_five_is_counted_in_whole_ones():
    points = [Point(8000 + n, min(5, n // 3), 5) for n in range(14)]
    found = forecast.stock(points, 8014, Rule("range", 80, 100))
    assert found is not None
    assert {found.low, found.high} <= {0.0, 20.0, 40.0, 60.0, 80.0, 100.0}


def test_a_period_that_is_already_there_is_not_forecast():
    points = monthly(np.linspace(0.3, 0.6, 12))
    assert forecast.stock(points, points[-1].index, OVER_70) is None
    assert forecast.flow(points, 24_000, points[-1].index, OVER_70) is None


_points = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 10**6), st.integers(1, 10**6)),
    min_size=8,
    max_size=30,
)


@settings(max_examples=40)
@given(_points, st.sampled_from([Rule(">", 0), Rule(">=", 100), Rule("range", 80, 100)]))
def test_whatever_was_counted_a_forecast_is_a_chance_and_an_interval_of_a_share(given_, rule):
    """Gaps, nothing at all, more than all: no series stops the others."""
    index, points = 24_000, []
    for gap, over, under in given_:
        index += gap
        points.append(Point(index, over, under))
    for found in (
        forecast.stock(points, index + 7, rule),
        forecast.flow(points, index - 3, index + 7, rule),
    ):
        assert found is not None and 0 <= found.chance <= 1
        assert 0 <= found.low <= found.high


# --- kept -------------------------------------------------------------------------------------


def tell(world, months=60, rise=1.0):
    """Figures of the departments for every month since 2021, each told as its month ended."""
    start, said = Period.parse("2021-01"), []
    tree = world.store.orgunits
    for number in range(months):
        month = start.next(number)
        over = min(100, round(20 + rise * number))
        changed = f"{month.next().start.isoformat()} 08:00"
        for unit in tree.population("department", month.end):
            for name, value in zip(MEETINGS_OF.split(), (over, 100), strict=True):
                said.append(reading(name, unit.code, month.text, value, changed))
    world.poll(MEETINGS, said)
    return world


def made(world, indicators=("I07a", "I07b")):
    due = foresight.missing(world.store, world.now)
    wanted = [one for one in due if one.part.indicator in indicators]
    assert foresight.make(world.store, wanted, world.now, seconds=600) == len(wanted)
    return world


def asked(world, **filters):
    wanted = {"targets": ["T07a"], "indicators": ["I07a"], **filters}
    return query.forecasts(world.store, ADMIN, now=world.now, **wanted).frame()


def forget(world):
    with world.store.write() as connection:
        connection.execute(sa.text("DELETE FROM forecast"))


@pytest.fixture
def told(world):
    """A first load of five years of figures of a part that closed on 31/12/2025."""
    return made(tell(world).live())


def test_every_quarter_that_ended_while_a_target_was_open_has_a_forecast(told):
    found = asked(told)
    ends = [Period("quarter", 2021 * 4 + n).ends_at for n in range(19)]
    assert list(found.forecast_at) == ends
    assert set(found.reason[found.points < 8]) == {"few_points"}
    assert found[found.points < 8].chance.isna().all()
    enough = found[found.points >= 8]
    assert len(enough) == 17 and enough.chance.between(0, 1).all()
    assert (enough.low <= enough.high).all()
    assert set(found.reconstructed) == {1} and set(found.reading) == {"> 70"}
    closing = told.standing("T07a", "I07a").closing_value
    assert set(found.closing_status) == {"met"} and set(found.closing_value) == {closing}
    last = found.iloc[-1]
    assert last.points == 56 and last.last_period == "2025-08"  # September was told in October
    assert last.chance > 0.9 and abs((last.low + last.high) / 2 - closing) < 1
    assert list(enough.inside == 1) == list(enough.low.le(closing) & enough.high.ge(closing))
    assert 0 < enough.inside.sum() < 17


def test_an_early_end_of_a_target_ends_its_forecasts(told):
    found = asked(told, indicators=["I07b"])
    assert found.forecast_at.max() == Period.parse("2025-Q1").ends_at


def test_an_open_target_has_one_forecast_more_of_its_last_month(world):
    world.now = datetime(2024, 5, 20, 3, tzinfo=UTC)
    made(tell(world, months=40).live())
    instants = list(asked(world).forecast_at)
    assert instants[-2:] == [Period.parse("2024-Q1").ends_at, Period.parse("2024-04").ends_at]
    assert set(asked(world).closing_status) == {""} and asked(world).inside.isna().all()


def test_a_later_correction_does_not_move_a_past_forecast(told):
    """Neither the row that stands, nor one that would be made again from what was known."""
    before = asked(told).drop(columns=["closing_status", "closing_value", "inside"])
    told.forward(days=20)
    told.poll(MEETINGS, share(MEETINGS_OF, "STP", "2023-05", 1, 100))
    assert "I07a" not in {one.part.indicator for one in foresight.missing(told.store, told.now)}
    for again in (False, True):
        if again:
            forget(told)
            made(told)
        after = asked(told).drop(columns=["closing_status", "closing_value", "inside"])
        kept = [name for name in before.columns if name != "computed_at"]
        assert after[kept].equals(before[kept])


def test_what_is_made_in_time_is_what_is_made_a_year_later(world):
    """Once a source is live, an instant is answered by what we ourselves had heard."""
    world.now = datetime(2024, 5, 1, 2, tzinfo=UTC)
    tell(world.live(), months=40)
    world.now = datetime(2024, 7, 1, 3, tzinfo=UTC)
    in_time = asked(made(world)).iloc[-1]
    assert in_time.forecast_at == END and not in_time.reconstructed and in_time.points == 40
    world.forward(days=365)
    world.poll(MEETINGS, share(MEETINGS_OF, "STP", "2024-02", 1, 100))
    forget(world)
    late = asked(made(world))
    late = late[late.forecast_at == END].iloc[0]
    assert (late.chance, late.low, late.high) == (in_time.chance, in_time.low, in_time.high)


def test_what_was_foretold_by_an_instant_is_what_was_known_of_it(told):
    found = asked(told, as_of=END)
    assert found.forecast_at.max() == END and len(found) == 14
    assert set(found.closing_status) == {""}
    assert asked(told, as_of=datetime(2024, 6, 30, 16, tzinfo=UTC)).forecast_at.max() < END


def test_an_indicator_of_one_figure_a_year_is_not_foretold(sqlite_world):
    world = made(sqlite_world.live(), ["I11a"])
    found = query.forecasts(world.store, ADMIN, targets=["T11a"], now=world.now).frame()
    assert set(found.reason) == {"yearly"} and found.chance.isna().all()


def test_nothing_is_foretold_while_the_first_load_of_a_source_is_not_over(sqlite_world):
    world = sqlite_world
    world.poll(STAFF, share(STAFF_OF, "STP", "2024-01", 9, 10), ends=False)
    world.poll(MEETINGS)
    due = {one.part.indicator for one in foresight.missing(world.store, world.now)}
    assert "I07a" in due and "I12a" not in due
    world.poll(STAFF)
    assert "I12a" in {one.part.indicator for one in foresight.missing(world.store, world.now)}


def test_a_turn_ends_when_its_time_is_over(sqlite_world):
    world = tell(sqlite_world).live()
    waiting = len(foresight.missing(world.store, world.now))
    assert foresight.foresee(world.store, world.now, seconds=0) == 1
    assert len(foresight.missing(world.store, world.now)) == waiting - 1
    units = world.store.orgunits.population("area", Period.parse("2021-03").end)
    assert len(rows(world.store, "forecast")) == len(units)


def test_a_forecast_reaches_the_screens_of_its_target(sqlite_world):
    world = tell(sqlite_world).live()
    before = world.store.topics()
    made(world)
    assert world.store.topics()["T07a"] > before.get("T07a", 0)


# --- where it runs ----------------------------------------------------------------------------

WEB = """
import sys
from pathlib import Path
import app
from ioc.principal import Principal
from ioc.settings import Settings
settings = Settings(data=Path(sys.argv[1]), database_url=sys.argv[2], auth="open")
made = app.create_app(settings, None, Principal.local_admin)
client = made.server.test_client()
answer = client.get("/api/v1/forecasts.json", base_url="http://127.0.0.1")
assert answer.status_code == 200 and answer.json["count"] > 0, answer.text
assert "layouts.indicator" in sys.modules
print(*(name for name in ("statsmodels", "scipy") if name in sys.modules))
"""


def test_the_web_process_never_loads_the_statistics(sqlite_world, tmp_path):
    """They take seconds and a hundred megabytes; a page only reads what was foretold."""
    world = made(tell(sqlite_world).live())
    given = [sys.executable, "-c", WEB, str(tmp_path), world.store.url]
    ended = subprocess.run(given, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stderr


# --- on the pages -----------------------------------------------------------------------------


def drawn(world, tmp_path, path):
    """All the words of a page, as the browser is given them."""
    settings_ = Settings(data=tmp_path, database_url=world.store.url)
    made_app = program.create_app(settings_, world.store, Principal.local_admin)
    with made_app.server.app_context():
        module, _, query_ = path.partition("?")
        given_ = dict(pair.split("=") for pair in query_.split("&") if pair)
        page = calibration if module == "/calibration" else indicator
        return json.dumps(page.layout(**given_), cls=PlotlyJSONEncoder, ensure_ascii=False)


def test_a_page_lays_every_forecast_beside_its_outcome(sqlite_world, tmp_path):
    world = made(tell(sqlite_world).live())
    words = drawn(world, tmp_path, "/calibration?indicator=I07a")
    found = asked(world)
    told_ = found[found.chance.notna()]
    assert f"{int(told_.inside.sum())}/{len(told_)}" in words
    assert "90–100\u00a0%" in words and "30/09/2025" in words and "Cách tính" in words
    assert "/api/v1/forecasts.csv?" in words and "indicator=I07a" in words


def test_only_an_open_target_says_its_chance(sqlite_world, tmp_path):
    world = made(tell(sqlite_world).live())
    closed = drawn(world, tmp_path, "/indicator/I07a?key=I07a")
    assert "Khả năng đạt" not in closed and "/calibration?" in closed


def test_the_card_of_an_open_target_says_what_it_rests_on(sqlite_world, tmp_path, monkeypatch):
    world = sqlite_world
    world.now = datetime(2024, 7, 2, 3, tzinfo=UTC)
    made(tell(world, months=41).live())
    monkeypatch.setattr(state, "right_now", lambda: world.now)
    words = drawn(world, tmp_path, "/indicator/I07a?key=I07a")
    found = asked(world).iloc[-1]
    assert "Khả năng đạt" in words and forecastcard.interval(found) in words
    assert "biết đến 30/06/2024" in words and "41 kỳ, mới nhất" in words
    forget(world)
    made(world, ["I11a"])
    assert "Khả năng đạt" not in drawn(world, tmp_path, "/indicator/I07a?key=I07a")
    words = drawn(world, tmp_path, "/indicator/I11a?key=I11a")
    assert "Chưa đủ số liệu: mỗi năm chỉ có một con số" in words


@pytest.mark.parametrize(
    ("value", "words"), [(1.0, "> 99\u00a0%"), (0.0, "< 1\u00a0%"), (0.724, "72\u00a0%")]
)
def test_no_chance_is_certain(value, words):
    assert forecastcard.chance(value) == words


def foretold(chance=0.9, met=True, low=58.0, high=66.0):
    status = "" if met is None else "met" if met else "missed"
    return {"chance": chance, "closing_status": status, "low": low, "high": high, "unit": "%"}


def test_a_chance_that_says_nothing_is_told_so_and_is_small():
    good = [foretold(), foretold(0.2, met=False)]
    assert forecastcard.doubts(foretold(met=None), good) == []
    (wide,) = forecastcard.doubts(foretold(met=None, low=11.1, high=99.6), good)
    assert wide == "Khoảng quá rộng để kết luận."
    bad = [foretold(0.9, met=False), foretold(0.6)]
    assert forecastcard.doubts(foretold(met=None), bad) == [forecastcard.NO_BETTER]
    assert forecastcard.brier([foretold(met=None)]) is None
    assert forecastcard.brier(bad) == pytest.approx((0.81 + 0.16) / 2)


def test_the_verdict_of_an_indicator_is_words():
    assert calibration.verdict([foretold(0.9, met=False)]).startswith(
        "không hơn đoán mò (Brier 0,81)"
    )
    assert calibration.verdict([foretold(0.5)]).startswith("ngang đoán mò")
    assert calibration.verdict([foretold(0.9)]) == "hơn đoán mò (Brier 0,01)"
    assert calibration.verdict([foretold(met=None)]) == ""


def test_a_page_of_the_past_shows_what_had_been_foretold_or_that_nothing_was(
    sqlite_world, tmp_path
):
    """Never that it is being computed: nobody computes anything of the past."""
    world = made(tell(sqlite_world).live())
    settings_ = Settings(data=tmp_path, database_url=world.store.url)
    made_app = program.create_app(settings_, world.store, Principal.local_admin)

    def card(instant):
        with made_app.server.test_request_context("/", base_url="http://127.0.0.1"):
            g.principal = Principal.local_admin()
            state.hold(instant)
            seen = view.look({"key": "I07a"})
            return json.dumps(forecastcard.card(seen), cls=PlotlyJSONEncoder, ensure_ascii=False)

    last = card(datetime(2025, 12, 31, 16, 59, 59, tzinfo=UTC))  # the last second of the day
    assert "Đang tính" not in last and "biết đến 30/09/2025" in last
    forget(world)
    never = card(datetime(2025, 12, 31, 16, 59, 59, tzinfo=UTC))
    assert "Không có dự báo nào được làm đến" in never and "Đang tính" not in never
