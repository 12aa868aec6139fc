"""A run under another name: the same identity as a run that the ledger knows already.

Operators rename folders. What was sent under the old name must not go a second time under the
new one unless a person wants it; what was only ever seen simply goes on under its new name.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.ledger.runs import Runs
from datalake_syncd.core.durations import iso
from datalake_syncd.core.errors import NeedsPerson, Stopped, SyncdError
from datalake_syncd.core.kinds.kind import MAX_METADATA_BYTES, TopFolder
from datalake_syncd.core.model import Assessment, Gate, Status, Step
from datalake_syncd.core.names import escape
from datalake_syncd.steps.context import Context, Wait, learned_key
from datalake_syncd.steps.places import own_folder
from datalake_syncd.steps.service import Service

#: The gate; a person opens it to have the run in the lake under both names.
RENAMED = "renamed"


def judged(context: Context, top: TopFolder, assessment: Assessment) -> Assessment:
    """The assessment, with a gate that fails for a run which was sent under another name.

    Writes the run's fingerprint down, so that the next name of this one is recognised too.
    """
    run, runs = context.run, context.ledger.runs
    identity = context.kind.identity
    data = None if identity is None else top.metadata.get(identity.file.lower())
    run_id = None if identity is None or data is None else identity.run_id(data)
    if identity is None or data is None or run_id is None:
        return assessment
    print_ = hashlib.sha256(data).hexdigest()
    if print_ != run.fingerprint:
        runs.remember_fingerprint(run.id, print_)
    if was_sent(run):
        return assessment  # it is under its own name already: that was decided
    found = _sent_before(runs, run, identity.file, print_, run_id)
    if found is None:
        return assessment
    gate = Gate(RENAMED, False, found, "one name for one run", needs_person=True)
    return replace(assessment, gates=(*assessment.gates, gate))


def was_sent(run: Run) -> bool:
    """Whether anything of a run may be in the lake under its name."""
    return (
        run.done is not Step.SIGHTED or run.settled_at is not None or (run.published_at is not None)
    )


def _sent_before(
    runs: Runs,
    run: Run,
    file: str,
    print_: str,
    run_id: str,
    counts: Callable[[Run], bool] = was_sent,
) -> str | None:
    """Under which other name this run was sent, in words; None when it was not."""
    same = f"the same {file} as"
    other = next(filter(counts, _others(runs.with_fingerprint(print_), run)), None)
    if other is None:
        # Of what was learned from the lake, or pruned before there were fingerprints, only the
        # id is known, or the name, which was the id unless it was renamed even then.
        same = "the run id of"
        other = next(filter(counts, _others(runs.of_unknown_fingerprint(run_id), run)), None)
    return None if other is None else f"{same} {escape(other.key)}, {_state(other)}"


def refuse_second_name(context: Context) -> Wait | None:
    """Right before a run is sent for the first time: once more, now that the lake answers.

    With a ledger that was lost, what the lake has may have been unknown while it settled. Gives
    a wait until the lake was asked; raises ``NeedsPerson`` when it was sent under another name.
    """
    run, identity = context.run, context.kind.identity
    run_id = run.facts.get("run_id")
    known = identity is None or run.fingerprint is None or run_id is None
    if identity is None or known or run.published_at is not None or RENAMED in run.accepted:
        return None
    key = learned_key(context.config, run.instrument, context.instrument)
    if context.ledger.desk.get(key) is None:
        return Wait("the lake is first asked which runs it has: it was away at the last scan", 2.0)
    found = _sent_before(context.ledger.runs, run, identity.file, str(run.fingerprint), str(run_id))
    if found is not None:
        raise NeedsPerson(found, why="one name for one run", next_step=next_step(run), gate=RENAMED)
    return None


def recognise(context: Context) -> None:
    """Write down the fingerprint of a run that was published before there were fingerprints.

    Raises ``SourceChanged`` and ``SourceOffline``, as every look does.
    """
    identity = context.kind.identity
    if identity is None:
        return
    for name in tree.top_names(context.folder):
        if name.lower() == identity.file.lower():
            data = tree.read_small(context.folder / name, MAX_METADATA_BYTES)
            if data is not None and identity.run_id(data) is not None:
                print_ = hashlib.sha256(data).hexdigest()
                context.ledger.runs.remember_fingerprint(context.run.id, print_)
            return


def _others(runs: list[Run], run: Run) -> list[Run]:
    # The same name elsewhere is an instrument that was renamed in the configuration.
    return [one for one in runs if one.name != run.name]


def _state(run: Run) -> str:
    if run.published_at is None:
        return "which is on its way to the lake"
    # A run that was learned from the lake was never seen here, and has one time for both.
    pruned = "" if run.pruned_at in (None, run.published_at) else " and pruned here"
    return f"which was published on {iso(run.published_at)}{pruned}"


def next_step(run: Run) -> str:
    """What a person does about the gate."""
    return (
        "rename the folder back; or, to have the run in the lake under this name too: "
        f"datalake-syncd release {escape(run.key)}"
    )


def went_on(service: Service, run: Run) -> bool:
    """Whether a folder that vanished is there under another name, and goes on as that run.

    Tells it once. A run of which something was sent counts only when a person released its new
    name; until then its vanishing is an alarm like any other.
    """
    if run.fingerprint is None:
        return False
    new = next((one for one in _others(service.ledger.runs.with_fingerprint(run.fingerprint), run)
                if _is_there(service, one) and (not was_sent(run) or RENAMED in one.accepted)),
               None)  # fmt: skip
    if new is None:
        return False
    reason = f"the folder was renamed; the run goes on as {escape(new.key)}"
    if (run.status, run.reason) == (Status.FINISHED, reason):
        return True
    service.ledger.runs.move(
        run,
        now=service.wall(),
        event="run.renamed",
        message=reason,
        done=Step.SIGHTED,
        status=Status.FINISHED,
        reason=reason,
    )
    service.log(logging.INFO, "run.renamed", reason, run=run.key, instrument=run.instrument)
    return True


def _is_there(service: Service, run: Run) -> bool:
    instrument = service.config.instruments.get(run.instrument)
    if instrument is None or run.pruned_at is not None:
        return False
    folder = own_folder(instrument, run.name)
    try:
        return service.patience(run.instrument).call(lambda _tick: tree.is_folder(folder))
    except Stopped:
        raise  # nobody knows, and nothing may be written down of it
    except SyncdError:
        return False  # its source may be away; then the alarm stands
