"""Signs of life of the daemon: to systemd, to ``pulse.json``, and to people when a loop hangs."""

from __future__ import annotations

import faulthandler
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress

from datalake_syncd.adapters.ledger import DaemonState, LedgerFull
from datalake_syncd.adapters.pulse_file import write_pulse
from datalake_syncd.adapters.systemd import Notifier
from datalake_syncd.steps.overview.report import read_report
from datalake_syncd.steps.overview.sentence import sentence
from datalake_syncd.steps.service import Service

#: Seconds between two looks at the loops; what looks from outside counts on it.
EVERY = 10.0
#: The sentence for the service manager is made anew after so many times the processor time that
#: it took: reading thousands of runs is not for nothing, and must stay at 0.03 % of a core. It is
#: never older than `_OLDEST` (seconds).
_REST = 3000.0
_OLDEST = 120.0
#: The key of the trouble that a loop which hangs is.
HANG = "hang"


class Signs:
    """Tells that the service lives; used by the daemon's own loop alone.

    ``awaited`` gives what the start still waits for; when it is empty the service is ready.
    """

    def __init__(
        self, service: Service, awaited: Callable[[], list[str]], notifier: Notifier | None = None
    ) -> None:
        self._service = service
        self._awaited = awaited
        self._notifier = notifier or Notifier()
        watchdog = self._notifier.watchdog
        self._every = EVERY if watchdog is None else min(EVERY, watchdog / 3)
        self._looked_at = float("-inf")
        self._tell_at = float("-inf")
        self._late: list[str] = []
        self._ready = False

    def begin(self) -> None:
        """At start: nothing hangs yet, and a kill by the watchdog leaves the stacks in the log.

        What an earlier process last wrote is replaced at once: one that hung was killed for it.
        """
        with suppress(RuntimeError, ValueError):  # stderr may be no file, as in some tests
            faulthandler.enable()
        write_pulse(self._service.config.daemon.state_dir, self._service.wall(), [])
        self._service.trouble_over(HANG)
        self._notifier.status("starting: the first scan of every instrument goes on")

    def tick(self) -> None:
        """To be called at every round of the daemon's loop."""
        service = self._service
        service.pulse.beat()
        now = service.monotonic()
        if not self._ready and not self._awaited():
            told = self._sentence()
            self._ready = True
            self._notifier.ready(told)
        if now - self._looked_at >= self._every:
            self._looked_at = now
            self._look()
        if self._ready and self._notifier.is_heard and now >= self._tell_at:
            self._notifier.status(self._sentence())

    def reloading(self) -> None:
        """A new configuration is being read."""
        if self._ready:
            self._notifier.reloading()

    def reloaded(self) -> None:
        """It was taken or refused; the sentence says if somebody is needed."""
        if self._ready:
            self._notifier.ready(self._sentence())

    def stopping(self) -> None:
        """The service ends."""
        self._notifier.stopping()

    def _look(self) -> None:
        late = self._service.pulse.late()
        write_pulse(self._service.config.daemon.state_dir, self._service.wall(), late)
        if not late:
            self._notifier.alive()
        if late != self._late:
            self._tell(late)
            self._late = late

    def _tell(self, late: list[str]) -> None:
        service = self._service
        with suppress(LedgerFull):  # which has an alarm of its own
            if not late:
                service.log(logging.INFO, "loop.goes-on", "every part of the service gets on again")
                service.trouble_over(HANG)
                return
            message = f"a part of the service hangs: {', '.join(late)}"
            next_step = (
                "under systemd nothing: it is killed and started again, and every run goes on; "
                f"else restart it (pid {os.getpid()}), and report it with its last log lines"
            )
            tell_hang(service, message, next_step)

    def _sentence(self) -> str:
        service = self._service
        began = time.thread_time()
        report = read_report(
            service.ledger,
            service.wall(),
            daemon=DaemonState(running=True, pid=os.getpid()),
            stale_after=service.config.daemon.stale_after,
        )
        told = sentence(report)
        if report.config_refused:
            told += " The changed configuration was refused; the old one is in force."
        took = time.thread_time() - began
        self._tell_at = service.monotonic() + min(_OLDEST, max(EVERY, took * _REST))
        return told


def tell_hang(service: Service, message: str, next_step: str) -> None:
    """Log that something hangs, and keep that it stands until somebody gets on again."""
    service.log(logging.ERROR, "loop.hangs", message, next_step=next_step)
    service.trouble(HANG, message, next_step)
