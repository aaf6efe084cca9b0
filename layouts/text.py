"""Numbers, dates and sentences as a Vietnamese official reads them.

One rule decides every percentage: it is rounded only as far as it stays on its side of the line
that it is judged against, so 80,004 % is never shown as "80 %".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from babel.numbers import format_decimal

from ioc.period import LOCAL

LOCALE = "vi_VN"
NONE = "—"
GAP = "\u00a0"
FEW = 30  # below it, counts come first and percentages have no decimals
MOST_DECIMALS = 4
QUARTERS = ("I", "II", "III", "IV")


def known(value: Any) -> bool:
    """Whether a cell holds something: not None, NaN, NaT or an empty text."""
    return value is not None and value == value and value != ""


def number(value: Any, decimals: int = 0) -> str:
    """1063487 → 1.063.487; an unknown one → —."""
    if not known(value):
        return NONE
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return format_decimal(float(value), format=pattern, locale=LOCALE)


def plain(value: Any) -> str:
    """A threshold as the plan writes it: 80, 12,5."""
    return format_decimal(float(value), format="#,##0.####", locale=LOCALE)


# ── percentages ────────────────────────────────────────────────────────────────────────────


def percent(
    numerator: Any,
    denominator: Any,
    *lines: Any,
    factor: Any = 100,
    decimals: int | None = None,
    most: int = MOST_DECIMALS,
) -> str:
    """A share in percent, with as many decimals as it takes to stay on its side of ``lines``.

    0 and 100 are lines too: 99,98 % is not 100 %. Denominators under 30 start without decimals,
    the others with one. Past ``most`` decimals the words "> 80 %" or "< 80 %" stand for it.
    """
    if not (known(numerator) and known(denominator)) or not denominator:
        return NONE
    value = Fraction(numerator) * Fraction(factor) / Fraction(denominator)
    places = (0 if abs(denominator) < FEW else 1) if decimals is None else decimals
    return share(value, *lines, decimals=places, most=most)


def share(value: Any, *lines: Any, decimals: int = 1, most: int = MOST_DECIMALS) -> str:
    """``percent`` of a value that is already a percentage."""
    if not known(value):
        return NONE
    exact = Fraction(value)
    borders = [Fraction(line) for line in lines if known(line)] + [Fraction(0), Fraction(100)]
    if exact in (0, 100):
        return f"{int(exact)}{GAP}%"
    for places in range(decimals, most + 1):
        shown = rounded(exact, places)
        if all(side(Fraction(shown), line) == side(exact, line) for line in borders):
            return f"{number(shown, places)}{GAP}%"
    line = min(borders, key=lambda border: abs(border - exact))
    return f"{'>' if exact > line else '<'}{GAP}{plain(line)}{GAP}%"


def value(row: Mapping[str, Any], *lines: Any) -> str:
    """The figure of a row of values in its own unit: 58,3 %, or 12,4 phút."""
    if (row.get("unit") or "%") == "%":
        return percent(row["numerator"], row["denominator"], *lines)
    if not known(row["value"]):
        return NONE
    return f"{number(row['value'], _places(row['value']))}{GAP}{row['unit']}"


def _places(value: Any) -> int:
    """Decimals of a figure that is no share: none of whole or large ones."""
    size = abs(value)
    return 0 if size == int(size) or size >= 1000 else 1 if size >= 10 else 2


def rounded(exact: Fraction, places: int) -> Decimal:
    """A fraction rounded half up to so many decimals, without passing through a float."""
    return (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(
        Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP
    )


def side(value: Fraction, line: Fraction) -> int:
    """-1 below the line, 0 on it, 1 above."""
    return (value > line) - (value < line)


def few(denominator: Any) -> bool:
    """Whether counts are shown first: a denominator under 30."""
    return known(denominator) and 0 < denominator < FEW


def counts(numerator: Any, denominator: Any, noun: str = "") -> str:
    """4/5 dịch vụ."""
    if not (known(numerator) and known(denominator)):
        return NONE
    return f"{number(numerator)}/{number(denominator)}{GAP + noun if noun else ''}"


def points(value: Any) -> str:
    """A difference of percentages: +1,2 điểm."""
    if not known(value):
        return NONE
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return f"{sign}{number(abs(value), 1)} điểm"


def change(value: Any, unit: str) -> str:
    """A difference of figures in their own unit: +32 hồ sơ, −1.991 lượt, +0,4 phút."""
    if not known(value):
        return NONE
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return f"{sign}{number(abs(value), _places(value))}{GAP}{unit}".rstrip()


# ── thresholds ─────────────────────────────────────────────────────────────────────────────


def level(operator: str, threshold: Any, high: Any = None) -> str:
    """The plan's operator and number in words: trên 80 %, từ 60 %, 80–100 %."""
    if not known(threshold):
        return "định tính"
    if operator == "range":
        return f"{plain(threshold)}–{plain(high)}{GAP}%"
    words = {">": "trên", ">=": "từ", "<": "dưới", "<=": "đến"}
    return f"{words.get(operator, operator)} {plain(threshold)}{GAP}%"


