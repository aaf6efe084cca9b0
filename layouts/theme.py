"""The only place for status words, colours and shapes, freshness words and the chart template.

Two themes, dark unless a reader or the system prefers light. Grey is the ground of everything; a
hue means that something is not as planned, and no meaning rests on a hue alone: each has a shape
(bundled SVG) and a word, and the word is never in the hue. tests/test_theme.py measures both:
text at least 4.5 to 1, shapes and lines 3 to 1, hue groups apart for every sight.

Measured in the dark (WCAG contrast on the ground #1F2428): text 12.99, secondary 7.1, met 5.96, on
track 8.5, at risk 10.8, off track and missed 4.87. Smallest distance between two hue groups over
normal, deutan, protan and tritan sight (Machado 2009, severity 1, dE76): 28, in both themes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ioc.model import Freshness, Status

GROUND = "#1F2428"
PANEL = "#2A3036"
RAISED = "#343B42"
LINE = "#434C55"
FAINT = "#79838D"  # lines and hatches, 3:1 on a panel; never text
TEXT = "#E8EAED"
SECOND = "#A8B0B8"
MET = "#4DA3FF"
ON_TRACK = "#B8C0C8"
AT_RISK = "#FFD23F"
MISSED = "#F55E36"
FIGURE = "#8B959F"  # bars and lines of figures: grey, whatever the status
SURFACES = {"at_risk": "#3A3A36", "missed": "#45342E"}  # panels of tiles that need a look
# map classes, worst to best: lightness falls in one direction (grey print), hue turns at the line
MAP = {"far": "#FFB093", "mid": "#E67845", "near": "#AD5C38", "met": "#194F8A"}
MAP_SHARES = {"q1": "#4B545D", "q2": "#6B7680", "q3": "#98A2AB", "q4": "#CDD3D8"}
MAP_LIGHT = {"far": "#8C1D18", "mid": "#C9542C", "near": "#E79D7B", "met": "#C9E1F8"}
MAP_SHARES_LIGHT = {"q1": "#DDE1E5", "q2": "#B9C0C7", "q3": "#8A949D", "q4": "#4B545D"}

DARK = {
    "ground": GROUND, "panel": PANEL, "raised": RAISED, "line": LINE, "faint": FAINT,
    "text": TEXT, "second": SECOND, "figure": FIGURE, "track": GROUND, "met": MET,
    "on-track": ON_TRACK, "at-risk": AT_RISK, "missed": MISSED,
    "on-missed": GROUND, "on-at-risk": GROUND, "surface-at-risk": SURFACES["at_risk"],
    "surface-missed": SURFACES["missed"],
}  # fmt: skip
LIGHT = {
    "ground": "#F2F4F6", "panel": "#FFFFFF", "raised": "#E4E8EC", "line": "#D3D9DF",
    "faint": "#7C8690", "text": "#1B2126", "second": "#505A64", "figure": "#6F7A84",
    "track": "#E4E8EC", "met": "#00518F", "on-track": "#848E97", "at-risk": "#D67200",
    "missed": "#9C0D0D", "on-missed": "#FFFFFF", "on-at-risk": "#1B2126",
    "surface-at-risk": "#FFF3D1", "surface-missed": "#FBE7E3",
}  # fmt: skip
"""``track`` lies under a bar; ``on-…`` are the words on a chip or band of that hue."""

# system fonts with full Vietnamese; DejaVu is wide, its condensed cut is as wide as the others
FONT = '"Noto Sans", "Segoe UI", Inter, "DejaVu Sans Condensed", "DejaVu Sans", sans-serif'


class Mark(NamedTuple):
    """How one word of ours looks: word on screen, shape (file in assets/shapes), colour."""

    word: str
    shape: str
    colour: str
    surface: str = ""  # "at_risk" or "missed": the tile stands out


STATUS: dict[Status, Mark] = {
    Status.met: Mark("Đạt", "met", MET),
    Status.on_track: Mark("Đúng tiến độ", "on_track", ON_TRACK),
    Status.at_risk: Mark("Nguy cơ", "at_risk", AT_RISK, "at_risk"),
    Status.off_track: Mark("Chậm", "off_track", MISSED, "missed"),
    Status.missed: Mark("Không đạt", "missed", MISSED, "missed"),
    Status.awaiting: Mark("Chưa có số chốt", "awaiting", SECOND),
    Status.no_pace: Mark("Chưa có mốc đầu", "no_pace", SECOND),
    Status.qualitative: Mark("Định tính", "qualitative", SECOND),
    Status.no_data: Mark("Chưa có số liệu", "no_data", SECOND),
    Status.no_source: Mark("Chưa có nguồn", "no_source", SECOND),
}
ORDER = tuple(  # worst first, as counts and legends list them
    Status(name)
    for name in (
        "missed off_track at_risk awaiting no_data no_pace on_track met qualitative no_source"
    ).split()
)

FRESHNESS: dict[Freshness, Mark] = {
    Freshness.fresh: Mark("Mới", "fresh", ON_TRACK),
    Freshness.late: Mark("Trễ", "late", TEXT),
    Freshness.stale: Mark("Số cũ", "stale", TEXT),
    Freshness.final: Mark("Đã chốt", "final", SECOND),
}

OUTCOME: dict[str, Mark] = {  # of a poll run
    "ok": Mark("Thành công", "ok", FIGURE),
    "empty": Mark("Không có dòng nào", "empty", FIGURE),
    "held": Mark("Tạm giữ, chờ duyệt", "held", AT_RISK),
    "partial": Mark("Thiếu một phần", "partial", AT_RISK),
    "retry": Mark("Sẽ thử lại", "retry", AT_RISK),
    "broken": Mark("Hỏng, cần người xử lý", "broken", MISSED),
    "needs_credentials": Mark("Thiếu quyền truy cập", "needs_credentials", MISSED),
    "timeout": Mark("Quá thời hạn", "timeout", AT_RISK),
    "skipped": Mark("Bỏ qua lượt", "skipped", FIGURE),
    "": Mark("Đang chạy", "awaiting", SECOND),
}
REQUEST = {  # what became of a file that somebody gave: its word, and whose look it has
    "waiting": ("Đang chờ nhận", ""),
    "claimed": ("Đang đọc", ""),
    "done": ("Đã nhận", "ok"),
    "in part": ("Nhận một phần", "partial"),
    "refused": ("Không nhận", "broken"),
}
UNKNOWN = Mark("Không rõ", "no_data", SECOND)
PROJECT: dict[str, Mark] = {  # how a project stands; only what is late has a hue
    "overdue": Mark("Có mốc quá hạn", "off_track", MISSED),
    "underway": Mark("Đang thực hiện", "partial", SECOND),
    "planned": Mark("Chưa bắt đầu", "empty", SECOND),
    "done": Mark("Hoàn thành", "met", SECOND),
    "no_data": Mark("Chưa có số liệu", "no_data", SECOND),
}
ROLLOUT: dict[str, Mark] = {  # where a service stands in an area: fuller is further, no hue
    "none": Mark("Chưa", "empty", SECOND),
    "pilot": Mark("Thí điểm", "partial", SECOND),
    "operating": Mark("Vận hành", "on_track", SECOND),
    "": Mark("Chưa có số liệu", "no_data", SECOND),
}
TASK: dict[str, Mark] = {  # of the plan's tasks and solutions
    "not_started": Mark("Chưa bắt đầu", "empty", SECOND),
    "underway": Mark("Đang thực hiện", "partial", SECOND),
    "done": Mark("Đã hoàn thành", "met", SECOND),
    "ongoing": Mark("Thường xuyên", "retry", SECOND),
}


def status(name: str) -> Mark:
    """The mark of a status; an empty or unknown one is never drawn as good."""
    return STATUS[Status(name)] if name in STATUS_NAMES else UNKNOWN


def freshness(name: str) -> Mark:
    """The mark of a freshness."""
    return FRESHNESS[Freshness(name)] if name in FRESHNESS_NAMES else UNKNOWN


def outcome(name: str) -> Mark:
    """The mark of a run's outcome."""
    return OUTCOME.get(name, UNKNOWN)


