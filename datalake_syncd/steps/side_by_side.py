"""Work on a source in a few threads that can't keep the service from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def side_by_side(
    work: Callable[[_Item], _Result], items: Sequence[_Item], threads: int, name: str
) -> list[_Result]:
    """``work`` of every item, in their order; raises the first error, after all threads ended.

    Not an executor of the standard library: at the end of the process that one joins its threads,
    and one that hangs in a dead share would keep the service from ending.
    """
    results: dict[int, _Result] = {}
    errors: list[Exception] = []
    lock = threading.Lock()
    left = iter(enumerate(items))

    def run() -> None:
        while True:
            with lock:
                pair = next(left, None)
                if pair is None or errors:
                    return
            number, item = pair
            try:
                result = work(item)
            except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
                with lock:
                    errors.append(error)
                return
            with lock:
                results[number] = result

    workers = [
        threading.Thread(target=run, name=f"{name}-{number}", daemon=True)
        for number in range(min(threads, len(items)))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(items))]
