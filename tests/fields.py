"""Sources that the connector tests poll, as a deployment would declare them."""

from typing import Any

from ioc.config import Lined
from ioc.errors import Fault
from ioc.source import Source

DOSSIER = {
    "org_unit": "coQuan",
    "opened_at": "tiepNhan",
    "closed_at": "tra",
    "changed_at": "capNhat",
    "category": "thuTuc",
    "channel": {"path": "kenh", "values": {"toàn trình": "full", "trực tiếp": "direct"}},
}


def source_of(**entries: Any) -> Source:
    """A source, checked like one of ``sources.yaml``; all faults raise."""
    faults: list[Fault] = []
    source = Source.from_yaml(entries.pop("id", "nguon_thu"), Lined(entries), faults, "test")
    assert source is not None, faults
    return source


def rest_source(url: str, **entries: Any) -> Source:
    """A portal of dossiers at this address."""
    given: dict[str, Any] = {
        "name": "Nguồn thử",
        "kind": "rest",
        "url": url,
        "owner": "VPUB",
        "every": "10s",
        "serves": ["commune", "department"],
        "key": "ma",
        "record": "dossier",
        "fields": DOSSIER,
        "paging": Lined({"rows_path": "data"}),
    }
    given |= {name: Lined(v) if type(v) is dict else v for name, v in entries.items()}
    return source_of(**given)


def sheet_source(folder: Any, **entries: Any) -> Source:
    """A folder of monthly workbooks."""
    given: dict[str, Any] = {
        "name": "Báo cáo thử",
        "kind": "sheet",
        "url": str(folder),
        "owner": "SNV",
        "every": "30s",
        "serves": ["commune", "department"],
        "fields": {
            "org_unit": "Mã đơn vị",
            "period": {"path": "Kỳ", "match": r"(?P<month>\d\d)/(?P<year>\d{4})"},
        },
        "readings": {"staff_professional": "Tổng số", "staff_with_computer": "Có máy tính"},
        "options": {"skip": {"Mã đơn vị": "^Tổng cộng"}, "settle": 0},
    }
    given |= entries
    return source_of(**given)


def dossier(key: Any = "A1", **fields: Any) -> dict[str, Any]:
    """One row as the portal of the tests says it."""
    row = {
        "ma": key,
        "coQuan": "VPUB",
        "tiepNhan": "2024-03-05T08:00:00",
        "tra": None,
        "capNhat": "2024-03-05T08:00:00+07:00",
        "thuTuc": "1.004082",
        "kenh": "toàn trình",
        "hoTen": "Nguyễn Văn A",
    }
    return row | fields
