"""Whether the ledger may have been written since: a look too many is cheap, one too few is not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Ledger, Stirred

LATEST = 5.0


class Clock:
    """Both clocks, for what is asked of the file's time and of how long ago a look was."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def wall_ns(self) -> int:
        return int(self.now * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path, clock: Clock) -> Path:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"")
    write(path, clock.now - 100)
    return path


def write(path: Path, at: float) -> None:
    os.utime(path, ns=(int(at * 1e9), int(at * 1e9)))


def stirred(file: Path, clock: Clock) -> Stirred:
    return Stirred(file, LATEST, monotonic=clock.monotonic, wall_ns=clock.wall_ns)


def test_the_first_look_is_taken_and_then_none_without_a_write(file: Path, clock: Clock) -> None:
    one = stirred(file, clock)
    assert one.may_be()
    for _ in range(4):
        clock.now += 1
        assert not one.may_be()


def test_every_write_is_looked_at_and_each_loop_has_its_own_look(file: Path, clock: Clock) -> None:
    one, other = stirred(file, clock), stirred(file, clock)
    assert one.may_be()
    assert other.may_be()
    clock.now += 4
    write(file, clock.now - 2.5)
    assert one.may_be()
    assert other.may_be()
    assert not one.may_be()


def test_a_second_write_within_the_same_tick_is_looked_at(file: Path, clock: Clock) -> None:
    """The time of change does not tell it from the first; so young a file is looked at again."""
    one = stirred(file, clock)
    write(file, clock.now)
    assert one.may_be()
    clock.now += 0.5  # whoever wrote it a second time did so before this
    assert one.may_be()
    clock.now += 2.0
    assert not one.may_be()


def test_what_is_due_by_time_alone_is_looked_at(file: Path, clock: Clock) -> None:
    one = stirred(file, clock)
    assert one.may_be()
    clock.now += LATEST - 0.1
    assert not one.may_be()
    clock.now += 0.1
    assert one.may_be()


def test_a_clock_that_was_set_back_hides_no_write(file: Path, clock: Clock) -> None:
    one = stirred(file, clock)
    write(file, clock.now + 3600)
    assert all(one.may_be() for _ in range(3))


def test_without_a_file_every_look_is_taken(tmp_path: Path, clock: Clock) -> None:
    one = stirred(tmp_path / "none", clock)
    assert all(one.may_be() for _ in range(3))


def test_a_commit_of_another_process_is_seen(tmp_path: Path) -> None:
    """With the real file: every commit changes its time, a read does not."""
    ledger = Ledger(tmp_path, writable=True)
    other = Ledger(tmp_path, writable=True, check=False)
    path = ledger.database.path
    os.utime(path, ns=(1, 1))
    one = Stirred(path, 3600.0, wall_ns=lambda: time.time_ns() + 10**10)
    assert one.may_be()
    assert ledger.desk.open_requests() == []
    assert not one.may_be()
    other.desk.put("key", "value")
    assert one.may_be()
    ledger.close()
    other.close()
