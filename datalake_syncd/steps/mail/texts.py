"""What mails say, in words for somebody who is tired and has three minutes."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.config import Config
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.incidents import Incident
from datalake_syncd.core.model import Status
from datalake_syncd.core.names import escape
from datalake_syncd.core.wording import command, counted, moment
from datalake_syncd.steps.mail.letters import machine
from datalake_syncd.steps.mail.notices import Notice
from datalake_syncd.steps.places import data_folder

#: So many are told in full in a mail about many.
MOST_TOLD = 40
_MOST_NAMED = 300
_HISTORY = 8
_WIDTH = 92
_COMMAND = re.compile(
    r"datalake-syncd (?:retry|release|undo|why|verify|prune|hold)(?: --[a-z-]+)* "
    r"(?:'[^']*'|[^\s;,()]+)|datalake-syncd (?:doctor|config check|status)"
)
_LOG_ATTACHED = "The log of this run is attached, if there is one."


def subject_of(told: Incident | Notice) -> str:
    """What and which; the machine's name is put before it."""
    first = told.message.partition("\n")[0]
    return told.title if first in told.title or told.title in first else f"{told.title}: {first}"


def incident_text(
    config: Config, ledger: Ledger, incident: Incident, now: float, remind_after: float
) -> str:
    """A mail about one thing: what was found, what to do, facts, history."""
    since = format_duration(max(0.0, now - incident.since))
    lines = [f"{incident.title}.", "", *_told(incident.message, incident.next_step)]
    lines += ["", "FACTS", _fact("machine", machine())]
    lines.append(_fact("stands since", f"{moment(incident.since)} ({since})"))
    if incident.run_id is not None:
        lines += _about_run(config, ledger, ledger.runs.by_id(incident.run_id))
    every = format_duration(remind_after)
    lines += _footer(f"You are reminded every {every} while it stands, and told when it is over.")
    return "\n".join(lines)


def notice_text(config: Config, ledger: Ledger, notice: Notice) -> str:
    """A mail about something that happened once."""
    lines = [f"{notice.title}.", "", *_told(notice.message, notice.next_step), ""]
    lines += ["FACTS", _fact("machine", machine()), _fact("happened", moment(notice.at))]
    if notice.run is not None:
        lines += _about_run(config, ledger, notice.run)
    lines += _footer("This is told once; nothing stands.")
    return "\n".join(lines)


def many_text(intro: str, told: Sequence[Incident | Notice], end: str) -> str:
    """A mail about many things, in the order in which they came."""
    lines, alike = [intro, ""], _alike(told)
    for number, those in enumerate(alike[:MOST_TOLD], 1):
        one, *others = those
        lines += [f"{number}. {one.title}", *_indented(one.message, "   found: ")]
        lines += _indented(one.next_step, "   do:    ")
        if others:
            named = [another.title for another in others[:_MOST_NAMED]]
            more = len(others) - len(named)
            rest = f" (and {more} more)" if more else ""
            count = counted(len(others), "other")
            lines += _indented(f"{count}: {'; '.join(named)}{rest}", "   the same for ")
        lines.append("")
    if len(alike) > MOST_TOLD:
        more = sum(map(len, alike[MOST_TOLD:]))
        lines += [f"And {more} more: datalake-syncd status", ""]
    return "\n".join(lines + _footer(end))


def _alike(told: Sequence[Incident | Notice]) -> list[list[Incident | Notice]]:
    """What has the same words has the same cause, mostly."""
    groups: dict[str, list[Incident | Notice]] = {}
    for one in told:
        groups.setdefault(one.message, []).append(one)
    return list(groups.values())


def over_text(ledger: Ledger, over: Sequence[Incident], now: float) -> str:
    """A mail that says that something is over, and how its run stands now."""
    if len(over) == 1:
        title = over[0].title.replace(" needs you", " no longer needs you")
        lines = [f"Resolved: {title}.", "", *_indented(over[0].message, "  it was:  ")]
        lines.append(f"  it stood {format_duration(max(0.0, now - over[0].since))}")
    else:
        lines = [f"Resolved: {counted(len(over), 'thing')} that needed you.", ""]
    for one in over[:MOST_TOLD]:
        run = None if one.run_id is None else ledger.runs.by_id(one.run_id)
        if run is not None:
            named = f"{escape(run.key)} is " if len(over) > 1 else ""
            lines += _indented(f"{named}{_state(run)}", "  now:     ")
        elif len(over) > 1:
            lines += _indented(one.title, "  over:    ")
    if len(over) > MOST_TOLD:
        lines.append(f"  and {len(over) - MOST_TOLD} more")
    return "\n".join(lines + _footer("Nothing is to be done."))


def _state(run: Run) -> str:
    status = run.shown_status
    if status is Status.HELD:
        return f"held by a person ({run.hold_reason})"
    words = f"{status.value}; last finished step: {run.done.value}"
    return f"{words} ({run.reason})" if run.reason and status is Status.WAITING else words


def _told(message: str, next_step: str) -> Iterator[str]:
    yield "WHAT WAS FOUND"
    yield from _indented(message, "  ")
    yield ""
    yield "WHAT TO DO"
    yield from _indented(next_step or "look at it: datalake-syncd status", "  ")
    typed = list(dict.fromkeys(_COMMAND.findall(next_step)))
    if typed:
        yield ""
        yield f"To type, on {machine()}:"
        yield from (f"  {one.rstrip('.')}" for one in typed)


def _about_run(config: Config, ledger: Ledger, run: Run) -> Iterator[str]:
    yield from _run_facts(config, run)
    yield ""
    yield "WHAT HAPPENED LAST"
    for event in ledger.runs.history(run.id, limit=_HISTORY):
        yield from _indented(event.message, f"  {moment(event.at)}  {event.event}: ")
    yield ""
    yield _LOG_ATTACHED


def _run_facts(config: Config, run: Run) -> Iterator[str]:
    instrument = config.instruments.get(run.instrument)
    yield _fact("run", escape(run.name))
    kind = "no longer configured" if instrument is None else instrument.kind
    yield _fact("instrument", f"{run.instrument} ({kind})")
    if instrument is not None:
        yield _fact("source", escape(str(data_folder(instrument, run.name))))
    yield _fact("in the lake", escape(run.prefix))
    yield _fact("last step", f"{run.done.value} (status {run.shown_status.value})")
    yield _fact("outcome", run.outcome.value)
    counts = f"{run.files:,} ({format_bytes(run.bytes)}), {run.files_proven:,} proven in the lake"
    yield _fact("files", counts if run.files else "not counted yet")
    yield _fact("generation", str(run.generation))
    if run.facts.get("experiment"):
        yield _fact("experiment", escape(str(run.facts["experiment"])))
    yield _fact("to see more", command("why", run.key))


def _fact(name: str, value: str) -> str:
    return f"  {name:<13} {value}"


def _indented(text: str, before: str) -> list[str]:
    """Wrapped for people; what is to be copied is never broken."""
    lines = textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=before,
        subsequent_indent=" " * min(len(before), 10),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [before.rstrip()]


def _footer(end: str) -> list[str]:
    return ["", "-- ", f"datalake-syncd on {machine()}. {end}", "Everything: datalake-syncd status"]
