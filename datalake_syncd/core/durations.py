"""Durations, times and sizes: read from text, written for people. Seconds, UTC, bytes."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UNITS = {"s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([smhd])")
_LONGEST = 36_500 * DAY  # a century: more is a typing error, and would overflow dates

ACCEPTED = 'a number and a unit: "90s", "15m", "1.5h", "14d"'
"""What `parse_duration` takes, in words for an error."""


def parse_duration(text: str) -> float:
    """Seconds of ``"90s"``, ``"15m"``, ``"1h"``, ``"1.5h"``, ``"14d"``; else ValueError.

    A number without a unit is refused: 60 seconds and 60 minutes are both plausible.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a duration: {ACCEPTED}")
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > _LONGEST:
        raise ValueError("longer than a hundred years")
    return seconds


def duration_text(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back as these seconds, e.g. ``1h``."""
    if seconds:
        for unit in ("d", "h", "m"):
            if seconds % _UNITS[unit] == 0:
                return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{_plain(seconds)}s"


def format_duration(seconds: float) -> str:
    """Seconds for people, at most two units: ``2 h 5 min``, ``14 d``, ``0.4 s``."""
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    # The second unit is cut, not rounded: 1 d 23 h 59 min is not yet two days.
    for size, name, smaller_size, smaller in (
        (int(DAY), "d", int(HOUR), "h"),
        (int(HOUR), "h", int(MINUTE), "min"),
        (int(MINUTE), "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {name}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


def iso(unix: float) -> str:
    """Unix seconds as ISO 8601 in UTC, cut to the second: ``2026-11-22T14:05:09+00:00``."""
    return datetime.fromtimestamp(math.floor(unix), UTC).isoformat()


def parse_iso(text: str) -> float:
    """Unix seconds of an ISO 8601 time; one without a zone is read as UTC. Else ValueError."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def format_bytes(count: float) -> str:
    """A size or, per second, a rate for people: ``512 B``, ``38.4 GiB``."""
    if abs(count) < 1024:
        return f"{round(count)} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024
        # Compared as it will be shown: 1023.96 KiB must not come out as "1024.0 KiB".
        if abs(round(count, 1)) < 1024:
            return f"{count:.1f} {unit}"
    return f"{count / 1024:.1f} PiB"


def _plain(seconds: float) -> str:
    return str(int(seconds)) if seconds == int(seconds) else format(seconds, ".9g")
