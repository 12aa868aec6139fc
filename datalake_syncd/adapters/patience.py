"""Calls that may never come back (a hung share), bounded by a watch on their own progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from datalake_syncd.core.errors import SourceOffline, Stopped

_Result = TypeVar("_Result")
#: A call that gave no sign for so long (seconds) is left behind by a service that is to end; one
#: that gets on looks at the stop by itself.
_STOPS_AFTER = 5.0


class _Call(Generic[_Result]):
    def __init__(self, work: Callable[[Callable[[], None]], _Result]) -> None:
        self._work = work
        self.last_tick = time.monotonic()
        self.finished = threading.Event()
        self.given_up = threading.Event()
        self.result: _Result | None = None
        self.error: Exception | None = None

    def tick(self) -> None:
        if self.given_up.is_set():
            # Nobody waits for it any more: what it would still do, nobody would know of.
            raise Stopped("it came back after it was given up")
        self.last_tick = time.monotonic()

    def run(self) -> None:
        try:
            self.result = self._work(self.tick)
        except Exception as error:  # noqa: BLE001 - handed to the caller, who re-raises it
            self.error = error
        finally:
            self.finished.set()


class Patience:
    """Runs each call in a thread of its own and gives up on it when it stands still.

    A call gets ``tick``, which it calls whenever it gets on. When none came for ``limit``
    seconds the caller gets ``SourceOffline`` and the thread is left to itself; until it comes
    back, further calls fail at once, so that a dead share costs one thread, not one a minute.
    A call that comes back ends at its next ``tick``. Several threads may call it, for the same
    share. ``beat`` is called about once a second while a caller waits, in its own thread: waiting
    here is no hang, for it ends by itself. ``should_stop`` is asked as often: a service that is
    to end waits for no share, and its callers get ``Stopped``.
    """

    def __init__(
        self,
        name: str,
        limit: float,
        beat: Callable[[], None] = lambda: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._name = name
        self._limit = limit
        self._beat = beat
        self._should_stop = should_stop
        self._given_up: tuple[threading.Event, ...] = ()

    @property
    def stuck(self) -> bool:
        """True while a call that was given up has not come back."""
        return any(not call.is_set() for call in self._given_up)

    def call(self, work: Callable[[Callable[[], None]], _Result]) -> _Result:
        """Run ``work(tick)`` and give its result; its exceptions come through."""
        if self.stuck:
            raise self._no_answer()
        call = _Call(work)
        threading.Thread(target=call.run, name=f"source-{self._name}", daemon=True).start()
        while not call.finished.wait(min(1.0, self._limit)):
            self._beat()
            silent = time.monotonic() - call.last_tick
            if silent > self._limit or (silent > _STOPS_AFTER and self._should_stop()):
                call.given_up.set()
                still = [one for one in self._given_up if not one.is_set()]
                self._given_up = (*still, call.finished)
                raise self._no_answer() if silent > self._limit else Stopped()
        self._beat()
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]

    def _no_answer(self) -> SourceOffline:
        return SourceOffline(
            f"{self._name} does not answer (nothing came for {self._limit:.0f} s)",
            why="the share or disk hangs; everything else goes on",
            next_step="check the mount (mount, dmesg) and the instrument's computer",
        )


def waits_for_disk(thread: int) -> bool:
    """Whether a thread (its native id) is deep in the kernel, waiting for a disk or a share.

    There (state D) nothing but the disk's answer or a kill reaches it.
    """
    try:
        told = Path(f"/proc/{thread}/stat").read_bytes()
    except OSError:
        return False
    # The name in brackets may hold anything, brackets too.
    return told.rpartition(b")")[2].split()[:1] == [b"D"]
