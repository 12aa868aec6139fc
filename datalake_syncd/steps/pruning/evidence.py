"""Evidence for a prune, read now: the lake listed again, every local byte hashed again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from datalake_syncd.adapters import tree
from datalake_syncd.core import pruning
from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.errors import SourceChanged, Stopped
from datalake_syncd.core.model import Blob, FileEntry, Gate, Oddity
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import FileEvidence, PrunePlan, PrunePolicy, PruneRefusal
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Context, lake_id
from datalake_syncd.steps.growing.evidence import decide_units
from datalake_syncd.steps.hash_pool import THREADS
from datalake_syncd.steps.side_by_side import side_by_side

_BATCH = 256
DAY = 86_400.0
ANNOUNCED = "marker and manifest"
#: The marker may have been on its way for so long (seconds) after the time that it tells.
_ON_ITS_WAY = 900.0


def policy(context: Context) -> PrunePolicy:
    """The instrument's prune settings as the pure decision takes them."""
    prune = context.instrument.prune
    return PrunePolicy(
        enabled=prune.enabled,
        keep=prune.keep,
        trash=prune.trash,
        read_back=prune.proof == "read-back",
        ended_early=prune.ended_early,
        max_runs_per_day=prune.max_runs_per_day,
    )


def gates(context: Context, before: int = 0) -> tuple[Gate, ...]:
    """All conditions that need no look at files; ``before`` so many runs would go before it."""
    run, now = context.run, context.now()
    published_at, freed = run.published_at, 0
    if context.kind.growing is not None:
        published_at = context.ledger.growth.first_announced(run.id)
        freed = context.ledger.growth.freed_since(run.instrument, now - DAY)
    state = pruning.PruneState(
        published_at=published_at,
        held=run.hold_reason,
        outcome=run.outcome,
        proof_mode=context.config.lake.proof,
        same_lake=run.lake in (None, lake_id(context.config)),
        pruned_last_day=before
        + freed
        + context.ledger.runs.pruned_since(run.instrument, now - DAY),
        clock_jumped=context.clock_jumped,
        person_asked=context.person_asked,
    )
    return pruning.gates(policy(context), state, now)


def decide(context: Context, conditions: tuple[Gate, ...]) -> PrunePlan | PruneRefusal:
    """List the lake, look at and hash the whole run, and let the pure rule decide.

    The look is kept in the ledger's ``seen`` rows, the listing in ``listing``. Raises what
    source and lake raise: an error is never evidence.
    """
    young = _young_in_lake(context)
    if young is not None:
        return PruneRefusal((young,))
    listing.refresh(context)
    if context.kind.growing is not None:
        announced = (*conditions, *_announced(context))
        return decide_units(context, context.kind.growing, announced)
    oddities = context.patience.call(lambda tick: _look_and_hash(context, tick))
    known = {(note.kind, note.path) for note in context.ledger.files.notes(context.run.id)}
    strange = tuple(
        Gate("nothing added", False, f"{oddity.path} ({oddity.kind}) is new", "nothing new")
        for oddity in oddities
        if oddity.kind != "excluded" and (oddity.kind, oddity.path) not in known
    )
    return pruning.decide(
        (*conditions, *_announced(context), *strange),
        _evidence(context),
        read_back=context.instrument.prune.proof == "read-back",
    )


def _young_in_lake(context: Context) -> str | None:
    """Why the run was not kept long enough, if the lake's clock says so and ours does not.

    A clock that was wrong before a restart leaves no other trace than the times it wrote down.
    """
    run, keep = context.run, context.instrument.prune.keep
    if context.kind.growing is not None or run.published_at is None:
        return None  # each of a data set's generations has a new marker
    age = context.lake.age(f"{run.prefix}.sync")
    if age is None or age + _ON_ITS_WAY >= keep:
        return None
    return (
        f"kept long enough: found {format_duration(age)} since publishing by the clock of the "
        f"lake, {format_duration(context.now() - run.published_at)} by ours, which is wrong or "
        f"was; needed {format_duration(keep)} (prune.keep)"
    )


def _announced(context: Context) -> tuple[Gate, ...]:
    """Marker and manifest are there now: without them nobody finds or checks the run again."""
    names = (f"{context.run.prefix}.md5", f"{context.run.prefix}.sync")
    return tuple(
        Gate(ANNOUNCED, there, "there" if there else f"{escape(name)} is gone", "in the lake now")
        for name in names
        for there in (context.lake.get(name) is not None,)
    )


def _look_and_hash(context: Context, tick: Callable[[], None]) -> list[Oddity]:
    files, run = context.ledger.files, context.run
    oddities: list[Oddity] = []

    def regular() -> Iterator[FileEntry]:
        for entry in tree.look(
            context.folder,
            lake_prefix=run.prefix,
            excluder=context.excluder,
            block_special=context.instrument.special_files == "block",
            on_entry=tick,
        ):
            if isinstance(entry, FileEntry):
                yield entry
            elif isinstance(entry, Oddity):
                oddities.append(entry)

    def hashed(entry: FileEntry) -> tuple[FileEntry, str]:
        md5, stat = tree.hash_file(
            context.folder,
            entry.path,
            entry.stat,
            on_bytes=lambda _count: tick(),
            should_stop=context.should_stop,
        )
        return FileEntry(entry.path, stat), md5

    files.begin_look(run.id)
    walk = regular()
    while batch := list(itertools.islice(walk, _BATCH)):
        seen = side_by_side(hashed, batch, THREADS, "rehash")
        tick()  # a look that was given up must not write into the next one's rows
        files.add_seen(run.id, seen)
        if context.should_stop():
            raise Stopped
    return oddities


def _evidence(context: Context) -> Iterator[FileEvidence]:
    blobs: dict[str, Blob | None] = {}
    pages = listing.pairs(context)
    for path, row, local, md5 in context.ledger.files.look_against_manifest(context.run.id):
        # Both run through the manifest in path order, so a page ahead is always enough.
        while row is not None and path not in blobs:
            page = next(pages, None)
            if page is None:
                raise SourceChanged("the ledger's manifest changed while it was compared")
            blobs.update({file.path: blob for file, blob in page})
        yield FileEvidence(path, row, local, md5, blobs.pop(path, None))
