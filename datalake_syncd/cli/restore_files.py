"""Fetching the files of a run: each into a temporary name, hashed on the way, then renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.errors import NeedsPerson, Transient, UsageError
from datalake_syncd.core.names import escape

if TYPE_CHECKING:
    from datalake_syncd.adapters.lake import Lake
    from datalake_syncd.core.model import Blob
    from datalake_syncd.steps.published import Published

#: What was not finished, or came with other bytes, keeps this ending.
PART = ".datalake-syncd-part"
_READERS = 4
_TRIES = 3
_PAUSE = 5.0


@dataclass(slots=True)
class Restored:
    """What came and what did not; ``failed`` are (path, reason), paths raw."""

    files: int = 0
    bytes: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fetch:
    """How files are fetched: told of bytes, asked to stop, ``pause`` seconds between tries."""

    on_bytes: Callable[[int], None]
    stop: threading.Event
    pause: float = _PAUSE


def prepare(folder: Path) -> None:
    """Make the folder, or make sure that it is an empty one; never a link to somewhere."""
    shown = escape(str(folder))
    if folder.is_symlink():
        raise UsageError(
            f"{shown} is a symbolic link",
            why="it could lead to a place where something is overwritten",
            next_step="give the folder itself, or a new one",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with os.scandir(folder) as entries:
            taken = next(iter(entries), None)
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{shown} is not a folder", next_step="give a new one") from error
    except OSError as error:
        raise UsageError(f"{shown} can't be used: {error.strerror}") from error
    if taken is not None:
        raise UsageError(
            f"{shown} is not empty (there is {escape(taken.name)})",
            why="a restore never mixes with, or overwrites, what is there",
            next_step="give an empty or a new folder",
        )


def refuse_bad_paths(published: Published) -> None:
    """A path that leads out of the folder, or two for one file: somebody wrote this list."""
    seen: set[str] = set()
    folders: set[str] = set()
    for path in (*(path for _, path in published.lines), *published.empty):
        parts = path.split("/")
        bad = path.startswith("/") or "\0" in path or any(p in ("", ".", "..") for p in parts)
        if bad:
            raise _refused(published, f"holds the path {escape(path)!r}", "it leads elsewhere")
        if path in seen:
            raise _refused(published, f"holds {escape(path)!r} twice", "only one can be right")
        seen.add(path)
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    for both in seen & folders:
        raise _refused(published, f"has {escape(both)!r} as a file and as a folder", "")


def _refused(published: Published, what: str, why: str) -> NeedsPerson:
    return NeedsPerson(
        f"{escape(published.prefix)}.md5 {what}",
        why=f"{why}; nothing was written".removeprefix("; "),
        next_step="look at this list, and at its snapshots, in the lake",
    )


def refuse_small_disk(folder: Path, size: int) -> None:
    """Better now than after three hours."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UsageError(
            f"the run has {format_bytes(size)}, and {format_bytes(free)} are free at "
            f"{escape(str(folder))}",
            next_step="give a folder on a larger disk",
        )


def fetch_all(
    lake: Lake, published: Published, blobs: dict[str, Blob], folder: Path, how: Fetch
) -> Restored:
    """Fetch every file of the list and make its empty folders; goes on after a bad file.

    A lake that does not answer, after some tries, ends it: that error is raised.
    """
    done = Restored()
    for path in published.empty:
        (folder / path).mkdir(parents=True, exist_ok=True)

    def there() -> Iterator[tuple[str, Blob]]:
        for md5, path in published.lines:
            blob = blobs.get(f"{published.prefix}/{path}")
            if blob is None:
                done.failed.append((path, "is not in the lake"))
            else:
                yield md5, blob

    def one(md5: str, blob: Blob) -> tuple[str, int, str | None]:
        path = blob.name.removeprefix(f"{published.prefix}/")
        return path, blob.size, _fetch(lake, blob, md5, folder / path, how)

    with ThreadPoolExecutor(_READERS, thread_name_prefix="restore") as readers:
        try:
            waiting: set[Future[tuple[str, int, str | None]]] = set()
            rest = there()
            while True:
                for pair in rest:
                    waiting.add(readers.submit(one, *pair))
                    if len(waiting) >= 4 * _READERS:
                        break
                if not waiting:
                    break
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    path, size, trouble = future.result()
                    if trouble is None:
                        done.files += 1
                        done.bytes += size
                    else:
                        done.failed.append((path, trouble))
        finally:
            how.stop.set()  # whatever ends this ends the readers too
            readers.shutdown(cancel_futures=True)
    _sync_folders(folder)
    return done


def _fetch(lake: Lake, blob: Blob, md5: str, target: Path, how: Fetch) -> str | None:
    """One file; gives what is wrong with it, None when it is in its place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part_of(target)
    trouble = ""
    for attempt in range(_TRIES):
        if attempt and how.stop.wait(how.pause):
            break
        came = 0

        def on_bytes(count: int) -> None:
            nonlocal came
            came += count
            how.on_bytes(count)

        try:
            with _opened(part) as file:
                seen = lake.download_to(blob.name, file, on_bytes, how.stop.is_set)
                file.flush()
                os.fsync(file.fileno())
        except Transient:
            how.on_bytes(-came)
            if attempt == _TRIES - 1 or how.stop.is_set():
                raise
            continue
        if seen is None:
            trouble = "is no longer in the lake"
        elif seen.md5 == md5:
            return _put_in_place(part, target)
        else:
            trouble = f"has other bytes in the lake (MD5 {seen.md5}) than the list says ({md5})"
        how.on_bytes(-came)
    return f"{trouble}; what came is in {escape(part.name)}"


def _part_of(target: Path) -> Path:
    """A name beside the target that no run has, and that is never too long."""
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    return target.with_name(f".{name}{PART}")


def _opened(part: Path) -> IO[bytes]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(part, flags, 0o644), "wb")


def _put_in_place(part: Path, target: Path) -> str | None:
    # Where the file system takes "A" and "a" for one name, rename() would lose one of them.
    if os.path.lexists(target):
        return f"has the name of another file on this disk; its bytes are in {escape(part.name)}"
    os.rename(part, target)
    return None


def write_file(target: Path, data: bytes) -> None:
    """One small file, the same way: temporary name, fsync, rename."""
    part = _part_of(target)
    with _opened(part) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(part, target)


def _sync_folders(folder: Path) -> None:
    """The renames are on disk when the command says so."""
    for place, _, _ in os.walk(folder):
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
