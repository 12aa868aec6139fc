"""Work that may hang, done beside the thread that asks for it, and given up in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from datalake_syncd.core.errors import Stopped, Transient

_POLL = 0.1
#: When the service stops, an errand gets so long (seconds) to come to its end.
STOP_GRACE = 5.0


class Errand:
    """One errand at a time; one that was given up keeps the next from starting.

    The thread dies with the process, so that nothing that hangs delays its end.
    """

    def __init__(self, name: str, stopping: threading.Event) -> None:
        self._name = name
        self._stopping = stopping
        self._thread: threading.Thread | None = None

    def run(
        self, work: Callable[[], None], *, within: float, give_up: Callable[[], None] = lambda: None
    ) -> None:
        """Do the work within so many seconds; its exceptions come through.

        Raises `Transient` when it takes longer, `Stopped` when the service stops meanwhile;
        ``give_up`` is called before that, and may end it.
        """
        if self._thread is not None and self._thread.is_alive():
            raise Transient(f"{self._name} still hangs since the last time")
        caught: list[Exception] = []

        def body() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - handed to the caller, who re-raises it
                caught.append(error)

        self._thread = threading.Thread(target=body, name=f"errand-{self._name}", daemon=True)
        self._thread.start()
        until, asked_to_stop = time.monotonic() + within, False
        while self._thread.is_alive():
            if self._stopping.is_set() and not asked_to_stop:
                asked_to_stop = True
                until = min(until, time.monotonic() + STOP_GRACE)
            if time.monotonic() > until:
                give_up()
                self._thread.join(1.0)
                if asked_to_stop:
                    raise Stopped
                raise Transient(f"{self._name} took longer than {within:.0f} s and was given up")
            self._thread.join(_POLL)
        if caught:
            raise caught[0]
