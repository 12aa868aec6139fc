"""``status`` for a tired person: a sentence, then what needs them, then the rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.model import Status, Step
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.wording import ago, command, counted, with_run
from datalake_syncd.steps.overview.report import Report
from datalake_syncd.steps.overview.sentence import DOING, doing, sentence
from datalake_syncd.steps.overview.words import figures, percent, resting, waits

if TYPE_CHECKING:
    from rich.console import RenderableType

    from datalake_syncd.adapters.ledger import InstrumentRow, Progress, Run

_BAR = 24
#: Below so many columns a table loses what can be had elsewhere, or becomes a list.
_NARROW = 70
_WIDE = 110
_MOVES = frozenset(DOING[step] for step in Step if step is not Step.SIGHTED)


def view(report: Report, *, width: int, everything: bool = False) -> Group:
    """The whole page, for so many columns."""
    return Group(*_parts(report, width, everything=everything))


def _parts(report: Report, width: int, *, everything: bool) -> Iterator[RenderableType]:
    yield Text(sentence(report), style="bold red" if report.needs_attention else "bold")
    yield from _service(report)
    if report.instruments:
        yield ""
        yield _instruments(report, width)
        for one in report.offline:
            yield _indented(f"{escape(one.name)}: {escape_once(one.offline_reason or '')}", "red")
        for name, (told, step) in report.silent.items():
            yield _indented(f"{escape(name)}: {escape_once(told)}; {escape_once(step)}", "yellow")
    for title, runs, block in (
        ("NEEDS YOU", report.blocked, _blocked),
        ("ON THE WAY", report.on_the_way, _moving),
        ("PUBLISHED, AND KEEPS SOMETHING BACK", report.kept_back, _stale),
        ("HELD", report.held, _held),
    ):
        if runs:
            yield ""
            yield Text(title, style="bold")
        for run in runs:
            yield Text(escape(run.key), style="red" if title == "NEEDS YOU" else "cyan")
            yield from block(report, run)
    finished = report.finished(everything=everything)
    if finished:
        yield ""
        yield Text("PUBLISHED" if everything else "PUBLISHED LATELY", style="bold")
        yield from _finished(report, finished, width)
    rest = len(report.finished(everything=True)) - len(finished)
    if rest:
        yield Text(f"and {counted(rest, 'older run')}: status --all", style="dim")
    yield from _scrub(report)


def _service(report: Report) -> Iterator[RenderableType]:
    if report.daemon.running is False:
        told = "The daemon is not running: nothing is watched or carried right now"
        looks = [one.last_scan for one in report.instruments if one.last_scan]
        told += f" (last look {ago(max(looks), report.now)})." if looks else "."
        yield Text(told, style="yellow")
        yield _indented("start it: datalake-syncd run")
    elif report.daemon.running is None:
        yield Text("Whether the daemon is running can't be seen from here.", style="yellow")
    if report.uploads_paused:
        yield Text(f"All uploads are paused: {escape_once(report.uploads_paused)}", style="red")
    for one in report.troubles:
        yield Text(escape_once(one.message), style="red")
        yield _indented(f"since {ago(one.since, report.now)}; do: {escape_once(one.next_step)}")
    if report.config_refused:
        yield Text("The changed configuration was refused, the old one is in force:", style="red")
        for line in report.config_refused.splitlines():
            yield _indented(escape_once(line))


def _scrub(report: Report) -> Iterator[RenderableType]:
    last = report.scrub
    if last is not None:
        told = f"Last scrub {ago(last.ended, report.now)}: {counted(last.files, 'file')} of "
        told += f"{counted(last.runs, 'run')} read back ({format_bytes(last.bytes)}), "
        told += f"{last.wrong:,} not as published." if last.wrong else "all as published."
        yield ""
        yield Text(told, style="red" if last.wrong else "dim")


def _instruments(report: Report, width: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("instrument", "source is", "last look", "runs", "kind", "source"):
        if width >= _NARROW or title not in ("kind", "source"):
            right = "right" if title == "runs" else "left"
            table.add_column(title, overflow="fold", justify=right)  # type: ignore[arg-type]
    counts: dict[str, int] = {}
    for run in report.runs:
        counts[run.instrument] = counts.get(run.instrument, 0) + 1
    for one in report.instruments:
        runs = counts.get(one.name, 0)
        if one.configured or runs:
            cells = (
                escape(one.name),
                _state(report, one),
                ago(one.last_scan, report.now),
                f"{runs:,}",
                one.kind,
                escape(one.source),
            )
            table.add_row(*cells[: len(table.columns)])
    return table


def _state(report: Report, one: InstrumentRow) -> Text:
    if not one.configured:
        return Text("not configured", style="dim")
    if one.online is None:
        return Text("not seen yet", style="dim")
    if one.online:
        return Text("online", style="green")
    since = "" if one.offline_since is None else f" {ago(one.offline_since, report.now)[:-4]}"
    return Text(f"OFFLINE{since}", style="bold red")


def _blocked(report: Report, run: Run) -> Iterator[RenderableType]:
    # A look moves nothing: since when its finding stands is in the history.
    at = f"stopped {ago(run.moved_at, report.now)}, " if doing(run) in _MOVES else ""
    yield _indented(f"{at}while {doing(run)}: {escape_once(run.reason or 'no reason known')}")
    if run.next_step:
        yield _indented(f"do:   {with_run(run.next_step, run.key)}", "bold")
    yield _indented(f"more: {command('why', run.key)}", "" if run.next_step else "bold")


def _held(_report: Report, run: Run) -> Iterator[RenderableType]:
    yield _indented(f"{escape_once(run.hold_reason or '')} (after step '{run.done}')")
    yield _indented(f"let it go on: {command('release', run.key)}")


def _moving(report: Report, run: Run) -> Iterator[RenderableType]:
    progress = report.progress.get(run.id)
    if run.status is Status.RUNNING:
        yield _indented(f"{DOING[run.done]}, {_size(run)}")
        if progress is not None and run.done in (Step.SETTLE, Step.TRANSFER):
            yield Padding(_bar(progress, report.now), (0, 0, 0, 2), expand=False)
        return
    yield _indented(waits(run, report.now))
    if run.id in report.stale:
        yield from _stale(report, run)


def _stale(report: Report, run: Run) -> Iterator[RenderableType]:
    told = report.stale[run.id]
    yield _indented(f"{ago(told.at, report.now)}: {escape_once(told.message)}", "yellow")
    step = str((told.data or {}).get("next_step") or "")
    yield _indented(f"do:   {with_run(step, run.key)}", "bold")


def _size(run: Run) -> str:
    return f"{counted(run.files, 'file')}, {format_bytes(run.bytes)}"


def _bar(progress: Progress, now: float) -> Table:
    share = min(progress.bytes_done / max(progress.bytes_total, 1), 1.0)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=_BAR)
    grid.add_column(overflow="fold")
    bar = ProgressBar(total=1.0, completed=share, width=_BAR, complete_style="green")
    grid.add_row(bar, Text(f"{percent(progress)} %, {figures(progress, now)}"))
    return grid


def _finished(report: Report, runs: list[Run], width: int) -> Iterator[RenderableType]:
    if width < _WIDE:
        for run in runs:
            yield Text(escape(run.key), style="cyan")
            when = f"published {ago(run.published_at, report.now)}"
            told = (
                f"{when}, {format_bytes(run.bytes)}, {run.proof.value}; {resting(run, report.now)}"
            )
            yield _indented(told)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("run", overflow="fold", style="cyan")
    table.add_column("published", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("proof", no_wrap=True)
    table.add_column("state", overflow="fold")
    for run in runs:
        table.add_row(
            escape(run.key),
            ago(run.published_at, report.now),
            format_bytes(run.bytes),
            run.proof.value,
            resting(run, report.now),
        )
    yield table


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2), expand=False)
