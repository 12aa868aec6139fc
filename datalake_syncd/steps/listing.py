"""The lake's side of a run, read now and kept in the ledger beside the manifest."""

from __future__ import annotations

from collections.abc import Iterator

from datalake_syncd.core.errors import Stopped
from datalake_syncd.core.manifest import Comparison, judge
from datalake_syncd.core.model import Blob, ManifestFile, Proof
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED
from datalake_syncd.steps.context import Context


def refresh(context: Context) -> None:
    """List the run's folder in the lake into the ledger, page by page."""
    files, run = context.ledger.files, context.run
    files.begin_listing(run.id)
    for page in context.lake.list(context.prefix):
        files.add_listing(run.id, context.prefix, page)
        if context.should_stop():
            raise Stopped


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
            if (proof, etag) != (file.proof, file.proof_etag):
                proofs.append((file.path, proof, etag))
            result.add(escape(file.path), file.stat.size, verdict, proof)
        context.ledger.files.write_proofs(context.run.id, proofs)
    for extra in context.ledger.files.extras(context.run.id):
        if extra != ATTACHED or context.run.sheet is None:
            result.add_extra(escape(extra))
    return result
