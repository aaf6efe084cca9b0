"""What people do: give a file for a source, assess a target that has no number.

The web says so here and nowhere else; of files the poller does the rest.
"""

import unicodedata
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.errors import Forbidden, IocError
from ioc.form import MOST_BYTES, SUFFIXES
from ioc.period import day_number, local_date
from ioc.personal import personal, shown_name
from ioc.principal import Principal
from kpi import audit, requests
from kpi.assessments import VERDICTS
from kpi.decided import in_force
from kpi.schema import micros
from kpi.scope import ROOT, may_read_source
from kpi.store import KpiStore

MAY = ("operator", "admin")
_LONGEST = 1_000  # letters of the name of a file that are looked at, its last ones
_SHEET = 80  # letters of the name of a wall's sheet
MOST_WAITING = 20
"""Files that may wait at once: past it somebody has to look at the poller first."""
_KINDS = {".xlsx": b"PK\x03\x04"}


class Refused(IocError):
    """What a person asked for is not done; the message is the reason, in Vietnamese."""


def allow(
    store: KpiStore,
    who: Principal,
    what: str,
    *,
    org_unit: str = ROOT,
    source: str = "",
    target: str = "",
) -> None:
    """Let an act pass that the role, the org units and the classes of ``who`` allow.

    What concerns the whole territory (walls, sources, files, readings) needs the whole of it; an
    empty ``org_unit`` asks for the role alone, until it is known whose act it is.

    Raises:
        Forbidden: one of them does not.
    """
    known = store.catalogue.indicators
    names = store.catalogue.targets[target].indicators if target in store.catalogue.targets else ()
    may = (
        who.role in MAY
        and (not org_unit or who.may_read(org_unit, store.orgunits))
        and (not source or may_read_source(store, who, source))
        and all(who.may_read_class(known[name].access) for name in names)
    )
    if not may:
        raise Forbidden(f"Tài khoản này không được {what}.")


def request_upload(
    store: KpiStore,
    who: Principal,
    *,
    source: str,
    name: str,
    body: bytes,
    data: Path,
    now: datetime | None = None,
) -> int:
    """Let a file that a person filled in wait for the poller; the number of the request.

    ``name`` is only said again, never a path; ``data`` is ``IOC_DATA``, where the bytes wait until
    the file was taken or refused.

    Raises:
        Forbidden: ``who`` may only read.
        Refused: no such source of sheets, another kind of file, too large, empty, or too many
            files wait already.
    """
    allow(store, who, "nhập số liệu", source=source)
    file = _named(name)
    suffix = PurePosixPath(file).suffix.lower()
    if suffix not in SUFFIXES:
        raise Refused("Chỉ nhận tệp .xlsx hoặc .csv.")
    if not body:
        raise Refused("Tệp trống.")
    if len(body) > MOST_BYTES:
        raise Refused(f"Tệp vượt {MOST_BYTES >> 20} MB: hãy bỏ bớt trang hoặc hình ảnh.")
    if not body.startswith(_KINDS.get(suffix, b"")):
        raise Refused("Nội dung không phải bảng tính .xlsx; hãy lưu lại đúng kiểu rồi tải lên.")
    with store.read() as connection:
        known = connection.scalar(
            sa.text("SELECT 1 FROM source WHERE id = :id AND configured = 1 AND kind = 'sheet'"),
            {"id": source},
        )
        many = requests.waiting(connection)
    if not known:
        raise Refused("Nguồn này không nhận tệp nhập tay.")
    if many >= MOST_WAITING:
        raise Refused(
            f"Đã có {many} tệp đang chờ mà chưa ai nhận: bộ thu thập có thể không chạy."
            " Hãy xem trang Nguồn dữ liệu trước khi tải thêm."
        )
    at = now or right_now()
    return requests.put(
        store, data, "upload", source=source, file=file, body=body, who=who.name, now=at
    )


def assess(
    store: KpiStore,
    who: Principal,
    *,
    target: str,
    indicator: str,
    judged_on: date,
    verdict: str,
    words: str,
    evidence: str,
    author: str,
    org_unit: str = ROOT,
    now: datetime | None = None,
) -> int:
    """Sign an assessment of a target that has no number; its number.

    What its author saw is sealed first, at the very instant of the signature.

    Raises:
        Forbidden: ``who`` may only read.
        Refused: the target has a number, a field is missing or too long, or looks personal.
    """
    allow(store, who, "ghi đánh giá", org_unit=org_unit, target=target)
    at = now or right_now()
    found = store.catalogue.targets.get(target)
    if found is None or indicator not in found.indicators:
        raise Refused("Không có chỉ tiêu này.")
    with store.read() as connection:
        (found,) = in_force(connection, [found])
    if found.rule.operator != "qualitative":
        raise Refused("Chỉ tiêu này có số giao: kết quả do số liệu quyết định, không do đánh giá.")
    if store.orgunits[org_unit].level != "area":
        raise Refused("Đánh giá ghi cho địa bàn.")
    if not found.valid_from <= judged_on <= local_date(at):
        raise Refused("Ngày đánh giá phải từ ngày đề án có hiệu lực đến hôm nay.")
    if verdict not in VERDICTS:
        raise Refused(f"Hãy chọn kết luận: {', '.join(VERDICTS.values())}.")
    said = {
        "words": worded("Nhận định", words, least=10, most=1_000),
        "evidence": worded("Căn cứ", evidence, least=3, most=500),
        "author": worded("Người đánh giá", author, least=3, most=120),
    }
    said_of = {"target": target, "indicator": indicator, "org_unit": org_unit, "who": who.name}
    judged = {"judged_on": day_number(judged_on), "verdict": verdict, "withdraws": None}
    return _sign(store, said | said_of | judged, at)


