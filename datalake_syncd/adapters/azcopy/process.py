"""One call of azcopy: started, watched, ended, cleaned up after."""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from datalake_syncd.adapters.azcopy.argv import copy_argv
from datalake_syncd.adapters.azcopy.collect import Collector
from datalake_syncd.adapters.azcopy.environment import child_environment
from datalake_syncd.adapters.azcopy.job import CopyJob, CopyResult
from datalake_syncd.adapters.azcopy.ladder import StopLadder, signal_group
from datalake_syncd.adapters.azcopy.list_file import no_room, write_list
from datalake_syncd.adapters.azcopy.output import Event, Message, Progress, parse_line
from datalake_syncd.adapters.azcopy.stall import StallWatch
from datalake_syncd.adapters.azcopy.version import cannot_start, locate
from datalake_syncd.adapters.azcopy.written import Written
from datalake_syncd.core.access import LakeSecret
from datalake_syncd.core.redact import Redactor

_PREFIX = "copy-"
_POLL = 0.1  # seconds
_LONGEST_LINE = 64 * 1024**2
_KEEP_STDERR = 64 * 1024
_LAST_WORDS = 10.0  # seconds for pipes to run dry after the end


def run_copy(
    job: CopyJob,
    *,
    clean: Callable[[Path], None],
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[Progress], None] = lambda _: None,
    all_arrived: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> CopyResult:
    """Run one upload to its end, whatever the end is; `judge` says what it means.

    Blocks; call it from a thread that lives as long as the upload may (azcopy is killed when
    that thread ends). ``clean`` removes a folder that is wholly ours. ``should_stop`` is asked
    about ten times a second; once true, azcopy is ended in two to three seconds, at most 20.
    ``all_arrived`` is asked when azcopy seems to have nothing more to write: True, when the lake
    has all that was given to it, ends it at once, for by itself it does so only every two seconds.
    Raises `Transient` when azcopy can't be started, `UsageError` or `NeedsPerson` when the job
    can't be put to it.
    """
    program = locate(job.azcopy)
    secret = job.access.read_secret()
    private = _private_folder(job.private_root)
    try:
        list_file = private / "list.txt"
        write_list(list_file, job)
        argv = copy_argv(
            job.source_root, job.destination, list_file, job.access, secret, job.settings
        )
        environment = child_environment(
            job.access, secret, private, job.settings, job.count, job.bytes, os.environ
        )
        call = _Call(job, secret, private, clock)
        watching = (should_stop, on_progress, all_arrived)
        return call.run([str(program), *argv], environment, *watching)
    finally:
        clean(private)


def leftovers(private_root: Path) -> list[Path]:
    """Folders of calls whose daemon was killed; theirs to clean at the next start."""
    try:
        return sorted(path for path in private_root.iterdir() if path.name.startswith(_PREFIX))
    except FileNotFoundError:
        return []


def _private_folder(root: Path) -> Path:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    except OSError as error:
        raise no_room(root, error) from error


