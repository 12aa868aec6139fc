"""Words that commands, mails and the page share: times, counts, commands to type."""

from __future__ import annotations

import re
import shlex
from datetime import datetime

from datalake_syncd.core.durations import format_duration, iso
from datalake_syncd.core.names import escape, escape_once

_COMMAND_WITHOUT_RUN = re.compile(
    r"(datalake-syncd (?:retry|release|undo|why))(?: RUN\b|(?=[\s.,;)]*$))"
)


def command(words: str, run: str) -> str:
    """A command line for a run that can be typed as it is shown."""
    return f"datalake-syncd {words} {shlex.quote(escape(run))}"


def with_run(next_step: str, run: str) -> str:
    """A next step in which commands name this run, so that they can be copied."""
    return _COMMAND_WITHOUT_RUN.sub(
        lambda found: command(found[1].removeprefix("datalake-syncd "), run),
        escape_once(next_step),
    )


def ago(then: float | None, now: float) -> str:
    """``3 h 5 min ago``; what lies a little ahead (two clocks) is now."""
    if then is None:
        return "never"
    return "now" if now - then < 1 else f"{format_duration(round(now - then))} ago"


def moment(then: float | None) -> str:
    """A time for people: local time and zone, to the second."""
    if then is None:
        return "never"
    return datetime.fromtimestamp(int(then)).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def iso_or_none(then: float | None) -> str | None:
    """A time for programs."""
    return None if then is None else iso(then)


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
