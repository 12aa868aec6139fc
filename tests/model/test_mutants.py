"""The laws of the walks can fail: each weakened policy breaks one within a bounded number."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.walk import walk, walk_of
from tests.mutants.table import MUTANTS, Mutant, weakened

BOUND = 200


def _breaks_at(mutant: Mutant, other_disk: Path) -> tuple[int, str] | None:
    """The first walk that breaks a law, and what it says."""
    for seed in range(BOUND):
        actions = walk_of(seed, provoked_by=mutant.provoked_by)
        try:
            with weakened(mutant):
                walk(actions, other_disk, to_the_end=False)
        except AssertionError as broken:
            return seed, str(broken)
    return None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_weakened_policy_breaks_a_law_and_the_real_one_does_not(
    mutant: Mutant, other_disk: Path
) -> None:
    found = _breaks_at(mutant, other_disk)
    assert found is not None, f"{BOUND} walks, and nobody noticed: {mutant.breaks}"
    seed, told = found
    assert not told.startswith("a bug"), f"it does not do something else, it breaks: {told}"
    walk(walk_of(seed, provoked_by=mutant.provoked_by), other_disk, to_the_end=False)
