"""``prune [RUN] [--dry-run]``: free the local disk of proven runs, or show what would go."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.places import Settings, read_settings, reading
from datalake_syncd.cli.run_names import find_run, run_argument
from datalake_syncd.cli.terminal import console, counted, emit, moment, say
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.names import escape, escape_once

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Ledger, Run
    from datalake_syncd.config import Config


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
    from datalake_syncd.cli.request import load_config

    settings, config = read_settings(path), load_config(path)
    with reading(settings) as ledger:
        runs = [find_run(ledger, run)] if run is not None else _candidates(config, ledger)
        if dry_run:
            return _preview(config, ledger, runs, named=run is not None, as_json=as_json)
        if run is None:
            runs = [one for one in runs if _may_go(config, ledger, one)]
    return _prune(path, settings, runs, named=run is not None, as_json=as_json)


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


def _may_go(config: Config, ledger: Ledger, run: Run) -> bool:
    from datalake_syncd.cli.prune_preview import refusals_without_files

    return not refusals_without_files(config, ledger, run, person_asked=False)


def _preview(
    config: Config, ledger: Ledger, runs: list[Run], *, named: bool, as_json: bool
) -> int:
    from datalake_syncd.cli.prune_preview import document, lines, preview

    found = []
    for run in runs:
        with _sign_of_life(f"reading and hashing {escape(run.key)}"):
            one = preview(config, ledger, run, person_asked=named)
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
            say(f"{len(going)} of {counted(len(runs), 'run')} would go: "
                f"{counted(files, 'file')}, {format_bytes(size)}. Nothing was changed.")  # fmt: skip
    return ATTENTION if named and not going else FINE


def _prune(
    path: Path, settings: Settings, runs: list[Run], *, named: bool, as_json: bool
) -> int:
    from datalake_syncd.cli.request import ask, told

    results = []
    for run in runs:
        life = _Life(run)
        error: SyncdError | None = None
        text = ""
        try:
            with _sign_of_life(f"pruning {escape(run.key)}") as update:
                life.update = update
                text = " ".join(told(ask(path, settings, run, "prune", on_wait=life.tell), run))
        except SyncdError as refused:
            error = refused
            if named:
                raise
        results.append((run, error, text))
        if not as_json:
            say(escape_once(text if error is None else f"{error} ({error.next_step})"))
    if as_json:
        with reading(settings) as ledger:
            emit({"dry_run": False, "runs": [
                {"run": run.key, "pruned": error is None,
                 "answer": text if error is None else str(error),
                 "items": [] if error is not None else _gone(ledger, run)}
                for run, error, text in results]})  # fmt: skip
    elif not runs:
        say("No run may go now; see why: datalake-syncd prune --dry-run")
    return ATTENTION if any(error is not None for _, error, _ in results) else FINE


def _gone(ledger: Ledger, run: Run) -> list[dict[str, object]]:
    """The files of the plan that was carried out, as ``--dry-run --json`` lists them."""
    if ledger.runs.by_id(run.id).done is not Step.PRUNE:
        return []
    return [
        {"path": item.path, "size": item.stat.size, "md5": item.md5}
        for item in ledger.files.plan(run.id)
    ]


class _Life:
    """Tells on stderr what the daemon is at."""

    def __init__(self, run: Run) -> None:
        self._key = escape(run.key)
        self.update = _nothing

    def tell(self, seconds: float, run: Run) -> None:
        doing = "every file is read and hashed again"
        if run.status is not Status.RUNNING:
            doing = "waiting for the daemon"
        self.update(f"pruning {self._key}: {doing}, for {format_duration(int(seconds))}")


def _nothing(_text: str) -> None:
    pass


@contextmanager
def _sign_of_life(text: str) -> Iterator[type[object] | object]:
    yield _nothing
