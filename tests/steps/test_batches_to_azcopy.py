"""What one call of azcopy gets: so many files or bytes, and a small rest along with the last."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from datalake_syncd.adapters.ledger.sending import ToSend
from datalake_syncd.steps import send


@pytest.fixture(autouse=True)
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "BATCH_FILES", 8)
    monkeypatch.setattr(send, "BATCH_BYTES", 100)


def batches(*sizes: int) -> list[int]:
    """How many files each call gets of files of these sizes, none forgotten, none twice."""
    every = [
        ToSend(f"{number:03}", f"{number:03}", size, False) for number, size in enumerate(sizes)
    ]
    files = SimpleNamespace(to_send=lambda _run, after: (f for f in every if f.path > after))
    context: Any = SimpleNamespace(ledger=SimpleNamespace(files=files), run=SimpleNamespace(id=1))
    taken: list[ToSend] = []
    counts = []
    while batch := send._next_batch(context, taken[-1].path if taken else ""):
        taken += batch
        counts.append(len(batch))
    assert taken == every
    return counts


@pytest.mark.parametrize(
    ("files", "calls"), [(0, []), (7, [7]), (8, [8]), (9, [9]), (10, [8, 2]), (17, [8, 9])]
)
def test_a_small_rest_goes_along(files: int, calls: list[int]) -> None:
    assert batches(*[1] * files) == calls


@pytest.mark.parametrize(
    ("sizes", "calls"),
    [
        ((60, 60), [2]),
        ((60, 60, 4), [3]),
        ((60, 60, 60), [2, 1]),
        ((60, 60, 60, 60, 60), [2, 2, 1]),
        ((500,), [1]),
        ((500, 1), [1, 1]),
        ((500, 500, 500), [1, 1, 1]),
    ],
)
def test_so_many_bytes_are_enough_however_few_the_files(
    sizes: tuple[int, ...], calls: list[int]
) -> None:
    assert batches(*sizes) == calls
