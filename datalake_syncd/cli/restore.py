"""``restore RUN DIR``: fetch a run from the lake and check every MD5 on the way."""

from __future__ import annotations

import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.cli.exits import ATTENTION, FINE
from datalake_syncd.cli.manifest_in_lake import locate
from datalake_syncd.cli.places import read_settings, reading_if_there
from datalake_syncd.cli.request import load_config
from datalake_syncd.cli.restore_files import (
    PART,
    Fetch,
    Restored,
    fetch_all,
    prepare,
    refuse_bad_paths,
    refuse_small_disk,
    write_file,
)
from datalake_syncd.cli.run_names import run_argument
from datalake_syncd.cli.terminal import ByteProgress, activity, say
from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.errors import NeedsPerson, SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.core.wording import counted

if TYPE_CHECKING:
    from datalake_syncd.steps.published import Published

_NAMED = 20


@click.command("restore")
@run_argument()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.pass_obj
def command(path: Path, run: str, folder: Path) -> int:
    """Fetch a run from the lake into DIR and check every MD5.

    DIR must be empty or new. NAME.md5 in the lake says which files belong to the run, so this
    also works without a ledger; RUN must be INSTRUMENT/NAME then. Ends with 1 when a file is
    missing or has other bytes in the lake: everything else is fetched all the same.
    """
    from datalake_syncd.steps.published import read_published
    from datalake_syncd.steps.service import bring_into_force

    settings, config = read_settings(path), load_config(path)
    with reading_if_there(settings) as ledger:
        place = locate(config, ledger, run)
    lake = bring_into_force(config).lake
    with activity(f"listing {escape(place.name)} in the lake"):
        published = read_published(lake, place)
        _refuse_wrong_list(published)
        refuse_bad_paths(published)
        blobs = {blob.name: blob for page in lake.list(f"{place.prefix}/") for blob in page}
    prepare(folder)
    wanted = [blobs.get(f"{place.prefix}/{path}") for _, path in published.lines]
    size = sum(blob.size for blob in wanted if blob is not None)
    refuse_small_disk(folder, size)
    with ByteProgress("restoring") as bar:
        bar.total(size)
        try:
            done = fetch_all(lake, published, blobs, folder, Fetch(bar.advance, threading.Event()))
        except (SyncdError, OSError, KeyboardInterrupt) as error:
            raise _cut_off(error, folder) from error
    return _finish(published, folder, done)


def _refuse_wrong_list(published: Published) -> None:
    """The list must be the one that the marker vouches for; without a marker it is said."""
    if published.marker is None:
        click.echo(
            f"note: there is no marker {escape(published.prefix)}.sync: this run was never "
            "published to its end", err=True,
        )  # fmt: skip
    elif published.trouble:
        raise NeedsPerson(
            published.trouble[0],
            why="it may have been changed, so it proves nothing",
            next_step="look at both, and at their snapshots, in the lake; or see what is there: "
            "datalake-syncd verify RUN",
        )


def _cut_off(error: BaseException, folder: Path) -> BaseException:
    told = (
        f"only a part of the run is in {escape(str(folder))}: files with their own name are "
        f"whole and checked, those that end in {PART} are not"
    )
    if isinstance(error, KeyboardInterrupt):
        click.echo(f"interrupted; {told}", err=True)
        return KeyboardInterrupt()
    what = error.what if isinstance(error, SyncdError) else f"writing failed: {error}"
    step = error.next_step if isinstance(error, SyncdError) else "free space, or another folder"
    return SyncdError(what, why=told, next_step=f"{step}; then restore into another, empty folder")


def _finish(published: Published, folder: Path, done: Restored) -> int:
    taken = {path for _, path in published.lines}
    name = f"{published.name}.md5"
    while name in taken:  # a run may hold a file of that name itself
        name = f"manifest-of-{name}"
    write_file(folder / name, published.data)
    shown = escape(str(folder))
    if done.failed:
        say(f"NOT the whole run is in {shown}: {len(done.failed):,} of "
            f"{counted(len(published.lines), 'file')} could not be restored.")  # fmt: skip
        say(*(f"  {escape(path)} {why}" for path, why in done.failed[:_NAMED]))
        if len(done.failed) > _NAMED:
            say(f"  and {len(done.failed) - _NAMED:,} more; md5sum -c names them all")
        say("Earlier versions may be kept as snapshots or soft-deleted blobs in the lake.")
    say(f"{counted(done.files, 'file')}, {format_bytes(done.bytes)}, restored to {shown}; "
        f"every one of them has the MD5 that {escape(name)} says.")  # fmt: skip
    if published.not_carried:
        say(f"{counted(published.not_carried, 'thing')} of the original folder had not been "
            f"carried (links and the like); {escape(name)} names them.")  # fmt: skip
    say("To check it again:",
        f"  cd {shlex.quote(shown)} && md5sum -c {shlex.quote(escape(name))}")  # fmt: skip
    return ATTENTION if done.failed else FINE
