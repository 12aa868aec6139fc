"""Settle: the kind's flags, the status, the structure, and two equal looks ``quiet`` apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from datalake_syncd.adapters import tree
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.errors import SourceChanged
from datalake_syncd.core.kinds.kind import StructureCheck
from datalake_syncd.core.lapse import Lapse, lapse
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
from datalake_syncd.steps.checksum_lists import CONTENT, LISTED_FILES, Lists, read_lists
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.renamed import RENAMED
from datalake_syncd.steps.top_folder import assess
from datalake_syncd.steps.whole_look import entries, whole_look

#: A metadata file that can't be parsed for so long (seconds) is no longer "being written".
UNREADABLE_LIMIT = 600.0
#: Where a run's row keeps since when it lacks nothing but rest.
COMPLETE_SINCE = "complete_since"
_BATCH = 1000


@dataclass(slots=True)
class Memory:
    """What the watch remembers of a run between looks, on the monotonic clock.

    ``verdict`` is what a second look said against the run, and what was released then: it
    stands until the next look. ``changed`` says what was not still at the last look.
    """

    digest: str | None = None
    looked_at: float = 0.0
    unreadable_since: float | None = None
    learned: frozenset[str] = frozenset()
    changed: str = ""
    verdict: tuple[tuple[str, ...], Settling] | None = None


@dataclass(frozen=True, slots=True)
class Settling:
    """Where a run stands on its way to being settled.

    ``settled`` carries the columns for its row; ``blocked`` needs a person; else it waits for
    ``reason`` and is worth a look again in ``next_look`` seconds (None: at the next scan).
    ``observed`` is kept in its row: what was seen over days, and outlives a restart. ``lapsed``
    names the gates that are no longer waited for.
    """

    reason: str
    gates: tuple[Gate, ...]
    assessment: Assessment
    settled: dict[str, Any] | None = None
    blocked: bool = False
    complete: bool = False
    next_look: float | None = None
    notes: tuple[Oddity, ...] = ()
    observed: dict[str, Any] | None = None
    lapsed: tuple[str, ...] = ()


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
    waits = _lapse(context, assessment)
    assessment = _after_lapse(assessment, waits)
    # Kept in the row, so that a pass for cron counts on where the last one was.
    kept = {} if context.clock_jumped else context.run.observed
    memory.unreadable_since = kept.get("unreadable_since")
    try:
        found = _look_at_assessed(context, memory, assessment, monotonic, tick)
    except SourceChanged as error:
        # Written to just then: it lacks nothing but rest all the same.
        memory.digest, memory.changed = None, str(error)
        found = _quiet(context, memory, assessment, None)
    observed = {**context.run.observed, "waited_for": dict(waits.since)}
    observed["unreadable_since"] = memory.unreadable_since
    observed.pop(COMPLETE_SINCE, None)
    if found.complete and found.settled is None:
        observed[COMPLETE_SINCE] = kept.get(COMPLETE_SINCE, context.now())
    if found.settled is not None:
        found.settled["observed"] = observed
    return replace(found, observed=observed, lapsed=waits.lapsed)


def _after_lapse(assessment: Assessment, waits: Lapse) -> Assessment:
    """What never came is not confirmed either: such a run is carried, and not called good."""
    outcome = assessment.outcome
    if waits.lapsed and outcome is Outcome.GOOD:
        outcome = Outcome.UNKNOWN
    return replace(assessment, gates=waits.gates, outcome=outcome)


def _lapse(context: Context, assessment: Assessment) -> Lapse:
    # A clock that jumped says nothing about how long a flag was waited for.
    since = {} if context.clock_jumped else context.run.observed.get("waited_for", {})
    return lapse(assessment.gates, since, context.instrument.flag_grace, context.now())


def _look_at_assessed(
    context: Context,
    memory: Memory,
    assessment: Assessment,
    monotonic: Callable[[], float],
    tick: Callable[[], None],
) -> Settling:
    failing = [gate for gate in assessment.gates if not gate.passed]
    if failing:
        memory.digest = None
        return _not_complete(memory, assessment, failing, context.now())
    memory.unreadable_since = None
    if memory.digest is None:
        return _first_look(context, memory, assessment, monotonic, tick)
    rest = memory.looked_at + context.instrument.quiet - monotonic()
    if rest > 0 and memory.verdict is None:
        return _quiet(context, memory, assessment, rest)
    if rest > 0 and memory.verdict is not None and memory.verdict[0] == context.run.accepted:
        return memory.verdict[1]
    return _second_look(context, memory, assessment, monotonic, tick)


def _forgiven(assessment: Assessment, accepted: tuple[str, ...]) -> Assessment:
    """What a person released no longer stops the run, but it is not called good any more."""
    gates = tuple(
        replace(gate, passed=True, found=f"{gate.found} (released by a person)")
        if not gate.passed and gate.name in accepted
        else gate
        for gate in assessment.gates
    )
    forgiven = {old.name for old, new in zip(assessment.gates, gates, strict=True) if old != new}
    if forgiven <= {RENAMED} and not {"structure", LISTED_FILES, CONTENT} & set(accepted):
        return replace(assessment, gates=gates)  # a name says nothing about how the run ended
    outcome = Outcome.UNKNOWN if assessment.outcome is Outcome.GOOD else assessment.outcome
    return replace(assessment, gates=gates, outcome=outcome)


def _not_complete(
    memory: Memory, assessment: Assessment, failing: list[Gate], now: float
) -> Settling:
    blocked = any(gate.needs_person for gate in failing)
    if all(gate.unreadable for gate in failing):
        memory.unreadable_since = min(memory.unreadable_since or now, now)
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
    memory.verdict = None
    return _quiet(context, memory, assessment, context.instrument.quiet)


def _quiet(
    context: Context, memory: Memory, assessment: Assessment, rest: float | None
) -> Settling:
    quiet = format_duration(context.instrument.quiet)
    found = memory.changed or "one look so far"
    gate = Gate("quiet", False, found, f"two equal looks, {quiet} apart")
    reason = f"complete; waiting until nothing has changed for {quiet}"
    if memory.changed:
        reason += f"; {memory.changed}"
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
    lists = read_lists(context, tick)
    second_sheet = False
    batch: list[tuple[FileEntry, str | None]] = []
    files.begin_look(run.id)
    for entry in entries(context, tick):
        sum_.add(entry)
        if isinstance(entry, FileEntry):
            second_sheet = second_sheet or entry.path == INSTRUMENT_OWN
            if structure is not None:
                structure.see(entry.path, entry.stat.size)
            if lists is not None:
                lists.see(entry.path)
            batch.append((entry, None))
            if len(batch) >= _BATCH:
                files.add_seen(run.id, batch)
                batch.clear()
        elif isinstance(entry, EmptyDirectory):
            empty.append(Oddity(escape(entry.path), "empty-directory", "", blocks=False))
        elif lists is not None:
            lists.see_oddity(entry)
    files.add_seen(run.id, batch)
    memory.verdict = None
    if sum_.digest != memory.digest:
        memory.digest, memory.looked_at = sum_.digest, monotonic()
        memory.changed = f"it changed since the look before; the newest is {escape(sum_.newest)}"
        return _quiet(context, memory, assessment, context.instrument.quiet)
    memory.looked_at = monotonic()
    if second_sheet and _own_sheet_is_aside(context):
        detail = f"the instrument's own {ATTACHED} lies under this name in the lake"
        sum_.oddities.append(Oddity(INSTRUMENT_OWN, "collision", detail, blocks=True))
    gates = (*assessment.gates, *_content_gates(context, sum_, structure, lists))
    failing = [gate for gate in gates if not gate.passed]
    if failing:
        reason = "; ".join(f"{gate.name}: {gate.found}" for gate in failing)
        blocked = any(gate.needs_person for gate in failing)
        verdict = Settling(reason, gates, assessment, blocked=blocked)
        memory.verdict = (run.accepted, verdict)
        return verdict
    if lists is not None:
        files.expect(run.id, lists.expected.items())
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
    context: Context, sum_: tree.Look, structure: StructureCheck | None, lists: Lists | None
) -> list[Gate]:
    blocking = [oddity for oddity in sum_.oddities if oddity.blocks]
    named = "; ".join(f"{o.path} ({o.kind}: {o.detail})" for o in blocking[:5])
    more = f" and {len(blocking) - 5} more" if len(blocking) > 5 else ""
    found = f"{named}{more}" if blocking else f"{sum_.files} files can be carried"
    gates = [
        Gate("names", not blocking, found, "every file can be carried as it is", bool(blocking)),
        Gate("files", sum_.files > 0, f"{sum_.files} files", "at least one file", sum_.files == 0),
    ]
    if structure is not None:
        problems = list(structure.problems())
        accepted = "structure" in context.run.accepted
        text = "; ".join(problems) or "every lane and cycle is there"
        if problems and accepted:
            text += " (released by a person)"
        needed = "every lane and cycle of RunInfo.xml"
        gates.append(Gate("structure", accepted or not problems, text, needed, bool(problems)))
    if lists is not None:
        gates.extend(lists.gates(context.run.accepted))
    return gates
