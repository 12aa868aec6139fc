"""Signals reach a thread, whatever the main thread does just then."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from tests.servers import REPO

_HEAD = """
import os, signal, threading, time
from datalake_syncd.adapters.signals import heard
event = threading.Event()
told = []

def act(number):
    told.append(signal.Signals(number).name)
    event.set()
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _HEAD + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=20,
        cwd=REPO,
        check=False,
    )


def test_a_signal_in_the_middle_of_waiting_for_its_own_event_is_heard() -> None:
    done = run(
        """
        with heard((signal.SIGTERM,), act):
            with event._cond:  # as Event.wait has it, before and after it sleeps
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.3)
            assert event.wait(10)
        print(*told)
        """
    )
    assert (done.returncode, done.stdout) == (0, "SIGTERM\n"), done.stderr


def test_a_handler_that_sets_the_event_itself_would_hang() -> None:
    """What the detour is for: without it the first test hangs."""
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(
            [
                sys.executable,
                "-c",
                _HEAD + "signal.signal(signal.SIGTERM, lambda *_: event.set())\n"
                "with event._cond:\n    os.kill(os.getpid(), signal.SIGTERM)\n",
            ],
            timeout=3,
            cwd=REPO,
            check=False,
        )


def test_each_is_heard_others_are_not_and_after_it_all_is_as_before() -> None:
    done = run(
        """
        signal.signal(signal.SIGUSR1, lambda *_: told.append("as before"))
        with heard((signal.SIGHUP, signal.SIGUSR1), act):
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGHUP):
                event.clear()
                os.kill(os.getpid(), number)
                assert event.wait(10)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert threading.active_count() == 1
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        assert signal.set_wakeup_fd(-1) == -1
        print(*told)
        """
    )
    assert done.stdout == "SIGHUP SIGUSR1 SIGHUP as before\n", done.stderr


def test_only_one_place_handles_signals() -> None:
    handling = {
        path.relative_to(REPO).as_posix()
        for path in (REPO / "datalake_syncd").rglob("*.py")
        if "signal.signal(" in path.read_text()
    }
    assert handling == {"datalake_syncd/adapters/signals.py"}
