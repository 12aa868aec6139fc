"""The look at the ledger as a document for programs: ``status --json``, ``/status.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from datalake_syncd.adapters.ledger import InstrumentRow, Progress, Run
from datalake_syncd.core.model import Status
from datalake_syncd.core.wording import iso_or_none
from datalake_syncd.steps.overview.report import Report
from datalake_syncd.steps.scrub.notes import Pass


def document(report: Report) -> dict[str, Any]:
    """The report for ``--json``; times are ISO 8601 in UTC, sizes bytes, rates bytes/second."""
    counts: dict[str, int] = {}
    for run in report.runs:
        counts[run.instrument] = counts.get(run.instrument, 0) + 1
    return {
        "instruments": [
            {
                **instrument_document(one, counts.get(one.name, 0)),
                "silent": report.silent.get(one.name, (None,))[0],
            }
            for one in report.instruments
        ],
        "runs": [
            {
                **run_document(run, report.progress.get(run.id)),
                "stale": report.stale[run.id].message if run.id in report.stale else None,
            }
            for run in report.runs
        ],
        "daemon": {
            "running": report.daemon.running,
            "pid": report.daemon.pid,
            "uploads_paused": report.uploads_paused,
            "config_refused": report.config_refused,
        },
        "troubles": [{**asdict(one), "since": iso_or_none(one.since)} for one in report.troubles],
        "scrub": None if report.scrub is None else scrub_document(report.scrub),
        "needs_attention": report.needs_attention,
    }


def scrub_document(one: Pass) -> dict[str, Any]:
    """The last scrub of all runs for programs."""
    times = {"began": iso_or_none(one.began), "ended": iso_or_none(one.ended)}
    return {**asdict(one), **times}


def instrument_document(one: InstrumentRow, runs: int) -> dict[str, Any]:
    """An instrument for programs; ``online`` is null before the first look."""
    return {
        "name": one.name,
        "kind": one.kind,
        "source": one.source,
        "online": one.online,
        "last_scan": iso_or_none(one.last_scan),
        "runs": runs,
        "configured": one.configured,
        "offline_since": iso_or_none(one.offline_since),
        "offline_reason": one.offline_reason,
    }


def run_document(run: Run, progress: Progress | None) -> dict[str, Any]:
    """A run for programs; the first keys are fixed, programs of labs read them."""
    return {
        "run": run.key,
        "instrument": run.instrument,
        "name": run.name,
        "step": run.done.value,
        "status": run.shown_status.value,
        "outcome": run.outcome.value,
        "generation": run.generation,
        "files": run.files,
        "bytes": run.bytes,
        "files_proven": run.files_proven,
        "proof": run.proof.value,
        "published_at": iso_or_none(run.published_at),
        "pruned_at": iso_or_none(run.pruned_at),
        "attempts": run.attempts,
        "reason": run.reason,
        "not_before": iso_or_none(run.not_before),
        "next_step": run.next_step,
        "hold_reason": run.hold_reason,
        "sighted_at": iso_or_none(run.sighted_at),
        "moved_at": iso_or_none(run.moved_at),
        "facts": known_facts(run),
        "progress": None if progress is None else progress_document(run, progress),
    }


def known_facts(run: Run) -> dict[str, Any]:
    """What the instrument wrote about its run, without what it did not; empty before it settles.

    ``reads`` is a list of [number, cycles, is index]; the keys are those of ``RunFacts``.
    """
    return {key: value for key, value in run.facts.items() if value not in (None, [])}


def progress_document(run: Run, progress: Progress) -> dict[str, Any]:
    """How far the last transfer or verification is; ``active``: it is going on now."""
    total = progress.bytes_total
    return {
        "active": run.status is Status.RUNNING,
        "at": iso_or_none(progress.at),
        "percent": round(100 * progress.bytes_done / total, 1) if total else None,
        "bytes_done": progress.bytes_done,
        "bytes_total": total,
        "files_hashed": progress.files_hashed,
        "files_proven": progress.files_proven,
        "files_total": progress.files_total,
        "rate": progress.rate,
        "seconds_left": progress.seconds_left,
    }
