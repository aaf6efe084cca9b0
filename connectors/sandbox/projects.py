"""The quarterly progress reports of the investment office: every milestone of every project begun.

A workbook ``TIENDO_2024-Q2.xlsx`` lists each milestone anew, with the day it was due, the day it
was done, and its state in words. A few rows hold what clerks do: no project code, an owner that
nobody knows, done before it began.
"""

from datetime import datetime, time, timedelta
from random import Random

from connectors.sandbox.doors import Shelf
from connectors.sandbox.forms import Column, Form, Row
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import Outbox, Series
from connectors.sandbox.place import Place
from connectors.sandbox.portfolio import FIRST, HELD, Step, Work, begun
from connectors.sandbox.province import Province
from ioc.period import Period

FORM = Form(
    "TIEN DO",
    "BÁO CÁO TIẾN ĐỘ THỰC HIỆN CÁC DỰ ÁN CỦA ĐỀ ÁN",
    (
        Column("Mã dự án", 10),
        Column("Mã cơ quan chủ trì", 14),
        Column("Mã mốc", 8),
        Column("Ngày bắt đầu dự án", 16),
        Column("Hạn hoàn thành", 18),
        Column("Ngày hoàn thành", 18),
        Column("Tình trạng", 18),
        Column("Người lập biểu", 20),
        Column("Số điện thoại", 14),
        Column("Ngày báo cáo", 18),
    ),
)
OWNER, DONE, STATE = (FORM.at(n) for n in ("Mã cơ quan chủ trì", "Ngày hoàn thành", "Tình trạng"))
UNKNOWN = "KHONGCO"
FAULTS = 0.1  # of the reports


class Progress:
    """What the office reports of a quarter; from the seed of the province."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def rows(self, quarter: Period, sent: datetime) -> list[Row]:
        """A row for every milestone of the projects that have begun, a faulty one among them."""
        rng = Random(f"progress:{self._province.seed}:{quarter}")
        over = datetime.combine(quarter.end, time(23, 59))
        rows = [
            self._row(work, number, step, over, sent)
            for work in begun(self._province, quarter.end)
            for number, step in enumerate(work.plan)
        ]
        if rows and rng.random() < FAULTS:
            self._spoil(rows, rng)
        return rows

    @staticmethod
    def _row(work: Work, number: int, step: Step, over: datetime, sent: datetime) -> Row:
        done = step.done if step.done and step.done <= over else None
        before = work.plan[number - 1].done if number else datetime.combine(work.begins, time(8))
        held = (work.code, step.code) in HELD and before is not None and before <= over
        going = before is not None and before <= over
        state = (
            "Hoàn thành" if done else "Tạm dừng" if held else
            "Đang thực hiện" if going else "Chưa bắt đầu"
        )  # fmt: skip
        clerk = (f"{SAMPLE} {work.code[2:]}", f"0900 100 0{work.code[2:]}")
        begins = datetime.combine(work.begins, time(8))
        return [work.code, work.owner, step.code, begins, step.due, done, state, *clerk, sent]

    @staticmethod
    def _spoil(rows: list[Row], rng: Random) -> None:
        row = list(rng.choice(rows))
        kind = rng.randrange(3)
        if kind == 0:
            row[0] = ""
        elif kind == 1:
            row[OWNER], row[2] = UNKNOWN, "M9"
        else:
            row[2], row[DONE], row[STATE] = "M9", datetime(2020, 12, 31, 9), "Hoàn thành"  # noqa: DTZ001
        rows.append(row)


def amend(row: Row, rng: Random) -> bool:
    """The day on which something was done, a day earlier."""
    done, begins = row[DONE], row[FORM.at("Ngày bắt đầu dự án")]
    if not isinstance(done, datetime) or done - timedelta(days=2) < begins:
        return False
    row[DONE] = done - timedelta(days=rng.choice((1, 2)))
    return True


def outbox(place: Place) -> Outbox:
    """The folder of the reports."""
    rows, seed = Progress(place.province).rows, place.province.seed
    return Outbox(place.folder, Series("TIENDO_", FORM, FIRST, (5, 12), rows, amend, seed))


def make(place: Place) -> Shelf:
    """The system."""
    return Shelf(place.folder, outbox(place).write, place.now)
