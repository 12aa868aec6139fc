"""The plots of the page: what was carried, how the lake grew, how long runs took, what is free."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from datalake_syncd.core.durations import DAY, format_bytes, format_duration
from datalake_syncd.core.names import escape
from datalake_syncd.core.plotting import (
    BYTES,
    DURATION,
    RATE,
    SHARE,
    Figure,
    Point,
    bars,
    curves,
)
from datalake_syncd.core.wording import counted
from datalake_syncd.steps.page.looks import CARRIED, FREE, LAKE_BYTES, SIZE, Look, Looks
from datalake_syncd.steps.page.sampling import EVERY

_SHOWN_PLACES = 5
_FREE_SPAN = 30 * DAY
_GROWTH_SPAN = 400 * DAY


def figures(looks: Looks, look: Look) -> tuple[Figure, ...]:
    """All four, in the order of the page."""
    return (_throughput(looks, look), _growth(looks, look), _delays(look), _free(looks, look))


def _throughput(looks: Looks, look: Look) -> Figure:
    now = look.report.now
    counted_up = looks.samples(CARRIED, now - DAY - EVERY).get("", [])
    rates = rates_of(counted_up, now - DAY)
    carried = counted_up[-1][1] - counted_up[0][1] if counted_up else 0.0
    highest = max((rate for _, rate in rates), default=0.0)
    return curves(
        "throughput",
        "Throughput, last 24 h",
        f"{format_bytes(carried)} carried; at most {format_bytes(highest)}/s over "
        f"{format_duration(EVERY)}",
        [("throughput", rates)],
        since=now - DAY,
        until=now,
        scale=RATE,
    )


def rates_of(counted_up: Sequence[Point], since: float) -> list[Point]:
    """Bytes per second between samples of a sum; while nobody sampled nothing was carried."""
    rates: list[Point] = []
    for (before, old), (at, new) in pairwise(counted_up):
        if at <= since or at <= before:
            continue
        rate = max(new - old, 0.0) / (at - before) if at - before <= 4 * EVERY else 0.0
        # A step, not a slope: the rate held for the whole time between the two.
        rates += [(max(before, since), rate), (at, rate)]
    return rates


def _growth(looks: Looks, look: Look) -> Figure:
    now = look.report.now
    sampled = looks.samples(LAKE_BYTES, now - _GROWTH_SPAN).get("", [])
    first = sampled[0][0] if sampled else now
    published = sorted(
        (run.published_at, run.bytes) for run in look.report.runs if run.published_at is not None
    )
    # Before the first sample: what is published now, by the time at which it was.
    total, points = 0.0, list[Point]()
    for at, size in published:
        if now - _GROWTH_SPAN <= at < first:
            points += [(at, total), (at, total + size)]
        total += size
    points += [*sampled, (now, total)]
    return curves(
        "growth",
        "Published data in the lake",
        f"{format_bytes(total)} in {counted(len(published), 'run')} now",
        [("published", points)] if published else [],
        since=points[0][0],
        until=max(now, points[0][0] + 60),
        scale=BYTES,
    )


def _delays(look: Look) -> Figure:
    values = [
        (f"{escape(run)}: {format_duration(round(seconds))}", seconds)
        for run, _, seconds in look.lately
    ]
    told = "from a run's end, or its first sight if that was later, to its marker"
    if values:
        middle = sorted(seconds for _, seconds in values)[(len(values) - 1) // 2]
        told = (
            f"last {counted(len(values), 'run')}, newest on the right; half of them took "
            f"{format_duration(round(middle))} or less"
        )
    return bars("delay", "From the end of a run to proven", told, values, DURATION)


def _free(looks: Looks, look: Look) -> Figure:
    now = look.report.now
    free, size = looks.samples(FREE, now - _FREE_SPAN), looks.samples(SIZE, now - _FREE_SPAN)
    shares: dict[str, list[Point]] = {}
    for place, points in free.items():
        sizes = dict(size.get(place, []))
        shares[place] = [(at, value / sizes[at]) for at, value in points if sizes.get(at)]
    known = {place: points for place, points in shares.items() if points}
    fullest = sorted(known, key=lambda place: known[place][-1][1])[:_SHOWN_PLACES]
    told = ", ".join(f"{_place(one)} {known[one][-1][1]:.0%}" for one in fullest)
    left = f" (the {_SHOWN_PLACES} fullest of {len(known)})" if len(known) > _SHOWN_PLACES else ""
    return curves(
        "free",
        "Free space",
        f"now {told}{left}" if told else "sampled every five minutes",
        [(_place(one), known[one]) for one in fullest],
        since=min((known[one][0][0] for one in fullest), default=now - DAY),
        until=now,
        scale=SHARE,
        top=1.0,
    )


def _place(key: str) -> str:
    kind, _, instrument = key.partition("/")
    return escape(instrument) if instrument else {"state": "state directory"}.get(kind, kind)
