"""One module per kind of sector system: ``poll``, its ``OPTIONS`` and what it finds at fault."""

from types import ModuleType

from connectors.kinds import (
    feed,
    mqtt,
    open311,
    prometheus,
    rest,
    sensorthings,
    sheet,
    soap,
    sql,
    taxii,
)

KINDS: dict[str, ModuleType] = {
    "feed": feed,
    "mqtt": mqtt,
    "open311": open311,
    "prometheus": prometheus,
    "rest": rest,
    "sensorthings": sensorthings,
    "sheet": sheet,
    "soap": soap,
    "sql": sql,
    "taxii": taxii,
}
