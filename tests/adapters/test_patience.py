"""Calls that may never come back: given up, not waited for, and not piled up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import SourceOffline, Stopped


def test_a_result_and_an_error_come_through() -> None:
    patience = Patience("x", 5.0)
    assert patience.call(lambda _tick: 7) == 7
    with pytest.raises(ZeroDivisionError):
        patience.call(lambda _tick: 1 // 0)


def test_a_call_that_stands_still_is_given_up_and_no_second_one_is_piled_on_it() -> None:
    patience = Patience("the share", 0.3)
    come_back = threading.Event()
    calls = []

    def hang(_tick: Callable[[], None]) -> None:
        calls.append(1)
        come_back.wait(30)

    began = time.monotonic()
    with pytest.raises(SourceOffline, match="the share does not answer"):
        patience.call(hang)
    assert time.monotonic() - began < 10
    assert [patience.stuck] == [True]
    with pytest.raises(SourceOffline):
        patience.call(hang)
    assert len(calls) == 1, "a dead share costs one thread, not one at every scan"
    come_back.set()
    until = time.monotonic() + 10
    while patience.stuck:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert patience.call(lambda _tick: 1) == 1


def test_a_call_that_gets_on_is_never_given_up() -> None:
    patience = Patience("x", 0.4)

    def slow(tick: Callable[[], None]) -> str:
        for _ in range(8):
            time.sleep(0.1)
            tick()
        return "done"

    assert patience.call(slow) == "done"


def test_a_call_that_comes_back_after_it_was_given_up_ends_at_its_next_sign() -> None:
    patience = Patience("x", 0.2)
    come_back, ended = threading.Event(), threading.Event()
    done = []

    def work(tick: Callable[[], None]) -> None:
        try:
            come_back.wait(30)
            tick()
            done.append("what nobody waits for any more")
        finally:
            ended.set()

    with pytest.raises(SourceOffline):
        patience.call(work)
    come_back.set()
    assert ended.wait(30)
    assert done == []


def test_whoever_is_to_end_waits_for_no_call_that_hangs() -> None:
    stop, come_back = threading.Event(), threading.Event()
    patience = Patience("x", 600.0, should_stop=stop.is_set)

    def hang(_tick: Callable[[], None]) -> None:
        stop.set()
        come_back.wait(60)

    with pytest.raises(Stopped):
        patience.call(hang)
    come_back.set()
