"""``status``: what is on the way, what needs a person."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.adapters.ledger import daemon_state
from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.places import Settings, read_settings, reading
from datalake_syncd.cli.terminal import console, emit
from datalake_syncd.core.errors import UsageError
from datalake_syncd.steps.overview.document import document
from datalake_syncd.steps.overview.report import STALE_AFTER, Report, read_report

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Ledger

_REFRESH = 1.0


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--all", "everything", is_flag=True, help="Also runs that were published long ago.")
@click.option("--watch", is_flag=True, help="Stay, and show it anew every second, until Ctrl-C.")
@click.pass_obj
def command(path: Path, *, as_json: bool, everything: bool, watch: bool) -> int:
    """Instruments and runs: what is on the way, what needs you.

    Ends with 1 when a run is blocked, an instrument is offline, uploads are paused or nobody
    looked at the sources for long; else with 0.
    """
    if as_json and watch:
        raise click.UsageError("--json and --watch don't go together")
    settings = read_settings(path)
    with reading(settings) as ledger:
        if watch:
            return _watch(settings, ledger, everything=everything)
        report = look(settings, ledger, time.time())
    if as_json:
        emit(document(report))
    else:
        from datalake_syncd.cli.status_view import view

        page = console()
        page.print(view(report, width=page.width, everything=everything))
    return ATTENTION if report.needs_attention else FINE


def look(settings: Settings, ledger: Ledger, now: float) -> Report:
    """Read the ledger once, beside a daemon or without one."""
    return read_report(
        ledger,
        now,
        daemon=daemon_state(settings.state_dir),
        stale_after=settings.seconds("daemon", "stale_after", default=STALE_AFTER),
    )


def _watch(settings: Settings, ledger: Ledger, *, everything: bool) -> int:
    """The same page again and again; Ctrl-C is how it is meant to end."""
    from rich.live import Live

    from datalake_syncd.cli.status_view import view

    if not sys.stdout.isatty():
        raise UsageError(
            "--watch needs a terminal",
            next_step="for programs: datalake-syncd status --json",
        )
    screen = console()
    report = look(settings, ledger, time.time())
    try:
        with Live(console=screen, screen=True, auto_refresh=False) as live:
            while True:
                page = view(report, width=screen.width, everything=everything)
                live.update(page, refresh=True)
                time.sleep(_REFRESH)
                report = look(settings, ledger, time.time())
    except KeyboardInterrupt:
        # What was last seen stays on the terminal.
        screen.print(view(report, width=screen.width, everything=everything))
    return FINE
