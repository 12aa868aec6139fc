"""Figures over time, and events read on from where one left off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.core.durations import DAY, HOUR, MINUTE

NOW = 20_000 * DAY + 7 * HOUR


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    one = Ledger(tmp_path, writable=True)
    yield one
    one.close()


def test_samples_come_back_by_subject(ledger: Ledger) -> None:
    ledger.samples.add(NOW, [("free", "state", 5), ("free", "source/a/b", 7.5), ("size", "s", 1)])
    ledger.samples.add(NOW + 300, [("free", "state", 4)])
    assert ledger.samples.since("free", NOW) == {
        "source/a/b": [(NOW, 7.5)],
        "state": [(NOW, 5.0), (NOW + 300, 4.0)],
    }
    assert ledger.samples.since("free", NOW + 1) == {"state": [(NOW + 300, 4.0)]}
    assert ledger.samples.latest("free", 0) == {"source/a/b": 7.5, "state": 4.0}
    assert ledger.samples.since("nothing", 0) == {}


def write(ledger: Ledger, samples: list[tuple[str, str, float]]) -> None:
    with ledger.database.transaction():
        sql = "INSERT OR REPLACE INTO samples VALUES (?,?,?,1)"
        ledger.database.execute_many(sql, samples)


def thin(ledger: Ledger, now: float) -> None:
    ledger.samples.forget(ledger.samples.spare(now))


def test_samples_are_close_for_a_day_then_one_a_day_then_gone(ledger: Ledger) -> None:
    # Two years of samples, thinned every three weeks or so as they come.
    start = NOW - 2 * 365 * DAY
    for week in range(104):
        moments = [start + week * 7 * DAY + n * 6 * HOUR for n in range(28)]
        write(ledger, [(name, "state", at) for at in moments for name in ("free", "size")])
        if week % 3 == 0:
            thin(ledger, moments[-1])
    last = [NOW - 2 * DAY + n * 5 * MINUTE for n in range(int(2 * DAY / (5 * MINUTE)))]
    write(ledger, [("free", "state", at) for at in last])
    thin(ledger, NOW)
    kept = ledger.samples.since("free", 0)["state"]
    close = [at for at, _ in kept if at >= NOW - DAY]
    single = [at for at, _ in kept if at < NOW - DAY]
    assert len(close) == 288
    days = [int(at / DAY) for at in single]
    assert len(days) == len(set(days)), "one of each day"
    assert sorted(set(days)) == days
    assert 399 <= len(days) <= 401
    assert min(single) >= NOW - 400 * DAY
    before = ledger.samples.since("free", 0)
    thin(ledger, NOW)
    assert ledger.samples.since("free", 0) == before, "thinning twice is thinning once"


def test_happenings_are_read_once_each(ledger: Ledger) -> None:
    run = ledger.runs.add("seq", "R1", prefix="p", now=NOW, reason="new")
    other = ledger.runs.add("gone", "R2", prefix="q", now=NOW, reason="new")
    assert ledger.happenings.after(0, ("a.b",)) == ([], 2)
    ledger.runs.event(run.id, NOW, "a.b", "one", data={"bytes": 3})
    ledger.runs.event(None, NOW, "a.b", "of no run")
    ledger.runs.event(other.id, NOW, "c.d", "two")
    ledger.runs.event(run.id, NOW, "x.y", "not asked for")
    found, last = ledger.happenings.after(2, ("a.b", "c.d"))
    assert [(one.event, one.instrument, one.name, one.data) for one in found] == [
        ("a.b", "seq", "R1", {"bytes": 3}),
        ("c.d", "gone", "R2", {}),
    ]
    assert ledger.happenings.after(last, ("a.b", "c.d")) == ([], last)
    ledger.runs.event(run.id, NOW, "a.b", "three")
    assert [one.id for one in ledger.happenings.after(last, ("a.b",))[0]] == [last + 1]


def test_happenings_come_in_pages(ledger: Ledger) -> None:
    run = ledger.runs.add("seq", "R1", prefix="p", now=NOW, reason="new")
    with ledger.database.transaction():
        for number in range(4500):
            ledger.runs.event_in_transaction(run.id, NOW, "a.b", None, str(number), None)
    seen: list[int] = []
    last = 0
    while True:
        found, read_on = ledger.happenings.after(last, ("a.b",))
        if read_on == last:
            break
        assert len(found) <= 2000
        seen += [one.id for one in found]
        last = read_on
    assert len(seen) == len(set(seen)) == 4500
    assert seen == sorted(seen)


def test_runs_are_remembered_until_they_move(tmp_path: Path, ledger: Ledger) -> None:
    for number in range(3):
        ledger.runs.add("seq", f"R{number}", prefix=f"p/{number}", now=NOW, reason="new")
    reader = Ledger(tmp_path, writable=False, remember=True)
    first = reader.runs.all()
    assert first == ledger.runs.all()
    again = reader.runs.all()
    assert all(one is other for one, other in zip(first, again, strict=True))
    moved = ledger.runs.set(first[1], reason="other")
    ledger.runs.add("other", "R9", prefix="p/9", now=NOW, reason="new")
    told = reader.runs.all()
    assert told == ledger.runs.all()
    assert told[0] is first[0]
    assert told[1] == moved
    assert reader.runs.all("other") == ledger.runs.all("other")
    reader.close()
