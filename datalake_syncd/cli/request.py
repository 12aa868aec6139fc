"""Asking for something: the daemon does it, or we do it here while no daemon runs.

Who holds the lock of the state directory does it. So nothing is ever done twice or side by
side, and a command works the same with and without a daemon.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datalake_syncd.adapters.ledger import AlreadyRunning, DaemonLock, Ledger, daemon_state
from datalake_syncd.adapters.ledger.database import LEDGER
from datalake_syncd.cli.places import Settings
from datalake_syncd.core.errors import SyncdError, UsageError
from datalake_syncd.core.model import Status
from datalake_syncd.core.wording import with_run

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Request, Run
    from datalake_syncd.config import Config
    from datalake_syncd.steps.service import Service

#: Seconds in which a daemon that runs takes a request up.
PATIENCE = 15.0
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    succeeded: bool
    text: str


def ask(
    path: Path,
    settings: Settings,
    run: Run,
    action: str,
    argument: str | None = None,
    *,
    on_wait: Callable[[float, Run], None] = lambda _seconds, _run: None,
) -> Answer:
    """Have it done and give the answer.

    Waits `PATIENCE` seconds for a daemon to take it up; an action that is being worked on for
    longer (pruning reads every byte) is waited for to its end. ``on_wait`` is told of it.
    """
    try:
        lock = DaemonLock(settings.state_dir)
    except AlreadyRunning:
        return _ask_the_daemon(settings, run, action, argument, on_wait)
    try:
        return _do_it_here(path, settings, run, action, argument)
    finally:
        lock.release()


def told(answer: Answer, run: Run) -> list[str]:
    """The answer's lines; raises what was refused, with its parts, as the daemon worded it."""
    lines = answer.text.split("\n")
    if not answer.succeeded:
        raise SyncdError(
            lines[0],
            why=lines[1] if len(lines) > 2 else "",
            next_step=with_run(lines[-1], run.key) if len(lines) > 1 else "",
        )
    return lines


def _ask_the_daemon(
    settings: Settings,
    run: Run,
    action: str,
    argument: str | None,
    on_wait: Callable[[float, Run], None],
) -> Answer:
    ledger = Ledger(settings.state_dir, writable=True, check=False)
    try:
        number = ledger.desk.ask(action, run.id, argument, time.time())
        began = time.monotonic()
        while True:
            request = ledger.desk.request(number)
            if request is not None and request.done_at is not None:
                return _answer(request)
            waited = time.monotonic() - began
            now = ledger.runs.by_id(run.id)
            being_done = action == "prune" and now.status is Status.RUNNING
            alive = daemon_state(settings.state_dir).running is not False
            if waited > PATIENCE and not (being_done and alive):
                raise _no_answer(action, run, alive=alive)
            on_wait(waited, now)
            time.sleep(_POLL)
    finally:
        ledger.close()


def _answer(request: Request) -> Answer:
    return Answer(bool(request.succeeded), request.answer or "")


def _no_answer(action: str, run: Run, *, alive: bool) -> SyncdError:
    return SyncdError(
        f"the daemon has not answered the request to {action} {run.key} yet",
        why="it stays in the ledger and is done as soon as the daemon gets to it"
        if alive
        else "the daemon has ended meanwhile; the request is done when it runs again",
        next_step="see what it is doing: datalake-syncd status; its log: "
        "journalctl -u datalake-syncd",
    )


def _do_it_here(
    path: Path, settings: Settings, run: Run, action: str, argument: str | None
) -> Answer:
    """We hold the lock. The request is written down all the same, so that it has a history."""
    from datalake_syncd.steps import requests
    from datalake_syncd.worker import prune_now

    if action == "prune":
        _must_be_the_owner(settings.state_dir)
    actions = {**requests.ACTIONS, "prune": prune_now}
    ledger = Ledger(settings.state_dir, writable=True)
    try:
        # Nobody else works now: what is "running" died, and is given back as at a start.
        ledger.runs.give_back(time.time())
        service = quiet_service(load_config(path), ledger)
        number = ledger.desk.ask(action, run.id, argument, time.time())
        request = ledger.desk.request(number)
        if request is None:
            raise SyncdError(f"the request {number} is not in the ledger")
        requests.answer(service, request, actions)
        answered = ledger.desk.request(number)
        return _answer(answered or request)
    finally:
        ledger.close()


def _must_be_the_owner(state_dir: Path) -> None:
    """Root's trash folder could not be emptied by the service's own user later."""
    owner = (state_dir / LEDGER).stat().st_uid
    if os.geteuid() != owner:
        raise UsageError(
            f"no daemon is running, and this process (uid {os.geteuid()}) is not the service's "
            f"user (uid {owner})",
            why="folders that it makes could not be removed by the service later",
            next_step="start the daemon, or run this as that user: sudo -u '#"
            f"{owner}' datalake-syncd …",
        )


def load_config(path: Path) -> Config:
    """The whole configuration, checked; raises all of its faults."""
    from datalake_syncd import session

    return session.load_config(path)


def quiet_service(config: Config, ledger: Ledger) -> Service:
    """The service without its threads; it logs nothing, for the command tells what it does."""
    from datalake_syncd.steps.service import Service

    logger = logging.Logger("datalake_syncd.cli")  # noqa: LOG001 - apart from the log's tree
    logger.addHandler(logging.NullHandler())
    return Service(config, ledger, logger)