def css() -> str:
    """The text of assets/theme.css: the same values as custom properties."""
    names = {colour: name for name, colour in DARK.items()}
    dark = DARK | _maps(MAP | MAP_SHARES)
    light = _properties(LIGHT | _maps(MAP_LIGHT | MAP_SHARES_LIGHT), "light")
    marks = STATUS | FRESHNESS | {name: mark for name, mark in OUTCOME.items() if name}
    shapes = sorted({mark.shape for mark in marks.values()})
    masks = "\n".join(
        f'.shape-{name} {{ mask-image: url("shapes/{name}.svg"); }}' for name in shapes
    )
    hues = "\n".join(
        f".hue-{name} {{ color: var(--{names[mark.colour]}); }}"
        for name, mark in [(str(k), v) for k, v in (STATUS | FRESHNESS).items()]
        + [(f"run-{k or 'running'}", v) for k, v in OUTCOME.items()]
    )
    return (
        "/* Written by layouts/theme.py (python -m layouts.theme); do not edit. */\n"
        f":root {{\n  --font: {FONT};\n{_properties(dark, 'dark')}}}\n"
        f':root[data-theme="light"] {{\n{light}}}\n'
        # no script has spoken yet, or a printer asks
        f"@media (prefers-color-scheme: light) {{ :root:not([data-theme]) {{\n{light}}} }}\n"
        f"@media print {{ :root {{\n{light}}} }}\n"
        f"{masks}\n{hues}\n"
    )


def _maps(colours: dict[str, str]) -> dict[str, str]:
    return {f"map-{name}": colour for name, colour in colours.items()}


def _properties(colours: dict[str, str], scheme: str) -> str:
    lines = [f"--{name}: {colour}" for name, colour in colours.items()]
    return "".join(f"  {line};\n" for line in [f"color-scheme: {scheme}", *lines])


STATUS_NAMES = frozenset(map(str, Status))
FRESHNESS_NAMES = frozenset(map(str, Freshness))

TEMPLATE: dict[str, Any] = {
    "layout": {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 14, "color": SECOND},
        "colorway": [ON_TRACK, FIGURE],
        "separators": ",.",
        "hovermode": "x",
        "hoverlabel": {
            "bgcolor": GROUND,
            "bordercolor": LINE,
            "font": {"family": FONT, "size": 14, "color": TEXT},
        },
        "margin": {"l": 56, "r": 24, "t": 24, "b": 36},
        "showlegend": False,
        "xaxis": {
            "gridcolor": "rgba(0,0,0,0)",
            "linecolor": LINE,
            "ticks": "outside",
            "tickcolor": LINE,
            "zeroline": False,
        },
        "yaxis": {
            "gridcolor": "rgba(121,131,141,0.18)",
            "linecolor": "rgba(0,0,0,0)",
            "zeroline": False,
        },
    }
}

if __name__ == "__main__":
    from pathlib import Path

    (Path(__file__).parent.parent / "assets" / "theme.css").write_text(css(), encoding="utf-8")
