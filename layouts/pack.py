"""A pack: the figures of one org unit at one sealed instant, on paper that needs nothing else.

One HTML file without a request to anywhere, drawn for A4 and a printer without colour: every
status is a word with its shape. Beside it the same figures as CSV, the bytes that the data
addresses give for that instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from ioc.errors import IocError
from ioc.packs import LATE, Pack
from ioc.principal import Principal
from kpi import query
from layouts import changes, text, theme
from layouts.lines import Line, Part, Row, closed, combine, figure, shortfall, split, tally
from layouts.wall.worst import ranked
from layouts.web import downloads, exports
from layouts.web.dialect import instant

MARK = downloads.MARK
WEEK = timedelta(days=7)
WORST = 5
_SHAPES = Path(__file__).parent.parent / "assets" / "shapes"
_OLD = ("late", "stale")
_pages = Environment(loader=PackageLoader("layouts"), autoescape=True)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A pack as it lies in its folder: names of files, and their bytes."""

    title: str
    files: dict[str, bytes] = field(default_factory=dict)


def draw(
    store: Any,
    pack: Pack,
    at: datetime,
    *,
    slot: datetime | None,
    made_at: datetime,
    since: datetime | None,
    address: str = "",
) -> Drawn:
    """Draw a pack as of a sealed instant with the rights of its org unit.

    ``since``: the instant of the edition before, by default a week earlier. ``address``: under
    which the pages are reached; without one there are no links.

    Raises:
        Forbidden: the pack asks for what its org unit may not read.
        IocError: its sector has no target.
    """
    who = pack.reader
    asked = {"org_unit": pack.org_unit, "as_of": instant(at)}
    if chosen := _targets(store, pack, who, at):
        asked["target"] = ",".join(chosen)
    begin = since or at - WEEK
    moved = asked | {"since": instant(begin)}
    found, sample = _lines(store, pack, who, chosen, at)
    late = made_at - slot if slot and made_at - slot > LATE else None
    title = pack.title if pack.title.endswith(_day(at)) else f"{pack.title} {_day(at)}"
    title = f"[{MARK}] {title}" if sample else title
    page = _pages.get_template("pack.html").render(
        title=title,
        sample=MARK if sample else "",
        org_unit=store.orgunits[pack.org_unit].name,
        at=text.minute(at),
        made_at=text.minute(made_at),
        slot=text.minute(slot) if slot else "",
        late=_hours(late) if late else "",
        by_hand=slot is None,
        begin=text.minute(begin),
        css=_css,
        shape=_shape,
        counts=[(theme.STATUS[name], number, name) for name, number in tally(found)],
        total=len(found),
        worst=[_row(line, at, address) for line in ranked(found)[:WORST]],
        rows=[_row(line, at, address) for line in found],
        changed=list(_changed(store, pack, who, chosen, begin, at)),
        sources=list(_sources(store, who, at)),
        links=_links(address, asked, moved),
    )
    files = {"pack.html": page.encode()}
    for name, given in (("standings", asked), ("changes", moved)):
        files[f"{name}.csv"] = downloads.BOM + b"".join(exports.stream(store, name, given, who=who))
    files["mail.txt"] = f"{title}\n{_body(found, at, late, store, pack)}\n".encode()
    return Drawn(title, files)


def _targets(store: Any, pack: Pack, who: Principal, at: datetime) -> list[str]:
    """The targets that a pack names; empty where it takes all that may be read."""
    if not pack.sector:
        return list(pack.targets)
    known = store.catalogue.indicators
    found = [
        row["target"]
        for row in query.targets(store, who, as_of=at).records()
        if any(known[name].sector == pack.sector for name in split(row["indicators"]))
    ]
    if not found:
        raise IocError(f"lĩnh vực {pack.sector} không có chỉ tiêu nào mà gói được xem")
    return found


def _lines(
    store: Any, pack: Pack, who: Principal, chosen: list[str], at: datetime
) -> tuple[list[Line], bool]:
    """The targets of a pack with how they stand, and whether anything of it is synthetic."""
    standings = query.standings(
        store, who, org_units=[pack.org_unit], targets=chosen or None, as_of=at
    )
    rows = standings.records()
    targets = query.targets(store, who, targets=chosen or None, as_of=at).records()
    known = {r["indicator"]: r for r in query.indicators(store, who, as_of=at).records()}
    found = combine(targets, rows, known, on=text.local(at).date())
    return [line for line in found if line.row], standings.sample


def _row(line: Line, at: datetime, address: str) -> dict[str, Any]:
    """What a row of the table says of one target."""
    day = text.local(at).date()
    return {
        "id": line.id,
        "name": line.name,
        "href": f"{address}{line.href}?{urlencode({'as_of': instant(at)})}" if address else "",
        "level": line.level,
        "mark": theme.STATUS[line.status],  # type: ignore[index]
        "status": line.status,
        "past": f"đã khóa {text.short_day(line.closing, day)}" if line.locked else "",
        "closing": [_closing(line, part) for part in line.parts if closed(part.row)],
        "live": [_live(line, part, at) for part in line.parts],
        "lacks": "; ".join(filter(None, (shortfall(line, p.row, p.noun) for p in line.parts))),
        "owner": line.owner,
    }


