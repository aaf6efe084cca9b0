"""The answers in a data package: how the targets stand, and every month of every indicator.

They are files that the data addresses give too, as of one sealed instant, so that a store made of
the package can be asked the same and must answer the same bytes.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ioc.principal import Principal
from layouts.web import exports
from layouts.web.dialect import instant

FIRST, LAST_DISTRICTS = "2021-01", "2025-06"
PUBLIC = Principal("công khai", "viewer", None, frozenset({"public"}))
"""Whoever reads what is public, of every org unit."""
_PLAIN = (
    ("indicators", "chỉ số và định nghĩa", "indicators", {}),
    ("targets", "mục tiêu, câu gốc và căn cứ", "targets", {}),
    ("org-units", "đơn vị", "org-units", {}),
    ("standings", "hiện trạng các mục tiêu, toàn địa bàn", "standings", {}),
)
_OLD = {"to": LAST_DISTRICTS, "on": "2025-06-30"}
_LEVELS = (
    ("department", "sở, ban, ngành", {}),
    ("area", "địa bàn", {}),
    ("district", "huyện đến 30/6/2025", _OLD),
    ("commune", "xã, phường từ 1/7/2025", {"from": "2025-07"}),
    ("commune-2025", "xã, phường đến 30/6/2025", _OLD),
)


def answers(
    store: Any, at: datetime, who: Principal
) -> Iterator[tuple[str, str, str, dict[str, str], Iterator[bytes]]]:
    """Name, title, question, filters and bytes of each answer as of an instant."""
    as_of = {"as_of": instant(at)}
    known = store.catalogue.indicators.values()
    readable = ",".join(one.id for one in known if who.may_read_class(one.access))
    every = {"indicator": readable, "from": FIRST}
    listed = [*_PLAIN, ("values", "giá trị theo tháng, toàn địa bàn", "values", every)]
    for name, title, more in _LEVELS:
        level = {"level": name.partition("-")[0]}
        days = {k: v for k, v in more.items() if k == "on"}
        listed.append((f"standings-{name}", f"hiện trạng: {title}", "standings", level | days))
        months = every | level | more
        listed.append((f"values-{name}", f"giá trị theo tháng: {title}", "values", months))
    for name, title, question, filters in listed:
        asked = filters | ({} if question == "org-units" else as_of)
        yield name, title, question, asked, exports.stream(store, question, asked, who=who)
