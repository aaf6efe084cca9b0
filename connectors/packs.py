"""Packs on their days: makes what is due, sends what waits; one turn of the process that polls.

A pack is drawn by a program of its own (``draw``): the poller carries no screens. Its slot is
claimed under the lease first, so that of two pollers one makes it.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from connectors.deliver import Letter, Unsent, Unsure, letter_id, send
from ioc.clock import right_now
from ioc.packs import Pack
from ioc.period import LOCAL
from ioc.settings import Settings
from kpi import editions
from kpi.editions import Delivery, Edition
from kpi.store import KpiStore

log = logging.getLogger(__name__)
Draw = Callable[[str, int], str]
"""Makes an edition of a pack by its name and number; why it could not, empty where it could."""


class Desk:
    """The packs of a deployment, who draws them, and how they leave."""

    def __init__(self, packs: Sequence[Pack], settings: Settings, draw: Draw):
        self.packs, self.settings, self.draw = packs, settings, draw

    def turn(self, store: KpiStore, now: datetime | None = None) -> None:
        """Make every pack whose slot has come, then send what waits."""
        for pack in self.packs:
            at = now or right_now()
            number = editions.claim(store, pack.name, pack.slot(at), at)
            if number is None:
                continue
            why = self.draw(pack.name, number)
            if why:
                log.warning("gói %s chưa làm được: %s", pack.name, why)
                editions.failed(store, number, why)
        self.deliver(store, now)

    def deliver(self, store: KpiStore, now: datetime | None = None) -> None:
        """Send every letter that is due; what was taken is never sent again."""
        for one in editions.due(store, now or right_now()):
            found = editions.edition(store, one.edition)
            if found is None or not editions.take(store, one):
                continue
            state, note = self._sent(one, found)
            if state != "sent":
                log.warning("gói %s chưa tới %s: %s", found.pack, one.recipient, note)
            editions.ended(store, one, state, note, now or right_now())

    def _sent(self, one: Delivery, found: Edition) -> tuple[str, str]:
        if not self.settings.smtp_url:
            return "waiting", "chưa đặt IOC_SMTP_URL và IOC_SMTP_FROM"
        try:
            send(self.settings, _letter(self.settings, one, found))
        except Unsure as error:
            return "unsure", str(error)
        except Unsent as error:
            return ("waiting" if error.again else "failed"), str(error)
        except OSError as error:
            return "failed", f"không đọc được {one.folder}: {error.strerror}"
        return "sent", ""


def _letter(settings: Settings, one: Delivery, found: Edition) -> Letter:
    """The letter of an edition: what its folder holds, under the name that it has there."""
    folder = Path(one.folder)
    subject, _, body = (folder / "mail.txt").read_text(encoding="utf-8").partition("\n")
    at = found.as_of.astimezone(LOCAL) if found.as_of else right_now()
    title = subject.replace("/", "-").replace(":", "")
    names = {
        "pack.html": f"{title}.html",
        "pack.pdf": f"{title}.pdf",
        "standings.csv": f"{title} - hiện trạng.csv",
        "changes.csv": f"{title} - thay đổi.csv",
    }
    files = tuple(
        (name, (folder / file).read_bytes())
        for file, name in names.items()
        if (folder / file).is_file()
    )
    id_ = letter_id(settings, found.pack, found.id, one.recipient)
    return Letter(one.recipient, subject, body.strip() + "\n", files, at, id_)
