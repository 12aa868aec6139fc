"""One pass for cron: every complete run as far as it goes, and then an end, whatever hangs."""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from datalake_syncd.adapters.ledger import LedgerFull, Run
from datalake_syncd.adapters.signals import heard
from datalake_syncd.answering import Answering
from datalake_syncd.attendants import Attending
from datalake_syncd.core.model import Status, Step
from datalake_syncd.session import opened, started
from datalake_syncd.signs import HANG, tell_hang
from datalake_syncd.steps import startup
from datalake_syncd.steps.health import from_environment
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.stale import report_unwatched
from datalake_syncd.watch import Watcher
from datalake_syncd.worker import Worker

#: Seconds between two looks whether the pass gets on.
_LOOKS = 5.0


class OnePass:
    """One pass over all runs of a service; ``run`` makes it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._answering = Answering(service)
        self._attending = Attending(service)

    def run(self) -> int:
        """Take every complete run as far as it goes, then end: 0, or 1 if one needs a person."""
        service = self._service
        service.one_pass = True
        try:
            with service.pulse.loop("the pass"), self._ended_if_it_hangs():
                return self._pass()
        except LedgerFull as error:
            service.ledger_trouble(error)
            raise
        finally:
            self._attending.once()  # mails, above all of what went wrong

    @contextmanager
    def _ended_if_it_hangs(self) -> Iterator[None]:
        """No service manager watches a pass; one that hung would hold up all that follow."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,), name="hangs", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()

    def _watch(self, over: threading.Event) -> None:
        service = self._service
        while not over.wait(_LOOKS):
            late = service.pulse.late()
            if not late:
                continue
            message = f"this pass hangs and ends itself: no sign of {', '.join(late)}"
            next_step = "nothing: every run goes on in the next pass; if it is so again, report it"
            with suppress(LedgerFull):
                tell_hang(service, message, next_step)
            with suppress(RuntimeError, ValueError):  # stderr may be no file
                faulthandler.dump_traceback()
            os._exit(1)  # as after a kill: whatever was going on is done again

    def _pass(self) -> int:
        service = self._service
        startup.prepare(service)
        service.trouble_over(HANG)
        watchers = [Watcher(service, name) for name in service.config.instruments]
        worker = Worker(service)
        worked = True
        while worked and not service.stopping.is_set():
            worked = False
            looks = [watcher.safe_scan() for watcher in watchers]
            self._answering.answer()
            for thread in self._answering.threads:
                thread.join()
            while not service.stopping.is_set() and worker.work_once():
                worked = True  # a step may have sent a run back to be looked at again
                service.pulse.beat()
            waits = [look for look in looks if look is not None]
            waits.extend(self._soon())
            if waits:
                worked = True
                rest = max(0.1, min(waits))
                service.pulse.beat(rest)
                service.stopping.wait(rest)
        report_unwatched(service)
        runs = service.ledger.runs.all()
        troubled = [run for run in runs if run.status is Status.BLOCKED or _failed(run)]
        for run in troubled:
            service.log(
                logging.WARNING, "once.unfinished", f"{run.shown_status}: {run.reason}", run=run.key
            )
        offline = [i for i in service.ledger.desk.instruments() if i.configured and not i.online]
        failed = any(watcher.failed for watcher in watchers)
        return 1 if troubled or offline or failed else 0

    def _soon(self) -> Iterator[float]:
        """Seconds until runs that are on the way may go on, failures of this pass left out."""
        now = self._service.wall()
        for run in self._service.ledger.runs.all():
            if run.hold_reason is not None or run.done in (Step.SIGHTED, Step.PUBLISH, Step.PRUNE):
                continue
            if run.status is Status.READY:
                yield 0.1
            elif run.status is Status.WAITING and run.attempts and run.attempts < 3:
                yield max((run.not_before or now) - now, 0.1)


def _failed(run: Run) -> bool:
    """Waiting for something other than time: the login, the source's disk, another try."""
    return run.status is Status.WAITING and (run.attempts > 0 or run.next_step is not None)


def once(config_path: Path) -> int:
    """The command ``once``: one pass for cron; gives the exit code."""
    config, logger = started(config_path)
    with opened(config) as ledger:
        service = Service(config, ledger, logger, health=from_environment())
        with heard((signal.SIGTERM, signal.SIGINT), lambda _number: service.stopping.set()):
            return OnePass(service).run()
