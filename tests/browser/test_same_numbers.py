"""What a page shows is what its CSV holds: read in Chromium, compared cell by cell."""

import csv
import hashlib
import io
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ioc.period import Period
from layouts import text, theme
from tests.browser.house import House

pytestmark = pytest.mark.browser

Row = dict[str, str]


def table(house: House, address: str) -> list[Row]:
    """The rows of a data address."""
    body, _ = house.get(address)
    assert not body.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(body.decode("utf-8"), newline="")))


def plain(shown: str) -> str:
    """A shown text with ordinary blanks."""
    return " ".join(shown.replace("\xa0", " ").split())


def whole(cell: str) -> Any:
    """A number as CSV has it; None for an empty cell."""
    return None if cell == "" else int(cell) if cell.isdecimal() else float(cell)


def lines_of(house: House) -> dict[str, tuple[Any, Any]]:
    """Threshold and upper threshold by target."""
    return {
        row["target"]: (whole(row["threshold"]), whole(row["threshold_high"]))
        for row in table(house, "/api/v1/targets.csv")
    }


def figure(row: Row, head: str, lines: tuple[Any, Any]) -> str:
    """The figure of a row as an official reads it: counts first where there are few."""
    over, under = whole(row[f"{head}numerator"]), whole(row[f"{head}denominator"])
    if text.few(under):
        return plain(text.counts(over, under))
    return plain(text.percent(over, under, *lines))


@pytest.fixture(scope="module")
def standings(house: House) -> dict[tuple[str, str], Row]:
    """The default question, by target and indicator."""
    rows = table(house, "/api/v1/standings.csv")
    return {(row["target"], row["indicator"]): row for row in rows}


def test_the_register_shows_the_figures_of_the_standings(
    house: House, visit: Any, standings: dict[tuple[str, str], Row]
) -> None:
    """Status, closing figure, live figure, level and clock of all 20 rows."""
    seen, lines, now = visit("/"), lines_of(house), datetime.now(UTC)
    compared = 0
    for target in [name for name, indicator in standings if not indicator]:
        row = seen.page.locator(f"tr[data-target={target}]")
        head = standings[target, ""]
        assert row.get_attribute("data-status") == head["status"]
        level = text.level(head["operator"], whole(head["threshold"]), lines[target][1])
        assert plain(row.locator(".level").inner_text()) == plain(level)
        parts = [
            part for (name, indicator), part in standings.items() if name == target and indicator
        ]
        if head["status"] == "no_source":
            assert row.locator(".figure").count() == 0
            continue
        for part in parts:
            expected = figure(part, "closing_", lines[target])
            shown = [plain(s) for s in row.locator(".c-outcome .figure").all_inner_texts()]
            assert expected in shown or (expected == "—" and not shown), target
            compared += 1
        if len(parts) > 1:
            continue
        live = figure(parts[0], "", lines[target])
        shown = [plain(s) for s in row.locator(".live-figure").all_inner_texts()]
        assert shown == ([] if live == "—" else [live]), target
        if shown:
            reach = text.reach(datetime.fromisoformat(parts[0]["data_as_of"]), now)
            assert f"Số liệu đến {reach}" in plain(row.inner_text()), target
            if parts[0]["freshness"] in ("late", "stale"):
                assert theme.freshness(parts[0]["freshness"]).word in row.inner_text()
    assert compared >= 14
    seen.page.close()


def test_the_wall_shows_the_figures_of_the_standings(
    house: House, visit: Any, standings: dict[tuple[str, str], Row]
) -> None:
    """The figure that decides, or, where a tile is narrow, its words on the right side."""
    seen, lines = visit("/wall?page=1"), lines_of(house)
    compared = 0
    for (target, indicator), row in standings.items():
        tile = seen.page.locator(f".tile[data-target={target}]")
        if not indicator or row["status"] == "no_source" or tile.count() == 0:
            continue
        expected = figure(row, "closing_", lines[target])
        shown = [plain(s) for s in tile.locator(".hero, .part-figure").all_inner_texts()]
        shown = [s.replace(" %", "%").replace("%", " %") for s in shown]
        assert expected in shown, (target, indicator)
        compared += 1
    assert compared >= 13
    seen.page.close()


