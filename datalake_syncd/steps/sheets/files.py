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
from datalake_syncd.core.errors import NeedsPerson, SourceChanged, SourceOffline, Transient
from datalake_syncd.core.model import FileStat
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import MAX_SHEET_BYTES, SHEET, sheet_name, years

_CHUNK = 1 << 20


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


def list_sheets(folder: Path, tick: Callable[[], None] = lambda: None) -> SheetNames:
    """List the sheet folder and the year folders in it, once for all runs.

    A folder that is not there is a share that is away, no change of the run.
    """
    try:
        names = tree.top_names(folder, configured=True)
    except SourceChanged as error:
        raise SourceOffline(
            f"the sample sheets in {escape(str(folder))} can't be listed: {error.what}",
            next_step="check the mount, or mend sample_sheets; the run goes on by itself",
        ) from error
    listed: SheetNames = {name: [name] for name in names}
    for year in years(names):
        tick()
        with contextlib.suppress(SourceChanged):  # a file with the name of a year
            for name in tree.top_names(folder / year):
                listed.setdefault(name, []).append(f"{year}/{name}")
    return listed


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
                next_step="put the file itself there; the run goes on by itself",
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
