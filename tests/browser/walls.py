"""Opens walls and steps through their sheets, and says how large a letter is from the last row."""

import math
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

from tests.browser.conftest import Screen

SHAPE = 16 / 9  # width by height of one screen
CAP = 0.72  # height of digits and capitals, in em
ON = "document.querySelector('.wall-sheet.on').dataset.sheet"
KEYS = "[...document.querySelectorAll('.wall-sheet')].map(e => e.dataset.sheet)"


def seen_at(address: str) -> tuple[float, float]:
    """Metres and inches of an address; what is assumed where it names none."""
    given = parse_qs(urlsplit(address).query)
    return float(given.get("d", ["4"])[0]), float(given.get("diag", ["65"])[0])


def arc_minutes(font: float, address: str, size: tuple[int, int]) -> float:
    """How large letters of so many CSS pixels are for somebody in the last row.

    A surface wider than a screen is a row of screens, each of the address's inches.
    """
    distance, diagonal = seen_at(address)
    high = diagonal * 0.0254 / math.hypot(1, min(size[0] / size[1], SHAPE))
    metres = CAP * font / size[1] * high
    return math.degrees(2 * math.atan(metres / 2 / distance)) * 60


PENDING = """
() => {
  // How many questions are under way; both scripts of ours have taken the place of fetch before.
  const send = window.fetch;
  window.pending = 0;
  window.fetch = function () {
    const reply = send.apply(this, arguments), end = () => { window.pending -= 1; };
    window.pending += 1;
    reply.then(end, end);
    return reply;
  };
}
"""


def watched(seen: Screen) -> Screen:
    """The same page, counting its questions."""
    seen.until("document.documentElement.classList.contains('has-wall')")
    seen.page.evaluate(PENDING)
    return seen


def standing(visit: Callable[..., Screen], path: str, size: tuple[int, int]) -> Screen:
    """A wall that has found out its shape and moves nothing."""
    seen = visit(path, size)
    seen.page.emulate_media(reduced_motion="reduce")
    shape = "innerWidth / innerHeight / document.querySelector('#wall').dataset.shape"
    seen.until("document.querySelector('#wall')?.dataset.shape > 0")
    seen.until(f"Math.abs({shape} - 1) < .02")
    seen.page.wait_for_load_state("load")
    seen.settle()
    return watched(seen)


def step(seen: Screen, key: str = "ArrowRight") -> str:
    """Turn to the next sheet; its name once it is drawn from the newest data."""
    seen.page.keyboard.press(key)
    for _ in range(2):
        seen.page.wait_for_timeout(60)
        seen.until("window.pending === 0")
    seen.page.wait_for_timeout(60)
    return seen.page.evaluate(ON)


def round_of(seen: Screen) -> Iterator[str]:
    """Show every sheet once, beginning with the one that is on."""
    yield seen.page.evaluate(ON)
    for _ in range(len(seen.page.evaluate(KEYS)) - 1):
        yield step(seen)
