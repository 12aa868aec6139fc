"""What reading a sample sheet has found: its shape, its samples, its problems in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from datalake_syncd.core.names import escape

#: So many problems go into the ledger, the log and `why`; the rest is counted.
NAMED = 20
#: So many problems of one kind are told one by one.
_EACH = 3
_SHOWN = 40  # characters of a cell that a problem repeats
_LANES = 8  # more lanes than any instrument has are not listed


class Format(StrEnum):
    """What sort of file it is."""

    V1 = "v1"
    V2 = "v2"
    BCL2FASTQ_1 = "bcl2fastq-1"
    LIBRARY = "library sheet"
    XLSX = "xlsx"
    HTML = "html"
    EMPTY = "empty"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """How much a problem matters to who works with the sheet; the upload never waits for it."""

    #: Demultiplexing would stop, or give other samples than the lab meant.
    DEFECT = "defect"
    #: Odd, but programs are known to cope with it.
    REMARK = "remark"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in words; ``kind`` is a fixed word, ``line`` counts from 1.

    What the text repeats of the sheet is escaped.
    """

    severity: Severity
    kind: str
    text: str
    line: int | None = None

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class SheetReport:
    """What is in a sample sheet.

    ``encoding`` is ``utf-8``, ``utf-8-sig``, ``utf-16-le``, ``utf-16-be``, ``utf-32``,
    ``latin-1`` or ``cp1252``, None when the file is no text. ``delimiter`` is ``,``, ``;`` or a
    tab, None when there is none. ``line_endings`` is ``lf``, ``crlf``, ``cr``, ``mixed`` or None.
    ``samples`` counts distinct ids, ``rows`` the rows that they stand in; None when the samples
    can't be known. ``repeated`` counts samples with more than one row. ``whole`` is false when
    only the beginning of the file was read, so that there may be more of everything.
    ``problems`` have defects first, each in the order of lines.
    """

    format: Format
    encoding: str | None = None
    delimiter: str | None = None
    line_endings: str | None = None
    padded: bool = False
    quoted: bool = False
    sections: tuple[str, ...] = ()
    samples: int | None = None
    rows: int = 0
    repeated: int = 0
    lanes: tuple[str, ...] = ()
    whole: bool = True
    problems: tuple[Problem, ...] = ()

    @property
    def defects(self) -> tuple[Problem, ...]:
        """The problems that matter."""
        return tuple(p for p in self.problems if p.severity is Severity.DEFECT)

    def summary(self) -> str:
        """One line: ``v1, 24 samples in 48 rows, lanes 1 and 2; 2 defects, 1 remark``."""
        text = self.format.value
        if self.samples is not None:
            least = "" if self.whole else "at least "
            text += f", {least}{_counted(self.samples, 'sample')}"
            if self.rows != self.samples:
                text += f" in {_counted(self.rows, 'row')}"
        if 0 < len(self.lanes) <= _LANES:
            several = " and ".join((", ".join(self.lanes[:-1]), self.lanes[-1]))
            one = len(self.lanes) == 1
            text += f", lane {escape(self.lanes[0])}" if one else f", lanes {escape(several)}"
        found = [(len(self.defects), "defect")]
        found.append((len(self.problems) - found[0][0], "remark"))
        told = ", ".join(_counted(number, word) for number, word in found if number)
        return f"{text}; {told}" if told else text

    def record(self) -> dict[str, Any]:
        """What the ledger keeps; ``more`` is the number of problems beyond the first ones."""
        return {
            "format": self.format.value,
            "encoding": self.encoding,
            "delimiter": self.delimiter,
            "line_endings": self.line_endings,
            "samples": self.samples,
            "rows": self.rows,
            "lanes": list(self.lanes[:_LANES]),
            "whole": self.whole,
            "summary": self.summary(),
            "defects": len(self.defects),
            "problems": [
                {"severity": p.severity.value, "line": p.line, "text": p.text}
                for p in self.problems[:NAMED]
            ],
            "more": max(0, len(self.problems) - NAMED),
        }


@dataclass(slots=True)
class Findings:
    """Collects the problems of one sheet; of a kind that repeats itself the rest is counted."""

    padded: bool = False
    quoted: bool = False
    whole: bool = True
    _problems: dict[tuple[Severity, str], list[Problem]] = field(default_factory=dict)
    _last: dict[tuple[Severity, str], tuple[int, Problem]] = field(default_factory=dict)

    def defect(self, kind: str, text: str, line: int | None = None) -> None:
        """Note something that demultiplexing would stumble over."""
        self._add(Problem(Severity.DEFECT, kind, text, line))

    def remark(self, kind: str, text: str, line: int | None = None) -> None:
        """Note something odd."""
        self._add(Problem(Severity.REMARK, kind, text, line))

    def _add(self, problem: Problem) -> None:
        kind = problem.severity, problem.kind
        first = self._problems.setdefault(kind, [])
        if len(first) < _EACH:
            first.append(problem)
        self._last[kind] = self._last[kind][0] + 1 if kind in self._last else 1, problem

    def problems(self) -> tuple[Problem, ...]:
        """All that was noted, defects first, then by the line where each kind begins."""
        told = []
        for kind, first in self._problems.items():
            number, last = self._last[kind]
            more = number - len(first)
            if more > 1:
                where = "" if last.line is None else f", the last in line {last.line}"
                words = f"and {more} more: {_WORDS.get(last.kind, last.kind)}{where}"
                last = Problem(last.severity, last.kind, words)
            told.append([*first, last] if more else first)
        told.sort(key=lambda group: (group[0].severity is Severity.REMARK, group[0].line or 0))
        return tuple(problem for group in told for problem in group)


#: Kinds of problems that can repeat themselves often, as the line that counts them says it.
_WORDS = {
    "missing-id": "rows without a sample id",
    "duplicate": "rows that stand there twice",
    "index-clash": "samples with an index that is taken",
    "illegal-id": "sample ids with characters that are not allowed",
    "bad-index": "indexes that are no bases",
    "too-few": "rows with too few fields",
    "too-many": "rows with too many fields",
    "spaced-id": "sample ids with spaces around them",
    "long-id": "sample ids that are too long",
    "id-case": "sample ids that differ in upper and lower case only",
    "excel-error": "cells with an error of Excel",
    "excel-rewrote": "sample ids that Excel may have rewritten",
    "control-character": "lines with control characters",
    "newline-in-quotes": "cells that go over several lines",
    "unclosed-quote": "quotation marks without their other one",
    "swallowed": "rows that a stray quotation mark has swallowed",
    "quoted-line": "whole lines in quotation marks",
    "header-twice": "headers of the samples within them",
    "unknown-section": "unknown sections",
    "section-name": "section names that are written oddly",
    "odd-lane": "lanes that are no numbers",
    "cut-line": "lines that are too long",
    "before-sections": "lines before the first section",
}


def shown(text: str) -> str:
    """A piece of a sheet, safe to show and not long."""
    text = escape(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
