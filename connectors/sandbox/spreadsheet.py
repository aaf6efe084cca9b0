"""Packs one sheet of cells into the bytes of an .xlsx file, by hand, for speed.

The sandbox writes a hundred workbooks and more before anybody can read the first. A library that
is ready for formats, formulas and charts in every cell needed some six times as long.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from html import escape
from typing import Any

PLAIN, BOLD, DAY, MINUTE = range(4)
"""The styles that a cell may ask for; days and minutes take theirs by themselves."""

_ZERO = date(1899, 12, 30).toordinal()
_OPEN = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DOC = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACK = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FONT = '<sz val="11"/><name val="Calibri"/>'
_STYLES = (
    f'{_OPEN}<styleSheet xmlns="{_MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="dd/mm/yyyy"/>'
    '<numFmt numFmtId="165" formatCode="dd/mm/yyyy hh:mm"/></numFmts>'
    f'<fonts count="2"><font>{_FONT}</font><font><b/>{_FONT}</font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="4"><xf/><xf fontId="1" applyFont="1" applyAlignment="1">'
    '<alignment horizontal="center" vertical="center" wrapText="1"/></xf>'
    '<xf numFmtId="164" applyNumberFormat="1"/><xf numFmtId="165" applyNumberFormat="1"/>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/>'
    "</cellStyles></styleSheet>"
)
_CONTENT = (
    f'{_OPEN}<Types xmlns="{_PACK}/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/><Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_KIND}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/></Types>'
)


def packed(
    name: str,
    lines: Iterable[tuple[Sequence[Any], int]],
    merged: Sequence[str] = (),
    widths: Sequence[int] = (),
    header: str = "",
) -> bytes:
    """A workbook of one sheet; the same cells give the same bytes.

    A line is its cells (text, number, day, minute, or None for an empty one) and their style.
    """
    sheet = _sheet(lines, merged, widths, header)
    parts = {
        "[Content_Types].xml": _CONTENT,
        "_rels/.rels": _links(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'{_OPEN}<workbook xmlns="{_MAIN}" xmlns:r="{_DOC}"><sheets>'
        f'<sheet name="{escape(name)}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _links(
            ("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")
        ),
        "xl/styles.xml": _STYLES,
        "xl/worksheets/sheet1.xml": sheet,
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for path, text in parts.items():
            file.writestr(zipfile.ZipInfo(path), text.encode(), zipfile.ZIP_DEFLATED)
    return target.getvalue()


def column(number: int) -> str:
    """The letters of a column counted from 0: 0 is A, 27 is AB."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _sheet(
    lines: Iterable[tuple[Sequence[Any], int]],
    merged: Sequence[str],
    widths: Sequence[int],
    header: str,
) -> str:
    cols = "".join(
        f'<col min="{i}" max="{i}" width="{width}" customWidth="1"/>'
        for i, width in enumerate(widths, 1)
    )
    names = [column(i) for i in range(max(len(widths), 1))]
    rows = []
    for line, (cells, style) in enumerate(lines, 1):
        text = "".join(
            _cell(f"{name}{line}", value, style)
            for name, value in zip(names, cells, strict=False)
            if value is not None
        )
        rows.append(f'<row r="{line}">{text}</row>')
    refs = "".join(f'<mergeCell ref="{ref}"/>' for ref in merged)
    return (
        f'{_OPEN}<worksheet xmlns="{_MAIN}">{f"<cols>{cols}</cols>" if cols else ""}'
        f"<sheetData>{''.join(rows)}</sheetData>"
        f"{f'<mergeCells>{refs}</mergeCells>' if refs else ''}"
        f"<headerFooter><oddHeader>&amp;C{escape(header)}</oddHeader></headerFooter></worksheet>"
    )


def _cell(place: str, value: Any, style: int) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" s="{style}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    if isinstance(value, date):
        number = float(value.toordinal() - _ZERO)
        style = DAY
        if isinstance(value, datetime):
            style = MINUTE
            number += (value.hour * 3600 + value.minute * 60 + value.second) / 86400
        value = number
    return f'<c r="{place}" s="{style}"><v>{value!r}</v></c>'


def _links(*links: tuple[str, str]) -> str:
    found = "".join(
        f'<Relationship Id="rId{i}" Type="{_DOC}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(links, 1)
    )
    return f'{_OPEN}<Relationships xmlns="{_PACK}/relationships">{found}</Relationships>'
