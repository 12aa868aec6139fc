"""Words of a look that the terminal and the page share."""

from __future__ import annotations

from datalake_syncd.adapters.ledger import Progress, Run
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.model import Outcome, Status
from datalake_syncd.core.names import escape_once
from datalake_syncd.core.wording import ago, counted
from datalake_syncd.steps.overview.sentence import DOING


def percent(progress: Progress) -> int:
    """How much of the bytes is done; cut, not rounded: 99.96 % is not yet all."""
    return int(100 * min(progress.bytes_done / max(progress.bytes_total, 1), 1.0))


def figures(progress: Progress, now: float) -> str:
    """Bytes, rate, time left, files; and how old the figures are when they are."""
    parts = [f"{format_bytes(progress.bytes_done)} of {format_bytes(progress.bytes_total)}"]
    if progress.rate > 0:
        parts.append(f"{format_bytes(progress.rate)}/s")
    if progress.seconds_left:
        parts.append(f"{format_duration(round(progress.seconds_left))} left")
    if progress.files_hashed:
        parts.append(f"{progress.files_hashed:,} of {progress.files_total:,} files hashed")
    if progress.files_proven:
        parts.append(f"{progress.files_proven:,} proven")
    if now - progress.at > 60:
        parts.append(f"last sign of life {ago(progress.at, now)}")
    return ", ".join(parts)


def waits(run: Run, now: float) -> str:
    """What a run that nobody works on waits for, and until when: escaped."""
    told = escape_once(run.reason) if run.reason else f"ready; next it is {DOING[run.done]}"
    return told + _again(run, now)


def resting(run: Run, now: float) -> str:
    """What became of a published run here, in words: escaped."""
    told = []
    if run.outcome is not Outcome.GOOD:
        told.append(f"run {run.outcome.value}")
    if run.generation > 1:
        told.append(f"generation {run.generation}")
    if run.emptied_at is not None and run.pruned_at is not None:
        told.append("pruned")
    elif run.pruned_at is not None:
        told.append("in the trash")
    elif run.status is Status.RUNNING:
        told.append(DOING[run.done])
    elif run.reason:
        told.append(escape_once(run.reason) + _again(run, now))
    else:
        told.append("on the disk")
    return "; ".join(told)


def _again(run: Run, now: float) -> str:
    if run.not_before is None or run.not_before <= now:
        return ""
    tries = f" after {counted(run.attempts, 'failed try', 'failed tries')}" if run.attempts else ""
    return f" (again in {format_duration(round(run.not_before - now))}{tries})"
