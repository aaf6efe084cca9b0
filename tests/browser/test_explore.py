"""/explore as an official uses it: choose, look, count, take the file; stop a long one."""

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import text as sql

from tests.browser.conftest import Screen
from tests.browser.house import House
from tests.browser.test_same_numbers import plain

pytestmark = pytest.mark.browser
COMMUNES = "/explore?indicator=I02b&level=commune&from=2024&to=2024"
MOST = 1_000_000


@pytest.fixture
def page(visit: Any) -> Any:
    """Pages of one's own, closed after the test."""
    opened: list[Screen] = []

    def see(path: str, size: tuple[int, int] = (1920, 1080)) -> Screen:
        opened.append(visit(path, size))
        return opened[-1]

    yield see
    for one in opened:
        one.page.close()


def asked(page: Any) -> dict[str, str]:
    """What the address of a page says."""
    return dict(parse_qsl(urlsplit(page.url).query))


def table(page: Any) -> list[tuple[str, list[str]]]:
    """Each line: what it is of, and its cells as they are drawn."""
    lines = page.evaluate(
        "[...document.querySelectorAll('.explore-table tbody tr')].map(tr => [tr.dataset.key,"
        " [...tr.cells].map(td => td.innerText)])"
    )
    return [(key, [plain(cell) for cell in cells]) for key, cells in lines]


def told(page: Any) -> str:
    """The count that stands over the rows."""
    return plain(page.locator(".explore-answer h2").inner_text())


def rows_of(house: House, address: str) -> list[dict[str, str]]:
    body, _ = house.get(address)
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def on(label: str, word: str) -> str:
    """Whether an alternative is the chosen one, as an expression in the page."""
    chosen = f"document.querySelector('.explore-chooser nav[aria-label=\"{label}\"] a.on')"
    return f"{chosen}?.innerText === '{word}'"


def vietnamese(number: int) -> str:
    return f"{number:,}".replace(",", ".")


# --- choosing ------------------------------------------------------------------------------------


def test_last_years_months_of_all_communes_take_four_clicks(page: Any, house: House) -> None:
    """The task of an official who is no programmer, by mouse, from the menu to the file."""
    seen = page("/")
    p = seen.page
    p.click(".masthead nav >> text=Tra cứu")
    p.fill("#explore-find-indicators", "toan trinh")  # no accents needed
    shown = p.locator("#explore-indicators-list .dash-options-list-option:visible")
    seen.until("document.querySelectorAll('#explore-indicators-list fieldset:not([hidden])')"
               ".length < 3")  # fmt: skip
    assert shown.count() >= 1
    shown.first.click()
    p.click("text=Xem số liệu")
    p.wait_for_selector(".explore-table")
    p.click(".explore-chooser >> text=Xã, phường")
    seen.until(on("Cấp đơn vị", "Xã, phường"))
    year = p.locator(".explore-chooser nav[aria-label='Khoảng thời gian'] a").nth(2)
    wanted = year.inner_text().removeprefix("Năm ")
    year.click()
    seen.until(on("Khoảng thời gian", f"Năm {wanted}"))
    assert asked(p) == {"indicator": "I02b", "level": "commune", "from": wanted, "to": wanted}
    with p.expect_download() as download:
        p.click(".explore-files a[download] >> text=CSV")
    body = Path(download.value.path()).read_bytes()
    rows = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))
    assert told(p) == f"{vietnamese(len(rows))} dòng"
    assert {row["level"] for row in rows} == {"commune"}
    assert {row["period"][:4] for row in rows} == {wanted}


def test_the_keyboard_alone_chooses_an_org_unit_and_shows_it(page: Any) -> None:
    seen = page("/explore?indicator=I02b&from=2024&to=2024")
    p = seen.page
    p.locator(".explore-step:nth-child(2) summary").first.focus()
    p.keyboard.press("Enter")
    p.keyboard.press("Tab")
    assert p.evaluate("document.activeElement.id") == "explore-find-units"
    p.keyboard.type("dong hoi")
    p.keyboard.press("Enter")  # ticks the first that is left
    seen.until("!!document.querySelector('#explore-go a')")
    assert "12 dòng" in plain(p.locator("#explore-go").inner_text())
    for _ in range(60):
        p.keyboard.press("Tab")
        if p.evaluate("!!document.activeElement.closest('#explore-go')"):
            break
    p.keyboard.press("Enter")
    first = "document.querySelector('.explore-table [data-key]')"
    seen.until(f"{first}?.dataset.key.includes('area-450')")
    assert asked(p)["org_unit"] == "area-450"
    assert {key.split()[1] for key, _ in table(p)} == {"area-450"}


