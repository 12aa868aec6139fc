"""Files that look like the sheet of a run, and sheets that no run explains."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.sheets import near_misses, sheets_without_run, years
from datalake_syncd.core.sheets.near import _Typos

RUN = "230101_M00001_0001_000000000-AAAAA"
OTHER = "230102_M00001_0002_000000000-BBBBB"


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (f"{RUN} (1).csv", '"(1)" is in its name too'),
        (f"{RUN}.csv.csv", "its ending stands there twice"),
        (f"{RUN}.CSV", "upper and lower case differ"),
        (f"{RUN.lower()}.csv", "upper and lower case differ"),
        (f"{RUN}.xlsx", "it ends in .xlsx"),
        (f"{RUN}.csv.txt", "it ends in .csv.txt"),
        (f"{RUN} .csv", "there is a space in its name"),
        (f" {RUN}.csv", "there is a space in its name"),
        (f"{RUN}. csv", "there is a space in its name"),
        (RUN, "it has no ending"),
        (f"Copy of {RUN}.csv", '"copy of" is in its name too'),
        (f"{RUN} - Kopi.csv", '"- kopi" is in its name too'),
        (f"{RUN}_v2.csv", '"_v2" is in its name too'),
        (f"SampleSheet_{RUN}.csv", '"samplesheet_" is in its name too'),
        (f"{RUN}.csv.bak", "it ends in .csv.bak"),
        (f"{RUN}.cvs", '".cvs" is in its name too'),
        (f"{RUN[:-1]}B.csv", "1 character differs"),
        (f"{RUN[:5]}{RUN[6:]}.csv", "1 character differs"),
        (f"{RUN[:5]}x{RUN[5:]}.csv", "1 character differs"),
        (f"{RUN[:3]}{RUN[4]}{RUN[3]}{RUN[5:]}.csv".replace("230101", "230110"),
         "2 characters differ"),
        (RUN.replace("0001_0", "0001_O").replace("000-", "0O0-") + ".csv", "2 characters differ"),
        (f"2023/{RUN} (1).csv", '"(1)" is in its name too'),
        (RUN.replace("A", "\uff21") + ".csv", "some letters only look the same"),
    ],
)  # fmt: skip
def test_near_misses(file: str, reason: str) -> None:
    (found,) = near_misses([RUN], [file, f"{OTHER}.csv", "template.csv"], known=[OTHER])
    assert (found.run, found.file, found.reason, found.quiet) == (RUN, file, reason, False)
    assert str(found).startswith(f"{file} looks like the sheet of run {RUN}: ")
    # It is explained by the run that it looks like, so it is not without one.
    assert file not in sheets_without_run([file], [RUN, OTHER], wanting=[RUN])


@pytest.mark.parametrize("file", [f"~${RUN}.csv", f"~${RUN[2:]}.csv", f"._{RUN}.csv",
                                  f".~lock.{RUN}.csv#", f"~{RUN}.tmp"])  # fmt: skip
def test_what_programs_leave_behind_is_quiet(file: str) -> None:
    (found,) = near_misses([RUN], [file])
    assert found.quiet
    assert sheets_without_run([file], [OTHER]) == ()


@pytest.mark.parametrize(
    "file",
    [
        f"{RUN}.csv",
        f"2023/{RUN}.csv",
        f"{OTHER}.csv",
        "SampleSheet.csv",
        "230101.csv",
        f"{RUN[:-3]}BCD.csv",  # three characters
        f"x{RUN[1:-2]}BC.csv",
        f"A{RUN}_v2.csv",  # the name of another run
        f"{RUN}A_v2.csv",
        "\udce6.csv",
        "",
        ".csv",
        "x" * 5000 + ".csv",
    ],
)
def test_what_is_no_near_miss(file: str) -> None:
    assert near_misses([RUN], [file], known=[OTHER]) == ()


def test_the_sheet_of_another_known_run_is_no_near_miss() -> None:
    sibling = RUN.replace("_0001_", "_0002_")
    assert near_misses([RUN], [f"{sibling}.csv"], known=[sibling]) == ()
    assert near_misses([RUN], [f"{sibling}_v2.csv"], known=[sibling]) == ()
    assert len(near_misses([RUN], [f"{sibling}.csv"])) == 1


def test_a_file_is_told_for_the_nearest_runs() -> None:
    one, two = RUN[:-1] + "1", RUN[:-1] + "2"
    far = RUN[:-2] + "99"
    found = near_misses([one, two, far], [f"{RUN[:-1]}3.csv"])
    assert [miss.run for miss in found] == [one, two]
    assert [
        m.run for m in near_misses(["batch-2023", "batch-2023-b"], ["batch-2023-b (1).csv"])
    ] == ["batch-2023-b"]


def test_short_names_and_numbers_are_not_guessed() -> None:
    assert near_misses(["run1"], ["run2.csv", "my run1.csv", "run1_v2.csv"]) == ()
    assert [miss.file for miss in near_misses(["run1"], ["run1.xlsx", "Run1.csv"])] == [
        "Run1.csv",
        "run1.xlsx",
    ]
    # In a name that just counts another number is the next one.
    assert near_misses(["batch-2023-001"], ["batch-2023-002.csv"]) == ()
    assert len(near_misses(["batch-2023-001"], ["btach-2023-001.csv"])) == 1


def test_a_name_that_would_harm_a_terminal_is_escaped() -> None:
    (found,) = near_misses([RUN], [f"{RUN}\x1b[31m.csv"])
    assert "\x1b" not in str(found) + found.reason
    assert str(found).isprintable()


def test_sheets_without_a_run() -> None:
    lonely = [f"{OTHER}.csv", f"2020/{OTHER[:-1]}C.csv"]
    others = [f"{RUN}.csv", f"2023/{RUN}.csv", f"{RUN}_v2.csv", f"{RUN}.CSV", f"{OTHER}.xlsx",
              f"~${OTHER}.csv", f"._{OTHER}.csv", ".csv", "notes.txt", "2023"]  # fmt: skip
    assert sheets_without_run([*others, *lonely], [RUN]) == tuple(sorted(lonely))
    assert sheets_without_run([*others, *lonely], [RUN, OTHER]) == (lonely[1],)
    assert sheets_without_run([*others, *lonely], [RUN, OTHER], wanting=[OTHER]) == ()
    # Looks like the sheet of a run that has its own: nobody would tell it else.
    assert sheets_without_run(lonely[1:], [RUN, OTHER], wanting=[RUN]) == (lonely[1],)
    assert sheets_without_run(["template.csv", *lonely], [RUN], is_run=str.istitle) == ()
    assert sheets_without_run([], []) == ()


def test_years() -> None:
    assert years(["2020", "2023", "misc", "20233", "1999", "2100", "x2020"]) == [
        "2023",
        "2020",
        "1999",
    ]


def levenshtein(one: str, other: str) -> int:
    """The textbook's table."""
    table = [[max(i, j) for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            swap = table[i - 1][j - 1] + (one[i - 1] != other[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, swap)
    return table[-1][-1]


NAMES = st.text("ab", min_size=20, max_size=24)


@given(
    NAMES,
    st.lists(st.tuples(st.integers(0, 24), st.sampled_from(["", "a", "b", "ba"])), max_size=3),
)
@settings(max_examples=400, deadline=None)
def test_no_name_with_two_typing_errors_is_missed(
    name: str, changes: list[tuple[int, str]]
) -> None:
    typed = name
    for at, text in changes:
        typed = typed[:at] + text + typed[at + 1 :]
    distance = levenshtein(name, typed)
    expected = ([name], distance) if distance <= 2 else ([], 2)
    assert _Typos([name]).nearest(typed) == expected


@given(st.lists(NAMES, max_size=6, unique=True), NAMES)
@settings(max_examples=200, deadline=None)
def test_the_nearest_names_are_found(names: list[str], typed: str) -> None:
    distances = {name: levenshtein(name, typed) for name in names}
    best = min([2, *distances.values()])
    expected = sorted(name for name in names if distances[name] == best)
    assert _Typos(names).nearest(typed) == (expected, best)


def test_many_names_take_little_time() -> None:
    runs = [
        f"{day:06}_NB501016_{day % 9999:04}_AH{day * 7919 % 99999:05}AFXX" for day in range(4000)
    ]
    files = [f"{day:06}_NB501016_{day % 9999:04}_AH{day * 104729 % 99999:05}AFXX.csv"
             for day in range(4000, 12000)]  # fmt: skip
    before = time.process_time()
    near_misses(runs, files)
    sheets_without_run(files, runs, wanting=runs)
    assert time.process_time() - before < 20
