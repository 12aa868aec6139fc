"""Growing data sets in the lake: what was announced before, and the lab's own marker."""

from __future__ import annotations

import json
import logging
from typing import Any

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.core import manifest
from datalake_syncd.core.durations import iso
from datalake_syncd.core.errors import LakeUnavailable, NeedsPerson, Transient
from datalake_syncd.core.manifest import Verdict, judge
from datalake_syncd.core.model import Proof, Step
from datalake_syncd.core.names import escape
from datalake_syncd.steps import listing
from datalake_syncd.steps.context import Back, Context, lake_id
from datalake_syncd.steps.places import run_prefix

MAX_MANIFEST_BYTES = 1 << 30
_PAGE = 2000
#: The gate that a person may release for files that are nowhere any more.
LOST = "lost in the lake"
#: In ``observed``: the file on the disk without which nothing can be announced.
WAITS_FOR = "waits_for"
_MOVED = "moved_from"
_LAKE_AWAY = "announced:lake-away"
_ASK_LAKE_AGAIN = 60.0


def learn_announced(context: Context) -> None:
    """Before the first look at a data set: read once what the lake announces of it.

    With an empty ledger nothing else tells of files that have left the disk, and where a file
    goes may depend on them. `LakeUnavailable` when the lake can't be asked now.
    """
    key = _announced_key(context)
    desk = context.ledger.desk
    if context.run.published_at is not None or desk.get(key) is not None:
        return
    # The first data set pays for a lake that is away, not each of a hundred.
    at, _, told = (desk.get(_LAKE_AWAY) or "0 ").partition(" ")
    if abs(context.now() - float(at)) < _ASK_LAKE_AGAIN:
        raise LakeUnavailable(told)
    try:
        announced = _announced(context)
    except Transient as error:
        told = f"what the lake has of it can't be asked now: {error}"
        desk.put(_LAKE_AWAY, f"{context.now()} {told}")
        raise LakeUnavailable(told, next_step=error.next_step) from error
    desk.put(_LAKE_AWAY, None)
    desk.put(key, json.dumps(sorted(announced)))


def carried_before(context: Context) -> set[str]:
    """The lake paths that were announced before, as the ledger or else the lake tells."""
    known = context.ledger.growth.announced(context.run.id)
    if context.run.published_at is None:
        known.update(json.loads(context.ledger.desk.get(_announced_key(context)) or "[]"))
    return known


def take_over_announced(context: Context) -> dict[str, Any]:
    """With an empty ledger: what the lake's manifest names and the disk lacks stays announced.

    Without it the next manifest would tell of a smaller data set than the lake holds. What is
    on the disk and may not go yet stays announced too, and was never freed. Needs a listing
    taken now; gives the columns of the run's row that change by it. `NeedsPerson` when the lake
    lacks a file that it announces and the disk lacks it too.
    """
    run = context.run
    if run.published_at is not None:
        return {}
    announced = _announced(context)
    sizes = dict(context.ledger.files.extra_sizes(run.id))
    on_disk = _endings(context)
    rows = [
        (path, sizes[path], md5, not _is_here(path, on_disk))
        for path, md5 in announced.items()
        if path in sizes
    ]
    for start in range(0, len(rows), _PAGE):
        page = rows[start : start + _PAGE]
        context.ledger.growth.add_announced(run.id, page, context.now())
    known = {file.lake_path for page in context.ledger.files.pages(run.id) for file in page}
    lost = [p for p in announced if p not in known and not _is_here(p, on_disk)]
    if lost:
        _ask_about(context, {path: path for path in lost})
    context.ledger.desk.put(_announced_key(context), None)
    return {**_totals(context), **(_without_leave(context) if lost else {})}


def refuse_lost(context: Context) -> dict[str, Any] | Back:
    """What only the lake had, and it lost, can't be sent again: a person is needed.

    Released by a person, these files leave the manifest; the history keeps their names. Gives
    the columns of the run's row that change by it; or sends the data set back to be looked at,
    when such a file is on the disk again and may not go yet.
    """
    lost: dict[str, str] = {}
    for page in listing.pairs(context):
        for file, blob in page:
            verdict, _ = judge(file, blob, needed=Proof.CLAIMED)
            if not file.here and verdict in (Verdict.MISSING, Verdict.DIFFERENT):
                lost[file.path] = file.lake_path
    on_disk = context.ledger.growth.watched(context.run.id) if lost else {}
    changing = sorted(path for path in lost if path in on_disk)
    if changing:
        # On the disk in a version that was not announced, and not still for long enough yet: the
        # manifest can tell neither of the old bytes nor of new ones before it is.
        told = (
            f"{escape(changing[0])} is not as it was announced; the marker waits until it is still"
        )
        observed = {**context.run.observed, WAITS_FOR: changing[0]}
        return Back(Step.SIGHTED, "run.changed", told, columns={"observed": observed})
    if lost:
        _ask_about(context, lost)
        context.ledger.growth.forget(context.run.id, lost)
    kept = {key: value for key, value in context.run.observed.items() if key != _MOVED}
    # Always told in full: a try that was cut off may have forgotten files already.
    return {"observed": kept, **_totals(context), **_without_leave(context)}


