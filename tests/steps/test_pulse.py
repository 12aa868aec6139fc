"""Which loops count as hanging: silence does, honest waiting and dead disks do not."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from datalake_syncd.adapters.patience import Patience, waits_for_disk
from datalake_syncd.adapters.pulse_file import read_pulse, write_pulse
from datalake_syncd.core.errors import SourceOffline
from datalake_syncd.steps.pulse import Pulse


class Clock:
    """A clock that goes on when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def in_loop(pulse: Pulse, name: str) -> Iterator[Callable[[Callable[[], None]], None]]:
    """A thread that is a loop, and a function that lets it do something."""
    work: list[Callable[[], None]] = []
    wanted, done, end = threading.Event(), threading.Event(), threading.Event()

    def run() -> None:
        with pulse.loop(name, 10.0):
            done.set()
            while not end.is_set():
                wanted.wait()
                wanted.clear()
                while work:
                    work.pop()()
                done.set()

    def do(what: Callable[[], None]) -> None:
        done.clear()
        work.append(what)
        wanted.set()
        assert done.wait(10)

    thread = threading.Thread(target=run)
    thread.start()
    assert done.wait(10)
    try:
        yield do
    finally:
        end.set()
        wanted.set()
        thread.join()


def test_a_loop_that_gives_no_sign_is_late_until_it_does() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    with in_loop(pulse, "worker-0") as zero, in_loop(pulse, "worker-1") as one:
        clock.now += 9.9
        assert pulse.late() == []
        one(pulse.beat)
        clock.now += 9.9
        assert pulse.late() == ["worker-0"]
        zero(pulse.beat)
        assert pulse.late() == []
    clock.now += 100
    assert pulse.late() == [], "what has ended is not missed"


def test_a_loop_may_rest_as_long_as_it_says() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    with in_loop(pulse, "watch-x") as watch:
        watch(lambda: pulse.beat(rest=3600.0))
        clock.now += 3609
        assert pulse.late() == []
        clock.now += 2
        assert pulse.late() == ["watch-x"]


def test_a_sign_from_a_thread_that_works_for_the_loop_counts_and_a_strangers_does_not() -> None:
    clock = Clock()
    pulse = Pulse(clock)
    signs: list[Callable[[], None]] = []
    with in_loop(pulse, "worker-0") as worker:
        worker(lambda: signs.append(pulse.here()))
        clock.now += 11
        pulse.beat()  # this thread is no loop
        pulse.here()()
        assert pulse.late() == ["worker-0"]
        reader = threading.Thread(target=signs[0])
        reader.start()
        reader.join()
        assert pulse.late() == []


def test_a_loop_that_ended_by_an_error_is_late_for_good() -> None:
    pulse = Pulse(Clock())

    def run() -> None:
        with pytest.raises(ZeroDivisionError), pulse.loop("worker-0"):
            _ = 1 // 0

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert pulse.late() == ["worker-0"]


def test_waiting_for_a_share_that_hangs_is_no_hang_of_ours() -> None:
    pulse = Pulse()
    come_back = threading.Event()
    late: list[str] = []
    gave_up = threading.Event()

    def watch() -> None:
        patience = Patience("the share", 2.5, pulse.beat)
        with pulse.loop("watch-x", 1.5), pytest.raises(SourceOffline):
            patience.call(lambda _tick: come_back.wait(30))
        gave_up.set()

    thread = threading.Thread(target=watch)
    thread.start()
    while not gave_up.wait(0.1):
        late += pulse.late()
    thread.join()
    come_back.set()
    assert late == []


VFORK = """
import ctypes, os, time
# A parent sleeps deep in the kernel, as before a dead share, until its child lets go of it.
libc = ctypes.PyDLL(None)
if libc.syscall({clone}, 0x4000 | 17, 0, 0, 0, 0) == 0:
    os.write(1, b"x")
    time.sleep(30)
    os._exit(0)
"""


def test_a_thread_that_waits_for_a_disk_is_told_from_one_that_sleeps() -> None:
    calls = {"x86_64": 56, "aarch64": 220}
    if platform.machine() not in calls:
        pytest.skip("the number of clone() is not known here")
    code = VFORK.format(clone=calls[platform.machine()])
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.read(1) == b"x"
        assert waits_for_disk(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its child as well, which is in its session
        process.wait()
        process.stdout.close()
    sleeper = threading.Event()
    thread = threading.Thread(target=sleeper.wait)
    thread.start()
    assert thread.native_id is not None
    assert not waits_for_disk(thread.native_id)
    sleeper.set()
    thread.join()
    assert not waits_for_disk(2**22 + 1), "no such thread"


def test_only_a_restart_that_would_help_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    pulse = Pulse(clock)
    dead_disk: set[int] = set()
    monkeypatch.setattr("datalake_syncd.steps.pulse.waits_for_disk", dead_disk.__contains__)
    with in_loop(pulse, "worker-0") as worker:
        thread: list[int] = []
        worker(lambda: thread.append(threading.get_native_id()))
        clock.now += 11
        assert pulse.late() == ["worker-0"]
        dead_disk.update(thread)
        assert pulse.late() == []


def test_the_file_for_others(tmp_path: Path) -> None:
    assert read_pulse(tmp_path) is None
    now = float(int(time.time()))
    assert write_pulse(tmp_path, now, ["worker-0"])
    told = read_pulse(tmp_path)
    assert told is not None
    assert (told.at, told.late) == (now, ("worker-0",))
    assert not write_pulse(tmp_path / "gone", now, [])
