"""The log of each run: redacted, bounded, and never in anybody's way."""

from __future__ import annotations

import logging
import os
import resource
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from datalake_syncd.adapters import logs, run_logs
from datalake_syncd.adapters.logs import log_event
from datalake_syncd.adapters.run_logs import RunLogs, folder_of, outdated, tail
from datalake_syncd.core.redact import Redactor

LOGGER = logging.getLogger("datalake_syncd.tests.run_logs")
KEY = "seq/R1"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    known = logging.getLogger()
    before, level = list(known.handlers), known.level
    made = tmp_path / "run-logs"
    with (tmp_path / "stream").open("w") as stream:
        logs.configure("ERROR", "json", None, Redactor(["hunter22"]), stream,
                       beside=RunLogs(made, logs.run_of))  # fmt: skip
        yield made
        for handler in list(known.handlers):
            if handler not in before:
                known.removeHandler(handler)
        known.setLevel(level)


def told(root: Path, run: str = KEY, most: int = 10**6) -> str:
    return tail(root, run, most).decode()


def test_lines_of_a_run_are_kept_whatever_the_level_of_the_log(root: Path) -> None:
    log_event(LOGGER, logging.INFO, "a.b", "first", run=KEY)
    log_event(LOGGER, logging.ERROR, "a.c", "hunter22 \n forged", run=KEY, note="x\ny")
    log_event(LOGGER, logging.INFO, "a.b", "other", run="seq/R2")
    log_event(LOGGER, logging.INFO, "a.b", "of nobody")
    log_event(LOGGER, logging.DEBUG, "a.b", "too fine", run=KEY)
    lines = told(root).splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("INFO    a.b seq/R1: first")
    assert "*** \\x0a forged (note=x\\x0ay)" in lines[1]
    assert (root.parent / "stream").read_text().count("\n") == 1
    mode = stat.S_IMODE((folder_of(root, KEY) / "log").stat().st_mode)
    assert mode == 0o600


def test_j4_it_is_bounded_and_its_end_is_kept(root: Path) -> None:
    for number in range(1500):
        log_event(LOGGER, logging.INFO, "a.b", f"line {number} " + "z" * 1000, run=KEY)
    folder = folder_of(root, KEY)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3 * run_logs.ROTATE_BYTES
    end = told(root, most=50_000)
    assert "line 1499 " in end
    assert len(end) <= 50_000
    assert end.splitlines()[0].startswith("20"), "whole lines"
    assert len(told(root)) > run_logs.ROTATE_BYTES, "over the rotation"


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "a/b/../c", "R\n1", "x" * 400, "ü\udcff", ".", "R 1;rm"]
)
def test_names_lead_nowhere_else(root: Path, name: str) -> None:
    log_event(LOGGER, logging.INFO, "a.b", "told", run=f"seq/{name}")
    folder = folder_of(root, f"seq/{name}")
    assert folder.parent == root
    assert folder.resolve().parent == root.resolve()
    assert "told" in told(root, f"seq/{name}")
    assert folder != folder_of(root, f"seq/{name}_"), "no two share one"


def test_a_disk_that_is_full_stops_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_event(LOGGER, logging.INFO, "a.b", "before", run=KEY)
    monkeypatch.setattr(run_logs, "_PAUSE", 1.0)
    limit = 2000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        began = time.monotonic()
        for number in range(100):
            log_event(LOGGER, logging.INFO, "a.b", f"line {number} " + "z" * 100, run=KEY)
        assert time.monotonic() - began < 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert "line 0 " in told(root)
    assert "line 99 " not in told(root), "it rests"
    time.sleep(1.1)
    log_event(LOGGER, logging.INFO, "a.b", "again", run=KEY)
    assert "again" in told(root)


def test_old_ones_and_too_many_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for number in range(6):
        log_event(LOGGER, logging.INFO, "a.b", "told", run=f"seq/R{number}")
        path = folder_of(root, f"seq/R{number}") / "log"
        os.utime(path, (now - number * 3600, now - number * 3600))
    assert outdated(root, now) == []
    monkeypatch.setattr(run_logs, "KEEP_RUNS", 4)
    gone = {path.name[:6] for path in outdated(root, now)}
    assert gone == {"seq~R4", "seq~R5"}
    assert len(outdated(root, now + run_logs.KEEP_SECONDS - 1800)) == 5