def test_the_matrix_shows_the_figures_of_the_standings(house: House, visit: Any) -> None:
    """Every cell: the status of the org unit and its share."""
    seen, lines = visit("/"), lines_of(house)
    cells = seen.page.eval_on_selector_all(
        ".m-cell",
        "all => all.map(c => [c.querySelector('a').href, c.dataset.orgUnit, c.dataset.status,"
        " c.innerText])",
    )
    units = ",".join(dict.fromkeys(cell[1] for cell in cells))
    rows = table(house, f"/api/v1/standings.csv?org_unit={units}")
    known = {(row["target"], row["org_unit"]): row for row in rows if not row["indicator"]}
    names = seen.page.eval_on_selector_all(
        ".matrix tbody tr:has(.m-cell)",
        "all => all.map(r => [r.querySelector('.target-id').innerText,"
        " r.querySelectorAll('.m-cell').length])",
    )
    targets = [name for name, number in names for _ in range(number)]
    assert len(targets) == len(cells) > 200
    filled = 0
    for target, (_, unit, status, shown) in zip(targets, cells, strict=True):
        row = known.get((target, unit))
        assert status == (row["status"] if row else "no_data"), (target, unit)
        over, under = (
            (whole(row["closing_numerator"]), whole(row["closing_denominator"]))
            if row
            else (None, None)
        )
        expected = text.percent(over, under, *lines[target], decimals=0)
        expected = "" if expected == text.NONE else plain(expected).removesuffix(" %")
        assert plain(shown) == expected, (target, unit)
        filled += bool(expected)
    assert filled > 10
    seen.page.close()


@pytest.mark.parametrize(
    "path",
    ["/indicator/I02b?level=department", "/indicator/I02b?level=commune", "/indicator/I11b"],
)
def test_a_ranking_shows_the_rows_of_its_csv(house: House, visit: Any, path: str) -> None:
    """The address of the button is the question of the list: same units, same figures."""
    seen = visit(path)
    address = (
        seen.page
        .locator("#indicator-ranking, .card:has(.ranking)")
        .first.locator("a[href*='standings.csv']")
        .first.get_attribute("href")
    )
    rows = [row for row in table(house, without(address, "download")) if row["indicator"]]
    lines = lines_of(house)[rows[0]["target"]]
    why = reasons(house, rows)
    expected = []
    for row in rows:
        over, under = whole(row["closing_numerator"]), whole(row["closing_denominator"])
        absent = not under
        counted = why[row["org_unit"]] if absent else plain(text.counts(over, under))
        covered = whole(row["closing_coverage"])
        share = text.NONE if covered is None else text.share(100 * covered, decimals=0)
        expected.append((
            row["name"],
            plain(text.percent(over, under, *lines)),
            counted,
            plain(f"độ phủ {share}"),
        ))
    parts = ("name", "value", "n", "covered")
    shown = [
        tuple(plain(item.locator(f".rank-{part}").text_content()) for part in parts)
        for item in seen.page.locator(".rank").all()
    ]
    assert sorted(shown) == sorted(expected) and len(shown) >= 8
    assert any(counted not in text.REASONS.values() for _, _, counted, _ in shown)
    seen.page.close()


def reasons(house: House, rows: list[Row]) -> dict[str, str]:
    """Why an org unit has no figure in the window of the newest, by the question of values."""
    window = max(row["closing_period"] for row in rows)
    asked = f"indicator={rows[0]['indicator']}&level={rows[0]['level']}"
    grain = "year" if len(window) == 4 else "month"
    values = table(house, f"/api/v1/values.csv?{asked}&grain={grain}&from={window}&to={window}")
    return {row["org_unit"]: text.REASONS.get(row["reason"], "chưa có số liệu") for row in values}


