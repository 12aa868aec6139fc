"""``why`` for a person: where the run is, what stops it, then everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from datalake_syncd.cli.why_report import NAMED, Why, sheet_place
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.model import Gate, Outcome, Status, Step
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.sheets import Severity, sheet_name
from datalake_syncd.core.wording import ago, command, counted, moment, with_run
from datalake_syncd.steps.overview.document import known_facts
from datalake_syncd.steps.overview.report import delivered
from datalake_syncd.steps.overview.sentence import DOING, doing

if TYPE_CHECKING:
    from rich.console import RenderableType

    from datalake_syncd.adapters.ledger import Run, ScrubState


def view(why: Why) -> Group:
    """The whole page."""
    return Group(*_parts(why))


def _parts(why: Why) -> Iterator[RenderableType]:
    run = why.run
    yield Text(f"{escape(run.key)}: {_state(why)}", style="bold")
    yield from _reasons(why)
    yield Text(_figures(why), style="dim")
    for line in _facts(known_facts(run)):
        yield _indented(line, "dim")
    order = list(Step)
    if order.index(run.done) < order.index(Step.TRANSFER):
        first = ["upload", "publish", "prune"]
    else:
        first = ["prune", "publish", "upload"] if delivered(run) else ["publish", "upload", "prune"]
    gates = {"upload": why.upload, "publish": why.publish, "prune": why.prune}
    for title in first:
        yield ""
        yield Text(_gates_title(title, gates[title]), style="bold")
        yield _gates(gates[title])
        if title == "prune" and run.pruned_at is None:
            yield _indented("and right before it, the lake is listed and every file hashed again",
                            "dim")  # fmt: skip
    yield from _doubts(why)
    yield from _pending(why)
    yield from _sheet(why)
    yield from _rest(why)
    yield from _history(why)
    if run.trace:
        yield ""
        yield Text("TRACE", style="bold")
        for line in run.trace.splitlines():
            yield Text(escape_once(line))


def _is_learned(run: Run) -> bool:
    """Its row was made from a marker in the lake: nobody here pruned it."""
    return run.tree_digest is None and run.emptied_at is not None


def _state(why: Why) -> str:
    run = why.run
    match run.shown_status:
        case Status.HELD:
            return f"held by a person after step '{run.done}'"
        case Status.BLOCKED:
            return f"needs you; it stopped while {doing(run)}"
        case Status.RUNNING:
            return f"{DOING[run.done]} right now"
        case _ if _is_learned(run) and delivered(run):
            return "published; known from its marker alone, it was not on this disk"
        case _ if run.emptied_at is not None and delivered(run):
            return "published; the local disk is freed"
        case _ if run.pruned_at is not None and delivered(run):
            return "published; the local files are in the trash"
        case _ if delivered(run):
            return "published"
        case Status.FINISHED:
            return "no longer followed"
        case Status.READY:
            return f"ready; next it is {DOING[run.done]}"
        case _:
            return f"waiting; next it is {DOING[run.done]}"


def _reasons(why: Why) -> Iterator[RenderableType]:
    run = why.run
    if run.hold_reason is not None:
        yield _indented(escape_once(run.hold_reason))
        yield _indented(f"let it go on: {command('release', run.key)}")
    if run.reason:
        yield _indented(escape_once(run.reason), "red" if run.status is Status.BLOCKED else "")
    if run.next_step:
        yield _indented(f"do: {with_run(run.next_step, run.key)}", "bold")
    if run.attempts:
        yield _indented(f"{counted(run.attempts, 'failed try', 'failed tries')} so far")
    if why.next_look is not None:
        left = why.next_look - why.now
        when = f"in {format_duration(round(left))}" if left >= 1 else "any moment"
        stopped = "" if why.daemon.running is not False else ", once the daemon runs again"
        yield _indented(f"next look: {when}{stopped} ({moment(why.next_look)})")
    if why.trash_until is not None:
        yield _indented(f"in the trash until {moment(why.trash_until)}; until then it comes back "
                        f"with: {command('undo', run.key)}")  # fmt: skip


def _figures(why: Why) -> str:
    run = why.run
    parts = [f"  outcome {run.outcome.value}", f"generation {run.generation}"]
    if run.files:
        parts.append(f"{counted(run.files, 'file')}, {format_bytes(run.bytes)}")
    parts.append(f"first seen {moment(run.sighted_at)}")
    if run.published_at is not None:
        parts.append(f"published {moment(run.published_at)}")
    if run.pruned_at is not None and not _is_learned(run):
        parts.append(f"pruned {moment(run.pruned_at)}")
    if why.scrub is not None and why.scrub.files_read:
        parts.append(_scrubbed(why.scrub, run.files))
    return "; ".join(parts)


def _scrubbed(state: ScrubState, files: int) -> str:
    """When it was last read back from the lake, and with what result."""
    found = "NOT as published" if state.found is not None else "as published"
    last = "not to its end yet" if state.at is None else f"{moment(state.at)}: {found}"
    return f"scrubbed {last} ({state.files_read:,} of {counted(files, 'file')} so far)"


#: What a fact is called, in the order in which the facts are told.
_FACTS = {"instrument_id": "instrument", "run_number": "run", "flowcell": "flow cell",
          "date": "date", "experiment": "experiment", "software": "software"}  # fmt: skip


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    """What the instrument says of its run, in one line, and how it ended, in another."""
    about = [f"{word} {escape(str(facts[key]))}" for key, word in _FACTS.items() if key in facts]
    end = []
    if "reads" in facts:
        reads = (f"{cycles}{' (index)' if index else ''}" for _, cycles, index in facts["reads"])
        end.append(f"reads of {' + '.join(reads)} cycles")
    if "completed_cycles" in facts:
        planned = f" of {facts['planned_cycles']}" if "planned_cycles" in facts else ""
        end.append(f"{facts['completed_cycles']}{planned} cycles done")
    elif "planned_cycles" in facts:
        end.append(f"{facts['planned_cycles']} cycles planned")
    for key, word in (("status_text", "status"), ("error_text", "error")):
        if key in facts:
            end.append(f"{word}: {escape(str(facts[key]))}")
    if about:
        yield "; ".join(about)
    if end:
        yield "; ".join(end)


def _gates_title(title: str, gates: tuple[Gate, ...]) -> str:
    failing = sum(not gate.passed for gate in gates)
    return f"{title.upper()}: " + (f"{failing} of {len(gates)} not passed" if failing else "open")


def _gates(gates: tuple[Gate, ...]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_column(overflow="fold")
    for gate in gates:
        mark = Text("yes", style="green") if gate.passed else Text("NO", style="bold red")
        found = escape_once(gate.found)
        if not gate.passed:
            found += f"\nneeded: {escape_once(gate.needed)}"
            if gate.needs_person:
                found += " (a person decides)"
        grid.add_row(mark, escape_once(gate.name), found)
    return Padding(grid, (0, 0, 0, 2), expand=False)


def _pending(why: Why) -> Iterator[RenderableType]:
    """What of a growing data set does not go yet."""
    pending = why.run.observed.get("pending") or ()
    if not pending:
        return
    count = int(why.run.observed.get("pending_count", len(pending)))
    yield ""
    yield Text(f"NOT YET: {counted(count, 'file or unit', 'files or units')}", style="bold")
    for unit, reason in pending[:NAMED]:
        yield _indented(f"{escape_once(unit)}: {escape_once(reason)}")
    if count > NAMED:
        yield _indented(f"and {count - NAMED} more")


def _doubts(why: Why) -> Iterator[RenderableType]:
    empty = sum(one.kind == "empty-directory" for one in why.oddities)
    odd = [one for one in why.oddities if one.kind != "empty-directory"]
    if odd:
        yield ""
        yield Text("NOT CARRIED AS IT IS", style="bold")
    for one in sorted(odd, key=lambda one: not one.blocks)[:NAMED]:
        what = f"{escape_once(one.path)}: {one.kind}"
        told = f"{what}, {escape_once(one.detail)}" if one.detail else what
        yield _indented(f"{told}{' (stops the run)' if one.blocks else ''}")
    if len(odd) > NAMED:
        yield _indented(f"and {len(odd) - NAMED} more: why --json")
    if empty:
        yield Text(f"{counted(empty, 'empty folder')}, written down in the manifest", style="dim")
    if why.unproven:
        yield ""
        yield Text("NOT PROVEN IN THE LAKE", style="bold")
    for path, proof in why.unproven:
        yield _indented(f"{escape(path)}: {proof}")
    if why.more_unproven:
        yield _indented("and more")


def _sheet(why: Why) -> Iterator[RenderableType]:
    sheet = why.run.sheet
    if sheet is None and not why.near_sheets:
        return
    yield ""
    yield Text("SAMPLE SHEET", style="bold")
    if sheet is None:
        yield _indented("none has the name of the run", "yellow")
        for told in why.near_sheets[:NAMED]:
            yield _indented(escape_once(told))
        expected = escape(sheet_name(why.run.name))
        yield _indented(f"do: if one of them is its sheet, name it {expected}", "bold")
        return
    yield _indented(f"{sheet_place(sheet)}: attached as it is")
    if sheet.get("summary"):
        yield _indented(escape_once(sheet["summary"]))
    for problem in sheet.get("problems", ()):
        defect = problem["severity"] == Severity.DEFECT
        line = "" if problem["line"] is None else f"line {problem['line']}: "
        yield _indented(f"- {line}{escape_once(problem['text'])}", "yellow" if defect else "dim")
    if sheet.get("more"):
        yield _indented(f"and {counted(sheet['more'], 'more problem')}")


def _rest(why: Why) -> Iterator[RenderableType]:
    run = why.run
    yield ""
    lake = "" if run.lake is None else f" of {escape(run.lake)}"
    yield Text(f"goes to {escape(run.prefix)}{lake}")
    if run.released:
        yield Text(f"released by a person in spite of: {', '.join(run.released)}")
    if run.outcome is not Outcome.GOOD and delivered(run):
        yield Text(f"labelled '{run.outcome.value}' in the lake", style="yellow")


def _history(why: Why) -> Iterator[RenderableType]:
    if not why.history:
        return
    yield ""
    yield Text("HISTORY", style="bold")
    for event in why.history:
        when = f"{moment(event.at)} ({ago(event.at, why.now)})"
        line = Text(f"{when}  ", style="dim")
        line.append(f"{event.event}: {escape_once(event.message)}", style="not dim")
        line.overflow = "fold"
        yield Padding(line, (0, 0, 0, 2), expand=False)


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2), expand=False)