def moved_from(context: Context) -> dict[str, Any]:
    """For ``observed``: where a published data set lies, when the configuration now differs."""
    run = context.run
    here = (lake_id(context.config), run_prefix(context.instrument, run.name))
    if run.published_at is None or run.lake is None or (run.lake, run.prefix) == here:
        return {}
    return {_MOVED: f"{run.lake}/{run.prefix}"}


def _announced_key(context: Context) -> str:
    run = context.run
    prefix = run_prefix(context.instrument, run.name)
    return f"announced:{run.id}:{lake_id(context.config)}:{prefix}"


def _announced(context: Context) -> dict[str, str]:
    """Lake path -> MD5, as ``NAME.md5`` in the lake has it; empty without one of ours."""
    prefix = run_prefix(context.instrument, context.run.name)
    data = context.lake.read(f"{prefix}.md5", MAX_MANIFEST_BYTES)
    if data is None:
        return {}
    try:
        return {path: md5 for md5, path in manifest.parse_md5(data.decode())[0]}
    except ValueError:
        return {}  # somebody else's; it stays as a snapshot


def _endings(context: Context) -> set[str]:
    """Every path of the last look, and each of its ends after a ``/``, in lower case."""
    found: set[str] = set()
    for path in context.ledger.growth.watched(context.run.id):
        parts = path.lower().split("/")
        found.update("/".join(parts[start:]) for start in range(len(parts)))
    return found


def _is_here(lake_path: str, on_disk: set[str]) -> bool:
    """Whether a file that the layout would put there is on the disk, whole or not.

    Only the first folder of a lake path is the layout's own (``samples/``, ``raw/``). A wrong
    yes costs nothing but a question less when the file comes back; a wrong no would block.
    """
    lower = lake_path.lower()
    return lower in on_disk or lower.partition("/")[2] in on_disk


def _totals(context: Context) -> dict[str, Any]:
    files, size = context.ledger.files.totals(context.run.id)
    return {"files": files, "bytes": size}


def _without_leave(context: Context) -> dict[str, Any]:
    """A release is for what was lost then, and for nothing that is lost later."""
    return {"accepted": [gate for gate in context.run.accepted if gate != LOST]}


def _ask_about(context: Context, lost: dict[str, str]) -> None:
    """`NeedsPerson`; or, when a person released it, a line of history with every name.

    ``lost`` has the lake path of every file by its path on the disk.
    """
    names = sorted(map(escape, lost.values()))
    named = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if LOST in context.run.accepted:
        context.ledger.runs.event(
            context.run.id,
            context.now(),
            "lake.given-up",
            f"no longer announced, a person released it: {', '.join(names)}",
            step="transfer",
        )
        context.log(
            logging.WARNING, "lake.given-up", f"no longer announced: {named}", step="transfer"
        )
        return
    why = "they were published, and there is nothing here to send again"
    mend = "bring the blobs back in the lake (soft delete, versions)"
    old = context.run.observed.get(_MOVED)
    if old:
        why = f"they lie in {escape(old)}, where the data set was published before"
        mend = "copy them from there to where the configuration sends the data set now"
    key = escape(context.run.key)
    in_trash = lost.keys() & {item.path for item in context.ledger.files.plan(context.run.id)}
    if context.run.trash is not None and in_trash:
        mend = f"{len(in_trash)} of them are in the trash here: datalake-syncd undo {key}"
        why = "they were published, and pruned into the trash"
    raise NeedsPerson(
        f"the lake lost or changed files that this disk no longer has: {named}",
        why=why,
        next_step=(
            f"{mend}, then: datalake-syncd retry {key}; or give them up, and the rest goes on "
            f"without them: datalake-syncd release {key}"
        ),
        gate=LOST,
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
    reach(FailPoint.READY_WRITTEN)
    context.log(
        logging.INFO,
        "ready.written",
        f"{escape(name)} is in the lake: result and metadata workbooks are new or changed",
        step="publish",
    )
