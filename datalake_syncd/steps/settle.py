"""Settle: the kind's flags, the status, the structure, and two equal looks ``quiet`` apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from datalake_syncd.adapters import tree
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.kinds.kind import StructureCheck
from datalake_syncd.core.model import (
    Assessment,
    EmptyDirectory,
    FileEntry,
    Gate,
    Oddity,
    Outcome,
)
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED, INSTRUMENT_OWN
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.top_folder import assess

#: A metadata file that can't be parsed for so long (seconds) is no longer "being written".
UNREADABLE_LIMIT = 600.0
_BATCH = 1000


@dataclass(slots=True)
class Memory:
    """What the watch remembers of a run between looks, on the monotonic clock."""

    digest: str | None = None
    looked_at: float = 0.0
    unreadable_since: float | None = None
    learned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Settling:
    """Where a run stands on its way to being settled.

    ``settled`` carries the columns for its row; ``blocked`` needs a person; else it waits for
    ``reason`` and is worth a look again in ``next_look`` seconds (None: at the next scan).
    """

    reason: str
    gates: tuple[Gate, ...]
    assessment: Assessment
    settled: dict[str, Any] | None = None
    blocked: bool = False
    complete: bool = False
    next_look: float | None = None
    notes: tuple[Oddity, ...] = ()


def look_at(
    context: Context,
    memory: Memory,
    learned: frozenset[str],
    monotonic: Callable[[], float],
    tick: Callable[[], None],
) -> Settling:
    """One visit to a run that is not settled yet; writes the manifest when it is.

    Raises what the source raises; nothing is decided from an error.
    """
    assessment, memory.learned = assess(context, learned, tick)
    assessment = _forgiven(assessment, context.run.accepted)
    failing = [gate for gate in assessment.gates if not gate.passed]
    if failing:
        memory.digest = None
        return _not_complete(memory, assessment, failing, monotonic())
    memory.unreadable_since = None
    if memory.digest is None:
        return _first_look(context, memory, assessment, monotonic, tick)
    rest = memory.looked_at + context.instrument.quiet - monotonic()
    if rest > 0:
        return _quiet(context, assessment, rest)
    return _second_look(context, memory, assessment, monotonic, tick)


def _forgiven(assessment: Assessment, accepted: tuple[str, ...]) -> Assessment:
    """What a person released no longer stops the run, but it is not called good any more."""
    gates = tuple(
        replace(gate, passed=True, found=f"{gate.found} (released by a person)")
        if not gate.passed and gate.name in accepted
        else gate
        for gate in assessment.gates
    )
    if gates == assessment.gates and "structure" not in accepted:
        return assessment
    outcome = Outcome.UNKNOWN if assessment.outcome is Outcome.GOOD else assessment.outcome
    return replace(assessment, gates=gates, outcome=outcome)


def _not_complete(
    memory: Memory, assessment: Assessment, failing: list[Gate], now: float
) -> Settling:
    blocked = any(gate.needs_person for gate in failing)
    if all(gate.name == "run status" or gate.name.endswith("readable") for gate in failing):
        memory.unreadable_since = memory.unreadable_since or now
        blocked = blocked or now - memory.unreadable_since > UNREADABLE_LIMIT
    else:
        memory.unreadable_since = None
    reason = "; ".join(f"{gate.name}: {gate.found}, needed: {gate.needed}" for gate in failing)
    return Settling(reason, assessment.gates, assessment, blocked=blocked)


def _first_look(
    context: Context,
    memory: Memory,
    assessment: Assessment,
    monotonic: Callable[[], float],
    tick: Callable[[], None],
) -> Settling:
    memory.digest, memory.looked_at = whole_look(context, tick).digest, monotonic()
    return _quiet(context, assessment, context.instrument.quiet)


def whole_look(context: Context, tick: Callable[[], None]) -> tree.Look:
    """The sum of one look at the run's whole tree."""
    sum_ = tree.Look()
    for entry in _look(context, tick):
        sum_.add(entry)
    return sum_


