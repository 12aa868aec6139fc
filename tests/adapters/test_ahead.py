"""Reading ahead: the same pages, the same errors, and no thread that stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from datalake_syncd.adapters.lake.ahead import ahead


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "listing"]


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_the_pages_come_in_their_order(count: int) -> None:
    assert list(ahead(iter(range(count)))) == list(range(count))


def test_the_next_page_is_read_while_the_last_one_is_worked_on() -> None:
    asked = threading.Event()

    def pages() -> Iterator[int]:
        yield 1
        asked.set()
        yield 2

    found = ahead(pages())
    assert next(found) == 1
    assert asked.wait(10), "it was not asked for before it was needed"
    assert list(found) == [2]


def test_an_error_comes_where_its_page_would_have_come() -> None:
    def pages() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("no third one")

    found = ahead(pages())
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(ValueError, match="no third one"):
        next(found)


def test_an_error_of_the_first_page_comes_at_once() -> None:
    with pytest.raises(ZeroDivisionError):
        next(ahead(1 // number for number in (0, 1)))


def test_who_stops_early_leaves_no_thread_behind() -> None:
    read = []

    def pages() -> Iterator[int]:
        for number in range(1_000):
            read.append(number)
            yield number

    found = ahead(pages())
    assert next(found) == 0
    (reader,) = readers()
    found.close()  # type: ignore[attr-defined]
    reader.join(10)
    assert not reader.is_alive()
    assert len(read) < 10, "it read on for nobody"
