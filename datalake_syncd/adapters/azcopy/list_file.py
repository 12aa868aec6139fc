"""The list of files that one call of azcopy reads, in its private folder."""

from __future__ import annotations

import os
from pathlib import Path

from datalake_syncd.adapters.azcopy.job import CopyJob
from datalake_syncd.core.errors import NeedsPerson, Transient
from datalake_syncd.core.names import escape, is_utf8

_NO_PATH = frozenset(("", ".", ".."))


def write_list(path: Path, job: CopyJob) -> None:
    """One path per line, written as it comes."""
    count = 0
    try:
        # Names of files are nobody's business: readable by us alone, like all in the folder.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            for entry in job.entries:
                _check_entry(entry)
                file.write(f"{entry}\n")
                count += 1
    except OSError as error:
        raise no_room(path.parent, error) from error
    if count != job.count:
        raise ValueError(f"{count} entries were given, {job.count} were announced")


def no_room(folder: Path, error: OSError) -> Transient:
    """The error for a private folder that can't be made or written to."""
    return Transient(
        f"can't write into {escape(str(folder))}: {error.strerror}",
        why="azcopy needs a place for its list of files, its log and its plan.",
        next_step="check free space and rights of the state directory",
    )


def _check_entry(entry: str) -> None:
    problem = ""
    if "\n" in entry or "\r" in entry:
        problem = "holds a line break"
    elif not entry.strip() or len(entry) > 8192:
        problem = "is empty or too long"
    elif entry.startswith(("/", "\ufeff")) or not _NO_PATH.isdisjoint(entry.split("/")):
        problem = "is no plain path below the source folder"
    elif not is_utf8(entry):
        problem = "is not UTF-8"
    if problem:
        raise NeedsPerson(
            f"the path {escape(entry[:200])} {problem}",
            why="azcopy's list of files can't name it.",
            next_step="rename the file on the source",
        )
