"""Running the command that is told of events: bounded in time, heard in part, never obeyed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
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
_LAST_WORDS = 2.0
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
    words = bytearray()
    listener = threading.Thread(target=_listen, args=(process, words), daemon=True)
    listener.start()
    code: int | None = None
    try:
        code = _wait(process, should_stop, within)
    finally:
        # Also what it started and left behind.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        listener.join(_LAST_WORDS)
        if not listener.is_alive() and process.stderr is not None:
            process.stderr.close()
    return Ended(code, escape(bytes(words).decode("utf-8", "replace").strip()))


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
    process: subprocess.Popen[bytes], should_stop: Callable[[], bool], within: float
) -> int | None:
    until, pause = time.monotonic() + within, 0.01
    while time.monotonic() < until and not should_stop():
        # It stays waitable until its group is killed: its number is not given to anybody else.
        ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is not None:
            return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        time.sleep(pause)
        pause = min(2 * pause, _POLL)
    return None


def _listen(process: subprocess.Popen[bytes], words: bytearray) -> None:
    assert process.stderr is not None  # noqa: S101
    while part := process.stderr.read1(4096):  # type: ignore[attr-defined]
        words += part[: max(0, _KEEP_WORDS - len(words))]
