"""The rows of samples in a sheet: ids, lanes, indexes, and what is wrong with them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from datalake_syncd.core.sheets.report import Findings, shown
from datalake_syncd.core.sheets.rows import Row

_MAX_ID = 100  # characters
_MAX_LANES = 64
_ID = "sampleid"
_LANE = ("lane", "lanes")
_INDEX1 = ("index", "index1", "i7index", "i7sequence", "index1sequence")
_INDEX2 = ("index2", "i5index", "i5sequence", "index2sequence")

#: What Illumina's software takes in a sample id; the dot only newer versions.
_ALLOWED = re.compile(r"[A-Za-z0-9_.-]*")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_.-]")
_BASES = re.compile(r"[ACGTN]+([-+][ACGTN]+)?", re.IGNORECASE)
#: 10x Genomics writes names of index sets (SI-GA-A1); bcl2fastq 1 had words for no index.
_OTHER_INDEX = re.compile(r"SI-[A-Z0-9]+-[A-Z0-9]+|noindex|undetermined", re.IGNORECASE)
_EXCEL_ERROR = re.compile(r"#(REF!|N/A|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|#+)")
_MONTH = "jan|feb|mar|apr|maj|may|jun|jul|aug|sep|okt|oct|nov|dec|dez"
_EXCEL_REWROTE = re.compile(
    rf"\d+([.,]\d+)?E[+-]?\d+|\d{{1,2}}[-./ ]({_MONTH})([-./ ]\d+)?|({_MONTH})[-./ ]\d+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Table:
    """The samples of one section: distinct ids, their rows by id, lanes as they are written."""

    ids: Mapping[str, int]
    rows: int
    lanes: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Columns:
    names: tuple[str, ...]
    id: int
    lane: int | None
    index1: int | None
    index2: int | None


def plain(name: str) -> str:
    """The name of a column without what people write differently: ``Sample_ID`` is ``sampleid``."""
    return re.sub(r"[\s_\-]", "", name).lower()


def has_ids(row: Row) -> bool:
    """Whether a row names the columns of samples."""
    return any(plain(field) == _ID for field in row.fields)


def check_table(
    rows: Iterator[Row], title: str, line: int | None, findings: Findings
) -> Table | None:
    """Read the rows of the section that begins in ``line``; None without a column of ids."""
    header = next(rows, None)
    if header is None:
        findings.defect("no-samples", f"{title} is empty", line)
        return None
    columns = _columns(header, title, findings)
    if columns is None:
        return None
    _swallowed(header, columns, findings)
    ids: Counter[str] = Counter()
    lanes: Counter[str] = Counter()
    taken: dict[tuple[str, str, str], tuple[str, int]] = {}
    without: dict[str, tuple[str, int]] = {}
    spelled: dict[str, str] = {}
    for row in rows:
        _swallowed(row, columns, findings)
        name = _field(row, columns.id)
        if plain(name) == _ID:
            words = "the header of the samples stands there a second time; it is no sample"
            findings.defect("header-twice", words, row.line)
            continue
        _width(row, columns, findings)
        _excel(row, findings)
        lane = _field(row, columns.lane)
        index1, index2 = (_index(_field(row, at)) for at in (columns.index1, columns.index2))
        if lane:
            lanes[shown(lane)] += 1
            if not lane.isdecimal():
                findings.remark("odd-lane", f"the lane '{shown(lane)}' is no number", row.line)
        if not name:
            findings.defect("missing-id", "it has no sample id", row.line)
            continue
        if not ids[name]:
            _check_id(name, row, columns, findings)
            first = spelled.setdefault(name.lower(), name)
            if first != name:
                words = f"sample {shown(name)} is {shown(first)} in other letters"
                findings.remark("id-case", words, row.line)
        ids[name] += 1
        _check_index(row, columns, findings)
        if index1 or index2:
            before = taken.setdefault((lane, index1, index2), (name, row.line))
            _clash(before, name, row, lane, index1, index2, findings)
        elif without.setdefault(lane, (name, row.line))[0] != name:
            _not_apart(without[lane], name, row, lane, columns, findings)
        elif without[lane][1] != row.line:
            words = f"sample {shown(name)}{_in(lane)} stands in line {without[lane][1]} too"
            findings.defect("duplicate", words, row.line)
    if not ids:
        findings.defect("no-samples", f"{title} lists no samples", header.line)
    return Table(ids, ids.total(), tuple(sorted(lanes, key=_number))[:_MAX_LANES], columns.names)


def _columns(header: Row, title: str, findings: Findings) -> _Columns | None:
    names = list(header.fields)
    while names and not names[-1]:
        names.pop()
    known = [plain(name) for name in names]
    for name, count in Counter(filter(None, known)).items():
        if count > 1:
            words = f"the column '{shown(names[known.index(name)])}' is there {count} times"
            findings.defect("column-twice", words, header.line)
    if _ID not in known:
        words = f"{title} has no column Sample_ID, but: {shown(', '.join(names))}"
        findings.defect("no-id-column", words, header.line)
        return None

    def at(aliases: tuple[str, ...]) -> int | None:
        return next((known.index(alias) for alias in aliases if alias in known), None)

    return _Columns(tuple(known), known.index(_ID), at(_LANE), at(_INDEX1), at(_INDEX2))


def _field(row: Row, at: int | None) -> str:
    return row.fields[at] if at is not None and at < len(row.fields) else ""


def _index(text: str) -> str:
    return "".join(text.split()).upper()


def _width(row: Row, columns: _Columns, findings: Findings) -> None:
    wanted = len(columns.names)
    if len(row.fields) < wanted:
        words = f"it has {len(row.fields)} fields, and the header of the samples has {wanted}"
        findings.defect("too-few", words, row.line)
    elif any(row.fields[wanted:]):
        last = max(number for number, field in enumerate(row.fields) if field) + 1
        words = f"it has {last} fields, and the header of the samples has {wanted}"
        findings.defect("too-many", words, row.line)


def _swallowed(row: Row, columns: _Columns, findings: Findings) -> None:
    """Two quotation marks that are none, a few rows apart: what lies between is one cell."""
    if row.lines == 1 or row.swallowed < len(columns.names) - 1:
        return
    first, last = row.line + 1, row.line + row.lines - 1
    lines = f"line {first}" if first == last else f"lines {first} to {last}"
    words = f"a stray quotation mark makes {lines} part of this row: no samples are read from there"
    findings.defect("swallowed", words, row.line)


def _excel(row: Row, findings: Findings) -> None:
    for field in row.fields:
        if field.startswith("#") and _EXCEL_ERROR.fullmatch(field):
            findings.defect("excel-error", f"a cell holds {shown(field)}, from Excel", row.line)
            return


def _check_id(name: str, row: Row, columns: _Columns, findings: Findings) -> None:
    raw = row.raw[columns.id]
    if raw != name:
        findings.remark("spaced-id", f"spaces stand around the id {shown(name)}", row.line)
    if not _ALLOWED.fullmatch(name):
        odd = ", ".join(sorted({_named(found) for found in _NOT_ALLOWED.findall(name)})[:5])
        words = f"the sample id '{shown(name)}' holds {odd}; use letters, digits, - and _"
        findings.defect("illegal-id", words, row.line)
    if _EXCEL_REWROTE.fullmatch(name):
        words = f"the sample id '{shown(name)}' looks as if Excel had made a number or date of it"
        findings.remark("excel-rewrote", words, row.line)
    if len(name) > _MAX_ID:
        words = f"the sample id {shown(name)} has {len(name)} characters, more than {_MAX_ID}"
        findings.remark("long-id", words, row.line)


def _named(character: str) -> str:
    return "a space" if character == " " else shown(character)


def _check_index(row: Row, columns: _Columns, findings: Findings) -> None:
    for at in (columns.index1, columns.index2):
        index = _field(row, at)
        if index and not _BASES.fullmatch(index) and not _OTHER_INDEX.fullmatch(index):
            words = f"the index '{shown(index)}' holds more than A, C, G, T and N"
            findings.defect("bad-index", words, row.line)


def _clash(
    before: tuple[str, int], name: str, row: Row, lane: str, index1: str, index2: str,
    findings: Findings,
) -> None:  # fmt: skip
    other, line = before
    if line == row.line:
        return
    index = shown("+".join(filter(None, (index1, index2))))
    if other == name:
        words = f"sample {shown(name)} with index {index}{_in(lane)} stands in line {line} too"
        findings.defect("duplicate", words, row.line)
    else:
        words = f"sample {shown(name)} has the index of {shown(other)} (line {line})"
        findings.defect("index-clash", f"{words}{_in(lane)}: {index}", row.line)


def _not_apart(
    before: tuple[str, int], name: str, row: Row, lane: str, columns: _Columns, findings: Findings
) -> None:
    words = f"sample {shown(name)} and {shown(before[0])} (line {before[1]}) have no index"
    words += f"{_in(lane)}: nothing tells them apart"
    # Where no column is known to us, another one may hold the index.
    if columns.index1 is None and columns.index2 is None:
        findings.remark("no-index", words, row.line)
    else:
        findings.defect("no-index", words, row.line)


def _in(lane: str) -> str:
    return f" in lane {shown(lane)}" if lane else ""


def _number(lane: str) -> tuple[int, str]:
    return (int(lane) if lane.isdecimal() and len(lane) < 10 else 1 << 40, lane)
