"""What people order of a source: pause it, resume it, poll it now, read its refused rows again.

An order is a row that the poller claims; the web never calls it.
"""

from datetime import datetime

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.principal import Principal
from kpi import audit, requests
from kpi.acts import Refused, allow, worded
from kpi.store import KpiStore

ORDERS = {
    "pause": "Tạm dừng",
    "resume": "Cho chạy lại",
    "repoll": "Đọc ngay",
    "replay": "Đọc lại dòng bị loại",
}
"""Every order in words."""


def order(
    store: KpiStore,
    who: Principal,
    kind: str,
    *,
    source: str,
    reason: str,
    now: datetime | None = None,
) -> int:
    """Let the poller pause, resume or repoll a source, or replay its rejections; the request.

    Raises:
        Forbidden: ``who`` may only read.
        Refused: no such source or order, no reason, one like it waits, or it does not fit: a
            paused source is not polled, one that runs is not resumed.
    """
    allow(store, who, "điều khiển nguồn dữ liệu", source=source)
    if kind not in ORDERS:
        raise Refused("Không có lệnh này.")
    why = worded("Lý do", reason, least=5, most=300)
    at = now or right_now()
    with store.write() as connection:
        row = connection.execute(
            sa.text("SELECT paused, record FROM source WHERE id = :id AND configured = 1"),
            {"id": source},
        ).first()
        if row is None:
            raise Refused("Không có nguồn này.")
        if row.paused and kind in ("pause", "repoll"):
            raise Refused("Nguồn đang tạm dừng: hãy cho chạy lại trước.")
        if not row.paused and kind == "resume":
            raise Refused("Nguồn không tạm dừng.")
        number = requests.put_word(
            store, connection, kind, source=source, who=who.name, reason=why, now=at
        )
        if number is None:
            raise Refused(f"Yêu cầu “{ORDERS[kind]}” của nguồn này đang chờ bộ thu thập nhận.")
        audit.append(connection, "request", who, source, now=at, order=kind, reason=why)
    return number
