"""D: events get lost, are refused or never come; the scan is the truth."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.conftest import need
from tests.e2e.lab import Daemon, Lab
from tests.e2e.runs import expect_published, miseq, write
from tests.faults.fuse_source import faulty


def watched(daemon: Daemon) -> set[tuple[int, int]]:
    """(st_dev, inode) of all that the daemon watches."""
    found = set()
    for info in Path(f"/proc/{daemon.process.pid}/fdinfo").iterdir():
        try:
            lines = info.read_text().splitlines()
        except FileNotFoundError:
            continue  # closed meanwhile
        for line in lines:
            if line.startswith("inotify "):
                told = dict(part.split(":", 1) for part in line.split()[1:] if ":" in part)
                device = int(told["sdev"], 16)  # as the kernel has it: 12 bits major, 20 minor
                number = os.makedev(device >> 20, device & 0xFFFFF)
                found.add((number, int(told["ino"], 16)))
    return found


def place_of(folder: Path) -> tuple[int, int]:
    told = folder.stat()
    return told.st_dev, told.st_ino


def test_d1_a_queue_of_events_that_overflows_loses_no_run(lab: Lab) -> None:
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    lab.kinds = {"miseq": "miseq"}
    lab.configure()
    with lab.daemon() as daemon:
        lab.wait_for(lambda: place_of(lab.source()) in watched(daemon), told="it is watched")
        daemon.process.send_signal(signal.SIGSTOP)
        for number in range(queue // 2 + 100):  # made and gone are two events at least
            name = lab.source() / f"{number}.tmp"
            name.touch()
            name.unlink()
        write(lab, miseq(1))  # after the queue was full: no event tells of it
        daemon.process.send_signal(signal.SIGCONT)
        lab.wait_published(miseq(1).name)
        write(lab, miseq(2))
        lab.wait_published(miseq(2).name)
        assert daemon.process.poll() is None
    for run in (miseq(1), miseq(2)):
        expect_published(lab, run)


class LimitedLab(Lab):
    """The service where the kernel gives it no more of one kind of inotify thing."""

    limit = "watches"

    def command(self, *arguments: str) -> list[str]:
        told = f'echo 0 > /proc/sys/user/max_inotify_{self.limit} && exec "$@"'
        return ["unshare", "-Ur", "sh", "-c", told, "sh", *super().command(*arguments)]


@pytest.mark.root
@pytest.mark.parametrize("limit", ["watches", "instances"])
def test_d2_without_inotify_one_warning_and_the_scan_finds_all(lab: Lab, limit: str) -> None:
    need(shutil.which("unshare") is not None, "unshare (util-linux)")
    lab = LimitedLab(lab.root, lab.azurite, lab.container, kinds={"miseq": "miseq"})
    lab.limit = limit
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("watch.polling"), told="the warning")
        write(lab, miseq(1))
        lab.wait_published(miseq(1).name)
        assert not watched(daemon)
        (line,) = daemon.lines("watch.polling")
    assert line["level"] == "WARNING"
    assert f"fs.inotify.max_user_{limit}" in line["message"]
    assert "periodic scan" in line["message"]
    expect_published(lab, miseq(1))


@pytest.mark.root
def test_d3_a_network_file_system_is_scanned_and_never_watched(lab: Lab) -> None:
    with (
        faulty(lab.source(), lab.root / "behind") as share,
        lab.daemon() as daemon,
    ):
        local, remote = place_of(lab.source("nextseq")), place_of(lab.source())
        lab.wait_for(lambda: local in watched(daemon), told="the local one is watched")
        miseq(1).write_all(share.behind)  # as the instrument's computer does: no event here
        lab.wait_published(miseq(1).name)
        assert remote not in watched(daemon)
        assert not daemon.lines("watch.polling"), "nothing to warn of"
        expect_published(lab, miseq(1))


def test_d4_a_source_folder_that_is_replaced_is_scanned_on(lab: Lab) -> None:
    write(lab, miseq(1))
    with lab.daemon() as daemon:
        lab.wait_published(miseq(1).name)
        aside = lab.root / "aside"
        lab.source().rename(aside)
        lab.source().mkdir()
        lab.wait_for(lambda: daemon.lines("source.offline"), told="offline")
        shutil.copytree(aside / miseq(1).name, lab.source() / miseq(1).name)
        lab.wait_for(lambda: daemon.lines("source.online"), told="online")
        write(lab, miseq(2))
        lab.wait_published(miseq(2).name)
    expect_published(lab, miseq(2))
