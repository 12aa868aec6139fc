"""Programs that the demo starts, and ends again by their own process, whatever happens."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path


class Child(subprocess.Popen[bytes]):
    """A program of ours, in a process group of its own."""

    def end(self, grace: float) -> int:
        """Ask it to end; after ``grace`` seconds make it. Gives its exit code."""
        if self.poll() is None:
            self.terminate()
        try:
            return self.wait(grace)
        except subprocess.TimeoutExpired:
            # Not waited for yet, so the process group can't be anybody else's.
            os.killpg(self.pid, signal.SIGKILL)
            return self.wait()


def start(
    argv: list[str], log: Path, *, dies_with_us: signal.Signals, cwd: Path | None = None
) -> Child:
    """Start a program that writes to ``log`` and gets ``dies_with_us`` when the demo is killed.

    A session of its own keeps Ctrl-C in the terminal from reaching it: it is ended in order.
    """
    if shutil.which("setpriv"):
        argv = ["setpriv", "--pdeathsig", dies_with_us.name.removeprefix("SIG"), "--", *argv]
    with log.open("ab") as output:
        return Child(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=cwd,
        )
