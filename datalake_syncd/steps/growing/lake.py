"""Growing data sets in the lake: what was announced before, and the lab's own marker."""

from __future__ import annotations

import logging
from typing import Any

from datalake_syncd.core import manifest
from datalake_syncd.core.durations import iso
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.manifest import Verdict, judge
from datalake_syncd.core.model import Proof
from datalake_syncd.core.names import escape
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Context

MAX_MANIFEST_BYTES = 1 << 30
_PAGE = 2000


def take_over_announced(context: Context) -> dict[str, Any]:
    """With an empty ledger: what the lake's manifest names and the disk lacks stays announced.

    Without it the next manifest would tell of a smaller data set than the lake holds. Needs a
    listing taken now; gives the columns of the run's row that change by it.
    """
    run = context.run
    if run.published_at is not None:
        return {}
    data = context.lake.read(f"{run.prefix}.md5", MAX_MANIFEST_BYTES)
    if data is None:
        return {}
    try:
        announced = {path: md5 for md5, path in manifest.parse_md5(data.decode())[0]}
    except ValueError:
        return {}  # somebody else's; it stays as a snapshot
    sizes = dict(context.ledger.files.extra_sizes(run.id))
    rows = [(path, sizes[path], md5) for path, md5 in announced.items() if path in sizes]
    for start in range(0, len(rows), _PAGE):
        page = rows[start : start + _PAGE]
        context.ledger.growth.add_announced(run.id, page, context.now())
    files, size = context.ledger.files.totals(run.id)
    return {"files": files, "bytes": size}


def refuse_lost(context: Context) -> None:
    """What only the lake had, and it lost, can't be sent again: a person is needed."""
    lost: list[str] = []
    for page in listing.pairs(context):
        for file, blob in page:
            verdict, _ = judge(file, blob, needed=Proof.CLAIMED)
            if not file.here and verdict in (Verdict.MISSING, Verdict.DIFFERENT):
                lost.append(escape(file.lake_path))
    if not lost:
        return
    named = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
    raise NeedsPerson(
        f"the lake lost or changed files that this disk no longer has: {named}",
        why="they were published, and there is nothing here to send again",
        next_step=(
            "bring the blobs back in the lake (soft delete, versions), then: "
            f"datalake-syncd retry {escape(context.run.key)}"
        ),
    )


def write_ready_marker(context: Context) -> None:
    """The lab's own marker, when one of the blobs that it tells of is newer than itself.

    Asked of the lake, so that neither a crash nor a lost ledger writes it twice or never.
    """
    ready = context.run.observed.get("ready")
    if not ready:
        return
    name = context.prefix + ready["lake_path"]
    there = context.lake.get(name)
    told_of = [context.lake.get(context.prefix + path) for path in ready["of"]]
    if any(blob is None for blob in told_of):
        return  # gone since it was verified: the recheck before each marker finds that
    newest = max(blob.modified for blob in told_of if blob is not None)
    if there is not None and there.modified >= newest:
        return
    if there is not None:
        context.lake.snapshot(name)
    context.lake.upload(name, f"{iso(context.now())}\n".encode(), "text/plain; charset=utf-8")
    context.log(
        logging.INFO,
        "ready.written",
        f"{escape(name)} is in the lake: result and metadata workbooks are new or changed",
        step="publish",
    )
