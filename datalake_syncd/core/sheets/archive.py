"""What a zip archive is, by the names of what is in it; nothing is unpacked."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from datalake_syncd.core.sheets.report import Format

_BEGIN = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")  # of one with files, an empty, a split one
_ENTRY, _END = b"PK\x01\x02", b"PK\x05\x06"
#: Number of entries, bytes of the directory, where it begins; before that four numbers of disks.
_END_FIELDS = struct.Struct("<4s3HHII")
_END_LENGTH = 22 + 0xFFFF  # with the longest comment
#: Lengths of name, extra field and comment in an entry of the directory; the name follows them.
_LENGTHS, _LENGTHS_AT, _NAME_AT = struct.Struct("<3H"), 28, 46
_ENTRIES = 1000  # a workbook has some dozens
#: What makes a workbook: of .xlsx and .xlsm, and of .xlsb.
_WORKBOOK = {b"xl/workbook.xml", b"xl/workbook.bin"}
#: The name of the first file of an archive stands at 30, its length at 26; of a workbook it is one
#: of these.
_FIRST_LENGTH, _FIRST_AT = struct.Struct("<H"), 30
_FIRST = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/")


def archive(data: bytes) -> tuple[Format, str] | None:
    """The format of an archive, and what it is in words; None when it is none."""
    if not data.startswith(_BEGIN):
        return None
    names = list(_names(data))
    if _WORKBOOK.intersection(names):
        return Format.XLSX, "an Excel workbook (.xlsx)"
    if names or data.startswith(_BEGIN[1]):
        return Format.UNKNOWN, "a zip archive"
    # Its directory stands at its end, and that is not there.
    first = _first(data)
    if first.startswith(_FIRST):
        return Format.XLSX, "an Excel workbook (.xlsx) that was cut off,"
    if first:
        return Format.UNKNOWN, "a zip archive that was cut off,"
    return Format.XLSX, "a damaged archive, probably an Excel workbook (.xlsx),"


def _first(data: bytes) -> bytes:
    """The name of the first file in an archive; empty when it can't be read."""
    if len(data) < _FIRST_AT:
        return b""
    end = _FIRST_AT + _FIRST_LENGTH.unpack_from(data, 26)[0]
    return data[_FIRST_AT:end] if end <= len(data) else b""


def _names(data: bytes) -> Iterator[bytes]:
    """Names in the directory of an archive, as far as they can be read; there may be no end."""
    end = data.rfind(_END, max(0, len(data) - _END_LENGTH))
    if end < 0 or len(data) < end + _END_FIELDS.size:
        return
    _, _, _, _, _, size, _ = _END_FIELDS.unpack_from(data, end)
    at = end - size  # not where it says: something may stand before the archive
    for _ in range(_ENTRIES):
        if at < 0 or data[at : at + len(_ENTRY)] != _ENTRY or len(data) < at + _NAME_AT:
            return
        name, extra, comment = _LENGTHS.unpack_from(data, at + _LENGTHS_AT)
        yield data[at + _NAME_AT : at + _NAME_AT + name]
        at += _NAME_AT + name + extra + comment
