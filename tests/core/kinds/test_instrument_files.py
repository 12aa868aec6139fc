"""Every metadata file that a real instrument wrote is read, or says in one line why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from datalake_syncd.core.kinds import KINDS, ChecksumList, TopFolder
from datalake_syncd.core.kinds.checksums import read_crc_manifest, read_sum_list
from datalake_syncd.core.kinds.illumina.family import NEXTSEQ500
from datalake_syncd.core.kinds.illumina.runinfo import IlluminaFacts, read_run_info
from datalake_syncd.core.kinds.illumina.runparameters import read_run_parameters
from datalake_syncd.core.kinds.illumina.runstatus import read_job_info, read_run_status
from datalake_syncd.core.kinds.nanopore import read_output_hash
from datalake_syncd.core.kinds.pacbio import read_transfer_list
from datalake_syncd.core.model import Outcome
from tests.illumina import assess

FILES = Path(__file__).parents[4] / "shared" / "instrument-files"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="no instrument files here")


def files(ending: str) -> list[Path]:
    return sorted(path for path in FILES.rglob("*.xml") if path.name.lower().endswith(ending))


@pytest.mark.parametrize("path", files("runinfo.xml"), ids=lambda path: str(path.parent.name))
def test_run_info(path: Path) -> None:
    result = read_run_info(path.read_bytes())
    assert result.problem == ""
    assert result.facts.run_id
    assert result.facts.lanes
    assert result.facts.cycles
    assert result.facts.tiles
    assert result.facts.surfaces
    for fact in (result.facts.run_number, result.facts.instrument_id, result.facts.flowcell):
        assert fact
    assert result.facts.date


@pytest.mark.parametrize("path", files("runparameters.xml"), ids=lambda path: path.parent.name)
def test_run_parameters(path: Path) -> None:
    result = read_run_parameters(path.read_bytes())
    assert result.problem == ""
    assert result.facts.run_id
    assert result.facts.software
    assert result.facts.instrument_id
    assert result.facts.run_number
    assert result.facts.flowcell
    assert result.facts.planned_cycles


#: Real runs: kind | folder | cycles of the reads | date | lanes, tiles, surfaces | software.
REAL = """
miseq | 130417_M00146_0021_000000000-A2WDF | 121 121 | 130417 | 1 28 2 |
  MiSeq Control Software 2.2.0, RTA 1.17.28
miseq | 230825_M04034_0043_000000000-L6NVV | 151 8 8 151 | 230825 | 1 28 2 |
  MiSeq Control Software 4.0.0.1769, RTA 1.18.54.4
miniseq | 180103_M000000_0000_0000000000 | 151 8 8 151 | 180103 | 1 24 2 |
  MiniSeq Control Software 1.1.8.0, RTA 2.8.6.0
# Its list of tiles names lanes 1 and 2, but it writes four.
nextseq500 | 141212_NS500318_0033_AH16YMBGXX | 76 8 8 | 141212 | 4 432 2 |
  NextSeq Control Software 1.3.0.23, RTA 2.1.3
nextseq500 | 170609_NB551051_0017_AHLFFJBGX2 | 75 8 75 | 170609 | 4 216 2 |
  NextSeq Control Software 2.1.0.31, RTA 2.4.11
# An SP flow cell: SurfaceCount is 2, one surface is scanned.
novaseq6000 | 200624_A00834_0183_BHMTFYTINY | 36 10 10 | 6/24/2020 4:30:24 PM | 2 156 1 |
  NovaSeq Control Software 1.6.0, RTA v3.4.4
novaseqx | 20240531_LH00130_0061_A22CC55LT4 | 151 8 8 151 | 2024-06-01T04:25:08Z | 8 784 2 |
  NovaSeqXSeries Control Software 1.2.0.28691
hiseq2500 | 140923_SN7001179_0208_BC59Y4ACXX | 101 101 | 140923 | 8 96 2 |
  HiSeq Control Software 2.0.5, RTA 1.17.20
