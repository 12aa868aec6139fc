"""Threads on a source: results in order, the first error, and none that keeps a process alive."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from datalake_syncd.steps.side_by_side import side_by_side
from tests.servers import REPO


def test_results_come_in_the_order_of_the_items_and_work_is_shared() -> None:
    both = threading.Barrier(2)

    def work(number: int) -> int:
        if number < 2:
            both.wait(20)  # passes only if two work at a time
        return number * number

    assert side_by_side(work, list(range(50)), 2, "t") == [n * n for n in range(50)]
    assert side_by_side(work, [], 2, "t") == []


def test_the_first_error_is_raised_and_ends_the_others() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise ValueError("three")
        done.append(number)

    with pytest.raises(ValueError, match="three"):
        side_by_side(work, range(1000), 1, "t")
    assert done == [0, 1, 2]


HANGS = """
import threading
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import SourceOffline
from datalake_syncd.steps.side_by_side import side_by_side
try:
    hang = lambda _item: threading.Event().wait()
    Patience("share", 0.2).call(lambda _tick: side_by_side(hang, [1, 2], 2, "t"))
except SourceOffline:
    print("given up")
"""


def test_a_thread_that_hangs_does_not_keep_the_process_from_ending() -> None:
    command = [sys.executable, "-c", HANGS]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=REPO, check=False
    )
    assert (done.returncode, done.stdout) == (0, "given up\n"), done.stderr
