"""What of a message may lie on a disk before it is mapped: declared fields only, words masked.

A row keyed by the declared paths themselves. Text stays only where it is a code, a figure, a time
or one of the declared ``values``; whatever else it says, a name or a telephone, ends here.
"""

from collections.abc import Mapping
from typing import Any

from connectors.paths import getter, top
from connectors.values import MASKED, clean, is_harmless
from ioc.source import Source


class Sieve:
    """The declared paths of one source, compiled once."""

    def __init__(self, source: Source, *also: str):
        """``also``: paths that are known and not kept. Raises JMESPathError for what is none."""
        specs = [*source.fields.values(), *(source.readings or {}).values()]
        told = [{"path": spec} if isinstance(spec, str) else spec for spec in specs]
        paths = dict.fromkeys([*(spec["path"] for spec in told), *source.keys])
        self._get = {path: getter(path) for path in paths}
        self._words = {clean(str(word)) for spec in told for word in spec.get("values") or ()}
        self._known = {top(path) for path in (*paths, *also)} | set(
            source.options.get("ignore", ())
        )
        self._keys = frozenset(source.keys)

    def row(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The row of a message; names of fields that nobody declared stand in it without value."""
        found = {path: self._passed(get(said)) for path, get in self._get.items()}
        for path in self._keys & {path for path, value in found.items() if value == MASKED}:
            found[path] = None  # two that are masked would be one
        new = (name[:60] for name in said if name not in self._known and is_harmless(name))
        return dict.fromkeys(new) | found

    def _passed(self, value: Any) -> Any:
        if isinstance(value, (list, dict)):
            return type(value)()  # refused later for what it is, not for what it holds
        if not isinstance(value, str) or not value or clean(value) in self._words:
            return value
        return value if is_harmless(clean(value)) else MASKED
