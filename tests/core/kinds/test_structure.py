"""The structure check against simulated trees, with every kind of gap."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds.illumina.runinfo import IlluminaFacts
from datalake_syncd.core.kinds.illumina.structure import (
    BGZF,
    CBCL,
    TILES,
    CycleCheck,
    Layout,
    check_of,
)
from datalake_syncd.core.model import RunFacts
from demo.sequencer import MiSeqRun, NextSeqRun

MISEQ = "180105_M00000_0001_000000000-AAAAA"
NEXTSEQ = "180612_NB501016_0001_AHXXXXXXXX"
B = "Data/Intensities/BaseCalls"


def facts(
    lanes: int | None = 1,
    cycles: int = 14,
    *,
    tiles: int | None = None,
    surfaces: int | None = None,
    status: str | None = None,
    completed: int | None = None,
) -> RunFacts:
    reads = ((1, cycles, False),) if cycles else ()
    return IlluminaFacts(
        lanes=lanes,
        reads=reads,
        tiles=tiles,
        surfaces=surfaces,
        status_text=status,
        completed_cycles=completed,
    )


def check(layout: Layout, about: RunFacts, files: Mapping[str, int | bytes]) -> tuple[str, ...]:
    return check_any((layout,), about, files)


def check_any(
    layouts: tuple[Layout, ...], about: RunFacts, files: Mapping[str, int | bytes]
) -> tuple[str, ...]:
    structure_check = check_of(layouts, about)
    for path, size in files.items():
        structure_check.see(path, size if isinstance(size, int) else len(size))
    return structure_check.problems()


@pytest.mark.parametrize(
    ("run", "problems"),
    [
        (NextSeqRun(NEXTSEQ), ()),
        (
            NextSeqRun(NEXTSEQ, missing_cycles=(3,)),
            tuple(f"lane {n}: cycle 3 of 1..14 is missing (NNNN.bcl.bgzf)" for n in (1, 2, 3, 4)),
        ),
        (
            NextSeqRun(NEXTSEQ, missing_in=[(2, 1), (2, 12), (2, 13), (2, 14)]),
            ("lane 2: cycles 1, 12-14 of 1..14 are missing (NNNN.bcl.bgzf)",),
        ),
        (
            NextSeqRun(NEXTSEQ, missing_in=[(4, cycle) for cycle in range(1, 15)]),
            ("lane 4: all of cycles 1..14 are missing (NNNN.bcl.bgzf)",),
        ),
        (
            NextSeqRun(NEXTSEQ, empty_cycles=(2,)),
            tuple(f"lane {n}: files of cycle 2 have 0 bytes (NNNN.bcl.bgzf)" for n in (1, 2, 3, 4)),
        ),
        (
            NextSeqRun(NEXTSEQ, missing_cycles=range(1, 15)),
            ("no base calls at all: 4 lanes x 14 cycles are missing (NNNN.bcl.bgzf)",),
        ),
    ],
)
def test_nextseq(run: NextSeqRun, problems: tuple[str, ...]) -> None:
    assert check(BGZF, facts(4), run.files()) == problems


NAME = "C<n>.1/s_<lane>_<tile>.bcl"


@pytest.mark.parametrize("tiles_known", [True, False])
@pytest.mark.parametrize(
    ("run", "problems"),
    [
        (MiSeqRun(MISEQ, tiles=4), ()),
        (
            MiSeqRun(MISEQ, tiles=4, missing_cycles=(14,)),
            (f"lane 1: cycle 14 of 1..14 is missing ({NAME})",),
        ),
        (
            MiSeqRun(MISEQ, tiles=4, missing_tiles=[(5, 2), (6, 2), (9, 2), (9, 4)]),
            (
                f"lane 1: cycles 5-6 have 3 of 4 tiles; missing: 1102 ({NAME})",
                f"lane 1: cycle 9 has 2 of 4 tiles; missing: 1102, 2102 ({NAME})",
            ),
        ),
        (
            MiSeqRun(MISEQ, tiles=4, empty_cycles=(1, 2)),
            (f"lane 1: files of cycles 1-2 have 0 bytes ({NAME})",),
        ),
    ],
)
def test_miseq(run: MiSeqRun, problems: tuple[str, ...], tiles_known: bool) -> None:
    assert check(TILES, facts(tiles=4 if tiles_known else None), run.files()) == problems


def test_a_tile_that_is_missing_in_every_cycle_is_seen_by_its_promised_number() -> None:
    run = MiSeqRun(MISEQ, tiles=4, missing_tiles=[(cycle, 4) for cycle in range(1, 15)])
    assert check(TILES, facts(tiles=4), run.files()) == (
        f"lane 1: cycles 1-14 have 3 of 4 tiles ({NAME})",
    )


def test_a_tile_is_not_counted_twice_when_it_is_there_compressed_too() -> None:
    path = f"{B}/L001/C1.1/s_1_1101.bcl"
    files = {path: 9, f"{path}.gz": 9, f"{B}/L001/C2.1/s_1_1101.bcl": 9}
    files[f"{B}/L001/C2.1/s_1_1102.bcl"] = 9
    assert check(TILES, facts(cycles=2, tiles=2), files) == (
        f"lane 1: cycle 1 has 1 of 2 tiles; missing: 1102 ({NAME})",
    )


def test_many_different_gaps_stay_a_short_list() -> None:
    missing = [(cycle, tile) for cycle in range(1, 13) for tile in range(1, cycle + 1)]
    run = MiSeqRun(MISEQ, tiles=13, missing_tiles=missing)
    problems = check(TILES, facts(tiles=13), run.files())
    assert len(problems) == 9
    assert problems[-1] == "lane 1: 4 more cycles with too few tiles"


def test_cbcl() -> None:
    files = {
        f"{B}/L00{lane}/C{cycle}.1/L00{lane}_{surface}.cbcl": 9
        for lane in (1, 2)
        for cycle in (1, 2, 3)
        for surface in (1, 2)
    }
    # The number of tiles says nothing of surfaces.
    assert check(CBCL, facts(2, 3, tiles=64), files) == ()
    del files[f"{B}/L002/C3.1/L002_2.cbcl"]
    assert check(CBCL, facts(2, 3), files) == (
        "lane 2: cycle 3 has 1 of 2 surfaces; missing: 2 (C<n>.1/L00n_<surface>.cbcl)",
    )


@pytest.mark.parametrize(
    ("surfaces", "written", "sound"),
    [(2, (1, 2), True), (1, (2,), True), (None, (1,), True), (2, (1,), False), (3, (1, 2), False)],
)
def test_a_surface_that_is_promised_and_never_there(
    surfaces: int | None, written: tuple[int, ...], sound: bool
) -> None:
    files = {
        f"{B}/L001/C{cycle}.1/L001_{surface}.cbcl": 9 for cycle in (1, 2) for surface in written
    }
    problems = check(CBCL, facts(1, 2, surfaces=surfaces), files)
    assert (not problems) is sound
    # Surfaces say nothing of tiles, nor of a layout with one file for each cycle.
    tiles = {f"{B}/L001/C{cycle}.1/s_1_1101.bcl": 9 for cycle in (1, 2)}
    assert check(TILES, facts(1, 2, surfaces=surfaces), tiles) == ()
    assert check(BGZF, facts(1, 1, surfaces=surfaces), {f"{B}/L001/0001.bcl.bgzf": 9}) == ()


EITHER = (BGZF, CBCL)


def bgzf(*cycles: int) -> dict[str, int]:
    return {f"{B}/L001/{cycle:04d}.bcl.bgzf": 9 for cycle in cycles}


def cbcl(*cycles: int) -> dict[str, int]:
    return {f"{B}/L001/C{cycle}.1/L001_1.cbcl": 9 for cycle in cycles}


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        (bgzf(1, 2, 3), ()),
        (cbcl(1, 2, 3), ()),
        (bgzf(1, 2, 3) | cbcl(1), ()),
        (bgzf(1, 3), ("lane 1: cycle 2 of 1..3 is missing (NNNN.bcl.bgzf)",)),
        (cbcl(1, 3), ("lane 1: cycle 2 of 1..3 is missing (C<n>.1/L00n_<surface>.cbcl)",)),
        (cbcl(2) | bgzf(1, 3), ("lane 1: cycle 2 of 1..3 is missing (NNNN.bcl.bgzf)",)),
        (
            {f"{B}/L001/C1.1/s_1_1101.bcl": 9},
            (
                "no base calls at all: 1 lane x 3 cycles are missing "
                "(NNNN.bcl.bgzf or C<n>.1/L00n_<surface>.cbcl)",
            ),
        ),
    ],
)
def test_a_model_of_which_the_layout_is_not_certain(
    files: dict[str, int], problems: tuple[str, ...]
) -> None:
    assert check_any(EITHER, facts(1, 3), files) == problems


def test_a_layout_of_which_nothing_was_found_does_not_speak_for_the_other() -> None:
    about = facts(1, 9, status="RunErrored")
    assert check_any(EITHER, about, bgzf(1, 2, 3)) == ()
    assert check_any(EITHER, about, {}) == ()
    assert check_any(EITHER, about, bgzf(1, 3, 4)) == (
        "lane 1: cycle 2 of 1..3 is missing (NNNN.bcl.bgzf)",
    )


def test_a_layout_that_is_not_certain_can_not_be_checked_without_facts_either() -> None:
    refused = ("can't check structure: RunInfo.xml gives no number of lanes",)
    assert check_any(EITHER, facts(0), bgzf(1)) == refused


@pytest.mark.parametrize(
    ("status", "completed", "written", "problem"),
    [
        ("UserEndedEarly", 5, 5, ""),
        ("ExceptionEndedEarly", 5, 5, ""),
        ("RunErrored", 0, 0, ""),
        ("UserEndedEarly", 5, 9, ""),
        ("UserEndedEarly", 5, 4, "cycle 5 of 1..5 is missing"),
        ("UserEndedEarly", 99, 13, "cycle 14 of 1..14 is missing"),
        # It doesn't say how many cycles are complete: what is there must be without gaps.
        ("RunErrored", None, 5, ""),
        ("RunErrored", None, 0, ""),
        # A run that says it is complete, or says nothing, owes all that RunInfo.xml promises.
        ("CompletedAsPlanned", 5, 5, "cycles 6-14 of 1..14 are missing"),
        (None, 5, 5, "cycles 6-14 of 1..14 are missing"),
        ("SomethingElse", 5, 5, "cycles 6-14 of 1..14 are missing"),
    ],
)
def test_a_run_that_ended_early_owes_its_completed_cycles(
    status: str | None, completed: int | None, written: int, problem: str
) -> None:
    files = {f"{B}/L001/{cycle:04d}.bcl.bgzf": 9 for cycle in range(1, written + 1)}
    problems = check(BGZF, facts(status=status, completed=completed), files)
    assert [text.removeprefix("lane 1: ").partition(" (")[0] for text in problems] == (
        [problem] if problem else []
    )


def test_a_gap_counts_even_when_nobody_knows_the_end() -> None:
    files = {f"{B}/L001/{cycle:04d}.bcl.bgzf": 9 for cycle in (1, 2, 4)}
    assert check(BGZF, facts(status="RunErrored"), files) == (
        "lane 1: cycle 3 of 1..3 is missing (NNNN.bcl.bgzf)",
    )


def test_only_the_last_cycle_of_a_failed_run_may_be_incomplete() -> None:
    about = facts(status="RunErrored", tiles=4)
    cut = MiSeqRun(MISEQ, tiles=4, completed_cycles=5, missing_tiles=[(5, 3), (5, 4)])
    assert check(TILES, about, cut.files()) == ()
    gap = MiSeqRun(MISEQ, tiles=4, completed_cycles=5, missing_tiles=[(4, 3), (5, 4)])
    assert check(TILES, about, gap.files()) == (
        f"lane 1: cycle 4 has 3 of 4 tiles; missing: 2101 ({NAME})",
    )


def test_paths_are_matched_whatever_their_case() -> None:
    files = {f"data/INTENSITIES/basecalls/l001/{cycle:04d}.BCL.bgzf": 9 for cycle in range(1, 15)}
    assert check(BGZF, facts(), files) == ()


@pytest.mark.parametrize(
    "path",
    [
        f"{B}/L001/0001.bcl.bgzf.bci",
        f"{B}/L001/0001.bcl",
        f"{B}/L001/0001.bcl.bgzf.tmp",
        f"{B}/L001/00001.bcl.bgzf",
        f"{B}/L01/0001.bcl.bgzf",
        f"{B}/L000/0001.bcl.bgzf",
        f"{B}/L002/0001.bcl.bgzf",
        f"{B}/L001/0000.bcl.bgzf",
        f"copy/{B}/L001/0001.bcl.bgzf",
        "Data\\Intensities\\BaseCalls\\L001\\0001.bcl.bgzf",
        f"{B}/L001/0001.bcl.bgzf\n",
        f"{B}/L001/\u0660\u0660\u0660\u0661.bcl.bgzf",
        f"{B}/L001/C1.1/s_1_1101.bcl",
    ],
)
def test_neighbours_of_a_base_call_file_are_none(path: str) -> None:
    assert check(BGZF, facts(cycles=1), {path: 9}) == (
        "no base calls at all: 1 lane x 1 cycle are missing (NNNN.bcl.bgzf)",
    )


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (RunFacts(), "RunInfo.xml gives no number of lanes"),
        (facts(0), "RunInfo.xml gives no number of lanes"),
        (facts(4, 0), "RunInfo.xml gives no reads with cycles"),
        (facts(999_999), "RunInfo.xml gives 999999 lanes x 14 cycles"),
        (facts(1, 999_999), "RunInfo.xml gives 1 lanes x 999999 cycles"),
    ],
)
def test_without_believable_facts_the_check_says_that_it_can_not_check(
    about: RunFacts, reason: str
) -> None:
    files = {f"{B}/L001/0001.bcl.bgzf": 9}
    assert check(BGZF, about, files) == (f"can't check structure: {reason}",)


def test_a_hundred_and_fifty_thousand_files_leave_little_in_memory() -> None:
    cycle_check = CycleCheck(TILES, facts(cycles=600, tiles=38))
    tracemalloc.start()
    try:
        for number in range(150_000):
            cycle_check.see(f"Thumbnail_Images/L001/C{number}.1/s_1_1101_red.jpg", 1)
        for cycle in range(1, 601):
            for tile in range(1101, 1139):
                cycle_check.see(f"{B}/L001/C{cycle}.1/s_1_{tile}.bcl", 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cycle_check.problems() == ()
    assert peak < 1_000_000


LANES, CYCLES = 3, 12
CELLS = [(lane, cycle) for lane in range(1, LANES + 1) for cycle in range(1, CYCLES + 1)]
NAMED = re.compile(r"lane (\d): (?:all of )?cycles? (.*?)(?: of 1\.\.12)? (?:is|are) missing")


@settings(max_examples=150, deadline=None)
@given(missing=st.sets(st.sampled_from(CELLS), max_size=len(CELLS) - 1))
def test_exactly_the_missing_cycles_are_named(missing: set[tuple[int, int]]) -> None:
    files = {
        f"{B}/L{lane:03d}/{cycle:04d}.bcl.bgzf": 9
        for lane, cycle in CELLS
        if (lane, cycle) not in missing
    }
    named: set[tuple[int, int]] = set()
    for problem in check(BGZF, facts(LANES, CYCLES), files):
        match = NAMED.match(problem)
        assert match
        for word in match[2].split(", "):
            first, _, last = word.replace("..", "-").partition("-")
            cycles = range(int(first), int(last or first) + 1)
            named |= {(int(match[1]), cycle) for cycle in cycles}
    assert named == missing
