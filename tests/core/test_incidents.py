"""When people are told, reminded and told that it is over: against a made-up clock."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.durations import DAY, HOUR, MINUTE
from datalake_syncd.core.incidents import (
    CROWD,
    GATHER,
    OUTBOX_FULL,
    SETTLE,
    SETTLES,
    Changes,
    Found,
    Incident,
    Plan,
    compare,
    plan,
)

NOW = 2_000_000_000.0


def found(key: str = "run/seq/R1", message: str = "a FIFO", since: float | None = None) -> Found:
    return Found(key, 1, "needs you", message, "do", since, "settle")


def incident(key: str = "run/seq/R1", **values: object) -> Incident:
    plain = Incident(1, key, 1, "needs you", "a FIFO", "do", "settle", NOW - HOUR)
    return replace(plain, **values)  # type: ignore[arg-type]


def told(key: str = "run/seq/R1", at: float = NOW - MINUTE, **values: object) -> Incident:
    return incident(key, mailed_at=at, thread="<t@x>", subject="s", **values)


def planned(*standing: Incident, now: float = NOW, **values: object) -> Plan:
    given: dict[str, object] = {"remind_after": DAY, "at_once": False, "queued": (), "unsent": 0}
    return plan(standing, now, **(given | values))  # type: ignore[arg-type]


def test_what_mends_itself_soon_mails_nobody() -> None:
    young = incident(since=NOW - SETTLE + 1)
    assert planned(young) == Plan()
    assert planned(young, now=NOW + 2).new == (young,)
    assert planned(replace(young, gone_at=NOW), now=NOW + 2) == Plan()
    forgotten = replace(young, gone_at=NOW - SETTLE)
    assert compare([], [forgotten], (), NOW).forgotten == (forgotten,)


def test_a_share_may_be_away_for_longer() -> None:
    away = incident("source/seq", since=NOW - SETTLES["source"] + 1)
    assert planned(away) == Plan()
    assert planned(away, at_once=True) == Plan(), "also when nobody looks again soon"
    assert planned(away, now=NOW + 1).new == (away,)


def test_a_pass_for_cron_tells_at_once() -> None:
    young = incident(since=NOW)
    assert planned(young, at_once=True).new == (young,)


def test_told_once_then_once_per_reminder_all_together() -> None:
    first, second = told(at=NOW - DAY + 1), told("azcopy", at=NOW - DAY / 2)
    young = told("lake", at=NOW - HOUR)
    assert planned(first, second, young) == Plan()
    assert planned(first, second, young, now=NOW + 1).remind == (first, second)
    assert planned(first, now=NOW + 1, unsent=1).remind == (), "nobody read the first one yet"


def test_over_is_told_when_all_of_a_thread_is_over_for_a_while() -> None:
    one = told(gone_at=NOW - SETTLE)
    assert planned(one).over == ((one,),)
    assert planned(replace(one, gone_at=NOW)) == Plan()
    assert planned(one, told("lake")) == Plan(), "the same mail told of the lake"
    other = replace(told("lake"), thread="<other@x>")
    assert planned(one, other).over == ((one,),)


def test_what_comes_back_soon_was_never_gone() -> None:
    gone = told(gone_at=NOW - 10)
    assert compare([found()], [gone], (), NOW).changed == (replace(gone, gone_at=None),)


def test_blocked_again_for_another_reason_is_told_in_the_same_thread() -> None:
    before = told()
    same = compare([found(since=NOW)], [before], (), NOW)
    assert same == Changes(), "the same words"
    again = compare([found(message="no sheet", since=NOW)], [before], (), NOW).changed[0]
    assert (again.mailed_at, again.thread, again.since) == (None, "<t@x>", NOW)
    assert planned(again, now=NOW + SETTLE).new == (again,)
    other = compare([found("lake", "words", NOW)], [told("lake")], (), NOW).changed[0]
    assert other.mailed_at is not None, "troubles change their words all the time"


def test_a_run_that_is_tried_again_is_neither_troubled_nor_mended() -> None:
    assert compare([], [told()], {"run/seq/R1"}, NOW) == Changes()
    assert compare([], [told()], (), NOW).changed[0].gone_at == NOW


def test_many_mails_in_an_hour_make_the_next_wait() -> None:
    queued = [NOW - MINUTE * n for n in range(1, CROWD + 1)]
    assert planned(incident(), queued=queued) == Plan()
    assert planned(incident(), queued=queued[1:]).new
    assert planned(incident(), queued=queued, now=NOW + GATHER).new
    assert planned(incident(), unsent=OUTBOX_FULL) == Plan()


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([5.0, 15.0, 40.0, 100.0, 700.0, 3600.0]),
            st.sets(st.sampled_from(["run/a", "run/b", "lake", "source/s"])),
        ),
        max_size=40,
    )
)
def test_nothing_is_told_twice_and_nothing_that_stands_is_kept_back(
    looks: list[tuple[float, set[str]]],
) -> None:
    """A made-up history: what is told of a problem goes new, (again), over, new, …"""
    now, number = NOW, 0
    standing: dict[int, Incident] = {}
    open_: dict[str, str] = {}
    for seconds, keys in looks:
        now += seconds
        changes = compare([found(key, since=None) for key in sorted(keys)],
                          list(standing.values()), (), now)  # fmt: skip
        for one in changes.new:
            number += 1
            fresh = incident(one.key, since=now, mailed_at=None)
            standing[number] = replace(fresh, id=number)
        for changed in changes.changed:
            standing[changed.id] = changed
        for gone in changes.forgotten:
            assert gone.key not in open_
            del standing[gone.id]
        assert len({one.key for one in standing.values()}) == len(standing)
        done = planned(*standing.values(), now=now)
        for one_new in done.new:
            assert one_new.key in keys
            assert one_new.key not in open_, "told twice"
            open_[one_new.key] = f"<{one_new.id}@x>"
            standing[one_new.id] = replace(
                one_new, mailed_at=now, thread=open_[one_new.key], subject="s"
            )
        for group in done.over:
            for over in group:
                assert over.key not in keys
                del open_[over.key], standing[over.id]
        late = SETTLES["source"]
        for one_standing in standing.values():
            waits = one_standing.mailed_at is None and one_standing.gone_at is None
            assert not (waits and now - one_standing.since >= late), "kept back"
