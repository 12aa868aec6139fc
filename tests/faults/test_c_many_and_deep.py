"""C22: a run of a million files, a folder that holds a hundred thousand, a tree without an end."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.sequencer import MiSeqRun
from tests.e2e.lab import Daemon, Lab
from tests.e2e.mounts import tmpfs
from tests.e2e.runs import (
    expect_alarm,
    expect_published,
    expect_stopped,
    folder_of,
    miseq,
    row_of,
    write,
)
from tests.servers import REPO

KIB_OF_A_FEW = 4 << 10


def look(place: Path, files: int, folders: int) -> int:
    """The most memory, in KiB, of a process that settled a run of so many files."""
    place.mkdir()
    program = [sys.executable, "-m", "tests.faults.look_alone"]
    done = subprocess.run(
        [*program, str(place), str(files), str(folders)],
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    settled, most = map(int, done.stdout.split())
    assert settled > files, "the run's own files, too"
    return most


@pytest.fixture
def memory_disk(tmp_path: Path) -> Iterator[Path]:
    """Files come and go fast there, all at once with the mount."""
    place = tmp_path / "disk"
    place.mkdir()
    with tmpfs(place, "2g"):
        yield place


@pytest.mark.root
@pytest.mark.slow
def test_c22_h10_a_look_at_a_million_files_takes_no_more_memory(memory_disk: Path) -> None:
    """The first look reads the tree, the second one writes it down, then it is the manifest."""
    few = look(memory_disk / "few", 10_000, 10)
    many = look(memory_disk / "many", 1_000_000, 1_000)
    # SQLite keeps 2 MB of pages, which the smaller ledger does not fill. A list of a million
    # of anything takes 8 MB for its places alone.
    assert many - few < KIB_OF_A_FEW, f"{few} KiB for 10,000 files, {many} KiB for 1,000,000"


@pytest.mark.root
def test_c22_h10_of_a_huge_folder_only_its_names_are_in_memory(memory_disk: Path) -> None:
    """A look goes by the order of names, so those of one folder are read at once: 130 bytes each.

    A file with what the look tells of it has over 400.
    """
    files = 100_000
    few = look(memory_disk / "few", 10_000, 10)
    many = look(memory_disk / "many", files, 1)
    most = KIB_OF_A_FEW + files * 160 / 1024
    assert many - few < most, f"{few} KiB for 10,000 files, {many} KiB for {files} in one folder"


@contextmanager
def dug(top: Path, name: str, depth: int) -> Iterator[None]:
    """Folders in each other, and a file in the last one; taken away again, for nobody else can.

    No path leads there: the kernel takes none of over 4,096 bytes.
    """
    folder = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        folder = step(folder, name)
    os.close(os.open("last.bin", os.O_WRONLY | os.O_CREAT, dir_fd=folder))
    try:
        yield
    finally:
        os.unlink("last.bin", dir_fd=folder)
        for _ in range(depth):
            folder = step(folder, "..")
            os.rmdir(name, dir_fd=folder)
        os.close(folder)


def step(folder: int, name: str) -> int:
    """From one open folder to the next."""
    try:
        return os.open(name, os.O_RDONLY, dir_fd=folder)
    finally:
        os.close(folder)


def open_files(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


DEEP = ("d", 2_500, "over 254 folders deep")
LONG = ("l" * 200, 50, "characters long in the lake, of 1024 possible")
#: Enough for the service and one run of whose folders 254 are open, each once.
OPEN_FILES = 400


@pytest.mark.slow
def test_c22_h7_a_tree_that_no_path_leads_through_blocks_its_run_alone(lab: Lab) -> None:
    deep, long, good, later = miseq(1), miseq(2), miseq(8), miseq(9)
    write(lab, miseq(1, no_flags=True), miseq(2, no_flags=True), good)
    with (
        lab.daemon() as daemon,
        dug(folder_of(lab, deep), *DEEP[:2]),
        dug(folder_of(lab, long), *LONG[:2]),
    ):
        lab.wait_published(good.name)
        lab.wait_for(lambda: open_files(daemon) < OPEN_FILES - 254, told="too few to begin with")
        before = open_files(daemon)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        write(lab, deep, long)
        for run, (name, _, words) in ((deep, DEEP), (long, LONG)):
            expect_blocked_by_name(lab, daemon, run, f"{name}/{name}/", words)
        write(lab, later)
        lab.wait_published(later.name)
        # Each scan looks at them again, and closes what it opened.
        lab.wait_for(lambda: open_files(daemon) <= before + 10, told="folders stay open")
        errors = {line["event"] for line in daemon.lines() if line["level"] == "ERROR"}
        assert errors == {"run.blocked"}
    lab.once()
    for run in (deep, long, good, later):
        expect_published(lab, run)


def expect_blocked_by_name(
    lab: Lab, daemon: Daemon, run: MiSeqRun, folder: str, words: str
) -> None:
    lab.wait_for(lambda: daemon.lines("run.blocked") and row_of(lab, run).status == "blocked")
    row = expect_stopped(lab, run, "blocked", f"names: {folder}", "(too-long: ", words)
    assert "rename" in (row.next_step or "")
    assert row.trace is None, "no bug"
    expect_alarm(daemon.lines(), run, folder, words)
    assert words in " ".join(lab.call("why", run.name, expect=None).stdout.split())