def _quiet(context: Context, assessment: Assessment, rest: float) -> Settling:
    quiet = format_duration(context.instrument.quiet)
    gate = Gate("quiet", False, "one look so far", f"two equal looks, {quiet} apart")
    reason = f"complete; waiting until nothing has changed for {quiet}"
    return Settling(reason, (*assessment.gates, gate), assessment, complete=True, next_look=rest)


def _second_look(
    context: Context,
    memory: Memory,
    assessment: Assessment,
    monotonic: Callable[[], float],
    tick: Callable[[], None],
) -> Settling:
    files, run = context.ledger.files, context.run
    sum_ = tree.Look()
    empty: list[Oddity] = []
    structure = context.kind.structure(assessment.facts)
    second_sheet = False
    batch: list[tuple[FileEntry, str | None]] = []
    files.begin_look(run.id)
    for entry in _look(context, tick):
        sum_.add(entry)
        if isinstance(entry, FileEntry):
            second_sheet = second_sheet or entry.path == INSTRUMENT_OWN
            if structure is not None:
                structure.see(entry.path, entry.stat.size)
            batch.append((entry, None))
            if len(batch) >= _BATCH:
                files.add_seen(run.id, batch)
                batch.clear()
        elif isinstance(entry, EmptyDirectory):
            empty.append(Oddity(escape(entry.path), "empty-directory", "", blocks=False))
    files.add_seen(run.id, batch)
    if sum_.digest != memory.digest:
        memory.digest, memory.looked_at = sum_.digest, monotonic()
        return _quiet(context, assessment, context.instrument.quiet)
    memory.looked_at = monotonic()
    if second_sheet and _own_sheet_is_aside(context):
        detail = f"the instrument's own {ATTACHED} lies under this name in the lake"
        sum_.oddities.append(Oddity(INSTRUMENT_OWN, "collision", detail, blocks=True))
    gates = (*assessment.gates, *_content_gates(context, sum_, structure))
    failing = [gate for gate in gates if not gate.passed]
    if failing:
        reason = "; ".join(f"{gate.name}: {gate.found}" for gate in failing)
        return Settling(reason, gates, assessment, blocked=True)
    excluded = [
        Oddity(detail, "excluded", f"{count} files", blocks=False)
        for detail, count in sum_.excluded.items()
    ]
    columns = {
        "files": sum_.files,
        "bytes": sum_.bytes,
        "tree_digest": sum_.digest,
        "outcome": assessment.outcome,
        "facts": asdict(assessment.facts),
        "gates": [asdict(gate) for gate in gates],
        "files_proven": 0,
        "rounds": 0,
    }
    notes = (*sum_.oddities, *empty, *excluded)
    return Settling("settled", gates, assessment, settled=columns, complete=True, notes=notes)


def _own_sheet_is_aside(context: Context) -> bool:
    own = context.ledger.files.one(context.run.id, ATTACHED)
    return own is not None and own.lake_path == INSTRUMENT_OWN


def _content_gates(
    context: Context, sum_: tree.Look, structure: StructureCheck | None
) -> list[Gate]:
    blocking = [oddity for oddity in sum_.oddities if oddity.blocks]
    named = "; ".join(f"{o.path} ({o.kind}: {o.detail})" for o in blocking[:5])
    more = f" and {len(blocking) - 5} more" if len(blocking) > 5 else ""
    found = f"{named}{more}" if blocking else f"{sum_.files} files can be carried"
    gates = [
        Gate("names", not blocking, found, "every file can be carried as it is", bool(blocking)),
        Gate("files", sum_.files > 0, f"{sum_.files} files", "at least one file"),
    ]
    if structure is not None:
        problems = list(structure.problems())
        accepted = "structure" in context.run.accepted
        text = "; ".join(problems) or "every lane and cycle is there"
        if problems and accepted:
            text += " (released by a person)"
        needed = "every lane and cycle of RunInfo.xml"
        gates.append(Gate("structure", accepted or not problems, text, needed, bool(problems)))
    return gates


def _look(context: Context, tick: Callable[[], None]) -> Iterator[tree.Entry]:
    return tree.look(
        context.folder,
        lake_prefix=context.run.prefix,
        excluder=context.excluder,
        block_special=context.instrument.special_files == "block",
        on_entry=tick,
    )
