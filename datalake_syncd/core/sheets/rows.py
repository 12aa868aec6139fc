"""From lines to rows of fields, and from rows to sections; tolerant, and bounded everywhere."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datalake_syncd.core.sheets.report import Findings, shown

_DELIMITERS = ",;\t"
_MAX_FIELDS = 1000
#: A cell that goes over more lines than this is a quotation mark that was left open.
_MAX_QUOTED_LINES = 10
_PROBED = 200  # lines
_SEP = re.compile(r'"?sep=(.)"?[,;\t]*', re.IGNORECASE)
_DATA = re.compile(r'[\s"]*\[\s*(bclconvert_)?data\s*\]', re.IGNORECASE)
_SECTION = re.compile(r"\s*\[\w[\w ]*\]")
_NAMES = {
    ",": "commas",
    ";": "semicolons, as Excel saves CSV in some countries",
    "\t": "tabs",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the number of its first line, its fields without spaces around them.

    ``lines`` is how many it takes. ``swallowed`` is the largest number of separators that a line
    of it, other than the first, has within a cell: as many as a row has, and it was one.
    """

    line: int
    fields: tuple[str, ...]
    raw: tuple[str, ...]
    lines: int = 1
    swallowed: int = 0

    @property
    def blank(self) -> bool:
        """Nothing but delimiters."""
        return not any(self.fields)


@dataclass(frozen=True, slots=True)
class Placed:
    """A row and the section that it stands in: 0 and "" before the first one.

    ``head`` marks the row that opens the section; ``name`` is in lower case.
    """

    section: int
    name: str
    row: Row
    head: bool


def find_delimiter(lines: Sequence[str], findings: Findings) -> str | None:
    """What separates the fields; None when no line has any separator."""
    first = next((number for number, line in enumerate(lines) if line.strip()), 0)
    # Spaces alone are taken off: the sign that is told may be a tab.
    told = _SEP.fullmatch(lines[first].strip(" ")) if lines else None
    if told is not None:
        words = (
            f"'{shown(lines[first])}' is an instruction to Excel; other programs stumble over it"
        )
        findings.defect("sep-line", words, first + 1)
    found = told[1] if told is not None and told[1] in _DELIMITERS else _guess(lines)
    if found not in (None, ","):
        words = f"its fields are separated by {_NAMES[found or ',']}: it must be commas"
        findings.defect("delimiter", words)
    return found


def _guess(lines: Sequence[str]) -> str | None:
    """The header of the samples decides: settings hold other separators in their values."""
    for number, line in enumerate(lines):
        if _DATA.match(line):
            header = next((text for text in lines[number + 1 : number + 20] if text.strip()), "")
            best = _most(header)
            if best is not None:
                return best
    text = [line for line in lines[: 5 * _PROBED] if line.strip()][:_PROBED]
    counts = {sign: sum(sign in line for line in text) for sign in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda sign: counts[sign])
    return best if counts[best] else None


def _most(line: str) -> str | None:
    counts = {sign: line.count(sign) for sign in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda sign: counts[sign])
    return best if counts[best] else None


def rows_of(lines: Sequence[str], delimiter: str, findings: Findings) -> Iterator[Row]:
    """Every row, blank ones too."""
    at = 0
    while at < len(lines):
        raw, used, swallowed = _row(lines, at, delimiter, findings)
        if len(raw) > _MAX_FIELDS:
            findings.defect("too-many", f"it has {len(raw):,} fields", at + 1)
            raw = raw[:_MAX_FIELDS]
            findings.whole = False
        yield Row(at + 1, tuple(field.strip() for field in raw), tuple(raw), used, swallowed)
        at += used


def _row(
    lines: Sequence[str], at: int, delimiter: str, findings: Findings
) -> tuple[list[str], int, int]:
    """The fields of one row, the number of lines that it took, and what they swallowed."""
    line = lines[at]
    if '"' not in line:
        return line.split(delimiter), 1, 0
    ran_out = False

    def feed() -> Iterator[str]:
        nonlocal ran_out
        for text in lines[at : at + _MAX_QUOTED_LINES]:
            yield text + "\n"
        ran_out = True

    reader = csv.reader(feed(), delimiter=delimiter)
    try:
        fields = next(reader)
    except csv.Error:  # a field that is longer than the module's limit
        ran_out, fields = True, []
    if ran_out:
        findings.defect("unclosed-quote", "a quotation mark without its other one", at + 1)
        return [field.strip().strip('"') for field in line.split(delimiter)], 1, 0
    used, swallowed = reader.line_num, 0
    findings.quoted = findings.quoted or used > 1 or fields != line.split(delimiter)
    if used > 1:
        words = f"a cell goes over {used} lines; some programs read that as {used} rows"
        findings.remark("newline-in-quotes", words, at + 1)
        inside = [text for field in fields for text in field.split("\n")[1:]]
        swallowed = max(text.count(delimiter) for text in inside)
        section = next((text for text in inside if _SECTION.match(text)), None)
        if section is not None:
            words = f"a stray quotation mark makes '{shown(section)}', a section, part of this row"
            findings.defect("swallowed", words, at + 1)
    if len(fields) == 1 and line.count(delimiter) and fields[0].count(delimiter) > 1:
        findings.defect("quoted-line", "the whole line stands in quotation marks", at + 1)
        return fields[0].split(delimiter), used, swallowed
    return fields, used, swallowed


def in_sections(rows: Iterator[Row], findings: Findings) -> Iterator[Placed]:
    """Every row that is not blank with its section."""
    section, name = 0, ""
    for row in rows:
        if row.blank:
            if len(row.fields) > 1:
                _padding(row.line, findings)
            continue
        head = _head(row, findings)
        if head is not None:
            section, name = section + 1, head.lower()
            if not row.fields[-1]:
                _padding(row.line, findings)
        yield Placed(section, name, row, head is not None)


def _padding(line: int, findings: Findings) -> None:
    if not findings.padded:
        findings.padded = True
        findings.remark("padding", "lines are padded with separators, as Excel saves them", line)


def _head(row: Row, findings: Findings) -> str | None:
    """The name of the section that a row opens, or None."""
    first = row.fields[0]
    if not first.startswith("["):
        return None
    name = first[1:].removesuffix("]").strip()
    if not first.endswith("]"):
        if any(row.fields[1:]) or not name.replace("_", "").isalnum():
            return None
        words = f"{shown(first)} has no closing bracket; it is taken for a section"
        findings.defect("section-name", words, row.line)
    elif any(row.fields[1:]):
        words = f"there is more in the line of [{shown(name)}] than its name"
        findings.defect("section-name", words, row.line)
    elif row.raw[0] != f"[{name}]":
        findings.remark(
            "section-name", f"spaces stand in or beside [{shown(name)}]: write it without", row.line
        )
    return name
