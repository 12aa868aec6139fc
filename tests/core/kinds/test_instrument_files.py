"""Every metadata file that a real instrument wrote is read, or says in one line why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from datalake_syncd.core.kinds.illumina import NEXTSEQ500
from datalake_syncd.core.kinds.runinfo import read_run_info, read_run_parameters
from datalake_syncd.core.kinds.runstatus import read_job_info, read_run_status
from datalake_syncd.core.model import Outcome

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


@pytest.mark.parametrize("path", files("runparameters.xml"), ids=lambda path: path.parent.name)
def test_run_parameters(path: Path) -> None:
    result = read_run_parameters(path.read_bytes())
    assert result.problem == ""
    assert result.facts.run_id
    assert result.facts.software
    assert result.facts.instrument_id


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
