"""In a real browser, with data that arrive every second: the buttons of administration."""

import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest

from tests.browser.conftest import Screen
from tests.browser.house import House

pytestmark = pytest.mark.browser
WHY = "Bảo trì theo kế hoạch tuần"


@pytest.fixture
def arriving(house: House) -> Iterator[None]:
    """Data that arrive several times a second: each redraws what shows them."""
    stop = Event()

    def arrive() -> None:
        while not stop.wait(0.4):
            with house.store.write() as connection:
                house.store.touch(connection, ["wall"])

    told = Thread(target=arrive, daemon=True)
    told.start()
    yield
    stop.set()
    told.join()


def saying(seen: Screen, id: str) -> str:
    return str(seen.page.locator(id).inner_text())


@pytest.mark.parametrize("path", ["/admin/sources", "/admin/readings"])
def test_data_that_arrive_draw_no_button_anew_and_take_no_message_away(
    visit: Any, arriving: None, path: str
) -> None:
    seen = visit(path)
    name = path.rpartition("/")[2]
    page = seen.page
    page.evaluate("""() => {
      window.mounted = [...document.querySelectorAll('.admin-list button')];
    }""")
    asked: list[str] = []
    page.on("request", lambda one: asked.append(str(one.post_data or "").partition('"inputs"')[0]))
    page.fill(f"#admin-{name}-reason", "ừ")
    page.locator(".admin-list button").first.click()
    seen.until(f"document.querySelector('#admin-{name}-said').innerText.includes('Lý do')")
    page.fill(f"#admin-{name}-reason", WHY)
    until = time.monotonic() + 6
    while time.monotonic() < until:
        assert "Lý do" in saying(seen, f"#admin-{name}-said")
        assert page.input_value(f"#admin-{name}-reason") == WHY
        page.wait_for_timeout(200)
    assert page.evaluate("() => window.mounted.every(one => one.isConnected)")
    acts = [one for one in asked if f"admin-{name}-said" in one]
    assert len(acts) == 1, "a button that is drawn is none that was pressed"
    page.locator(".admin-list button").last.scroll_into_view_if_needed()
    box = page.locator(f"#admin-{name}-said").bounding_box()
    assert box and 0 <= box["y"] < page.viewport_size["height"], "the message is out of sight"
