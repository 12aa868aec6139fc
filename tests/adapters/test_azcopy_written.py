"""When azcopy seems to have written everything: told by a real process that writes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from datalake_syncd.adapters.azcopy.written import STILL, Written

# Writes as many bytes as a line on stdin says, and one more now and then, as timers do.
_WRITER = """
import os, select, sys
out = os.open(os.devnull, os.O_WRONLY)
print("ready", flush=True)
while True:
    if select.select([0], [], [], 0.02)[0]:
        os.write(out, b"x" * int(sys.stdin.buffer.raw.readline()))
        os.write(1, b"done\\n")
    os.write(out, b"x")
"""


class Writer:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", _WRITER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._answer()

    def write(self, count: int) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{count}\n")
        self._answer()

    def _answer(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline()


@pytest.fixture
def writer() -> Iterator[Writer]:
    made = Writer()
    yield made
    made.process.kill()
    made.process.communicate()


def told(written: Written, seconds: float) -> int:
    """How often it is said within so many seconds of a clock that is far ahead of the machine's."""
    return sum(written.all_of_it(STILL * number) for number in range(1, int(seconds / STILL) + 1))


def test_it_is_told_once_it_is_all_and_nothing_more_comes(writer: Writer) -> None:
    written = Written(writer.process.pid, 1_000_000, 0)
    assert told(written, 30) == 0
    writer.write(500_000)
    assert told(written, 30) == 0
    writer.write(500_000)
    assert not written.all_of_it(100.0), "it may go on"
    assert not written.all_of_it(100.0 + STILL / 2)
    time.sleep(0.1)  # its timers write a little meanwhile
    assert written.all_of_it(100.0 + 1.5 * STILL)
    assert not written.all_of_it(100.0 + 9 * STILL), "it was told"


def test_after_more_was_written_it_is_told_again_and_not_for_ever(writer: Writer) -> None:
    written = Written(writer.process.pid, 1000, 0)
    times = 0
    for _ in range(6):
        writer.write(100_000)
        times += told(written, 3)
    assert times == 3


def test_of_a_process_that_is_gone_nothing_is_told() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    written = Written(process.pid, 0, 0)
    assert told(written, 30) == 0


def test_each_file_has_a_request_of_its_own_beside_its_bytes(writer: Writer) -> None:
    written = Written(writer.process.pid, 100_000, 1000)
    writer.write(300_000)  # all of the bytes, and the heads of half of the requests
    assert told(written, 30) == 0
    writer.write(300_000)
    assert told(written, 30) == 1
