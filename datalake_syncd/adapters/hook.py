"""Running the command that is told of events: bounded in time, heard in part, never obeyed."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.names import escape

#: Seconds that the command may take for one event.
WITHIN = 30.0
_KEEP_WORDS = 2000  # bytes of what it says on stderr
_POLL = 0.1
_PART, _PIPE_FULL = 64 * 1024, 1024 * 1024
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class HookUnusable(SyncdError):
    """The command can't be started at all."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended; ``code`` None: it was killed, as it took too long or we stop."""

    code: int | None
    words: str

    @property
    def well(self) -> bool:
        """Exit code 0."""
        return self.code == 0


def run_hook(
    argv: Sequence[str],
    document: bytes,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    within: float = WITHIN,
) -> Ended:
    """Run the command with the document on its stdin; blocks at most ``within`` seconds.

    It gets an environment of its own, no shell, and a process group that is killed as a whole.
    """
    # Memory that reads like a file: nothing waits for a command that does not read.
    descriptor = os.memfd_create("event", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(document)
        os.lseek(descriptor, 0, os.SEEK_SET)
        process = _start(argv, descriptor)
    finally:
        os.close(descriptor)
    assert process.stderr is not None  # noqa: S101
    with process.stderr:
        words = _Words(process.stderr.fileno())
        code: int | None = None
        try:
            code = _wait(process, words, should_stop, within)
        finally:
            # Also what it started and left behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        # All that it said is in the pipe already. Who left its group may hold the other end for
        # ever: that is not waited for.
        words.take()
    return Ended(code, words.text)


class _Words:
    """What comes out of a pipe: taken when it is there, kept in part, never waited for."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._kept = bytearray()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._ended = False

    @property
    def text(self) -> str:
        return escape(bytes(self._kept).decode("utf-8", "replace").strip())

    def wait(self, seconds: float) -> None:
        """Wait, and take what comes meanwhile so that the pipe is never full."""
        if self._ended:
            time.sleep(seconds)
        elif self._poll.poll(1000 * seconds):
            self.take()

    def take(self) -> None:
        """Take what is there, and a pipe full at most."""
        for _ in range(_PIPE_FULL // _PART):
            try:
                part = os.read(self._descriptor, _PART)
            except BlockingIOError:
                return
            self._kept += part[: max(0, _KEEP_WORDS - len(self._kept))]
            if not part:
                self._ended = True
                return


def _start(argv: Sequence[str], stdin: int) -> subprocess.Popen[bytes]:
    environment = {"PATH": _PATH, "LANG": "C.UTF-8"}
    environment.update({name: os.environ[name] for name in ("TZ",) if name in os.environ})
    try:
        return subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise HookUnusable(
            f"the command {escape(argv[0])} can't be started: {error.strerror or error}",
            why="daemon.on_event names it; nobody hears of events",
            next_step="correct daemon.on_event, or make the file executable for the service's user",
        ) from error


def _wait(
    process: subprocess.Popen[bytes],
    words: _Words,
    should_stop: Callable[[], bool],
    within: float,
) -> int | None:
    until, pause = time.monotonic() + within, 0.01
    while time.monotonic() < until and not should_stop():
        # It stays waitable until its group is killed: its number is not given to anybody else.
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is not None:
            return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        words.wait(pause)
        pause = min(2 * pause, _POLL)
    return None
