"""When people are told of what stands, reminded of it, and told that it is over. Pure.

An incident is a problem as people were told of it. Rules: what mends itself soon mails nobody;
what stands is told once, then once per reminder; what is gone is told once in the same thread;
many at a time are one mail. Times are in seconds since the epoch, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from datalake_syncd.core.durations import HOUR, MINUTE

#: A problem has to stand for so long before anybody hears of it; also how long it has to be
#: gone before anybody hears of that.
SETTLE = MINUTE
#: The same for kinds (the first part of the key) that come and go by themselves: shares are
#: unmounted for a while when servers start anew, and are looked at once a minute.
SETTLES = {"source": 10 * MINUTE, "scan": 5 * MINUTE}
#: A run that is blocked again for the same reason is told again after so long at the earliest.
SAME_WORDS = HOUR
#: More than this at a time are one mail.
FOLD_ABOVE = 3
#: After so many mails within an hour the next ones are gathered for `GATHER`.
CROWD = 6
GATHER = 15 * MINUTE
#: So many unsent mails wait at most; what comes then waits outside, and is one mail later.
OUTBOX_FULL = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A problem as a look found it; ``step`` is the last finished step of its run."""

    key: str
    run_id: int | None
    title: str
    message: str
    next_step: str
    since: float | None
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """What stands, or stood until a moment ago (``gone_at``).

    ``mailed_at`` is None until people were told of it as it stands now; ``thread`` (the
    Message-ID of the first mail) and ``subject`` stay when it is told again.
    """

    id: int
    key: str
    run_id: int | None
    title: str
    message: str
    next_step: str
    step: str | None
    since: float
    mailed_at: float | None = None
    thread: str | None = None
    subject: str | None = None
    gone_at: float | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a look changes: new ones, those with other values, those that nobody was told of."""

    new: tuple[Found, ...] = ()
    changed: tuple[Incident, ...] = ()
    forgotten: tuple[Incident, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What people are told now; ``over`` by thread, each with all that stood in it."""

    new: tuple[Incident, ...] = ()
    remind: tuple[Incident, ...] = ()
    over: tuple[tuple[Incident, ...], ...] = ()


def compare(
    found: Sequence[Found], standing: Sequence[Incident], on_trial: Collection[str], now: float
) -> Changes:
    """Hold a look against what stands. ``on_trial``: keys of which nothing is known yet.

    A run that is tried again is neither troubled nor mended until it got further.
    """
    there = {one.key: one for one in found}
    changed, forgotten = [], []
    for incident in standing:
        seen = there.pop(incident.key, None)
        after = _gone(incident, on_trial, now) if seen is None else _seen(incident, seen, now)
        if seen is None and _was_never_told(after, now):
            forgotten.append(incident)
        elif after != incident:
            changed.append(after)
    return Changes(tuple(there.values()), tuple(changed), tuple(forgotten))


def _gone(incident: Incident, on_trial: Collection[str], now: float) -> Incident:
    if incident.gone_at is not None or incident.key in on_trial:
        return incident
    return replace(incident, gone_at=now)


def _was_never_told(incident: Incident, now: float) -> bool:
    gone = incident.gone_at
    return incident.thread is None and gone is not None and _passed(gone, now) >= SETTLE


def _seen(incident: Incident, seen: Found, now: float) -> Incident:
    after = replace(
        incident,
        title=seen.title,
        message=seen.message,
        next_step=seen.next_step,
        step=seen.step,
        gone_at=None,
    )
    began = now if seen.since is None else min(seen.since, now)
    again = incident.key.startswith("run/") and began > incident.since
    lately = incident.mailed_at is not None and now - incident.mailed_at < SAME_WORDS
    if again and not (lately and seen.message == incident.message):
        # Mended or tried again, and blocked again: whoever did that waits to hear.
        after = replace(after, since=began, mailed_at=None)
    return after


def plan(
    standing: Sequence[Incident],
    now: float,
    *,
    remind_after: float,
    at_once: bool,
    queued: Sequence[float],
    unsent: int,
) -> Plan:
    """What to tell now. ``queued`` are the times of earlier mails, ``unsent`` how many wait.

    ``at_once``: nobody looks again soon (a pass for cron), so that nothing is waited for but
    what has a time of its own.
    """
    if unsent >= OUTBOX_FULL or crowded(queued, now):
        return Plan()
    new = tuple(
        one
        for one in standing
        if one.mailed_at is None
        and one.gone_at is None
        and _passed(one.since, now) >= _settle(one.key, at_once=at_once)
    )
    told = [one for one in standing if one.mailed_at is not None and one.gone_at is None]
    ages = [(one, _passed(one.mailed_at or 0.0, now)) for one in told]
    due = any(age >= remind_after for _, age in ages)
    remind = [one for one, age in ages if age >= remind_after / 2]
    # A reminder behind mails that nobody got yet would only say the same again.
    return Plan(new, tuple(remind) if due and not unsent else (), _over(standing, now, at_once))


def crowded(queued: Sequence[float], now: float) -> bool:
    """True while further news are gathered, because many mails were written lately."""
    lately = [at for at in queued if 0 <= now - at < HOUR]
    return len(lately) >= CROWD and now - max(lately) < GATHER


def _over(
    standing: Sequence[Incident], now: float, at_once: bool
) -> tuple[tuple[Incident, ...], ...]:
    threads: dict[str, list[Incident]] = {}
    for one in standing:
        if one.thread is not None:
            threads.setdefault(one.thread, []).append(one)
    return tuple(
        tuple(those)
        for those in threads.values()
        if all(
            one.gone_at is not None
            and _passed(one.gone_at, now) >= (0.0 if at_once else _settle(one.key, at_once=at_once))
            for one in those
        )
    )


def _settle(key: str, *, at_once: bool) -> float:
    kind = key.partition("/")[0]
    return SETTLES.get(kind, 0.0 if at_once else SETTLE)


def _passed(then: float, now: float) -> float:
    """Seconds since then; a clock that was put back must not make anybody wait for ever."""
    return abs(now - then)
