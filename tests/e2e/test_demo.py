"""The demo is the first thing that anybody runs: it has to come true, and to leave nothing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import need
from tests.servers import AZURITE, REPO

pytestmark = [pytest.mark.slow, pytest.mark.azurite]


@pytest.fixture
def demo(azcopy_path: Path, tmp_path: Path) -> subprocess.Popen[str]:
    need(AZURITE.exists(), "Azurite (make setup)")
    return subprocess.Popen(
        [sys.executable, "-m", "demo"],
        cwd=REPO,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def started_by_it(folder: Path) -> list[str]:
    """Command lines of processes that work in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if os.fsencode(folder) in words:
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_everything_comes_true(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    said, _ = demo.communicate(timeout=240)
    assert demo.returncode == 0, said
    for line in (
        "yes  MiSeq: all 136 files are in the lake, every MD5 equal",
        "yes  MiSeq: pruned: the folder is gone, all of it waits in the trash",
        "yes  NextSeq: all 155 files are in the lake, every MD5 equal",
        "yes  NextSeq: the lab's sample sheet came late and opened generation 2",
        "run.waiting: flag Analysis/1/CopyComplete.txt: not there",
        "yes  NovaSeq X: all 78 files are in the lake, every MD5 equal",
        "yes  NovaSeq X: nothing of it was sent before Analysis/1/CopyComplete.txt was there",
        "yes  NovaSeq X: all 73 CRC-32 of its Manifest.tsv files fit the bytes in the lake",
        "yes  PROT0042_YEAST: all 8 files are in the lake in the lab's layout, every MD5 equal",
        "yes  PROT0042_YEAST: each file was sent once, when it had stopped growing",
        "yes  PROT0042_YEAST: results.ready was written after both workbooks",
        "    results/  ",
        "      prot0042_results.xlsx  ",
        "run.published: ",
        "prune.done: ",
        "    manifest-sha256: ",
        "Everything came true",
    ):
        assert line in said
    # On a slow machine its first files may need more than one generation.
    assert re.search(
        r"yes  PROT0042_YEAST: yeast_03.raw opened generation [2-9]; no other file was sent again",
        said,
    )
    assert "NO " not in said
    assert list(tmp_path.iterdir()) == []
    assert started_by_it(tmp_path) == []


def read_until(demo: subprocess.Popen[str], words: str) -> str:
    """All that it said up to the line with these words."""
    assert demo.stdout is not None
    said, until = "", time.monotonic() + 120
    for line in demo.stdout:
        said += line
        if words in line:
            break
        assert time.monotonic() < until, said
    return said


def test_interrupted_in_the_middle(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    read_until(demo, "run.sighted")
    assert started_by_it(tmp_path)
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=120)
    assert demo.returncode == 130, rest
    assert "nothing is left behind" in rest
    assert list(tmp_path.iterdir()) == []
    assert started_by_it(tmp_path) == []


def test_a_service_that_dies_is_no_success(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    said = read_until(demo, "run.sighted")
    service = re.search(r"the service runs \(pid (\d+)\)", said)
    assert service, said
    os.kill(int(service[1]), signal.SIGKILL)
    rest, _ = demo.communicate(timeout=120)
    assert demo.returncode == 1, rest
    assert "the service ended by itself with -9" in rest
    assert "Everything came true" not in rest
    (kept,) = tmp_path.iterdir()
    assert f"Everything is kept in {kept}" in rest
    assert (kept / "daemon.log").exists()
    assert started_by_it(tmp_path) == []