def test_a_search_without_accents_finds_with_accents_and_says_when_nothing_is_left(
    page: Any,
) -> None:
    seen = page("/explore?indicator=I02b")
    p = seen.page
    p.locator(".explore-step:nth-child(2) summary").first.click()
    found = {}
    for words in ("le thuy", "Lệ Thủy", "LE  THUY"):
        p.fill("#explore-find-units", words)
        found[words] = p.locator("#explore-units-list label:visible").all_inner_texts()
    assert found["le thuy"] == found["Lệ Thủy"] == found["LE  THUY"]
    assert any("Lệ Thủy" in one for one in found["le thuy"])
    p.fill("#explore-find-units", "không đâu cả")
    assert p.locator("#explore-units-list label:visible").count() == 0
    assert p.locator("#explore-units-list .explore-none").is_visible()


def test_the_form_takes_periods_as_people_write_them(page: Any) -> None:
    seen = page("/explore?indicator=I02b&level=area")
    p = seen.page
    p.fill("#explore-from", "10/2023")
    p.fill("#explore-to", "3/2024")
    p.press("#explore-to", "Enter")
    seen.until("location.search.includes('to=3')")
    p.wait_for_selector(".explore-table")
    assert {key.split()[2] for key, _ in table(p)} == {
        "2023-10", "2023-11", "2023-12", "2024-01", "2024-02", "2024-03",
    }  # fmt: skip
    assert asked(p)["level"] == "area"


# --- the rows ------------------------------------------------------------------------------------


def test_the_numbers_of_the_page_are_those_of_the_file_and_the_count_is_its_length(
    page: Any, house: House
) -> None:
    seen = page(COMMUNES + "&sort=high")
    p = seen.page
    href = p.locator(".explore-files a").first.get_attribute("href")
    rows = rows_of(house, href)
    assert told(p) == f"{vietnamese(len(rows))} dòng"
    assert f"CSV · {vietnamese(len(rows))} dòng" in plain(p.locator(".explore-files").inner_text())
    by_key = {f"{r['indicator']} {r['org_unit']} {r['period']}": r for r in rows}
    drawn = table(p)
    p.click(".explore-pager .step[title='Trang sau'] >> nth=0")
    seen.until("location.search.includes('after=100')")
    seen.until("document.querySelector('.explore-pager').innerText.includes('Trang 2/')")
    second = table(p)
    assert len(drawn) == len(second) == 100
    assert not {key for key, _ in drawn} & {key for key, _ in second}
    figures = 0
    for key, cells in drawn + second:
        row = by_key[key]
        assert cells[0] == row["name"] and cells[1] == row["code"]
        value, above, below = cells[3:6]
        for shown, exact in ((above, row["numerator"]), (below, row["denominator"])):
            assert (shown == "—") == (exact == "")
            assert exact == "" or float(shown.replace(".", "")) == float(exact)
        assert (value == "—") == (row["value"] == "")
        if row["value"]:
            figures += 1
            number = float(value.removesuffix(" %").replace(",", "."))
            assert abs(number - float(row["value"])) <= 0.5
        else:
            assert cells[7]  # the reason, in words
    assert figures >= 12


def test_back_restores_the_view_before(page: Any) -> None:
    seen = page(COMMUNES)
    p = seen.page
    before = table(p)
    p.click(".explore-pager .step[title='Trang sau'] >> nth=0")
    seen.until("location.search.includes('after=100')")
    seen.until("document.querySelector('.explore-pager').innerText.includes('Trang 2/')")
    p.click("text=Theo kỳ")
    seen.until("location.search.includes('sort=period')")
    seen.until("document.querySelector('.explore-pager').innerText.includes('Trang 1/')")
    p.go_back()
    seen.until("document.querySelector('.explore-pager').innerText.includes('Trang 2/')")
    p.go_back()
    seen.until("document.querySelector('.explore-pager').innerText.includes('Trang 1/')")
    assert table(p) == before


