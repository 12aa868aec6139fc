"""``scrub [RUN…]``: read published runs back from the lake, and tell what is not as it was."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.adapters.ledger import LEDGER, Ledger
from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.manifest_in_lake import locate
from datalake_syncd.cli.places import Settings, read_settings
from datalake_syncd.cli.request import load_config
from datalake_syncd.cli.run_names import runs_argument
from datalake_syncd.cli.terminal import ByteProgress, emit, say
from datalake_syncd.core.durations import format_bytes, parse_duration
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.sizes import parse_share, parse_size
from datalake_syncd.core.wording import counted

if TYPE_CHECKING:
    from datalake_syncd.config import Config
    from datalake_syncd.steps.published import Place
    from datalake_syncd.steps.scrub.found import Found, How

_NAMED = 20


def _parsed(
    parse: Callable[[str], float],
) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    def read(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> float | None:
        try:
            return None if given is None else parse(given)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return read


@click.command("scrub")
@runs_argument()
@click.option(
    "--sample", metavar="SHARE", callback=_parsed(parse_share),
    help="Read only this share of each run's files (1%), the ones that were not read for the "
    "longest time. The others are only looked for in the listing.",
)  # fmt: skip
@click.option(
    "--older-than", metavar="DURATION", callback=_parsed(parse_duration),
    help="Only what nobody proved for so long (30d): since it was published, and since a scrub "
    "read it.",
)  # fmt: skip
@click.option(
    "--budget", metavar="SIZE", callback=_parsed(parse_size),
    help="Read no more than so much (50GB), and tell what is left.",
)  # fmt: skip
@click.option("--anew", is_flag=True, help="Begin anew, where an earlier one was interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.pass_obj
def command_line(
    path: Path,
    runs: tuple[str, ...],
    *,
    sample: float | None,
    older_than: float | None,
    budget: int | None,
    anew: bool,
    as_json: bool,
) -> int:
    """Read published runs back from the lake, also those that were pruned.

    Without RUN all of them. Tells what is missing, of another size or with other bytes than its
    MD5 says, and a manifest or marker that is gone or was altered. Writes nothing to the lake;
    the ledger remembers what was read, so that an interrupted scrub goes on where it stopped
    when the same command is given again. Ends with 1 when anything is not as it was published,
    or could not be read.
    """
    from datalake_syncd.steps.context import lake_id
    from datalake_syncd.steps.scrub import passes
    from datalake_syncd.steps.scrub.found import How, Purse
    from datalake_syncd.steps.service import bring_into_force

    settings, config = read_settings(path), load_config(path)
    share = 1.0 if sample is None else sample
    with _ledger(settings, runs) as ledger, ByteProgress("scrubbing") as bar:
        name = _pass_name(runs, share, older_than)
        if anew:
            passes.forget(ledger, name)
        this = passes.begin(ledger, name, time.time())
        before = float("inf") if older_than is None else this.began - older_than
        places = _places(config, ledger, runs, before)
        if not places:
            click.echo(_nothing(config, ledger), err=True)
        expected = 0

        def more(count: int) -> None:
            nonlocal expected
            expected += count
            bar.total(expected)

        how = How(
            lake=bring_into_force(config).lake,
            lake_id=lake_id(config),
            ledger=ledger,
            now=time.time,
            this_pass=name,
            began=this.began,
            purse=Purse(budget),
            sample=share,
            before=before,
            on_total=more,
            on_bytes=bar.advance,
        )
        results, left = _scrub(how, name, places, told=bool(runs) and not as_json)
        if not left:
            passes.end(ledger, name, time.time(), of_all=not runs)
    if as_json:
        emit(_document(results, left, len(places)))
    else:
        say(*_summary(results, left))
    troubled = any(found.wrong or found.unreadable for _, found in results)
    return ATTENTION if troubled else FINE


def _scrub(
    how: How, name: str, places: list[Place], *, told: bool
) -> tuple[list[tuple[Place, Found]], list[Place]]:
    """Scrub them and tell of each; gives what was found, and what is left to do."""
    from datalake_syncd.steps.scrub import passes

    results: list[tuple[Place, Found]] = []

    def on_run(place: Place, found: Found, _news: str) -> None:
        results.append((place, found))
        if told or found.wrong or found.unreadable or found.left_out:
            for line in _lines(place, found):
                click.echo(line, err=not told)

    waiting = passes.in_turn(how, places)
    if len(waiting) < len(places):
        done = len(places) - len(waiting)
        click.echo(f"going on: {counted(done, 'run')} had their turn already", err=True)
    try:
        left = list(passes.scrub_all(how, name, waiting, on_run))
    except KeyboardInterrupt:
        click.echo("interrupted; the same command goes on where this one stopped", err=True)
        raise
    return results, left


@contextmanager
def _ledger(settings: Settings, runs: tuple[str, ...]) -> Iterator[Ledger]:
    """The ledger for writing, beside a daemon or not; without one a throw-away one."""
    file = settings.state_dir / LEDGER
    if not file.exists() and not runs:
        raise UsageError(
            f"there is no ledger at {escape(str(file))}",
            why="so it is not known which runs were published",
            next_step="name them, as INSTRUMENT/NAME",
        )
    if file.exists() and not os.access(file, os.W_OK):
        raise UsageError(
            f"{escape(str(file))} can't be written",
            why=f"a scrub remembers what it read, and this process runs as uid {os.geteuid()}",
            next_step="run the command with sudo, or as the service's user",
        )
    there = settings.state_dir if file.exists() else None
    ledger = Ledger(there, writable=True, check=there is None)
    try:
        yield ledger
    finally:
        ledger.close()


def _pass_name(runs: tuple[str, ...], sample: float, older_than: float | None) -> str:
    """One and the same for the same question, so that it goes on where it stopped."""
    asked = json.dumps([sorted(runs), sample, older_than]).encode()
    return f"command-{hashlib.sha256(asked).hexdigest()[:12]}"


def _places(config: Config, ledger: Ledger, runs: tuple[str, ...], before: float) -> list[Place]:
    from datalake_syncd.steps.context import lake_id
    from datalake_syncd.steps.overview.report import delivered
    from datalake_syncd.steps.published import Place
    from datalake_syncd.steps.scrub.passes import published_runs

    if not runs:
        chosen = published_runs(ledger, lake_id(config), before)
        return [Place(run.name, run.prefix, run) for run in chosen]
    places = [locate(config, ledger, text) for text in dict.fromkeys(runs)]
    for place in places:
        run = place.run
        if run is not None and (not delivered(run) or run.published_at is None):
            raise UsageError(
                f"{escape(run.key)} is not at rest in the lake",
                why="it is on its way there, for the first time or with a new generation",
                next_step="wait until it is published: datalake-syncd why RUN",
            )
    return [p for p in places if p.run is None or (p.run.published_at or 0) < before]


def _nothing(config: Config, ledger: Ledger) -> str:
    """Why there is nothing to scrub: "all is well" would be a lie."""
    from datalake_syncd.steps.context import lake_id

    there = [run for run in ledger.runs.all() if run.published_at is not None]
    elsewhere = sum(run.lake != lake_id(config) for run in there)
    told = f"nothing to scrub: none of {counted(len(there), 'published run')} is that old and at "
    told += f"rest in {lake_id(config)}"
    return told + (f"; {elsewhere:,} are in another lake" if elsewhere else "")


def _lines(place: Place, found: Found) -> Iterator[str]:
    from datalake_syncd.steps.scrub.found import WRONG
    from datalake_syncd.steps.scrub.telling import next_step

    name = escape(found.run)
    read = f"{counted(found.files_read, 'file')} read back ({format_bytes(found.bytes_read)})"
    if found.left_out is not None:
        yield f"{name}: {found.left_out}"
    elif not found.wrong:
        yield f"{name}: {read}; all {counted(found.files, 'file')} are there, as published."
    else:
        yield f"{name}: NOT in the lake as it was published; {read}."
        yield from (f"  {escape_once(one)}" for one in found.trouble)
        for word, told in WRONG.items():
            if found.counts[word]:
                yield f"  {told}: {found.counts[word]:,}"
                yield from (f"    {escape(one)}" for one in found.named[word][:_NAMED])
                if found.counts[word] > _NAMED:
                    yield f"    and {found.counts[word] - _NAMED:,} more"
        yield f"  do: {next_step(place.run)}"
    for path, why in found.unreadable[:_NAMED]:
        yield f"  could not be read: {escape(path)}: {escape_once(why)}"


def _summary(results: list[tuple[Place, Found]], left: list[Place]) -> Iterator[str]:
    found = [one for _, one in results]
    if not found and not left:
        yield "Nothing was scrubbed."
        return
    wrong = sum(one.wrong for one in found)
    files, size = sum(one.files_read for one in found), sum(one.bytes_read for one in found)
    read = f"{counted(len(found), 'run')}, {counted(files, 'file')} read back, {format_bytes(size)}"
    yield f"{read}: " + (
        f"{counted(wrong, 'run')} NOT as published." if wrong else "all as published."
    )
    if left:
        yield f"{counted(len(left), 'run')} left for the next time: the same command goes on."


def _document(
    results: list[tuple[Place, Found]], left: list[Place], chosen: int
) -> dict[str, object]:
    return {
        "fine": not any(found.wrong or found.unreadable for _, found in results),
        "finished": not left,
        "runs_chosen": chosen,
        "files_read": sum(found.files_read for _, found in results),
        "bytes_read": sum(found.bytes_read for _, found in results),
        "left": [place.run.key if place.run is not None else place.prefix for place in left],
        "runs": [found.document() for _, found in results],
    }
