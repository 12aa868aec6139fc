"""One look at the files of a run, by directory descriptors and without following any link."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from datalake_syncd.adapters.tree.crossing import place
from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.model import EmptyDirectory, FileEntry, FileStat, Oddity
from datalake_syncd.core.names import Excluder, escape, lake_name_problem

Entry = FileEntry | Oddity | EmptyDirectory

# Deeper than any lake name may be: deeper folders are reported instead of walked.
_MAX_DEPTH = 254
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Look:
    """The sum of one look: counts, bytes, and a digest that is equal only for an equal tree.

    The digest covers path, size, mtime_ns, ctime_ns and inode of every file, and every
    directory without entries and every oddity; what the configuration excludes is only counted.
    ``newest`` is the path of the file that changed last, by the source's own clock.
    """

    files: int = 0
    bytes: int = 0
    oddities: list[Oddity] = field(default_factory=list)
    excluded: dict[str, int] = field(default_factory=dict)
    empty_directories: int = 0
    newest: str = ""
    _newest_ns: int = -1
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, entry: Entry) -> None:
        """Take one entry into the sum; entries come in the walk's own order."""
        if isinstance(entry, FileEntry):
            self.files += 1
            self.bytes += entry.stat.size
            told = entry.stat
            if told.ctime_ns > self._newest_ns:
                self.newest, self._newest_ns = entry.path, told.ctime_ns
            line = f"f{entry.path}\0{told.size}\0{told.mtime_ns}\0{told.ctime_ns}\0{told.inode}\n"
        elif isinstance(entry, EmptyDirectory):
            self.empty_directories += 1
            line = f"d{entry.path}\n"
        elif entry.kind == "excluded":
            # Counted by pattern only: a run may hold 137,000 thumbnails that nobody wants.
            self.excluded[entry.detail] = self.excluded.get(entry.detail, 0) + 1
            return
        else:
            self.oddities.append(entry)
            line = f"o{entry.kind}\0{entry.path}\n"
        self._hash.update(line.encode())

    @property
    def digest(self) -> str:
        """SHA-256 over everything seen so far, in hex."""
        return self._hash.hexdigest()


def file_stat(told: os.stat_result) -> FileStat:
    """The part of ``stat`` that tells whether a file is still the same."""
    # Some network file systems use all 64 bits for inodes; the ledger holds 63.
    inode = told.st_ino & (2**63 - 1)
    return FileStat(told.st_size, told.st_mtime_ns, told.st_ctime_ns, inode, told.st_dev)


def look(
    root: Path,
    *,
    lake_prefix: str,
    excluder: Excluder,
    block_special: bool,
    on_entry: Callable[[], None] = lambda: None,
) -> Iterator[Entry]:
    """Yield every entry below the run folder ``root``, each directory's names in byte order.

    ``lake_prefix`` is the run's folder in the lake, for the rules about blob names. Raises
    ``NeedsPerson`` when ``root`` is a link, ``SourceChanged`` when something vanishes on the
    way, ``SourceOffline`` when the source fails; never skips silently.
    """
    try:
        top = os.open(root, _OPEN_DIRECTORY)
    except OSError as error:
        if root.is_symlink():
            raise NeedsPerson(
                f"the run folder {escape(root.name)} is a symbolic link",
                why="links are never followed: they can lead anywhere",
                next_step="put the real folder there",
            ) from error
        raise classify(error, root.name) from error
    walker = _Walker(lake_prefix, excluder, block_special, on_entry)
    try:
        yield from walker.below(top, "", 1)
    finally:
        os.close(top)


@dataclass(slots=True)
class _Walker:
    lake_prefix: str
    excluder: Excluder
    block_special: bool
    on_entry: Callable[[], None]
    device: int | None = None
    place: tuple[int, bytes] | None = None

    def below(self, folder: int, path: str, depth: int) -> Iterator[Entry]:
        """Entries below an open directory; ``path`` ends with ``/`` or is empty."""
        if self.device is None:
            self.device = os.fstat(folder).st_dev
            self.place = place(folder)
        try:
            with os.scandir(folder) as listing:
                names = sorted((entry.name for entry in listing), key=os.fsencode)
        except OSError as error:
            raise classify(error, path or "the run folder") from error
        if not names and path:
            yield EmptyDirectory(path.rstrip("/"))
        for name in names:
            self.on_entry()
            inner = path + name
            try:
                told = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except OSError as error:
                raise classify(error, inner) from error
            if stat.S_ISDIR(told.st_mode):
                yield from self._directory(folder, name, inner, told, depth)
            else:
                yield self._leaf(folder, name, inner, told)

    def _leaf(self, folder: int, name: str, path: str, told: os.stat_result) -> Entry:
        """What is no directory."""
        hit = self.excluder.matches(path)
        if hit is not None:
            return Oddity(escape(path), "excluded", f"by the pattern {hit}", blocks=False)
        if not stat.S_ISREG(told.st_mode):
            special = _special_kind(told.st_mode)
            detail = _link_target(name, folder) if special == "symlink" else "not a regular file"
            return Oddity(escape(path), special, detail, blocks=self.block_special)
        problem = lake_name_problem(path, f"{self.lake_prefix}/{path}")
        if problem is not None:
            return Oddity(escape(path), problem[0], problem[1], blocks=True)
        return FileEntry(path, file_stat(told))

    def _directory(
        self, folder: int, name: str, path: str, told: os.stat_result, depth: int
    ) -> Iterator[Entry]:
        if told.st_dev != self.device:
            yield Oddity(
                escape(path), "other-file-system", "a mount point inside the run", blocks=True
            )
            return
        if depth >= _MAX_DEPTH:
            yield Oddity(escape(path), "too-long", f"over {_MAX_DEPTH} folders deep", blocks=True)
            return
        try:
            inner = os.open(name, _OPEN_DIRECTORY, dir_fd=folder)
        except PermissionError as error:
            yield Oddity(escape(path), "unreadable", error.strerror or "denied", blocks=True)
            return
        except OSError as error:
            raise classify(error, path) from error
        try:
            if place(inner) != self.place:
                # Bound from elsewhere on the same file system: the device is the same.
                yield Oddity(
                    escape(path), "other-file-system", "a mount point inside the run", blocks=True
                )
                return
            yield from self.below(inner, path + "/", depth + 1)
        finally:
            os.close(inner)


def _special_kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "symlink"
    if stat.S_ISFIFO(mode):
        return "fifo"
    if stat.S_ISSOCK(mode):
        return "socket"
    return "device"


def _link_target(name: str, folder: int) -> str:
    try:
        return f"points to {escape(os.readlink(name, dir_fd=folder))}"
    except OSError:
        return "a link that can't be read"
