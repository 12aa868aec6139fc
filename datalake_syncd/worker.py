"""Workers: claim the next ready run, do one step, write down what happened, let go."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from datalake_syncd.adapters.failpoints import reach
from datalake_syncd.adapters.ledger import LedgerFull, Run, StaleTransition, Stirred
from datalake_syncd.core.errors import Stopped, SyncdError, UsageError
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.context import Answer, Context
from datalake_syncd.steps.pruning.prune import empty_trash, prune
from datalake_syncd.steps.publish import publish
from datalake_syncd.steps.record import Recorder
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sheets.attach import attach_sheet
from datalake_syncd.steps.transfer import transfer
from datalake_syncd.steps.verify import verify


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step: what it follows, what it is recorded as, and the function that does it."""

    after: Step
    records: Step
    name: str
    work: Callable[[Context], Answer]


#: The road after settling; a new step is one line here.
STEPS: tuple[StepSpec, ...] = (
    StepSpec(Step.SETTLE, Step.TRANSFER, "transfer", transfer),
    StepSpec(Step.TRANSFER, Step.VERIFY, "verify", verify),
    StepSpec(Step.VERIFY, Step.ATTACH_SHEET, "attach-sheet", attach_sheet),
    StepSpec(Step.ATTACH_SHEET, Step.PUBLISH, "publish", publish),
    StepSpec(Step.PUBLISH, Step.PRUNE, "prune", prune),
    StepSpec(Step.PRUNE, Step.PRUNE, "trash", empty_trash),
)


#: Seconds between two looks whether there is something to do, and between two real ones: a run
#: whose rest is over becomes ready without anybody writing.
_LOOK = 1.0
_DUE = 3.0


class Worker:
    """One worker; ``run`` is a thread's body, ``work_once`` one claim."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stirred = Stirred(service.ledger.database.path, _DUE)

    def run(self) -> None:
        """Work until the service stops."""
        with self._service.pulse.loop(threading.current_thread().name):
            self._serve()

    def _serve(self) -> None:
        while not self._service.stopping.is_set():
            self._service.pulse.beat()
            try:
                worked = self.work_once()
            except LedgerFull as error:
                self._service.ledger_trouble(error)
                self._service.stopping.wait(5.0)
                continue
            if not worked:
                self._rest()

    def _rest(self) -> None:
        """Until there may be something to do."""
        while not self._service.stopping.is_set():
            woken = self._service.work.wait(_LOOK)
            self._service.work.clear()
            if woken or self._stirred.may_be():
                return
            self._service.pulse.beat()

    def work_once(self) -> bool:
        """Claim and do one step; False when nothing was ready."""
        service = self._service
        if not service.health.may_upload(service.monotonic()):
            return False
        run = service.claim()
        if run is None:
            return False
        service.ledger_works()
        do_step(service, run)
        return True


def do_step(service: Service, run: Run, *, person_asked: bool = False) -> None:
    """Do the next step of a claimed run and record what became of it; never raises its errors."""
    spec = next(spec for spec in STEPS if spec.after is run.done)
    recorder = Recorder(service, run, spec.name, spec.records)
    try:
        context = replace(service.context(run), person_asked=person_asked)
        reach(f"before-{spec.name}")
        recorder.answer(spec.work(context))
        reach(f"record-{spec.name}")
    except StaleTransition:
        # A person held it meanwhile, say: what this step wanted to do was not done.
        recorder.failed(Stopped("the run was moved by somebody else while it was worked on"))
    except SyncdError as error:
        recorder.failed(error)
    except Exception:  # noqa: BLE001 - a bug stops this run, keeps its trace, and no other
        recorder.bug(traceback.format_exc())


def prune_now(service: Service, run: Run, _argument: str | None = None) -> str:
    """A person asks to prune one run now: every gate and every byte still has to pass."""
    # A blocked run keeps what blocks it: the step would write its own reason over that.
    if run.done is not Step.PUBLISH or run.status in (Status.RUNNING, Status.BLOCKED):
        raise UsageError(
            f"{run.key} can't be pruned now: it is '{run.status}' after step '{run.done}'",
            why="only a published run that nobody works on and nothing blocks can be",
            next_step=f"datalake-syncd why {run.key}",
        )
    before = service.ledger.runs.last_event(run.id, "prune.done")
    claimed = service.ledger.runs.set(run, status=Status.RUNNING)
    do_step(service, claimed, person_asked=True)
    after = service.ledger.runs.by_id(run.id)
    batch = service.ledger.runs.last_event(run.id, "prune.done")
    if after.done is Step.PUBLISH and batch is not None and batch != before:
        return f"{run.key}: {batch.message}"  # a growing data set stays published
    if after.done is Step.PRUNE:
        return f"{run.key} is in the trash; `undo` brings it back until the trash is emptied"
    raise UsageError(
        f"{run.key} was not pruned: {after.reason or 'pruning is not enabled for it'}",
        next_step=f"datalake-syncd why {run.key}",
    )
