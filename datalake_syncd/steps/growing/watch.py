"""When a growing data set is looked at, and what becomes of what the look found."""

from __future__ import annotations

from dataclasses import asdict

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Run, StaleTransition
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import (
    LakeUnavailable,
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    Stopped,
    SyncdError,
)
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Gate, Status, Step
from datalake_syncd.steps import sighting
from datalake_syncd.steps.findings import record, tell
from datalake_syncd.steps.growing.lake import learn_announced
from datalake_syncd.steps.growing.look import SELDOM, look_at_growing, pause
from datalake_syncd.steps.growing.returned import Compared
from datalake_syncd.steps.growing.seeing import look_and_count
from datalake_syncd.steps.growing.slices import ScanBudget
from datalake_syncd.steps.growing.strays import tell_strays
from datalake_syncd.steps.growing.telling import tell_not_carried
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.settle import Settling


class GrowthWatch:
    """Remembers, on the monotonic clock, when which data set is due for its next look."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._due: dict[int, float] = {}
        self._compared: dict[int, Compared] = {}
        self._budget = ScanBudget()
        self._look_around_at = 0.0

    def visit(self, run: Run, patience: Patience) -> None:
        """Look if it is time to; new and whole files send the data set on its way again."""
        now = self._service.monotonic()
        self._budget.visit(run.id)
        # As it is now: the list that the scan began with may be minutes old.
        run = self._service.ledger.runs.by_id(run.id)
        resting = run.done is Step.PUBLISH and run.status in (
            Status.FINISHED,
            Status.WAITING,
            Status.BLOCKED,
        )
        if not (run.done is Step.SIGHTED or resting):
            return
        if now < self._due.get(run.id, now) and run.reason != sighting.ASKED:
            return
        instrument = self._service.config.instruments[run.instrument]
        layout = KINDS[instrument.kind].growing
        if layout is None:
            return
        self._due[run.id] = now + pause(instrument.quiet)
        context = self._service.context(run)
        compared = self._compared.setdefault(run.id, Compared(budget=self._budget))
        try:
            reach(FailPoint.BEFORE_SETTLE)
            patience.call(lambda _tick: sighting.check(self._service, instrument, run))
            seen = patience.call(lambda tick: look_and_count(context, layout, tick))
            learn_announced(context)
            found = patience.call(
                lambda tick: look_at_growing(context, layout, seen, tick, compared)
            )
        except Stopped:
            self._due.pop(run.id)
            return
        except (SourceChanged, SourceOffline, LakeUnavailable, NeedsPerson) as error:
            if patience.stuck:
                raise  # nothing of this source can be looked at now
            person = isinstance(error, NeedsPerson)
            status = Status.BLOCKED if person else Status.WAITING
            gate = Gate("look", False, str(error), "all of it can be looked at", person)
            tell(self._service, run, status, str(error), error.next_step or None, [asdict(gate)])
            return
        if compared.unfinished:
            self._due.pop(run.id)  # the next scan reads on
            if run.status is Status.BLOCKED:
                return  # what blocked it is not known to be over
        elif all(gate.passed for gate in found.gates):
            self._compared.pop(run.id)
        tell_not_carried(context, found.notes)
        try:
            self._record(run, found)
        except StaleTransition:
            # Prune or a person moved it while it was looked at: the next scan looks again.
            self._due.pop(run.id)

    def look_around(self, name: str, patience: Patience) -> None:
        """Now and then: tell what lies in the source of this instrument beside its data sets."""
        now = self._service.monotonic()
        if now < self._look_around_at:
            return
        self._look_around_at = now + SELDOM
        try:
            tell_strays(self._service, name, self._service.config.instruments[name], patience)
        except SyncdError:
            if patience.stuck:
                raise  # else whatever looks at the data sets themselves tells it

    def _record(self, run: Run, found: Settling) -> None:
        kept_back = any(not gate.passed for gate in found.gates)
        if run.done is Step.SIGHTED or found.settled is not None or kept_back:
            record(self._service, run, found)
        elif any(not gate["passed"] for gate in run.gates):
            # What kept it back was mended, and nothing else is new.
            self._service.ledger.runs.set(
                run, status=Status.READY, reason=None, next_step=None, gates=[],
                observed=found.observed,
            )  # fmt: skip
            self._service.work.set()
        elif found.observed is not None and found.observed != run.observed:
            self._service.ledger.runs.set(run, observed=found.observed)
