"""Text that no spreadsheet calculates, by a rule that whoever reads the file back can undo.

A text that a spreadsheet would take for a formula gets one leading apostrophe, and so does a text
that begins with an apostrophe; ``original`` takes one away. Numbers are never touched.
"""

RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")


def inert(text: str) -> str:
    """The text as a cell that no spreadsheet calculates."""
    return "'" + text if text.startswith(RISKY) else text


def original(cell: str) -> str:
    """The text that ``inert`` was given."""
    return cell.removeprefix("'")
