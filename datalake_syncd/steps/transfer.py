"""Transfer: send what the lake lacks with azcopy while the same files are hashed.

A step that runs twice sends nothing twice: it starts from a listing of the lake and from the
MD5s that the ledger holds already.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.manifest import Verdict
from datalake_syncd.core.manifest import judge as judge_file
from datalake_syncd.core.model import ManifestFile, Proof
from datalake_syncd.core.names import escape
from datalake_syncd.steps import listing
from datalake_syncd.steps.adoption import recognise_attached_sheet
from datalake_syncd.steps.context import Answer, Back, Context, Done, lake_id
from datalake_syncd.steps.growing.lake import refuse_lost, take_over_announced
from datalake_syncd.steps.hash_pool import HashPool
from datalake_syncd.steps.listed_content import (
    accepts_other_content,
    outcome_after,
    refuse_other_content,
)
from datalake_syncd.steps.progress import Meter
from datalake_syncd.steps.renamed import refuse_second_name
from datalake_syncd.steps.send import not_kept, send, wait_for

#: The gate that guards a published run which this ledger knows nothing of.
OVERWRITE = "overwrite"


def transfer(context: Context) -> Answer:
    """Bring every file of the manifest that is not there and equal into the lake."""
    total_files, total_bytes = context.run.files, context.run.bytes
    listing.refresh(context)  # first, for it says why when the lake can't be reached
    unknown = refuse_second_name(context)
    if unknown is not None:
        return unknown
    listing.recognise_set_aside_sheet(context)
    recognise_attached_sheet(context)
    columns: dict[str, Any] = {"lake": lake_id(context.config)}
    if context.kind.growing is not None:
        columns.update(take_over_announced(context))
        found = refuse_lost(context)
        if isinstance(found, Back):
            return found
        columns.update(found)
    to_send, to_hash, missing_bytes, overwritten = _classify(context)
    _guard_foreign(context, overwritten)
    context.log(
        logging.INFO,
        "transfer.started",
        f"{to_send} files to send, {to_hash} to compare with the lake, {total_files} in all",
        step="transfer",
        files=total_files,
        bytes=total_bytes,
        to_send=to_send,
    )
    meter = Meter(context, total_files, total_bytes, already=total_bytes - missing_bytes)
    files, run_id = context.ledger.files, context.run.id
    released = accepts_other_content(context)

    def note(batch: list[tuple[str, str]]) -> None:
        files.write_md5s(run_id, batch)
        reach(FailPoint.HASHES_NOTED)

    pool = HashPool(
        context.folder,
        _hash_order(context),
        note,
        record_differing=(lambda batch: files.write_released(run_id, batch)) if released else None,
    )
    try:
        sent = send(context, pool, meter, to_send, again=to_hash > 0)
        wait_for(context, pool, meter)
    finally:
        pool.stop()
    refuse_other_content(context, pool)
    if to_hash and (differing := _differing(context)):
        sent += send(context, pool, meter, differing, again=False)
    meter.write(pool.files, final=True)
    reach(FailPoint.EFFECT_TRANSFER)
    took = format_duration(meter.seconds)
    counted = "1 file" if sent == 1 else f"{sent} files"
    return Done(
        "transfer.finished",
        f"{counted} sent, {format_bytes(meter.sent_bytes)} in {took}",
        data={"files_sent": sent, "bytes_sent": meter.sent_bytes, "seconds": meter.seconds},
        columns={**columns, "outcome": outcome_after(context)},
    )


def _classify(context: Context) -> tuple[int, int, int, list[str]]:
    """Write ``todo`` for every file: (to send, to hash first, bytes to send, overwritten)."""
    compare = 0
    send, size = context.ledger.files.send_what_is_missing(context.run.id)
    overwritten: list[str] = []
    for page in listing.pairs(context, listed=True):
        batch: list[tuple[str, str | None]] = []
        for file, blob in page:
            verdict, _ = judge_file(file, blob, needed=Proof.CLAIMED)
            todo = "send" if verdict is Verdict.DIFFERENT else None
            # What a list tells of is compared with it before anything in the lake is replaced.
            listed = verdict is Verdict.DIFFERENT and file.expected
            if file.md5 is None and (todo is None or listed):
                todo = "hash"
            send += todo == "send"
            compare += todo == "hash"
            size += file.stat.size if todo == "send" else 0
            if todo == "send" and verdict is Verdict.DIFFERENT and not_kept(file, blob):
                other = blob is not None and blob.blob_type != "BlockBlob" and blob.blob_type
                overwritten.append(escape(file.path) + (f" (an {other})" if other else ""))
            batch.append((file.path, todo))
        context.ledger.files.write_todo(context.run.id, batch)
    return send, compare, size, overwritten


def _differing(context: Context) -> int:
    """Now that their MD5s are known: which blobs with the right size hold other bytes."""
    count = 0
    overwritten: list[str] = []
    for page in listing.pairs(context, "hash"):
        different = [
            (file, blob)
            for file, blob in page
            if judge_file(file, blob, needed=Proof.CLAIMED)[0] is Verdict.DIFFERENT
        ]
        overwritten.extend(escape(file.path) for file, blob in different if not_kept(file, blob))
        context.ledger.files.write_todo(context.run.id, ((f.path, "send") for f, _ in different))
        count += len(different)
    _guard_foreign(context, overwritten)
    return count


def _guard_foreign(context: Context, overwritten: list[str]) -> None:
    """A published run in the lake that we know nothing of is not overwritten without asking."""
    if not overwritten or context.run.published_at is not None:
        return
    if OVERWRITE in context.run.accepted:
        return
    named = ", ".join(overwritten[:5]) + (", …" if len(overwritten) > 5 else "")
    if context.kind.growing is not None:
        # Its files change as a matter of course, and whoever carried it before wrote no MD5s.
        context.log(
            logging.WARNING,
            "lake.differs",
            f"the lake has {len(overwritten)} of its files with other content ({named}); a "
            "snapshot of each is kept before it is overwritten",
            step="transfer",
        )
        return
    if context.lake.get(f"{context.run.prefix}.sync") is None:
        return
    raise NeedsPerson(
        f"the lake already has a published run {escape(context.run.name)} with other content in "
        f"{len(overwritten)} files ({named})",
        why="it may be another run under the same name; nothing was overwritten",
        next_step=(
            "compare both; to send this one (a snapshot of each blob is kept first): "
            f"datalake-syncd release {escape(context.run.key)}"
        ),
        gate=OVERWRITE,
    )


def _hash_order(context: Context) -> Iterator[list[ManifestFile]]:
    """First what azcopy is sending now, so that one read from the disk feeds both."""
    files, run = context.ledger.files, context.run
    yield from files.pages(run.id, "send")
    yield from files.pages(run.id, "sent")  # where azcopy was faster than we
    yield from files.pages(run.id, "hash")
