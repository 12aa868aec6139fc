"""What a prune would do now, with the same evidence and the same rule, and without doing it.

The evidence is gathered in a throw-away copy of the run's ledger rows: the real ledger, the
source and the lake are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from datalake_syncd.adapters.tree import trash
from datalake_syncd.cli.request import quiet_service
from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.core.model import Gate, Step
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.pruning import PlanItem, PruneRefusal
from datalake_syncd.core.wording import iso_or_none

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Ledger, Run
    from datalake_syncd.config import Config
    from datalake_syncd.steps.context import Context


@dataclass(frozen=True, slots=True)
class Preview:
    """The files of one run that would go, or the reasons why nothing would.

    ``in_trash``: the run was pruned already and ``items`` are unlinked at ``empties_at``.
    """

    run: Run
    items: tuple[PlanItem, ...] = ()
    reasons: tuple[str, ...] = ()
    in_trash: bool = False
    empties_at: float | None = None

    @property
    def bytes(self) -> int:
        """What would be freed."""
        return sum(item.stat.size for item in self.items)


def preview(
    config: Config, ledger: Ledger, run: Run, *, person_asked: bool, before: int = 0
) -> Preview:
    """Judge one run as the step would judge it now; every file is read and hashed for it.

    ``before`` so many other runs of its instrument would go first, which counts for the limit.
    """
    instrument = config.instruments.get(run.instrument)
    if instrument is None:
        return Preview(run, reasons=("its instrument is no longer configured",))
    if run.pruned_at is not None:
        if run.trash is None:
            return Preview(run, reasons=("its files are no longer on the local disk",))
        items = tuple(ledger.files.plan(run.id))
        return Preview(run, items, (), True, run.pruned_at + instrument.prune.trash)
    early = refusals_without_files(config, ledger, run, person_asked=person_asked, before=before)
    if early:
        return Preview(run, reasons=early)
    try:
        return _with_evidence(config, ledger, run, person_asked=person_asked, before=before)
    except SyncdError as error:
        # A source or lake that does not answer: an error is never evidence.
        return Preview(run, reasons=(str(error),))


def refusals_without_files(
    config: Config, ledger: Ledger, run: Run, *, person_asked: bool, before: int = 0
) -> tuple[str, ...]:
    """Which conditions fail that need no look at a file; empty when none does."""
    from datalake_syncd.steps.pruning import evidence

    context = _context(config, ledger, run, person_asked=person_asked)
    conditions = (_on_the_road(run), *evidence.gates(context, before))
    return tuple(_sentence(gate) for gate in conditions if not gate.passed)


def _with_evidence(
    config: Config, ledger: Ledger, run: Run, *, person_asked: bool, before: int
) -> Preview:
    from datalake_syncd.steps.pruning import evidence

    context = _context(config, ledger, run, person_asked=person_asked)
    same_disk = _same_disk(context, ledger)
    if not same_disk.passed:
        return Preview(run, reasons=(_sentence(same_disk),))
    # The daily limit counts other runs too, which only the real ledger knows.
    conditions = evidence.gates(context, before)
    with ledger.scratch_copy(run) as scratch:
        context = _context(config, scratch, run, person_asked=person_asked)
        decision = evidence.decide(context, conditions)
    if isinstance(decision, PruneRefusal):
        return Preview(run, reasons=decision.reasons)
    return Preview(run, decision.items)


def _context(config: Config, ledger: Ledger, run: Run, *, person_asked: bool) -> Context:
    context = quiet_service(config, ledger).context(run)
    return replace(context, person_asked=person_asked)


def _on_the_road(run: Run) -> Gate:
    passed = run.done is Step.PUBLISH
    found = f"the last finished step is '{run.done}'"
    return Gate("road finished", passed, found, "publish, and nothing newer on the way")


def _same_disk(context: Context, ledger: Ledger) -> Gate:
    known = ledger.desk.instrument(context.run.instrument)
    source = context.instrument.source
    device = context.patience.call(lambda _tick: trash.source_device(source))
    same = known is None or known.device in (None, device)
    found = "the same as at the last scan" if same else "another one than at the last scan"
    return Gate("file system", same, found, f"the one that runs of {source} were carried from")


def _sentence(gate: Gate) -> str:
    return f"{gate.name}: found {gate.found}; needed {gate.needed}"


def document(one: Preview) -> dict[str, Any]:
    """One run for ``--json``, with every file."""
    return {
        "run": one.run.key,
        "would_prune": bool(one.items) and not one.in_trash,
        "in_trash": one.in_trash,
        "empties_at": iso_or_none(one.empties_at),
        "files": len(one.items),
        "bytes": one.bytes,
        "reasons": list(one.reasons),
        "items": [{"path": i.path, "size": i.stat.size, "md5": i.md5} for i in one.items],
    }


def lines(one: Preview, moment: Callable[[float | None], str]) -> Iterator[str]:
    """One run for people: every file that would go, or every reason."""
    key = escape(one.run.key)
    total = f"{len(one.items):,} files, {format_bytes(one.bytes)}"
    if one.in_trash:
        yield f"{key}: in the trash; {total} are unlinked after {moment(one.empties_at)}"
    elif not one.items:
        yield f"{key}: nothing would go"
        for reason in one.reasons:
            yield f"  {escape_once(reason)}"
        return
    else:
        yield f"{key}: {total} would go to the trash"
    for item in one.items:
        yield f"  {item.stat.size:>16,}  {escape(item.path)}"
