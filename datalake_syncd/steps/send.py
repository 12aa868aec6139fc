"""Sending: batches of files to azcopy, each after a snapshot of what it will overwrite.

Files go in groups of one `ways.Way` each; a file whose own name is another one in the lake goes
up in one request of ours.
"""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Callable

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.azcopy import CopyJob, CopyResult, Progress, judge, run_copy
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger.sending import ToSend
from datalake_syncd.adapters.tree.faults import classify
from datalake_syncd.core.errors import SourceOffline, Stopped, SyncdError, Transient
from datalake_syncd.core.model import Blob, ManifestFile
from datalake_syncd.core.names import escape
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.hash_pool import HashPool
from datalake_syncd.steps.progress import Meter
from datalake_syncd.steps.ways import Way, way_between

#: Files and bytes of one azcopy call; its memory grows with the first.
BATCH_FILES = 100_000
BATCH_BYTES = 100 << 30
#: So many files to be overwritten are noted in one transaction: a snapshot whose note was lost is
#: taken again.
_KEPT_AT_ONCE = 100
_PART = 1 << 20
#: So many of azcopy's last words go into the log.
_WORDS = 50


def send(context: Context, pool: HashPool, meter: Meter, total: int, *, again: bool) -> int:
    """Send all files with ``todo = send``, which are ``total``, in batches; gives how many.

    ``again`` says that more may be found to be sent when all MD5s are known.
    """
    sent, after = 0, ""
    while batch := _next_batch(context, after):
        last = batch[-1].path
        _keep_and_note(context, after, batch)
        # What was listed before says nothing of what is sent now.
        context.listed_at.pop(context.run.id, None)
        is_last = sent + len(batch) == total
        _copy(context, batch, pool, meter, last=is_last)
        if again or pool.working or not is_last:  # else nobody asks any more
            context.ledger.files.all_sent(context.run.id, after, last)
        sent, after = sent + len(batch), last
    return sent


def _next_batch(context: Context, after: str) -> list[ToSend]:
    """Some more when that is the end: a call for the last few would cost as much as any."""
    batch: list[ToSend] = []
    size, full = 0, None
    for file in context.ledger.files.to_send(context.run.id, after):
        batch.append(file)
        size += file.size
        if full is None and (len(batch) >= BATCH_FILES or size >= BATCH_BYTES):
            full = len(batch)
        elif full is not None and (
            len(batch) >= full + BATCH_FILES // 4 or size >= BATCH_BYTES // 4 * 5
        ):
            return batch[:full]
    return batch


def not_kept(file: ManifestFile, blob: Blob | None) -> bool:
    """A blob that would be overwritten and is not the one that was noted and kept before.

    That we sent the file once says nothing about who wrote what is there now.
    """
    return blob is not None and blob.etag != file.sent_over


def _keep_and_note(context: Context, after: str, batch: list[ToSend]) -> None:
    """Before anything is overwritten: a snapshot of it, and a note of what was there."""
    limit, last = context.azcopy.put_blob_mb << 20, batch[-1].path
    if context.should_stop():
        raise Stopped
    context.ledger.files.mark_sent_to_nothing(context.run.id, after, last, limit)
    reach(FailPoint.SENDING_NOTED)
    if any(file.there for file in batch):
        for page in listing.pairs(context, "send", listed=True, between=(after, last)):
            for at in range(0, len(page), _KEPT_AT_ONCE):
                _keep(context, page[at : at + _KEPT_AT_ONCE], limit)


def _keep(context: Context, part: list[tuple[ManifestFile, Blob | None]], limit: int) -> None:
    """Files in whose place a blob was listed."""
    if context.should_stop():
        raise Stopped
    for file, blob in part:
        if blob is not None and not_kept(file, blob):
            snapshot = context.lake.snapshot(blob.name)
            reach(FailPoint.SNAPSHOT_TAKEN)
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
    reach(FailPoint.SENDING_NOTED)


def _copy(
    context: Context,
    batch: list[ToSend],
    pool: HashPool,
    meter: Meter,
    *,
    last: bool,
) -> None:
    ways: dict[Way | None, list[ToSend]] = {}
    for file in batch:
        ways.setdefault(way_between(file.path, file.lake_path), []).append(file)
    for file in ways.pop(None, ()):
        # azcopy names blobs as files; a sheet set aside, or a workbook, is small.
        _upload_renamed(context, file)
        meter.sent_bytes += file.size
    left = len(ways)
    for way, files in ways.items():
        left -= 1
        if way is not None:
            _copy_way(context, way, files, pool, meter, last=last and not left)


