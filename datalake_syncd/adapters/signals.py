"""Signals, told to a thread: the only place that handles them.

A handler of Python runs in the main thread, in the middle of whatever that does. If it is in
`threading.Event.wait` just then, a handler that calls `set` of the same event waits for a lock
that its own thread holds, for ever. So the handlers here do nothing; the number of the signal
comes through a pipe (`signal.set_wakeup_fd`) to a thread of its own, which may call anything.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heard(numbers: Collection[int], act: Callable[[int], None]) -> Iterator[None]:
    """Inside, ``act`` is called for each of these signals, in a thread; from the main thread only.

    What it does must be short: the next signal waits for it.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, _nothing) for number in numbers}
    thread = threading.Thread(
        target=_listen, args=(reader, numbers, act), name="signals", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        os.close(writer)  # the thread reads the end, and ends
        thread.join()
        os.close(reader)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """That there is a handler is what makes Python write the number down."""


def _listen(reader: int, numbers: Collection[int], act: Callable[[int], None]) -> None:
    while received := os.read(reader, 64):
        for number in received:
            if number in numbers:
                act(number)
