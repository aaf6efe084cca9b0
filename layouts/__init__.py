"""Ask, draw, explain: the pages, in the order of the navigation."""

from typing import NamedTuple


class Page(NamedTuple):
    """One page: where it lives, the module with its ``layout``, its titles."""

    path: str
    module: str
    title: str
    menu: str = ""  # the word in the navigation; empty: reached by links only
    present: str = ""  # why the page has no past; empty: it answers ``as_of``


_WRITES = "Trang này ghi vào hệ thống, nên chỉ có hiện nay."
_RULES = "Tài khoản, quyền và thiết bị luôn là của hiện nay; việc đã làm xem ở nhật ký kiểm toán."
_NOW = "Trang này tả các địa chỉ dữ liệu của hiện nay."
_AUDIT = "Nhật ký tự giữ thời điểm của từng việc: hãy lọc theo ngày trong trang."


PAGES = (
    Page("/", "layouts.register", "Chỉ tiêu của đề án", "Chỉ tiêu"),
    Page("/sector", "layouts.sectors", "Lĩnh vực", "Lĩnh vực"),
    Page("/sector/<key>", "layouts.sector", "Lĩnh vực"),
    Page("/wall", "layouts.wall", "Màn hình tường", "Màn hình tường"),
    Page("/indicator/<key>", "layouts.indicator", "Chỉ số"),
    Page("/org-unit/<uid>", "layouts.org_unit", "Đơn vị"),
    Page("/search", "layouts.search", "Tìm"),
    Page("/map", "layouts.map", "Bản đồ", "Bản đồ"),
    Page("/explore", "layouts.explore", "Tra cứu số liệu", "Tra cứu"),
    Page("/projects", "layouts.projects", "Dự án của Đề án", "Dự án"),
    Page("/orientation", "layouts.orientation", "Định hướng đến năm 2030", "Định hướng"),
    Page("/records", "layouts.records", "Hồ sơ, phản ánh"),
    Page("/record/<source>/<key>", "layouts.record", "Bản ghi"),
    Page("/lineage", "layouts.lineage", "Nguồn gốc của con số"),
    Page("/changes", "layouts.changes", "Thay đổi của chỉ tiêu", "Thay đổi"),
    Page("/definitions", "layouts.definitions", "Định nghĩa chỉ tiêu", "Định nghĩa"),
    Page("/calibration", "layouts.calibration", "Độ tin cậy của dự báo"),
    Page("/upload", "layouts.upload", "Nhập tay", "Nhập tay", present=_WRITES),
    Page("/operator", "layouts.operator", "Điều khiển màn hình tường", present=_WRITES),
    Page("/sources", "layouts.sources", "Nguồn dữ liệu", "Nguồn dữ liệu"),
    Page("/sources/<source>", "layouts.sources", "Nguồn dữ liệu"),
    Page("/api", "layouts.dataguide", "Dữ liệu cho chương trình", present=_NOW),
    Page("/admin", "layouts.admin", "Quản trị", "Quản trị", present=_RULES),
    Page("/admin/people", "layouts.admin.people", "Tài khoản", present=_RULES),
    Page("/admin/devices", "layouts.admin.devices", "Màn hình", present=_RULES),
    Page("/admin/sources", "layouts.admin.sources", "Điều khiển nguồn dữ liệu", present=_WRITES),
    Page("/admin/readings", "layouts.admin.readings", "Cách đọc và chốt số", present=_WRITES),
    Page("/admin/audit", "layouts.admin.viewer", "Nhật ký kiểm toán", present=_AUDIT),
    Page("/admin/usage", "layouts.admin.usage", "Mức sử dụng", present=_AUDIT),
)
