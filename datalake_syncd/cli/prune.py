"""``prune [RUN] [--dry-run]``: free the local disk of proven runs, or show what would go."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.places import Settings, read_settings, reading
from datalake_syncd.cli.prune_preview import document, lines, preview, refusals_without_files
from datalake_syncd.cli.request import ask, load_config, told
from datalake_syncd.cli.run_names import find_run, run_argument
from datalake_syncd.cli.terminal import activity, emit, say
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.wording import counted, moment

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Ledger, Run
    from datalake_syncd.config import Config
    from datalake_syncd.core.pruning import PlanItem


@click.command("prune")
@run_argument(required=False)
@click.option("--dry-run", is_flag=True, help="Only show which files would go, or why none.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_obj
def command(path: Path, run: str | None, *, dry_run: bool, as_json: bool) -> int:
    """Free the local disk of proven runs; without RUN, of all that may go.

    Each run is moved to the trash beside the runs, from where `undo` brings it back until the
    configured time has passed. Every condition of the configuration counts here too; only the
    daily limit does not stop a run that is named. --dry-run reads all files of these runs, as
    pruning itself does, and changes nothing. Ends with 1 when RUN is not, or would not be, pruned.
    """
    settings, config = read_settings(path), load_config(path)
    if not dry_run and run is None:
        return _told(_prune_all(path, settings, config), as_json=as_json)
    with reading(settings) as ledger:
        runs = [find_run(ledger, run)] if run is not None else _candidates(config, ledger)
        if dry_run:
            return _preview(config, ledger, runs, named=run is not None, as_json=as_json)
    return _told([_prune(path, settings, runs[0])], as_json=as_json)


def _candidates(config: Config, ledger: Ledger) -> list[Run]:
    """Published runs that are still on the disk, of instruments that prune."""
    return [
        run
        for run in ledger.runs.all()
        if run.published_at is not None
        and run.pruned_at is None
        and run.instrument in config.instruments
        and config.instruments[run.instrument].prune.enabled
    ]


def _preview(config: Config, ledger: Ledger, runs: list[Run], *, named: bool, as_json: bool) -> int:
    found = []
    first: Counter[str] = Counter()  # runs of each instrument that would go first
    for run in runs:
        with activity(f"reading and hashing {escape(run.key)}"):
            one = preview(config, ledger, run, person_asked=named, before=first[run.instrument])
        first[run.instrument] += bool(one.items) and not one.in_trash
        found.append(one)
        if not as_json:
            say(*lines(one, moment))
    going = [one for one in found if one.items and not one.in_trash]
    files, size = sum(len(one.items) for one in going), sum(one.bytes for one in going)
    if as_json:
        emit({"dry_run": True, "runs": [document(one) for one in found], "files": files,
              "bytes": size})  # fmt: skip
    elif not named:
        if not runs:
            say("No published run is on the disk of an instrument that prunes.")
        else:
            total = f"{counted(files, 'file')}, {format_bytes(size)}"
            say(f"{len(going)} of {counted(len(runs), 'run')} would go: {total}.",
                "Nothing was changed.")  # fmt: skip
    return ATTENTION if named and not going else FINE


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of one run; ``items`` are the files that went."""

    run: Run
    answer: str
    error: SyncdError | None = None
    items: tuple[PlanItem, ...] = ()

    def document(self) -> dict[str, object]:
        return {
            "run": self.run.key,
            "pruned": self.error is None,
            "answer": self.answer,
            "items": [
                {"path": one.path, "size": one.stat.size, "md5": one.md5} for one in self.items
            ],
        }


def _prune(path: Path, settings: Settings, run: Run) -> _Result:
    """Have one run pruned, by the daemon or here."""
    key = escape(run.key)
    with activity(f"pruning {key}") as tell:

        def on_wait(seconds: float, now: Run) -> None:
            running = now.status is Status.RUNNING
            doing = "every file is read and hashed again" if running else "waiting for the daemon"
            tell(f"pruning {key}: {doing}, {format_duration(int(seconds))}")

        answer = " ".join(told(ask(path, settings, run, "prune", on_wait=on_wait), run))
    with reading(settings) as ledger:
        pruned = ledger.runs.by_id(run.id).done is Step.PRUNE
        return _Result(run, answer, None, tuple(ledger.files.plan(run.id)) if pruned else ())


def _prune_all(path: Path, settings: Settings, config: Config) -> list[_Result]:
    """Every run that may go by all rules, the daily limit too; looked at again one by one."""
    with reading(settings) as ledger:
        candidates = _candidates(config, ledger)
    results = []
    for run in candidates:
        with reading(settings) as ledger:
            now = ledger.runs.by_id(run.id)
            if refusals_without_files(config, ledger, now, person_asked=False):
                continue
        try:
            results.append(_prune(path, settings, now))
        except SyncdError as error:
            results.append(_Result(run, str(error), error))
    return results


def _told(results: list[_Result], *, as_json: bool) -> int:
    if as_json:
        emit({"dry_run": False, "runs": [one.document() for one in results]})
    elif not results:
        say("No run may go now; see why: datalake-syncd prune --dry-run")
    else:
        say(*(escape_once(one.answer) for one in results))
    return ATTENTION if any(one.error is not None for one in results) else FINE
