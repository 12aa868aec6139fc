"""The lake's side of a run, read now and kept in the ledger beside the manifest."""

from __future__ import annotations

from collections.abc import Iterator

from datalake_syncd.core.errors import Stopped
from datalake_syncd.core.manifest import Comparison, Verdict, judge
from datalake_syncd.core.model import Blob, ManifestFile, Proof
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED, INSTRUMENT_OWN
from datalake_syncd.steps.context import Context


def refresh(context: Context) -> None:
    """List the run's folder in the lake into the ledger, page by page."""
    files, run = context.ledger.files, context.run
    files.begin_listing(run.id)
    for page in context.lake.list(context.prefix):
        files.add_listing(run.id, context.prefix, page)
        if context.should_stop():
            raise Stopped


def recognise_set_aside_sheet(context: Context) -> None:
    """With a lost ledger: the instrument's own sheet was brought to its other name before."""
    files, run = context.ledger.files, context.run
    own = files.one(run.id, ATTACHED)
    if own is None or own.lake_path != ATTACHED or own.md5 is not None:
        return
    if files.is_listed(run.id, INSTRUMENT_OWN) and files.one(run.id, INSTRUMENT_OWN) is None:
        files.rename_in_lake(run.id, ATTACHED, INSTRUMENT_OWN)


def pairs(
    context: Context, todo: str | None = None
) -> Iterator[list[tuple[ManifestFile, Blob | None]]]:
    """Manifest and listing side by side, in pages."""
    return context.ledger.files.pairs(context.run.id, context.prefix, todo)


def compare(context: Context, needed: Proof) -> Comparison:
    """Judge every file against the listing and write down the proofs that hold now."""
    result = Comparison()
    for page in pairs(context):
        proofs: list[tuple[str, Proof, str | None]] = []
        for file, blob in page:
            verdict, proof = judge(file, blob, needed=needed)
            etag = blob.etag if blob is not None and proof is not Proof.NONE else None
            # What is not there, or not as sent, keeps its note of having been sent by us.
            standing = verdict in (Verdict.PROVEN, Verdict.UNPROVEN)
            if (proof, etag) != (file.proof, file.proof_etag) and (standing or file.proof.rank):
                proofs.append((file.path, proof, etag))
            result.add(escape(file.path), file.stat.size, verdict, proof)
        context.ledger.files.write_proofs(context.run.id, proofs)
    ours = {ATTACHED} if context.run.sheet is not None else set()
    if context.run.observed.get("ready"):
        ours.add(context.run.observed["ready"]["lake_path"])
    for extra in context.ledger.files.extras(context.run.id):
        if extra not in ours:
            result.add_extra(escape(extra))
    return result
