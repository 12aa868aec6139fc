"""``doctor``: everything that a run needs, looked at before a run needs it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.terminal import activity, console, emit

if TYPE_CHECKING:
    from datalake_syncd.core.redact import Redactor
    from datalake_syncd.steps.doctor.finding import Finding, Machine

_STYLES = {"ok": "green", "warning": "yellow", "FAULT": "bold red"}


@click.command("doctor", short_help="Look at everything that a run needs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_obj
def command(path: Path, *, as_json: bool) -> int:
    """Look at everything that a run needs: one line each, with what to do.

    Works beside a running daemon and before its first start. Writes nothing but one small blob
    of its own below each destination (.datalake-syncd-doctor), which stays there. Ends with 1
    when something would stop a run, with 0 when there are only warnings.
    """
    from datalake_syncd.steps.doctor.examine import examine
    from datalake_syncd.steps.doctor.finding import Mark

    machine, redactor = _machine(path)
    found: list[Finding] = []
    with activity("looking …") as waiting:
        for one in examine(machine, lambda name: waiting(f"looking at {name} …")):
            shown = _cleaned(one, redactor)
            found.append(shown)
            if not as_json:
                _show(shown)
    faults = sum(one.mark is Mark.FAULT for one in found)
    warnings = sum(one.mark is Mark.WARNING for one in found)
    if as_json:
        checks = [
            {
                "check": one.name,
                "mark": str(one.mark),
                "found": one.what,
                "next_step": one.next_step or None,
            }
            for one in found
        ]
        emit({"checks": checks, "faults": faults, "warnings": warnings})
    else:
        _end(faults, warnings)
    return ATTENTION if faults else FINE


def _machine(path: Path) -> tuple[Machine, Redactor]:
    from datalake_syncd.config import known_secrets
    from datalake_syncd.core.redact import Redactor
    from datalake_syncd.session import load_config
    from datalake_syncd.steps.doctor.finding import Machine
    from datalake_syncd.steps.service import bring_into_force

    config = load_config(path)
    access = bring_into_force(config).access
    return Machine(config, access, time.time), Redactor(known_secrets(config))


def _cleaned(finding: Finding, redactor: Redactor) -> Finding:
    """Texts of the system and of the lake end up here: no secret, no control character."""
    from datalake_syncd.core.names import escape_once

    def clean(text: str) -> str:
        return escape_once(redactor.clean(text))

    return replace(
        finding,
        name=clean(finding.name),
        what=clean(finding.what),
        next_step=clean(finding.next_step),
    )


def _show(finding: Finding) -> None:
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(width=7)
    line.add_column(width=20, overflow="fold")
    line.add_column(overflow="fold")
    told = Text(finding.what)
    if finding.next_step:
        told.append(f"\n-> {finding.next_step}", style="bold" if finding.mark != "ok" else "dim")
    line.add_row(Text(str(finding.mark), _STYLES[finding.mark]), Text(finding.name), told)
    console().print(line)


def _end(faults: int, warnings: int) -> None:
    from rich.text import Text

    from datalake_syncd.core.wording import counted

    told = counted(warnings, "warning")
    if faults:
        text = Text(f"{counted(faults, 'fault')} would stop a run; {told}.", _STYLES["FAULT"])
    else:
        text = Text(f"Nothing would stop a run; {told}.", _STYLES["ok"])
    console().print(text)
