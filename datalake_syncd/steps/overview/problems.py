"""What needs a person now, one by one: what `status` counts, and what mails tell of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.wording import with_run
from datalake_syncd.steps.overview.report import Report


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that stands; two looks that give the same ``key`` mean the same thing.

    ``title`` fits a subject line, ``message`` says what was found, ``next_step`` what to do.
    ``since`` is in seconds since the epoch, None where nobody wrote it down.
    """

    key: str
    title: str
    message: str
    next_step: str
    since: float | None = None
    run: Run | None = None
    instrument: str | None = None


def problems(report: Report) -> Iterator[Problem]:
    """Everything of this look that needs a person, what concerns all runs first."""
    if report.uploads_paused:
        yield Problem(
            "lake",
            "the lake refuses our login; all uploads are paused",
            report.uploads_paused,
            "look at the login: datalake-syncd doctor",
        )
    for one in report.troubles:
        title = one.message.splitlines()[0]
        yield Problem(
            one.key, title, one.message, one.next_step, one.since, instrument=one.instrument
        )
    if report.config_refused:
        yield Problem(
            "configuration",
            "the changed configuration was refused, the old one is in force",
            report.config_refused,
            "correct it, try it with datalake-syncd config check, then reload again",
        )
    for row in report.offline:
        yield Problem(
            f"source/{row.name}",
            f"{row.name} is offline",
            row.offline_reason or "its source does not answer",
            f"make {row.source} available again; nothing else is needed",
            row.offline_since,
            instrument=row.name,
        )
    for name, (message, next_step) in report.silent.items():
        yield Problem(f"silent/{name}", message, message, next_step, instrument=name)
    for run in report.blocked:
        step = run.next_step or "datalake-syncd why"
        yield Problem(
            f"run/{run.key}",
            f"{run.key} needs you",
            run.reason or "it is blocked",
            with_run(step, run.key),
            run.moved_at,
            run,
            run.instrument,
        )
    for run in report.stuck:
        told = report.stale[run.id]
        step = str((told.data or {}).get("next_step") or "datalake-syncd why")
        yield Problem(
            f"stale/{run.key}",
            f"{run.key} has not moved for too long",
            told.message,
            with_run(step, run.key),
            told.at,
            run,
            run.instrument,
        )
    for run in report.trying:
        step = run.next_step or "look at the reason; to try at once: datalake-syncd retry"
        yield Problem(
            f"trying/{run.key}",
            f"{run.key} fails again and again",
            f"{run.reason or 'its last step failed'} ({run.attempts} times; it is tried on)",
            with_run(step, run.key),
            None,
            run,
            run.instrument,
        )
