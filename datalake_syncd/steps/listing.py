"""The lake's side of a run, read now and kept in the ledger beside the manifest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from datalake_syncd.core.errors import Stopped
from datalake_syncd.core.manifest import Comparison, Verdict, judge
from datalake_syncd.core.model import Blob, ManifestFile, Proof
from datalake_syncd.core.sheets import ATTACHED, INSTRUMENT_OWN
from datalake_syncd.steps.context import Context

#: Seconds for which a listing says how the lake is now, where another one follows all the same.
_FRESH = 60.0


def refresh(context: Context) -> None:
    """List the run's folder in the lake into the ledger, page by page."""
    files, run = context.ledger.files, context.run
    context.listed_at.pop(run.id, None)
    begun = time.monotonic()
    files.begin_listing(run.id)
    for page in context.lake.list(context.prefix):
        files.add_listing(run.id, context.prefix, page)
        if context.should_stop():
            raise Stopped
    context.listed_at[run.id] = begun


def is_fresh(context: Context) -> bool:
    """Whether the listing that the ledger has is whole, and was begun within the last minute."""
    begun = context.listed_at.get(context.run.id)
    return begun is not None and time.monotonic() - begun < _FRESH


def recognise_set_aside_sheet(context: Context) -> None:
    """With a lost ledger: the instrument's own sheet was brought to its other name before."""
    files, run = context.ledger.files, context.run
    own = files.one(run.id, ATTACHED)
    if own is None or own.lake_path != ATTACHED or own.md5 is not None:
        return
    if files.is_listed(run.id, INSTRUMENT_OWN) and files.one(run.id, INSTRUMENT_OWN) is None:
        files.rename_in_lake(run.id, ATTACHED, INSTRUMENT_OWN)


def pairs(
    context: Context,
    todo: str | None = None,
    *,
    listed: bool = False,
    between: tuple[str, str | None] = ("", None),
    but: Sequence[Proof] = (),
) -> Iterator[list[tuple[ManifestFile, Blob | None]]]:
    """Manifest and listing side by side, in pages; see `Files.pairs`."""
    files, run_id = context.ledger.files, context.run.id
    return files.pairs(run_id, context.prefix, todo, listed=listed, between=between, but=but)


def compare(context: Context, needed: Proof) -> Comparison:
    """Judge every file against the listing and write down the proofs that hold now."""
    files, run_id = context.ledger.files, context.run.id
    enough = [proof for proof in Proof if proof.rank >= max(1, needed.rank)]
    result = Comparison()
    files.prove_as_sent(run_id)
    for proof, count, size in files.proven_as_before(run_id, enough):
        result.add_proven(count, size, proof)
    for page in pairs(context, but=enough):
        proofs: list[tuple[str, Proof, str | None]] = []
        for file, blob in page:
            verdict, proof = judge(file, blob, needed=needed)
            etag = blob.etag if blob is not None and proof is not Proof.NONE else None
            # What is not there, or not as sent, keeps its note of having been sent by us.
            standing = verdict in (Verdict.PROVEN, Verdict.UNPROVEN)
            if (proof, etag) != (file.proof, file.proof_etag) and (standing or file.proof.rank):
                proofs.append((file.path, proof, etag))
            result.add(file.path, file.stat.size, verdict, proof)
        files.write_proofs(run_id, proofs)
    ours = {ATTACHED} if context.run.sheet is not None else set()
    if context.run.observed.get("ready"):
        ours.add(context.run.observed["ready"]["lake_path"])
    for extra in files.extras(run_id):
        if extra not in ours:
            result.add_extra(extra)
    return result
