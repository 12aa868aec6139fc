"""The demo is the first thing that anybody runs: it has to come true, and to leave nothing."""

from __future__ import annotations

import os
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
        "run.published: ",
        "prune.done: ",
        "    manifest-sha256: ",
        "Everything came true",
    ):
        assert line in said
    assert "NO " not in said
    assert list(tmp_path.iterdir()) == []
    assert started_by_it(tmp_path) == []


def test_interrupted_in_the_middle(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    assert demo.stdout is not None
    until = time.monotonic() + 120
    for line in demo.stdout:
        if "run.sighted" in line:
            break
        assert time.monotonic() < until
    assert started_by_it(tmp_path)
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=120)
    assert demo.returncode == 130, rest
    assert "nothing is left behind" in rest
    assert list(tmp_path.iterdir()) == []
    assert started_by_it(tmp_path) == []
