"""The simulated sequencer writes what an instrument writes, in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.sequencer import MiSeqRun, NextSeqRun, SequencerRun

RUNS = [
    MiSeqRun("180105_M00000_0001_000000000-AAAAA", index_reads=(2,), analysis="done"),
    NextSeqRun("180612_NB501016_0001_AHXXXXXXXX", index_reads=(2,)),
]


@pytest.mark.parametrize("run", RUNS, ids=["miseq", "nextseq"])
def test_the_tree_on_disk_is_what_files_gives(run: SequencerRun, tmp_path: Path) -> None:
    folder = run.write_all(tmp_path)
    assert folder == tmp_path / run.name
    on_disk = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert on_disk == run.files()


@pytest.mark.parametrize("run", RUNS, ids=["miseq", "nextseq"])
def test_a_pause_comes_after_each_cycle_and_finds_no_flag(
    run: SequencerRun, tmp_path: Path
) -> None:
    pauses: list[bool] = []
    flag = tmp_path / run.name / "RTAComplete.txt"
    run.write(tmp_path, lambda: pauses.append(flag.exists()))
    assert pauses == [False] * 14
    assert flag.exists()


def test_same_seed_same_bytes_other_seed_other_bytes() -> None:
    name = "180612_NB501016_0001_AHXXXXXXXX"
    assert NextSeqRun(name, seed=5).files() == NextSeqRun(name, seed=5).files()
    one, other = NextSeqRun(name, seed=5).files(), NextSeqRun(name, seed=6).files()
    path = "Data/Intensities/BaseCalls/L001/0001.bcl.bgzf"
    assert one[path] != other[path]
    assert one.keys() == other.keys()


@pytest.mark.parametrize("size", [0, 1, 3, 64, 100_000])
def test_base_calls_have_the_size_that_was_asked_for(size: int) -> None:
    for run in (MiSeqRun("1_M_1_A", bytes_per_bcl=size), NextSeqRun("1_N_1_A", bytes_per_bcl=size)):
        sizes = {
            len(content)
            for path, content in run.files().items()
            if path.endswith((".bcl", ".bcl.bgzf"))
        }
        assert sizes == {size}


def test_order_at_the_end_of_a_run() -> None:
    paths = [event[0] for event in RUNS[1].events() if event]
    assert paths[-1] == "RunCompletionStatus.xml"
    assert paths.index("RTARead2Complete.txt") < paths.index("RTAComplete.txt")
    assert paths[0] == "RunParameters.xml"
    assert paths.count("RunInfo.xml") == 2
    paths = [event[0] for event in RUNS[0].events() if event]
    last = [path for path in paths if path.endswith((".txt", "JobInfo.xml"))][-3:]
    assert last == ["RTAComplete.txt", "QueuedForAnalysis.txt", "CompletedJobInfo.xml"]


def test_sample_sheet_is_version_one() -> None:
    assert RUNS[0].sample_sheet().startswith(b"[Header]\r\n")
    assert b"\r\n[Reads]\r\n8\r\n\r\n[Settings]" in RUNS[0].sample_sheet()