@pytest.mark.parametrize("path", ["/indicator/I02b", "/indicator/I12a"])
def test_a_chart_and_its_table_show_the_rows_of_their_csv(
    house: House, visit: Any, path: str
) -> None:
    """Every month: numerator, denominator, value or the reason why there is none."""
    seen = visit(path)
    address = seen.page.locator("a[href*='values.csv']").first.get_attribute("href")
    rows = table(house, without(address, "download"))
    drawn = seen.page.evaluate(
        "(d => [d.x.map(x => String(x).slice(0, 10)), [...d.y]])"
        "(document.querySelector('.js-plotly-plot').data[0])"
    )
    assert drawn[0] == [Period.parse(row["period"]).start.isoformat() for row in rows]
    assert drawn[1] == [whole(row["value"]) for row in rows]
    seen.page.locator("summary", has_text="Xem dạng bảng").click()
    shown = [
        [plain(cell) for cell in row.split("\t")]
        for row in seen.page.locator("#indicator-trend-table tbody").inner_text().split("\n")
        if row.strip()
    ]
    lines = lines_of(house)[{"I02b": "T02b", "I12a": "T12a"}[rows[0]["indicator"]]]
    expected = [
        [
            text.period(row["period"]),
            text.number(whole(row["numerator"])),
            text.number(whole(row["denominator"])),
            plain(text.percent(whole(row["numerator"]), whole(row["denominator"]), *lines)),
        ]
        for row in reversed(rows)
    ]
    assert [row[:4] for row in shown] == expected
    for row, said in zip(reversed(rows), shown, strict=True):
        if row["reason"]:
            assert said[-1] == text.REASONS[row["reason"]], row["period"]
    seen.page.close()


def test_the_sources_page_shows_the_rows_of_sources_runs_and_rejections(
    house: House, visit: Any
) -> None:
    """What is stored, how the runs went, how many rows were refused and why."""
    seen = visit("/sources")
    for source in table(house, "/api/v1/sources.csv"):
        card = seen.page.locator(f"#source-{source['source']}")
        words = plain(card.inner_text())
        assert source["name"] in words
        assert f"{text.number(whole(source['records']))} dòng" in words
        runs = table(house, f"/api/v1/runs.csv?source={source['source']}")
        shown = card.locator(".run[data-outcome]").evaluate_all(
            "all => all.map(r => r.dataset.outcome)"
        )
        assert shown == [run["outcome"] for run in reversed(runs)][-30:]
        refused = [
            row["reason"]
            for row in table(house, f"/api/v1/rejections.csv?source={source['source']}")
        ]
        counted = {
            plain(item.locator("span").inner_text()): int(item.locator("b").inner_text())
            for item in card.locator(".reasons li").all()
        }
        assert counted == {plain(reason): refused.count(reason) for reason in refused}
    seen.page.close()


def test_a_sector_shows_the_rows_of_its_files(house: House, visit: Any) -> None:
    """Outcome and live figure of its targets, its newest records, its map, its months."""
    seen = visit("/sector/public_services?indicator=I02b")
    page, lines = seen.page, lines_of(house)

    def rows(part: str, question: str) -> list[Row]:
        link = page.locator(f"{part} a[href*='{question}.csv']").first
        found = table(house, without(link.get_attribute("href"), "download"))
        assert plain(link.inner_text()) == f"CSV · {text.number(len(found))} dòng"
        return found

    parts = [row for row in rows("#sector-targets", "standings") if row["indicator"]]
    assert len(parts) == 2
    for row in parts:
        shown = page.locator(f"tr[data-indicator={row['indicator']}]")
        assert shown.get_attribute("data-status") == row["status"]
        figures = [plain(one) for one in shown.locator(".figure").all_inner_texts()]
        assert figures == [figure(row, head, lines[row["target"]]) for head in ("closing_", "")]
    told = [key[:12] for key in page.locator(".sector-cases code").all_inner_texts()]
    assert told == [row["key"][:12] for row in rows("#sector-cases", "records")[: len(told)]]
    assert len(told) == 8
    listed = page.locator("#sector-map-list .rank")
    values = {row["name"]: row for row in rows(".sector-map", "values")}
    assert listed.count() == len(values) == 41
    page.locator(".sector-map summary").click()
    for name, share in zip(
        listed.locator(".rank-name").all_inner_texts(),
        listed.locator(".rank-value").all_inner_texts(),
        strict=True,
    ):
        row = values[name]
        assert plain(share) == figure(row, "", lines["T02b"]), name
    drawn = page.evaluate("[...document.querySelector('.js-plotly-plot').data[0].y]")
    assert drawn == [whole(row["value"]) for row in rows(".fill", "values")]
    page.close()


