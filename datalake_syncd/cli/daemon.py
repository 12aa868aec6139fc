"""``run`` and ``once``: hand over to the daemon."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("run")
@click.pass_obj
def run(path: Path) -> int:
    """The daemon: watch, carry, prove, publish until a signal says stop.

    SIGTERM and Ctrl-C stop it in good order, SIGHUP makes it read its configuration again.
    """
    from datalake_syncd import daemon

    return daemon.run(path)


@click.command("once")
@click.pass_obj
def once(path: Path) -> int:
    """One pass over all complete runs, for cron.

    Takes every complete run as far as it can go. Ends with 1 when a run is blocked or failed.
    """
    from datalake_syncd import one_pass

    return one_pass.once(path)
