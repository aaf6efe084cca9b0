"""Words, shapes and colours: each status can be told by any of the three."""

from itertools import combinations
from pathlib import Path

import pytest

from ioc.model import Freshness, Status
from layouts import theme

ASSETS = Path(__file__).parent.parent / "assets"
SIGHT = {  # Machado, Oliveira and Fernandes 2009, severity 1, on linear light
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
GROUPS = ("met", "on-track", "at-risk", "missed")
GROUNDS = ("ground", "panel", "raised", "surface-at-risk", "surface-missed")
both = pytest.mark.parametrize("colours", [theme.DARK, theme.LIGHT], ids=["dark", "light"])


def linear(colour: str) -> list[float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        red, green, blue = linear(colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, sight: str) -> list[float]:
    light = linear(colour)
    seen = [
        min(max(sum(m * c for m, c in zip(row, light, strict=True)), 0), 1) for row in SIGHT[sight]
    ]
    red, green, blue = seen
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
    )
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize(("kind", "marks"), [(Status, theme.STATUS), (Freshness, theme.FRESHNESS)])
def test_every_word_of_ours_has_a_word_on_screen_a_shape_and_a_colour(kind, marks):
    assert set(marks) == set(kind)
    for mark in marks.values():
        assert mark.word
        assert (ASSETS / "shapes" / f"{mark.shape}.svg").read_text().startswith("<svg ")
        assert len(mark.colour) == 7


def test_no_two_statuses_share_a_word_or_a_shape():
    marks = [*theme.STATUS.values(), *theme.FRESHNESS.values()]
    assert len({mark.word for mark in marks}) == len(marks)
    assert len({mark.shape for mark in marks}) == len(marks)
    drawings = {(ASSETS / "shapes" / f"{mark.shape}.svg").read_text() for mark in marks}
    assert len(drawings) == len(marks)


def test_every_outcome_of_a_run_can_be_drawn():
    outcomes = "ok empty held partial retry broken needs_credentials timeout skipped".split()
    for name in outcomes:
        mark = theme.outcome(name)
        assert mark is not theme.UNKNOWN
        assert (ASSETS / "shapes" / f"{mark.shape}.svg").exists()


def test_statuses_of_the_counts_are_each_listed_once():
    assert sorted(theme.ORDER) == sorted(Status)


@both
def test_text_is_readable_on_every_ground(colours):
    for ground in GROUNDS:
        assert contrast(colours["text"], colours[ground]) >= 7, ground
        assert contrast(colours["second"], colours[ground]) >= 4.5, ground


@both
def test_hues_are_seen_on_the_grounds_that_they_stand_on(colours):
    for hue in GROUPS:
        assert contrast(colours[hue], colours["ground"]) >= 3
        assert contrast(colours[hue], colours["panel"]) >= 3
    for hue in ("at-risk", "missed"):
        assert contrast(colours[hue], colours[f"surface-{hue}"]) >= 3
        assert contrast(colours[f"on-{hue}"], colours[hue]) >= 4.5  # words on a chip
    for line in ("faint", "figure"):
        assert contrast(colours[line], colours["panel"]) >= 3
    assert contrast(colours["figure"], colours["track"]) >= 3  # a bar on its track


@both
@pytest.mark.parametrize("sight", SIGHT)
def test_hue_groups_stay_apart_for_every_sight(colours, sight):
    for one, other in combinations([colours[hue] for hue in GROUPS], 2):
        pair = zip(lab(one, sight), lab(other, sight), strict=True)
        assert sum((a - b) ** 2 for a, b in pair) ** 0.5 >= 25, (one, other)


def test_both_themes_have_the_same_names():
    assert set(theme.DARK) == set(theme.LIGHT)


def test_absent_and_old_figures_are_never_a_hue():
    grey = {theme.SECOND, theme.ON_TRACK, theme.TEXT}
    absent = ("awaiting", "no_pace", "qualitative", "no_data", "no_source")
    assert {theme.STATUS[Status(name)].colour for name in absent} <= grey
    assert {mark.colour for mark in theme.FRESHNESS.values()} <= grey


def test_an_unknown_word_is_never_drawn_as_good():
    assert theme.status("splendid") is theme.UNKNOWN
    assert theme.status("") is theme.UNKNOWN
    assert theme.freshness("") is theme.UNKNOWN


def test_the_style_sheet_is_the_one_that_the_theme_writes():
    assert (ASSETS / "theme.css").read_text(encoding="utf-8") == theme.css()


def test_colours_stand_in_the_theme_only():
    for path in ASSETS.glob("*.css"):
        if path.name == "theme.css":
            continue
        text = path.read_text(encoding="utf-8")
        assert "rgb(" not in text and "rgba(" not in text, path.name
        own = [line for line in text.splitlines() if "#" in line and "{" not in line[:1]]
        hexes = [w for line in own for w in line.replace(";", " ").split() if w.startswith("#")]
        assert [
            h
            for h in hexes
            if h.lstrip("#").lower() not in ("fff", "000")
            and len(h) in (4, 7)
            and all(c in "0123456789abcdefABCDEF" for c in h[1:])
        ] == []
