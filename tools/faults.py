"""The fault book: which test makes which fault happen, and how it ended. Writes docs/faults.md.

    .venv/bin/python tools/faults.py tests               the numbered tests, as pytest wants them
    .venv/bin/python tools/faults.py write XML ...       docs/faults.md, with the results of these
                                                         runs (pytest --junitxml=XML)
    .venv/bin/python tools/faults.py write               the same at once, with the results that it
                                                         holds already; new tests are "not run"

The book is tests/faults/book.toml. A test whose name begins with numbers (`test_e12_e7_...`)
makes those faults happen; it may stand anywhere below tests/.
"""

from __future__ import annotations

import ast
import os
import platform
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from defusedxml import ElementTree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

REPO = Path(__file__).resolve().parent.parent
BOOK = REPO / "tests/faults/book.toml"
DOCUMENT = REPO / "docs/faults.md"

_NUMBERS = re.compile(r"test((?:_[a-k]\d+)+)_")
_LINK = re.compile(r"\[`(test_\w+)`\]\(\.\./([\w/]+\.py)\)")
_ROW = re.compile(r"^\| ([A-K]\d+) \|")
_LAST_RUN = re.compile(r"^Last run: ([\d-]+), (.+)\.$", re.MULTILINE)
# How a function ended, worst first: with many parameters the worst counts.
_WORST = ("failed", "not here", "passed")

INTRODUCTION = """\
# Faults

What can break, what must happen then, and the test that makes it happen: with the real azcopy and
the real Azurite behind a proxy that does harm, with real file systems, signals and full disks. This
page is made by `make faults-doc` from `tests/faults/book.toml` and a run of the tests; a test holds
it against the tests that exist.

*Passed*: the fault was made to happen, and what must happen did. *Not here*: the test could not run
on that machine. *Decided*: the project does something else than one might expect, and why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the book."""

    number: str
    fault: str
    must: str
    decided: str = ""
    not_here: str = ""


@dataclass(frozen=True, slots=True)
class Book:
    """All faults by number, the titles of their sections, and the numbers still without test."""

    sections: dict[str, str]
    faults: dict[str, Fault]
    open: frozenset[str]


