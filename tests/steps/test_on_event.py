"""The command that is told of events: real commands, slow, dying, loud, missing."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datalake_syncd.adapters.hook import run_hook
from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.steps import on_event
from datalake_syncd.steps.on_event import EventHook
from tests.steps.service import service_of


def script(root: Path, name: str, body: str) -> Path:
    path = root / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


class Machine:
    def __init__(self, root: Path, body: str) -> None:
        self.root = root
        self.now = 2_000_000_000.0
        self.got = root / "got"
        self.command = script(root, "told.sh", body)
        self.service = service_of(
            root, "seq", wall=lambda: self.now, daemon=f'on_event = ["{self.command}", "--x"]'
        )
        self.logged: list[tuple[str, str]] = []
        self.service.log = lambda _level, event, message, **_: self.logged.append(  # type: ignore[method-assign]
            (event, message)
        )
        self.run = self._run("R1")
        self.hook = EventHook(self.service)
        self.hook.round()

    @property
    def ledger(self) -> Ledger:
        return self.service.ledger

    def _run(self, name: str) -> Run:
        return self.ledger.runs.add("seq", name, prefix="p", now=self.now, reason="new")

    def happens(self, event: str, **data: object) -> None:
        self.ledger.runs.event(self.run.id, self.now, event, f"{event} happened", dict(data))

    def documents(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.got.read_text().splitlines()]

    def later(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.hook.round()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path, f'cat >> {tmp_path}/got; echo "$@" >> {tmp_path}/arguments')
    yield made
    made.ledger.close()


def test_each_event_from_now_on_once_and_in_order(machine: Machine) -> None:
    for number in range(5):
        machine.happens(f"a.b{number}", number=number)
    machine.ledger.runs.event(None, machine.now, "no.run", "is not of a run")
    machine.later()
    machine.later()
    documents = machine.documents()
    assert [one["event"] for one in documents] == [f"a.b{n}" for n in range(5)], "not run.sighted"
    assert documents[3]["data"] == {"number": 3}
    assert documents[3]["run"] == "seq/R1"
    assert documents[3]["at"] == "2033-05-18T03:33:20+00:00"
    assert (machine.root / "arguments").read_text().splitlines() == ["--x"] * 5
    # A restart neither repeats nor loses.
    machine.happens("a.late")
    machine.hook = EventHook(machine.service)
    machine.later()
    machine.hook = EventHook(machine.service)
    machine.later()
    assert [one["event"] for one in machine.documents()][5:] == ["a.late"]


def test_no_shell_and_an_environment_of_its_own(tmp_path: Path, machine: Machine) -> None:
    os.environ["SYNCD_TEST_SECRET"] = "hidden"
    try:
        told = script(tmp_path, "env.sh", f"env > {tmp_path}/env; pwd >> {tmp_path}/env")
        assert run_hook([str(told), "$(touch /tmp/x); `id`"], b"{}").well
    finally:
        del os.environ["SYNCD_TEST_SECRET"]
    lines = set((tmp_path / "env").read_text().splitlines())
    assert "/" in lines
    assert not [line for line in lines if "SECRET" in line or line.startswith("HOME=")]
    assert any(line.startswith("PATH=/usr/local/sbin") for line in lines)


def test_a_slow_command_is_killed_with_all_that_it_started(
    tmp_path: Path,
) -> None:
    body = f"sleep 60 & echo $! > {tmp_path}/child; echo $$ >> {tmp_path}/child; wait; sleep 60"
    began = time.monotonic()
    ended = run_hook([str(script(tmp_path, "slow.sh", body))], b"{}", within=0.7)
    assert ended.code is None
    assert time.monotonic() - began < 5
    time.sleep(0.2)
    for pid in (tmp_path / "child").read_text().split():
        state = Path(f"/proc/{pid}/stat")
        assert not state.exists() or " Z " in state.read_text(), "still alive"


def test_what_it_left_behind_is_killed_too(tmp_path: Path) -> None:
    body = f"sleep 60 & echo $! > {tmp_path}/child"
    assert run_hook([str(script(tmp_path, "fork.sh", body))], b"{}").code == 0
    time.sleep(0.2)
    state = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    assert not state.exists() or " Z " in state.read_text()


def test_what_leaves_its_group_and_holds_its_stderr_costs_nothing(tmp_path: Path) -> None:
    """It can't be found any more; a thread or a descriptor for each would end the service."""
    body = f"""setsid sh -c 'echo $$ > {tmp_path}/now; exec sleep 60' &
while ! [ -s {tmp_path}/now ]; do sleep 0.01; done
cat {tmp_path}/now >> {tmp_path}/left; rm {tmp_path}/now
echo words >&2"""
    told = script(tmp_path, "daemon.sh", body)
    assert run_hook([str(told)], b"{}").words == "words"
    open_before, threads_before = set(os.listdir("/proc/self/fd")), threading.active_count()
    began = time.monotonic()
    try:
        for _ in range(3):
            assert run_hook([str(told)], b"{}").words == "words"
    finally:
        left = [int(pid) for pid in (tmp_path / "left").read_text().split()]
        alive = [pid for pid in left if Path(f"/proc/{pid}").exists()]
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
    assert len(alive) == 4, "they should hold the pipe until the end of this test"
    assert set(os.listdir("/proc/self/fd")) == open_before
    assert threading.active_count() == threads_before
    assert time.monotonic() - began < 30, "none of them was waited for"


