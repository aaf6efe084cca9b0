"""Type from metres and inches: what can be read from the last row, and how much then fits.

The smallest text is 16 arc minutes high at the viewers' distance, a figure 30. What does not fit
is left out, in this order: trend, sentence, second and third clock. Then come fewer tiles on a
page, never smaller letters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DISTANCE, DIAGONAL = 4.0, 65.0  # metres, inches: what is assumed where nobody said
SHAPE = 16 / 9  # width by height of one screen
NOTE, LABEL, FIGURE = 16, 20, 30  # arc minutes
CAP = 0.72  # height of digits and capitals, in em
LEADING = 1.35  # stacked Vietnamese marks need it
GAP_VH, PAD_VH, BAR_VH = 0.7, 0.75, 1.8
EDGE_VH, INSIDE_VH = 1.2, 0.75  # around the tiles; inside one
HEADER_LINES = 2
LETTER, ASIDE = 0.55, 15  # in notes: width of a letter; of the sample mark and the clock
NAME, BESIDE = 11.75, 12.85  # in notes: half of the longest name; a figure with its status beside
SENTENCE = 23  # in notes: the width of a tile whose sentence takes one line
NUMBERS = 16  # targets with a number: a tile each
MOST = (16, 8)  # tiles across and down


@dataclass(frozen=True, slots=True)
class Plan:
    """How much fits: type sizes in vh, tiles across and down, optional lines of a tile."""

    note: float
    label: float
    figure: float
    across: int
    down: int
    stacked: bool  # the status stands under its figure, not beside it
    extras: tuple[str, ...]  # of "clocks", "sentence", "trend"
    shape: float = SHAPE

    @property
    def tiles(self) -> int:
        return self.across * self.down

    @property
    def style(self) -> dict[str, str]:
        """The sizes as the style sheet takes them."""
        return {
            "--type-note": f"{self.note:.3f}",
            "--type-label": f"{self.label:.3f}",
            "--type-figure": f"{self.figure:.3f}",
            "--across": str(self.across),
            "--down": str(self.down),
        }

    @property
    def line(self) -> float:
        """The height of a line of notes, in vh."""
        return self.note * LEADING

    @property
    def body(self) -> float:
        """The height under the header, in vh."""
        return 100 - HEADER_LINES * self.line - 2 * GAP_VH

    @property
    def letters(self) -> int:
        """Letters of a line of the header beside the sample mark and the clock."""
        return int((100 * self.shape - ASIDE * self.note) / (LETTER * self.note))

    @property
    def ems(self) -> float:
        """The width of a tile's text, in letters' heights."""
        return _inside(self.across, self.shape) / self.note

    def room(self, across: int, *, inside: float = INSIDE_VH) -> int:
        """Letters of a line of notes in one of so many columns."""
        return int(_inside(across, self.shape, inside) / (LETTER * self.note))

    def rows(self, lines: float, *, most: int, beside: float = 0) -> int:
        """How many rows of so many lines of notes fit under the header and ``beside`` other
        lines; at least one.
        """
        high = lines * self.line + GAP_VH + 2 * INSIDE_VH
        return min(max(int((self.body + GAP_VH - beside * self.line) / high), 1), most)


def plan(
    distance: float = DISTANCE,
    diagonal: float = DIAGONAL,
    shape: float = SHAPE,
    many: int = NUMBERS,
) -> Plan:
    """The type sizes for a distance and a screen, and what then fits in each of ``many`` tiles.

    The sizes are the smallest that can be read; where a tile has room left, all of them grow
    by the same factor, as far as its width allows. ``shape`` is width by height. A surface wider
    than a screen is a row of screens, each of the given diagonal.
    """
    height = diagonal * 0.0254 / math.hypot(1, min(shape, SHAPE))

    def size(minutes: float) -> float:
        high = 2 * distance * math.tan(math.radians(minutes / 60) / 2)
        return 100 * high / (CAP * height)

    note, label, big = size(NOTE), size(LABEL), size(FIGURE)

    def factor(down: int, lines: int) -> float:
        """By how much type may grow, with so many lines in a tile; under 1: it does not fit."""
        free = 100 - (down + 1) * GAP_VH - down * (BAR_VH + PAD_VH)
        line = note * LEADING
        return free / (HEADER_LINES * line + down * (lines * line + big * 1.04))

    def lines_of(across: int) -> int:
        """Two of the name, one of the live figure; one more where a status stands by itself."""
        return 3 if note * BESIDE <= _inside(across, shape) else 4

    def grown(across: int, down: int, lines: int) -> float:
        widest = _inside(across, shape) / (NAME if lines_of(across) == 4 else BESIDE)
        return min(max(factor(down, lines), 1.0), max(widest / note, 1.0))

    across, down = min(
        (
            (across, down)
            for across in range(1, MOST[0] + 1)
            for down in range(1, MOST[1] + 1)
            if factor(down, lines_of(across)) >= 0.99 and note * NAME <= _inside(across, shape)
        ),
        key=lambda grid: (
            math.ceil(many / (grid[0] * grid[1])),
            grid[0] * grid[1],
            -grown(*grid, lines_of(grid[0])),
        ),
        default=(1, 1),
    )
    lines, extras = lines_of(across), []
    stacked = lines == 4
    roomy = _inside(across, shape) / note >= SENTENCE
    for name, more in (("clocks", 1), ("sentence", 1 if roomy else 2), ("trend", 1)):
        if factor(down, lines + more) < 1:
            break
        extras.append(name)
        lines += more
    grow = grown(across, down, lines)
    if roomy and "sentence" in extras:  # it keeps its one line
        grow = min(grow, _inside(across, shape) / note / SENTENCE)
    return Plan(note * grow, label * grow, big * grow, across, down, stacked, tuple(extras), shape)


WIDTHS = {" ": 0.27, "\u00a0": 0.27, "%": 0.84, "m": 0.93, "w": 0.8, "M": 0.91, "W": 0.94}
WIDTHS |= dict.fromkeys(",.:;'|", 0.28) | dict.fromkeys("()[]/-", 0.37)
WIDTHS |= dict.fromkeys("iíìịỉĩjltfrI", 0.4)


def wide(words: str) -> float:
    """How wide words are in the screen's font, in letters' heights, rather too much than less."""
    return sum(WIDTHS.get(letter, 0.66 if letter.isupper() else 0.585) for letter in words)


def _inside(across: int, shape: float, inside: float = INSIDE_VH) -> float:
    """The width of a tile's text, in vh."""
    return (100 * shape - 2 * EDGE_VH - (across - 1) * GAP_VH) / across - 2 * inside
