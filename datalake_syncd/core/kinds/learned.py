"""Flags that only some software writes: known of an instrument from the run on that had one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

# {date}_{serial number}_{anything}, as in 180612_NB501016_0001_AHXXXXXXXX
_RUN = re.compile(r"(\d{8}|\d{6})_([^_@]+)_.+", re.ASCII)


def learn(
    learned: frozenset[str], flags: Iterable[str], run_name: str, names: Collection[str]
) -> frozenset[str]:
    """What is known after a look at a run whose top folder holds ``names``.

    ``learned`` has words such as ``copycomplete.txt@NB501016@20180612``: this flag, written by the
    instrument with this serial number, in a run of this date, the earliest that had one.
    """
    when = _serial_and_date(run_name)
    if when is None:
        return learned
    here = {name.lower() for name in names}
    for flag in flags:
        known = list(_dates(learned, flag, when[0]))
        if flag.lower() in here and all(when[1] < date for date in known):
            about = f"{flag.lower()}@{when[0]}@"
            learned = frozenset({w for w in learned if not w.startswith(about)} | {about + when[1]})
    return learned


def is_asked(learned: frozenset[str], flag: str, run_name: str) -> bool:
    """Whether a run should have this flag: runs before the first one that had it need none.

    Software that writes one is installed on one instrument on one day. A flag alone, as older
    versions kept it, holds for every run until the instrument's own first date is known.
    """
    when = _serial_and_date(run_name)
    known = [] if when is None else list(_dates(learned, flag, when[0]))
    if when is None or not known:
        return flag.lower() in learned
    return min(known) <= when[1]


def _dates(learned: frozenset[str], flag: str, serial: str) -> Iterator[str]:
    about = f"{flag.lower()}@{serial}@"
    return (word.removeprefix(about) for word in learned if word.startswith(about))


def _serial_and_date(run_name: str) -> tuple[str, str] | None:
    """The serial number in upper case, and the date with all four digits of its year."""
    match = _RUN.fullmatch(run_name)
    if match is None:
        return None
    date = match[1] if len(match[1]) == 8 else f"20{match[1]}"
    return match[2].upper(), date
