"""From the bytes of a sample sheet to its lines: disguises, encodings, line endings."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from datalake_syncd.core.sheets.archive import archive
from datalake_syncd.core.sheets.report import Findings, Format, shown

#: So much of a sheet is read (bytes); a sheet of 6,000 rows has 0.6 MB.
READ_LIMIT = 4 << 20
_MAX_LINES = 100_000
_MAX_LINE = 32_768  # characters
_BREAK = re.compile(r"\r\n|\n|\r")
_CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PROBE = 65_536

_MAGIC = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format.XLSX, "an old Excel workbook (.xls)"),
    (b"%PDF", Format.UNKNOWN, "a PDF"),
    (b"\x1f\x8b", Format.UNKNOWN, "compressed (gzip)"),
    (b"Rar!", Format.UNKNOWN, "compressed (rar)"),
    (b"7z\xbc\xaf", Format.UNKNOWN, "compressed (7z)"),
    (b"\x89PNG", Format.UNKNOWN, "a picture"),
    (b"\xff\xd8\xff", Format.UNKNOWN, "a picture"),
    (b"SQLite format 3\x00", Format.UNKNOWN, "a database"),
    (b"{\\rtf", Format.UNKNOWN, "a document (RTF)"),
)
_MARKS = (  # utf-32 first: its mark begins with that of utf-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HTML = re.compile(r"\s*(<!doctype\s+html|<html|<head|<body|<table|<\?xml|<!--)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a sheet without their ends, up to the limits of reading."""

    lines: Sequence[str]
    encoding: str
    endings: str | None


def lines_of(data: bytes, findings: Findings) -> Lines | tuple[Format, str | None]:
    """The lines of a sheet; or, of what is no text, its format and its encoding (None: bytes)."""
    known = ((format_, words) for magic, format_, words in _MAGIC if data.startswith(magic))
    disguise = next(known, None) or archive(data)
    if disguise is not None:
        format_, words = disguise
        advice = "save it as CSV (comma separated)" if format_ is Format.XLSX else "replace it"
        findings.defect("disguise", f"this is {words} under another name: {advice}")
        return format_, None
    part = data[:READ_LIMIT]
    if len(data) > READ_LIMIT:
        _not_whole(findings, f"the first {READ_LIMIT >> 20} MiB of {len(data):,} bytes")
    text, encoding = _decode(part, findings)
    text = _without_marks(text, findings)
    if _HTML.match(text):
        findings.defect("disguise", "this is a web page or XML, not a sheet: get the sheet again")
        return Format.HTML, encoding
    text = _without_nul(text, findings)
    probe = text[:_PROBE]
    if len(_CONTROL.findall(probe)) * 20 > len(probe):
        findings.defect("disguise", "this is no text, or it was damaged: replace it")
        return Format.UNKNOWN, None
    if encoding.startswith(("utf-16", "utf-32")):
        name = encoding.upper()
        findings.defect("encoding", f"it is {name}, which hardly any program reads: save as UTF-8")
    return _lines(text, encoding, findings)


def _decode(data: bytes, findings: Findings) -> tuple[str, str]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            if encoding == "utf-8-sig":
                words = "it begins with a byte order mark (BOM), which some programs stumble over"
                findings.remark("bom", words, 1)
            codec = "utf-32" if encoding == "utf-32" else encoding.removesuffix("-sig")
            body = data if encoding == "utf-32" else data[len(mark) :]
            return _as_marked(body, codec, findings), encoding
    wide = _utf_16(data)
    if wide is not None:
        return _as_marked(data, wide, findings), wide
    try:
        # Not final: the limit of reading may lie within a character.
        final = len(data) < READ_LIMIT
        return codecs.getincrementaldecoder("utf-8")().decode(data, final=final), "utf-8"
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\n|\r", data[: error.start])) + 1
        encoding = "cp1252" if re.search(rb"[\x80-\x9f]", data) else "latin-1"
        text = data.decode(encoding, errors="replace" if encoding == "cp1252" else "strict")
        first = shown(text[error.start]) if error.start < len(text) else "?"
        findings.remark(
            "encoding", f"it is not UTF-8 but probably {encoding}, as '{first}' shows", line
        )
        return text, encoding


def _without_marks(text: str, findings: Findings) -> str:
    """The text without further marks before it: programs read them as part of the first cell."""
    plain = text.lstrip("\ufeff")
    if plain != text:
        count = len(text) - len(plain) + 1
        words = f"it begins with {count:,} byte order marks (BOM): save it anew, as UTF-8"
        findings.defect("bom", words, 1)
    return plain


def _as_marked(data: bytes, codec: str, findings: Findings) -> str:
    text = data.decode(codec, errors="replace")
    # A character may be cut at the limit of reading; that is no fault of the sheet.
    broken = text.find("\ufffd")
    if 0 <= broken < len(text) - 1 or (broken >= 0 and len(data) < READ_LIMIT - 4):
        line = len(_BREAK.findall(text[:broken])) + 1
        findings.defect("encoding-broken", f"some of it is not {codec.upper()}", line)
    return text


def _utf_16(data: bytes) -> str | None:
    """UTF-16 without a mark shows in every second byte being NUL."""
    head = data[:4096]
    pairs = len(head) // 2
    low, high = head[0::2].count(0), head[1::2].count(0)
    if high * 10 >= pairs * 6 and low * 20 <= pairs:
        return "utf-16-le" if pairs else None
    if low * 10 >= pairs * 6 and high * 20 <= pairs:
        return "utf-16-be"
    return None


def _without_nul(text: str, findings: Findings) -> str:
    first = text.find("\0")
    if first < 0:
        return text
    line = len(_BREAK.findall(text[:first])) + 1
    count = text.count("\0")
    findings.defect(
        "nul", f"{count:,} NUL bytes: the file was damaged, or not written to its end", line
    )
    return text.replace("\0", "")


def _lines(text: str, encoding: str, findings: Findings) -> Lines:
    crlf = text.count("\r\n")
    counts = {"crlf": crlf, "cr": text.count("\r") - crlf, "lf": text.count("\n") - crlf}
    kinds = [name for name, count in counts.items() if count]
    endings = (kinds[0] if len(kinds) == 1 else "mixed") if kinds else None
    if endings == "cr":
        words = "its lines end as on an old Macintosh (CR alone): programs see one long line"
        findings.defect("line-endings", words)
    elif endings == "mixed":
        told = ", ".join(f"{counts[name]:,} {name.upper()}" for name in kinds)
        findings.remark("line-endings", f"its lines end in different ways ({told})")
    lines = _BREAK.split(text, maxsplit=_MAX_LINES)
    if not findings.whole and len(lines) > 1:
        lines.pop()  # cut at the limit of reading, so it says nothing
    if len(lines) > _MAX_LINES and lines.pop():
        _not_whole(findings, f"the first {_MAX_LINES:,} lines")
    for number, line in enumerate(lines):
        if len(line) > _MAX_LINE:
            words = f"it has {len(line):,} characters; only {_MAX_LINE:,} of them were read"
            findings.defect("cut-line", words, number + 1)
            findings.whole = False
            lines[number] = line[:_MAX_LINE]
        if not line.isprintable() and (control := _CONTROL.search(lines[number])) is not None:
            words = f"it holds the control character {shown(control[0])}"
            findings.defect("control-character", words, number + 1)
            lines[number] = _CONTROL.sub("", lines[number])
    return Lines(lines, encoding, endings)


def _not_whole(findings: Findings, what: str) -> None:
    if findings.whole:
        findings.whole = False
        findings.remark("not-whole", f"only {what} were read for this report")
