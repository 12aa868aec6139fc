"""Does a run that waits for its flags still grow? A full look now and then, and its memory.

Sequencers write for days, and a crashed one leaves no flag and just stops. The memory is in the
ledger, so that a restart does not begin the count anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.staleness import probe_interval
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.whole_look import whole_look

#: Where a run's row keeps the last look, when one failed since, and that it was reported as
#: silent.
PROBE, FAILED, SILENT = "probe", "probe_failed_at", "silent"


def applies(service: Service, run: Run) -> bool:
    """Whether this is a run whose growth says if it is still being written."""
    instrument = service.config.instruments.get(run.instrument)
    if instrument is None or KINDS[instrument.kind].growing is not None:
        return False
    waits = (run.done, run.status) == (Step.SIGHTED, Status.WAITING)
    return waits and run.hold_reason is None


def probe(service: Service, run: Run, patience: Patience, *, now_at_once: bool = False) -> Run:
    """Look if it is time to (or at once), and write down since when nothing has changed.

    Gives the run as it is then. A tree that changes under the look grows; a source that does
    not answer tells nothing, and is left alone for as long as after a look that succeeded: a
    folder that can't be read must not have the whole tree walked at every scan.
    """
    now = service.wall()
    last = run.observed.get(PROBE)
    interval = probe_interval(service.config.daemon.stale_after)
    failed = run.observed.get(FAILED)
    if failed is not None and 0 <= now - failed < interval:
        return run
    if not now_at_once and not _is_due(run, last, now, interval):
        return run
    context = service.context(run)
    digest: str | None = None
    files = size = 0
    try:
        seen = patience.call(lambda tick: whole_look(context, tick))
        digest, files, size = seen.digest, seen.files, seen.bytes
    except SourceChanged:
        pass  # something came or went meanwhile
    except (SourceOffline, NeedsPerson):
        return service.ledger.runs.set(run, observed={**run.observed, FAILED: now})
    since = now
    # What was counted on a clock that was wrong then, or is now, begins anew.
    same = last is not None and digest is not None and digest == last["digest"]
    if last is not None and same and not context.clock_jumped:
        since = min(last["since"], now)
    observed: dict[str, Any] = {
        **run.observed,
        PROBE: {
            "digest": digest,
            "since": since,
            "at": now,
            "files": files,
            "bytes": size,
        },
    }
    observed.pop(FAILED, None)
    if since == now:
        observed.pop(SILENT, None)
    return service.ledger.runs.set(run, observed=observed)


def looked(before: Run, after: Run) -> bool:
    """Whether ``probe`` took a look that says something: both are a run, before and after it."""
    return before.observed.get(PROBE) != after.observed.get(PROBE)


def _is_due(run: Run, last: dict[str, Any] | None, now: float, interval: float) -> bool:
    if last is not None:
        return not 0 <= now - last["at"] < interval
    # What is complete is looked at by settling anyway.
    return not _complete(run.gates) or now - run.moved_at >= interval


def _complete(gates: Collection[dict[str, Any]]) -> bool:
    return bool(gates) and all(gate["passed"] for gate in gates if gate["name"] != "quiet")


def is_silent(run: Run) -> bool:
    """Whether it was reported that nothing is written to this run and no flag ends it."""
    return run.status is Status.WAITING and run.observed.get(SILENT) == run.moved_at
