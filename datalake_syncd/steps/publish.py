"""Publish: ``NAME.md5``, then, last of all, the marker ``NAME.sync``.

Doing it twice changes nothing: what is already there and tells the same is kept as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.ledger.rows import RELEASED
from datalake_syncd.core import manifest
from datalake_syncd.core.durations import iso, parse_iso
from datalake_syncd.core.errors import NeedsPerson, Transient
from datalake_syncd.core.manifest import ManifestHeader
from datalake_syncd.core.model import EmptyDirectory, Outcome
from datalake_syncd.core.names import escape
from datalake_syncd.core.run_end import seconds_after_end
from datalake_syncd.core.sheets import ATTACHED
from datalake_syncd.steps.context import Answer, Context, Done, lake_id
from datalake_syncd.steps.growing.lake import MAX_MANIFEST_BYTES, write_ready_marker
from datalake_syncd.steps.recheck import (
    SHEET_IN_LAKE,
    other_lake,
    recheck,
    separate_sheet,
    without_gates,
)
from datalake_syncd.steps.renamed import RENAMED
from datalake_syncd.steps.smaller import refuse_smaller


def publish(context: Context) -> Answer:
    """Write manifest and marker; the marker is what downstream pipelines wait for."""
    elsewhere = other_lake(context)
    if elsewhere is not None:
        return elsewhere
    _whole_manifest(context)
    changed = recheck(context)
    if changed is not None:
        return changed
    lines = manifest.file_lines(_lines(context))
    files = lines.count(b"\n")
    old = context.lake.read(f"{context.run.prefix}.md5", MAX_MANIFEST_BYTES)
    refuse_smaller(context, old, lines)
    generation, published_at = _standing(context, old, lines)
    write_ready_marker(context)
    told: dict[str, Any] = {"generation": generation, "outcome": context.run.outcome.value}
    if published_at is None:
        published_at = _write(context, old, lines, files, generation)
        told |= _figures(context, files, published_at)
    if context.kind.growing is not None:
        context.ledger.growth.mark_published(context.run.id, context.now())
    reach(FailPoint.EFFECT_PUBLISH)
    label = "" if context.run.outcome is Outcome.GOOD else f" (outcome: {context.run.outcome})"
    return Done(
        "run.published",
        f"{context.run.prefix}.sync is in the lake: {files} files, generation {generation}{label}",
        data=told,
        columns={
            "published_at": published_at,
            "generation": generation,
            "manifest_digest": manifest.lines_digest(lines),
            "lake": lake_id(context.config),
            "rounds": 0,
            **without_gates(context.run, SHEET_IN_LAKE),
            **_shut_again(context.run),
        },
    )


def _figures(context: Context, files: int, published_at: float) -> dict[str, Any]:
    """What was announced, and how long after its end a run was, when it is for the first time."""
    run = context.run
    figures: dict[str, Any] = {"files": files, "bytes": run.bytes}
    if run.published_at is None:
        figures["seconds_after_end"] = seconds_after_end(
            published_at,
            written=context.ledger.files.last_written(run.id),
            sighted_at=run.sighted_at,
            settled_at=run.settled_at,
        )
    return figures


def _shut_again(run: Run) -> dict[str, Any]:
    """What a person let pass counts for this generation alone.

    A name stands for good, and so does a part that is given up, as long as it is not there.
    """
    opened = [name for name in run.accepted if name != RENAMED]
    if not opened:
        return {}
    lasting = {RENAMED, *(gate["name"] for gate in run.gates if gate.get("part"))}
    kept = [name for name in run.accepted if name in lasting]
    return {"accepted": kept, "observed": {**run.observed, RELEASED: opened}}


def _whole_manifest(context: Context) -> None:
    """What is announced is what was settled, file by file; anything else is a bug or a lost row."""
    run = context.run
    if context.ledger.files.totals(run.id) != (run.files, run.bytes):
        raise NeedsPerson(
            f"the ledger does not hold all {run.files} files of this run",
            why="a manifest that lacks files would tell consumers of a smaller run",
            next_step="if the run is on the disk: datalake-syncd retry; else it stays as published",
        )


def _lines(context: Context) -> Iterator[tuple[str, str]]:
    """(MD5, path) of all that the manifest names, in the byte order of the paths."""
    # A file of the run at the sheet's own place is that sheet; its MD5 is of what lies there.
    sheet = separate_sheet(context)
    for md5, path in context.ledger.files.md5s_in_lake_order(context.run.id):
        if md5 is None:
            raise Transient(f"{escape(path)} has no MD5 yet")
        if sheet is not None and path.encode() > ATTACHED.encode():
            yield sheet["md5"], ATTACHED
            sheet = None
        yield md5, path
    if sheet is not None:
        yield sheet["md5"], ATTACHED


def _standing(context: Context, old: bytes | None, lines: bytes) -> tuple[int, float | None]:
    """The generation to publish, and the time of the marker when all is already there."""
    run = context.run
    data = context.lake.read(f"{run.prefix}.sync", 1 << 20)
    if data is None:
        return run.generation, None
    time, fields = manifest.parse_marker(data)
    there = manifest.marker_number(fields.get("generation"))
    if there is not None and fields.get("outcome") == run.outcome.value and old is not None:
        believed = fields.get("manifest-sha256") == manifest.digest(old)
        if believed and manifest.names_just(old, lines):
            return there, parse_iso(time)
    if there is None:
        # A marker of the time before this service: it counts as the generation before ours.
        return max(run.generation, 2 if run.published_at is None else run.generation + 1), None
    return max(there, run.generation) + 1, None


def _write(context: Context, old: bytes | None, lines: bytes, files: int, generation: int) -> float:
    run, lake = context.run, context.lake
    now = context.now()
    notes = context.ledger.files.notes(run.id)
    sheet = separate_sheet(context)
    header = ManifestHeader(
        run.name,
        run.instrument,
        generation,
        run.outcome,
        run.proof,
        files,
        run.bytes + (0 if sheet is None else int(sheet["size"])),
    )
    data = manifest.render_md5(
        header,
        lines,
        (EmptyDirectory(note.path) for note in notes if note.kind == "empty-directory"),
        (note for note in notes if note.kind != "empty-directory"),
    )
    name = f"{run.prefix}.md5"
    if old != data:
        for earlier in (name, f"{run.prefix}.sync"):
            if lake.get(earlier) is not None:
                snapshot = lake.snapshot(earlier)
                if snapshot is not None:
                    context.log(
                        logging.INFO,
                        "lake.snapshot",
                        f"the earlier {earlier} is kept as snapshot {snapshot}",
                        step="publish",
                    )
                reach(FailPoint.EARLIER_MANIFEST_KEPT)
        lake.upload(name, data, "text/plain; charset=utf-8")
    reach(FailPoint.MANIFEST_WRITTEN)
    marker = manifest.render_marker(iso(now), header, manifest.digest(data))
    lake.upload(f"{run.prefix}.sync", marker, "text/plain; charset=utf-8")
    return now
