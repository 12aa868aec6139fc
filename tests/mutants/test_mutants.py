"""Each weakened policy fails the very check that the real program passes, with real azcopy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.scenarios import SCENARIOS, Laboratory
from tests.mutants.table import MUTANTS
from tests.servers import Azurite


@pytest.fixture
def laboratory(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Laboratory:
    """One drop folder and its lake."""
    assert azcopy_path.exists()
    return Laboratory(tmp_path, azurite, container, kinds={"drop": "folder"})


def test_every_mutant_has_a_scenario() -> None:
    assert [mutant.name for mutant in MUTANTS] == list(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_real_program_passes(name: str, laboratory: Laboratory) -> None:
    SCENARIOS[name](laboratory)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_mutant_is_caught(name: str, laboratory: Laboratory) -> None:
    laboratory.mutant = name
    with pytest.raises(AssertionError) as caught:
        SCENARIOS[name](laboratory)
    # By the check at the end, not because the program did not even start.
    bugs = [run.trace for run in laboratory.runs() if run.trace is not None]
    assert not bugs, f"it does not do something else, it breaks: {bugs}"
    assert Path(caught.traceback[-1].path).name == "scenarios.py", caught.value