def _closing(line: Line, part: Part) -> str:
    """Sở, ban, ngành: 90,0 %, chưa ký."""
    shown = figure(part.row, line.lines, closing=True)
    name = f"{part.label}: " if len(line.parts) > 1 else ""
    signed = part.row.get("closing_signed_at")
    signs = f"ký {text.day(signed)}" if text.known(signed) else "chưa ký"
    return f"{name}{shown}, {signs}" if shown != text.NONE else f"{name}chưa có số chốt"


def _live(line: Line, part: Part, at: datetime) -> dict[str, str]:
    """The live figure of a part, and how old it is."""
    name = f"{part.label}: " if len(line.parts) > 1 else ""
    row = part.row
    shown = figure(row, line.lines)
    if shown == text.NONE:
        return {"figure": f"{name}chưa có số", "age": "", "old": ""}
    old = row.get("freshness") if row.get("freshness") in _OLD else ""
    return {
        "figure": f"{name}{shown}",
        "age": f"đến {text.reach(row['data_as_of'], at)}" if text.known(row["data_as_of"]) else "",
        "old": str(old),
        "word": theme.FRESHNESS[old].word if old else "",  # type: ignore[index]
    }


def _changed(
    store: Any, pack: Pack, who: Principal, chosen: list[str], begin: datetime, at: datetime
) -> Iterator[dict[str, str]]:
    """What moved since the edition before, and by which causes."""
    known = store.catalogue.indicators
    found = query.changes(
        store, who, org_units=[pack.org_unit], targets=chosen or None, since=begin, as_of=at
    )
    for row in found.records():
        yield {
            "target": row["target"],
            "name": known[row["indicator"]].short,
            "before": _side(row, "_before"),
            "after": _side(row, ""),
            "causes": ", ".join(changes.CAUSES[one] for one in str(row["causes"]).split()),
            "aside": "số hiện nay, kết quả chốt giữ nguyên"
            if row["figure"] == "after_closing"
            else "",
        }


def _side(row: Row, tail: str) -> str:
    over, under, value = (row[f"{name}{tail}"] for name in ("numerator", "denominator", "value"))
    same = {"numerator": over, "denominator": under, "value": value, "unit": row["unit"]}
    shown = text.value(same) if text.known(value) else "chưa có số"
    status = row[f"status{tail}"]
    word = theme.STATUS[status].word if status and row["figure"] != "after_closing" else ""
    return text.join([shown, word])


def _sources(store: Any, who: Principal, at: datetime) -> Iterator[dict[str, str]]:
    """The sources whose figures are late or stale."""
    for row in query.sources(store, who, as_of=at).records():
        if row["freshness"] in _OLD:
            good = row["last_good_at"]
            yield {
                "name": row["name"],
                "status": row["freshness"],
                "word": theme.FRESHNESS[row["freshness"]].word,
                "good": text.minute(good) if text.known(good) else "chưa lần nào",
                "owner": row["owner"],
            }


def _links(address: str, asked: dict[str, str], moved: dict[str, str]) -> list[tuple[str, str]]:
    """Where the same figures are, byte for byte, for whoever may read them."""
    if not address:
        return []
    root = f"{address}/api/v1"
    return [
        ("hiện trạng (CSV)", f"{root}/standings.csv?{urlencode(asked)}"),
        ("thay đổi (CSV)", f"{root}/changes.csv?{urlencode(moved)}"),
    ]


def _body(found: list[Line], at: datetime, late: timedelta | None, store: Any, pack: Pack) -> str:
    """The words of the mail."""
    counted = ", ".join(f"{number} {theme.STATUS[n].word.lower()}" for n, number in tally(found))  # type: ignore[index]
    lines = [
        f"{store.orgunits[pack.org_unit].name}: {len(found)} chỉ tiêu: {counted}.",
        f"Số liệu như đã biết lúc {text.minute(at)} (giờ Việt Nam).",
        f"Gói làm bù, muộn {_hours(late)}." if late else "",
        "Tệp .html mở bằng trình duyệt và in được; tệp .csv mở bằng Excel.",
    ]
    return "\n".join(filter(None, lines))


def _hours(late: timedelta) -> str:
    """3 giờ, 0,5 giờ."""
    hours = late / timedelta(hours=1)
    return f"{text.number(hours, 0 if hours >= 10 else 1)} giờ"


def _day(at: datetime) -> str:
    return f"{text.local(at):%d/%m/%Y}"


def _shape(name: str) -> Markup:
    """A bundled shape, in the colour of its text; for readers the word stands beside it."""
    svg = (_SHAPES / f"{name}.svg").read_text(encoding="utf-8").strip()
    svg = svg.replace("#000", "currentColor").replace("<svg ", '<svg aria-hidden="true" ', 1)
    return Markup(svg)


def _css(words: str) -> Markup:
    """A text as a string of a style sheet, whatever it holds."""
    safe = "".join(
        one if one.isalnum() or one in " .,:/-·" else f"\\{ord(one):x} " for one in words
    )
    return Markup(f'"{safe}"')
