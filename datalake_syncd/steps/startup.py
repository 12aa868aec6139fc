"""What is done before any thread starts, and again when a new configuration comes in."""

from __future__ import annotations

import logging
import os

from datalake_syncd import __version__
from datalake_syncd.adapters import tree
from datalake_syncd.adapters.azcopy import end_orphans, inspect, leftovers
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps import sighting
from datalake_syncd.steps.growing.prune import put_back_unfinished
from datalake_syncd.steps.notes import CONFIG_REFUSED, UPLOADS_PAUSED
from datalake_syncd.steps.pruning.emptying import READ_ONLY
from datalake_syncd.steps.service import Service

#: In the ledger: what the clocks of the last process said at its start.
_CLOCK = "clock"


def prepare(service: Service) -> None:
    """Take back what died, end what was left over, and say what this service starts with."""
    config = service.config
    private = config.daemon.state_dir / "azcopy"
    tree.make_private_root(private)
    for pid in end_orphans(private):
        service.log(
            logging.WARNING, "azcopy.orphan", f"ended an azcopy that was left over (pid {pid})"
        )
    for folder in leftovers(private):
        tree.clear_private(folder)
    given_back = service.ledger.runs.give_back(service.wall())
    # What is in force was read just now. Whether the lake takes our login only a run can say.
    service.ledger.desk.put(CONFIG_REFUSED, None)
    if not any(map(_waits_for_lake, service.ledger.runs.all())):
        service.ledger.desk.put(UPLOADS_PAUSED, None)
    set_instruments(service)
    _compare_clock(service)
    put_back_unfinished(service)
    wake_prunable(service)
    _say_azcopy(service)
    service.log(
        logging.INFO,
        "service.started",
        f"datalake-syncd {__version__}: {len(config.instruments)} instruments, "
        f"{given_back} runs go on where they were",
        pid=os.getpid(),
    )


def _compare_clock(service: Service) -> None:
    """A clock that was set between two processes counts as one that jumped in this one.

    What was counted on it begins anew here and now: a source that is away for the hour in which
    a jump matters would be judged by the old times after it.
    """
    desk = service.ledger.desk
    moved = service.clock.compare(desk.get(_CLOCK))
    if moved:
        service.ledger.growth.begin_anew(service.wall())
        ahead = "forward" if moved > 0 else "back"
        service.log(
            logging.WARNING,
            "clock.jumped",
            f"the wall clock was set {ahead} by {format_duration(abs(moved))} since the last "
            "start: nothing is pruned for an hour, and the ages of files in growing data sets "
            "count from now",
            next_step="timedatectl set-ntp true; datalake-syncd doctor compares it with the lake's",
        )
    desk.put(_CLOCK, service.clock.reading())


def _waits_for_lake(run: Run) -> bool:
    """Whether a run is tried again soon, and tells then if the lake takes our login.

    One that waits for its sample sheet has no next step, and may wait for days.
    """
    on_the_way = run.done in (Step.SETTLE, Step.TRANSFER, Step.VERIFY, Step.ATTACH_SHEET)
    again = run.status is Status.WAITING and run.not_before is not None
    return on_the_way and again and run.next_step is not None


def set_instruments(service: Service) -> None:
    """Tell the ledger which instruments are configured; nothing stands of the others."""
    service.ledger.desk.set_instruments(
        {name: (one.kind, str(one.source)) for name, one in service.config.instruments.items()}
    )
    for trouble in service.ledger.desk.troubles():
        if trouble.instrument not in (None, *service.config.instruments):
            service.trouble_over(trouble.key)


def wake_prunable(service: Service) -> None:
    """Published runs rest; times and permission to prune may have changed: look again."""
    for run in service.ledger.runs.all():
        instrument = service.config.instruments.get(run.instrument)
        resting = run.done is Step.PUBLISH and run.status in (Status.FINISHED, Status.WAITING)
        rests = run.status in (Status.WAITING, Status.FINISHED)
        in_trash = run.done is Step.PRUNE and run.trash is not None and rests
        shut = run.status is Status.BLOCKED and READ_ONLY in (run.reason or "")
        allowed = resting and instrument is not None and instrument.prune.enabled
        if instrument is None or not (in_trash or allowed or shut):
            continue
        if run.reason != sighting.GONE:
            service.ledger.runs.set(
                run, status=Status.READY, reason=None, next_step=None, not_before=None
            )


def _say_azcopy(service: Service) -> None:
    try:
        binary = inspect(service.config.azcopy.path)
    except SyncdError as error:
        service.log(logging.ERROR, "azcopy.unusable", str(error), next_step=error.next_step)
        service.trouble("azcopy", str(error), error.next_step)
        return
    service.trouble_over("azcopy")
    service.log(
        logging.INFO if binary.tested else logging.WARNING,
        "azcopy.found",
        f"azcopy {binary.version} at {binary.path}"
        + ("" if binary.tested else "; this version was not tested with this service"),
        sha256=binary.sha256,
    )
