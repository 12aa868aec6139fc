"""What a person sees meanwhile: a live status on a terminal, one line per change elsewhere."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.cli.status_view import view
from datalake_syncd.cli.terminal import console
from datalake_syncd.core.names import escape_once
from datalake_syncd.steps.overview.report import Report

#: Columns for the name of who did something.
_WHO = 10
#: On a narrower terminal the status leaves out where the sources are: long paths in a folder
#: that is gone afterwards.
_ROOMY = 100


class Screen:
    """Tells the story line by line; on a terminal the service's own status stands below it."""

    def __init__(self) -> None:
        self.console = console()
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._told: dict[int, int] = {}

    def heading(self, text: str) -> None:
        """A line that begins something new."""
        self.console.print()
        self.console.print(Text(text, style="bold"), soft_wrap=True)

    def plain(self, text: str = "", style: str = "") -> None:
        """A line as it is, indented; the terminal wraps it if it is too narrow."""
        self.console.print(Text(f"  {text}" if text else "", style=style), soft_wrap=True)

    def sentences(self, text: str) -> None:
        """Some sentences, wrapped at words."""
        for line in textwrap.wrap(text, min(self.console.width, 100) - 2):
            self.plain(line)

    def say(self, who: str, what: str) -> None:
        """Somebody did something; safe to call from any thread."""
        seconds = time.monotonic() - self._began
        head = Text.assemble((f"  {seconds:4.1f} s  ", "dim"), (f"{who:<{_WHO}}  ", "cyan"))
        with self._lock:
            self.console.print(head.append_text(self._hanging(head.cell_len, what)), soft_wrap=True)

    def verdict(self, sentence: str, *, true: bool) -> None:
        """Whether a sentence turned out to be true."""
        mark, style = ("yes", "green") if true else ("NO ", "bold red")
        head = Text(f"  {mark}  ", style=style)
        told = self._hanging(head.cell_len, sentence)
        self.console.print(head.append_text(told), soft_wrap=True)

    def _hanging(self, indent: int, text: str) -> Text:
        """On a terminal as many lines as it needs, below each other; elsewhere one, for grep."""
        width = self.console.width - indent
        if not self.console.is_terminal or width < indent:
            return Text(text)
        return Text(f"\n{'':{indent}}".join(textwrap.wrap(text, width, break_on_hyphens=False)))

    @contextmanager
    def live(self) -> Iterator[None]:
        """While this lasts, ``show`` keeps a status on the terminal."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            self._live = live
            try:
                yield
            finally:
                self._live = None

    def page(self, report: Report) -> None:
        """The status as it is now, to stay."""
        self.heading("datalake-syncd status")
        self.console.print(self._status(report))

    def _status(self, report: Report) -> Padding:
        width = self.console.width - 4
        if width < _ROOMY:
            width = min(width, 69)
        return Padding(view(report, width=width), (0, 0, 0, 2), expand=False)

    def show(self, report: Report, ledger: Ledger) -> None:
        """Tell what is new in the history of the runs, and renew the status."""
        for run in report.runs:
            events = ledger.runs.history(run.id, 1000)
            for event in events[self._told.get(run.id, 0) :]:
                self.say(run.instrument, f"{event.event}: {escape_once(event.message)}")
            self._told[run.id] = len(events)
        if self._live is not None:
            with self._lock:
                self._live.update(Group("", self._status(report)), refresh=True)
