"""``retry``, ``hold``, ``release``, ``undo``: act on one run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.cli.places import read_settings, reading
from datalake_syncd.cli.run_names import find_run, run_argument
from datalake_syncd.cli.terminal import say
from datalake_syncd.core.names import escape_once

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Run

_SILENT = 1.0
#: What lets a run go on, and takes a service to do it.
_GO_ON = {"retry", "release"}


def _act(path: Path, name: str, action: str, argument: str | None = None) -> None:
    from datalake_syncd.adapters.ledger import daemon_state
    from datalake_syncd.cli.request import ask, told

    settings = read_settings(path)
    with reading(settings) as ledger:
        run = find_run(ledger, name)
    answer = ask(path, settings, run, action, argument, on_wait=_Patience().wait)
    say(*map(escape_once, told(answer, run)))
    if action in _GO_ON and daemon_state(settings.state_dir).running is False:
        say("No daemon runs now: it goes on when one does (datalake-syncd run, or once).")


class _Patience:
    """Says once, on stderr, that the daemon is being waited for."""

    def __init__(self) -> None:
        self._said = False

    def wait(self, seconds: float, _run: Run) -> None:
        if not self._said and seconds > _SILENT and sys.stderr.isatty():
            self._said = True
            click.echo("asked; waiting for the daemon…", err=True)


@click.command("retry")
@run_argument()
@click.pass_obj
def retry(path: Path, run: str) -> None:
    """Try a blocked or waiting run again now."""
    _act(path, run, "retry")


@click.command("hold")
@run_argument()
@click.option("--reason", "-r", required=True, help="Why, for whoever looks at it next.")
@click.pass_obj
def hold(path: Path, run: str, *, reason: str) -> None:
    """Forbid transfer and pruning of a run until it is released."""
    if not reason.strip():
        raise click.UsageError("--reason needs some words: somebody will wonder in three months")
    _act(path, run, "hold", escape_once(reason.strip()))


@click.command("release")
@run_argument()
@click.pass_obj
def release(path: Path, run: str) -> None:
    """Lift a hold, or let a blocked run go on with what it was blocked for."""
    _act(path, run, "release")


@click.command("undo")
@run_argument()
@click.pass_obj
def undo(path: Path, run: str) -> None:
    """Bring a pruned run back from the trash, and hold it so that it is not pruned again."""
    _act(path, run, "undo")
