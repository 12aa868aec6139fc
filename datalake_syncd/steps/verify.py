"""Verify: the lake's own list against the manifest, and bytes read back where that is no proof."""

from __future__ import annotations

import logging
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.core.errors import NeedsPerson, Stopped
from datalake_syncd.core.manifest import Comparison, Verdict, judge
from datalake_syncd.core.model import Blob, ManifestFile, Proof, Step
from datalake_syncd.core.names import escape
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Answer, Back, Context, Done
from datalake_syncd.steps.progress import Meter
from datalake_syncd.steps.recheck import other_lake, source_unchanged

#: What is missing or differs is sent again so often; then a person is needed.
MAX_ROUNDS = 3
_READERS = 4


def verify(context: Context) -> Answer:
    """Prove every file of the manifest in the lake."""
    elsewhere = other_lake(context)
    if elsewhere is not None:
        return elsewhere
    result = _compared(context)
    if result.counts[Verdict.UNPROVEN]:
        read_back_unproven(context)
        listing.refresh(context)
        result = listing.compare(context, context.needed_proof)
    if not result.clean:
        return _again(context, result)
    reach(FailPoint.EFFECT_VERIFY)
    return Done(
        "verify.proven",
        f"{result.sentence()}; weakest proof: {(result.weakest or Proof.NONE).value}",
        data={"proven": result.proven, "bytes": result.bytes_proven, "extra": result.extra_named},
        columns={
            "files_proven": result.proven,
            "proof": result.weakest or Proof.NONE,
            "rounds": 0,
        },
    )


def _compared(context: Context) -> Comparison:
    # What the lake had a moment ago, when azcopy had written everything, is good enough if it is
    # everything: the marker rests on a listing of its own. It is no reason to send again.
    if listing.is_fresh(context):
        result = listing.compare(context, context.needed_proof)
        if result.clean:
            return result
    listing.refresh(context)
    return listing.compare(context, context.needed_proof)


def _again(context: Context, result: Comparison) -> Answer:
    # A file that was written to since it was hashed is sent as it is now, and never equals the
    # manifest: that is no fault of the lake, and only a new look gets out of it.
    source_unchanged(context)
    rounds = context.run.rounds + 1
    data = {verdict.value: names for verdict, names in result.named.items() if names}
    if rounds >= MAX_ROUNDS:
        raise NeedsPerson(
            f"after {rounds} rounds the lake still does not hold this run: {result.sentence()}",
            why="what was sent again and again still is not what the instrument wrote",
            next_step=(
                "look for a second writer in the container, a proxy or bad memory on the way; "
                f"then: datalake-syncd retry {escape(context.run.key)}"
            ),
        )
    return Back(
        Step.SETTLE,
        "verify.mismatch",
        f"not all there yet: {result.sentence()}; what is missing or differs is sent again",
        data=data,
        columns={"rounds": rounds},
    )


def read_back_unproven(context: Context) -> None:
    """Read every unproven blob from the lake and hash it; writes the proofs down."""
    needed = context.needed_proof
    unproven = 0
    size = 0
    for page in listing.pairs(context):
        for file, blob in page:
            if judge(file, blob, needed=needed)[0] is Verdict.UNPROVEN and file.md5 is not None:
                unproven += 1
                size += file.stat.size
    context.log(
        logging.INFO,
        "verify.read-back",
        f"reading {unproven} blobs back from the lake",
        step="verify",
        files=unproven,
        bytes=size,
    )
    meter = Meter(context, context.run.files, size)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="read-back") as readers:
        open_reads: set[Future[tuple[str, Proof, str]]] = set()
        try:
            for page in listing.pairs(context):
                for file, blob in page:
                    wanted = judge(file, blob, needed=needed)[0] is Verdict.UNPROVEN
                    if not wanted or blob is None or file.md5 is None:
                        continue
                    open_reads.add(readers.submit(_read_back, context, file, blob, meter))
                    if len(open_reads) >= 4 * _READERS:
                        open_reads = _collect(context, open_reads, meter)
            while open_reads:
                open_reads = _collect(context, open_reads, meter)
        finally:
            for one in open_reads:
                one.cancel()


def _collect(
    context: Context, reads: set[Future[tuple[str, Proof, str]]], meter: Meter
) -> set[Future[tuple[str, Proof, str]]]:
    finished, rest = wait(reads, timeout=1.0, return_when=FIRST_COMPLETED)
    if context.should_stop():
        raise Stopped
    proofs = [one.result() for one in finished]
    context.ledger.files.write_proofs(context.run.id, (p for p in proofs if p[1].rank > 0))
    if proofs:
        reach(FailPoint.READ_BACK_NOTED)
    meter.proven += len(proofs)
    meter.write(0)
    return rest


def _read_back(
    context: Context, file: ManifestFile, blob: Blob, meter: Meter
) -> tuple[str, Proof, str]:
    def on_bytes(count: int) -> None:
        meter.sent_bytes += count
        context.beat()

    # Once more before the blob is called bad: the flip may have happened on the way back.
    seen = None
    for _ in range(2):
        seen = context.lake.hash(
            blob.name, on_bytes=on_bytes, should_stop=context.should_stop, etag=blob.etag
        )
        if seen is None:
            return file.path, Proof.NONE, blob.etag  # gone since the listing
        if (seen.md5, seen.size) == (file.md5, file.stat.size):
            return file.path, Proof.READ_BACK, seen.etag
    context.ledger.files.mark_bad(context.run.id, file.path, blob.etag)
    if blob.md5 is None:
        # It claimed nothing: somebody else's blob, with other content.
        context.log(
            logging.WARNING,
            "verify.other-content",
            f"{escape(file.lake_path)} holds other bytes in the lake than on the disk",
            step="verify",
        )
        return file.path, Proof.NONE, blob.etag
    told = (
        f"{escape(file.lake_path)} holds other bytes in the lake than it claims; it is sent again"
    )
    context.ledger.runs.event(context.run.id, context.now(), "verify.bad-blob", told, step="verify")
    context.log(
        logging.ERROR,
        "verify.bad-blob",
        told,
        step="verify",
        stored_md5=blob.md5,
        read_md5=None if seen is None else seen.md5,
        ours=file.md5,
    )
    return file.path, Proof.NONE, blob.etag
