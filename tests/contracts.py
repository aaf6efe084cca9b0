"""An import contract: of our own rooms, a room may name only the modules listed for it.

The other way round (a list of what is forbidden) would let a new module in by default.
"""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


def inside(module: str, packages: set[str]) -> bool:
    """Whether the module is one of the packages or lies under one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


class OnlyContract(Contract):
    """Modules of ``room`` may import directly, of the packages in ``ours``, only ``allowed``."""

    type_name = "only"

    room = fields.StringField()
    ours = fields.SetField(subfield=fields.StringField())
    allowed = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Broken by each direct import of one of our modules that is neither listed nor inside."""
        allowed = {*self.allowed, self.room}
        broken = sorted(
            (importer, imported)
            for importer in {self.room} | graph.find_descendants(self.room)
            for imported in graph.find_modules_directly_imported_by(importer)
            if inside(imported, set(self.ours)) and not inside(imported, allowed)
        )
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each import that is not allowed."""
        for importer, imported in check.metadata["broken"]:
            output.print_error(f"{importer} is not allowed to import {imported}")
