"""What commands print: one JSON document, or text for people; names are shown, never obeyed."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from datalake_syncd.core.durations import format_duration, iso
from datalake_syncd.core.names import escape, escape_once

if TYPE_CHECKING:
    from rich.console import Console

#: Columns where nobody looks at a terminal: mails of cron, files, pipes.
_WIDTH_ELSEWHERE = 120
_COMMAND_WITHOUT_RUN = re.compile(
    r"(datalake-syncd (?:retry|release|undo|why))(?: RUN\b|(?=[\s.,;)]*$))"
)


class PipeClosed(Exception):
    """Whoever read our output went away."""


def emit(document: dict[str, Any]) -> None:
    """The one JSON document of ``--json``; plain ASCII, so that no name can do harm."""
    _write(json.dumps(document, indent=2) + "\n")


def say(*lines: str) -> None:
    """Lines of text on stdout, as they are; names in them must be escaped already."""
    _write("".join(f"{line}\n" for line in lines))


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise PipeClosed from error


def console(*, stderr: bool = False) -> Console:
    """A rich console that takes no markup from what it prints and honours NO_COLOR."""
    from rich.console import Console

    class PlainConsole(Console):
        def on_broken_pipe(self) -> NoReturn:
            raise PipeClosed

    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_ELSEWHERE
    return PlainConsole(stderr=stderr, markup=False, highlight=False, emoji=False, width=wide)


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
    from datetime import datetime

    if then is None:
        return "never"
    return datetime.fromtimestamp(int(then)).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


def iso_or_none(then: float | None) -> str | None:
    """A time for programs."""
    return None if then is None else iso(then)


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
