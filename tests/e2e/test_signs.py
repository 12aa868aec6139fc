"""The daemon before a service manager: ready, its sentence, a reload, the watchdog."""

from __future__ import annotations

import itertools
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.sequencer import MiSeqRun
from tests.e2e.lab import Lab
from tests.e2e.runs import miseq, nextseq, write
from tests.manager import Manager
from tests.proxy import Proxy, Request


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    with Manager(tmp_path) as one:
        yield one


def test_a12_ready_after_the_first_scan_then_a_reload_and_one_that_is_refused(
    lab: Lab, manager: Manager
) -> None:
    write(lab, miseq(1, no_flags=True))
    with lab.daemon(NOTIFY_SOCKET=manager.address) as daemon:
        lab.wait_for(lambda: manager.told("READY"), told="READY")
        with lab.ledger() as ledger:
            seen = [one.last_scan for one in ledger.desk.instruments() if one.configured]
        assert len(seen) == 2
        assert all(seen), "READY came before the first scan of every instrument"
        sentence = lab.call("status", expect=None).stdout.splitlines()[0]
        assert (
            manager.told("STATUS")[-1]
            == sentence
            == ("2 instruments online; 1 run on the way, none needs you.")
        )

        good = lab.config.read_text()
        lab.config.write_text(good.replace("[instruments.nextseq]", "[instruments.other]"))
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: len(manager.told("READY")) == 2, told="READY after a reload")
        assert len(manager.told("RELOADING")) == len(manager.told("MONOTONIC_USEC")) == 1
        assert [one["event"] for one in daemon.lines("config.taken")] == ["config.taken"]

        lab.config.write_text(good + "nonsense = 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: len(manager.told("READY")) == 3, told="READY after a refusal")
        assert "refused; the old one is in force" in manager.told("STATUS")[-1]
        assert lab.call("health").stdout.startswith("The daemon runs")
    assert manager.told("STOPPING") == ["1"]


def test_a_dead_source_does_not_keep_the_start_waiting(lab: Lab, manager: Manager) -> None:
    lab.source("nextseq").rename(lab.root / "aside")
    with lab.daemon(NOTIFY_SOCKET=manager.address):
        lab.wait_for(lambda: manager.told("READY"), seconds=20, told="READY")
    assert "1 instrument online, 1 offline" in " ".join(manager.told("STATUS"))


def test_a14_a_worker_that_hangs_starves_the_watchdog_and_the_rest_goes_on(
    lab: Lab, manager: Manager
) -> None:
    hanging, other = miseq(1), nextseq(1)
    flag = lab.root / "hang"
    flag.touch()
    write(lab, hanging)
    environment = {
        "NOTIFY_SOCKET": manager.address,
        "WATCHDOG_USEC": "1500000",
        "SYNCD_PULSE_WITHIN": "4",
        "SYNCD_HANG": f"before-verify={flag}",
    }
    with lab.daemon(**environment) as daemon:
        lab.wait_for(lambda: daemon.lines("loop.hangs"), told="the hang is noticed")
        (alarm,) = daemon.lines("loop.hangs")
        assert alarm["level"] == "ERROR"
        assert "worker-" in alarm["message"]
        fed = len(manager.told("WATCHDOG"))
        told = json.loads((lab.state / "pulse.json").read_text())
        assert len(told["late"]) == 1
        assert told["late"][0].startswith("worker-")
        assert "hangs: worker-" in lab.call("health", expect=1).stdout
        flag.unlink()  # for those who come there now
        write(lab, other)
        lab.wait_published(other.name, "nextseq")
        assert len(manager.told("WATCHDOG")) == fed, "fed although a worker hangs"
        assert "a part of the service hangs" in lab.call("status", expect=1).stdout
        daemon.process.send_signal(signal.SIGABRT)  # as the watchdog does
        daemon.process.wait(20)
    # After the restart it goes on where it was, and nothing hangs.
    with lab.daemon():
        lab.wait_published(hanging.name)
        lab.call("health")
        assert "a part of the service" not in lab.call("status").stdout
    assert "Current thread" in daemon.log.read_text(), "the stacks are in the log"


def test_long_honest_work_keeps_feeding_the_watchdog(lab: Lab, manager: Manager) -> None:
    """azcopy is slow, and so is reading back: each takes longer than a loop may be silent."""
    read_back: list[float] = []

    def slow_answers(request: Request) -> None:
        if request.method == "GET" and "comp" not in request.query:
            time.sleep(2.0)
            read_back.append(time.monotonic())

    run = MiSeqRun("230101_M00001_0001_000000000-AAAAA", cycles=(2,), tiles=1)
    run.write_all(lab.source())
    folder = lab.source() / run.name
    (folder / "Data" / "large.bin").write_bytes(bytes(range(256)) * 32_000)  # 8 s at 8 Mbit/s
    with Proxy(lab.azurite.host, rule=slow_answers) as proxy:
        lab.account_url = proxy.account_url
        lab.secret.write_text(
            lab.azurite.connection_string.replace(lab.azurite.account_url, proxy.account_url)
        )
        lab.configure(azcopy=["cap_mbps = 8"], lake=['proof = "read-back"'])
        with lab.daemon(
            NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="1500000", SYNCD_PULSE_WITHIN="5"
        ) as daemon:
            lab.wait_published(run.name)
            assert daemon.lines("loop.hangs") == []
            (transfer,) = daemon.lines("transfer.finished")
    assert transfer["seconds"] > 6, "it was not slow enough to say anything"
    assert read_back[-1] - read_back[0] > 6, "nor was reading back"
    longest = max(b - a for a, b in itertools.pairwise(manager.times("WATCHDOG")))
    assert longest < 5, f"{longest:.1f} s without a sign of life"
