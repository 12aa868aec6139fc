"""A pass: one scrub after another, that of the longest time ago first, until all had their turn."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace

from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.core.durations import DAY
from datalake_syncd.steps.overview.report import delivered
from datalake_syncd.steps.published import Place
from datalake_syncd.steps.scrub.found import Found, How
from datalake_syncd.steps.scrub.notes import LAST, NOTE, Pass, read_pass
from datalake_syncd.steps.scrub.one_run import scrub_run
from datalake_syncd.steps.scrub.telling import write_down

#: A pass that was interrupted is not gone on with after so long (seconds).
STALE = 30 * DAY


def begin(ledger: Ledger, name: str, now: float) -> Pass:
    """Go on with the open pass of this name, or begin one."""
    known = read_pass(ledger, name)
    if known is not None and known.ended is None and 0 <= now - known.began < STALE:
        return known
    return _write(ledger, name, Pass(now))


def end(ledger: Ledger, name: str, now: float, *, of_all: bool) -> Pass:
    """The pass came to its end.

    One that found no run to read is not told of later: "all as published" would be a lie, and
    hide what the last real one found.
    """
    ended = replace(read_pass(ledger, name) or Pass(now), ended=now)
    if of_all and (ended.runs or ended.files or ended.wrong):
        ledger.desk.put(LAST, json.dumps(asdict(ended)))
    return _write(ledger, name, ended)


def forget(ledger: Ledger, name: str) -> None:
    """The next pass of this name begins anew."""
    ledger.desk.put(NOTE + name, None)


def _write(ledger: Ledger, name: str, one: Pass) -> Pass:
    ledger.desk.put(NOTE + name, json.dumps(asdict(one)))
    return one


def published_runs(ledger: Ledger, lake_id: str, before: float) -> list[Run]:
    """All runs that rest in this lake and were published before ``before``."""
    return [
        run
        for run in ledger.runs.all()
        if delivered(run)
        and run.lake == lake_id
        and run.published_at is not None
        and run.published_at < before
    ]


def in_turn(how: How, places: Iterable[Place]) -> list[Place]:
    """Those that this pass has not been through yet, that of the longest time ago first."""
    states = how.ledger.scrubs.states(how.lake_id)

    def last(place: Place) -> float:
        state = states.get(place.prefix)
        return -1.0 if state is None or state.at is None else state.at

    def had_its_turn(place: Place) -> bool:
        state = states.get(place.prefix)
        return state is not None and state.scrubbed_in == how.this_pass and last(place) >= how.began

    left = [place for place in places if not had_its_turn(place)]
    random.shuffle(left)
    return sorted(left, key=last)


def scrub_all(
    how: How,
    name: str,
    places: Iterable[Place],
    on_run: Callable[[Place, Found, str], None],
) -> Iterator[Place]:
    """Scrub these, until the budget is used up; gives what had its turn, and not to its end.

    ``on_run`` is told of each: its place, what was found, and what `write_down` says of it.
    """
    for place in places:
        if how.purse.empty:
            yield place
            continue
        found = scrub_run(how, place)
        news = write_down(how, place, found)
        so_far = read_pass(how.ledger, name) or Pass(how.began)
        _write(
            how.ledger,
            name,
            replace(
                so_far,
                runs=so_far.runs + found.whole,
                files=so_far.files + found.files_read,
                bytes=so_far.bytes + found.bytes_read,
                wrong=so_far.wrong + found.wrong,
            ),
        )
        on_run(place, found, news)
        if not found.whole:
            yield place
