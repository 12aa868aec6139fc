"""Each event of a run, as a JSON document, to a command of the lab: at least once, in order."""

from __future__ import annotations

import json
import logging
import socket
from contextlib import suppress

from datalake_syncd.adapters.hook import HookUnusable, run_hook
from datalake_syncd.adapters.ledger import Event, LedgerFull
from datalake_syncd.core.durations import iso
from datalake_syncd.steps.service import Service

#: Where the ledger keeps the number of the last event that the command got.
LAST_EVENT = "hook:event"
#: So many events wait at most; the command hears nothing of older ones.
BACKLOG = 1000
_AT_A_TIME = 100
#: Seconds that a round may take in a pass for cron; the rest comes with the next pass.
_PASS_WITHIN = 60.0
_UNUSABLE_PAUSE = 60.0
_TROUBLE = "on_event"


class EventHook:
    """The attendant that runs ``daemon.on_event``."""

    name = "on-event"
    every = 1.0

    def __init__(self, service: Service) -> None:
        self._service = service
        self._failing = False
        self._next = 0.0
        #: No command is configured, and nothing of an earlier one is left.
        self._unwanted = False
        if service.config.daemon.on_event is not None:
            with suppress(LedgerFull):  # the first round does it then
                self._begin()

    def round(self) -> None:
        """Give the command what happened since the last time, one event after the other."""
        service, desk = self._service, self._service.ledger.desk
        argv = service.config.daemon.on_event
        if argv is None:
            if not self._unwanted:
                self._forget()
            return
        self._unwanted, last = False, desk.get(LAST_EVENT)
        if last is None:
            self._begin()
            return
        if service.monotonic() < self._next:
            return
        started, begin = service.monotonic(), self._behind(int(last))
        # One pass for cron has no second round; its time is limited below.
        many = BACKLOG if service.one_pass else _AT_A_TIME
        for number, run_id, event in service.ledger.runs.events_after(begin, limit=many):
            late = service.one_pass and service.monotonic() - started > _PASS_WITHIN
            if late or service.stopping.is_set() or argv != service.config.daemon.on_event:
                return
            if not self._give(argv, number, run_id, event):
                return
            # Written down after: who dies in between is told again.
            desk.put(LAST_EVENT, str(number))

    def close(self) -> None:
        """Nothing is held."""

    def _forget(self) -> None:
        """No command is configured, or no longer."""
        service, desk = self._service, self._service.ledger.desk
        if desk.get(LAST_EVENT) is not None:
            desk.put(LAST_EVENT, None)
        if service.trouble_over(_TROUBLE):
            service.log(logging.INFO, "hook.works", "no command is told of events any more")
        self._unwanted = True

    def _begin(self) -> None:
        """It hears of what happens from now on."""
        ledger = self._service.ledger
        if ledger.desk.get(LAST_EVENT) is None:
            ledger.desk.put(LAST_EVENT, str(ledger.runs.newest_event()))

    def _behind(self, last: int) -> int:
        """Where to go on: further ahead if too much has gathered, which is told."""
        runs = self._service.ledger.runs
        behind = runs.events_between(last, runs.newest_event())
        if behind <= BACKLOG:
            return last
        skipped = behind - BACKLOG
        oldest = runs.events_after(last, limit=skipped)[-1][0]
        self._service.ledger.desk.put(LAST_EVENT, str(oldest))
        self._service.log(
            logging.WARNING,
            "hook.behind",
            f"the command of daemon.on_event is too slow: it will not hear of {skipped} events",
            next_step="`datalake-syncd why RUN --json` has them all; make the command faster",
        )
        return oldest

    def _give(self, argv: tuple[str, ...], number: int, run_id: int | None, event: Event) -> bool:
        service = self._service
        try:
            ended = run_hook(
                argv,
                self._document(number, run_id, event),
                should_stop=lambda: service.stopping.is_set(),
            )
        except HookUnusable as error:
            self._next = service.monotonic() + _UNUSABLE_PAUSE
            if not self._standing():
                service.log(logging.ERROR, "hook.unusable", str(error), next_step=error.next_step)
            service.trouble(_TROUBLE, str(error), error.next_step)
            return False
        if service.trouble_over(_TROUBLE):
            service.log(logging.INFO, "hook.works", "the command of daemon.on_event is run again")
        if ended.code is None and service.stopping.is_set():
            return False  # we killed it for our own sake: it gets this event again
        if not ended.well and not self._failing:  # once, until one goes well
            how = "took too long and was killed" if ended.code is None else f"ended {ended.code}"
            service.log(
                logging.WARNING,
                "hook.failed",
                f"the command of daemon.on_event {how}; it is not run again for that event",
                words=ended.words,
                about=event.event,
            )
        self._failing = not ended.well
        return True

    def _standing(self) -> bool:
        return any(one.key == _TROUBLE for one in self._service.ledger.desk.troubles())

    def _document(self, number: int, run_id: int | None, event: Event) -> bytes:
        run = None if run_id is None else self._service.ledger.runs.by_id(run_id)
        document = {
            "id": number,
            "at": iso(event.at),
            "event": event.event,
            "step": event.step,
            "message": event.message,
            "run": None if run is None else run.key,
            "instrument": None if run is None else run.instrument,
            "name": None if run is None else run.name,
            "data": event.data,
            "machine": socket.gethostname(),
        }
        return json.dumps(document).encode("ascii") + b"\n"
