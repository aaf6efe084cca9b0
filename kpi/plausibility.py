"""What declared figures must hold beside each other and beside what is stored.

A numerator that is part of its denominator is judged against the pair as it would stand after the
batch. What breaks a pair takes every figure said with it: those of one denominator, org unit and
day, for an old one must never be read over a new one.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from ioc.model import Rejection
from ioc.period import date_of
from kpi.catalogue import Catalogue
from kpi.elements import Indicator
from kpi.schema import FAR
from kpi.validation import Cell, figure, rejection_of


@dataclass
class Found:
    """What a batch of figures shows: cells that are not taken, and what to say of which."""

    refused: set[Cell] = field(default_factory=set)
    told: list[Rejection] = field(default_factory=list)


class Plausibility:
    """The rules between figures that a catalogue declares."""

    def __init__(self, catalogue: Catalogue):
        self._elements = catalogue.elements
        declared = {element.id for element in catalogue.elements.values() if element.reading}
        self._pairs = [
            (indicator, indicator.numerator, indicator.denominator)
            for known in catalogue.indicators.values()
            for indicator in known.every
            if indicator.within
            and indicator.numerator in declared
            and indicator.denominator in declared
        ]
        self._together: dict[str, set[str]] = defaultdict(set)
        for _, above, below in self._pairs:
            joined = {above, below} | self._together[above] | self._together[below]
            for element in joined:
                self._together[element] = joined

    def look(
        self,
        connection: Connection,
        provided: Collection[str],
        positions: Mapping[Cell, str],
        lost: Collection[Cell] = (),
    ) -> Found:
        """Judge the figures in ``t_obs``.

        ``provided`` are the elements that their source has, ``lost`` the cells of its batch that
        were refused already.
        """
        fresh, before = self._fresh(connection)
        if not fresh:  # all of it was older than what is stored
            return Found()
        stored = self._stored(connection, {cell[0] for cell in fresh})
        found = Found()
        self._refuse_halves(lost, fresh, positions, found)
        places = {cell[1:] for cell in fresh if cell[0] in self._together}
        places -= {cell[1:] for cell in found.refused}
        touched = {cell[0] for cell in fresh}
        for indicator, above, below in self._pairs:
            if not touched & {above, below}:
                continue
            for place in sorted(places):
                cells = (above, *place), (below, *place)
                if rule := self._broken(cells, fresh, stored, above in provided):
                    self._refuse(indicator, cells, rule, fresh, stored, positions, found)
        self._find_jumps(fresh, before, stored, positions, found)
        return found

    def _refuse_halves(
        self,
        lost: Collection[Cell],
        fresh: Mapping[Cell, float],
        positions: Mapping[Cell, str],
        found: Found,
    ) -> None:
        """Refuse what was said with a figure that is refused: it must not meet an older one."""
        for name, org_unit, day in sorted(lost):
            together = self._together.get(name, ())
            cells = {(element, org_unit, day) for element in together} & fresh.keys()
            if not cells - found.refused:
                continue
            found.refused |= cells
            fields = {"org_unit": org_unit, "period": date_of(day).isoformat()}
            fields |= {cell[0]: figure(fresh[cell]) for cell in sorted(cells)}
            reason = f"{self._elements[name].name} bị từ chối; giữ các số đang có cùng với số đó"
            position = positions.get(min(cells), "")
            found.told.append(rejection_of(position, "incomplete_pair", reason, fields))

    @staticmethod
    def _broken(
        cells: tuple[Cell, Cell],
        fresh: Mapping[Cell, float],
        stored: Mapping[Cell, float],
        is_whole: bool,
    ) -> str:
        """The rule that a pair would break once the batch is stored; empty for none."""
        above, below = cells
        if above not in fresh and below not in fresh:
            return ""
        numerator = fresh.get(above, stored.get(above))
        denominator = fresh.get(below, stored.get(below))
        if numerator is None or denominator is None:
            return ""
        if numerator > denominator:
            return "numerator_over_denominator"
        # the same source says both: an empty numerator does not belong to the new denominator
        moved = above not in fresh and below in stored and stored[below] != denominator
        return "incomplete_pair" if moved and is_whole else ""

    def _refuse(
        self,
        indicator: Indicator,
        cells: tuple[Cell, Cell],
        rule: str,
        fresh: Mapping[Cell, float],
        stored: Mapping[Cell, float],
        positions: Mapping[Cell, str],
        found: Found,
    ) -> None:
        """One data-quality item for the pair, and no figure of those said together is taken."""
        above, below = cells
        _, org_unit, day = above
        numerator, denominator = (figure(fresh.get(c, stored.get(c, 0.0))) for c in cells)
        if rule == "incomplete_pair":
            said = f"mẫu số mới {denominator} mà thiếu tử số (đang lưu {numerator})"
        else:
            said = f"tử số {numerator} lớn hơn mẫu số {denominator}"
        fields = {"org_unit": org_unit, "period": date_of(day).isoformat()}
        fields |= {cell[0]: figure(fresh[cell]) for cell in cells if cell in fresh}
        position = positions.get(above) or positions.get(below, "")
        reason = f"{indicator.id}: {said}; giữ số đang có"
        found.told.append(rejection_of(position, rule, reason, fields))
        together = self._together[above[0]]
        found.refused |= {(e, org_unit, day) for e in together} & fresh.keys()

    def _find_jumps(
        self,
        fresh: Mapping[Cell, float],
        before: Mapping[Cell, float | None],
        stored: Mapping[Cell, float],
        positions: Mapping[Cell, str],
        found: Found,
    ) -> None:
        """Say which figures that are taken are many times what was known of their org unit."""
        last: dict[tuple[str, str], float] = {}
        for cell in sorted(fresh, key=lambda cell: cell[2]):
            name, org_unit, day = cell
            value, element = fresh[cell], self._elements[name]
            known = stored.get(cell)
            if known is None:
                known = last.get((name, org_unit), before[cell])
            if cell in found.refused:
                continue
            last[name, org_unit] = value
            if not known or value < element.jump_from or value <= element.jump * known:
                continue
            fields = {"org_unit": org_unit, "element": name, "period": date_of(day).isoformat()}
            reason = (
                f"Nghi ngờ: {element.name} tăng từ {figure(known)} lên {figure(value)},"
                f" hơn {figure(element.jump)} lần; vẫn nhận"
            )
            told = rejection_of(
                positions.get(cell, ""), "jump", reason, fields | {"value": str(value)}
            )
            found.told.append(told)

    def _fresh(self, connection: Connection) -> tuple[dict[Cell, float], dict[Cell, float | None]]:
        """The figures of the batch, and what stood on the last day before them, where it counts."""
        least = min(element.jump_from for element in self._elements.values())
        rows = connection.exec_driver_sql(
            f"SELECT t.element, t.org_unit, t.day, t.value, CASE WHEN t.value >= {least!r} THEN"
            " (SELECT o.value FROM observation o WHERE o.element = t.element"
            " AND o.org_unit = t.org_unit AND o.day < t.day"
            f" AND o.superseded_at = {FAR} ORDER BY o.day DESC LIMIT 1) END FROM t_obs t"
        ).all()
        cells = [(tuple(row[:3]), row[3], row[4]) for row in rows]
        return {c: value for c, value, _ in cells}, {c: known for c, _, known in cells}

    def _stored(self, connection: Connection, touched: set[str]) -> dict[Cell, float]:
        """What is believed now in the cells of the batch and of the figures said with them."""
        names = sorted(touched.union(*(self._together.get(e, set()) for e in touched)))
        wanted = ", ".join(f"'{name}'" for name in names)
        rows = connection.exec_driver_sql(
            "SELECT o.element, o.org_unit, o.day, o.value FROM element e"
            " CROSS JOIN (SELECT DISTINCT org_unit, day FROM t_obs) AS t"
            " JOIN observation o ON o.element = e.id AND o.org_unit = t.org_unit"
            f" AND o.day = t.day AND o.superseded_at = {FAR} WHERE e.id IN ({wanted})"
        )
        return {tuple(row[:3]): row[3] for row in rows}
