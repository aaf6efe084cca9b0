"""What an entry of the audit says besides who, what and when: its details in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kpi import accounts
from kpi.orders import ORDERS
from layouts import text

NAMES = {
    "act": "việc", "address": "địa chỉ mạng", "after": "sau", "before": "trước",
    "cause": "nguyên nhân",
    "classes": "nhóm chỉ số", "codes": "mã quét", "count": "số mục", "days": "số ngày",
    "denominator": "mẫu số", "device": "thiết bị số", "edition": "gói số",
    "ended": "phiên đã kết thúc", "file": "tệp", "mails": "số thư",
    "filters": "bộ lọc", "first": "từ ngày", "hash": "mã băm", "held_at": "giữ số lúc",
    "how": "cách vào", "indicator": "chỉ số", "issuer": "nơi cấp danh tính", "key": "khóa số",
    "keys": "khóa đã thu", "label": "tên khóa", "last": "đến ngày", "layout": "bố cục",
    "made": "tài khoản mới", "minutes": "số phút", "note": "ghi chú", "number": "số",
    "numerator": "tử số", "order": "lệnh", "org_unit": "đơn vị", "org_units": "đơn vị",
    "paused": "tạm dừng", "purpose": "mục đích", "reading": "cách đọc", "reason": "lý do",
    "right": "quyền số", "role": "vai trò", "rows": "số dòng", "second": "mã xác thực",
    "sheet": "trang", "size": "số byte", "status": "mã trả lời", "valid_from": "từ ngày",
    "valid_to": "đến ngày", "value": "giá trị", "verdict": "kết luận", "version": "phiên bản",
    "why": "vì", "withdraws": "rút đánh giá số",
}  # fmt: skip
"""Every name that an entry may have a detail under."""
VALUES = {
    "added": "thêm", "changed": "đổi", "code": "sai mã xác thực", "create": "tạo",
    "disable": "khóa", "disabled": "đã khóa", "enable": "mở lại",
    "end_all": "kết thúc mọi phiên", "first": "lần đầu", "grant": "cấp", "link": "liên kết mới",
    "locked": "đang tạm khóa", "oidc": "danh tính của cơ quan", "own": "tự đổi",
    "password": "mật khẩu",
    "removed": "bỏ", "reset": "đặt lại", "revoke": "thu hồi", "role": "đổi vai trò",
    "setup": "lập mới", "tie": "gắn danh tính", "totp_begin": "bắt đầu đặt mã xác thực",
    "totp_confirm": "bật mã xác thực", "totp_remove": "gỡ mã xác thực", "unknown": "không có",
}  # fmt: skip
FILTERS = {
    "as_of": "số liệu lúc", "download": "tải về", "element": "số đếm", "figure": "loại số",
    "frame": "khung", "from": "từ", "grain": "kỳ", "indicator": "chỉ số", "kind": "loại",
    "level": "cấp", "limit": "tối đa", "manifest": "kèm lý lịch", "on": "ngày",
    "org_unit": "đơn vị", "period": "kỳ", "project": "dự án", "run": "lượt đọc",
    "sector": "lĩnh vực", "source": "nguồn", "state": "tình trạng", "target": "chỉ tiêu",
    "task": "nhiệm vụ", "to": "đến",
}  # fmt: skip
"""Filters of an export, in words; others stand as they are."""
DATED = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?$")
CODED = ("act", "how", "purpose", "why")
"""Details whose value is a word of ours."""


def told(said: Mapping[str, Any]) -> str:
    """All details in one line; what is empty is left out."""
    kept = {key: value for key, value in said.items() if value not in (None, "", [])}
    return "; ".join(f"{NAMES.get(key, key)}: {_value(key, value)}" for key, value in kept.items())


def _value(key: str, value: Any) -> str:
    if key in CODED:
        return VALUES.get(value, str(value))
    if key in ("role", "before") and value in accounts.ROLES:
        return accounts.ROLES[value]
    if key == "order":
        return ORDERS.get(value, str(value))
    if key == "classes":
        return ", ".join(text.ACCESS[one].partition(":")[0] if one else "tất cả" for one in value)
    if key == "org_units":
        return ", ".join(one or "tất cả" for one in value)
    if isinstance(value, bool):
        return "có" if value else "không"
    if isinstance(value, dict):
        return ", ".join(f"{FILTERS.get(of, of)} {_value(of, one)}" for of, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_value(key, one) for one in value)
    if isinstance(value, (int, float)):
        return text.plain(value)
    return _day(str(value)) or text.reading(str(value))


def _day(value: str) -> str:
    """A day or an instant as people write it; empty for other words."""
    if not DATED.match(value):
        return ""
    try:
        return text.minute(datetime.fromisoformat(value)) if "T" in value else text.day(value)
    except ValueError:
        return ""
