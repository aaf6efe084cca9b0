"""Administration at a glance: what waits for somebody, and whether the audit holds."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from ioc import packs
from ioc.errors import ConfigError
from ioc.packs import Pack
from kpi import audit, health, query
from layouts import components, text
from layouts.admin import frame
from layouts.components import Piece
from layouts.state import desk, now, rows, who

LEDE = "Những việc cần người có quyền quyết định. Mỗi việc đều ghi vào nhật ký, kèm người và lý do."


def layout(**_: Any) -> Piece:
    """One card for each page of administration, with what it has to say."""
    if not frame.may(frame.OPERATORS):
        return frame.refused()
    cards = [_sources(), _readings(), _packs()]
    if who().role in frame.ADMINS:
        cards += [_people(), _audit()]
    return frame.page("/admin", "Quản trị", LEDE, html.Div(cards, className="columns"))


def _card(title: str, href: str, *says: str) -> Piece:
    told = [html.P(words, className="says") for words in says if words]
    return components.card(title, *told, dcc.Link("Mở", href=href, className="button"))


def _sources() -> Piece:
    known = rows(query.sources)
    paused = [row["name"] for row in known if row["paused"]]
    waits = [row for row in rows(query.asked) if row["state"] in ("waiting", "claimed")]
    return _card(
        "Nguồn dữ liệu",
        "/admin/sources",
        f"{text.number(len(known))} nguồn; tạm dừng: {', '.join(paused) or 'không nguồn nào'}.",
        f"{text.number(len(waits))} yêu cầu đang chờ bộ thu thập." if waits else "",
    )


def _readings() -> Piece:
    found = [row for row in rows(query.closings) if text.known(row["latest_value"])]
    unsigned = sum(not row["signed_by"] for row in found)
    return _card(
        "Cách đọc, chốt số",
        "/admin/readings",
        f"{text.number(unsigned)} trong {text.number(len(found))} số chốt chưa ký.",
    )


def _packs() -> Piece:
    """When the last edition of each pack was made, whether a letter of it failed, where it lies,
    when the next is due, and how to make one now."""
    told = [_edition(one) for one in health.packs(desk().store)]
    return components.card(
        "Gói gửi định kỳ",
        *[html.P(words, className="says") for words in told or ["Chưa có gói nào được làm."]],
        *[html.P(_planned(one), className="under planned-pack") for one in _declared()],
    )


def _declared() -> tuple[Pack, ...]:
    """The packs of this deployment, ours where it declares none; nothing of a file with faults,
    which ``ioc check`` tells."""
    catalogue = desk().store.catalogue
    known = {"targets": catalogue.targets, "sectors": catalogue.sectors}
    try:
        return packs.load(desk().settings.config, org_units=desk().orgunits, **known)
    except ConfigError:
        return ()


def _planned(pack: Pack) -> list[Piece]:
    """Gói số liệu tuần (tuan): lần tới 06:30 30/11/2026, vào thư mục …; làm ngay: ioc pack …"""
    home_ = (pack.folder or desk().settings.data / "packs" / pack.name).absolute()
    mail = f", gửi {len(pack.mail)} địa chỉ thư" if pack.mail else ""
    return [
        f"{pack.title} ({pack.name}): lần tới {text.minute(pack.following(now()))}{mail}, vào thư"
        " mục ",
        html.Code(str(home_), className="place"),
        ". Làm ngay: ",
        html.Code(f"ioc pack {pack.name} --now"),
    ]


def _edition(one: Any) -> str:
    if one.state == "failed":
        return f"{one.pack}: chưa làm được, {one.note}"
    if one.state == "making":
        return f"{one.pack}: đang làm."
    mail = [f"{one.sent} thư đã gửi" if one.sent else "",
            f"{one.waiting} chờ gửi lại" if one.waiting else "",
            f"{one.failed} KHÔNG gửi được" if one.failed else ""]  # fmt: skip
    said = text.join([f"{one.pack}: làm {text.minute(one.made_at)}", *mail])
    return f"{said}. {text.sentence(one.why)}" if one.why else f"{said}."


def _people() -> Piece:
    return _card("Tài khoản", "/admin/people", frame.OFF if frame.is_open() else "")


def _audit() -> Piece:
    return _card("Nhật ký", "/admin/audit", verified())


def verified() -> str:
    """Whether the chain of the audit holds, in a sentence."""
    found = audit.verify(desk().store)
    if found.broken is not None:
        return f"CHUỖI BỊ ĐỨT ở mục số {found.broken}: nhật ký đã bị sửa, hãy báo sự cố."
    return f"Chuỗi nguyên vẹn: {text.number(found.count)} mục, mã cuối {found.head[:12]}."
