"""The quarterly disbursement reports of the treasury: what was paid for each project, by fund.

A workbook ``GIAINGAN_2024-Q2.xlsx`` has a row for each project and source of funds that was paid
from in the quarter, under the code that the owner had on the last day of it. A few rows hold what
clerks do: no project code, an amount in words.
"""

from datetime import datetime, time
from random import Random

from connectors.sandbox.doors import Shelf
from connectors.sandbox.forms import Column, Form, Row
from connectors.sandbox.mark import SAMPLE
from connectors.sandbox.outbox import Outbox, Series
from connectors.sandbox.place import Place
from connectors.sandbox.portfolio import FIRST, FUNDS, begun
from connectors.sandbox.province import Province
from ioc.period import Period

FORM = Form(
    "GIAI NGAN",
    "BÁO CÁO GIẢI NGÂN CÁC DỰ ÁN CỦA ĐỀ ÁN",
    (
        Column("Mã dự án", 10),
        Column("Mã cơ quan chủ trì", 14),
        Column("Quý", 10),
        Column("Nguồn vốn", 26),
        Column("Giải ngân trong quý (triệu đồng)", 18, adds_up=True),
        Column("Số liệu đến ngày", 18),
        Column("Người lập biểu", 20),
        Column("Số điện thoại", 14),
        Column("Ngày báo cáo", 18),
    ),
)
AMOUNT = FORM.at("Giải ngân trong quý (triệu đồng)")
FAULTS = 0.1  # of the reports


class Payments:
    """What the treasury reports of a quarter; from the seed of the province."""

    def __init__(self, province: Province) -> None:
        self._province = province

    def rows(self, quarter: Period, sent: datetime) -> list[Row]:
        """A row for each project and fund that was paid from, a faulty one among them."""
        rng = Random(f"treasury:{self._province.seed}:{quarter}")
        until = datetime.combine(quarter.end, time(17))
        rows: list[Row] = []
        for work in begun(self._province, quarter.end):
            owner = self._province.orgunits.owner(work.owner, quarter.end)
            code = owner.code if owner else work.owner
            clerk = (f"{SAMPLE} kho bạc {work.code[2:]}", f"0900 200 0{work.code[2:]}")
            for fund, paid in zip(FUNDS, work.paid(quarter), strict=True):
                if paid:
                    rows.append([work.code, code, quarter.text, fund, paid, until, *clerk, sent])
        if rows and rng.random() < FAULTS:
            row = list(rng.choice(rows))
            row[0], row[AMOUNT] = ((row[0], "chờ đối chiếu"), ("", row[AMOUNT]))[rng.randrange(2)]
            row[2] += "-bs"
            rows.append(row)
        return rows


def amend(row: Row, rng: Random) -> bool:
    """Some million đồng less: a payment that came back."""
    paid = row[AMOUNT]
    if not isinstance(paid, int) or paid < 100:
        return False
    row[AMOUNT] = paid - rng.choice((10, 20, 30))
    return True


def outbox(place: Place) -> Outbox:
    """The folder of the reports."""
    rows, seed = Payments(place.province).rows, place.province.seed
    return Outbox(place.folder, Series("GIAINGAN_", FORM, FIRST, (6, 15), rows, amend, seed))


def make(place: Place) -> Shelf:
    """The system."""
    return Shelf(place.folder, outbox(place).write, place.now)
