"""Glances at the wall: pictures for people who have never seen it, and what is true of them.

    python -m tests.soak.glance FOLDER             five seeds: pictures, sharp and blurred; truth
    python -m tests.soak.glance FOLDER answers.json     how many of their answers are right

Each reader says for each picture of the worst target which it is, how many points it lacks, and
whether its figure of now is fresh. In every other province the system that feeds the worst target
was stopped until its figures were stale. What is true is counted from the exported numerators and
denominators; where the page says otherwise there is nothing to judge.
"""

import json
import os
import random
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image, ImageFilter
from playwright.sync_api import sync_playwright

from connectors.config import PACKAGED
from ioc.config import read_yaml
from tests.conftest import QUIET
from tests.soak.house import House, until
from tests.soak.sources import HURRY, _ask, _house, _ready
from tests.soak.wall import _settled

SEEDS, SIZE, BLUR = 5, (1920, 1080), 0.015  # blurred by so much of the height
SCENES = ("overview", "gravest", "worst", "sources")
READ = """
() => [...document.querySelectorAll('.wall-sheet.on .gravest')].map(one => ({
  target: one.dataset.target, name: one.querySelector('.gravest-name').innerText,
  lacks: one.querySelector('.gravest-gap b').innerText,
  stale: !!one.querySelector('.age-late, .age-stale')}))
"""


def main() -> int:
    """Take the pictures, or judge the answers."""
    folder = Path(sys.argv[1])
    if len(sys.argv) > 2:
        return judge(folder, json.loads(Path(sys.argv[2]).read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    truth = {}
    for number in range(1, SEEDS + 1):
        seed = random.randrange(1, 1_000_000)
        with tempfile.TemporaryDirectory(prefix="ioc-glance-") as home:
            truth[str(number)] = look(Path(home), folder, number, seed)
        print(f"{number}: mầm {seed}: {truth[str(number)]['worst']}", flush=True)
    (folder / "truth.json").write_text(json.dumps(truth, ensure_ascii=False, indent=1))
    return 0


def look(home: Path, folder: Path, number: int, seed: int) -> dict[str, Any]:
    """The pictures of one province; what is true of its worst target."""
    os.environ |= {"IOC_SANDBOX_SEED": str(seed)}
    config = home / "config"
    config.mkdir()
    (config / "wall.yaml").write_text("scenes:\n- scene: gravest\nreload: '03:00'\n")  # no night
    os.environ["IOC_CONFIG"] = str(config)
    if number % 2 == 0:
        names = list(read_yaml(PACKAGED, []))
        (config / "sources.yaml").write_text("".join(f"{n}: {json.dumps(HURRY)}\n" for n in names))
    house = _house(home, "0.02")
    house.start()
    try:
        if not until(lambda: _ready(house) and _settled(house), 300):
            raise SystemExit(f"mầm {seed}: các nguồn không nạp xong, không có gì để xem")
        with sync_playwright() as play:
            launch = {"executable_path": shutil.which("chromium"), "args": list(QUIET)}
            browser = play.chromium.launch(**launch)
            page = browser.new_page(viewport=dict(zip(("width", "height"), SIZE, strict=True)))
            if number % 2 == 0:
                _silence(house, page)
            for scene in SCENES:
                said = _shot(page, house, folder / f"{number}-{scene}.png", scene)
                if scene == "gravest":
                    shown = said
            browser.close()
            true = truth(house)
    finally:
        house.end()
    told = {key: shown[key] for key in true}
    if told != true:
        raise SystemExit(f"mầm {seed}: màn hình nói {told}, số liệu nói {true}")
    return {"seed": seed, "worst": shown["name"], **shown}


def truth(house: House) -> dict[str, Any]:
    """Target, gap and age of the worst, from the numerators and denominators of the export."""
    found = []
    for row in _ask(house, "standings.json"):
        if row["indicator"] and row["closing_status"] == "missed" and not row["closes_early"]:
            share = 100 * row["closing_numerator"] / row["closing_denominator"]
            found.append(((row["threshold"] - share) / row["threshold"], row))
    part, row = max(found, key=lambda one: one[0])
    return {
        "target": row["target"],
        "lacks": f"{part * row['threshold']:.1f}".replace(".", ","),
        "stale": row["freshness"] in ("late", "stale"),
    }


def _silence(house: House, page: Any) -> None:
    """Stop the system of the worst target until its figures are stale."""
    page.goto(f"http://127.0.0.1:{house.port}/wall?scene=gravest&page=1", wait_until="load")
    page.wait_for_selector(".gravest")
    target = page.evaluate(READ)[0]["target"]
    rows = [row for row in _ask(house, "standings.json") if row["target"] == target]
    source = next(row["source"] for row in rows if row["source"])
    house.order(f"dung?heThong={source}")

    def stale() -> bool:
        known = _ask(house, f"standings.json?target={target}")
        return any(row["freshness"] == "stale" for row in known)

    if not until(stale, 90):
        raise SystemExit(f"{source}: số liệu không cũ đi sau khi hệ thống dừng")


def _shot(page: Any, house: House, path: Path, scene: str) -> dict[str, Any]:
    """One picture, sharp and blurred; the worst target in it, which stood so before and after."""
    page.goto(f"http://127.0.0.1:{house.port}/wall?scene={scene}&page=1", wait_until="load")
    page.wait_for_selector(".wall-sheet.on :is(.tile, .gravest, .worst-row, .source-one)")
    for _ in range(20):
        page.wait_for_timeout(1500)
        before = page.evaluate(READ)[:1]
        page.screenshot(path=str(path))
        if page.evaluate(READ)[:1] == before:
            break
    with Image.open(path) as sharp:
        blurred = sharp.convert("RGB").filter(ImageFilter.GaussianBlur(BLUR * SIZE[1]))
        blurred.save(path.with_name(f"{path.stem}-blurred.png"))
    found: dict[str, Any] = next(iter(before), {})
    return found


def judge(folder: Path, answers: list[dict[str, Any]]) -> int:
    """``[{"picture": "1", "worst": "…", "lacks": "4,3", "fresh": true}, …]``; 1 if any is wrong."""
    truth, wrong = json.loads((folder / "truth.json").read_text()), 0
    for answer in answers:
        true = truth[str(answer["picture"])]
        right = {
            "worst": _plain(answer["worst"]) == _plain(true["worst"]),
            "lacks": str(answer["lacks"]).strip(" điểm") == true["lacks"],
            "fresh": bool(answer["fresh"]) is not true["stale"],
        }
        with suppress(KeyError):
            print(answer["picture"], right, answer, sep="  ")
        wrong += not all(right.values())
    print(f"{len(answers) - wrong}/{len(answers)} bộ câu trả lời đúng cả ba.")
    return int(wrong > 0)


def _plain(words: str) -> str:
    return " ".join(words.split()).casefold()


if __name__ == "__main__":
    sys.exit(main())
