"""How a running azcopy is ended: asked first, then told, then killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable

PATIENCE = 10.0
"""Seconds between two rungs; azcopy needs two to three for a clean end."""


_LAST_RUNG = 3


class StopLadder:
    """``cancel`` on stdin, SIGTERM, SIGKILL to the whole process group; one step at a time."""

    def __init__(self, process: subprocess.Popen[bytes], clock: Callable[[], float]) -> None:
        self._process = process
        self._clock = clock
        self._rung = 0
        self._next = 0.0

    @property
    def started(self) -> bool:
        """True once azcopy was asked to end."""
        return self._rung > 0

    @property
    def exhausted(self) -> bool:
        """True once it was killed: there is nothing left to do but to wait."""
        return self._rung >= _LAST_RUNG

    def climb(self) -> None:
        """Take the next step if it is due; call it often. The first call asks azcopy to end."""
        now = self._clock()
        if self.started and now < self._next:
            return
        self._rung += 1
        self._next = now + PATIENCE
        if self._rung == 1:
            self._say(b"cancel\n")
        elif self._rung == 2:
            self._signal(signal.SIGTERM)
        else:
            self._signal(signal.SIGKILL)

    def answer_prompt(self) -> None:
        """Answer a question with yes; azcopy asks back while it still reads its list."""
        if self.started:
            self._say(b"y\n")

    def _say(self, text: bytes) -> None:
        if self._process.stdin is not None:
            # It may have closed its end already; the next rung does not need it.
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(text)
                self._process.stdin.flush()

    def _signal(self, number: signal.Signals) -> None:
        signal_group(self._process, number)


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a child that leads its own process group, and all that it started.

    Only for a child that nobody has waited for yet: until then its id is its own.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
