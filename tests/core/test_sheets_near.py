"""Files that look like the sheet of a run, and sheets that no run explains."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.sheets import Comparison, near_misses, years
from datalake_syncd.core.sheets.likeness import RunNames
from datalake_syncd.core.sheets.typos import Typos

RUN = "230101_M00001_0001_000000000-AAAAA"
OTHER = "230102_M00001_0002_000000000-BBBBB"
NEXTSEQ = "230102_NB500001_0002_AHAAAAAAXX"


def sheets_without_run(
    files: Iterable[str],
    runs: Iterable[str],
    *,
    wanting: Iterable[str] = (),
    is_run: Callable[[str], bool] = lambda _name: True,
) -> tuple[str, ...]:
    comparison = Comparison()
    assert comparison.look(files, wanting, runs)
    return comparison.alone(is_run)


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


def test_of_several_names_in_one_the_longest_counts() -> None:
    for file in ("batch-2023 of batch-2023-b.csv", "batch-2023-b of batch-2023.csv"):
        (found,) = near_misses(["batch-2023", "batch-2023-b", "batch-20"], [file])
        assert found.run == "batch-2023-b"
        assert found.reason in ('"batch-2023 of" is in its name too',
                                '"of batch-2023" is in its name too')  # fmt: skip


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


def sheetlike() -> st.SearchStrategy[str]:
    """Names of runs of different lengths, with this and that around them."""
    pieces = [RUN, OTHER, NEXTSEQ, RUN[:-1], RUN.lower(), "run1", "batch-2023-001", "Copy of "]
    pieces += ["SampleSheet_", " (1)", "_v2", "~$", "._", ".csv", ".CSV", ".xlsx", " ", "-", "_"]
    pieces += ["x", "\uff21", "\u0130", "\udce6"]
    return st.lists(st.sampled_from(pieces), max_size=5).map("".join)


@given(
    st.lists(sheetlike().filter(bool), max_size=5, unique=True),
    st.lists(sheetlike(), max_size=5),
    st.lists(sheetlike().filter(bool), max_size=3, unique=True),
)
@settings(max_examples=500, deadline=None)
def test_names_of_any_lengths_are_compared(
    runs: list[str], files: list[str], known: list[str]
) -> None:
    found = near_misses(runs, files, known=known)
    exact = {f"{run}.csv" for run in (*runs, *known)}
    for miss in found:
        assert miss.run in runs
        assert miss.file in files
        assert miss.file not in exact
        assert str(miss).isprintable()
        assert miss.reason
    alone = sheets_without_run(files, [*runs, *known], wanting=runs)
    assert set(alone).isdisjoint(exact | {miss.file for miss in found})


@pytest.mark.parametrize("known", [OTHER, f"{OTHER}-and-more", "batch-2023", NEXTSEQ])
@pytest.mark.parametrize("file", ["Copy of {}.csv", "SampleSheet_{}.csv", "~$ {}.csv", "x - {}"])
@pytest.mark.parametrize("run", [RUN, NEXTSEQ, "batch-2023"])
def test_runs_whose_names_have_other_lengths_are_no_trouble(
    run: str, file: str, known: str
) -> None:
    found = near_misses([run], [file.format(run)], known=[known])
    assert [miss.run for miss in found] == [run]
    assert sheets_without_run([file.format(run)], [known, run]) == ()


# --- bit by bit ------------------------------------------------------------------------------

FILES = [f"{RUN}.csv", f"2023/{RUN} (1).csv", f"{RUN[:-1]}B.csv", f"{RUN[:-1]}C.csv"]
FILES += [f"{OTHER}.csv", f"{OTHER}_v2.csv", f"{NEXTSEQ}.CSV", f"~${RUN}.csv", "template.csv"]
RUNS = [RUN, OTHER, NEXTSEQ, RUN[:-1] + "C", RUN[:-1] + "D", f"{OTHER}_v2", OTHER[:-1] + "A"]


@st.composite
def looks(draw: st.DrawFn) -> tuple[list[str], list[str], list[str], int | None]:
    """What is there at one look: files, runs that lack a sheet, others, and how far it comes."""
    runs = draw(st.lists(st.sampled_from(RUNS), unique=True))
    wanting = draw(st.lists(st.sampled_from(RUNS), unique=True))
    files = draw(st.lists(st.sampled_from(FILES), unique=True))
    return files, wanting, runs, draw(st.none() | st.integers(0, 4))


def told_to(go: int | None) -> Iterator[bool]:
    yield from [True] * go if go is not None else repeat(True)
    yield from repeat(False)


@given(st.lists(looks(), min_size=1, max_size=6))
@settings(max_examples=500, deadline=None)
def test_what_is_compared_bit_by_bit_is_as_if_it_were_compared_at_once(
    times: list[tuple[list[str], list[str], list[str], int | None]],
) -> None:
    comparison = Comparison()
    for files, wanting, known, far in times:
        go_on = told_to(far)
        done = comparison.look(files, wanting, known, lambda go_on=go_on: next(go_on))  # type: ignore[misc]
        assert done or far is not None
    files, wanting, known, _ = times[-1]
    assert comparison.look(files, wanting, known)
    assert comparison.misses() == near_misses(wanting, files, known=known)
    assert comparison.alone() == sheets_without_run(files, known, wanting=wanting)


def test_what_becomes_of_the_runs_counts() -> None:
    comparison, typo, sibling = Comparison(), f"{RUN[:-1]}B.csv", RUN[:-1] + "B"

    def found(wanting: list[str], known: list[str]) -> list[str]:
        assert comparison.look([typo], wanting, known)
        return [miss.run for miss in comparison.misses()]

    assert found([], [RUN]) == []
    assert found([RUN], [RUN]) == [RUN], "its sheet was taken back"
    assert found([RUN], [RUN, sibling]) == [], "now it is exactly the sheet of another one"
    assert found([RUN], [RUN]) == [RUN]
    assert found([], [RUN]) == []
    assert comparison.alone() == (typo,)


def test_a_look_compares_what_is_new_and_nothing_else() -> None:
    def asked(files: list[str], wanting: list[str]) -> int:
        times = count()
        assert comparison.look(files, wanting, RUNS, lambda: next(times) >= 0)
        return next(times)

    comparison = Comparison()
    many = [f"{RUN[:-5]}{number:05}.csv" for number in range(500)]
    assert asked(many, RUNS) == 500
    assert asked(many, RUNS) == 0, "nothing is new"
    assert asked([*many, f"{RUN} (1).csv"], RUNS) == 1, "a file"
    assert asked(many, RUNS) == 0, "one is gone"
    assert asked(many, [*RUNS, "230505_M00001_0009_000000000-KKKKK"]) == 500, "one run, for each"


def test_a_look_that_was_ended_is_gone_on_with() -> None:
    comparison = Comparison()
    many = [f"{RUN} ({number}).csv" for number in range(10)]
    for rest in (7, 4, 1):
        left = iter([True] * 3 + [False])
        assert not comparison.look(many, [RUN], go_on=lambda left=left: next(left))  # type: ignore[misc]
        assert len(comparison.misses()) == 10 - rest
    assert comparison.look(many, [RUN])
    assert len(comparison.misses()) == 10


def test_a_name_that_can_not_be_compared_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    like = RunNames.like

    def fail(self: RunNames, file: str) -> object:
        if file.startswith("odd"):
            raise IndexError(file)
        return like(self, file)

    monkeypatch.setattr(RunNames, "like", fail)
    comparison = Comparison()
    files = ["a.csv", "odd 1.csv", "odd 2.csv", f"{RUN} (1).csv"]
    for _ in range(2):
        with pytest.raises(IndexError):
            comparison.look(sorted(files), [RUN])
    assert comparison.look(files, [RUN])
    assert [miss.file for miss in comparison.misses()] == [f"{RUN} (1).csv"]
    assert comparison.alone() == ("a.csv",), "of the odd ones nothing is known"


# --- typing errors ---------------------------------------------------------------------------


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
    assert Typos([name]).nearest(typed) == expected


@given(st.lists(NAMES, max_size=6, unique=True), NAMES)
@settings(max_examples=200, deadline=None)
def test_the_nearest_names_are_found(names: list[str], typed: str) -> None:
    distances = {name: levenshtein(name, typed) for name in names}
    best = min([2, *distances.values()])
    expected = sorted(name for name in names if distances[name] == best)
    assert Typos(names).nearest(typed) == (expected, best)


@given(st.lists(st.text("ab1", min_size=12, max_size=16), max_size=40, unique=True),
       st.text("ab12", min_size=10, max_size=18))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_short_names_with_numbers_are_compared_as_the_textbook_does(
    names: list[str], typed: str
) -> None:
    def shape(name: str) -> str:
        return name.replace("2", "1")

    others = [name for name in names if len(typed) >= 20 or shape(name) != shape(typed)]
    distances = {name: levenshtein(name, typed) for name in others}
    best = min([2, *distances.values()])
    expected = sorted(name for name in others if distances[name] == best)
    assert Typos(names).nearest(typed) == (expected, best)


def take(runs: list[str], files: list[str]) -> float:
    """Seconds of processor time to find what looks like a sheet, and what is alone."""
    before = time.process_time()
    near_misses(runs, files)
    sheets_without_run(files, runs, wanting=runs)
    return time.process_time() - before


def test_many_names_take_little_time() -> None:
    runs = [
        f"{day:06}_NB501016_{day % 9999:04}_AH{day * 7919 % 99999:05}AFXX" for day in range(4000)
    ]
    files = [f"{day:06}_NB501016_{day % 9999:04}_AH{day * 104729 % 99999:05}AFXX.csv"
             for day in range(4000, 12000)]  # fmt: skip
    assert take(runs, files) < 20


def provider(number: int) -> str:
    one, two = number * 7919, number * 104729
    return f"X204SC{20 + one % 6}{1 + one % 12:02}{two % 9999:04}-Z01-F{1 + two % 3:03}"


@pytest.mark.parametrize(
    ("runs", "files"),
    [
        ([f"230101_M00001_{n:04}_000000000-K{n:04}" for n in range(2000)],
         [f"230101_M00001_{n:04}_000000000-L{n:04}.csv" for n in range(5000)]),
        ([provider(n) for n in range(2000)], [f"{provider(n)}.csv" for n in range(3000, 8000)]),
        (["abcdefghij" * 20 + f"{n:04}" + "klmnopqrst" * 3 for n in range(500)],
         ["xbcdefghij" + "abcdefghij" * 19 + f"{n:04}" + "klmnopqrst" * 3 + ".csv"
          for n in range(500)]),
        (["r" * 8 + "_" + "a" * n for n in range(200)],
         ["- " * 120 + f"{n}.csv" for n in range(5000)]),
    ],
    ids=["one date", "a provider", "long names", "many words"],
)  # fmt: skip
def test_names_that_have_nearly_everything_in_common_take_little_time_too(
    runs: list[str], files: list[str]
) -> None:
    assert take(runs, files) < 20
