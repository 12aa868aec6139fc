"""Writing down what became of a step: one transition, one event, one line in the log."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from datalake_syncd.adapters.ledger import LedgerFull, Run, StaleTransition
from datalake_syncd.core.backoff import ALARM_AFTER, DAMAGE, delay
from datalake_syncd.core.durations import format_duration, iso
from datalake_syncd.core.errors import (
    AuthRefused,
    Damaged,
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    SyncdError,
    Transient,
)
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Gate, Status, Step
from datalake_syncd.steps.context import Answer, Back, Done, Finished, Wait
from datalake_syncd.steps.notes import UPLOADS_PAUSED
from datalake_syncd.steps.service import Service

_OFFLINE_AGAIN = 300.0


class Recorder:
    """Records the one outcome of one claimed step."""

    def __init__(self, service: Service, run: Run, step: str, records: Step) -> None:
        self._service = service
        self._run = run
        self._step = step
        self._records = records

    def answer(self, answer: Answer) -> None:
        """What the step answered."""
        match answer:
            case Done():
                self._done(answer)
            case Back():
                status = Status.WAITING if answer.to is Step.SIGHTED else Status.READY
                self._move(
                    logging.WARNING,
                    answer.event,
                    answer.reason,
                    done=answer.to,
                    status=status,
                    reason=answer.reason,
                    data=answer.data,
                    **answer.columns,
                )
            case Wait():
                self._quietly(
                    status=Status.WAITING,
                    reason=answer.reason,
                    next_step=None,
                    not_before=self._service.wall() + max(answer.seconds, 0.2),
                    attempts=0,
                )
            case Finished():
                self._quietly(status=Status.FINISHED, reason=answer.reason, not_before=None)

    def _done(self, answer: Done) -> None:
        finished = self._step == "trash"
        if self._step in ("transfer", "verify", "publish"):
            mended = self._service.health.accepted()
            # The note may be from before a restart, which forgot everything else.
            if mended or self._service.ledger.desk.get(UPLOADS_PAUSED) is not None:
                self._service.ledger.desk.put(UPLOADS_PAUSED, None)
                self._service.log(
                    logging.INFO, "lake.accepts-again", "the lake takes our credentials again"
                )
        self._move(
            logging.INFO,
            answer.event,
            answer.message,
            done=self._records,
            status=Status.FINISHED if finished else Status.READY,
            attempts=0,
            data=answer.data,
            **answer.columns,
        )
        self._service.work.set()

    def failed(self, error: SyncdError) -> None:
        """The step raised one of our errors."""
        match error:
            case LedgerFull():
                self._service.ledger_trouble(error)
                self._until_written(partial(self._again, error, 5.0, counts=0))
            case SourceChanged() if self._step == "trash" or self._has_batch():
                self._again(error, delay(self._run.attempts, random.random()), counts=1)  # noqa: S311
            case SourceChanged():
                self.answer(Back(Step.SIGHTED, "run.changed", str(error)))
            case AuthRefused():
                self._refused(error)
            case SourceOffline():
                # A bad sector lasts; a share that was away comes back: not more than 5 min.
                wait = min(delay(self._run.attempts, random.random()), _OFFLINE_AGAIN)  # noqa: S311
                self._again(error, wait, counts=1)
            case Damaged():
                # Tried again as soon as anything else, but an alarm sooner.
                wait = delay(self._run.attempts // DAMAGE, random.random())  # noqa: S311
                self._again(error, wait, counts=DAMAGE)
            case Transient():
                wait = delay(self._run.attempts, random.random())  # noqa: S311 - no secret
                if error.not_an_attempt:
                    wait = 0.0
                self._again(error, wait, counts=0 if error.not_an_attempt else 1)
            case _:
                self._blocked(error, None)

    def bug(self, trace: str) -> None:
        """The step raised something that nobody expected; no secret gets into the ledger by it."""
        trace = self._service.without_secrets(trace)
        last = trace.strip().rpartition("\n")[2]
        self._blocked(
            NeedsPerson(
                f"an error in datalake-syncd itself: {last}",
                why="the run stays as it is; nothing of it was removed",
                next_step="please report it with the trace in `why`; then: datalake-syncd retry",
            ),
            trace,
        )

    def _refused(self, error: AuthRefused) -> None:
        refusal = self._service.health.refused(self._service.monotonic())
        if refusal.alarm:
            self._service.ledger.desk.put(
                UPLOADS_PAUSED, f"since {iso(self._service.wall())}: {error}"
            )
            self._service.log(
                logging.ERROR,
                "lake.refused",
                f"all uploads are paused: {error}",
                next_step=error.next_step,
            )
        self._again(error, refusal.wait, counts=0)

    def _again(self, error: SyncdError, wait: float, *, counts: int) -> None:
        attempts = self._run.attempts + counts
        crossed = self._run.attempts < ALARM_AFTER <= attempts
        level = logging.ERROR if crossed else logging.WARNING
        shown = f"{error}; tried again in {format_duration(wait)}" if wait else str(error)
        self._move(
            level if wait else logging.INFO,
            "run.retry" if wait else "run.interrupted",
            shown,
            status=Status.WAITING if wait else Status.READY,
            reason=str(error),
            next_step=error.next_step or None,
            not_before=self._service.wall() + wait if wait else None,
            attempts=attempts,
        )

    def _blocked(self, error: SyncdError, trace: str | None) -> None:
        columns: dict[str, Any] = {}
        if isinstance(error, NeedsPerson) and error.gate:
            gate = Gate(error.gate, False, error.what, error.why, needs_person=True)
            others = [g for g in self._run.gates if g["name"] != gate.name]
            columns["gates"] = [*others, asdict(gate)]
        self._move(
            logging.ERROR,
            "run.blocked",
            str(error),
            status=Status.BLOCKED,
            reason=str(error),
            next_step=error.next_step or None,
            trace=trace,
            **columns,
        )

    def _move(self, level: int, event: str, message: str, **columns: Any) -> None:
        self._until_written(partial(self._write, event, message, columns))
        self._service.log(
            level,
            event,
            message,
            run=self._run.key,
            instrument=self._run.instrument,
            step=self._step,
            **{k: v for k, v in columns.items() if k == "next_step" and v},
            **(columns.get("data") or {}),
        )

    def _quietly(self, **columns: Any) -> None:
        def write() -> None:
            self._run = self._service.ledger.runs.set(self._current(), **columns)

        self._until_written(write)

    def _write(self, event: str, message: str, columns: dict[str, Any]) -> None:
        self._run = self._service.ledger.runs.move(
            self._current(), now=self._service.wall(), event=event, message=message, **columns
        )

    def _has_batch(self) -> bool:
        # A growing data set goes on with what is in the trash in its prune step alone.
        instrument = self._service.config.instruments.get(self._run.instrument)
        if self._step != "prune" or instrument is None or KINDS[instrument.kind].growing is None:
            return False
        return self._current().trash is not None

    def _current(self) -> Run:
        # A step may have written an intent into the row itself; it is still our claim as long
        # as nobody else moved it, and only the claimant leaves `running`.
        now = self._service.ledger.runs.by_id(self._run.id)
        ours = now.status is Status.RUNNING and now.done is self._run.done
        return now if ours else self._run

    def _until_written(self, write: Callable[[], None]) -> None:
        """The outcome of a step must not be lost: wait for the disk if it is full."""
        while True:
            try:
                write()
            except StaleTransition as error:
                self._service.log(logging.INFO, "run.moved", str(error), run=self._run.key)
                return
            except LedgerFull as error:
                self._service.ledger_trouble(error)
                self._service.pulse.beat()
                if self._service.stopping.wait(5.0):
                    return  # at the next start the row says "died here" and is given back
            else:
                self._service.ledger_works()
                return
