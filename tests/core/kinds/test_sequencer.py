"""The simulated sequencer writes what an instrument writes, in its order."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.sequencer import MODELS, MiSeqRun, NextSeqRun, SequencerRun
from tests.illumina import CBCL_KINDS, NAMES, run_of

RUNS = [
    MiSeqRun("180105_M00000_0001_000000000-AAAAA", index_reads=(2,), analysis="done"),
    NextSeqRun("180612_NB501016_0001_AHXXXXXXXX", index_reads=(2,)),
]
EVERY = [*RUNS, *(run_of(kind) for kind in NAMES), run_of("novaseqx", analyses={"1": True})]
every_run = pytest.mark.parametrize("run", EVERY, ids=lambda run: run.kind)


def test_the_list_of_models() -> None:
    assert [model.kind for model in MODELS] == list(NAMES)


@every_run
def test_the_tree_on_disk_is_what_files_gives(run: SequencerRun, tmp_path: Path) -> None:
    folder = run.write_all(tmp_path)
    assert folder == tmp_path / run.name
    on_disk = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert on_disk == run.files()


@every_run
def test_a_pause_comes_after_each_cycle_and_finds_no_flag(
    run: SequencerRun, tmp_path: Path
) -> None:
    pauses: list[bool] = []
    flag = tmp_path / run.name / "RTAComplete.txt"
    run.write(tmp_path, lambda: pauses.append(flag.exists()))
    assert pauses == [False] * run.total_cycles
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


def order_of(run: SequencerRun) -> list[str]:
    """The paths in the order in which they are written for the last time."""
    paths = [event[0] for event in run.events() if event]
    return list(dict.fromkeys(reversed(paths)))[::-1]


@pytest.mark.parametrize("kind", CBCL_KINDS)
def test_base_calls_arrive_after_rta_complete_and_before_copy_complete(kind: str) -> None:
    order = order_of(run_of(kind))
    last = max(place for place, path in enumerate(order) if path.endswith(".cbcl"))
    assert order.index("RTAComplete.txt") < last < order.index("CopyComplete.txt")
    assert last < order.index("RunParameters.xml") < order.index("CopyComplete.txt")
    assert order[-1] == "CopyComplete.txt"


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("miniseq", ["RTAComplete.txt", "QueuedForAnalysis.txt", "CompletedJobInfo.xml"]),
        ("iseq", ["RTAComplete.txt", "CopyComplete.txt"]),
        ("hiseq2500", ["Basecalling_Netcopy_complete.txt", "RTAComplete.txt"]),
        ("hiseqx", ["RTAComplete.txt", "SequencingComplete.txt"]),
        ("novaseq6000", ["SequenceComplete.txt", "RTAComplete.txt", "CopyComplete.txt"]),
        ("nextseq2000", ["RTAComplete.txt", "RunCompletionStatus.xml", "CopyComplete.txt"]),
    ],
)
def test_order_of_the_flags_at_the_end(kind: str, end: list[str]) -> None:
    flags = [path for path in order_of(run_of(kind)) if path in end]
    assert flags == end


def test_an_analysis_comes_after_the_run_and_its_own_flag_last() -> None:
    order = order_of(run_of("novaseqx", analyses={"1": True, "2": False}))
    assert order.index("Manifest.tsv") < order.index("CopyComplete.txt")
    flag = order.index("Analysis/1/CopyComplete.txt")
    assert order.index("CopyComplete.txt") < order.index("Analysis/1/Manifest.tsv") < flag
    assert "Analysis/2/CopyComplete.txt" not in order
    assert "Analysis/2/Manifest.tsv" in order


def test_a_path_that_is_left_out_is_listed_all_the_same() -> None:
    path = "Data/Intensities/BaseCalls/L001/C1.1/L001_1.cbcl"
    files = run_of("novaseqx", without=(path,)).files()
    assert path not in files
    assert path in files["Manifest.tsv"].decode()


def test_a_wrong_checksum_is_the_only_difference() -> None:
    right = run_of("novaseqx", analyses={"1": True}).files()
    path = "Analysis/1/Data/BCLConvert/fastq/Reports/Demultiplex_Stats.csv"
    wrong = run_of("novaseqx", analyses={"1": True}, wrong_checksum=path).files()
    assert [name for name in right if right[name] != wrong[name]] == ["Analysis/1/Manifest.tsv"]


def test_sample_sheet_is_version_one() -> None:
    assert RUNS[0].sample_sheet().startswith(b"[Header]\r\n")
    assert b"\r\n[Reads]\r\n8\r\n\r\n[Settings]" in RUNS[0].sample_sheet()