@dataclass(frozen=True, slots=True, order=True)
class NumberedTest:
    """A numbered test function; ``path`` below the repository."""

    path: str
    name: str

    @property
    def numbers(self) -> tuple[str, ...]:
        """The faults that it makes happen."""
        return numbers(self.name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended, and why where it did not run."""

    word: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """What runs of the tests told: day and machine of the last one, each function's outcome."""

    day: str
    where: str
    outcomes: Mapping[NumberedTest, Outcome]


def numbers(name: str) -> tuple[str, ...]:
    """``test_e12_e7_a_bit`` -> ``(E12, E7)``."""
    found = _NUMBERS.match(name)
    return tuple(found[1].upper().strip("_").split("_")) if found else ()


def read_book(path: Path = BOOK) -> Book:
    """The book; a field that it does not know is an error."""
    text = tomllib.loads(path.read_text(encoding="utf-8"))
    faults = {number: Fault(number, **fields) for number, fields in text["faults"].items()}
    return Book(text["sections"], faults, frozenset(text["open"]))


def find_tests(root: Path = REPO) -> list[NumberedTest]:
    """Every numbered test below ``tests/``, read from the source."""
    found = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            if isinstance(node, ast.FunctionDef) and numbers(node.name):
                found.append(NumberedTest(str(path.relative_to(root)), node.name))
    return sorted(found)


def read_runs(reports: Sequence[Path], where: str) -> Run:
    """The outcomes of all reports; of two about one test the later report counts."""
    day, outcomes = "", dict[NumberedTest, Outcome]()
    for report in reports:
        cases = dict[NumberedTest, Outcome]()
        for suite in ElementTree.fromstring(report.read_bytes()).iter("testsuite"):
            day = max(day, (suite.get("timestamp") or "")[:10])
            for case in suite.iter("testcase"):
                path = (case.get("classname") or "").replace(".", "/") + ".py"
                test = NumberedTest(path, (case.get("name") or "").partition("[")[0])
                told = _outcome(case)
                known = cases.get(test, told)
                cases[test] = min(known, told, key=lambda one: _WORST.index(one.word))
        outcomes |= cases
    return Run(day, where, outcomes)


def read_page(text: str) -> Run:
    """The outcomes that a page holds."""
    outcomes = dict[NumberedTest, Outcome]()
    for line in text.splitlines():
        if _ROW.match(line):
            tests = [NumberedTest(path, name) for name, path in _LINK.findall(line)]
            words = line.removesuffix(" |").rpartition(" | ")[2].split("<br>")
            words = words * len(tests) if len(words) == 1 else words
            for test, told in zip(tests, words, strict=True):
                word, _, reason = told.partition(": ")
                if word in _WORST:
                    outcomes[test] = Outcome(word, reason.replace("\\|", "|"))
    found = _LAST_RUN.search(text)
    return Run(found[1], found[2], outcomes) if found else Run("", "", {})


def _outcome(case: Element) -> Outcome:
    for child in case:
        if child.tag in ("failure", "error"):
            return Outcome("failed")
        if child.tag == "skipped":
            return Outcome("not here", child.get("message") or "")
    return Outcome("passed")


def machine() -> str:
    """What kind of machine this is, and the versions that matter."""
    release = platform.freedesktop_os_release()
    azcopy = subprocess.run(
        [REPO / ".tools/bin/azcopy", "--version"], capture_output=True, text=True, check=True
    )
    package = (REPO / ".tools/node_modules/azurite/package.json").read_text(encoding="utf-8")
    azurite = re.search(r'"version": *"([^"]+)"', package)
    words = [
        f"{len(os.sched_getaffinity(0))} cores",
        f"{release['NAME'].removesuffix(' GNU/Linux')} {release.get('VERSION_ID', '')}".strip(),
        f"Python {platform.python_version()}",
        f"azcopy {azcopy.stdout.split()[-1]}",
        f"Azurite {azurite[1] if azurite else 'unknown'}",
        "as root" if os.geteuid() == 0 else "not as root",
    ]
    return ", ".join(words)


def document(book: Book, tests: Sequence[NumberedTest], run: Run) -> str:
    """The whole page."""
    by_number = {number: [t for t in tests if number in t.numbers] for number in book.faults}
    lines = [INTRODUCTION, "", _heading(run), "", _summary(book, by_number, run)]
    for letter, title in book.sections.items():
        lines += ["", f"## {letter}. {title}", ""]
        lines += ["| | Fault | What must happen | Tests | Result |", "|---|---|---|---|---|"]
        for fault in book.faults.values():
            if fault.number[0] == letter:
                lines.append(_row(fault, by_number[fault.number], run))
    return "\n".join(lines) + "\n"


def _heading(run: Run) -> str:
    return f"Last run: {run.day}, {run.where}." if run.day else "No run of the tests was looked at."


def _summary(book: Book, by_number: Mapping[str, list[NumberedTest]], run: Run) -> str:
    covered = [number for number, tests in by_number.items() if tests]
    whole = [n for n in covered if all(_told(t, run).word == "passed" for t in by_number[n])]
    left = [n for n, fault in book.faults.items() if not by_number[n] and not fault.not_here]
    away = len(book.faults) - len(covered) - len(left)
    tests = {test for tests in by_number.values() for test in tests}
    text = (
        f"{len(book.faults)} faults: {len(covered)} are made to happen by {len(tests)} tests "
        f"(all tests of {len(whole)} faults passed), {away} can't be made to happen on a machine "
        f"for tests"
    )
    return (
        f"**{text}, {len(left)} wait for a test: {', '.join(left)}.**" if left else f"**{text}.**"
    )


def _row(fault: Fault, tests: Sequence[NumberedTest], run: Run) -> str:
    must = fault.must
    if fault.decided:
        must += f". *Decided:* {fault.decided}"
    told = [_told(test, run) for test in tests]
    if not tests:
        cells = ["", f"not here: {fault.not_here}" if fault.not_here else "no test yet"]
    elif len(set(told)) == 1:
        cells = ["<br>".join(map(_link, tests)), _words(told[0])]
    else:
        cells = ["<br>".join(map(_link, tests)), "<br>".join(map(_words, told))]
    return "| " + " | ".join([fault.number, fault.fault, must, *cells]) + " |"


def _told(test: NumberedTest, run: Run) -> Outcome:
    return run.outcomes.get(test, Outcome("not run"))


def _words(outcome: Outcome) -> str:
    reason = re.sub(r"\s+", " ", outcome.reason).replace("|", "\\|")
    return f"{outcome.word}: {reason}" if reason else outcome.word


def _link(test: NumberedTest) -> str:
    return f"[`{test.name}`](../{test.path})"


def listed(text: str) -> dict[str, list[NumberedTest]]:
    """The tests that a page lists, by the number of their row."""
    rows = {}
    for line in text.splitlines():
        if row := _ROW.match(line):
            rows[row[1]] = [NumberedTest(path, name) for name, path in _LINK.findall(line)]
    return rows


def node_ids() -> Iterator[str]:
    """The numbered tests as arguments for pytest."""
    for test in find_tests():
        yield f"{test.path}::{test.name}"


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says."""
    match arguments:
        case ["tests"]:
            print("\n".join(node_ids()))  # noqa: T201 - this is what it was asked for
        case ["write", *reports]:
            if reports:
                run = read_runs([Path(report) for report in reports], machine())
            else:
                run = read_page(DOCUMENT.read_text(encoding="utf-8"))
            text = document(read_book(), find_tests(), run)
            DOCUMENT.parent.mkdir(exist_ok=True)
            DOCUMENT.write_text(text, encoding="utf-8")
        case _:
            print(__doc__, file=sys.stderr)  # noqa: T201 - for a person at a terminal
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
