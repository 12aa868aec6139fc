"""The fault book and docs/faults.md: nothing without a test or a reason, nothing stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import faults
from tools.faults import Book, Fault, NumberedTest, Outcome, Run


@pytest.fixture(scope="module")
def book() -> Book:
    return faults.read_book()


@pytest.fixture(scope="module")
def tests() -> list[NumberedTest]:
    return faults.find_tests()


def test_every_fault_has_a_test_or_a_reason(book: Book, tests: list[NumberedTest]) -> None:
    named = {number for test in tests for number in test.numbers}
    bare = [
        number
        for number, fault in book.faults.items()
        if number not in named | book.open and not fault.not_here
    ]
    assert not bare, "write a test named after each, or say in book.toml why it can't be made here"


def test_no_reason_and_no_open_number_is_stale(book: Book, tests: list[NumberedTest]) -> None:
    named = {number for test in tests for number in test.numbers}
    assert not [n for n in named if n in book.faults and book.faults[n].not_here]
    assert book.open <= book.faults.keys()


def test_no_test_names_a_fault_that_the_book_does_not_know(
    book: Book, tests: list[NumberedTest]
) -> None:
    strange = {t.name for t in tests for number in t.numbers if number not in book.faults}
    assert not strange


def test_the_book_is_whole(book: Book) -> None:
    counted = {
        letter: [int(n[1:]) for n in book.faults if n[0] == letter] for letter in book.sections
    }
    last = dict(zip("ABCDEFGHIJK", (14, 15, 25, 6, 28, 14, 12, 10, 11, 7, 4), strict=True))
    assert counted == {letter: list(range(1, end + 1)) for letter, end in last.items()}
    for fault in book.faults.values():
        for text in (fault.fault, fault.must, fault.decided, fault.not_here):
            assert "|" not in text
            assert "\n" not in text
            assert not text.endswith(".")


def test_the_page_lists_exactly_the_tests_that_exist(book: Book, tests: list[NumberedTest]) -> None:
    text = faults.DOCUMENT.read_text(encoding="utf-8")
    rows = faults.listed(text)
    expected = {n: [test for test in tests if n in test.numbers] for n in book.faults}
    assert rows == expected, "run: .venv/bin/python tools/faults.py write"
    # Its words are the book's, too.
    plain = faults.document(book, tests, Run("", "", {})).splitlines()
    cells = [line.split(" | ")[:3] for line in plain if line.startswith("| ")]
    assert cells == [line.split(" | ")[:3] for line in text.splitlines() if line.startswith("| ")]


def test_numbers_stand_in_front_of_a_name() -> None:
    assert faults.numbers("test_e12_e7_a_bit") == ("E12", "E7")
    assert faults.numbers("test_a_bit_e12") == ()
    assert faults.numbers("test_e_bit") == ()
    assert faults.numbers("test_l1_is_no_section") == ()


REPORT = """<testsuites><testsuite timestamp="2026-11-23T01:02:03">
<testcase classname="tests.faults.test_x" name="test_e1_x[a]"/>
<testcase classname="tests.faults.test_x" name="test_e1_x[b]">
<skipped message="no b | c"/></testcase>
<testcase classname="tests.faults.test_x" name="test_e2_y">
<failure message="m">t</failure></testcase>
<testcase classname="tests.faults.test_x" name="test_e2_z"/>
</testsuite></testsuites>"""


def test_the_page_tells_what_a_run_told(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(REPORT)
    run = faults.read_runs([report], "a machine")
    places = ("test_e1_x", "test_e2_y", "test_e2_z", "test_e3_new")
    tests = [NumberedTest("tests/faults/test_x.py", name) for name in places]
    assert run.day == "2026-11-23"
    assert run.outcomes[tests[0]] == Outcome("not here", "no b | c"), "the worst of all parameters"
    made = Book(
        {"E": "Network"},
        {
            "E1": Fault("E1", "f1", "m1"),
            "E2": Fault("E2", "f2", "m2", decided="d2"),
            "E3": Fault("E3", "f3", "m3"),
            "E4": Fault("E4", "f4", "m4", not_here="n4"),
            "E5": Fault("E5", "f5", "m5"),
        },
        frozenset(),
    )
    text = faults.document(made, tests, run)
    assert faults.listed(text) == {
        "E1": tests[:1], "E2": tests[1:3], "E3": tests[3:], "E4": [], "E5": []
    }  # fmt: skip
    rows = {line.split(" | ")[0]: line for line in text.splitlines() if line.startswith("| E")}
    assert rows["| E1"].endswith(r"| not here: no b \| c |")
    assert "m2. *Decided:* d2" in rows["| E2"]
    assert rows["| E2"].endswith("| failed<br>passed |")
    assert rows["| E3"].endswith("| not run |")
    assert rows["| E4"].endswith("| not here: n4 |")
    assert rows["| E5"].endswith("| no test yet |")
    assert "Last run: 2026-11-23, a machine." in text
    assert (
        "5 faults: 3 are made to happen by 4 tests (all tests of 0 faults passed), 1 can't" in text
    )
    assert "1 wait for a test: E5.**" in text
    # Written again without a run, it keeps what it holds.
    assert faults.read_page(text) == run
    assert faults.document(made, tests, faults.read_page(text)) == text
