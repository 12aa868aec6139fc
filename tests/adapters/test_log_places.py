"""What becomes of the log when its disk is full, away or silent: nobody ever waits for it."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters import logs
from datalake_syncd.adapters.logs import configure, copy_problem, log_event, outlet
from datalake_syncd.core.redact import Redactor
from tests.e2e.mounts import tmpfs

LOGGER = logging.getLogger("datalake_syncd.test")


@pytest.fixture(autouse=True)
def _root_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    level, theirs = root.level, list(root.handlers)
    monkeypatch.setattr(logs, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(outlet, "PATIENCE", 0.5)
    yield
    for handler in root.handlers:
        if handler not in theirs:
            handler.close()
    root.handlers = theirs
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def start(file: Path | None, stream: Any = None) -> io.StringIO:
    told = io.StringIO()
    configure("INFO", "json", file, Redactor(), stream or told, {})
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if type(one).__module__.startswith(logs.__name__)]
    return told


def say(number: int = 0, text: str = "b") -> None:
    log_event(LOGGER, logging.INFO, "a", text, number=number)


def events(text: str) -> list[str]:
    """Every line is whole JSON, also where a disk got full in the middle of one."""
    return [json.loads(line)["event"] for line in text.splitlines()]


def told_in(stream: io.StringIO) -> list[str]:
    return [event for event in events(stream.getvalue()) if event != "a"]


def soon(what: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


# --- the copy --------------------------------------------------------------------------------


@pytest.mark.root
def test_b2_a_full_disk_is_told_once_and_its_end_too(tmp_path: Path) -> None:
    with tmpfs(tmp_path, "1m"):
        stream = start(tmp_path / "syncd.log")
        say()
        filler = tmp_path / "filler"
        with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:  # noqa: PT012
            while True:
                file.write(b"x" * 512)
        for number in range(20):
            say(number, "x" * 3000)
        assert told_in(stream) == ["log.file-failed"]
        assert copy_problem() == (tmp_path / "syncd.log", "No space left on device")
        filler.unlink()
        say(text="again")
        assert told_in(stream) == ["log.file-failed", "log.file-works"]
        assert copy_problem() is None
        lines = (tmp_path / "syncd.log").read_text().splitlines()
        gap = json.loads(lines[-2])
        assert (gap["event"], json.loads(lines[-1])["message"]) == ("log.file-gap", "again")
        # What is written, what is torn and what is missing make up all that was logged.
        whole = [line for line in lines if line.endswith("}")]
        assert gap["lines"] + len(whole) - 1 == 22
        say(text="and on")
        assert (tmp_path / "syncd.log").read_text().count("log.file-gap") == 1
        assert len(told_in(stream)) == 2


@pytest.mark.root
def test_a_file_system_that_turns_read_only(tmp_path: Path) -> None:
    with tmpfs(tmp_path, "1m"):
        stream = start(tmp_path / "syncd.log")
        say()
        logging.getLogger().handlers[1].close()  # an open file would keep it writable
        stream = start(tmp_path / "syncd.log")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        say()
        say()
        assert told_in(stream) == ["log.file-failed"]
        subprocess.run(["mount", "-o", "remount,rw", str(tmp_path)], check=True)
        say()
        assert told_in(stream) == ["log.file-failed", "log.file-works"]


def test_a_folder_that_is_removed_and_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    stream = start(folder / "syncd.log")
    say()
    shutil.rmtree(folder)
    say()
    say()
    assert told_in(stream) == ["log.file-failed"]
    folder.mkdir()
    say(7)
    assert told_in(stream) == ["log.file-failed", "log.file-works"]
    assert '"number": 7' in (folder / "syncd.log").read_text()


def test_a_file_that_is_moved_away_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "syncd.log"
    stream = start(path)
    say(1)
    path.rename(tmp_path / "syncd.log-20261122")
    say(2)
    assert '"number": 2' in path.read_text()
    assert '"number": 2' not in (tmp_path / "syncd.log-20261122").read_text()
    os.truncate(path, 0)  # logrotate's copytruncate
    say(3)
    assert path.read_text().count("\n") == 1
    path.rename(tmp_path / "syncd.log-20261123")  # and its create
    path.touch()
    say(4)
    assert '"number": 4' in path.read_text()
    assert not told_in(stream)


@pytest.mark.parametrize("reader", [True, False])
def test_a_fifo_in_its_place_is_refused(tmp_path: Path, *, reader: bool) -> None:
    path = tmp_path / "syncd.log"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if reader else None
    stream = start(path)
    say()
    say()
    assert told_in(stream) == ["log.file-failed"]
    if descriptor is not None:
        os.close(descriptor)
    path.unlink()
    say()
    assert told_in(stream) == ["log.file-failed", "log.file-works"]


def test_a_limit_of_the_file_size(tmp_path: Path, repo_root: Path) -> None:
    code = (
        "import logging, sys, pathlib\n"
        "from datalake_syncd.adapters.logs import configure, log_event\n"
        "from datalake_syncd.core.redact import Redactor\n"
        "configure('INFO', 'json', pathlib.Path(sys.argv[1]), Redactor())\n"
        "for n in range(100): log_event(logging.getLogger('x'), 20, 'a', 'x' * 100)\n"
    )
    path = tmp_path / "syncd.log"
    done = subprocess.run(
        ["prlimit", "--fsize=8192", sys.executable, "-c", code, str(path)],
        capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(repo_root)},
    )  # fmt: skip
    assert path.stat().st_size == 8192
    assert events(done.stdout).count("a") == 100
    assert events(done.stdout).count("log.file-failed") == 1
    assert not done.stderr


def test_a_disk_that_hangs_makes_nobody_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that nobody reads: the kernel keeps its writer waiting, as a dead NFS does."""
    monkeypatch.setattr(outlet, "MOST_LINES", 50)
    here, there = pty.openpty()
    settings = termios.tcgetattr(there)
    settings[1] &= ~termios.OPOST
    termios.tcsetattr(there, termios.TCSANOW, settings)
    path = tmp_path / "syncd.log"
    path.symlink_to(os.ttyname(there))
    stream = start(path)
    waits = []
    for number in range(500):
        began = time.monotonic()
        say(number, "x" * 200)
        waits.append(time.monotonic() - began)
    assert max(waits) < 2, "nobody waits for long"
    assert sum(waits) < 8, "five hundred lines, not five hundred time-outs"
    assert events(stream.getvalue()).count("a") == 500
    assert told_in(stream) == ["log.file-dropped"]
    assert copy_problem() == (path, "its disk does not answer")

    got = bytearray()

    def read() -> None:
        while True:
            try:
                got.extend(os.read(here, 65536))
            except OSError:
                return

    threading.Thread(target=read, daemon=True).start()
    soon(lambda: b'"number": 50' in got)
    say(500)
    soon(lambda: told_in(stream) == ["log.file-dropped", "log.file-works"])
    soon(lambda: got.endswith(b"\n") and b'"number": 500' in got)
    lines = [json.loads(line) for line in got.decode().splitlines()]
    numbers = [line["number"] for line in lines if line["event"] == "a"]
    (gap,) = [line["lines"] for line in lines if line["event"] == "log.file-gap"]
    assert len(numbers) + gap == 501
    assert numbers == sorted(numbers)
    assert copy_problem() is None
    logging.getLogger().handlers[1].close()
    os.close(there)
    os.close(here)


