"""What an entry of the audit says besides who, what and when: its details in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kpi import accounts
from kpi.orders import ORDERS
from layouts import text

NAMES = {
    "act": "việc", "address": "địa chỉ mạng", "after": "sau", "before": "trước",
    "cause": "nguyên nhân",
    "classes": "nhóm chỉ số", "codes": "mã quét", "count": "số mục", "days": "số ngày",
    "denominator": "mẫu số", "device": "thiết bị số", "ended": "phiên đã kết thúc", "file": "tệp",
    "filters": "bộ lọc", "first": "từ ngày", "hash": "mã băm", "held_at": "giữ số lúc",
    "how": "cách vào", "indicator": "chỉ số", "issuer": "nơi cấp danh tính", "key": "khóa số",
    "keys": "khóa đã thu", "label": "tên khóa", "last": "đến ngày", "layout": "bố cục",
    "made": "tài khoản mới", "minutes": "số phút", "note": "ghi chú", "number": "số",
    "numerator": "tử số", "order": "lệnh", "org_unit": "đơn vị", "org_units": "đơn vị",
    "paused": "tạm dừng", "purpose": "mục đích", "reading": "cách đọc", "reason": "lý do",
    "right": "quyền số", "role": "vai trò", "rows": "số dòng", "second": "lớp thứ hai",
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
    "setup": "lập mới", "tie": "gắn danh tính", "totp_begin": "bắt đầu lớp thứ hai",
    "totp_confirm": "bật lớp thứ hai", "totp_remove": "gỡ lớp thứ hai", "unknown": "không có",
}  # fmt: skip
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
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