def _job(context: Context, way: Way, files: list[ToSend]) -> CopyJob:
    run = context.run
    bytes_ = sum(file.size for file in files)
    if way == Way("", "") and context.kind.growing is None:
        # The folder's name in the list, not in the argument, where some of it would be a pattern.
        root, above = context.instrument.source, f"{run.name}/"
        destination = run.prefix.removesuffix(run.name).rstrip("/")
        entries = (f"{above}{file.path}" for file in files)
    else:
        root = context.folder / way.local
        destination = f"{run.prefix}/{way.lake}".rstrip("/")
        skip = len(way.local) + 1 if way.local else 0
        entries = (file.path[skip:] for file in files)
    return CopyJob(
        azcopy=context.azcopy_path,
        source_root=root,
        destination=destination,
        entries=entries,
        count=len(files),
        bytes=bytes_,
        access=context.access,
        settings=context.azcopy,
        private_root=context.config.daemon.state_dir / "azcopy",
    )


def _copy_way(
    context: Context,
    way: Way,
    files: list[ToSend],
    pool: HashPool,
    meter: Meter,
    *,
    last: bool,
) -> None:
    job = _job(context, way, files)
    before = meter.sent_bytes

    def on_progress(progress: Progress) -> None:
        if progress.bytes_done:
            reach(FailPoint.AZCOPY_STARTED)
        meter.sent_bytes = before + progress.bytes_done
        meter.write(pool.files)

    def should_stop() -> bool:
        pool.start()  # azcopy runs by now; sooner, it would only hold up the writing of its list
        context.beat()  # an azcopy that hangs is ended by its stall watch
        return context.should_stop() or pool.error is not None or _hangs(context, pool)

    def all_arrived() -> bool:
        if not last:
            return False
        reach(FailPoint.AZCOPY_STARTED)  # a short one says nothing before its end
        try:
            listing.refresh(context)
        except SyncdError:
            return False  # the next step lists anyway, and tells
        return context.ledger.files.all_arrived(context.run.id)

    result = run_copy(
        job,
        clean=tree.clear_private,
        on_progress=on_progress,
        all_arrived=all_arrived,
        should_stop=should_stop,
    )
    reach(FailPoint.AZCOPY_ENDED)
    _raise_pool(context, pool)
    if context.should_stop():
        raise Stopped
    _keep_words(context, result)
    judge(result, len(files))
    meter.sent_bytes = before + job.bytes


def _keep_words(context: Context, result: CopyResult) -> None:
    """What azcopy said of a job that did not go well, for the log of the run."""
    failed = [f"{one.source}: {one.code} {one.status} {one.reason}" for one in result.failures]
    words = [
        *result.errors,
        *result.doubts,
        *result.warnings,
        *failed,
        *result.log_notes,
        result.stderr,
    ]
    said = [word for word in words if word.strip()]
    if said or (result.returncode and not result.arrived):
        end = "was ended, for all has arrived" if result.arrived else f"ended {result.returncode}"
        context.log(
            logging.INFO,
            "azcopy.output",
            f"azcopy {end}",
            step="transfer",
            said=said[-_WORDS:],
        )


def _upload_renamed(context: Context, file: ToSend) -> None:
    # A share that hangs must cost this read, not the worker; the lake has its own time limits.
    data = context.patience.call(lambda tick: _read(context, file, tick))
    kind = mimetypes.guess_type(file.lake_path)[0] or "application/octet-stream"
    context.lake.upload(context.prefix + file.lake_path, data, kind)
    reach(FailPoint.RENAMED_SENT)


def _read(context: Context, file: ToSend, tick: Callable[[], None]) -> bytes:
    """All bytes of a small file; ``Transient`` when it is not of the size it began with."""
    data = bytearray()
    with (
        tree.open_regular(context.folder / file.path) as (descriptor, told),
        open(descriptor, "rb", closefd=False) as stream,
    ):
        try:
            while len(data) <= told.st_size and (part := stream.read(_PART)):
                data += part
                tick()
        except OSError as error:
            raise classify(error, file.path) from error
    if len(data) != told.st_size:
        raise Transient(f"{escape(file.path)} changed while it was read")
    return bytes(data)


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


def wait_for(context: Context, pool: HashPool, meter: Meter) -> None:
    """Wait until every MD5 is known; raises what the threads or the source raised."""
    pool.start()
    while pool.working:
        pool.wait(0.5)
        context.beat()  # threads that hang are given up below
        meter.write(pool.files)
        _raise_pool(context, pool)
        if context.should_stop():
            raise Stopped
    pool.finish()
    _raise_pool(context, pool)
