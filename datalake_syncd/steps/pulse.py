"""Which loops make progress: the daemon's own, each watcher, each worker, each request.

A loop that gives no sign for longer than it may is *late*, and the watchdog is no longer fed.
Signs are given where time is honestly spent: while a call into a source is waited for (Patience
ends that by itself), at every answer of the lake, while azcopy moves (its stall watch ends it),
while files are hashed, at every part that is read back, at every file that is unlinked. So long
work is never late, however long it takes, and an SDK call that never returns is.

Attendants are left out on purpose: a dead mail server must not have the service killed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from datalake_syncd.adapters.patience import waits_for_disk

#: Seconds without a sign after which a loop is late: longer than any single request to the lake
#: may honestly take (256 MiB over 1.2 Mbit/s), short beside the hours that a hang would cost.
WITHIN = 1800.0
#: The daemon's own loop: it waits for nothing but the ledger.
MAIN_WITHIN = 180.0
#: Seconds instead of both, for tests and rehearsals.
VARIABLE = "SYNCD_PULSE_WITHIN"


@dataclass(slots=True, eq=False)
class _Loop:
    name: str
    within: float
    thread: int
    now: Callable[[], float]
    due: float = field(init=False)
    died: bool = False

    def __post_init__(self) -> None:
        self.beat()

    def beat(self, rest: float = 0.0) -> None:
        self.due = self.now() + self.within + rest


def _nothing() -> None:
    """The sign of a thread that is no loop."""


class Pulse:
    """The loops of one service and their signs of life; safe to call from any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._here = threading.local()
        self._loops: list[_Loop] = []
        self._lock = threading.Lock()
        told = os.environ.get(VARIABLE)
        self._instead = float(told) if told else None

    @contextmanager
    def loop(self, name: str, within: float = WITHIN) -> Iterator[None]:
        """What is done inside is a loop of this thread that must give signs.

        ``within`` in seconds. A loop that ends by an exception is late for good: its thread is
        gone, and nobody does its work any more.
        """
        one = _Loop(name, self._instead or within, threading.get_native_id(), self._now)
        self._here.loop = one
        with self._lock:
            self._loops.append(one)
        try:
            yield
        except BaseException:  # whatever ends the thread; it is raised again
            one.died = True
            raise
        else:
            with self._lock:
                self._loops.remove(one)
        finally:
            self._here.loop = None

    def beat(self, rest: float = 0.0) -> None:
        """A sign of the present thread's loop, which may rest for so many seconds on top."""
        one: _Loop | None = getattr(self._here, "loop", None)
        if one is not None:
            one.beat(rest)

    def here(self) -> Callable[[], None]:
        """A function that gives signs for the present thread's loop, from whatever thread."""
        one: _Loop | None = getattr(self._here, "loop", None)
        return _nothing if one is None else one.beat

    def late(self) -> list[str]:
        """Names of the loops that make no progress.

        A thread that the kernel keeps waiting for a disk or share is left out: killing the
        service would not free it, and would break off the runs of every other instrument.
        """
        now = self._now()
        with self._lock:
            loops = list(self._loops)
        return [
            one.name
            for one in loops
            if one.died or (now > one.due and not waits_for_disk(one.thread))
        ]