def reading(written: str) -> str:
    """A reading kept as text ("> 60") in words: trên 60 %."""
    found = re.fullmatch(r"\s*(>=|<=|>|<)\s*([\d.,]+)\s*%?\s*", str(written))
    return level(found[1], float(found[2].replace(",", "."))) if found else str(written)


def against(value: Any, threshold: Any, high: Any = None) -> str:
    """Where a live figure stands, in grey words: cao hơn mức 60 %."""
    if not (known(value) and known(threshold)):
        return ""
    if known(high):
        inside = threshold <= value <= high
        mark = f"{plain(threshold)}–{plain(high)}{GAP}%"
        return f"trong khoảng {mark}" if inside else f"ngoài khoảng {mark}"
    word = {1: "cao hơn", 0: "bằng", -1: "thấp hơn"}[side(Fraction(value), Fraction(threshold))]
    return f"{word} mức {plain(threshold)}{GAP}%"


def missing(count: Any, noun: str, operator: str, threshold: Any, *, flow: bool = False) -> str:
    """còn thiếu 9 hệ thống để vượt 80 %; a flow adds what it takes for granted."""
    if not known(count) or count <= 0:
        return ""
    aim = "vượt" if operator == ">" else "đạt"
    tail = ", nếu mẫu số không đổi" if flow else ""
    thing = f" {noun}" if noun else ""
    return f"còn thiếu {number(count)}{thing} để {aim} {plain(threshold)}{GAP}%{tail}"


# ── calendar ───────────────────────────────────────────────────────────────────────────────


def local(instant: datetime) -> datetime:
    """An instant on the local clock."""
    return instant.astimezone(LOCAL)


def day(value: Any) -> str:
    """31/12/2025, from a date, an instant or an ISO text."""
    found = as_date(value)
    return f"{found:%d/%m/%Y}" if found else NONE


def written_day(given: str) -> date:
    """A day as people write it, 31/12/2025, or as addresses do, 2025-12-31. Raises ValueError."""
    found = re.fullmatch(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})\s*", given)
    if found is None:
        return date.fromisoformat(given.strip())
    day, month, year = map(int, found.groups())
    return date(year, month, day)


def short_day(value: Any, near: date | None = None) -> str:
    """30/9, with the year when it is not the year of ``near``."""
    found = as_date(value)
    if not found:
        return NONE
    year = "" if near and near.year == found.year else f"/{found.year}"
    return f"{found.day}/{found.month}{year}"


def as_date(value: Any) -> date | None:
    """A date from a date, an instant (local day) or an ISO text; None when there is none."""
    if not known(value):
        return None
    if isinstance(value, datetime):
        return local(value).date() if value.tzinfo else value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value)[:10])


def known_from(at: Any) -> str:
    """Since when something is known: an instant; of rebuilt history, which is known by the weeks
    of its source's own changes, the week.
    """
    if known(at) and (local(at).weekday(), local(at).time()) == (0, time()):
        return f"tuần bắt đầu {day(local(at))} (dựng lại)"
    return minute(at)


