"""The kinds of problem that an answer can be refused for, each in Vietnamese and in English.

A kind has an address on the page of the data addresses: the ``type`` of its problem documents.
"""

from typing import NamedTuple

PAGE = "/api"


class Kind(NamedTuple):
    """One kind: its name in ``type``, its status, its words, and how a program goes on.

    ``detail`` is what is said where nothing more exact is known.
    """

    slug: str
    status: int
    title: str
    detail: str
    title_en: str
    detail_en: str


KINDS = (
    Kind(
        "bad-request",
        400,
        "Yêu cầu không hợp lệ",
        "Nội dung gửi lên không đọc được.",
        "Bad request",
        "What was asked cannot be answered as it stands; asking the same again will not help.",
    ),
    Kind(
        "bad-filter",
        400,
        "Giá trị bộ lọc không hợp lệ",
        "Bộ lọc nêu ở parameter không nhận giá trị này.",
        "Bad value of a filter",
        "The filter named in 'parameter' does not take this value; /api/v1/openapi.json says"
        " which values it takes.",
    ),
    Kind(
        "unknown-filter",
        400,
        "Không có bộ lọc này",
        "Câu hỏi này không có bộ lọc nêu ở parameter; không bộ lọc nào bị bỏ qua.",
        "No such filter",
        "This question has no filter of the name in 'parameter'; filters are never ignored.",
    ),
    Kind(
        "sign-in",
        401,
        "Cần đăng nhập",
        "Cần đăng nhập, hoặc gửi khóa còn hạn ở Authorization: Bearer.",
        "Sign in",
        "Send a key that is still good in the header 'Authorization: Bearer', or sign in.",
    ),
    Kind(
        "forbidden",
        403,
        "Không có quyền xem",
        "Tài khoản không có quyền với nội dung này.",
        "Not allowed",
        "The account of this key may not read or take what was asked for; ask its administrator.",
    ),
    Kind(
        "not-found",
        404,
        "Không tìm thấy",
        "Địa chỉ này không có trong hệ thống.",
        "Not found",
        "There is no such address; /api/v1/openapi.json lists all of them.",
    ),
    Kind(
        "method",
        405,
        "Cách gọi không được phép",
        "Địa chỉ này không nhận cách gọi đó.",
        "Method not allowed",
        "This address does not take that method; the header Allow says which it takes.",
    ),
    Kind(
        "moved-on",
        409,
        "Dữ liệu đã đổi",
        "Số liệu đã đổi từ trang trước: hãy hỏi lại từ trang đầu ở địa chỉ nêu trong again.",
        "The data moved on",
        "The data changed since the page before: rows could be missed or doubled. Start again at"
        " the address in 'again'; with as_of its pages stay as they are.",
    ),
    Kind(
        "too-large",
        413,
        "Quá lớn",
        "Nội dung vượt mức cho phép.",
        "Too large",
        "More than one answer may hold; narrow the filters or take pages with limit.",
    ),
    Kind(
        "too-long",
        414,
        "Địa chỉ quá dài",
        "Địa chỉ dài hơn 4.094 ký tự; máy chủ từ chối trước khi đọc, bằng một trang chữ.",
        "Address too long",
        "The address is longer than 4,094 characters and is refused before it is read, in HTML.",
    ),
    Kind(
        "media-type",
        415,
        "Không đúng kiểu nội dung",
        "Nội dung gửi lên phải là JSON.",
        "Wrong content type",
        "The body must be of the content type that this address takes.",
    ),
    Kind(
        "wrong-host",
        421,
        "Sai tên máy chủ",
        "Tên máy chủ này không phải của trung tâm.",
        "Wrong host",
        "This server does not answer to that name; ask it by the address it is known by.",
    ),
    Kind(
        "quota",
        429,
        "Quá nhiều yêu cầu",
        "Đã hết mức được hỏi; hãy thử lại sau thời gian ghi ở Retry-After.",
        "Too many requests",
        "The quota of this account is used up; ask again after the seconds in Retry-After.",
    ),
    Kind(
        "failed",
        500,
        "Lỗi trong chương trình",
        "Sự cố đã được ghi vào nhật ký. Số liệu không bị ảnh hưởng.",
        "Program error",
        "A fault of this program; it is in its log. The data are not harmed.",
    ),
    Kind(
        "away",
        503,
        "Tạm thời chưa phục vụ được",
        "Hãy thử lại sau thời gian ghi ở Retry-After.",
        "Away for a moment",
        "The store cannot be read now; ask again after the seconds in Retry-After.",
    ),
)
REFUSED = Kind(
    "refused",
    0,
    "Yêu cầu bị từ chối",
    "Yêu cầu bị từ chối.",
    "Refused",
    "The request was refused; the status says why.",
)
"""For a status that has no kind of its own."""


FAULTS = {
    "form": "The value of '{name}' is not written as this filter is written;"
    " /api/v1/openapi.json gives its pattern and an example.",
    "choice": "'{name}' takes only the values that /api/v1/openapi.json lists for it.",
    "unknown": "A value of '{name}' names nothing that is known here;"
    " /api/v1/openapi.json lists the values that you may ask for.",
    "order": "'{name}' is later than the end of the span: ask for a span that begins before it"
    " ends.",
    "range": "The value of '{name}' is well formed but out of range: an instant from the year 2000"
    " until now, a day of the years 1990 to 2060, a limit of at most 1000000.",
    "zone": "The instant in '{name}' has no time zone, for example 2025-06-30T17:00:00+07:00.",
    "once": "'{name}' may be given once only; write several values with commas between them.",
    "csv": "'{name}' is for CSV files only; this format has no such thing.",
    "comma": "The decimal sign is a comma already, so '{name}' may not be one: take semicolon or"
    " tab.",
}
"""What may be wrong with the value of a filter, in English; its reasons in Vietnamese name it."""


def of(status: int, slug: str = "") -> Kind:
    """The kind of that name, else the first of the status."""
    fitting = (kind for kind in KINDS if (kind.slug == slug if slug else kind.status == status))
    return next(fitting, REFUSED)
