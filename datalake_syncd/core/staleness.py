"""Who waits for too long, and what to tell of it. All times are seconds, wall clock of our own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from shlex import quote

from datalake_syncd.core.durations import DAY, format_duration, iso
from datalake_syncd.core.model import Gate, Status, Step
from datalake_syncd.core.names import escape

#: A run that waits for its flags is looked at whole so often in one ``stale_after``.
_LOOKS = 8
_SOONEST = 600.0
#: A sheet that was older than this when its folder was first seen is history, not a mistake.
HISTORY = 30 * DAY
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one run that may be waiting for too long.

    ``status`` has a person's hold on top. ``stopped_at`` is when it was last blocked or held,
    ``still_since`` since when our own full looks have found its tree unchanged (None: no look
    yet, or none that counts). ``offline`` says why its source does not answer. ``sheet`` is the
    path of the required sample sheet that it waits for. ``growing`` marks a data set that is
    never finished, ``pending`` what it keeps back. ``quiet`` is the instrument's,
    ``complete_since`` since when the run lacks nothing but rest (None: it lacks more).
    """

    key: str
    done: Step
    status: Status
    reason: str | None
    next_step: str | None
    gates: tuple[Gate, ...]
    moved_at: float
    stopped_at: float | None = None
    still_since: float | None = None
    offline: str | None = None
    configured: bool = True
    sheet: str | None = None
    growing: bool = False
    pending: str | None = None
    quiet: float = 0.0
    complete_since: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that waits for too long: what to tell, the command to type.

    ``silent`` marks a run that nothing was written to and that no flag ends; only such a one may
    be released although flags are missing. Without ``needs_person`` somebody decided it so.
    """

    message: str
    next_step: str
    needs_person: bool = True
    silent: bool = False


def probe_interval(limit: float) -> float:
    """Seconds between two full looks at a run that waits for its flags."""
    return max(limit / _LOOKS, min(_SOONEST, limit / 4))


def due(told_at: float | None, now: float, period: float) -> bool:
    """Whether something that lasts is told (again) now; a clock that was set back tells again."""
    return told_at is None or not 0 <= now - told_at < period


def waits_since(standing: Standing) -> float:
    """Since when nothing has happened to a run."""
    moments = [standing.moved_at]
    if standing.status in (Status.BLOCKED, Status.HELD):
        moments.append(standing.stopped_at or 0.0)
    elif standing.done is Step.SIGHTED or standing.pending is not None:
        moments.append(standing.still_since or 0.0)
    return max(moments)


def stale(standing: Standing, now: float, limit: float) -> Finding | None:
    """What to tell of a run that has not moved for ``limit`` seconds, None when all is well.

    A run that is still being written moves, though its row in the ledger does not.
    """
    if _rests(standing):
        return None
    restless = _restless(standing, now, limit)
    if restless is not None:
        return restless
    age = now - waits_since(standing)
    if age < limit or (_only_quiet(standing) and age < limit + standing.quiet):
        return None
    return _finding(standing, format_duration(age))


def _rests(standing: Standing) -> bool:
    """It is being worked on, or there is nothing that it should do."""
    if standing.status is Status.RUNNING:
        return True
    if standing.status is Status.BLOCKED or standing.pending is not None:
        return False
    if standing.growing and any(not gate.passed for gate in standing.gates):
        return False  # new files of a published data set are kept back
    if standing.status is Status.FINISHED or standing.done in (Step.PUBLISH, Step.PRUNE):
        return True
    # A project folder that nobody has put anything into yet.
    nothing = standing.growing and standing.done is Step.SIGHTED
    return nothing and all(gate.passed for gate in standing.gates)


def _restless(standing: Standing, now: float, limit: float) -> Finding | None:
    """It has all its flags and never comes to rest: what moves it is not the instrument."""
    since = standing.complete_since
    if since is None or standing.status is not Status.WAITING or standing.offline is not None:
        return None
    age = now - since
    if age < limit + standing.quiet:
        return None
    key = quote(escape(standing.key))
    return Finding(
        f"lacks nothing but rest for {format_duration(age)}: {standing.reason or 'it changes'}",
        "find out what writes or touches there (a backup, a virus scanner, a share whose inode "
        "numbers change: mount it with serverino), or exclude what changes and is no data: "
        f"datalake-syncd why {key}",
    )


def _only_quiet(standing: Standing) -> bool:
    """Waiting for the configured time alone."""
    failing = [gate.name for gate in standing.gates if not gate.passed]
    return standing.pending is not None or failing == ["quiet"]


def _finding(standing: Standing, age: str) -> Finding:
    key = quote(escape(standing.key))
    why = f"datalake-syncd why {key}"
    if standing.status is Status.HELD:
        message = f"has been held by a person for {age}: {standing.reason or 'no reason given'}"
        return Finding(message, f"datalake-syncd release {key}", needs_person=False)
    if not standing.configured:
        message = f"has not moved for {age}: its instrument is no longer in the configuration"
        return Finding(message, "put the instrument back to carry it", needs_person=False)
    if standing.status is Status.BLOCKED:
        message = f"has needed a person for {age}: {standing.reason or 'no reason known'}"
        return Finding(message, standing.next_step or why)
    if standing.offline is not None:
        message = f"has not moved for {age}: its source is offline ({standing.offline})"
        return Finding(message, "check the mount and that the instrument's computer is on")
    if standing.pending is not None:
        message = f"keeps something back, and nothing of it was written for {age}: "
        return Finding(message + standing.pending, f"mend or exclude what is named; {why}")
    if standing.sheet is not None:
        message = f"is carried, and has waited for {age}: {standing.reason or 'for its sheet'}"
        return Finding(message, f"put the sheet there: {standing.sheet}; it goes on by itself then")
    if standing.done is Step.SIGHTED:
        return _unfinished(standing, age, key)
    text = standing.reason or "it is ready, and nobody took it up"
    return Finding(f"has not moved for {age} ({standing.status} after '{standing.done}'): {text}",
                   standing.next_step or why)  # fmt: skip


def _unfinished(standing: Standing, age: str, key: str) -> Finding:
    if standing.still_since is None:
        text = standing.reason or "no reason known"
        return Finding(f"has not moved for {age}: {text}", f"datalake-syncd why {key}")
    there, missing = flags(standing.gates)
    others = [
        f"{gate.name}: {gate.found}"
        for gate in standing.gates
        if not gate.passed and not gate.name.startswith(_FLAG)
    ]
    more = f"; {'; '.join(others)}" if others else ""
    look = f"look at the run on the instrument: datalake-syncd why {key}"
    carry = f"{look}; to carry it as it is: datalake-syncd release {key}"
    if missing and not there:
        message = (
            f"nothing was written for {age} and no flag says that it ended: the instrument's "
            f"software may have crashed; missing: {', '.join(missing)}{more}"
        )
        return Finding(message, carry, silent=True)
    if missing:
        message = (
            f"nothing was written for {age}, and only some of its flags came: there: "
            f"{', '.join(there)}; missing: {', '.join(missing)}{more}"
        )
        return Finding(message, carry, silent=True)
    if others:
        return Finding(f"nothing was written for {age}, and it is not complete{more}", carry,
                       silent=True)  # fmt: skip
    return Finding(f"nothing was written for {age}: {standing.reason or 'no reason known'}", look)


_FLAG = "flag "


def flags(gates: Collection[Gate]) -> tuple[list[str], list[str]]:
    """The completion flags that are there, and those that are missing."""
    named = [(gate.name.removeprefix(_FLAG), gate.passed) for gate in gates
             if gate.name.startswith(_FLAG)]  # fmt: skip
    return [name for name, passed in named if passed], [
        name for name, passed in named if not passed
    ]


@dataclass(frozen=True, slots=True)
class Silence:
    """What is known of an instrument that may be silent.

    ``since`` is the time of its first scan, or of the marker that was written last (of the run
    ``last``). ``waiting`` counts its runs on the way, ``blocked`` those that need a person.
    """

    instrument: str
    since: float
    last: str | None = None
    offline: str | None = None
    waiting: int = 0
    blocked: int = 0


def silent(silence: Silence, now: float, limit: float) -> Finding | None:
    """What to tell of an instrument that published nothing for ``limit`` seconds."""
    age = now - silence.since
    if age < limit:
        return None
    told = [f"published no run for {format_duration(age)}"]
    if silence.last is None:
        told[0] += f", since it was first looked at on {iso(silence.since)}"
    else:
        told[0] += f"; the last one was {escape(silence.last)} on {iso(silence.since)}"
    if silence.offline is not None:
        told.append(f"its source is offline ({silence.offline})")
    told.append(f"{silence.waiting} runs are on the way, {silence.blocked} of them need a person")
    step = "see what it waits for: datalake-syncd status"
    if silence.offline is not None:
        step = "check the mount and that the instrument's computer is on"
    elif not silence.waiting:
        step = "ask whether the instrument is in use, and whether it still writes to its source"
    return Finding("; ".join(told), step)


def new_sheets(
    known: Mapping[str, float], lonely: Mapping[str, float], now: float, *, first: bool
) -> dict[str, float]:
    """When each sheet that belongs to no run was first seen; ``lonely`` gives their mtimes.

    At the first look at a folder old sheets are history: they count as seen for ever (time 0).
    """
    return {
        name: known.get(name, 0.0 if first and now - mtime > HISTORY else now)
        for name, mtime in lonely.items()
    }


def lonely_sheets(since: Mapping[str, float], now: float, limit: float) -> list[str]:
    """The sheets that have waited for their run for ``limit`` seconds; history is left out."""
    return sorted(name for name, at in since.items() if at and now - at >= limit)


def tell_sheets(names: Collection[str], limit: float) -> str:
    """One sentence about sheets without a run."""
    shown = [escape(name) for name in sorted(names)[:_NAMED]]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    count = "1 sample sheet belongs" if len(names) == 1 else f"{len(names)} sample sheets belong"
    return f"{count} to no known run for over {format_duration(limit)}: {', '.join(shown)}{more}"
