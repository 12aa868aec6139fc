"""Published runs change too: a local analysis is queued again, a person adds a file."""

from __future__ import annotations

import logging
import os

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SyncdError
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.renamed import recognise
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.whole_look import whole_look

#: A published run that is still on the disk is looked at again every so many seconds. The
#: variable is for tests and rehearsals.
EVERY = float(os.environ.get("SYNCD_LOOK_AGAIN", "21600"))
#: After so many seconds of such looks a scan goes on; the rest has its turn in the next one.
_BUDGET = 60.0
#: A look that failed is taken again after so long (seconds); its error is told each time.
_AFTER_FAILURE = 3600.0
_KEPT = "looked_again_at"
#: Also one that can't be pruned: what comes late is carried all the same.
_RESTS = (Status.FINISHED, Status.WAITING, Status.BLOCKED)
#: So long (seconds) a scan reads what tells runs apart, of runs from before that was written down.
_RECOGNISING = 20.0


class LookAgain:
    """Looks at published runs when they are due, by our own clock and over restarts."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._spent = 0.0
        self._failed: dict[int, float] = {}
        self._recognised: set[int] = set()
        self._recognising = 0.0

    def begin_scan(self) -> None:
        """A new scan may spend its time on such looks again."""
        self._spent = self._recognising = 0.0

    def look(self, run: Run, patience: Patience) -> None:
        """Look if it is time to; a run that changed settles again and is published anew."""
        if run.done is not Step.PUBLISH or run.status not in _RESTS:
            return
        if run.fingerprint is None and run.id not in self._recognised:
            self._recognise(run, patience)
        now = self._service.wall()
        last = max(run.observed.get(_KEPT, 0.0), run.published_at or 0.0)
        if last <= now < last + EVERY or self._spent > _BUDGET:
            return
        context = self._service.context(run)
        begun = self._service.monotonic()
        if begun < self._failed.get(run.id, begun):
            return
        try:
            seen = patience.call(lambda tick: whole_look(context, tick))
        except SourceChanged:
            return  # it is being written just now: the next scan looks
        except NeedsPerson:
            self._failed[run.id] = begun + _AFTER_FAILURE
            return  # of this run alone, and what is published stands
        except SyncdError:
            self._failed[run.id] = begun + _AFTER_FAILURE
            raise
        finally:
            self._spent += self._service.monotonic() - begun
        if seen.digest == run.tree_digest:
            self._service.ledger.runs.set(run, observed={**run.observed, _KEPT: now})
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

    def _recognise(self, run: Run, patience: Patience) -> None:
        """Once for each run from before fingerprints; does not wait for its full look."""
        if self._recognising > _RECOGNISING:
            return
        context = self._service.context(run)
        begun = self._service.monotonic()
        try:
            patience.call(lambda _tick: recognise(context))
            self._recognised.add(run.id)
        except SourceChanged:
            return  # the next scan tries again
        except NeedsPerson:
            self._recognised.add(run.id)  # the full look meets the same, and tells it
        finally:
            self._recognising += self._service.monotonic() - begun
