"""Published runs change too: a local analysis is queued again, a person adds a file."""

from __future__ import annotations

import logging
import os

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.settle import whole_look

#: A published run that is still on the disk is looked at again every so many seconds, the first
#: time that long after the start. The variable is for tests and rehearsals.
EVERY = float(os.environ.get("SYNCD_LOOK_AGAIN", "21600"))


class LookAgain:
    """Remembers, on the monotonic clock, when which published run is due for a full look."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._due: dict[int, float] = {}

    def look(self, run: Run, patience: Patience) -> None:
        """Look if it is time to; a run that changed settles again and is published anew."""
        now = self._service.monotonic()
        if now < self._due.setdefault(run.id, now + EVERY):
            return
        self._due[run.id] = now + EVERY
        context = self._service.context(run)
        seen = patience.call(lambda tick: whole_look(context, tick))
        if seen.digest == run.tree_digest:
            return
        message = "something changed after it was published; it settles and is carried again"
        self._service.ledger.runs.move(
            run,
            now=self._service.wall(),
            event="run.changed",
            message=message,
            done=Step.SIGHTED,
            status=Status.WAITING,
            reason=message,
        )
        self._service.log(
            logging.INFO, "run.changed", message, run=run.key, instrument=run.instrument
        )
