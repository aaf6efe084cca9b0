"""Wall screens as devices: each is paired by a code it shows, sees one layout, can be revoked."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import sqlalchemy as sa

from ioc.clock import right_now
from ioc.principal import Principal
from ioc.unitfiles import ROOT
from kpi import audit, tokens
from kpi.rights import NotDone, only_admins
from kpi.schema import instant_of, micros
from kpi.store import KpiStore

LETTERS = "ACDEFGHJKLMNPQRTUVWXY3479"  # none that looks like another across a room
LENGTH, LIVES = 8, timedelta(minutes=10)
WAITING, LONGEST = 200, 730
SHOWN = frozenset({"public", "internal"})
"""Classes that a screen may show: anybody may stand before it."""
_NAME, _LAYOUT = 60, 400


@dataclass(frozen=True, slots=True)
class Asked:
    """What a screen got that asks to be paired: the code it shows, the token it keeps."""

    code: str
    token: str


@dataclass(frozen=True, slots=True)
class Device:
    """A screen; ``layout`` is the query of ``/wall``. Instants are aware UTC."""

    id: int
    name: str
    layout: str
    org_unit: str
    paired_by: str
    paired_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    seen_at: datetime | None

    @property
    def principal(self) -> Principal:
        """Who this screen is: it reads its subtree, without what is restricted."""
        return Principal(f"màn hình {self.name}", "screen", frozenset({self.org_unit}), SHOWN)

    def good_at(self, at: datetime) -> bool:
        """Whether it may show something at an instant."""
        return self.revoked_at is None and at < self.expires_at


def ask(store: KpiStore, *, now: datetime | None = None) -> Asked:
    """A code for a screen to show for ten minutes, and the token that counts once it is paired.

    Raises:
        NotDone: too many screens ask at once.
    """
    at = now or right_now()
    asked = Asked("".join(secrets.choice(LETTERS) for _ in range(LENGTH)), tokens.new())
    with store.write() as connection:
        connection.execute(
            sa.text("DELETE FROM device WHERE paired_at IS NULL AND code_until <= :at"),
            {"at": micros(at)},
        )
        waiting = connection.scalar(sa.text("SELECT COUNT(*) FROM device WHERE paired_at IS NULL"))
        if (waiting or 0) >= WAITING:
            raise NotDone("Quá nhiều màn hình đang chờ ghép; hãy thử lại sau ít phút.")
        connection.execute(
            sa.text(
                "INSERT INTO device (name, layout, org_unit, code_hash, code_until, token_hash)"
                " VALUES ('', '', '', :code, :until, :token)"
            ),
            {
                "code": tokens.digest(asked.code),
                "until": micros(at + LIVES),
                "token": tokens.digest(asked.token),
            },
        )
    return asked


def pair(
    store: KpiStore,
    by: Principal,
    code: str,
    *,
    name: str,
    layout: str,
    days: int = 365,
    now: datetime | None = None,
) -> int:
    """Tie the screen that shows a code to a layout; the number of the device.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: no screen shows this code now, no name, or a layout that is none.
    """
    only_admins(by)
    at, name = now or right_now(), " ".join(name.split())[:_NAME]
    layout, org_unit = _layout(store, by, layout)
    if not name or not name.isprintable():
        raise NotDone("Hãy đặt tên cho màn hình.")
    if not 1 <= days <= LONGEST:
        raise NotDone(f"Màn hình có hạn từ 1 đến {LONGEST} ngày.")
    typed = "".join(letter for letter in code.upper() if letter.isalnum())
    with store.write() as connection:
        number = connection.scalar(
            sa.text(
                "UPDATE device SET name = :name, layout = :layout, org_unit = :org_unit,"
                " code_hash = NULL, code_until = NULL, paired_by = :by, paired_at = :at,"
                " expires_at = :until WHERE code_hash = :code AND code_until > :at"
                " AND paired_at IS NULL RETURNING id"
            ),
            {
                "name": name,
                "layout": layout,
                "org_unit": org_unit,
                "by": by.name,
                "at": micros(at),
                "until": micros(at + timedelta(days=days)),
                "code": tokens.digest(typed),
            },
        )
        if number is None:
            raise NotDone("Không có màn hình nào đang hiện mã này; mã có hạn 10 phút.")
        audit.append(
            connection, "pairing", by, name, now=at, device=number, layout=layout, days=days
        )
    return int(number)


def device_of(store: KpiStore, token: str, *, now: datetime | None = None) -> Device | None:
    """The screen that holds a token; None: never paired, revoked, or run out."""
    if not token:
        return None
    at = now or right_now()
    with store.read() as connection:
        row = connection.execute(
            sa.text("SELECT * FROM device WHERE token_hash = :hash AND paired_at IS NOT NULL"),
            {"hash": tokens.digest(token)},
        ).first()
    if row is None or not _device(row).good_at(at):
        return None
    instant = micros(at) or 0
    if instant - (row.seen_at or 0) >= tokens.MINUTE:
        tokens.note_seen(store, "device", "id", row.id, instant)
    return _device(row)


def revoke(
    store: KpiStore, by: Principal, device: int, *, reason: str = "", now: datetime | None = None
) -> None:
    """Take a screen's right away at once; it stays in the list.

    Raises:
        Forbidden: ``by`` is no admin.
        NotDone: there is no such screen, or it was revoked before.
    """
    only_admins(by)
    at = now or right_now()
    with store.write() as connection:
        name = connection.scalar(
            sa.text(
                "UPDATE device SET revoked_at = :at WHERE id = :id AND paired_at IS NOT NULL"
                " AND revoked_at IS NULL RETURNING name"
            ),
            {"at": micros(at), "id": device},
        )
        if name is None:
            raise NotDone("Không có màn hình này, hoặc đã thu hồi.")
        audit.append(connection, "revoked", by, name, now=at, device=device, reason=reason[:300])


def listed(store: KpiStore) -> list[Device]:
    """Every screen that was ever paired, the newest first."""
    sql = "SELECT * FROM device WHERE paired_at IS NOT NULL ORDER BY id DESC"
    with store.read() as connection:
        return [_device(row) for row in connection.execute(sa.text(sql))]


def _layout(store: KpiStore, by: Principal, layout: str) -> tuple[str, str]:
    """The query of a wall, and the org unit it shows, which ``by`` must be allowed to read."""
    query = layout.strip().removeprefix("/wall").lstrip("?")
    if len(query) > _LAYOUT or not query.isascii() or not query.isprintable() or "#" in query:
        raise NotDone("Bố cục là phần sau /wall? của địa chỉ màn hình, ví dụ scene=sector.")
    units = parse_qs(query).get("org_unit", [ROOT])
    if len(units) != 1 or units[0] not in store.orgunits:
        raise NotDone(f"Không có đơn vị {', '.join(units)!r}.")
    if not by.may_read(units[0], store.orgunits):
        raise NotDone("Người ghép không được xem đơn vị của bố cục này.")
    return query, units[0]


def _device(row: Any) -> Device:
    paired, expires = instant_of(row.paired_at), instant_of(row.expires_at)
    assert paired is not None
    assert expires is not None
    return Device(
        row.id,
        row.name,
        row.layout,
        row.org_unit,
        row.paired_by,
        paired,
        expires,
        instant_of(row.revoked_at),
        instant_of(row.seen_at),
    )
