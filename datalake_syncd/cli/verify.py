"""``verify RUN [--read-back]``: check a published run against the lake now."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.manifest_in_lake import locate
from datalake_syncd.cli.places import read_settings, reading_if_there
from datalake_syncd.cli.request import load_config
from datalake_syncd.cli.run_names import run_argument
from datalake_syncd.cli.terminal import ByteProgress, activity, emit, say
from datalake_syncd.cli.verify_lake import Finding, Reading, check
from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.model import Proof
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.wording import command, counted

if TYPE_CHECKING:
    from datalake_syncd.adapters.lake import Lake
    from datalake_syncd.adapters.ledger import Ledger
    from datalake_syncd.steps.published import Place

_NAMED = 20
_NEEDED = {"auto": Proof.CHECKED, "read-back": Proof.READ_BACK, "claimed": Proof.CLAIMED}


@click.command("verify")
@run_argument()
@click.option("--read-back", is_flag=True, help="Read every byte from the lake and hash it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_obj
def command_line(path: Path, run: str, *, read_back: bool, as_json: bool) -> int:
    """Check a published run against the lake now, also one that was pruned.

    Lists the run's folder in the lake and compares every file: missing, different, unproven,
    extra. Changes nothing, neither in the lake nor in the ledger. Ends with 1 when anything is
    missing, differs, or is no longer proven as it was.
    """
    from datalake_syncd.steps.service import bring_into_force

    settings, config = read_settings(path), load_config(path)
    lake = bring_into_force(config).lake
    with reading_if_there(settings) as ledger:
        place = locate(config, ledger, run)
        needed = _NEEDED[config.lake.proof]
        finding = _check(lake, ledger, place, needed, read_back=read_back)
    if as_json:
        emit(finding.document())
    else:
        say(*_lines(finding, place.run.key if place.run is not None else run))
    return FINE if finding.fine else ATTENTION


def _check(
    lake: Lake, ledger: Ledger | None, place: Place, needed: Proof, *, read_back: bool
) -> Finding:
    name = escape(place.name)
    if not read_back:
        with activity(f"listing {name} in the lake"):
            return check(lake, ledger, place, needed, None)
    with ByteProgress("reading back") as bar:
        reading = Reading(bar.total, bar.advance, threading.Event())
        return check(lake, ledger, place, needed, reading)


def _lines(finding: Finding, run: str) -> Iterator[str]:
    if finding.fine:
        how = "read back and equal" if finding.read_back else f"at least '{finding.needed}'"
        yield (f"{escape(run)}: all {counted(finding.files, 'file')} are in the lake, "
               f"{format_bytes(finding.bytes)}, {how}.")  # fmt: skip
    else:
        yield f"{escape(run)}: NOT as it should be in the lake."
        yield f"  {finding.proven:,} of {counted(finding.files, 'file')} are fine"
    for trouble in finding.trouble:
        yield f"  {escape_once(trouble)}"
    for title, names in (
        ("missing in the lake", finding.missing),
        ("different in the lake", finding.different),
        (f"unproven (less than '{finding.needed}')", finding.unproven),
        ("extra in the lake, not part of the run", finding.extra),
    ):
        if names:
            yield f"  {title}: {len(names):,}"
            yield from (f"    {escape(one)}" for one in names[:_NAMED])
            if len(names) > _NAMED:
                yield f"    and {len(names) - _NAMED:,} more: --json lists all"
    if finding.source != "ledger":
        yield "  compared with NAME.md5 in the lake, for the ledger holds no list of its files"
    if finding.needed is Proof.CLAIMED and not finding.read_back:
        told = command("verify --read-back", run)
        yield f"  an equal stored MD5 is only a claim; to be sure: {told}"
    if finding.missing or finding.different:
        yield "  earlier versions may be kept as snapshots or soft-deleted blobs in the lake"
