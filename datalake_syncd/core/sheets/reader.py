"""Reads any file that calls itself a sample sheet, and says in words what is wrong with it.

A report and no gate: whatever it finds, the bytes of the sheet are attached as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby, islice

from datalake_syncd.core.sheets.decoding import Lines, lines_of
from datalake_syncd.core.sheets.report import (
    Findings,
    Format,
    Problem,
    Severity,
    SheetReport,
    shown,
)
from datalake_syncd.core.sheets.rows import Placed, Row, find_delimiter, in_sections, rows_of
from datalake_syncd.core.sheets.table import Table, check_table, has_ids, plain

_V2_DATA = "bclconvert_data"
_TABLES = ("data", _V2_DATA)
_PLAIN_SECTIONS = ("Header", "Reads", "Settings", "Data", "Manifests", "Sequencing_Settings",
                   "BCLConvert_Settings", "BCLConvert_Data")  # fmt: skip
_KNOWN = {name.lower(): name for name in _PLAIN_SECTIONS}
_SECTIONS = 32  # so many are listed
#: Words of the header of the lab's own library sheets.
_LIBRARY_HEADER = {"fileversion", "libraryprepkit", "containertype"}


def read_sheet(data: bytes) -> SheetReport:
    """Read a sheet; never raises, and reads no more than the first few MiB."""
    try:
        return examine(data)
    except Exception as error:  # noqa: BLE001 - a report must never hold up the sheet itself
        words = f"it could not be read for a report ({type(error).__name__}): please report that"
        problem = Problem(Severity.DEFECT, "unread", words)
        return SheetReport(Format.UNKNOWN, whole=False, problems=(problem,))


@dataclass(slots=True)
class _Seen:
    """What the sections of a sheet have told so far."""

    sections: dict[str, None] = field(default_factory=dict)  # a set that keeps their order
    header: dict[str, str] = field(default_factory=dict)
    tables: dict[str, list[Table]] = field(default_factory=dict)
    loose: Table | None = None


def examine(data: bytes) -> SheetReport:
    """`read_sheet` without its net, for tests: here an error of the reader comes through."""
    findings = Findings()
    found = lines_of(data, findings)
    if not isinstance(found, Lines):
        format_, encoding = found
        problems = findings.problems()
        return SheetReport(format_, encoding, whole=findings.whole, problems=problems)
    if not any(line.strip(" ,;\t\"'\ufeff") for line in found.lines):
        findings.defect("empty", "the sheet is empty" if not data else "there is no text in it")
        return SheetReport(
            format=Format.EMPTY,
            encoding=found.encoding if data else None,
            line_endings=found.endings,
            samples=0 if findings.whole else None,
            whole=findings.whole,
            problems=findings.problems(),
        )
    delimiter = find_delimiter(found.lines, findings)
    seen = _read_sections(in_sections(rows_of(found.lines, delimiter or ",", findings), findings),
                          findings)  # fmt: skip
    tables = _counting(seen)
    ids: Counter[str] = Counter()
    for table in tables:
        ids.update(table.ids)
    format_ = _format(seen, tables)
    _judge(format_, seen, findings)
    return SheetReport(
        format=format_,
        encoding=found.encoding,
        delimiter=delimiter,
        line_endings=found.endings,
        padded=findings.padded,
        quoted=findings.quoted,
        sections=tuple(islice(seen.sections, _SECTIONS)),
        samples=len(ids) if tables or seen.sections else None,
        rows=ids.total(),
        repeated=sum(count > 1 for count in ids.values()),
        lanes=tuple(dict.fromkeys(chain.from_iterable(table.lanes for table in tables))),
        whole=findings.whole,
        problems=findings.problems(),
    )


def _read_sections(placed: Iterator[Placed], findings: Findings) -> _Seen:
    seen = _Seen()
    for (_, name), group in groupby(placed, key=lambda one: (one.section, one.name)):
        first = next(group)
        rows = (one.row for one in group)  # noqa: B031 - used once, after its first row
        if not first.head:
            _read_loose(chain([first.row], rows), seen, findings)
            continue
        title = first.row.fields[0]
        _section(name, title, first.row.line, seen, findings)
        if name in _TABLES:
            table = check_table(rows, f"[{_KNOWN[name]}]", first.row.line, findings)
            if table is not None:
                seen.tables.setdefault(name, []).append(table)
        elif name == "header":
            seen.header.update(
                {plain(row.fields[0]): row.fields[1] for row in rows if len(row.fields) > 1}
            )
    return seen


def _section(name: str, title: str, line: int, seen: _Seen, findings: Findings) -> None:
    if name in seen.sections and name in _TABLES:
        findings.defect("section-twice", f"[{_KNOWN[name]}] is there a second time", line)
    elif name in seen.sections:
        findings.remark("section-twice", f"{shown(title)} is there a second time", line)
    elif name not in _KNOWN and not name.endswith(("_settings", "_data")):
        findings.remark("unknown-section", f"the section {shown(title)} is not known", line)
    elif name in _KNOWN and title.strip("[] ") != _KNOWN[name]:
        findings.remark("section-name", f"{shown(title)} is written [{_KNOWN[name]}]", line)
    seen.sections[name] = None


def _read_loose(rows: Iterator[Row], seen: _Seen, findings: Findings) -> None:
    """Rows before the first section: a sheet for bcl2fastq 1 has nothing else."""
    for row in rows:
        if has_ids(row):
            seen.loose = check_table(chain([row], rows), "the sheet", None, findings)
        elif not row.fields[0].lower().startswith("sep="):
            words = f"'{shown(row.fields[0])}' stands before the first section"
            findings.remark("before-sections", words, row.line)


def _counting(seen: _Seen) -> list[Table]:
    """The tables whose ids are the samples: BCL Convert's own, else [Data], else all there is."""
    found = [tables for name in (_V2_DATA, "data") if (tables := seen.tables.get(name))]
    if not found:
        return [] if seen.loose is None else [seen.loose]
    return next((tables for tables in found if any(table.ids for table in tables)), found[0])


def _format(seen: _Seen, tables: list[Table]) -> Format:
    version = seen.header.get("fileformatversion", "")
    if not seen.sections:
        columns = seen.loose.columns if seen.loose is not None else ()
        known = seen.loose is not None and {"fcid", "lane"} & set(columns)
        return Format.BCL2FASTQ_1 if known else Format.UNKNOWN
    if _V2_DATA in seen.sections or version.startswith("2"):
        return Format.V2
    if _LIBRARY_HEADER & set(seen.header) or _is_library(tables):
        return Format.LIBRARY
    known = {"header", "reads", "settings", "data"} & set(seen.sections)
    return Format.V1 if known else Format.UNKNOWN


def _is_library(tables: list[Table]) -> bool:
    return any({"index1sequence", "index2sequence"} & set(table.columns) for table in tables)


def _judge(format_: Format, seen: _Seen, findings: Findings) -> None:
    """What is missing of the whole."""
    if not seen.sections:
        if format_ is Format.UNKNOWN:
            words = "this is no sample sheet that is known: there is no section such as [Data]"
            findings.defect("no-data", words)
    elif not set(_TABLES) & set(seen.sections):
        findings.defect("no-data", "there is no section [Data] or [BCLConvert_Data]")
    elif format_ is Format.V2 and _V2_DATA not in seen.sections:
        words = "FileFormatVersion is 2, but the samples are in [Data], not [BCLConvert_Data]"
        findings.remark("v2-data", words)