def test_a_flood_of_words_and_unread_input_block_nothing(tmp_path: Path) -> None:
    body = "head -c 30000000 /dev/zero | tr '\\0' 'x'; head -c 3000000 /dev/zero | tr '\\0' 'y' >&2"
    ended = run_hook([str(script(tmp_path, "loud.sh", body))], b"x" * 5_000_000)
    assert ended.code == 0
    assert ended.words == "y" * 2000


@pytest.mark.parametrize(("body", "code"), [("exit 3", 3), ("kill -9 $$", -9)])
def test_how_it_ended(tmp_path: Path, body: str, code: int) -> None:
    told = script(tmp_path, "dies.sh", f"echo 'bad\033[31m' >&2; {body}")
    ended = run_hook([str(told)], b"{}")
    assert ended.code == code
    assert ended.words == "bad\\x1b[31m"


def test_a_command_that_dies_is_told_once_and_hears_of_the_next(tmp_path: Path) -> None:
    machine = Machine(tmp_path, f"cat >> {tmp_path}/got; exit 3")
    machine.happens("a.one")
    machine.happens("a.two")
    machine.later()
    assert [one["event"] for one in machine.documents()] == ["a.one", "a.two"]
    assert [event for event, _ in machine.logged] == ["hook.failed"]
    machine.ledger.close()


def test_a_command_that_is_missing_loses_nothing_and_is_a_trouble(machine: Machine) -> None:
    aside = machine.command.with_suffix(".aside")
    machine.command.rename(aside)
    machine.happens("a.one")
    for _ in range(5):
        machine.later(120)
    assert [event for event, _ in machine.logged] == ["hook.unusable"]
    assert [one.key for one in machine.ledger.desk.troubles()] == ["on_event"]
    aside.rename(machine.command)
    machine.later(120)
    assert [one["event"] for one in machine.documents()] == ["a.one"]
    assert machine.ledger.desk.troubles() == []


def test_who_dies_before_it_is_written_down_is_told_again(machine: Machine) -> None:
    machine.happens("a.one")
    (number, run_id, event), *_ = machine.ledger.runs.events_after(1)
    assert machine.hook._give((str(machine.command),), number, run_id, event)
    machine.hook = EventHook(machine.service)
    machine.later()
    assert [one["event"] for one in machine.documents()] == ["a.one", "a.one"]
    assert len({one["id"] for one in machine.documents()}) == 1


def test_a_backlog_is_bounded_and_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_event, "BACKLOG", 3)
    for number in range(10):
        machine.happens(f"a.b{number}")
    machine.later()
    assert [one["event"] for one in machine.documents()] == ["a.b7", "a.b8", "a.b9"]
    assert [event for event, _ in machine.logged] == ["hook.behind"]
    assert "7 events" in machine.logged[0][1]


def test_stopping_ends_the_command_and_keeps_its_event(tmp_path: Path) -> None:
    machine = Machine(tmp_path, f"cat >> {tmp_path}/got; sleep 60")
    machine.happens("a.one")
    machine.happens("a.two")
    stopping = machine.service.stopping
    threading.Timer(0.5, stopping.set).start()
    began = time.monotonic()
    machine.later()
    assert time.monotonic() - began < 5
    assert len(machine.documents()) == 1
    stopping.clear()
    machine.command.write_text(f"#!/bin/sh\ncat >> {tmp_path}/got\n")
    machine.later()
    assert [one["event"] for one in machine.documents()] == ["a.one", "a.one", "a.two"]
    machine.ledger.close()


def test_switched_off_and_on_again_it_hears_of_what_comes_then(machine: Machine) -> None:
    wanted = machine.service.config
    daemon = wanted.daemon.model_copy(update={"on_event": None})
    off = wanted.model_copy(update={"daemon": daemon})
    object.__setattr__(machine.service.force, "config", off)
    machine.happens("a.unheard")
    machine.later()
    object.__setattr__(machine.service.force, "config", wanted)
    machine.later()
    machine.happens("a.heard")
    machine.later()
    assert [one["event"] for one in machine.documents()] == ["a.heard"]


def test_a_first_pass_for_cron_tells_what_happened_in_it(machine: Machine) -> None:
    machine.ledger.desk.put(on_event.LAST_EVENT, None)
    machine.hook = EventHook(machine.service)
    machine.happens("a.one")
    machine.later()
    assert [one["event"] for one in machine.documents()] == ["a.one"]


def test_one_pass_gives_all_that_it_can_within_its_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass for cron has no second round: what is left comes with the next pass."""
    monkeypatch.setattr(on_event, "_AT_A_TIME", 10)
    many = 15
    machine.service.one_pass = True
    machine.command.write_text(f"#!/bin/sh\necho >> {machine.got}\n")
    for number in range(many):
        machine.happens(f"a.b{number}")
    machine.later()
    assert len(machine.got.read_text()) == many
    # A command that takes long must not hold the pass, and what it has not heard is not lost.
    machine.service.monotonic = lambda: len(machine.got.read_text()) * 30.0
    for number in range(10):
        machine.happens(f"a.late{number}")
    machine.later()
    heard = len(machine.got.read_text()) - many
    assert 0 < heard < 10
    while len(machine.got.read_text()) < many + 10:
        machine.later()
    machine.later()
    assert len(machine.got.read_text()) == many + 10
