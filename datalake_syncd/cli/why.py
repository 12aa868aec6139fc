"""``why RUN``: every gate of one run."""

from __future__ import annotations

import time
from pathlib import Path

import click

from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.places import read_settings, reading
from datalake_syncd.cli.run_names import find_run, run_argument
from datalake_syncd.cli.terminal import console, emit
from datalake_syncd.cli.why_report import explain
from datalake_syncd.core.model import Status

_ALL = 1_000_000


@click.command("why")
@run_argument()
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--events", default=20, show_default=True, type=click.IntRange(0, _ALL),
              help="So many of the last lines of its history.")  # fmt: skip
@click.pass_obj
def command(path: Path, run: str, *, as_json: bool, events: int) -> int:
    """Every gate of one run, for upload, publish and prune: passed or not, and what it waits for.

    Reads the ledger alone: it works without the daemon, the source and the lake. Ends with 1
    when the run is blocked.
    """
    settings = read_settings(path)
    with reading(settings) as ledger:
        found = find_run(ledger, run)
        why = explain(settings, ledger, found, time.time(), events)
    if as_json:
        emit(why.document)
    else:
        from datalake_syncd.cli.why_view import view

        console().print(view(why))
    return ATTENTION if found.shown_status is Status.BLOCKED else FINE
