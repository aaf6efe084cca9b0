"""What is inside the zip of a workbook: bombs and document types are refused, hidden rows found."""

import io
import posixpath
import re
import zipfile
import zlib
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ioc.errors import Broken

UNPACKED = 200 << 20  # of one workbook
_HEAD = 65_536
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_ROW = re.compile(rb"<(?:\w+:)?row\b([^>]*)>")
_HIDDEN = re.compile(rb"""\bhidden\s*=\s*["'](?:1|true)["']""")
_PLACES = re.compile(rb"<(?:\w+:)?(?:row\b([^>]*)|c\b([^>]*))>")
_PLACE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,3})(\d{1,7})["']""")
CELLS = 5_000_000  # of a sheet, from its first corner to its last cell: the library holds them all
_DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, EOFError)
_NUMBER = re.compile(rb"""\br\s*=\s*["'](\d{1,7})["']""")


def refuse_bomb(name: str, body: bytes) -> None:
    """Inflate every member once, in small pieces, counting: headers of a bomb lie about sizes.

    No part of a workbook declares a document type: who adds one wants its entities unfolded.
    """
    left = UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            members = packed.infolist()
        for member in members:
            start = member.header_offset
            skip = 30 + int.from_bytes(body[start + 26 : start + 28], "little")
            skip += int.from_bytes(body[start + 28 : start + 30], "little")
            raw = body[start + skip : start + skip + member.compress_size]
            head = b""
            if member.compress_type == zipfile.ZIP_STORED:
                left -= len(raw)
                head = raw[:_HEAD]
            elif member.compress_type == zipfile.ZIP_DEFLATED:
                unzip = zlib.decompressobj(-zlib.MAX_WBITS)
                while raw and left > 0:
                    piece = unzip.decompress(raw, _HEAD)
                    left -= len(piece)
                    head = head or piece
                    raw = unzip.unconsumed_tail
            else:
                raise Broken(f"{name}: kiểu nén lạ")
            if left <= 0:
                raise Broken(f"{name}: giải nén vượt {UNPACKED >> 20} MB")
            if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                raise Broken(f"{name}: phần {member.filename} khai kiểu tài liệu (DTD)")
    except _DAMAGED:
        raise Broken(f"{name}: tệp xlsx chưa trọn vẹn hoặc hỏng") from None


def refuse_wide(name: str, body: bytes) -> None:
    """Refuse a sheet whose cells lie far apart: two of them can ask for terabytes.

    The library fills the rectangle around all cells, and where there is no room for that it ends
    the whole process. Called once ``refuse_bomb`` has passed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            corners = [_corner(packed.read(one)) for one in packed.namelist()]
    except (*_DAMAGED, KeyError, RuntimeError):
        raise Broken(f"{name}: tệp xlsx chưa trọn vẹn hoặc hỏng") from None
    for high, wide in corners:
        if wide * high > CELLS:
            raise Broken(f"{name}: trang tính quá rộng ({high} dòng × {wide} cột)")


def _corner(text: bytes) -> tuple[int, int]:
    """The last row and the last column of a part's cells; one without a place follows the last."""
    high = wide = row = column = 0
    for row_said, cell_said in _PLACES.findall(text):
        if cell_said or not row_said:
            told = _PLACE.search(cell_said)
            column = _column(told[1]) if told else column + 1
            row = int(told[2]) if told else row
        else:
            told = _NUMBER.search(row_said)
            row, column = int(told[1]) if told else row + 1, 0
        high, wide = max(high, row), max(wide, column)
    return high, wide


def _column(letters: bytes) -> int:
    """The number of a column, from 1: A is 1, XFD 16384."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number


def hidden_rows(name: str, body: bytes, sheet: str) -> list[int]:
    """The numbers, from 1, of the rows of a sheet that nobody saw; the workbook is no bomb."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            part = _part_of(packed, sheet)
            text = packed.read(part) if part else b""
    except (*_DAMAGED, KeyError, ParseError, DefusedXmlException, RuntimeError):
        raise Broken(f"{name}: không đọc được bảng tính (danh mục trang)") from None
    found, number = [], 0
    for said in _ROW.findall(text):
        told = _NUMBER.search(said)
        number = int(told[1]) if told else number + 1
        if _HIDDEN.search(said):
            found.append(number)
    return found


def _part_of(packed: zipfile.ZipFile, sheet: str) -> str:
    """The member that holds a sheet, "" where the workbook does not say."""
    book = fromstring(packed.read("xl/workbook.xml"), forbid_dtd=True)
    links = fromstring(packed.read("xl/_rels/workbook.xml.rels"), forbid_dtd=True)
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for one in [*book.iter(f"{_MAIN}sheet"), *book.iter(f"{_STRICT}sheet")]:
        if one.get("name") == sheet:
            target = targets.get(_link_of(one), "")
            return posixpath.normpath(posixpath.join("/xl", target)).lstrip("/") if target else ""
    return ""


def _link_of(sheet: Element) -> str:
    return next((text for key, text in sheet.items() if key.endswith("}id")), "")
