"""MinKNOW: alone, one folder per run below an experiment, or several runs pooled in one folder."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds import nanopore
from datalake_syncd.core.kinds.kind import TopFolder
from datalake_syncd.core.kinds.nanopore import NANOPORE, hash_lists, read_output_hash
from datalake_syncd.core.model import Assessment, Outcome
from datalake_syncd.steps.top_folder import matches

A = "20231205_1618_3B_PAS86456_72d9fceb"
B = "20231206_1002_3D_PAS97781_595b5663"
FINAL_A = "final_summary_PAS86456_72d9fceb_8a4fd683.txt"
FINAL_B = "final_summary_PAS97781_595b5663_efc7f02e.txt"
SHEET_A = "sample_sheet_PAS86456_20231205_1618_72d9fceb.csv"
SHEET_B = "sample_sheet_PAS97781_20231206_1002_595b5663.csv"
SUM = "0123456789abcdef" * 4


def top_of(
    paths: list[str] | dict[str, bytes],
    run: str = "experiment",
    flags: tuple[str, ...] | None = None,
) -> TopFolder:
    """What is handed to the kind when the folder holds these files."""
    folders: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        parts = path.split("/")
        for depth, name in enumerate(parts):
            folders["/".join(parts[:depth])].add(name)
    below = {
        folder: tuple(sorted(names))
        for folder, names in sorted(folders.items())
        if folder and matches(folder, NANOPORE.folders)
    }
    files = dict.fromkeys(paths, b"") if isinstance(paths, list) else paths
    metadata = {
        path.lower(): data for path, data in files.items() if matches(path, NANOPORE.metadata_files)
    }
    return TopFolder(run, tuple(sorted(folders[""])), metadata, flags=flags, below=below)


def assess(
    *paths: str, run: str = "experiment", flags: tuple[str, ...] | None = None
) -> Assessment:
    return NANOPORE.assess(top_of(list(paths), run, flags))


@pytest.mark.parametrize("name", ["experiment 1", "20231205_1618_3B_PAS86456_72d9fceb", "ø"])
def test_any_name_is_a_run(name: str) -> None:
    assert NANOPORE.is_run(name)


@pytest.mark.parametrize(
    "name",
    [
        "queued_reads", "Intermediate", "tmp", "reports", ".x", "nosync", "logs", "core-dump-db",
        "persistence", "user_scripts", "pings", "reads", "Reads",
    ],
)  # fmt: skip
def test_folders_of_minknow_itself_are_no_runs(name: str) -> None:
    assert not NANOPORE.is_run(name)


@pytest.mark.parametrize("place", ["", "sample_1/", "sample_1/" + A + "/", A + "/"])
def test_a_run_may_lie_at_any_of_three_depths(place: str) -> None:
    reads = [f"{place}pod5/x_0.pod5", f"{place}fastq_pass/barcode01/x.fastq.gz"]
    done = assess(*reads, f"{place}{FINAL_A}")
    assert done.complete
    assert done.outcome is Outcome.GOOD
    assert done.gates[0].found == "1 in 1 run folder"
    waits = assess(*reads, f"{place}report_PAS86456_20231205_1618_72d9fceb.html")
    assert not waits.complete
    assert waits.outcome is Outcome.UNKNOWN
    assert waits.gates[0].name == f"final summary of {place.rstrip('/') or 'experiment'}"


@pytest.mark.parametrize("reads", sorted(nanopore._READS))
def test_a_run_folder_is_known_by_what_is_in_it(reads: str) -> None:
    renamed = assess(f"s/renamed by hand/{reads.upper()}/x", f"t/{A}/{FINAL_A}")
    assert renamed.gates[0].name == "final summary of s/renamed by hand"


@pytest.mark.parametrize("reads", ["fast5", "FASTQ", "bam", "pod5", "fast5_pass", "bam_fail"])
def test_folders_of_reads_are_never_listed(reads: str) -> None:
    for place in (reads, f"sample/{reads}", f"sample/{reads}/0"):
        assert not matches(place, NANOPORE.folders)


@pytest.mark.parametrize("reads", ["fast5", "fastq", "bam"])
def test_a_folder_that_anybody_may_make_is_no_sign_of_a_run(reads: str) -> None:
    found = assess(f"{reads}/x", f"sample/{A}/{FINAL_A}", f"sample/{A}/pod5/a.pod5")
    assert found.complete
    assert found.gates[0].found == "1 in 1 run folder"


def test_a_run_folder_is_known_by_its_name() -> None:
    assert assess(f"s/{A}/x.txt").gates[0].name == f"final summary of s/{A}"
    assert assess("x.txt", run=A).gates[0].name == f"final summary of {A}"


def test_one_run_of_several_that_lacks_its_summary_is_named() -> None:
    whole = [f"sample_1/{A}/pod5/a.pod5", f"sample_1/{A}/{FINAL_A}", f"sample_2/{B}/pod5/b.pod5"]
    found = assess(*whole)
    assert not found.complete
    assert found.gates[0].name == f"final summary of sample_2/{B}"
    both = assess(*whole, f"sample_2/{B}/{FINAL_B}")
    assert both.complete
    assert both.gates[0].found == "2 in 2 run folders"


def test_pooled_runs_are_told_apart_by_their_sample_sheets() -> None:
    pooled = [f"s/{name}" for name in ("pod5/a.pod5", SHEET_A, SHEET_B, FINAL_A)]
    found = assess(*pooled)
    assert not found.complete
    assert found.gates[0].name == "final summary of run 595b5663 of s"
    assert assess(*pooled, f"s/{FINAL_B}").complete
    # The summary of another run of the same flow cell does not count for this one.
    other = "final_summary_PAS97781_00000000_595b566.txt"
    assert not assess(*pooled, f"s/{other}").complete


@pytest.mark.parametrize(
    "name",
    [
        SHEET_B,
        "report_PAS97781_20231206_1002_595b5663.html",
        "report_PAS97781_20231206_1002_595b5663.json",
        "output_hash_PAS97781_20231206_1002_595b5663.csv",
        "sequencing_summary_PAS97781_595b5663_efc7f02e.txt",
        "sequencing_summary_PAS97781_595b5663_efc7f02e.txt.gz",
        "throughput_PAS97781_595b5663_efc7f02e.csv",
        "pore_activity_PAS97781_595b5663_efc7f02e.csv",
        "barcode_alignment_PAS97781_595b5663_efc7f02e.tsv",
        "BARCODE_ALIGNMENT_PAS97781_595B5663.TSV",
        # Flow cells whose id looks like that of a run, or holds what stands between ids.
        "throughput_FAB12345_595b5663_efc7f02e.csv",
        "throughput_FAB12345_595b5663.csv",
        "throughput_FLG_TEST01_595b5663_efc7f02e.csv",
    ],
)
def test_a_pooled_run_is_told_by_any_file_that_minknow_names_after_it(name: str) -> None:
    pooled = [f"s/{one}" for one in ("pod5/a.pod5", SHEET_A, FINAL_A, name)]
    found = assess(*pooled)
    assert not found.complete
    assert found.gates[0].name == "final summary of run 595b5663 of s"
    assert assess(*pooled, f"s/{FINAL_B}").complete


@pytest.mark.parametrize(
    "name",
    [
        "report_of_mine.html", "sequencing_summary.txt", "throughput_2023.csv", "duty_time.csv",
        "sequencing_summary_FAB12345.txt", "final_summary_notes_595b5663.md", "595b5663.csv",
    ],
)  # fmt: skip
def test_other_files_tell_of_no_run(name: str) -> None:
    assert assess(f"s/{FINAL_A}", "s/pod5/a.pod5", f"s/{name}").complete


def test_the_files_of_2020_to_2022_have_one_id_of_the_run_or_of_its_acquisition() -> None:
    # As in 20220118_1558_1F_PAI08255_70f005aa; its final summary has both ids inside.
    inside = b"protocol_run_id=70F005AA-07d6-49bc\nacquisition_run_id=02964990ca5c084119\n"
    files = {
        "s/fastq_pass/a.fastq.gz": b"",
        "s/sample_sheet_PAI08255_20220118_1558_70f005aa.csv": b"",
        "s/report_PAI08255_20220118_1558_70f005aa.md": b"",
        "s/sequencing_summary_PAI08255_02964990.txt": b"",
        "s/final_summary_PAI08255_02964990.txt": inside,
    }
    assert NANOPORE.assess(top_of(files)).complete
    pooled = {**files, "s/throughput_PAI08256_595b5663.csv": b""}
    found = NANOPORE.assess(top_of(pooled))
    assert found.gates[0].name == "final summary of run 595b5663 of s"
    del files["s/final_summary_PAI08255_02964990.txt"]
    assert NANOPORE.assess(top_of(files)).gates[0].name == "final summary of s"


def test_several_summaries_in_a_pooled_folder_are_fine() -> None:
    found = assess(f"s/{FINAL_A}", f"s/{FINAL_B}", "s/pod5/a.pod5")
    assert found.complete
    assert found.gates[0].found == "2 in 1 run folder"


def test_the_summary_of_2019_names_no_run() -> None:
    assert assess("fast5_pass/a.fast5", SHEET_A, "final_summary.txt").complete


def test_a_folder_without_any_run_waits() -> None:
    found = assess("notes.txt", "sample_1/readme.txt", "sample_sheet_of_mine.csv")
    assert not found.complete
    assert found.gates[0].found == "no folder of a MinKNOW run"


def test_flags_of_the_configuration_replace_the_rule() -> None:
    assert not assess(FINAL_A, flags=("DONE",)).complete
    assert assess("pod5/a.pod5", "done", flags=("DONE",)).complete


SUMMARY = b"""instrument=PCT0013\r
position=2-E11-H11
flow_cell_id=%s
protocol_group_id=group
protocol_run_id=5884d9f2-07d6-49bc-9bbd-6903374a7a13
started=2019-09-26T21:05:29.202517+01:00
fast5_files_in_final_dest=786
a line without
\x1b=\xff
"""


def test_facts_come_from_the_summaries_of_all_runs() -> None:
    files = {f"a/{FINAL_A}": SUMMARY % b"PAE1", f"b/{FINAL_B}": SUMMARY % b"\x1bPAE2"}
    facts = NANOPORE.assess(top_of(files)).facts
    assert facts.instrument_id == "PCT0013"
    assert facts.flowcell == "PAE1, \x1bPAE2", "facts are escaped where they are shown"
    assert facts.run_id == "5884d9f2-07d6-49bc-9bbd-6903374a7a13"
    assert facts.date == "2019-09-26T21:05:29.202517+01:00"
    assert facts.experiment == "group"
    many = {f"{n}/{FINAL_A}": SUMMARY % str(n).encode() for n in range(9)}
    assert NANOPORE.assess(top_of(many)).facts.flowcell == "0, 1, 2, 3, 4 and 4 more"
    unreadable = TopFolder("r", (FINAL_A,), {FINAL_A.lower(): None})
    assert NANOPORE.assess(unreadable).complete


@settings(max_examples=300)
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [b"protocol_run_id=", b"flow_cell_id", b"instrument=", b"started=", b"=",
                 b"x" * 300, b"acquisition_run_id=595b5663", b"PROTOCOL_GROUP_ID = ", b"\n", b"\r",
                 b"\0", b"\xff", "ø\u2028\u0130".encode(), b"\xed\xa0\x80", b"\x1b"]
            ),
            max_size=30,
        ).map(b"".join)
        | st.binary(max_size=100),
        max_size=9,
    )
)  # fmt: skip
def test_any_bytes_of_summaries_give_short_facts_or_none(summaries: list[bytes]) -> None:
    files = {f"s/final_summary_{number}.txt": data for number, data in enumerate(summaries)}
    found = NANOPORE.assess(top_of(files))
    assert found.complete is bool(files)
    told = json.loads(json.dumps(asdict(found.facts)))
    for fact in (found.facts.run_id, found.facts.instrument_id, found.facts.flowcell,
                 found.facts.date, found.facts.experiment):  # fmt: skip
        assert fact is None or (fact and len(fact) < 1100)
        assert fact is None or fact.encode().decode() == fact
    assert told["run_id"] == found.facts.run_id


def test_a_summary_without_end_is_read_to_its_first_pages() -> None:
    lines = b"".join(b"flow_cell_id=F%d\n" % number for number in range(300_000))
    facts = NANOPORE.assess(top_of({FINAL_A: lines})).facts
    assert facts.flowcell is not None
    assert facts.flowcell.startswith("F0, F1, F2, F3, F4 and ")


@settings(max_examples=300)
@given(
    st.text(st.sampled_from("fastqbmpod5_iklx["), max_size=12)
    | st.sampled_from(sorted(nanopore._NOT_LISTED)).flatmap(
        lambda word: (
            st.integers(0, len(word)).map(lambda n: word[:n])
            | st.sampled_from([word + "x", word + "_", word.upper(), "x" + word])
        )
    )
)
def test_every_folder_is_listed_but_those_of_reads(name: str) -> None:
    if name:
        wanted = name.lower() not in nanopore._NOT_LISTED
        assert matches(name, NANOPORE.folders) is wanted
        assert matches(f"sample/{name}", NANOPORE.folders) is wanted


def hashes(*rows: tuple[str, str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ["runid", "protocol_group_id", "flow_cell_id", "sample_id", "file_hash", "file_path"]
    )
    for digest, path in rows:
        writer.writerow(["e4994c62", "group", "PAS86456", "s", digest, path])
    return text.getvalue().encode()


LIST = f"s/{A}/output_hash_PAS86456_20231205_1618_72d9fceb.csv"


def test_the_hashes_of_minknow_are_a_checksum_list() -> None:
    top = top_of([f"s/{A}/{FINAL_A}", LIST, "s/output_hash.txt", f"s/{A}/pod5/output_hash_x.csv"])
    assert hash_lists(top) == (LIST,)
    data = hashes(
        (SUM, "bam_pass/foo.bam"), ("", "pod5\\foo.pod5"), (SUM.upper(), f"/data/g/s/{A}/x y,z.txt")
    )
    result = read_output_hash(LIST, data)
    assert result.problems == ()
    assert dict(result.entries) == {
        f"s/{A}/bam_pass/foo.bam": f"sha256:{SUM}",
        f"s/{A}/pod5/foo.pod5": "",
        f"s/{A}/x y,z.txt": f"sha256:{SUM}",
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "lists no file"),
        (b"a,b\n1,2\n", "line 1: no columns file_path and file_hash"),
        (b"file_path,file_hash,file_path\na,,b\n", "line 1: no columns file_path and file_hash, e"),
        (b"x,x,file_path,file_hash\na,b,c\n", "line 2: 3 columns of 4"),
        (hashes((SUM, "D:\\elsewhere\\x.bam")), "line 2: an absolute path: 'D:/elsewhere/x.bam'"),
        (hashes((SUM, "/elsewhere/x.bam")), "line 2: an absolute path: '/elsewhere/x.bam'"),
        (hashes((SUM[:-1], "x.bam")), "line 2: no SHA-256: '"),
        (hashes((SUM, "../x.bam")), "line 2: not a file inside the run"),
        (hashes((SUM, "x.bam"))[:-20], "line 2: 5 columns of 6"),
        (hashes((SUM, "x.bam"), (SUM[::-1], "x.bam")), "line 3: another checksum of the same file"),
    ],
)
def test_what_can_not_be_read_of_them_is_told(data: bytes, words: str) -> None:
    assert read_output_hash(LIST, data).problems[0].startswith(words)


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (f"s/{A}/", rf"C:\data\g\s\{A}\bam_pass\x.bam"),
        (f"s/{A}/", f"d:/data/g/s/{A}/bam_pass/x.bam"),
        (f"s/{A}/", rf"\\server\share\s\{A}\bam_pass\x.bam"),
        ("", rf"C:\data\g\s\{A}\bam_pass\x.bam"),
        ("", f"/data/g/s/{A}/bam_pass/x.bam"),
        ("s/renamed by hand/", rf"C:\data\g\s\{A}\bam_pass\x.bam"),
    ],
)
def test_absolute_paths_are_cut_below_the_run_folder(place: str, path: str) -> None:
    found = read_output_hash(f"{place}output_hash_x.csv", hashes((SUM, path)))
    assert found.problems == ()
    assert dict(found.entries) == {f"{place}bam_pass/x.bam": f"sha256:{SUM}"}


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(["file_path", "file_hash", "FILE_PATH", " x", "", "x"]), max_size=6
    ).map(",".join),
    st.lists(
        st.lists(st.sampled_from(["a", SUM, "", "C:\\a", f"/{A}/b", '"', "\r"]), max_size=6),
        max_size=3,
    ),
)
def test_any_columns_give_files_of_the_run_or_problems(header: str, rows: list[list[str]]) -> None:
    text = "\n".join([header, *map(",".join, rows)])
    result = read_output_hash(LIST, text.encode())
    assert result.entries or result.problems
    assert all(path.startswith(f"s/{A}/") for path in result.entries)


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            ["file_path,file_hash", f"a,{SUM}", "../a,", "/x/y,", '"', "\0", "ø,", ","]
        ),
        max_size=6,
    ).map("\n".join)
    | st.text(max_size=60)
)
def test_any_text_gives_files_of_the_run_or_problems(text: str) -> None:
    result = read_output_hash(LIST, text.encode("utf-8", "surrogatepass"))
    assert result.entries or result.problems
    assert all(path.startswith(f"s/{A}/") for path in result.entries)
    assert all(problem.isprintable() for problem in result.problems)


def test_real_run_folders_are_judged(instrument_files: Path) -> None:
    listings = instrument_files / "_listings"
    cg = [
        line.split("/nanopore/")[1]
        for line in (listings / "git_ont_cg.txt").read_text().splitlines()
    ]
    below = [path.split("/", 1)[1] for path in cg]
    found = NANOPORE.assess(top_of(below))
    assert found.complete
    assert found.gates[0].found == "2 in 2 run folders"
    cut = [path for path in below if "final_summary_PAS97781" not in path]
    assert not NANOPORE.assess(top_of(cut)).complete

    gridion = (listings / "git_ont_gridion_valet.txt").read_text().splitlines()
    runs = [line.split("/gridion/66/")[1] for line in gridion if "/gridion/66/" in line]
    assert NANOPORE.assess(top_of(runs, "66")).complete
    # Each file that is named after this run tells of it where it is pooled with another one.
    names = [path.split("/")[2] for path in runs if path.count("/") == 2]
    of_the_run = [name for name in names if "43578c8f" in name and "final_summary" not in name]
    assert len(of_the_run) == 9
    for name in of_the_run:
        pooled = assess(f"s/{FINAL_A}", "s/fastq_pass/a.fastq", f"s/{name}")
        assert pooled.gates[0].name == "final summary of run 43578c8f of s"
    begun = [line.split("/DN467851H_Multiplex_Pool_1/")[1] for line in gridion if "Pool_1/" in line]
    assert not NANOPORE.assess(top_of(begun)).complete


def test_a_real_summary_gives_its_facts(instrument_files: Path) -> None:
    (path,) = instrument_files.rglob("final_summary.txt")
    facts = NANOPORE.assess(top_of({"final_summary.txt": path.read_bytes()})).facts
    assert facts.instrument_id == "PCT0013"
    assert facts.flowcell == "PAE00827"
