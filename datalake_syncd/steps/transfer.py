"""Transfer: send what the lake lacks with azcopy while the same files are hashed.

A step that runs twice sends nothing twice: it starts from a listing of the lake and from the
MD5s that the ledger holds already.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.azcopy import CopyJob, Progress, judge, run_copy
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.core.durations import format_bytes, format_duration
from datalake_syncd.core.errors import NeedsPerson, SourceOffline, Stopped
from datalake_syncd.core.manifest import Verdict
from datalake_syncd.core.manifest import judge as judge_file
from datalake_syncd.core.model import Blob, ManifestFile, Proof
from datalake_syncd.core.names import escape
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Answer, Context, Done, lake_id
from datalake_syncd.steps.hash_pool import HashPool
from datalake_syncd.steps.progress import Meter

#: Files and bytes of one azcopy call; its memory grows with the first.
BATCH_FILES = 10_000
BATCH_BYTES = 100 << 30
#: The gate that guards a published run which this ledger knows nothing of.
OVERWRITE = "overwrite"
_NOTED_AT_ONCE = 100


def transfer(context: Context) -> Answer:
    """Bring every file of the manifest that is not there and equal into the lake."""
    total_files, total_bytes = context.run.files, context.run.bytes
    listing.refresh(context)
    listing.recognise_set_aside_sheet(context)
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
    pool = HashPool(
        context.folder,
        _hash_order(context),
        lambda batch: context.ledger.files.write_md5s(context.run.id, batch),
    )
    try:
        sent = _send(context, pool, meter)
        _wait_for(context, pool, meter)
    finally:
        pool.stop()
    if to_hash and _differing(context):
        sent += _send(context, pool, meter)
    meter.write(pool.files, final=True)
    reach(FailPoint.EFFECT_TRANSFER)
    took = format_duration(meter.seconds)
    return Done(
        "transfer.finished",
        f"{sent} files sent, {format_bytes(meter.sent_bytes)} in {took}",
        data={"files_sent": sent, "bytes_sent": meter.sent_bytes, "seconds": meter.seconds},
        columns={"lake": lake_id(context.config)},
    )


def _classify(context: Context) -> tuple[int, int, int, list[str]]:
    """Write ``todo`` for every file: (to send, to hash first, bytes to send, overwritten)."""
    send = compare = size = 0
    overwritten: list[str] = []
    for page in listing.pairs(context):
        batch: list[tuple[str, str | None]] = []
        for file, blob in page:
            verdict, _ = judge_file(file, blob, needed=Proof.CLAIMED)
            todo = "send" if verdict in (Verdict.MISSING, Verdict.DIFFERENT) else None
            if todo is None and file.md5 is None:
                todo = "hash"
            send += todo == "send"
            compare += todo == "hash"
            size += file.stat.size if todo == "send" else 0
            if verdict is Verdict.DIFFERENT and _not_kept(file, blob):
                overwritten.append(escape(file.path))
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
        overwritten.extend(escape(file.path) for file, blob in different if _not_kept(file, blob))
        context.ledger.files.write_todo(context.run.id, ((f.path, "send") for f, _ in different))
        count += len(different)
    _guard_foreign(context, overwritten)
    return count


def _not_kept(file: ManifestFile, blob: Blob | None) -> bool:
    """A blob that would be overwritten and is not the one that was noted and kept before.

    That we sent the file once says nothing about who wrote what is there now.
    """
    return blob is not None and blob.etag != file.sent_over


def _guard_foreign(context: Context, overwritten: list[str]) -> None:
    """A published run in the lake that we know nothing of is not overwritten without asking."""
    if not overwritten or context.run.published_at is not None:
        return
    if OVERWRITE in context.run.accepted:
        return
    if context.lake.get(f"{context.run.prefix}.sync") is None:
        return
    named = ", ".join(overwritten[:5]) + (", …" if len(overwritten) > 5 else "")
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


def _send(context: Context, pool: HashPool, meter: Meter) -> int:
    """Send all files with ``todo = send``, in batches; gives how many."""
    sent = 0
    for batch in _batches(listing.pairs(context, "send")):
        _prepare(context, batch)
        _copy(context, batch, pool, meter)
        context.ledger.files.write_todo(context.run.id, ((file.path, "sent") for file, _ in batch))
        sent += len(batch)
    return sent


def _batches(
    pages: Iterator[list[tuple[ManifestFile, Blob | None]]],
) -> Iterator[list[tuple[ManifestFile, Blob | None]]]:
    batch: list[tuple[ManifestFile, Blob | None]] = []
    size = 0
    for page in pages:
        for pair in page:
            batch.append(pair)
            size += pair[0].stat.size
            if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _prepare(context: Context, batch: list[tuple[ManifestFile, Blob | None]]) -> None:
    """Before anything is overwritten: a snapshot of it, and a note of what was there."""
    for start in range(0, len(batch), _NOTED_AT_ONCE):
        if context.should_stop():
            raise Stopped
        _keep_and_note(context, batch[start : start + _NOTED_AT_ONCE])


def _keep_and_note(context: Context, part: list[tuple[ManifestFile, Blob | None]]) -> None:
    limit = context.azcopy.put_blob_mb << 20
    for file, blob in part:
        if blob is not None and _not_kept(file, blob):
            snapshot = context.lake.snapshot(blob.name)
            context.ledger.runs.event(
                context.run.id,
                context.now(),
                "lake.snapshot",
                f"{escape(file.lake_path)} is kept as snapshot {snapshot} before it is overwritten",
                step="transfer",
            )
    context.ledger.files.mark_sent(
        context.run.id,
        (
            (file.path, blob.etag if blob is not None else "", file.stat.size <= limit)
            for file, blob in part
        ),
    )


def _copy(
    context: Context,
    batch: list[tuple[ManifestFile, Blob | None]],
    pool: HashPool,
    meter: Meter,
) -> None:
    plain = [file for file, _ in batch if file.lake_path == file.path]
    renamed = [file for file, _ in batch if file.lake_path != file.path]
    for file in renamed:
        # azcopy names blobs as files; the instrument's own sheet, set aside, is small.
        _upload_renamed(context, file)
    if not plain:
        return
    job = CopyJob(
        azcopy=context.azcopy_path,
        source_root=context.instrument.source,
        destination=context.run.prefix.removesuffix(context.run.name).rstrip("/"),
        entries=(f"{context.run.name}/{file.path}" for file in plain),
        count=len(plain),
        bytes=sum(file.stat.size for file in plain),
        access=context.access,
        settings=context.azcopy,
        private_root=context.config.daemon.state_dir / "azcopy",
    )
    before = meter.sent_bytes

    def on_progress(progress: Progress) -> None:
        if progress.bytes_done:
            reach(FailPoint.AZCOPY_STARTED)
        meter.sent_bytes = before + progress.bytes_done
        meter.write(pool.files)

    def should_stop() -> bool:
        return context.should_stop() or pool.error is not None or _hangs(context, pool)

    result = run_copy(
        job, clean=tree.clear_private, on_progress=on_progress, should_stop=should_stop
    )
    reach(FailPoint.AZCOPY_ENDED)
    _raise_pool(context, pool)
    if context.should_stop():
        raise Stopped
    judge(result, len(plain))
    meter.sent_bytes = before + job.bytes


def _upload_renamed(context: Context, file: ManifestFile) -> None:
    with (
        tree.open_regular(context.folder / file.path) as (descriptor, told),
        open(descriptor, "rb", closefd=False) as stream,
    ):
        context.lake.upload_file(context.prefix + file.lake_path, stream, told.st_size, "text/csv")


def _hangs(context: Context, pool: HashPool) -> bool:
    return pool.working and pool.silent_for() > context.config.azcopy.stall_timeout


def _raise_pool(context: Context, pool: HashPool) -> None:
    if pool.error is not None:
        raise pool.error
    if _hangs(context, pool):
        raise SourceOffline(
            f"{context.instrument.source} does not answer "
            f"(no byte could be read for {pool.silent_for():.0f} s)",
            why="the share or disk hangs; everything else goes on",
            next_step="check the mount (mount, dmesg) and the instrument's computer",
        )


def _wait_for(context: Context, pool: HashPool, meter: Meter) -> None:
    while pool.working:
        pool.wait(0.5)
        meter.write(pool.files)
        _raise_pool(context, pool)
        if context.should_stop():
            raise Stopped
    pool.finish()
    _raise_pool(context, pool)
