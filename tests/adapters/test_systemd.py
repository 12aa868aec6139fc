"""sd_notify against a real socket; what it must never do is hold the service up."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from datalake_syncd.adapters.systemd import Notifier
from tests.manager import Manager


def wait_for(manager: Manager, count: int) -> list[dict[str, str]]:
    until = time.monotonic() + 10
    while len(manager.messages) < count:
        assert time.monotonic() < until, manager.messages
        time.sleep(0.01)
    return [message for _, message in manager.messages]


@pytest.mark.parametrize("abstract", [False, True])
def test_every_message_arrives(tmp_path: Path, abstract: bool) -> None:
    with Manager(tmp_path, abstract=abstract) as manager:
        notifier = Notifier({"NOTIFY_SOCKET": manager.address})
        assert notifier.is_heard
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        told = [notifier.ready("1 online\nX=1"), notifier.status("s"), notifier.alive()]
        told += [notifier.reloading(), notifier.stopping()]
        assert all(told)
        ready, status, alive, reloading, stopping = wait_for(manager, 5)
    assert ready == {"READY": "1", "STATUS": "1 online X=1"}, "no line of its own is smuggled in"
    assert status == {"STATUS": "s"}
    assert alive == {"WATCHDOG": "1"}
    assert reloading["RELOADING"] == "1"
    assert 0 <= int(reloading["MONOTONIC_USEC"]) - before < 10_000_000
    assert stopping["STOPPING"] == "1"


def test_a_long_sentence_is_cut_to_what_systemd_takes(tmp_path: Path) -> None:
    with Manager(tmp_path) as manager:
        assert Notifier({"NOTIFY_SOCKET": manager.address}).status("x" * 10_000)
        (told,) = wait_for(manager, 1)
    assert 500 < len(told["STATUS"]) < 4000


def test_without_a_manager_nothing_is_said(tmp_path: Path) -> None:
    assert not Notifier({}).ready("x")
    assert not Notifier({}).is_heard
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("x")
    assert not Notifier({"NOTIFY_SOCKET": "/" + "x" * 300}).ready("x")


def test_a_manager_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        began = time.monotonic()
        while notifier.alive():
            assert time.monotonic() - began < 20, "its queue never filled"
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_that_is_meant_for_us(told: dict[str, str], seconds: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "@x", **told}).watchdog == seconds
