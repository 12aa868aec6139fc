"""The sheet folder: which files are in it, which one is a run's, and what is in that."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.core.errors import (
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    SyncdError,
    Transient,
)
from datalake_syncd.core.model import FileStat
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import MAX_SHEET_BYTES, SHEET, sheet_name, years

_CHUNK = 1 << 20
#: Of an error about a file of a run; a sheet is looked for again without it.
_RETRY = ", then: datalake-syncd retry RUN"
_READABLE = "give the service's user read access to it"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet on disk as it was when it was looked at."""

    path: Path
    stat: FileStat

    def record(self, md5: str, etag: str) -> dict[str, Any]:
        """What the ledger keeps of an attached sheet."""
        return {
            "path": str(self.path),
            "size": self.stat.size,
            "mtime_ns": self.stat.mtime_ns,
            "inode": self.stat.inode,
            "md5": md5,
            "etag": etag,
        }


#: File name -> the places below the sheet folder where it lies, the folder itself first.
SheetNames = dict[str, list[str]]


def list_sheets(
    folder: Path,
    tick: Callable[[], None] = lambda: None,
    left_out: dict[str, NeedsPerson] | None = None,
) -> SheetNames:
    """List the sheet folder and the year folders in it, once for all runs.

    A folder that is not there, or can't be read, is a share that is away and no fault of the run,
    which goes on by itself. A year that only a person can mend is left out, so that every sheet
    elsewhere is found; ``left_out`` gets its name and what is to be told of it.
    """
    try:
        names = tree.top_names(folder, configured=True)
    except SourceOffline as error:
        raise _away(folder, error, error.next_step) from error
    except NeedsPerson as error:
        raise _away(folder, error, f"{_READABLE}; the run goes on by itself") from error
    except SourceChanged as error:
        step = "check the mount, or mend sample_sheets; the run goes on by itself"
        raise _away(folder, error, step) from error
    listed: SheetNames = {name: [name] for name in names}
    for year in years(names):
        tick()
        try:
            inner = _names_in_year(folder / year)
        except NeedsPerson as error:
            if left_out is not None:
                left_out[year] = error
            continue
        for name in inner:
            listed.setdefault(name, []).append(f"{year}/{name}")
    return listed


def _names_in_year(folder: Path) -> list[str]:
    """What lies in a year of the sheet folder; nothing in what is no folder."""
    where = f"the sample sheets in {escape(str(folder))} are left out"
    try:
        return tree.top_names(folder)
    except SourceOffline as error:  # of the share: the whole listing waits for it
        raise _away(folder, error, error.next_step) from error
    except NeedsPerson as error:
        step = f"{_READABLE}; its sheets are looked for then by themselves"
        raise NeedsPerson(f"{where}: {error.what}", next_step=step) from error
    except SourceChanged as error:
        if not os.path.islink(folder):
            return []  # a file with the name of a year, or just taken away
        # Never followed. Whoever may write into the sheet folder, an instrument's computer mostly,
        # could point it anywhere on this machine, and what is called NAME.csv there would go into
        # the lake. Where it points may change after any check, and a sheet itself may be no link
        # either. Only the sheet folder may be one, for the configuration names it.
        raise NeedsPerson(
            f"{where}: it is a symbolic link, and links in a sheet folder are not followed",
            next_step=(
                "put the folder itself there, or mount it there (mount --bind), or let "
                "sample_sheets name the folder with all sheets in it"
            ),
        ) from error


def _away(folder: Path, error: SyncdError, next_step: str) -> SourceOffline:
    what = f"the sample sheets in {escape(str(folder))} can't be listed: {error.what}"
    return SourceOffline(what, next_step=next_step)


def places(listed: SheetNames) -> Iterator[str]:
    """Every path that was listed, below the sheet folder."""
    for paths in listed.values():
        yield from paths


def find_sheet(folder: Path, run: str, listed: SheetNames) -> Sheet | None:
    """The sheet of a run in the sheet folder or a year below it, None when there is none."""
    for relative in listed.get(sheet_name(run), ()):
        try:
            with tree.open_regular(folder / relative) as (_, told):
                sheet = Sheet(folder / relative, tree.file_stat(told))
        except SourceChanged:
            continue
        except NeedsPerson as error:
            raise NeedsPerson(
                f"the sample sheet {escape(str(folder / relative))}: {error.what}",
                why=error.why,
                next_step=f"{error.next_step.removesuffix(_RETRY)}; the run goes on by itself",
                gate=SHEET,
            ) from error
        if sheet.stat.size > MAX_SHEET_BYTES:
            raise NeedsPerson(
                f"the sample sheet {escape(str(sheet.path))} has {sheet.stat.size} bytes",
                why=f"more than {MAX_SHEET_BYTES} bytes is no sample sheet",
                next_step="put the right file there; the run goes on by itself",
                gate=SHEET,
            )
        return sheet
    return None


def differing(
    taken: Sheet, folder: Path, listed: SheetNames, tick: Callable[[], None]
) -> list[Sheet]:
    """The other sheets of the same name, in other years, that do not hold the same bytes.

    A copy that kept size and time is not read: this is to find what people put there twice.
    """
    mine, found = None, []
    for relative in listed[taken.path.name]:
        tick()
        with contextlib.suppress(SourceChanged, NeedsPerson):  # it is none that could be taken
            with tree.open_regular(folder / relative) as (_, told):
                other = Sheet(folder / relative, tree.file_stat(told))
            size, mtime = other.stat.size, other.stat.mtime_ns
            if (size, mtime) == (taken.stat.size, taken.stat.mtime_ns):
                continue
            if size == taken.stat.size:
                mine = mine or hash_sheet(taken, tick)
                if hash_sheet(other, tick) == mine:
                    continue
            found.append(other)
    return found


def is_attached(sheet: Sheet | None, record: dict[str, Any] | None) -> bool:
    """Whether the lake already has this very sheet, by what the ledger knows of its file."""
    if sheet is None:
        return True
    if record is None:
        return False
    return (record.get("size"), record.get("mtime_ns"), record.get("inode")) == (
        sheet.stat.size,
        sheet.stat.mtime_ns,
        sheet.stat.inode,
    )


def hash_sheet(sheet: Sheet, tick: Callable[[], None]) -> str:
    """The MD5 of a sheet that did not change meanwhile."""
    try:
        return tree.hash_file(
            sheet.path.parent, sheet.path.name, sheet.stat, on_bytes=lambda _n: tick()
        )[0]
    except SourceChanged as error:  # the sheet's matter: the run itself stands still
        raise _being_written(sheet) from error


def read_whole(sheet: Sheet, md5: str, tick: Callable[[], None]) -> bytes:
    """The very bytes that ``md5`` was computed of, read once more; held in memory."""
    content = bytearray()
    try:
        with tree.open_regular(sheet.path) as (descriptor, told):
            if tree.file_stat(told) != sheet.stat:
                raise _being_written(sheet)
            try:
                while len(content) <= sheet.stat.size and (piece := os.read(descriptor, _CHUNK)):
                    content += piece
                    tick()
            except OSError as error:
                raise classify(error, sheet.path.name) from error
    except SourceChanged as error:
        raise _being_written(sheet) from error
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        raise _being_written(sheet)
    return bytes(content)


def _being_written(sheet: Sheet) -> Transient:
    return Transient(f"{escape(str(sheet.path))} is being written just now")
