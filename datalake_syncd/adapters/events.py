"""File-system events (watchdog, inotify) as a hint to scan sooner; never as the truth."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

#: More runs than this at a time are left to the periodic scan.
MOST_RUNS = 50
_LIMITS = ("/proc/sys/fs/inotify/max_user_{}", "/proc/sys/user/max_inotify_{}")


def limit(what: str) -> int | None:
    """The kernel's limit of inotify ``watches`` or ``instances`` for one user; None: not known.

    Two files set it, one for each user name space; the smaller counts.
    """
    found = []
    for path in _LIMITS:
        try:
            found.append(int(Path(path.format(what)).read_text()))
        except (OSError, ValueError):
            continue  # another kernel has other files
    return min(found, default=None)


class Observer:
    """Calls ``wake`` when something changes in a source or in the top folder of an active run.

    Events get lost (queue overflow, a replaced root): the periodic scan finds all the same.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._observer: BaseObserver | None = None
        self._watches: dict[Path, ObservedWatch] = {}
        self._failed = False

    def watch(self, source: Path, runs: Iterable[str]) -> str | None:
        """Watch these folders and no others; gives a sentence, once, when that fails."""
        if self._failed:
            return None
        wanted = {source, *(source / name for name in sorted(runs)[:MOST_RUNS])}
        try:
            self._follow(wanted)
        except OSError as error:
            self._failed = True
            self.stop()
            # EMFILE: no further queue of events; ENOSPC: no further place to watch.
            short = "instances" if error.errno == errno.EMFILE else "watches"
            return (
                f"no file-system events ({error.strerror or error}); runs are found by the "
                f"periodic scan alone. If the limit is reached: sysctl fs.inotify.max_user_{short}"
            )
        return None

    def _follow(self, wanted: set[Path]) -> None:
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer as WatchdogObserver

        wake = self._wake

        class Hint(FileSystemEventHandler):
            """Any change is a reason to look."""

            def on_any_event(self, event: FileSystemEvent) -> None:
                # Our own reading opens and closes files; only what writes is news.
                if event.event_type not in ("opened", "closed_no_write"):
                    wake()

        if self._observer is None:
            self._observer = WatchdogObserver()
            self._observer.daemon = True
            self._observer.start()
        for path in [path for path in self._watches if path not in wanted]:
            self._observer.unschedule(self._watches.pop(path))
        for path in wanted - self._watches.keys():
            self._watches[path] = self._observer.schedule(Hint(), str(path), recursive=False)

    def stop(self) -> None:
        """Stop watching."""
        observer, self._observer = self._observer, None
        self._watches.clear()
        if observer is not None:
            observer.stop()