def test_the_head_of_the_table_stays_while_one_reads_on(page: Any) -> None:
    for size in ((1920, 1080), (390, 844)):
        seen = page(COMMUNES, size)
        p = seen.page
        p.evaluate(
            "(box => { box.scrollTop = 900; window.scrollTo(0, 1e6);"
            " document.querySelector('.explore-table tr:nth-child(60)').scrollIntoView("
            "{block: 'center'}); })(document.querySelector('.explore-rows'))"
        )
        at = p.evaluate(
            "(h => { const r = h.getBoundingClientRect(), x = r.left + 20, y = r.top + 8;"
            " return [r.top, document.elementFromPoint(x, y) === h]; })"
            "(document.querySelector('.explore-table th'))"
        )
        assert 0 <= at[0] < size[1] / 2 and at[1], size
        assert p.evaluate("document.documentElement.scrollWidth") <= size[0]


# --- a view to keep ------------------------------------------------------------------------------


def test_a_pinned_address_answers_the_same_bytes_after_new_figures(page: Any, house: House) -> None:
    seen = page("/explore?indicator=I02b&level=area")
    p = seen.page
    p.click("text=Địa chỉ của đúng số này")
    p.wait_for_selector("#explore-pinned-link")
    href = p.locator("#explore-pinned-link").get_attribute("href")
    assert "as_of=" in href and "from=" in href and "on=" in href
    file = "/api/v1/values.csv?" + urlsplit(href).query
    p.click("#explore-pinned-link")
    p.wait_for_selector(".past-band")
    p.wait_for_selector(".explore-table")
    before, drawn = house.get(file)[0], table(p)
    now = page("/explore?indicator=I02b&level=area")
    seen_now = table(now.page)
    house.resolve(40, online=True)
    again = page(href)
    assert house.get(file)[0] == before
    assert table(again.page) == drawn
    now.until(f"JSON.stringify([...document.querySelectorAll('.explore-table td.figure')]"
              f".map(e => e.innerText)) !== {json.dumps(json.dumps(shown(seen_now)))}")  # fmt: skip


def shown(rows: list[tuple[str, list[str]]]) -> list[str]:
    return [cells[3] for _, cells in rows]


def test_the_address_is_copied(page: Any, house: House, contexts: Any) -> None:
    contexts((1920, 1080)).grant_permissions(
        ["clipboard-read", "clipboard-write"], origin=house.address
    )
    seen = page(COMMUNES)
    p = seen.page
    p.click("text=Chép địa chỉ")
    p.wait_for_selector("text=Đã chép")
    assert p.evaluate("navigator.clipboard.readText()") == p.url


# --- a long file ---------------------------------------------------------------------------------


def long(house: House) -> str:
    """A question with many rows: every indicator, every commune, each day of two months."""
    keys = [row["indicator"] for row in house.json("/api/v1/indicators.json")["rows"]]
    return f"/explore?indicator={','.join(keys)}&level=commune&grain=day&from=2024-01&to=2024-02"


def slowly(p: Any, bytes_a_second: int) -> Any:
    """A line as slow as that."""
    wire = p.context.new_cdp_session(p)
    wire.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": bytes_a_second}
    wire.send("Network.emulateNetworkConditions", limits | {"uploadThroughput": -1})
    return wire


def exports(house: House) -> list[dict[str, Any]]:
    """What the audit says of the files that left."""
    with house.store.read() as connection:
        found = connection.execute(
            sql("SELECT detail FROM audit WHERE kind = 'export' ORDER BY number")
        ).scalars()
        return [json.loads(one) for one in found]


def test_a_long_file_tells_how_far_it_is_and_stops_when_it_is_told_to(
    page: Any, house: House
) -> None:
    seen = page(long(house))
    p = seen.page
    many = int(told(p).removesuffix(" dòng").replace(".", ""))
    assert 300_000 < many < MOST
    taken: list[Any] = []
    p.on("download", lambda one: taken.append(one))
    before = len(exports(house))
    slowly(p, 400_000)
    p.click(".explore-files a[download] >> text=CSV")
    seen.until("document.querySelector('.transfer progress')?.value > 500")
    first = p.evaluate("document.querySelector('.transfer progress').value")
    seen.until(f"document.querySelector('.transfer progress').value > {first}")
    words = plain(p.locator(".transfer-told").inner_text())
    assert f"/{vietnamese(many)} dòng" in words and "B" in words
    p.click(".masthead nav >> text=Dự án")  # it stays while one looks at another page
    seen.until("location.pathname === '/projects'")
    p.click("text=Dừng tải")
    p.wait_for_selector("text=Đã dừng, không lưu tệp nào")
    assert taken == []
    for _ in range(100):  # the server hears of it when it writes on
        if len(exports(house)) > before:
            break
        p.wait_for_timeout(100)
    (one,) = exports(house)[before:]
    assert 0 < one["rows"] < many / 2