def minute(value: Any, near: datetime | None = None) -> str:
    """14:03 on the day of ``near``, else 14:03 21/11, else with the year."""
    if not known(value):
        return NONE
    here = local(value)
    if near is None:
        return f"{here:%H:%M} {here:%d/%m/%Y}"
    if here.date() == local(near).date():
        return f"{here:%H:%M}"
    return f"{here:%H:%M} {short_day(here.date(), local(near).date())}"


def reach(value: Any, near: datetime) -> str:
    """Until when figures count: 14:03 today, else the day; a midnight closes the day before."""
    if not known(value):
        return NONE
    here, here_now = local(value), local(near)
    if (here.hour, here.minute) == (0, 0):
        return f"hết {short_day(here.date() - timedelta(days=1), here_now.date())}"
    return (
        minute(value, near)
        if here.date() == here_now.date()
        else short_day(here.date(), here_now.date())
    )


def last_day(value: Any) -> str:
    """The last day that figures up to an instant count: a midnight closes the day before."""
    if not known(value):
        return ""
    here = local(value)
    return day(here.date() - timedelta(days=(here.hour, here.minute) == (0, 0)))


def age(instant: Any, now: datetime) -> str:
    """3 phút trước."""
    if not known(instant):
        return NONE
    seconds = (now - instant).total_seconds()
    return "vừa xong" if seconds < 60 else f"{duration(timedelta(seconds=seconds))} trước"


def duration(length: Any) -> str:
    """A length of time in its largest whole unit: 60 giây, 5 phút, 31 ngày."""
    if not known(length):
        return NONE
    seconds = int(length.total_seconds() if isinstance(length, timedelta) else length)
    for name, size in (("năm", 31_557_600), ("tháng", 2_629_800), ("ngày", 86_400)):
        if seconds >= 2 * size or (size == 86_400 and seconds >= size):
            return f"{seconds // size} {name}"
    for name, size in (("giờ", 3600), ("phút", 60)):
        if seconds >= size and (seconds % size == 0 or seconds >= 2 * size):
            return f"{seconds // size} {name}"
    return f"{seconds} giây"


