"""The wall for days in minutes: ``make soak-wall`` (``--minutes 30``), ten times as fast.

A real browser shows the wall of a real, moving store and turns its pages by itself. Printed and
held: how the heap of the page grows once garbage is collected, whether the map and the small charts
are still the very elements that they were, what the console said, and whether two questions of one
component were ever under way at once.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import linear_regression
from typing import Any

from playwright.sync_api import sync_playwright

from tests.conftest import QUIET
from tests.soak.house import House, until
from tests.soak.sources import _ask, _house, _ready

SPEED = 10
SCENES = "overview,gravest,worst,map,smart_city,sources"
"""Not the one sector: where another becomes the worst, it reloads."""
GROWTH, HEAP = 10.0, 300.0  # MB an hour of the wall's own time; MB in all
STILL = "[...document.querySelectorAll('.wall-sheet .sparkline, .leaflet-container')]"
MARK = f"() => {{ {STILL}.forEach(e => e.soak = 1); return {STILL}.length; }}"
SAME = f"() => [{STILL}.length, {STILL}.filter(e => e.soak === 1).length]"
WATCH = """
() => {
  const open = {}; window.soak = {overlaps: 0, asked: 0, turned: 0};
  const send = window.fetch;
  window.fetch = function (resource, options) {
    const reply = send.apply(this, arguments);
    if (options && typeof options.body === 'string' && options.body.includes('"live.data"')) {
      const name = JSON.parse(options.body).output;
      if (open[name]) window.soak.overlaps += 1;
      open[name] = (open[name] || 0) + 1; window.soak.asked += 1;
      const end = () => { open[name] -= 1; };
      reply.then(end, end);
    }
    return reply;
  };
  let on = '';
  setInterval(() => {
    const now = (document.querySelector('.wall-sheet.on') || {dataset: {}}).dataset.sheet;
    if (now !== on) { on = now; window.soak.turned += 1; }
  }, 100);
}
"""


def main() -> int:
    """The rehearsal; 1 when a limit was missed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=30)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="ioc-wall-") as folder:
        house = _house(Path(folder), os.environ.get("IOC_SANDBOX_SCALE", "0.05"))
        house.start()
        try:
            if not until(lambda: _ready(house) and _settled(house), 300):
                print("Không đạt: các nguồn không nạp xong")
                return 1
            missed = look(house, given.minutes * 60)
        finally:
            house.end()
    print("Không đạt: " + "; ".join(missed) if missed else "Đạt mọi giới hạn.")
    return int(bool(missed))


def _settled(house: House) -> bool:
    """Every source has told its history: the worst sector changes no more, the page stays."""
    rows = _ask(house, "sources.json")
    return bool(rows) and all(row["loaded_at"] for row in rows)


def look(house: House, seconds: float) -> list[str]:
    """The page open for so long; what was missed."""
    said: list[str] = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=list(QUIET))
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(
            f"http://127.0.0.1:{house.port}/wall?speed={SPEED}&scene={SCENES}", wait_until="load"
        )
        page.wait_for_selector(".wall-sheet.on .tile")
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.evaluate(WATCH)
        until(lambda: page.evaluate("window.soak.turned") > 12, 300)  # every sheet was seen once
        marked = page.evaluate(MARK)
        heap = _heaps(page, seconds)
        kept, told = page.evaluate(SAME), page.evaluate("window.soak")
        browser.close()
    return _judge(heap, marked, kept, told, said)


def _heaps(page: Any, seconds: float) -> list[tuple[float, float]]:
    """Heap in MB after a collection, every half minute."""
    session = page.context.new_cdp_session(page)
    begun, found = time.monotonic(), []
    while (now := time.monotonic() - begun) < seconds:
        session.send("HeapProfiler.collectGarbage")
        found.append((now, session.send("Runtime.getHeapUsage")["usedSize"] / 1e6))
        page.wait_for_timeout(30_000)
    return found


def _judge(
    heap: list[tuple[float, float]],
    marked: int,
    kept: list[int],
    told: dict[str, int],
    said: list[str],
) -> list[str]:
    later = heap[len(heap) // 5 :]  # caches fill at first
    slope = linear_regression(*zip(*later, strict=True)).slope * 3600 / SPEED
    most = max(size for _, size in heap)
    minutes = heap[-1][0] / 60
    print(f"{minutes:.0f} phút, nhanh {SPEED} lần")
    print(f"{told['turned']} lượt trang, {told['asked']} lần hỏi")
    print(f"bộ nhớ: {slope:+.2f} MB mỗi giờ (giới hạn {GROWTH:.0f}), nhiều nhất {most:.0f} MB")
    print(f"bản đồ và đường nhỏ: {kept[1]}/{marked} vẫn là phần tử cũ")
    print(f"câu hỏi chồng nhau: {told['overlaps']}; lỗi trên bảng lệnh: {len(said)}")
    missed = [f"bộ nhớ tăng {slope:.2f} MB mỗi giờ"] if slope >= GROWTH else []
    missed += [f"bộ nhớ {most:.0f} MB"] if most >= HEAP else []
    missed += ["phần tử bị thay"] if kept != [marked, marked] else []
    missed += ["câu hỏi chồng nhau"] if told["overlaps"] else []
    return missed + [f"bảng lệnh: {one}" for one in said[:3]]


if __name__ == "__main__":
    sys.exit(main())
