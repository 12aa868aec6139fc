"""PacBio: a run is through when every cell is; a Revio's list of files is taken by its word."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds.kind import ChecksumList, TopFolder
from datalake_syncd.core.kinds.pacbio import PACBIO, read_transfer_list, transfer_lists
from datalake_syncd.core.model import Assessment, Outcome
from datalake_syncd.steps.top_folder import matches

RUN = "r84047_20230404_164149"
MOVIE = "m84047_230404_164952_s1"
LIST = f"1_A01/metadata/{MOVIE}.transferdone"


def top_of(paths: list[str], run: str = RUN, flags: tuple[str, ...] | None = None) -> TopFolder:
    """What is handed to the kind when the run holds these files."""
    folders: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        parts = path.split("/")
        for depth, name in enumerate(parts):
            folders["/".join(parts[:depth])].add(name)
    below = {
        folder: tuple(sorted(names))
        for folder, names in sorted(folders.items())
        if folder and matches(folder, PACBIO.folders)
    }
    return TopFolder(run_name=run, names=tuple(sorted(folders[""])), below=below, flags=flags)


def assess(*paths: str, flags: tuple[str, ...] | None = None) -> Assessment:
    return PACBIO.assess(top_of(list(paths), flags=flags))


@pytest.mark.parametrize(
    "name", ["r54097_20170727_165601", "r64089e_20220615_171559", "r84047_20230404_164149"]
)
def test_names_of_runs(name: str) -> None:
    assert PACBIO.is_run(name)


@pytest.mark.parametrize(
    "name",
    ["r84047_20230404", "84047_20230404_164149", "r84047_20230404_164149.tmp", "nosync", "1_A01"],
)
def test_names_of_others(name: str) -> None:
    assert not PACBIO.is_run(name)


@pytest.mark.parametrize(
    ("name", "odd"),
    [
        (RUN, False),
        (f"{RUN}_old", True),
        (f"{RUN} (2)", True),
        (f"{RUN.upper()}.bak", True),
        (f"{RUN}0", True),
        (f"{RUN}.tmp", False),
        (f"old_{RUN}", False),
        (RUN[:-1], False),
    ],
)
def test_a_name_that_was_made_out_of_a_runs_name_is_odd(name: str, odd: bool) -> None:
    assert PACBIO.odd_name(name) is odd
    assert not (odd and PACBIO.is_run(name))


def test_every_cell_must_be_transferred() -> None:
    both = assess("1_A01/m1.bam", "1_A01/m1.transferdone", "2_B01/metadata/m2.transferdone")
    assert both.complete
    assert both.outcome is Outcome.GOOD
    assert both.gates[0].found == "all 2 cells are transferred"
    assert (both.facts.run_id, both.facts.instrument_id) == (RUN, "84047")
    assert both.facts.date == "20230404"

    one = assess("1_A01/m1.transferdone", "1_B01/m2.bam", "1_C01/Transfer_Test_230214_022138.txt")
    assert not one.complete
    assert one.outcome is Outcome.UNKNOWN
    assert [(gate.name, gate.found) for gate in one.gates] == [
        ("SMRT cell 1_B01", "not transferred yet, of 3 cells"),
        ("SMRT cell 1_C01", "not begun, of 3 cells"),
    ]
    assert all(gate.part and not gate.needs_person for gate in one.gates)


@pytest.mark.parametrize(
    "path",
    [
        "m1.transferdone",
        "2_A01.transferdone",
        "1_A01/statistics/m1.transferdone",
        "1_A01/metadata/old/m1.transferdone",
        "1_A01/m1.transferdone.tmp",
        "1_B01/m1.transferdone",
    ],
)
def test_a_word_in_another_place_is_not_this_cells_word(path: str) -> None:
    found = assess("1_A01/m1.bam", path)
    assert not found.complete
    assert found.gates[0].name == "SMRT cell 1_A01"


def test_a_run_without_cells_waits() -> None:
    found = assess("readme.txt", "A01/m1.transferdone")
    assert not found.complete
    assert found.gates[0].found == "no folder of a SMRT cell, such as 1_A01"


def test_flags_of_the_configuration_replace_the_rule() -> None:
    assert not assess("1_A01/m1.transferdone", flags=("DONE",)).complete
    assert assess("1_A01/m1.bam", "DONE", flags=("done",)).complete


def revio(*files: str, nfiles: int | None = None, movie: str = MOVIE) -> bytes:
    count = len(files) if nfiles is None else nfiles
    lines = [f"Transfer Manifest nfiles: {count}", f"AcqId 0-0 transfer list size : {count}"]
    return "\n".join([*lines, *(f"/data/icc/{movie}/{file}" for file in files)]).encode()


def test_the_list_of_a_revio_names_files_below_its_cell() -> None:
    result = read_transfer_list(LIST, revio("hifi_reads/a.bam", "metadata/nvidia-smi.log"))
    assert result.problems == ()
    assert dict(result.entries) == {
        "1_A01/hifi_reads/a.bam": "",
        "1_A01/metadata/nvidia-smi.log": "",
    }
    beside = read_transfer_list(f"1_A01/{MOVIE}.transferdone", revio("hifi_reads/a.bam"))
    assert dict(beside.entries) == {"1_A01/hifi_reads/a.bam": ""}


WORDS = [b"", b"\n", b"done\n", b"2021-01-14 16:27\n", b"2021/01/14 16:27\n", b"1/14/2021 4:27 PM"]


@pytest.mark.parametrize("data", WORDS)
def test_an_empty_word_of_a_sequel_lists_nothing(data: bytes) -> None:
    assert read_transfer_list("1_A01/m1.transferdone", data) == ChecksumList({})


@pytest.mark.parametrize("data", [*WORDS, revio(), b"Transfer Manifest nfiles: 0\n"])
def test_a_revio_that_lists_nothing_is_told_and_stops_nothing(data: bytes) -> None:
    result = read_transfer_list(LIST, data)
    assert (dict(result.entries), result.problems) == ({}, ())
    assert result.remark.startswith("lists no file")


@pytest.mark.parametrize("lost", [1, 2])
def test_a_list_without_its_first_lines_is_read_and_told(lost: int) -> None:
    lines = revio("hifi_reads/a.bam", "b.xml").split(b"\n")[lost:]
    result = read_transfer_list(LIST, b"\n".join(lines))
    assert result.problems == ("line 1: no line 'nfiles: N', 2 listed",)
    assert list(result.entries) == ["1_A01/hifi_reads/a.bam", "1_A01/b.xml"]


def test_the_number_of_files_may_stand_anywhere_and_the_first_counts() -> None:
    head, other, *paths = revio("a.bam", "b.bam").split(b"\n")
    data = b"\n".join([other, *paths, head, b"nfiles: 7"])
    result = read_transfer_list(LIST, data)
    assert result.problems == ()
    assert len(result.entries) == 2


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (revio("a.bam", nfiles=2), "line 1: 2 files announced, 1 listed"),
        (revio(nfiles=57), "line 1: 57 files announced, 0 listed"),
        (revio("a.bam", "b.bam", nfiles=1), "line 1: 1 files announced, 2 listed"),
        (revio("a.bam", movie="m84047_other_s1"), f"line 3: no file of {MOVIE}: '/data/icc/m84047"),
        (revio("../../2_A01/a.bam"), "line 3: not a file inside the run"),
        (b"nfiles: 12345678901234567890\n/x/%s/a.bam" % MOVIE.encode(), "line 1: no line 'nfiles:"),
        (b"nfiles 1\n/x/%s/a.bam" % MOVIE.encode(), "line 1: no line 'nfiles: N', 1 listed"),
        (b"/x/%s/a.bam" % MOVIE.encode(), "line 1: no line 'nfiles: N', 1 listed"),
    ],
)
def test_a_list_that_is_cut_or_of_another_cell_is_told(data: bytes, words: str) -> None:
    assert read_transfer_list(LIST, data).problems[0].startswith(words)


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            ["Transfer Manifest nfiles: 2", "nfiles: x", "AcqId", f"/data/icc/{MOVIE}/a/b.bam",
             f"/{MOVIE}/../x", f"/data/{MOVIE}//", "/x", "\0", "\r", "", "\x1b", "ø"]
        ),
        max_size=8,
    ).map("\n".join)
    | st.text(max_size=50)
)  # fmt: skip
def test_any_text_gives_files_of_the_cell_or_problems(text: str) -> None:
    result = read_transfer_list(LIST, text.encode("utf-8", "surrogatepass"))
    assert all(path.startswith("1_A01/") and ".." not in path for path in result.entries)
    assert set(result.entries.values()) <= {""}
    assert all(problem.isprintable() for problem in result.problems)
    paths = [line for line in text.split("\n") if "/" in line and not re.match(r"\s*\d+/", line)]
    assert result.entries or result.problems or (result.remark and not paths)


def test_real_lists_are_read(instrument_files: Path) -> None:
    paths = sorted(instrument_files.rglob("*.transferdone"))
    assert len(paths) > 5
    for path in paths:
        cell = path.parent.parent.name
        result = read_transfer_list(f"{cell}/metadata/{path.name}", path.read_bytes())
        told = re.search(r"nfiles: (\d+)", path.read_text())
        assert told is not None
        assert (result.problems, result.remark) == ((), "")
        assert len(result.entries) == int(told[1])
        assert all(name.startswith(f"{cell}/") for name in result.entries)


def test_real_run_folders_are_judged(instrument_files: Path) -> None:
    listing = instrument_files / "_listings" / "git_pacbio_npg.txt"
    runs: dict[str, list[str]] = defaultdict(list)
    for line in listing.read_text().splitlines():
        _, _, path = line.partition("/sequence/")
        if path:
            run, _, below = path.partition("/")
            runs[run].append(below)
    verdicts = {run: PACBIO.assess(top_of(paths, run)).complete for run, paths in runs.items()}
    assert verdicts == {
        "r54097_20170727_165601": True,
        "r64089e_20220615_171559": True,
        "r64089e_20220930_164018": False,  # no .transferdone among the files of its two cells
        "r64094e_20221214_160714": True,
        "r64174e_20210114_161659": True,
        "r84047_20230404_164149": True,
        "r84098_20240219_101849": True,
        "r84098_20240321_105751": True,
    }
    cells = transfer_lists(top_of(runs["r84047_20230404_164149"]))
    assert [path.split("/")[0] for path in cells] == ["1_A01", "1_B01", "1_C01"]