def exact_duration(length: Any) -> str:
    """A limit as it was declared, never rounded: 90 giây, 36 giờ."""
    if not known(length):
        return NONE
    seconds = int(length.total_seconds() if isinstance(length, timedelta) else length)
    for name, size in (("ngày", 86_400), ("giờ", 3600), ("phút", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} giây"


def period(text: Any) -> str:
    """2025-06 → tháng 6/2025; 2025-Q2 → quý II/2025; 2025-01..2025-06 → 6 tháng đầu năm 2025."""
    written = str(text) if known(text) else ""
    if found := re.fullmatch(r"(\d{4})-01(?:-01)?\.\.\1-(\d{2})(?:-\d{2})?", written):
        months = int(found[2])
        return f"năm {found[1]}" if months == 12 else f"{months} tháng đầu năm {found[1]}"
    if found := re.fullmatch(r"(\d{4})-Q([1-4])", written):
        return f"quý {QUARTERS[int(found[2]) - 1]}/{found[1]}"
    if found := re.fullmatch(r"(\d{4})-(\d{2})", written):
        return f"tháng {int(found[2])}/{found[1]}"
    if found := re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", written):
        return f"ngày {found[3]}/{found[2]}/{found[1]}"
    return f"năm {written}" if re.fullmatch(r"\d{4}", written) else written or NONE


def clocks(data_as_of: Any, polled_at: Any, now: datetime) -> tuple[str, str, str]:
    """The three clocks of a figure: what it covers, when we fetched it, when it was drawn."""
    return (
        f"Số liệu đến {reach(data_as_of, now)}",
        f"Thu lúc {minute(polled_at, now)}",
        f"Trang {local(now):%H:%M}",
    )


# ── sentences ──────────────────────────────────────────────────────────────────────────────


def join(parts: Iterable[str], mark: str = " · ") -> str:
    """The parts that say something, with a dot between them."""
    return mark.join(part for part in parts if part and part != NONE)


def sentence(words: str) -> str:
    """With a capital and a full stop."""
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else ""


ACCESS = {
    "public": "công khai: mọi tài khoản được xem",
    "internal": "nội bộ: tài khoản được giao chỉ số nội bộ",
    "restricted": "hạn chế: tài khoản được giao riêng",
}
"""Who an indicator is for, by its class."""

POPULATION = {
    "area": "toàn địa bàn",
    "department": "sở, ban, ngành",
    "district": "cấp huyện",
    "commune": "cấp xã",
    "province": "cấp tỉnh",
}
LEVELS = {
    "area": "Địa bàn huyện cũ",
    "department": "Sở, ban, ngành",
    "commune": "Xã, phường, thị trấn",
    "district": "Cấp huyện (đến 30/6/2025)",
}
JUDGED = {
    "last_month": "tháng cuối trước ngày chốt",
    "year_to_date": "luỹ kế từ đầu năm đến ngày chốt",
    "calendar_year": "từ 01/01 đến ngày chốt",
    "stock_at_date": "số hiện có tại ngày chốt",
}
GRAINS = {"day": "ngày", "month": "tháng", "quarter": "quý", "year": "năm"}
REASONS = {  # why a cell is empty
    "no_source": "chưa có nguồn",
    "not_offered": "không tính theo kỳ này",
    "not_due": "chưa đến kỳ",
    "not_open": "đơn vị chưa hoặc không còn hoạt động",
    "not_reported": "chưa báo cáo",
    "not_covered": "nguồn chưa đọc đến kỳ này",
    "zero_denominator": "mẫu số bằng 0",
    "suppressed": "che vì số người quá ít",
    "not_summable": "không cộng được: một mục có thể có ở nhiều đơn vị",
    "not_comparable": "không so sánh được",
    "out_of_scope": "có đơn vị cũ ngoài phạm vi được xem",
}
FRAMES = {  # which org units are compared
    "then": "Đơn vị như khi đó",
    "today": "Đơn vị hôm nay",
    "plan": "Đơn vị của Đề án",
}
FRAME_SAYS = {
    "today": "Đơn vị đã sáp nhập trọn vẹn được cộng lại từ tử số và mẫu số của các đơn vị cũ;"
    " tổng của các địa bàn giữ nguyên.",
    "plan": "Đơn vị của ngày ban hành Đề án; sau khi sáp nhập thì không so sánh được, trừ các"
    " địa bàn.",
}
CERTAINTY = {"explicit": "câu chữ rõ", "unclear": "câu chữ có hai cách đọc", "none": ""}
LEVELS_SHORT = {
    "department": "sở, ban, ngành",
    "district": "cấp huyện",
    "commune": "cấp xã",
    "area": "địa bàn",
    "province": "cấp tỉnh",
}
KINDS = {
    "rest": "giao diện REST",
    "open311": "giao diện Open311",
    "sheet": "tệp bảng tính trong thư mục",
    "sql": "khung nhìn cơ sở dữ liệu",
    "feed": "nguồn tin RSS, Atom, CAP",
    "soap": "dịch vụ SOAP",
    "taxii": "giao diện TAXII 2.1",
    "prometheus": "Prometheus",
    "sensorthings": "giao diện SensorThings",
    "mqtt": "thông điệp MQTT",
}
FIELDS = {  # of a record or a reading
    "key": "mã",
    "org_unit": "đơn vị",
    "period": "kỳ",
    "opened_at": "tiếp nhận",
    "due_at": "hẹn trả",
    "closed_at": "trả kết quả",
    "changed_at": "cập nhật",
    "place": "nơi",
    "state": "trạng thái",
    "category": "thủ tục",
    "channel": "kênh",
    "result": "kết quả",
    "quantity": "số lượng",
    "element": "số liệu",
    "value": "giá trị",
    "lat": "vĩ độ",
    "lon": "kinh độ",
}
FUNDS = {
    "central": "Ngân sách Trung ương",
    "local": "Ngân sách địa phương",
    "other": "Nguồn vốn hợp pháp khác",
}
RECORD_KINDS = {
    "dossier": "Hồ sơ thủ tục hành chính",
    "field_report": "Phản ánh hiện trường",
    "order_incident": "Vụ việc an ninh, trật tự",
    "mention": "Tin, bài trên mạng",
    "traffic_incident": "Sự cố giao thông",
    "station": "Trạm phát sóng",
    "system_check": "Rà soát hệ thống",
    "rollout": "Triển khai dịch vụ đô thị thông minh",
    "milestone": "Mốc dự án",
    "disbursement": "Giải ngân",
}
CODES = {  # what a coded field of a record holds, by field
    "state": {
        "received": "Đã tiếp nhận",
        "processing": "Đang giải quyết",
        "dispatched": "Đã chuyển xử lý",
        "in_progress": "Đang xử lý",
        "resolved": "Đã có kết quả",
        "withdrawn": "Đã rút",
        "rejected": "Từ chối",
        "answered": "Đã phản hồi",
        "noted": "Ghi nhận",
        "upgraded": "Đã đầu tư, nâng cấp",
        "not_upgraded": "Chưa nâng cấp",
        "none": "Chưa triển khai",
        "pilot": "Thí điểm",
        "operating": "Vận hành",
        "pending": "Chưa bắt đầu",
        "underway": "Đang thực hiện",
        "suspended": "Tạm dừng",
        "done": "Hoàn thành",
        "on_air": "Đang phát sóng",
        "maintenance": "Đang bảo trì",
    },
    "category": {
        "disorder": "Gây rối trật tự",
        "theft": "Trộm cắp",
        "encroachment": "Lấn chiếm lòng, lề đường",
        "fire": "Cháy, nổ",
        "racing": "Tụ tập, đua xe",
        "collision": "Va chạm, tai nạn",
        "congestion": "Ùn tắc",
        "breakdown": "Hỏng xe",
        "flooding": "Ngập đường",
        "signal": "Hỏng đèn tín hiệu",
        "dat-dai": "Đất đai",
        "moi-truong": "Môi trường",
        "giao-thong": "Giao thông",
        "y-te": "Y tế",
        "giao-duc": "Giáo dục",
        "thu-tuc": "Thủ tục hành chính",
        "du-lich": "Du lịch",
        "an-ninh": "An ninh, trật tự",
        "field_feedback": "Phản ánh hiện trường",
        "traffic": "Giám sát điều hành giao thông",
        "public_order": "An ninh trật tự đô thị",
        "online_information": "Giám sát thông tin trên môi trường mạng",
        "information_security": "Giám sát an toàn thông tin",
    },
    "channel": {
        "full": "Toàn trình",
        "partial": "Một phần",
        "direct": "Trực tiếp",
        "app": "Ứng dụng",
        "web": "Cổng thông tin",
        "hotline": "Tổng đài",
        "social": "Mạng xã hội",
        "4g": "4G",
        "on_platform": "Đã nối nền tảng của tỉnh",
        "off_platform": "Chưa nối nền tảng của tỉnh",
        "5g": "5G",
        "press": "Báo điện tử",
        "forum": "Diễn đàn",
        "area-450": "Đồng Hới",
        "area-452": "Minh Hóa",
        "area-453": "Tuyên Hóa",
        "area-454": "Quảng Trạch",
        "area-455": "Bố Trạch",
        "area-456": "Quảng Ninh",
        "area-457": "Lệ Thủy",
        "area-458": "Ba Đồn",
        "area-qb": "Toàn địa bàn",
        **FUNDS,
    },
    "result": {
        "electronic": "Bản điện tử",
        "paper": "Bản giấy",
        "satisfied": "Hài lòng",
        "accepted": "Chấp nhận",
        "dissatisfied": "Không hài lòng",
        "minor": "Nhẹ",
        "moderate": "Trung bình",
        "severe": "Nghiêm trọng",
        "extreme": "Đặc biệt nghiêm trọng",
        "positive": "Tích cực",
        "neutral": "Trung tính",
        "negative": "Tiêu cực",
        "linked": "Đã liên thông Trung ương",
        "not_linked": "Chưa liên thông Trung ương",
        "not_applicable": "Không cần liên thông",
    },
    "kind": RECORD_KINDS,
}


def code(field: str, value: Any) -> str:
    """The words of a coded field; a code that we have no words for stays as it is."""
    return CODES.get(field, {}).get(value, str(value)) if known(value) else NONE
