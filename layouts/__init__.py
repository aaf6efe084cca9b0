"""Ask, draw, explain: the pages, in the order of the navigation."""

from typing import NamedTuple


class Page(NamedTuple):
    """One page: where it lives, the module with its ``layout``, its titles."""

    path: str
    module: str
    title: str
    menu: str = ""  # the word in the navigation; empty: reached by links only


PAGES = (
    Page("/", "layouts.register", "Chỉ tiêu của đề án", "Chỉ tiêu"),
    Page("/sector", "layouts.sectors", "Lĩnh vực", "Lĩnh vực"),
    Page("/sector/<key>", "layouts.sector", "Lĩnh vực"),
    Page("/wall", "layouts.wall", "Màn hình tường", "Màn hình tường"),
    Page("/indicator/<key>", "layouts.indicator", "Chỉ số"),
    Page("/org-unit/<uid>", "layouts.org_unit", "Đơn vị"),
    Page("/search", "layouts.search", "Tìm"),
    Page("/map", "layouts.map", "Bản đồ", "Bản đồ"),
    Page("/projects", "layouts.projects", "Dự án của Đề án", "Dự án"),
    Page("/orientation", "layouts.orientation", "Định hướng đến năm 2030", "Định hướng"),
    Page("/records", "layouts.records", "Hồ sơ, phản ánh"),
    Page("/record/<source>/<key>", "layouts.record", "Bản ghi"),
    Page("/lineage", "layouts.lineage", "Nguồn gốc của con số"),
    Page("/changes", "layouts.changes", "Thay đổi của chỉ tiêu", "Thay đổi"),
    Page("/definitions", "layouts.definitions", "Định nghĩa chỉ tiêu", "Định nghĩa"),
    Page("/upload", "layouts.upload", "Nhập tay", "Nhập tay"),
    Page("/operator", "layouts.operator", "Điều khiển màn hình tường"),
    Page("/sources", "layouts.sources", "Nguồn dữ liệu", "Nguồn dữ liệu"),
    Page("/sources/<source>", "layouts.sources", "Nguồn dữ liệu"),
    Page("/admin", "layouts.admin", "Quản trị"),
    Page("/admin/people", "layouts.admin.people", "Tài khoản"),
    Page("/admin/devices", "layouts.admin.devices", "Màn hình"),
    Page("/admin/sources", "layouts.admin.sources", "Điều khiển nguồn dữ liệu"),
    Page("/admin/readings", "layouts.admin.readings", "Cách đọc và chốt số"),
    Page("/admin/audit", "layouts.admin.viewer", "Nhật ký kiểm toán"),
    Page("/admin/usage", "layouts.admin.usage", "Mức sử dụng"),
)