def test_a_hanging_copy_does_not_keep_the_process(tmp_path: Path, repo_root: Path) -> None:
    here, there = pty.openpty()
    code = (
        "import logging, sys, pathlib\n"
        "from datalake_syncd.adapters.logs import configure, log_event\n"
        "from datalake_syncd.core.redact import Redactor\n"
        "configure('INFO', 'json', pathlib.Path(sys.argv[1]), Redactor())\n"
        "for n in range(300): log_event(logging.getLogger('x'), 20, 'a', 'x' * 300)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, os.ttyname(there)],
        capture_output=True, text=True, check=True, timeout=20,
        env={**os.environ, "PYTHONPATH": str(repo_root)},
    )  # fmt: skip
    assert events(done.stdout).count("a") == 300
    assert not done.stderr
    os.close(there)
    os.close(here)


def buffered(repo_root: Path) -> dict[str, str]:
    """An environment in which Python buffers stdout, as it does for a service."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**kept, "PYTHONPATH": str(repo_root)}


# --- the stream ------------------------------------------------------------------------------


def test_a_pipe_that_nobody_reads_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MOST_LINES", 100)
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        start(None, stream)
        began = time.monotonic()
        for number in range(2000):
            say(number)
        assert time.monotonic() - began < 10
        got = bytearray()

        def read() -> None:
            while piece := os.read(reading, 65536):
                got.extend(piece)

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        time.sleep(0.2)
        say(2000)
        logging.getLogger().handlers[0].close()
    thread.join(10)
    os.close(reading)
    lines = [json.loads(line) for line in got.decode().splitlines()]
    numbers = [line["number"] for line in lines if line["event"] == "a"]
    lost = sum(line["lines"] for line in lines if line["event"] == "log.dropped")
    assert numbers == sorted(numbers)
    assert numbers[-1] == 2000
    assert lost > 0
    assert len(numbers) + lost == 2001


def test_a_process_ends_although_nobody_reads_it(repo_root: Path) -> None:
    code = (
        "import logging, time\n"
        "from datalake_syncd.adapters.logs import configure, log_event\n"
        "from datalake_syncd.core.redact import Redactor\n"
        "configure('INFO', 'json', None, Redactor())\n"
        "for n in range(1000): log_event(logging.getLogger('x'), 20, 'a', 'x' * 100)\n"
        "raise SystemExit(7)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=buffered(repo_root),
    )  # fmt: skip
    assert process.wait(30) == 7
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.communicate()


def test_the_last_line_is_out_before_a_sudden_end(repo_root: Path) -> None:
    """Somebody who looks for the reason of a crash finds what was said right before."""
    code = (
        "import logging, os, signal\n"
        "from datalake_syncd.adapters.logs import configure, log_event\n"
        "from datalake_syncd.core.redact import Redactor\n"
        "configure('INFO', 'json', None, Redactor())\n"
        "for n in range(50): log_event(logging.getLogger('x'), 20, 'a', 'x', number=n)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(repo_root)},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL
    assert json.loads(done.stdout.splitlines()[-1])["number"] == 49


def test_a_reader_that_went_away_stops_nothing(repo_root: Path) -> None:
    code = (
        "import logging, time\n"
        "from datalake_syncd.adapters.logs import configure, log_event\n"
        "from datalake_syncd.core.redact import Redactor\n"
        "configure('INFO', 'json', None, Redactor())\n"
        "for n in range(2000): log_event(logging.getLogger('x'), 20, 'a', 'x' * 100)\n"
    )
    command = f'{sys.executable} -c "$CODE" | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(repo_root), "CODE": code},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0"
    assert not done.stderr
