"""Who waits for too long: the decisions alone, with time as an argument."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core import staleness
from datalake_syncd.core.durations import DAY, HOUR, MINUTE
from datalake_syncd.core.model import Gate, Status, Step
from datalake_syncd.core.staleness import Silence, Standing

LIMIT = 48 * HOUR
NOW = 1_700_000_000.0


def flag(name: str, *, passed: bool) -> Gate:
    return Gate(f"flag {name}", passed, "found" if passed else "not there", "in the run folder")


CRASHED = Standing(
    key="miseq/RUN",
    done=Step.SIGHTED,
    status=Status.WAITING,
    reason="flag RTAComplete.txt: not there",
    next_step=None,
    gates=(flag("RTAComplete.txt", passed=False),),
    moved_at=NOW - LIMIT,
    still_since=NOW - LIMIT,
)


def test_a_crashed_run_is_told_at_the_limit_and_not_before() -> None:
    assert staleness.stale(CRASHED, NOW - 1, LIMIT) is None
    found = staleness.stale(CRASHED, NOW, LIMIT)
    assert found is not None
    assert "nothing was written for 2 d and no flag says that it ended" in found.message
    assert "crashed" in found.message
    assert "RTAComplete.txt" in found.message
    assert "datalake-syncd release miseq/RUN" in found.next_step
    assert found.silent
    assert found.needs_person


def test_what_is_still_written_is_not_stale_however_old_it_is() -> None:
    writing = replace(CRASHED, moved_at=NOW - 9 * DAY, still_since=NOW - HOUR)
    assert staleness.stale(writing, NOW, LIMIT) is None
    assert staleness.stale(writing, NOW + LIMIT - HOUR, LIMIT) is not None


def test_what_has_all_its_flags_and_never_comes_to_rest_is_told() -> None:
    """Each look finds it changed: by that alone it would wait silently for ever."""
    restless = replace(
        CRASHED,
        gates=(flag("RTAComplete.txt", passed=True), Gate("quiet", False, "one look", "two")),
        reason="complete; waiting until nothing has changed for 1 h; the newest is a.txt",
        still_since=NOW - MINUTE,
        complete_since=NOW - LIMIT - HOUR,
        quiet=HOUR,
    )
    assert staleness.stale(restless, NOW - 1, LIMIT) is None
    found = staleness.stale(restless, NOW, LIMIT)
    assert found is not None
    assert found.message.startswith("lacks nothing but rest for 2 d")
    assert "a.txt" in found.message
    assert found.needs_person
    assert not found.silent, "it must not be released in the middle of being written"
    for rests in ({"status": Status.RUNNING}, {"offline": "no mount"}, {"complete_since": None}):
        assert staleness.stale(replace(restless, **rests), NOW, LIMIT) is None or rests.get(
            "offline"
        )


def test_a_flag_without_the_rest_names_both() -> None:
    gates = (
        flag("CopyComplete.txt", passed=True),
        flag("RunCompletionStatus.xml", passed=False),
        Gate("RunInfo.xml readable", False, "no RunInfo.xml", "a readable RunInfo.xml"),
    )
    found = staleness.stale(replace(CRASHED, gates=gates), NOW, LIMIT)
    assert found is not None
    assert "there: CopyComplete.txt; missing: RunCompletionStatus.xml" in found.message
    assert "no RunInfo.xml" in found.message
    assert "crashed" not in found.message


def test_nothing_is_said_of_writing_that_nobody_looked_at() -> None:
    found = staleness.stale(replace(CRASHED, still_since=None), NOW, LIMIT)
    assert found is not None
    assert "nothing was written" not in found.message
    assert not found.silent


@pytest.mark.parametrize(
    ("change", "words", "person"),
    [
        ({"status": Status.HELD, "reason": "waits for Anna"}, "held by a person", False),
        ({"status": Status.BLOCKED, "reason": "odd status"}, "needed a person for 2 d: odd", True),
        ({"offline": "/net/x is empty"}, "offline (/net/x is empty)", True),
        ({"configured": False}, "no longer in the configuration", False),
        ({"done": Step.VERIFY, "sheet": "/s/RUN.csv"}, "carried, and has waited for 2 d", True),
        ({"done": Step.SETTLE, "reason": "lake away"}, "after 'settle'): lake away", True),
        ({"done": Step.PUBLISH, "pending": "X.raw (no _FUNCTNS.INF)"}, "X.raw", True),
    ],
)
def test_each_says_what_it_waits_for(change: dict[str, object], words: str, person: bool) -> None:
    found = staleness.stale(replace(CRASHED, **change), NOW, LIMIT)  # type: ignore[arg-type]
    assert found is not None
    assert words in found.message
    assert found.next_step
    assert found.needs_person is person
    assert not found.silent


def test_a_block_or_hold_of_today_is_not_two_days_old() -> None:
    for status in (Status.BLOCKED, Status.HELD):
        standing = replace(CRASHED, status=status, stopped_at=NOW - HOUR)
        assert staleness.stale(standing, NOW, LIMIT) is None
        assert staleness.stale(standing, NOW + LIMIT, LIMIT) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.RUNNING},
        {"status": Status.FINISHED, "done": Step.PUBLISH},
        {"status": Status.FINISHED},
        {"done": Step.PUBLISH},
        {"done": Step.PRUNE, "status": Status.READY},
        {"done": Step.PUBLISH, "status": Status.HELD},
        {"growing": True, "gates": ()},
    ],
)
def test_who_rests_or_works_is_left_alone(change: dict[str, object]) -> None:
    standing = replace(CRASHED, **change)  # type: ignore[arg-type]
    assert staleness.stale(standing, NOW + 99 * DAY, LIMIT) is None


def test_a_published_run_that_needs_a_person_is_told() -> None:
    standing = replace(CRASHED, done=Step.PRUNE, status=Status.BLOCKED, stopped_at=NOW - LIMIT)
    assert staleness.stale(standing, NOW, LIMIT) is not None


def test_a_long_quiet_time_is_no_alarm_before_it_is_over() -> None:
    gates = (flag("A", passed=True), Gate("quiet", False, "one look", "two looks"))
    standing = replace(CRASHED, gates=gates, quiet=3 * DAY)
    assert staleness.stale(standing, NOW, LIMIT) is None
    assert staleness.stale(standing, NOW + 3 * DAY, LIMIT) is not None


@given(st.floats(1, 1e8), st.floats(0, 1e8), st.floats(0, 1e8))
@settings(max_examples=100)
def test_once_a_period_never_less(period: float, told: float, later: float) -> None:
    assert staleness.due(None, later, period)
    assert staleness.due(told, told + later, period) is (told + later - told >= period)
    assert staleness.due(told + 1, told, period), "a clock that was set back silences nobody"


def test_probes_are_rare_in_earnest_and_quick_in_tests() -> None:
    assert staleness.probe_interval(48 * HOUR) == 6 * HOUR
    assert staleness.probe_interval(HOUR) == 10 * MINUTE
    assert staleness.probe_interval(2.0) == 0.5


def test_silence_counts_from_the_last_marker_or_the_first_scan() -> None:
    new = Silence("miseq", since=NOW - 7 * DAY)
    assert staleness.silent(new, NOW - 1, 7 * DAY) is None
    found = staleness.silent(new, NOW, 7 * DAY)
    assert found is not None
    assert "published no run for 7 d" in found.message
    assert "first looked at" in found.message
    last = staleness.silent(replace(new, last="RUN"), NOW, 7 * DAY)
    assert last is not None
    assert "the last one was RUN" in last.message
    away = staleness.silent(replace(new, offline="/net/x is not there", waiting=2), NOW, 7 * DAY)
    assert away is not None
    assert "offline (/net/x is not there)" in away.message
    assert "2 runs are on the way" in away.message
    assert "mount" in away.next_step


def test_old_sheets_are_history_and_new_ones_are_not() -> None:
    mtimes = {"old.csv": NOW - 400 * DAY, "new.csv": NOW - DAY}
    since = staleness.new_sheets({}, mtimes, NOW, first=True)
    assert since == {"old.csv": 0.0, "new.csv": NOW}
    # A copy keeps its old time: what comes later counts whatever its time says.
    later = staleness.new_sheets(since, {**mtimes, "copied.csv": 0.0}, NOW + 5, first=False)
    assert later["copied.csv"] == NOW + 5
    assert later["new.csv"] == NOW
    assert staleness.lonely_sheets(later, NOW + LIMIT - 1, LIMIT) == []
    assert staleness.lonely_sheets(later, NOW + LIMIT + 5, LIMIT) == ["copied.csv", "new.csv"]
    # Its run came: forgotten, and a new count if it is lonely again.
    assert "new.csv" not in staleness.new_sheets(later, {"old.csv": 0.0}, NOW, first=False)


def test_many_sheets_are_one_sentence() -> None:
    names = [f"{number}.csv" for number in range(8)]
    told = staleness.tell_sheets(names, LIMIT)
    assert told.startswith("8 sample sheets belong to no known run for over 2 d")
    assert told.endswith("0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 3 more")
