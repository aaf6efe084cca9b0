"""What every filter of a data address takes: its words in Vietnamese, its schema, an example.

Values that are ours (levels, units of account, targets …) come from where they are defined, and
only those that the reader may read.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

from ioc.model import Level
from ioc.period import GRAINS
from ioc.principal import Principal
from kpi import query
from layouts.web import filters

MONTH, DATE = "(0[1-9]|1[0-2])", "(0[1-9]|1[0-9]|2[0-8]|29|30|31)"
DAY = rf"^20[0-5][0-9]-{MONTH}-{DATE}$"
PERIOD = rf"^20[0-5][0-9](-(Q[1-4]|{MONTH}|{MONTH}-{DATE}))?$"
CLOCK = r"T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{6})?)?(Z|[+ -](0[0-9]|1[0-2]):00)"
INSTANT = rf"^20[0-9]{{2}}-{MONTH}-{DATE}({CLOCK})?$"
CODES = r"^[a-z0-9_]+(,[a-z0-9_]+)*$"


class Words(NamedTuple):
    """What a filter means, and an example of it."""

    says: str
    example: str


WORDS = {
    "target": Words("Mã chỉ tiêu; nhiều mã cách nhau bằng dấu phẩy", "T02a,T05"),
    "indicator": Words("Mã chỉ số; nhiều mã cách nhau bằng dấu phẩy", "I02b"),
    "org_unit": Words(
        "Định danh đơn vị, lấy ở câu hỏi org-units; nhiều cách nhau bằng dấu phẩy", "area-450"
    ),
    "project": Words("Mã dự án của Đề án", "DA01"),
    "task": Words("Mã nhiệm vụ của Đề án", "N01"),
    "sector": Words("Lĩnh vực", "public_services"),
    "source": Words("Mã nguồn dữ liệu, lấy ở câu hỏi sources", "public_services"),
    "run": Words("Số của lần thu thập", "17"),
    "kind": Words("Loại bản ghi", "dossier"),
    "state": Words("Mã trạng thái", "resolved"),
    "element": Words("Mã số liệu được đếm từ bản ghi: chỉ lấy các bản ghi đó", "dossiers_resolved"),
    "level": Words(
        "Mọi đơn vị của một cấp; area gồm cả dòng tổng area-qb (toàn địa bàn) bên cạnh các phần"
        " của nó: đừng cộng chung",
        "commune",
    ),
    "grain": Words("Loại kỳ; ytd là lũy kế từ đầu năm", "month"),
    "frame": Words("Đơn vị được so sánh: then như khi đó, today hôm nay, plan của Đề án", "today"),
    "from": Words("Kỳ đầu, tính cả kỳ này", "2025-01"),
    "to": Words("Kỳ cuối, tính cả kỳ này", "2025-Q2"),
    "on": Words("Ngày của cây đơn vị, chỉ tiêu và định nghĩa", "2025-06-30"),
    "as_of": Words(
        "Số liệu như đã biết tại thời điểm này, có múi giờ; chỉ ghi ngày là cuối ngày đó",
        "2025-06-30T17:00:00+07:00",
    ),
    "plan": Words("Đề án đang xét; bỏ trống là đề án có hiệu lực", "2021-2025"),
    "since": Words("So với thời điểm này", "2025-06-01"),
    "open": Words("1: chỉ bản ghi chưa có kết quả", "1"),
    "overdue": Words("1: chỉ bản ghi quá hạn", "1"),
    "located": Words("1: chỉ bản ghi có tọa độ", "1"),
    "q": Words("Mã hoặc tên cần tìm, không cần dấu", "le thuy"),
    "step": Words("Chỉ một bước của nguồn gốc", "rollup"),
    "limit": Words("Nhiều nhất bấy nhiêu dòng", "100"),
    "after": Words("Bỏ qua bấy nhiêu dòng; hãy dùng nguyên địa chỉ next", "100"),
    "snapshot": Words("Trạng thái số liệu mà địa chỉ next đã cho", "125.48.20261127"),
    "download": Words("1: tệp tải về, ghi lại thời điểm để địa chỉ này luôn trả đúng tệp ấy", "1"),
    "manifest": Words("1: tệp mô tả (số dòng, mã băm, các cột) thay cho các dòng", "1"),
    "separator": Words("Dấu ngăn cột của CSV", "semicolon"),
    "decimal": Words("Dấu thập phân của CSV", "comma"),
}
PLACE = Words("Vị trí của dòng cuối trang trước; hãy dùng nguyên địa chỉ next", "")
REQUIRED = {"lineage": ("indicator", "org_unit")}
"""Filters without which a question means nothing."""


def names(question: str) -> tuple[str, ...]:
    """All filters of a question, its own first."""
    return (*filters.QUESTIONS[question][1], *filters.COMMON)


def words(question: str, name: str) -> Words:
    """What a filter of a question means; a new one that has no words yet is called by its name."""
    placed = name == "after" and question in filters.KEYSET
    return PLACE if placed else WORDS.get(name, Words(name, ""))


def schemas(store: Any, who: Principal) -> dict[str, dict[str, Any]]:
    """The JSON Schema of every filter, by its name; lists are written with commas."""
    catalogue = store.catalogue
    whole = {"type": "integer", "minimum": 0, "maximum": 10**9 - 1}
    text = {"type": "string", "pattern": r"^[^\u0000]*$"}
    return (
        {
            "target": _listed([row[0] for row in query.targets(store, who).stream()]),
            "indicator": _listed([row[0] for row in query.indicators(store, who).stream()]),
            "org_unit": _listed([row[0] for row in query.org_units(store, who).stream()]),
            "project": _listed(list(catalogue.portfolio.projects)),
            "task": _listed(list(catalogue.tasks.tasks)),
            "sector": _listed(list(catalogue.sectors)),
            "source": _listed([row[0] for row in query.sources(store, who).stream()]),
            "run": {"type": "string", "pattern": r"^[0-9]{1,9}(,[0-9]{1,9})*$"},
            "kind": {"type": "string", "pattern": CODES},
            "state": {"type": "string", "pattern": CODES},
            "level": {"type": "string", "enum": list(get_args(Level))},
            "grain": {"type": "string", "enum": list(GRAINS)},
            "frame": {"type": "string", "enum": list(query.FRAMES)},
            "plan": {"type": "string", "enum": list(catalogue.plans)},
            "step": {"type": "string", "enum": list(query.STEPS)},
            "from": {"type": "string", "pattern": PERIOD},
            "to": {"type": "string", "pattern": PERIOD},
            "on": {"type": "string", "pattern": DAY},
            "as_of": {"type": "string", "pattern": INSTANT},
            "since": {"type": "string", "pattern": INSTANT},
            "limit": whole | {"minimum": 1, "maximum": filters.WHOLE},
            "after": whole,
            "snapshot": {"type": "string", "pattern": r"^[0-9a-f.]{1,64}$"},
            "q": text,
            "element": text,
        }
        | {name: {"type": "string", "enum": ["1"]} for name in filters.FLAGS}
        | _dialect()
    )


def _listed(values: list[str]) -> dict[str, Any]:
    known: dict[str, Any] = {"type": "string"}
    if values:
        known["enum"] = values
    return {"type": "array", "items": known, "minItems": 1}


def _dialect() -> dict[str, dict[str, Any]]:
    known = getattr(filters, "DIALECT", {})
    return {name: {"type": "string", "enum": list(values)} for name, values in known.items()}
