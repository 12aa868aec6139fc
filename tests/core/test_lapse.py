"""Flags that never come: waited for so long, and not a second less."""

from __future__ import annotations

from datalake_syncd.core.lapse import lapse
from datalake_syncd.core.model import Gate

HERE = Gate("flag RTAComplete.txt", True, "found", "in the run folder")
COPY = Gate("flag CopyComplete.txt", False, "not there", "in the run folder", may_lapse=True)
HARD = Gate("run status", False, "unknown status", "a known one", needs_person=True)
HOUR = 3600.0


def test_a_wait_begins_at_the_first_look_and_ends_after_the_grace() -> None:
    first = lapse((HERE, COPY), {}, 6 * HOUR, 1000.0)
    assert (first.gates, first.since, first.lapsed) == ((HERE, COPY), {COPY.name: 1000.0}, ())
    almost = lapse((HERE, COPY), first.since, 6 * HOUR, 1000.0 + 6 * HOUR - 1)
    assert almost.gates == (HERE, COPY)
    over = lapse((HERE, COPY), almost.since, 6 * HOUR, 1000.0 + 6 * HOUR)
    assert over.lapsed == (COPY.name,)
    assert over.gates[1].passed
    assert "not there" in over.gates[1].found
    assert "6 h" in over.gates[1].found


def test_only_what_may_lapse_does() -> None:
    long_ago = {COPY.name: 0.0, HARD.name: 0.0}
    found = lapse((HARD, COPY), long_ago, HOUR, 1e9)
    assert found.gates[0] == HARD
    assert found.lapsed == (COPY.name,)


def test_a_flag_that_came_is_forgotten_and_waited_for_anew() -> None:
    assert lapse((HERE,), {HERE.name: 5.0}, HOUR, 10.0).since == {}


def test_a_clock_that_was_set_back_starts_the_wait_anew() -> None:
    found = lapse((COPY,), {COPY.name: 5000.0}, HOUR, 1000.0)
    assert found.since == {COPY.name: 1000.0}
    assert found.lapsed == ()


def test_no_grace_lets_it_pass_at_once() -> None:
    assert lapse((COPY,), {}, 0.0, 10.0).lapsed == (COPY.name,)
