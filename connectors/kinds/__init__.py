"""One module per kind of sector system, each with one function ``poll`` and its ``OPTIONS``."""

from types import ModuleType

from connectors.kinds import rest, sheet

KINDS: dict[str, ModuleType] = {"rest": rest, "sheet": sheet}
