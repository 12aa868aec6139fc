"""Alarms that leave nothing standing: something happened, and somebody should look."""

from __future__ import annotations

from dataclasses import dataclass

from datalake_syncd.adapters.ledger import Event, Ledger, Run
from datalake_syncd.core.wording import command

#: Where the ledger keeps the number of the last event that was looked at.
LAST_EVENT = "mail:event"
#: Told at most in one mail; what is beyond comes with the next.
MOST = 100

#: Events of the ledger that are told by mail, once each, and what to do about them. Every
#: other alarm is a state that `overview.problems` finds, as tests/steps/test_mail_alarms.py
#: holds.
NOTICES: dict[str, tuple[str, str]] = {
    "run.files-lost": (
        "files vanished before they were proven",
        "ask who removed them from the instrument; the rest is carried",
    ),
    "prune.rescued": (
        "the lake lost files that were about to be freed here",
        "find out who changes or deletes in the lake; the run is carried again by itself",
    ),
    "verify.bad-blob": (
        "wrong bytes in the lake were found and are sent again",
        "nothing now; if it comes again, let somebody check memory and network of this machine",
    ),
    "request.bug": (
        "a command failed because of an error in datalake-syncd itself",
        "please report it with the trace that is in the service's log (event request.bug)",
    ),
    "sheets.lonely": (
        "sample sheets wait for runs that nobody knows",
        "rename each to its run, NAME.csv, or take it out of the folder",
    ),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One such event; ``number`` is the event's."""

    number: int
    title: str
    message: str
    next_step: str
    at: float
    run: Run | None


def new_notices(ledger: Ledger) -> list[Notice]:
    """What happened since the last time; nothing at the very first time."""
    last = ledger.desk.get(LAST_EVENT)
    if last is None:
        forget(ledger)
        return []
    events = ledger.runs.events_after(int(last), tuple(NOTICES), MOST)
    return [_notice(ledger, number, run_id, event) for number, run_id, event in events]


def begin(ledger: Ledger) -> None:
    """Before anything happens: what happens from now on will be told."""
    if ledger.desk.get(LAST_EVENT) is None:
        forget(ledger)


def forget(ledger: Ledger) -> None:
    """Nobody wants to be told: what happened until now will not be told later either."""
    newest = str(ledger.runs.newest_event())
    if ledger.desk.get(LAST_EVENT) != newest:
        ledger.desk.put(LAST_EVENT, newest)


def _notice(ledger: Ledger, number: int, run_id: int | None, event: Event) -> Notice:
    run = None if run_id is None else ledger.runs.by_id(run_id)
    title, next_step = NOTICES[event.event]
    about = run.key if run is not None else str((event.data or {}).get("instrument") or "")
    if run is not None:
        next_step += f"; more: {command('why', run.key)}"
    named = f"{about}: {title}" if about else title
    return Notice(number, named, event.message, next_step, event.at, run)
