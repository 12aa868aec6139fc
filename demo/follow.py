"""Follow the service until every run and project is where it has to be, or can't get there."""

from __future__ import annotations

import time
from pathlib import Path

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.cli.places import read_settings
from datalake_syncd.cli.status import look
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.model import Status
from datalake_syncd.steps.overview.report import Report
from demo.acts import Act, RunAct, acts
from demo.play import Play, at_rest
from demo.processes import Child
from demo.screen import Screen
from demo.stage import Folders

#: Seconds for all of it; it takes about 30 on a machine that has nothing else to do.
PATIENCE = 180.0
#: Seconds between two looks at the service's ledger.
POLL = 0.4


class NotTrue(Exception):
    """Something that had to come true did not; says what."""


def follow(folders: Folders, screen: Screen, daemon: Child, play: Play, *, until: float) -> None:
    """Begin the play and show how it goes on until its end.

    ``until`` is on the monotonic clock. Raises `NotTrue` when the end can't come any more.
    """
    settings = read_settings(folders.configuration)
    ledger = _open_ledger(settings.state_dir, daemon, until)
    try:
        play.begin()
        while True:
            report = look(settings, ledger, time.time())
            screen.show(report, ledger)
            play.saw(report.runs)
            _check(report, daemon, play, until)
            if play.is_over and all(_arrived(report, act) for act in acts()):
                screen.page(report)
                return
            time.sleep(POLL)
    finally:
        ledger.close()


def _open_ledger(state_dir: Path, daemon: Child, until: float) -> Ledger:
    while True:
        try:
            return Ledger(state_dir, writable=False)
        except UsageError as error:
            # The daemon is about to make it.
            if daemon.poll() is not None or time.monotonic() > until:
                raise NotTrue(f"the service did not start: {error}") from error
            time.sleep(0.1)


def _arrived(report: Report, act: Act) -> bool:
    """Whether the service says that it is done with this run; proven separately."""
    run = next((run for run in report.runs if run.key == act.key), None)
    if run is None or run.published_at is None:
        return False
    if not isinstance(act, RunAct):
        return run.files == len(act.in_lake()) and at_rest(run)
    if run.sheet is None:
        return False
    return run.pruned_at is not None if act.pruned else run.status is Status.FINISHED


def _check(report: Report, daemon: Child, play: Play, until: float) -> None:
    if daemon.poll() is not None:
        raise NotTrue(f"the service ended by itself with {daemon.returncode}")
    if play.error is not None:
        raise NotTrue(f"a simulated instrument failed: {play.error!r}")
    for run in report.runs:
        if run.status is Status.BLOCKED:
            raise NotTrue(f"{run.key} is blocked: {run.reason}")
    if time.monotonic() > until:
        where = [f"{r.key}: {r.status} after '{r.done}' ({r.reason})" for r in report.runs]
        raise NotTrue(f"not done after {PATIENCE:.0f} s: {'; '.join(where) or 'no run seen'}")
