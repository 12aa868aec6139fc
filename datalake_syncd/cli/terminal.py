"""What commands print: one JSON document, or text for people; names are shown, never obeyed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

#: Columns where nobody looks at a terminal: mails of cron, files, pipes.
_WIDTH_ELSEWHERE = 120


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


@contextmanager
def activity(text: str) -> Iterator[Callable[[str], None]]:
    """A line on stderr that shows that something goes on; gives a function that changes it.

    Only on a terminal: a log or a mail has no use for it.
    """
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.text import Text

    with console(stderr=True).status(Text(text)) as line:
        yield lambda told: line.update(Text(told))


class ByteProgress:
    """A bar of bytes on stderr, only on a terminal; safe to call from several threads."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ByteProgress:
        if sys.stderr.isatty():
            from rich import progress

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(),
                progress.TaskProgressColumn(),
                progress.DownloadColumn(binary_units=True),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                console=console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(self._title, total=None)
            self._bar.start()
        return self

    def total(self, count: int) -> None:
        """So many bytes are to come."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=count)

    def advance(self, count: int) -> None:
        """So many more bytes came; a negative count takes back what must come again."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, count)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
