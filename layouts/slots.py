"""Places of a page that follow the data: only those that changed are sent and drawn again.

Dash mounts anew whatever stands under a changed ``children``: an opened detail would close, a
focus be lost and memory grow. So a page is laid out once, and its slots are filled one by one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from dash import dcc, html, no_update

Pieces = Mapping[str, Any]  # what stands in each slot, by key


def slot(page: str, key: str, pieces: Pieces, tag: Any = html.Div, **props: Any) -> Any:
    """One place, filled for the first time."""
    return tag(pieces[key], id={"slot": page, "key": key}, **props)


def memory(page: str, pieces: Pieces) -> dcc.Store:
    """What the browser was given, so that the same is not given twice."""
    return dcc.Store(id=f"{page}-seen", data=marks(pieces))


def marks(pieces: Pieces) -> dict[str, str]:
    """A short hash of every piece."""
    return {key: mark(piece) for key, piece in pieces.items()}


def mark(piece: Any) -> str:
    """Equal for pieces that look the same."""
    written = json.dumps(piece, default=_plain, sort_keys=True)
    return hashlib.blake2s(written.encode(), digest_size=8).hexdigest()


def _plain(piece: Any) -> Any:
    return piece.to_plotly_json() if hasattr(piece, "to_plotly_json") else str(piece)


def changed(pieces: Pieces, new: Mapping[str, str], keys: Iterable[str], old: Any) -> list[Any]:
    """The pieces of these keys, ``no_update`` for those that the browser has already.

    ``new`` are the marks of the pieces, ``old`` what the browser remembers of the last ones.
    """
    had = old if isinstance(old, dict) else {}
    return [
        pieces[key] if key in pieces and new[key] != had.get(key) else no_update for key in keys
    ]


def keys(ids: Any) -> list[str]:
    """The keys of the slots that are on the page, in its order."""
    return [str(one.get("key", "")) for one in ids or [] if isinstance(one, dict)]