@functools.cache
def _setpriv() -> str | None:
    """The program that ties a child's life to ours, if there is one that can."""
    found = shutil.which("setpriv")
    if found is None:
        return None
    probe = subprocess.run(
        [found, "--pdeathsig", "KILL", "--", found, "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return found if probe.returncode == 0 else None


class _Call:
    """A started azcopy and the threads that listen to it."""

    def __init__(
        self, job: CopyJob, secret: LakeSecret, private: Path, clock: Callable[[], float]
    ) -> None:
        self._job = job
        self._private = private
        self._clock = clock
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stderr = b""
        self._collector = Collector(job, Redactor(secret.values()))

    def run(
        self,
        argv: list[str],
        environment: dict[str, str],
        should_stop: Callable[[], bool],
        on_progress: Callable[[Progress], None],
        all_arrived: Callable[[], bool],
    ) -> CopyResult:
        started = self._clock()
        process = self._spawn(argv, environment)
        listeners = self._listen(process)
        ladder = StopLadder(process, self._clock)
        watch = StallWatch(self._job.settings.stall_timeout, started)
        written = Written(process.pid, self._job.bytes, self._job.count)
        try:
            while not _has_ended(process):
                for event in self._next_events():
                    watch.heard(self._clock())
                    if isinstance(event, Progress):
                        watch.progress(event, self._clock())
                    self._take(event, ladder, on_progress)
                if not ladder.started:
                    self._collector.stopped = should_stop()
                    stuck = None if self._collector.stopped else watch.stuck(self._clock())
                    if stuck is not None:
                        self._collector.stall_reason = stuck
                    if not self._collector.stopped and stuck is None:
                        if written.all_of_it(self._clock()) and all_arrived():
                            self._collector.arrived = True
                            break
                        continue
                ladder.climb()
                if ladder.exhausted:
                    break
        finally:
            # Also what azcopy started (az), and azcopy itself when we leave by an exception.
            signal_group(process, signal.SIGKILL)
            returncode = self._last_wait(process)
            self._end_listening(process, listeners)
        while events := self._waiting_events():
            for event in events:
                self._take(event, ladder, on_progress)
        self._collector.read_log(self._private / "log")
        seconds = self._clock() - started
        return self._collector.result(returncode, self._stderr, seconds)

    def _spawn(self, argv: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        setpriv = _setpriv()
        if setpriv:
            argv = [setpriv, "--pdeathsig", "KILL", "--", *argv]
        else:
            self._collector.warnings.append(
                "setpriv is missing: azcopy would outlive a killed daemon"
            )
        try:
            return subprocess.Popen(
                argv,
                env=environment,
                cwd=self._private,
                # Held open: azcopy burns a core on a closed one, and cancelling goes through it.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                umask=0o077,
            )
        except OSError as error:
            raise cannot_start(Path(argv[0]), error) from error

    def _listen(self, process: subprocess.Popen[bytes]) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._read_stdout, args=(process,), daemon=True),
            threading.Thread(target=self._read_stderr, args=(process,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        return threads

    def _last_wait(self, process: subprocess.Popen[bytes]) -> int:
        """Its exit code; or that of a killed one, when the kernel keeps it for a dead share.

        Such a one is left behind: it was killed, and does nothing more when the share is back.
        """
        try:
            return process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._collector.warnings.append(
                f"azcopy (process {process.pid}) can't be killed: it waits in the kernel for a "
                "disk or share that does not answer; it ends when that is back"
            )
            return -signal.SIGKILL

    def _end_listening(
        self, process: subprocess.Popen[bytes], listeners: list[threading.Thread]
    ) -> None:
        for listener in listeners:
            listener.join(_LAST_WORDS if process.returncode is not None else 0.1)
        if any(listener.is_alive() for listener in listeners):
            # Closing under a reader would wait for it.
            self._collector.warnings.append("something that azcopy started holds its output open")
            return
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                # What was still to be said to a process that is gone is not missed.
                with contextlib.suppress(OSError):
                    pipe.close()

    def _read_stdout(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101
        while line := process.stdout.readline(_LONGEST_LINE):
            event = parse_line(line)
            if event is not None:
                self._events.put(event)

    def _read_stderr(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None  # noqa: S101
        while part := process.stderr.readline(_KEEP_STDERR):
            # A panic tells its reason first, its stacks after.
            self._stderr = (self._stderr + part)[:_KEEP_STDERR]

    def _next_events(self) -> list[Event]:
        """Wait a moment for an event, then take all that are there."""
        try:
            first = self._events.get(timeout=_POLL)
        except queue.Empty:
            return []
        return [first, *self._waiting_events()]

    def _waiting_events(self) -> list[Event]:
        events: list[Event] = []
        with contextlib.suppress(queue.Empty):
            while len(events) < 1000:
                events.append(self._events.get_nowait())
        return events

    def _take(
        self, event: Event, ladder: StopLadder, on_progress: Callable[[Progress], None]
    ) -> None:
        if isinstance(event, Message) and event.kind == "Prompt":
            ladder.answer_prompt()
        if (progress := self._collector.take(event)) is not None:
            on_progress(progress)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """True once it is over; it stays waitable, so that its process group is still its own."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
