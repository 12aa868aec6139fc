"""``health``: does the daemon live, does every part of it get on? For health checks of others."""

from __future__ import annotations

import time
from pathlib import Path

import click

from datalake_syncd.adapters.pulse_file import PulseFile, read_pulse
from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.places import read_settings
from datalake_syncd.cli.terminal import emit
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.names import escape

#: The daemon writes every ten seconds; what is older (seconds) was written by a dead one.
FRESH = 60.0


@click.command("health")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_obj
def command(path: Path, *, as_json: bool) -> int:
    """Whether every part of the daemon gets on; for health checks.

    Ends with 0 when the daemon gave a sign of life within the last minute and no part of it
    hangs, else with 1. Whether runs need a person is for `status` to say.
    """
    state_dir = read_settings(path).state_dir
    try:
        pulse = read_pulse(state_dir)
    except PermissionError as error:
        raise UsageError(
            f"the state directory {escape(str(state_dir))} can't be read",
            why="it is the service's own",
            next_step="run the command with sudo, or as the service's user",
        ) from error
    healthy, told = judged(pulse, time.time())
    if as_json:
        late = [] if pulse is None else list(pulse.late)
        emit({"healthy": healthy, "message": told, "late": late})
    else:
        click.echo(told)
    return FINE if healthy else ATTENTION


def judged(pulse: PulseFile | None, now: float) -> tuple[bool, str]:
    """Whether the service is healthy at ``now`` (seconds since the epoch), and one sentence."""
    if pulse is None:
        return False, "The daemon has given no sign of life yet."
    age = now - pulse.at
    # A clock that was set back must not make a dead daemon look alive.
    if abs(age) >= FRESH:
        ago = f"{format_duration(age)} ago" if age > 0 else "in the future, by this clock"
        return False, f"The daemon is not running, or hangs: its last sign of life was {ago}."
    if pulse.late:
        return False, f"The daemon runs, and this part of it hangs: {', '.join(pulse.late)}."
    return True, "The daemon runs, and every part of it gets on."
