"""Assessments of the sample province, for a first look at where they stand; never real ones."""

from datetime import date, datetime

import sqlalchemy as sa

from ioc.period import day_number, local_date
from kpi.schema import micros
from kpi.store import KpiStore

AUTHOR = "DỮ LIỆU MẪU"
_CLOSING = date(2025, 12, 31)
_SAID = {
    "T09a": ("partly", "cáp quang đã đến trung tâm mọi xã, phường; một số thôn, bản chưa có."),
    "T09b": ("partly", "sóng 4G phủ các khu dân cư; còn một số thôn, bản vùng núi lõm sóng."),
    "T09c": (
        "satisfied",
        "5G đã phát sóng ở một số phường trung tâm; xem danh sách trạm kèm theo.",
    ),
    "T12b": ("satisfied", "các cơ quan tổ chức tập huấn hằng năm; tỷ lệ dự học xem ở số kèm theo."),
}
_USUAL = ("partly", "nhận định mẫu cho chỉ tiêu không có số giao.")


def sample_assessments(store: KpiStore, now: datetime) -> int:
    """One sample assessment for each target of the plan in force that has no number.

    None where there is any assessment already.

    Returns:
        How many were written.
    """
    day = min(_CLOSING, local_date(now))
    plan = store.catalogue.plan_on(local_date(now))
    targets = [
        target
        for target in store.catalogue.targets.values()
        if target.rule.operator == "qualitative" and target.plan == plan
    ]
    with store.write() as connection:
        if connection.scalar(sa.text("SELECT 1 FROM assessment LIMIT 1")):
            return 0
        known = store.take_boundary(connection, now)
        rows = [
            {
                "target": target.id,
                "indicator": indicator,
                "org_unit": "area-qb",
                "judged_on": day_number(day),
                "verdict": verdict,
                "words": f"{AUTHOR}: {words}",
                "evidence": f"{AUTHOR}: số văn bản giả định",
                "author": AUTHOR,
                "who": AUTHOR,
                "signed_at": micros(now),
                "known_at": known,
            }
            for target in targets
            for indicator in target.indicators
            for verdict, words in [_SAID.get(target.id, _USUAL)]
        ]
        if rows:
            connection.execute(
                sa.text(
                    f"INSERT INTO assessment ({', '.join(rows[0])})"
                    f" VALUES ({', '.join(':' + name for name in rows[0])})"
                ),
                rows,
            )
            store.touch(connection, [target.id for target in targets])
    return len(rows)
