"""Random walks of the real service through a bad world; the laws hold after every step.

`make test-model WALKS=20000` walks longer, `SEED=n` begins at another walk. A walk that breaks a
law is told as a story; the actions in `FOUND` are such walks, cut down by hypothesis.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from tests.model.walk import ACTIONS, Action, walk, walk_of

WALKS = int(os.environ.get("WALKS", "50"))
SEED = int(os.environ.get("SEED", "0"))

#: What walks found in the real service, and what was wrong.
_SETTLING: list[Action] = [("make a run", 0), ("advance", 1), ("advance", 1)]
_PUBLISHED: list[Action] = [*_SETTLING, ("advance", 1), ("pass time", 1)]
FOUND: dict[str, list[Action]] = {
    "a file written to after its hash was sent again and again, and the lake was blamed": [
        *_SETTLING, ("lose an upload", 0), ("meanwhile", 2602), ("advance", 1),
    ],
    "a share that was empty at the second scan was read as a run taken away": [
        ("make a run", 0), ("advance", 1), ("unmount", 3), ("advance", 1),
    ],
    "a share that went away right after the move to the trash was a bug": [
        *_PUBLISHED, ("meanwhile", 123), ("advance", 1),
    ],
    "undo said that the trash was emptied while its disk was away": [
        *_PUBLISHED, ("advance", 1), ("unmount", 0), ("undo", 0), ("unmount", 3), ("undo", 0),
    ],
    "another disk was believed while all runs lay in the trash, and that called emptied": [
        *_PUBLISHED, ("advance", 1), ("unmount", 2), ("pass time", 2), ("advance", 1),
    ],
}  # fmt: skip


_ACTION = some.tuples(some.sampled_from(list(ACTIONS)), some.integers(0, 999))


@pytest.mark.timeout(0)
def test_plain_random_walks_break_no_law(other_disk: Path) -> None:
    for seed in range(SEED, SEED + WALKS):
        try:
            walk(walk_of(seed), other_disk)
        except AssertionError as broken:
            raise AssertionError(f"SEED={seed} WALKS=1: {broken}") from None


@settings(
    max_examples=max(WALKS // 8, 5),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    some.lists(some.tuples(some.sampled_from(list(ACTIONS)), some.integers(0, 999)), max_size=16)
)
def test_walks_that_hypothesis_makes_and_shrinks(other_disk: Path, actions: list[Action]) -> None:
    walk([("make a run", 0), ("advance", 1), *actions], other_disk)


@pytest.mark.parametrize("name", FOUND)
def test_walks_that_once_broke_a_law(name: str, other_disk: Path) -> None:
    walk(FOUND[name], other_disk)