hiseq2500 | 141212_D00535_0038_BC6A12ANXX | 51 7 | 141212 | 8 96 2 |
  HiSeq Control Software 2.2.38, RTA 1.18.61
"""


def runs_of(table: str) -> list[list[str]]:
    """The rows of a table, each over two lines."""
    lines = [line for line in table.splitlines() if line and not line.startswith("#")]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return [[cell.strip() for cell in "".join(pair).split("|")] for pair in pairs]


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


@pytest.mark.parametrize(("kind", "folder", "cycles", "date", "counts", "software"), runs_of(REAL))
def test_facts_of_a_real_run(
    kind: str, folder: str, cycles: str, date: str, counts: str, software: str
) -> None:
    reads = numbers(cycles)
    place = next(path for path in FILES.rglob(folder) if (path / "RunInfo.xml").exists())
    top = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    facts = assess(KINDS[kind], top, name=folder).facts
    assert isinstance(facts, IlluminaFacts)
    assert (facts.run_id or "").split("_")[:3] == folder.split("_")[:3]
    assert facts.instrument_id == folder.split("_")[1]
    assert (facts.flowcell or "?") in (facts.run_id or "")
    assert facts.run_number
    assert facts.experiment
    assert tuple(cycles for _, cycles, _ in facts.reads) == reads
    assert facts.planned_cycles == sum(reads)
    assert facts.date == date
    assert facts.software == software
    assert (facts.lanes, facts.tiles, facts.surfaces) == numbers(counts)
    ended = "RunCompletionStatus.xml" in top
    assert facts.completed_cycles == (sum(reads) if ended else None)


KIND_NAMES = sorted(name for name, kind in KINDS.items() if kind.growing is None)


@pytest.mark.parametrize("name", KIND_NAMES)
def test_no_file_at_all_makes_a_kind_raise(name: str, contents: list[bytes]) -> None:
    """Each file as every metadata file of a run at once: judged, and its tree looked at."""
    kind = KINDS[name]
    places = [pattern.replace("*", "x") for pattern in kind.metadata_files]
    names = tuple(dict.fromkeys([*kind.flags, "pod5", *(place.split("/")[0] for place in places)]))
    for data in contents:
        metadata = dict.fromkeys(map(str.lower, places), data)
        found = kind.assess(TopFolder("180612_NB501016_0001_AHXXXXXXXX", names, metadata))
        assert found.gates
        assert all(gate.name.isprintable() and gate.found.isprintable() for gate in found.gates)
        assert len(json.dumps(asdict(found.facts))) < 10_000
        check = kind.structure(found.facts)
        if check is not None:
            check.see("Data/Intensities/BaseCalls/L001/0001.bcl.bgzf", 1)
            assert all(problem.isprintable() for problem in check.problems())


@pytest.mark.parametrize(
    ("read", "path"),
    [
        (read_sum_list, "md5sum.txt"),
        (read_crc_manifest, "Analysis/1/Manifest.tsv"),
        (read_transfer_list, "1_A01/metadata/m1.transferdone"),
        (read_transfer_list, "1_A01/m1.transferdone"),
        (read_output_hash, "s/run/output_hash_x.csv"),
    ],
)
def test_no_file_at_all_makes_a_list_raise(
    read: Callable[[str, bytes], ChecksumList], path: str, contents: list[bytes]
) -> None:
    """Whatever it is taken for, it gives files of the run, or says what is wrong with it."""
    for data in (*contents, *(whole[: len(whole) // 2] for whole in contents)):
        found = read(path, data)
        assert all(problem.isprintable() for problem in found.problems)
        assert found.remark.isprintable()
        assert len(found.problems) <= 21
        below = path.split("/")[0] if "/" in path else ""
        assert all(entry.startswith(below) for entry in found.entries)
        assert all(".." not in entry.split("/") for entry in found.entries)
        assert found.entries or found.problems or read is read_transfer_list


READERS = (read_run_info, read_run_parameters, read_run_status, read_job_info)


@pytest.fixture(scope="module")
def contents() -> list[bytes]:
    """What is in all files, each content once, however many runs have it."""
    found = {path.read_bytes() for path in FILES.rglob("*") if path.is_file()}
    assert len(found) > 100
    return sorted(found)


def test_no_file_at_all_makes_a_reader_raise() -> None:
    """Whole, cut off, in UTF-16, and read as what it is not: sheets, lists, logs, other XML."""
    read = 0
    for path in sorted(FILES.rglob("*")):
        if not path.is_file():
            continue
        read += 1
        data = path.read_bytes()
        texts = [data, data[: len(data) // 2], data[:-1], data[1:]]
        if len(data) < 20_000:
            texts.append(data.decode("latin-1").encode("utf-16"))
        for text in texts:
            for reader in READERS:
                problem = reader(text).problem
                assert problem.isprintable()
                assert len(problem) < 300
            found = read_crc_manifest("Manifest.tsv", text)
            assert all(problem.isprintable() for problem in found.problems)
    assert read > 100


def test_a_real_manifest_is_read_whole() -> None:
    path = next(FILES.rglob("Manifest.tsv"))
    found = read_crc_manifest("Analysis/2/Manifest.tsv", path.read_bytes())
    assert found.problems == ()
    assert len(found.entries) == len(path.read_text().splitlines())
    assert all(name.startswith("Analysis/2/") for name in found.entries)


OUTCOMES = {
    "miseq_error": Outcome.UNKNOWN,  # these four are the content of a CompletedJobInfo.xml
    "miseq_error_and_warning": Outcome.UNKNOWN,
    "miseq_success": Outcome.UNKNOWN,
    "miseq_warning": Outcome.UNKNOWN,
    "invalid_document": Outcome.UNKNOWN,
    "nextseq_error": Outcome.ENDED_EARLY,
    "nextseq_success": Outcome.GOOD,
    "novaseq_error": Outcome.FAILED,
    "novaseq_success": Outcome.GOOD,
}
STATUS_FILES = sorted(FILES.rglob("RunCompletionStatus*.xml"))


@pytest.mark.parametrize("path", STATUS_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_run_status(path: Path) -> None:
    end = read_run_status(path.read_bytes())
    variant = path.name.split(".")[1]
    assert end.outcome is OUTCOMES.get(variant, Outcome.GOOD)
    assert end.status_text
    assert end.problem == ""


@pytest.mark.parametrize("path", files("jobinfo.xml"), ids=lambda path: str(path.parent))
def test_job_info(path: Path) -> None:
    end = read_job_info(path.read_bytes())
    assert end.problem == ""
    assert end.outcome is (Outcome.FAILED if "miseq-errored" in str(path) else Outcome.GOOD)


@pytest.mark.parametrize("variant", ["miseq_error", "miseq_error_and_warning"])
def test_extracted_job_info_with_an_error(variant: str) -> None:
    path = FILES / "_extracted" / "cleve" / f"RunCompletionStatus.{variant}.xml"
    assert read_job_info(path.read_bytes()).error_text == "local analysis: Sequencing failed"


def test_the_files_that_a_real_nextseq_copied_pass_the_structure_check() -> None:
    listing = (
        FILES / "_listings" / "nextseq500_170609_NB551051_0017_AHLFFJBGX2.rta_copy_requests.txt"
    )
    run_info = next(path for path in files("runinfo.xml") if "170609_NB551051" in str(path))
    lines = [line for line in listing.read_text().splitlines() if not line.startswith("#")]
    paths = [line.split(maxsplit=1)[1].replace("\\", "/") for line in lines]
    facts = read_run_info(run_info.read_bytes()).facts
    check = NEXTSEQ500.structure(facts)
    less = NEXTSEQ500.structure(facts)
    assert check is not None
    assert less is not None
    for path in paths:
        check.see(path, 1)
        if not path.endswith("L003/0077.bcl.bgzf"):
            less.see(path, 1)
    assert check.problems() == ()
    assert less.problems() == ("lane 3: cycle 77 of 1..158 is missing (NNNN.bcl.bgzf)",)
