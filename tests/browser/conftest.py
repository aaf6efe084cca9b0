"""One server, one Chromium and a few open pages for all tests of this folder.

A page is opened once for an address and a size and looked at by many tests; a test that changes
something asks for a page of its own with ``visit``.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Error

from tests.browser import looking
from tests.browser.house import ELSEWHERE, House
from tests.conftest import free_port

DESK = (1920, 1080)
KEPT = 3
SHAPED = (  # a wall loads itself once more for the shape of its screen
    "(wall => !wall || innerWidth < 700"
    " || Math.abs(innerWidth / innerHeight / wall.dataset.shape - 1) < .02)"
    "(document.getElementById('wall'))"
)


@dataclass
class Screen:
    """An open page, what its console said and whom it called."""

    page: Any
    path: str
    origin: str
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _texts: list[looking.Drawn] = field(default_factory=list)

    def watch(self) -> None:
        """Remember everything from now on."""
        page = self.page
        page.on("console", lambda said: self.console.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("response", self._answered)

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.failed.append(f"{response.status} {response.url}")

    def settle(self) -> None:
        """Return when the page stands: laid out, fonts there, charts drawn, nothing asked."""
        self.page.wait_for_selector("main")
        self.until(
            "document.fonts.status === 'loaded'"
            " && [...document.querySelectorAll('.dash-graph')].every(g =>"
            "    g.querySelector('.main-svg') && g.querySelector('.scatterlayer .trace'))"
            f" && {SHAPED}"
        )
        self.page.wait_for_timeout(200)

    @property
    def texts(self) -> list[looking.Drawn]:
        """Every text that the page drew when it was first looked at."""
        self._texts = self._texts or looking.texts(self.page)
        return self._texts

    def until(self, expression: str, *, seconds: float = 30) -> float:
        """Return when an expression is true in the page, and how long that took.

        Playwright's own ``wait_for_function`` evaluates inside the page: our policy forbids that.
        """
        begun = time.monotonic()
        while not self._now(expression):
            if time.monotonic() - begun > seconds:
                raise AssertionError(f"not within {seconds} s: {expression}")
            self.page.wait_for_timeout(50)
        return time.monotonic() - begun

    def _now(self, expression: str) -> Any:
        """What an expression is in the page; nothing while it loads itself anew."""
        try:
            return self.page.evaluate(expression)
        except Error as gone:
            if "navigation" not in str(gone):
                raise
            return None


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The filled store with the real server in front of it."""
    house = House(tmp_path_factory.mktemp("house"), free_port())
    try:
        house.fill()
        house.start()
        yield house
    finally:
        house.stop()
        house.store.close()


BY_DAY = """
new MutationObserver(() => {
  const wall = document.getElementById('wall');
  if (wall && wall.dataset.night) wall.dataset.night = '';
}).observe(document, {childList: true, subtree: true});
"""  # pictures are alike at every hour: nothing is dimmed, whenever the tests run


@pytest.fixture(scope="session")
def contexts(chromium: Any) -> Iterator[Callable[[tuple[int, int]], Any]]:
    """A browser context for each size of screen, far from Việt Nam."""
    made: dict[tuple[int, int], Any] = {}

    def context(size: tuple[int, int]) -> Any:
        if size not in made:
            made[size] = chromium.new_context(
                viewport={"width": size[0], "height": size[1]},
                timezone_id=ELSEWHERE,
                locale="en-US",
                color_scheme="dark",
                accept_downloads=True,
            )
            made[size].set_default_timeout(30_000)
            made[size].add_init_script(BY_DAY)
        return made[size]

    yield context
    for each in made.values():
        each.close()


@pytest.fixture(scope="session")
def visit(house: House, contexts: Any) -> Callable[..., Screen]:
    """Open an address in a page of one's own; the caller closes it."""

    def open_page(path: str, size: tuple[int, int] = DESK) -> Screen:
        screen = Screen(contexts(size).new_page(), path, house.address)
        screen.watch()
        screen.page.goto(house.address + path, wait_until="load")
        screen.settle()
        return screen

    return open_page


@pytest.fixture(scope="module")
def seen(request: pytest.FixtureRequest, visit: Callable[..., Screen]) -> Iterator[Screen]:
    """The page of a parameter ``(path, size)``: opened once, looked at by all tests, closed."""
    opened = visit(*request.param)
    yield opened
    opened.page.close()


@pytest.fixture(scope="session")
def screen(visit: Callable[..., Screen]) -> Callable[..., Screen]:
    """A shared page; look, do not touch. Few stay open: each follows the data and costs time."""
    kept: dict[tuple[str, tuple[int, int]], Screen] = {}

    def shared(path: str, size: tuple[int, int] = DESK) -> Screen:
        found = kept.pop((path, size), None) or visit(path, size)
        kept[path, size] = found
        while len(kept) > KEPT:
            kept.pop(next(iter(kept))).page.close()
        return found

    return shared
