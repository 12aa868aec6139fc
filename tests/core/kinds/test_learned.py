"""Flags that an instrument is known to write, from the run on that first had one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.core.kinds.learned import is_asked, learn

COPY = "CopyComplete.txt"
WORD = "copycomplete.txt@NB501016@20180612"


def run(date: str, serial: str = "NB501016", number: int = 1) -> str:
    return f"{date}_{serial}_{number:04d}_AHXXXXXXXX"


def test_a_flag_is_learned_with_its_serial_number_and_date() -> None:
    assert learn(frozenset(), (COPY,), run("180612"), ("Data", "COPYCOMPLETE.TXT")) == {WORD}
    assert learn(frozenset(), (COPY,), run("20180612", "nb501016"), (COPY,)) == {WORD}
    assert learn(frozenset(), (COPY,), run("180612"), ("Data",)) == frozenset()
    assert learn(frozenset(), (), run("180612"), (COPY,)) == frozenset()
    assert learn(frozenset(), (COPY,), "no run", (COPY,)) == frozenset()


def test_only_the_earliest_date_is_kept_and_others_are_left_alone() -> None:
    others = {"copycomplete.txt", "copycomplete.txt@M00001@20170101"}
    known = frozenset({WORD, *others})
    assert learn(known, (COPY,), run("180613"), (COPY,)) == known
    assert learn(known, (COPY,), run("180612", number=9), (COPY,)) == known
    earlier = learn(known, (COPY,), run("171231"), (COPY,))
    assert earlier == {"copycomplete.txt@NB501016@20171231", *others}


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (run("180612"), True),
        (run("20180613"), True),
        (run("190101", "nb501016"), True),
        (run("180611"), False),
        (run("20180611"), False),
        (run("991231"), True),  # 2099: two digits have one century
        (run("190101", "NB501017"), False),
        (run("190101", "NB50101"), False),
        ("a name without a date", False),
    ],
)
def test_it_is_asked_of_later_runs_of_the_same_instrument_alone(name: str, asked: bool) -> None:
    assert is_asked(frozenset({WORD}), COPY, name) is asked
    assert not is_asked(frozenset({WORD}), "RTAComplete.txt", name)


def test_a_flag_of_an_old_ledger_holds_until_the_instrument_has_a_date() -> None:
    old = frozenset({"copycomplete.txt"})
    assert is_asked(old, COPY, run("100101"))
    assert is_asked(old, COPY, "")
    known = learn(old, (COPY,), run("180612"), (COPY,))
    assert known == {"copycomplete.txt", WORD}
    assert not is_asked(known, COPY, run("180611"))
    assert is_asked(known, COPY, run("180612"))
    assert is_asked(known, COPY, run("180611", "M00001"))


DATES = st.sampled_from(["170101", "20170102", "180612", "20180613", "991231", "20000101"])
RUNS = st.tuples(st.builds(run, DATES, st.sampled_from(["A1", "a1", "B-2"])), st.booleans())


@given(st.lists(RUNS, max_size=12))
def test_a_run_that_has_it_is_asked_for_it_ever_after(seen: list[tuple[str, bool]]) -> None:
    known: frozenset[str] = frozenset()
    for name, has in seen:
        known = learn(known, (COPY,), name, (COPY,) if has else ())
    assert len(known) <= 2
    for name, has in seen:
        assert not has or is_asked(known, COPY, name)
    if not any(has for _, has in seen):
        assert not known