def test_the_projects_page_shows_the_rows_of_its_file(house: House, visit: Any) -> None:
    """State, milestones and money of every project; the bars add them up by source of funds."""
    page = visit("/projects").page
    address = page.locator("#projects-list a[href*='projects.csv']").get_attribute("href")
    rows = table(house, without(address, "download"))
    shown = page.locator("tr[data-project]")
    assert shown.count() == len(rows) > 20
    told = 0
    for row in rows:
        line = page.locator(f"tr[data-project={row['project']}]")
        assert line.get_attribute("data-state") == row["state"]
        words = plain(line.inner_text())
        assert row["name"] in words and theme.PROJECT[row["state"]].word in words
        done = text.counts(whole(row["milestones_done"]), whole(row["milestones_total"]))
        assert f"{done} mốc xong" in words
        paid, planned = whole(row["disbursed"]), whole(row["planned"])
        assert plain(text.percent(paid, planned)) in words
        told += paid > 0
    assert told == 1
    for name, words in text.FUNDS.items():
        paid, planned = (
            sum(whole(row[f"{what}_{name}"]) for row in rows) for what in ("disbursed", "planned")
        )
        bar = plain(page.locator(".fund", has_text=words).inner_text())
        assert plain(text.counts(paid, planned)) in bar, name
    late = table(house, "/api/v1/records.csv?kind=milestone&overdue=1")
    assert page.locator(".late-list tbody tr").count() == len(late) == 1
    page.close()


def test_the_orientation_shows_the_rows_of_its_files(house: House, visit: Any) -> None:
    """Every cell of the roll-out: state, since when, document; every task: sentence and state."""
    page = visit("/orientation").page
    rows = table(house, "/api/v1/rollout.csv")
    assert page.locator("td[data-service]").count() == len(rows) == 45
    for row in rows:
        cell = page.locator(f"td[data-service={row['service']}][data-area={row['org_unit']}]")
        words = plain(cell.inner_text())
        assert cell.get_attribute("data-state") == row["state"]
        assert theme.ROLLOUT[row["state"]].word in words
        if row["state"] in ("pilot", "operating"):
            assert f"từ {text.day(row['since'])}" in words and row["evidence"] in words
    assert {row["state"] for row in rows} == {"", "none", "pilot", "operating"}
    tasks = table(house, "/api/v1/tasks.csv")
    assert page.locator("tr[data-task]").count() == len(tasks) == 14
    for row in tasks:
        line = page.locator(f"tr[data-task={row['task']}]")
        assert line.get_attribute("data-state") == row["state"]
        assert line.locator("blockquote").text_content() == row["sentence"]
        assert row["owner_name"] in line.inner_text() and row["evidence"] in line.inner_text()
    page.close()


def test_the_button_saves_a_file_that_a_spreadsheet_opens_right(
    house: House, visit: Any, tmp_path: Any
) -> None:
    """F1, F3: BOM, accents, all rows; the side-car counts the rows and knows the bytes."""
    seen = visit("/indicator/I02b?level=commune")
    button = seen.page.locator("a[href*='standings.csv']").first
    with seen.page.expect_download() as waiting:
        button.click()
    saved = tmp_path / "saved.csv"
    waiting.value.save_as(saved)
    body = saved.read_bytes()
    assert body.startswith(b"\xef\xbb\xbf") and not body.startswith(b"\xef\xbb\xbfsep=")
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert any(row["name"] == "Phường Đồng Hới" for row in rows)
    assert all(row["sample_data"] == "DỮ LIỆU MẪU" for row in rows)
    assert "DU-LIEU-MAU" in waiting.value.suggested_filename
    listed = seen.page.locator(".rank").count()
    assert len([row for row in rows if row["indicator"]]) == listed
    again, headers = house.get(button.get_attribute("href"))
    assert headers["content-disposition"].startswith("attachment")
    sealed = headers["content-location"]
    assert house.get(sealed)[0] == again
    beside = json.loads(house.get(headers["link"].partition("<")[2].partition(">")[0])[0])
    assert beside["rows"] == len(rows)
    assert beside["sha256"] == hashlib.sha256(again).hexdigest()
    seen.page.close()


def without(address: str, name: str) -> str:
    """An address less one of its filters."""
    parts = urlsplit(address)
    kept = "&".join(f"{k}={v}" for k, v in parse_qsl(parts.query) if k != name)
    return f"{parts.path}?{kept}"