def test_a_whole_long_file_is_saved_with_every_row(page: Any, house: House) -> None:
    seen = page("/explore?indicator=I02b&level=commune&grain=day&from=2024-01&to=2024-06")
    p = seen.page
    many = int(told(p).removesuffix(" dòng").replace(".", ""))
    assert many > 20_000
    with p.expect_download() as download:
        p.click(".explore-files a[download] >> text=CSV")
    p.wait_for_selector(".transfer[data-state='done']")
    assert f"{vietnamese(many)} dòng" in plain(p.locator(".transfer-told").inner_text())
    assert download.value.suggested_filename.endswith(".csv")
    body = Path(download.value.path()).read_bytes()
    assert body.startswith(b"\xef\xbb\xbf") and body.count(b"\r\n") == many + 1


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (429, {"Retry-After": "900"}, "{}", "Thử lại sau 15 phút"),
        (413, {}, '{"detail": "2000000 dòng, quá 1000000 dòng của một tệp."}', "quá 1000000 dòng"),
        (503, {}, "gone", "mã 503"),
        (0, {}, "", "Mất kết nối"),
    ],
)
def test_what_goes_wrong_is_told_in_words_and_nothing_is_saved(
    page: Any, status: int, headers: dict[str, str], body: str, words: str
) -> None:
    seen = page("/explore?indicator=I02b&level=commune&grain=day&from=2024-01&to=2024-06")
    p = seen.page
    taken: list[Any] = []
    p.on("download", lambda one: taken.append(one))

    def answer(route: Any) -> None:
        if status:
            route.fulfill(status=status, headers=headers, body=body)
        else:
            route.abort()

    p.route("**/api/v1/values.csv*", answer)
    p.click(".explore-files a[download] >> text=CSV")
    p.wait_for_selector(".transfer[data-state='failed']")
    assert words in plain(p.locator(".transfer-told").inner_text())
    assert taken == []
    p.click(".transfer >> text=Đóng")
    assert p.locator(".transfer").count() == 0


# --- on a phone ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/explore", COMMUNES])
def test_on_a_phone_the_answer_stands_before_the_form(page: Any, path: str) -> None:
    """The first row or question is on the first screen; the form is one click away."""
    seen = page(path, (390, 844)).page
    top = "document.querySelector('{}').getBoundingClientRect().top"
    assert seen.evaluate(top.format("#explore-rows")) < 844
    assert seen.evaluate(top.format("#explore-rows") + "<" + top.format("#explore-chooser"))
    seen.locator(".explore-down").click()
    seen.wait_for_function(f"Math.abs({top.format('#explore-chooser')}) < 60")


def test_on_a_phone_no_word_of_a_program_is_broken_and_no_table_scrolls(page: Any) -> None:
    seen = page("/api", (390, 844)).page
    names = seen.evaluate(
        "[...document.querySelectorAll('.guide-wide td:first-child code')]"
        ".filter(e => e.checkVisibility()).map(e => e.getClientRects().length)"
    )
    assert len(names) > 40 and set(names) == {1}
    wide = "[...document.querySelectorAll('.guide-wide')].filter(e => e.scrollWidth > 390).length"
    assert seen.evaluate(wide) == 0


def test_the_copied_address_of_the_csv_gives_the_rows(page: Any, house: House) -> None:
    seen = page(COMMUNES).page
    seen.locator(".explore-address summary").click()
    address = seen.locator(".explore-address code").inner_text()
    assert address.startswith(house.address)
    many = len(rows_of(house, address.removeprefix(house.address)))
    assert told(seen) == f"{vietnamese(many)} dòng" and many > 1000