def withdraw(
    store: KpiStore,
    who: Principal,
    *,
    assessment: int,
    words: str,
    author: str,
    now: datetime | None = None,
) -> int:
    """Take an assessment back, with the reason; it stays in the history.

    Raises:
        Forbidden: ``who`` may only read.
        Refused: there is none such that stands, or no reason is given.
    """
    allow(store, who, "rút đánh giá", org_unit="")
    said = {
        "words": worded("Lý do rút", words, least=10, most=1_000),
        "author": worded("Người rút", author, least=3, most=120),
    }
    with store.read() as connection:
        row = connection.execute(
            sa.text(
                "SELECT target, indicator, org_unit, judged_on FROM assessment WHERE id = :id AND"
                " withdraws IS NULL AND NOT EXISTS (SELECT 1 FROM assessment WHERE withdraws = :id)"
            ),
            {"id": assessment},
        ).first()
    if row is None:
        raise Refused("Đánh giá này không có, hoặc đã được rút.")
    allow(store, who, "rút đánh giá này", org_unit=row.org_unit, target=row.target)
    more = {"verdict": "", "evidence": "", "who": who.name, "withdraws": assessment}
    return _sign(store, {**row._mapping, **said, **more}, now or right_now())


def steer(
    store: KpiStore,
    who: Principal,
    *,
    sheet: str | None = None,
    paused: bool | None = None,
    codes: bool | None = None,
    now: datetime | None = None,
) -> int:
    """Tell the walls which sheet to show, to pause, or to show codes; what is None stays as it is.

    Returns:
        The number of the word: each wall heeds it once.

    Raises:
        Forbidden: ``who`` may only read.
    """
    wanted: dict[str, Any] = {}
    if sheet is not None:
        wanted["sheet"] = sheet[:_SHEET]
    if paused is not None:
        wanted["paused"] = int(paused)
    if codes is not None:
        wanted["codes"] = int(codes)
    return _tell(store, who, wanted, now or right_now())


def hold(store: KpiStore, who: Principal, *, now: datetime | None = None) -> datetime:
    """Hold every page of the walls at this instant, sealed, until they are released.

    Raises:
        Forbidden: ``who`` may only read.
    """
    allow(store, who, "điều khiển màn hình")
    at = now or right_now()
    sealed = store.seal(at, "wall")
    _tell(store, who, {"held_at": micros(sealed)}, at)
    return sealed


def release(store: KpiStore, who: Principal, *, now: datetime | None = None) -> int:
    """Let the walls follow the data again.

    Raises:
        Forbidden: ``who`` may only read.
    """
    return _tell(store, who, {"held_at": None}, now or right_now())


def _tell(store: KpiStore, who: Principal, wanted: dict[str, Any], at: datetime) -> int:
    """One more word to the walls; they hear of it as of any change of the data."""
    allow(store, who, "điều khiển màn hình")
    said = {**wanted, "who": who.name, "at": micros(at)}
    with store.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO steering (id, number, sheet, paused, codes, held_at, who, at)"
                " VALUES (1, 0, '', 0, 0, NULL, '', 0) ON CONFLICT (id) DO NOTHING"
            )
        )
        sets = ", ".join(f"{name} = :{name}" for name in said)
        number = connection.scalar(
            sa.text(
                f"UPDATE steering SET number = number + 1, {sets} WHERE id = 1 RETURNING number"
            ),
            said,
        )
        store.touch(connection, ["wall"])
        audit.append(connection, "wall", who, now=at, **wanted)
    return int(number or 0)


def _sign(store: KpiStore, said: dict[str, Any], at: datetime) -> int:
    """Write down what was signed, known from a boundary of ours on."""
    signed = store.seal(at, "assessment")
    with store.write() as connection:
        known = store.take_boundary(connection, at)
        values = {**said, "signed_at": micros(signed), "known_at": known}
        number = connection.scalar(
            sa.text(
                f"INSERT INTO assessment ({', '.join(values)})"
                f" VALUES ({', '.join(':' + name for name in values)})"
                " ON CONFLICT (withdraws) DO NOTHING RETURNING id"
            ),
            values,
        )
        if number is None:
            raise Refused("Đánh giá này đã được rút.")
        store.touch(connection, [said["target"]])
        kept = {name: said[name] for name in ("indicator", "org_unit", "verdict", "withdraws")}
        audit.append(
            connection, "assessment", said["who"], said["target"], now=at, number=number, **kept
        )
    return number


def worded(what: str, given: str, *, least: int, most: int) -> str:
    """Words that a person wrote, in one form; refused where they name a person by number."""
    if len(given or "") > 4 * most:  # before the normal form, which takes time for many marks
        raise Refused(f"{what}: tối đa {most} ký tự.")
    text = unicodedata.normalize("NFC", given or "")
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    if len(text) < least:
        raise Refused(f"{what}: hãy ghi ít nhất {least} ký tự.")
    if len(text) > most:
        raise Refused(f"{what}: tối đa {most} ký tự.")
    if found := personal(text):
        raise Refused(f"{what}: có nội dung {found}; không lưu dữ liệu cá nhân.")
    return text


def _named(given: str) -> str:
    """The last part of a file's name as it may be shown; what looks personal is not kept."""
    text = given.replace("\\", "/").rpartition("/")[2][-_LONGEST:]
    text = unicodedata.normalize("NFC", text)
    text = "".join(letter for letter in text if letter.isprintable()).strip(" .")
    if "." not in text:
        raise Refused("Tên tệp phải có đuôi .xlsx hoặc .csv.")
    return shown_name(text)
