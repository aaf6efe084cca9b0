"""In a real browser: a revoked screen is empty within ten seconds and goes to its card once."""

import time
from collections.abc import Iterator
from threading import Thread

import pytest
from playwright.sync_api import Page
from werkzeug.serving import make_server

from app import create_app
from kpi import devices
from tests.conftest import free_port
from tests.doors import ADMIN, PASSWORD, Doors, settings_of

pytestmark = pytest.mark.browser


@pytest.fixture
def door(tmp_path, sqlite_store) -> Iterator[Doors]:
    settings = settings_of(tmp_path, sqlite_store)
    server = create_app(settings, sqlite_store).server
    running = make_server("127.0.0.1", free_port(), server, threaded=True)
    running.daemon_threads = True
    Thread(target=running.serve_forever, daemon=True).start()
    found = Doors(server, sqlite_store, settings)
    found.address = f"http://127.0.0.1:{running.server_port}"  # type: ignore[attr-defined]
    yield found
    running.shutdown()


@pytest.fixture
def page(chromium, door) -> Iterator[Page]:
    context = chromium.new_context(base_url=door.address, viewport={"width": 1920, "height": 1080})
    yield context.new_page()
    context.close()


def until(page: Page, true, seconds: float = 20) -> float:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, page.url
        page.wait_for_timeout(100)
    return time.monotonic() - begun


def test_a_screen_is_paired_and_once_revoked_empty_within_ten_seconds(door, page):
    page.goto("/screen")
    code = page.locator("#pairing-code")
    until(page, lambda: "·" not in code.inner_text())
    assert code.bounding_box()["height"] > 150  # read from across a room
    typed = "".join(letter for letter in code.inner_text() if letter.isalnum())
    number = devices.pair(door.store, ADMIN, typed, name="Phòng họp", layout="scene=overview")
    until(page, lambda: "/wall?scene=overview" in page.url)
    page.wait_for_selector("#wall", timeout=30_000)
    page.wait_for_timeout(3000)  # the stream stands
    went: list[str] = []
    page.on("framenavigated", lambda frame: went.append(frame.url))
    devices.revoke(door.store, ADMIN, number)
    gone = until(page, lambda: page.locator("#wall").count() == 0)
    assert gone <= 10
    until(page, lambda: page.url.endswith("/screen"))
    page.wait_for_selector("text=ghép nối lại")
    until(page, lambda: "·" not in code.inner_text())
    page.wait_for_timeout(8000)
    assert [url for url in went if url.startswith("http")] == [f"{door.address}/screen"]
    assert "%" not in page.locator("main").inner_text()


def test_a_person_signs_in_by_the_form_and_a_callback_carries_the_token(door, page):
    door.person("lan")
    refused: list[str] = []
    page.on("response", lambda said: refused.append(said.url) if said.status == 403 else None)
    page.goto("/sources")
    page.fill("#name", "lan")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("#main h1")
    assert page.url.endswith("/sources")
    assert not refused
    for width in (390, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/account")
        page.screenshot(path=f"/tmp/account-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("form[action='/logout'] button")
    page.wait_for_selector("#password")
    for width in (390, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=f"/tmp/login-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
