"""Reading ahead: the next page is asked for while the last one is worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

_Page = TypeVar("_Page")
#: How often (seconds) a reader that waits to hand over looks whether anybody still wants it.
_WANTED = 1.0


def ahead(pages: Iterator[_Page]) -> Iterator[_Page]:
    """The same pages; all but the first are read by a thread, one before it is asked for.

    What reading raises is raised where its page would have come. A caller that stops early
    leaves the thread to end by itself: it can't keep the process from ending.
    """
    first = next(pages, None)
    if first is None:
        return
    ready: queue.Queue[tuple[_Page | None, Exception | None]] = queue.Queue(maxsize=1)
    left = threading.Event()

    def hand_over(page: _Page | None, error: Exception | None) -> None:
        while not left.is_set():
            try:
                ready.put((page, error), timeout=_WANTED)
            except queue.Full:
                continue
            return

    def read() -> None:
        try:
            for page in pages:
                hand_over(page, None)
                if left.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - raised in the caller's thread
            hand_over(None, error)
        else:
            hand_over(None, None)

    threading.Thread(target=read, name="listing", daemon=True).start()
    try:
        yield first
        while True:
            page, error = ready.get()
            if error is not None:
                raise error
            if page is None:
                return
            yield page
    finally:
        left.set()
