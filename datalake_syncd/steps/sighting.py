"""Sighting: which folders of a source are runs, and what became of those that we know."""

from __future__ import annotations

import logging
import os
import stat

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.tree import trash
from datalake_syncd.config import Instrument
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.names import escape, lake_name_problem
from datalake_syncd.steps.context import lake_id
from datalake_syncd.steps.places import own_folder, run_prefix
from datalake_syncd.steps.renamed import went_on
from datalake_syncd.steps.service import Service

GONE = "published; the folder is no longer on the source (not pruned by this service)"
VANISHED = "the folder vanished from the source before what is in it was published"
ASKED = "asked to try again; looked at by the next scan"
RETURNED = "a folder came back under the name of this run, which was published and pruned"


def sight(service: Service, name: str, instrument: Instrument, folder_name: str) -> Run:
    """Make the row of a folder that is new, or give the one that is known."""
    known = service.ledger.runs.get(name, folder_name)
    if known is not None:
        return known
    run = service.ledger.runs.add(
        name,
        folder_name,
        prefix=run_prefix(instrument, folder_name),
        now=service.wall(),
        reason="just sighted",
        lake=lake_id(service.config),
    )
    reach(FailPoint.RUN_SIGHTED)
    service.log(
        logging.INFO,
        "run.sighted",
        f"first seen in {instrument.source}",
        run=run.key,
        instrument=name,
        step="sighted",
    )
    return run


def check(service: Service, instrument: Instrument, run: Run) -> None:
    """Raise ``NeedsPerson`` when a run can't be carried at all, whatever is in its folder.

    Asked at every look: what is wrong here lasts until a person mends it.
    """
    path = own_folder(instrument, run.name)
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # the look itself tells what is wrong
    if stat.S_ISLNK(mode):
        raise NeedsPerson(
            "the run folder is a symbolic link; links are never followed",
            next_step="put the real folder there and remove the link",
        )
    if not stat.S_ISDIR(mode):
        raise NeedsPerson(
            "this has the name of a run, and is not a folder",
            next_step="move it away, or put the run's folder in its place",
        )
    prefix = run_prefix(instrument, run.name)
    problem = lake_name_problem(run.name, prefix)  # of every folder in the name
    if problem is not None:
        raise NeedsPerson(f"the folder's name {problem[1]}", next_step="rename the folder")
    for other in service.ledger.runs.at_prefix(lake_id(service.config), prefix):
        first = other.id < run.id or other.done is not Step.SIGHTED
        if other.id != run.id and first and _is_here(service, instrument, run, other):
            raise NeedsPerson(
                f"{other.key} already goes to {escape(prefix)} in the lake",
                next_step="two runs with one name: rename one of the folders, or give the "
                "instruments different destinations",
            )


def _is_here(service: Service, instrument: Instrument, run: Run, other: Run) -> bool:
    """Whether another run may still be carried from its own source."""
    if other.instrument == run.instrument and not os.path.lexists(
        own_folder(instrument, other.name)
    ):
        return False  # renamed just now; the end of this scan tells
    configured = other.instrument in service.config.instruments
    return configured and other.pruned_at is None and other.reason not in (GONE, VANISHED)


def vanished(service: Service, run: Run) -> None:
    """The source answers and the folder is not there: say so, forget nothing."""
    if run.pruned_at is not None and (run.reason or "").startswith(RETURNED):
        # The folder that came back is gone again: the trash goes on where it was.
        service.ledger.runs.set(run, status=Status.READY, reason=None, next_step=None)
    if run.pruned_at is not None or run.status is Status.RUNNING:
        return
    if _in_trash(service, run):
        return  # our own rename, cut off before its record: the prune step goes on with it
    past = run.done in (Step.VERIFY, Step.ATTACH_SHEET)
    whole = _whole_in_lake(service, run)
    if run.published_at is not None and (past or whole):
        if run.reason != GONE and whole:
            service.ledger.runs.move(
                run,
                now=service.wall(),
                event="run.gone",
                message=GONE,
                done=Step.PUBLISH,
                status=Status.FINISHED,
                reason=GONE,
            )
        return
    if went_on(service, run):
        return
    reason = VANISHED
    if run.status is Status.BLOCKED and run.reason == reason:
        return
    service.ledger.runs.move(
        run,
        now=service.wall(),
        event="run.vanished",
        message=reason,
        done=Step.SIGHTED,
        status=Status.BLOCKED,
        reason=reason,
        next_step="bring the folder back under its name; the run goes on by itself then",
    )
    service.log(
        logging.ERROR,
        "run.vanished",
        reason,
        run=run.key,
        instrument=run.instrument,
        next_step="bring the folder back under its name; the run goes on by itself then",
    )


def _whole_in_lake(service: Service, run: Run) -> bool:
    """Whether nothing of a published run was on its way, or waiting to be carried."""
    if not _grows(service, run):
        return run.done is Step.PUBLISH
    if run.done not in (Step.SIGHTED, Step.PUBLISH) or run.observed.get("pending_count"):
        return False
    # Behind a closed gate files wait without being counted.
    open_gates = all(gate["passed"] for gate in run.gates)
    return open_gates and service.ledger.growth.all_announced(run.id)


def _grows(service: Service, run: Run) -> bool:
    return KINDS[service.config.instruments[run.instrument].kind].growing is not None


def _in_trash(service: Service, run: Run) -> bool:
    if _grows(service, run):
        return False  # a batch in the trash says nothing of the folder, which stays
    source, name = service.config.instruments[run.instrument].source, run.trash
    if name is None:
        return False
    patience = service.patience(run.instrument)
    return patience.call(lambda _tick: trash.is_there(source, name, trash=True))
