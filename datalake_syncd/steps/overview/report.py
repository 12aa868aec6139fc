"""One look at the ledger: what ``status``, the page, the mails and systemd tell alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from datalake_syncd.adapters.ledger import (
    DaemonState,
    Event,
    InstrumentRow,
    Ledger,
    Progress,
    Run,
    Trouble,
)
from datalake_syncd.core.backoff import ALARM_AFTER
from datalake_syncd.core.durations import DAY, HOUR
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.notes import CONFIG_REFUSED, UPLOADS_PAUSED
from datalake_syncd.steps.scrub.notes import Pass, last_pass

#: So long (seconds) a run that was delivered counts as "finished lately".
LATELY = 7 * DAY
_LATELY_AT_MOST = 10
STALE_AFTER = 48 * HOUR


@dataclass(frozen=True, slots=True)
class Report:
    """One look at the ledger; ``now`` in seconds since the epoch."""

    now: float
    daemon: DaemonState
    uploads_paused: str | None
    config_refused: str | None
    stale_after: float
    instruments: tuple[InstrumentRow, ...]
    runs: tuple[Run, ...]
    progress: dict[int, Progress]
    #: What stands and belongs to no run.
    troubles: tuple[Trouble, ...]
    #: What was reported as waiting for too long, by the run's id.
    stale: dict[int, Event]
    #: Instruments that have published nothing for too long: (what was told, what to do).
    silent: dict[str, tuple[str, str]]
    #: The last scrub of all runs.
    scrub: Pass | None

    @property
    def blocked(self) -> list[Run]:
        """Runs that need a person."""
        return [run for run in self.runs if run.shown_status is Status.BLOCKED]

    @property
    def held(self) -> list[Run]:
        """Runs that a person holds."""
        return [run for run in self.runs if run.shown_status is Status.HELD]

    @property
    def on_the_way(self) -> list[Run]:
        """Runs that go on by themselves; those that are worked on first."""
        moving = (Status.RUNNING, Status.READY, Status.WAITING)
        runs = [run for run in self.runs if run.shown_status in moving and not delivered(run)]
        return sorted(runs, key=lambda run: (run.status is not Status.RUNNING, -_order(run)))

    def finished(self, *, everything: bool) -> list[Run]:
        """Runs whose marker is in the lake, the last one first; only the latest unless all."""
        resting = (Status.FINISHED, Status.READY, Status.WAITING, Status.RUNNING)
        runs = [run for run in self.runs if delivered(run) and run.shown_status in resting]
        runs.sort(key=lambda run: -_last(run))
        if everything:
            return runs
        return [run for run in runs if self.now - _last(run) < LATELY][:_LATELY_AT_MOST]

    @property
    def offline(self) -> list[InstrumentRow]:
        """Configured instruments whose source does not answer."""
        return [one for one in self.instruments if one.configured and one.online is False]

    @property
    def unwatched_for(self) -> float | None:
        """Seconds since anybody looked at a source, when that is too long; else None."""
        if self.daemon.running:
            return None
        looks = [one.last_scan for one in self.instruments if one.configured and one.last_scan]
        if not looks:
            return None
        since = self.now - max(looks)
        return since if since > self.stale_after else None

    @property
    def needs_attention(self) -> bool:
        """What makes the exit code 1."""
        return bool(
            self.blocked
            or self.offline
            or self.uploads_paused
            or self.config_refused
            or self.troubles
            or self.unwatched_for
            or self.stuck
            or self.trying
            or self.silent
        )

    @property
    def stuck(self) -> list[Run]:
        """Runs that go on by themselves and have not for too long."""
        return [run for run in self.runs if run.id in self.stale]

    @property
    def trying(self) -> list[Run]:
        """Runs that failed again and again, though nothing else explains it: tried on."""
        away = {one.name for one in self.offline}
        going = (Status.WAITING, Status.READY, Status.RUNNING)
        return [
            run
            for run in self.runs
            if run.attempts >= ALARM_AFTER
            and run.shown_status in going
            and run.instrument not in away
        ]

    @property
    def in_need(self) -> int:
        """How many runs need a person, for whatever reason."""
        return len({run.id for run in (*self.blocked, *self.stuck, *self.trying)})

    @property
    def kept_back(self) -> list[Run]:
        """Published data sets of which something is not whole, and has not been for too long."""
        return [run for run in self.stuck if delivered(run)]


def delivered(run: Run) -> bool:
    """Published, and only pruning left to do."""
    return run.done in (Step.PUBLISH, Step.PRUNE)


def _order(run: Run) -> int:
    return list(Step).index(run.done)


def _last(run: Run) -> float:
    return run.pruned_at or run.published_at or run.moved_at


def read_report(
    ledger: Ledger, now: float, *, daemon: DaemonState, stale_after: float = STALE_AFTER
) -> Report:
    """Look at everything once; ``now`` in seconds since the epoch, ``stale_after`` in seconds."""
    runs = tuple(ledger.runs.all())
    instruments = tuple(ledger.desk.instruments())
    return Report(
        now=now,
        daemon=daemon,
        uploads_paused=ledger.desk.get(UPLOADS_PAUSED),
        config_refused=ledger.desk.get(CONFIG_REFUSED),
        stale_after=stale_after,
        troubles=tuple(ledger.desk.troubles()),
        instruments=instruments,
        runs=runs,
        progress=ledger.desk.progress(),
        stale=dict(_stale(ledger, runs)),
        silent=dict(_silent(ledger, instruments)),
        scrub=last_pass(ledger),
    )


def _stale(ledger: Ledger, runs: tuple[Run, ...]) -> Iterator[tuple[int, Event]]:
    for run in runs:
        waits = run.shown_status in (Status.WAITING, Status.READY) and not delivered(run)
        told = ledger.waiting.told(run) if waits or run.observed.get("pending") else None
        if told is not None and (told.data or {}).get("needs_person"):
            yield run.id, told


def _silent(
    ledger: Ledger, instruments: tuple[InstrumentRow, ...]
) -> Iterator[tuple[str, tuple[str, str]]]:
    for one in instruments:
        kept = json.loads(ledger.desk.get(f"silence:{one.name}") or "{}")
        if one.configured and "told" in kept:
            yield one.name, (kept["message"], kept["do"])
