"""What the page says, in words and figures; the template only places it.

Nothing here is HTML. Texts that came from instruments are escaped as everywhere (no controls,
no newlines); the template escapes them again for HTML.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from datalake_syncd import __version__
from datalake_syncd.adapters.ledger import InstrumentRow, Run
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.plotting import Figure
from datalake_syncd.core.wording import ago, command, counted, moment
from datalake_syncd.steps.overview.problems import Problem
from datalake_syncd.steps.overview.report import Report
from datalake_syncd.steps.overview.sentence import DOING, sentence
from datalake_syncd.steps.overview.words import figures, percent, resting, waits
from datalake_syncd.steps.page.looks import Look

#: So many entries of one kind are shown; for all there is ``status --all``.
MOST = 60
#: The page asks for itself again so often (seconds).
REFRESH = 30

#: Plain words, and what ``shlex.quote`` makes of others; a full stop ends the sentence.
_COMMAND = re.compile(r"""(datalake-syncd(?: [\w.,/:@%+=-]*\w| '[^']*'(?:"'"'[^']*')*)+)""")


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of a sentence; ``typed`` marks what a person types as it stands."""

    text: str
    typed: bool


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that needs a person."""

    title: str
    since: str
    message: tuple[str, ...]
    steps: tuple[Words, ...]
    more: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """One instrument; ``mood`` is good, bad or quiet."""

    name: str
    state: str
    mood: str
    last_look: str
    runs: int
    free: str
    kind: str
    folder: str


@dataclass(frozen=True, slots=True)
class Going:
    """One run on the way; ``percent`` only while it is carried."""

    run: str
    doing: str
    percent: int | None
    figures: str
    mood: str
    typed: str | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """One run whose marker is in the lake."""

    run: str
    when: str
    exactly: str
    size: str
    proof: str
    state: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page; ``more`` says what was left out, by section."""

    host: str
    version: str
    at: str
    refresh: int
    sentence: str
    mood: str
    needs: tuple[Need, ...]
    instruments: tuple[Source, ...]
    moving: tuple[Going, ...]
    held: tuple[Going, ...]
    published: tuple[Published, ...]
    more: dict[str, str]
    figures: tuple[Figure, ...]


def page(look: Look, figures: tuple[Figure, ...], *, refresh: bool) -> Page:
    """One look as a page."""
    report = look.report
    moving, held = report.on_the_way, report.held
    finished = report.finished(everything=False)
    older = len(report.finished(everything=True)) - len(finished)
    return Page(
        host=escape(socket.gethostname()),
        version=__version__,
        at=moment(report.now),
        refresh=REFRESH if refresh else 0,
        sentence=sentence(report),
        mood="bad" if report.needs_attention else "good",
        needs=tuple(_need(report, one) for one in look.problems[:MOST]),
        instruments=tuple(_sources(look)),
        moving=tuple(_going(report, run) for run in moving[:MOST]),
        held=tuple(_held(run) for run in held[:MOST]),
        published=tuple(
            _published(report, run)
            for run in sorted(finished, key=lambda run: -(run.published_at or 0.0))
        ),
        more={
            "needs": _left_out(len(look.problems) - MOST, "datalake-syncd status"),
            "moving": _left_out(len(moving) - MOST, "datalake-syncd status"),
            "held": _left_out(len(held) - MOST, "datalake-syncd status"),
            "published": _left_out(older, "datalake-syncd status --all"),
        },
        figures=figures,
    )


def words(text: str) -> tuple[Words, ...]:
    """A next step with its commands marked, so that they can be copied."""
    parts = _COMMAND.split(escape_once(text))
    return tuple(Words(part, number % 2 == 1) for number, part in enumerate(parts) if part)


def _left_out(count: int, where: str) -> str:
    return f"and {count:,} more: {where}" if count > 0 else ""


def _need(report: Report, one: Problem) -> Need:
    title = escape_once(one.title)
    lines = tuple(escape_once(line) for line in one.message.splitlines())
    return Need(
        title=title,
        since="" if one.since is None else _for(one.since, report.now),
        message=() if lines == (title,) else lines,
        steps=words(one.next_step),
        more=None if one.run is None else command("why", one.run.key),
    )


def _for(since: float, now: float) -> str:
    """``for 3 h 5 min``."""
    return f"for {format_duration(round(max(now - since, 0)))}"


def _sources(look: Look) -> Iterator[Source]:
    report = look.report
    counts: dict[str, int] = {}
    for run in report.runs:
        counts[run.instrument] = counts.get(run.instrument, 0) + 1
    for row in report.instruments:
        if row.configured or counts.get(row.name):
            state, mood = _state(report, row)
            yield Source(
                name=escape(row.name),
                state=state,
                mood=mood,
                last_look=ago(row.last_scan, report.now),
                runs=counts.get(row.name, 0),
                free=_free(look, f"source/{row.name}"),
                kind=escape(row.kind),
                folder=escape(row.source),
            )


def _free(look: Look, place: str) -> str:
    free, size = look.space.get(place, (0.0, 0.0))
    return f"{format_bytes(free)} ({free / size:.0%})" if size else "not known"


def _state(report: Report, row: InstrumentRow) -> tuple[str, str]:
    if not row.configured:
        return "not configured", "quiet"
    if row.online is None:
        return "not seen yet", "quiet"
    if not row.online:
        since = "" if row.offline_since is None else f" {_for(row.offline_since, report.now)}"
        return f"OFFLINE{since}", "bad"
    if row.name in report.silent:
        return "online, silent for long", "bad"
    return "online", "good"


def _going(report: Report, run: Run) -> Going:
    progress = report.progress.get(run.id)
    if run.status is Status.RUNNING:
        size = f"{DOING[run.done]}, {counted(run.files, 'file')}, {format_bytes(run.bytes)}"
        if progress is not None and run.done in (Step.SETTLE, Step.TRANSFER):
            done = percent(progress)
            return Going(escape(run.key), size, done, figures(progress, report.now), "good")
        return Going(escape(run.key), size, None, "", "good")
    return Going(
        escape(run.key),
        waits(run, report.now),
        None,
        "",
        "bad" if run.id in report.stale else "quiet",
    )


def _held(run: Run) -> Going:
    told = f"{escape_once(run.hold_reason or '')} (after step '{run.done}')"
    return Going(escape(run.key), told, None, "", "quiet", command("release", run.key))


def _published(report: Report, run: Run) -> Published:
    return Published(
        run=escape(run.key),
        when=ago(run.published_at, report.now),
        exactly=moment(run.published_at),
        size=format_bytes(run.bytes),
        proof=run.proof.value,
        state=resting(run, report.now),
    )
