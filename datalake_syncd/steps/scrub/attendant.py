"""The attendant that scrubs on a schedule: one file at a time, and humbly beside uploads."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import suppress

from datalake_syncd.config import Scrub
from datalake_syncd.core.durations import MINUTE, format_bytes
from datalake_syncd.core.errors import Stopped
from datalake_syncd.core.names import escape
from datalake_syncd.core.wording import counted
from datalake_syncd.steps.context import lake_id
from datalake_syncd.steps.notes import UPLOADS_PAUSED
from datalake_syncd.steps.published import Place
from datalake_syncd.steps.scrub import passes
from datalake_syncd.steps.scrub.found import Found, How, Purse
from datalake_syncd.steps.scrub.notes import read_pass
from datalake_syncd.steps.scrub.telling import alarm, next_step
from datalake_syncd.steps.service import InForce, Service

#: The pass of the schedule.
NAME = "schedule"
#: Bytes per second that are read while a run is being sent.
BESIDE_UPLOADS = 2 * 1024 * 1024
#: After an error of the lake the pass goes on so much later (seconds).
_PAUSE = 10 * MINUTE
_NICE = 10


class Scrubber:
    """Goes through all published runs every ``scrub.every``; nothing without ``[scrub]``."""

    name = "scrub"
    every = 30.0

    def __init__(self, service: Service) -> None:
        self._service = service
        self._not_before = 0.0
        self._asked_at = 0.0
        self._uploading = False

    def round(self) -> None:
        """Begin the pass that is due, or go on with the one that was interrupted."""
        service = self._service
        scrub, ledger = service.config.scrub, service.ledger
        # A pass for cron must come to its end: there the command is in the crontab itself.
        if scrub is None or service.one_pass or service.monotonic() < self._not_before:
            return
        last, now = read_pass(ledger, NAME), service.wall()
        if last is not None and last.ended is not None and 0 <= now - last.began < scrub.every:
            return
        if ledger.desk.get(UPLOADS_PAUSED) is not None:
            return  # the lake refuses the login; whoever sends asks it again
        self._not_before = service.monotonic() + _PAUSE  # whatever ends it
        with suppress(Stopped):
            self._pass(service.force, scrub)
        self._not_before = 0.0

    def close(self) -> None:
        """Nothing is held."""

    def _pass(self, force: InForce, scrub: Scrub) -> None:
        service, ledger = self._service, self._service.ledger
        this = passes.begin(ledger, NAME, service.wall())
        how = How(
            lake=force.lake,
            lake_id=lake_id(force.config),
            ledger=ledger,
            now=service.wall,
            this_pass=NAME,
            began=this.began,
            purse=Purse(max(0, scrub.budget - this.bytes)),
            sample=scrub.sample,
            before=this.began - scrub.older_than,
            readers=1,
            on_bytes=self.read_on,
            should_stop=lambda: service.stopping.is_set() or self._changed(force),
            quietly=_step_back,
        )
        runs = passes.published_runs(ledger, how.lake_id, how.before)
        places = passes.in_turn(how, (Place(run.name, run.prefix, run) for run in runs))
        service.log(logging.INFO, "scrub.started", f"scrubbing {counted(len(places), 'run')}")
        left = list(passes.scrub_all(how, NAME, places, self._tell))
        done = passes.end(ledger, NAME, service.wall(), of_all=True)
        told = f"{counted(done.files, 'file')} of {counted(done.runs, 'run')} were read back"
        told += f", {format_bytes(done.bytes)}; {done.wrong} runs are not as they were published"
        if left:
            told += f"; {counted(len(left), 'run')} are left for the next pass"
        service.log(logging.INFO, "scrub.finished", told, files=done.files, bytes=done.bytes)

    def _tell(self, place: Place, found: Found, news: str) -> None:
        service, key = self._service, found.run
        if news == "found":
            step = next_step(place.run)
            service.log(logging.ERROR, "scrub.found", alarm(found), run=key, next_step=step)
        elif news == "mended":
            told = f"{key} is in the lake as it was published again"
            service.log(logging.INFO, "scrub.mended", told, run=key)
        if found.left_out is not None:
            service.log(logging.INFO, "scrub.left-out", f"{key}: {found.left_out}", run=key)
        if found.unreadable:
            path, why = found.unreadable[0]
            told = f"{key}: {counted(len(found.unreadable), 'file')} could not be read back"
            first = f"{told}, the first is {escape(path)}: {why}"
            service.log(logging.WARNING, "scrub.unreadable", first, run=key)

    def _changed(self, force: InForce) -> bool:
        """The configuration in force is another one: the pass goes on with that."""
        now = self._service.force
        if now is force:
            return False
        return (now.config.scrub, now.config.lake) != (force.config.scrub, force.config.lake)

    def read_on(self, count: int) -> None:
        """Called with every part that was read: waits while a run is being sent."""
        service, wait = self._service, count / BESIDE_UPLOADS
        while wait > 0 and self._sends() and not service.stopping.wait(min(wait, 1.0)):
            wait -= 1.0

    def _sends(self) -> bool:
        now = self._service.monotonic()
        if now - self._asked_at >= 1.0:
            self._asked_at = now
            self._uploading = bool(self._service.ledger.desk.transfers())
        return self._uploading


def _step_back() -> None:
    """This thread gets what others leave of the processor."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
