"""What people ask for through commands: retry, hold, release, undo, prune."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Request, Run
from datalake_syncd.adapters.tree import trash
from datalake_syncd.core.durations import format_duration, iso
from datalake_syncd.core.errors import SyncdError, UsageError
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import SHEET
from datalake_syncd.steps.checksum_lists import CONTENT
from datalake_syncd.steps.findings import UNRELEASABLE
from datalake_syncd.steps.growing.prune import undo_units
from datalake_syncd.steps.growth_probe import is_silent
from datalake_syncd.steps.renamed import RENAMED
from datalake_syncd.steps.returned import KEPT
from datalake_syncd.steps.scrub.telling import scrub_key
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.sighting import ASKED, RETURNED
from datalake_syncd.steps.source import view


def retry(service: Service, run: Run, _argument: str | None) -> str:
    """Try a blocked or waiting run again at once."""
    if run.hold_reason is not None:
        raise _refuse(run, f"is held: {run.hold_reason}", "release it: datalake-syncd release")
    if run.status is Status.RUNNING:
        return f"{run.key} is being worked on right now"
    if run.status is Status.FINISHED and not _scrub_found(service, run):
        raise _refuse(run, "is finished; there is nothing to retry", "see: datalake-syncd why")
    done = Step.SIGHTED if _settles_again(service, run) else run.done
    if run.status is Status.FINISHED:
        done = Step.SETTLE  # the lake is compared with the disk, and what it lacks is sent
    looked_at = done is Step.SIGHTED
    service.ledger.runs.move(
        run,
        now=service.wall(),
        event="person.retry",
        message="a person asked to try again",
        done=done,
        status=Status.WAITING if looked_at else Status.READY,
        reason=ASKED if looked_at else None,
        attempts=0,
        rounds=0,
    )
    service.health.ask_again()
    return f"{run.key} is tried again after step '{done}'"


def _scrub_found(service: Service, run: Run) -> bool:
    """The lake lost something of a published run that is still on the disk: it is sent again."""
    if run.done is not Step.PUBLISH or run.pruned_at is not None:
        return False
    return any(one.key == scrub_key(run.key) for one in service.ledger.desk.troubles())


def _settles_again(service: Service, run: Run) -> bool:
    """Whether what blocks a growing data set may be mended on the disk or in the configuration.

    Which files are there, and where they go, is decided anew by each look, and only by a look.
    """
    instrument = service.config.instruments.get(run.instrument)
    growing = instrument is not None and KINDS[instrument.kind].growing is not None
    on_the_way = run.done in (Step.SETTLE, Step.TRANSFER, Step.VERIFY, Step.ATTACH_SHEET)
    return growing and on_the_way and run.status is Status.BLOCKED


def hold(service: Service, run: Run, argument: str | None) -> str:
    """Forbid transfer and pruning until a release."""
    reason = argument or "held by a person"
    service.stop_run(run.id)
    run = service.ledger.runs.set(run, hold_reason=reason)
    service.ledger.runs.event(run.id, service.wall(), "person.hold", f"held: {reason}")
    return f"{run.key} is held: nothing of it is carried or pruned until it is released"


def release(service: Service, run: Run, _argument: str | None) -> str:
    """Lift a hold, or let a blocked run go on with what it was blocked for."""
    if run.hold_reason is not None:
        service.let_run(run.id)
        rests = (run.done, run.status) == (Step.PUBLISH, Status.FINISHED)
        status = Status.READY if rests else run.status  # pruning is asked about again
        service.ledger.runs.set(run, hold_reason=None, status=status)
        service.ledger.runs.event(run.id, service.wall(), "person.release", "the hold is lifted")
        return f"{run.key} is no longer held"
    silent = is_silent(run)
    if run.status is not Status.BLOCKED and not silent:
        step = "see: datalake-syncd why"
        if run.done is Step.SIGHTED and run.status is Status.WAITING:
            limit = format_duration(service.config.daemon.stale_after)
            step += f"; it can be released when nothing was written to it for {limit} (run.stale)"
        raise _refuse(run, f"is neither held nor blocked ({run.status})", step)
    if (run.reason or "").startswith(RETURNED):
        return _release_returned(service, run)
    failing = [
        g["name"]
        for g in run.gates
        if not g["passed"] and (silent or not g["name"].startswith("flag ")) and g["name"] != SHEET
    ]
    if not failing or set(UNRELEASABLE) & set(failing):
        raise _refuse(
            run,
            f"is blocked for something that can't be released: {run.reason}",
            run.next_step or "mend that, then: datalake-syncd retry",
        )
    status = Status.WAITING if run.done is Step.SIGHTED else Status.READY
    named = ", ".join(failing)
    service.ledger.runs.move(
        run,
        now=service.wall(),
        event="person.release",
        message=f"a person released it in spite of: {named} ({run.reason})",
        status=status,
        accepted=sorted({*run.accepted, *failing}),
        gates=[
            {**g, "passed": True, "found": f"{g['found']} (released by a person)"}
            if g["name"] in failing
            else g
            for g in run.gates
        ],
    )
    doubted = (run.done is Step.SIGHTED and failing != [RENAMED]) or CONTENT in failing
    label = "; it is not labelled good because of that" if doubted else ""
    return f"{run.key} goes on in spite of: {named}{label}"


def _release_returned(service: Service, run: Run) -> str:
    if run.trash is not None:
        raise _refuse(
            run, f"is still in the trash ({trash.TRASH}/{escape(run.trash)})",
            "move the new folder away, then: datalake-syncd undo",
        )  # fmt: skip
    missing = (run.observed.get(KEPT) or {}).get("missing")
    if missing:
        raise _refuse(
            run,
            f"has {missing} files in the lake that are not in the folder that came back",
            "a new generation without them would tell of a smaller run. Fetch them and put them "
            f"into the folder: datalake-syncd restore {escape(run.key)} DIR; or rename the "
            "folder, if it is another run",
        )
    service.ledger.runs.move(
        run,
        now=service.wall(),
        event="person.release",
        message="the folder that came back is carried as a new generation",
        done=Step.SIGHTED,
        status=Status.WAITING,
        reason="released; looked at by the next scan",
        pruned_at=None,
        emptied_at=None,
    )
    return f"{run.key} is carried again as a new generation; what differs keeps a snapshot"


def undo(service: Service, run: Run, _argument: str | None) -> str:
    """Bring a run back from the trash, and hold it so that it is not pruned again."""
    growing = run.instrument in service.config.instruments and (
        KINDS[service.config.instruments[run.instrument].kind].growing is not None
    )
    if growing and run.trash is not None:
        if run.status is Status.RUNNING:
            raise _refuse(run, "is being worked on right now", "try again in a minute")
        return undo_units(service, run)
    if run.trash is None or run.done is not Step.PRUNE:
        why = "was emptied from the trash already" if run.emptied_at else "is not in the trash"
        raise _refuse(run, why, f"fetch it from the lake: datalake-syncd restore {run.key} DIR")
    if run.status is Status.RUNNING:
        raise _refuse(run, "is being worked on right now", "try again in a minute")
    instrument = service.config.instruments.get(run.instrument)
    if instrument is None:
        raise _refuse(run, "belongs to an instrument that is no longer configured", "configure it")
    plan = service.ledger.files.plan(run.id)
    source, name = instrument.source, run.trash
    patience = service.context(run).patience
    there = patience.call(lambda _tick: trash.is_there(source, name, trash=True))
    if not there:
        # With its disk away nobody can say that it was emptied.
        known = service.ledger.desk.instrument(run.instrument)
        patience.call(lambda tick: view(instrument, known, frozenset((trash.TRASH,)), tick))
    if not there and run.pruned_at is not None:
        raise _refuse(
            run,
            "was emptied from the trash already",
            f"fetch it from the lake: datalake-syncd restore {run.key} DIR",
        )
    missing: list[str] = []
    if there:
        missing = patience.call(lambda tick: trash.strangers(source, name, plan, tick=tick))
    # Written down before the rename: after a crash in between it must neither be found ready
    # for pruning again, nor look like a stranger's folder in the place of a pruned run.
    hold_reason = "brought back from the trash by a person"
    run = service.ledger.runs.set(run, hold_reason=hold_reason, pruned_at=None)
    if there:
        patience.call(lambda _tick: trash.bring_back(source, name, run.name))
    reach(FailPoint.UNDO_RENAMED)
    service.ledger.runs.move(
        run,
        now=service.wall(),
        event="person.undo",
        message=f"brought back from the trash to {instrument.source}",
        done=Step.PUBLISH,
        status=Status.FINISHED,
        reason=None,
        trash=None,
        pruned_at=None,
    )
    note = ""
    if missing:
        note = (
            f"; {len(missing)} or more files had been unlinked or changed already "
            f"({missing[0]}, …): fetch them with `restore`"
        )
    return (
        f"{run.key} is back in {instrument.source}, and held so that it is not pruned again{note}"
    )


def _refuse(run: Run, what: str, next_step: str) -> UsageError:
    return UsageError(f"{run.key} {what}", next_step=next_step)


#: What a request may ask for; ``prune`` is added by the daemon, which owns the workers.
ACTIONS: dict[str, Callable[[Service, Run, str | None], str]] = {
    "retry": retry,
    "hold": hold,
    "release": release,
    "undo": undo,
}


def answer(
    service: Service,
    request: Request,
    actions: Mapping[str, Callable[[Service, Run, str | None], str]],
) -> None:
    """Do what a request asks for and write the answer down for the command that waits."""
    succeeded, text = True, ""
    try:
        if request.run_id is None or request.action not in actions:
            raise UsageError(f"nobody here knows the request '{request.action}'")
        run = service.ledger.runs.by_id(request.run_id)
        text = actions[request.action](service, run, request.argument)
        reach(FailPoint.REQUEST_DONE)
    except SyncdError as error:
        succeeded = False
        text = "\n".join(p for p in (error.what, error.why, error.next_step) if p)
    except Exception as error:  # noqa: BLE001 - told to the person who asked, and to the log
        # Answered all the same: an open request is done again, and fails again, at every start.
        succeeded = False
        service.log(logging.ERROR, "request.bug", "a request failed", exc_info=True)
        what = f"the request '{request.action}' failed because of an error in datalake-syncd itself"
        service.ledger.runs.event(request.run_id, service.wall(), "request.bug", what)
        told = service.without_secrets(repr(error))
        text = f"an error in datalake-syncd itself: {told}\nits log has the trace; report it"
    service.ledger.desk.answer(request.id, succeeded=succeeded, answer=text, now=service.wall())
    service.log(
        logging.INFO,
        f"person.{request.action}",
        f"{text.splitlines()[0]} (asked at {iso(request.at)})",
        succeeded=succeeded,
    )
    service.work.set()
