"""Publish: ``NAME.md5``, then, last of all, the marker ``NAME.sync``.

Doing it twice changes nothing: what is already there and tells the same is kept as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core import manifest
from datalake_syncd.core.durations import iso, parse_iso
from datalake_syncd.core.errors import Transient
from datalake_syncd.core.manifest import ManifestHeader
from datalake_syncd.core.model import EmptyDirectory, Outcome
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED
from datalake_syncd.steps.context import Answer, Context, Done, lake_id

MAX_MANIFEST_BYTES = 1 << 30


def publish(context: Context) -> Answer:
    """Write manifest and marker; the marker is what downstream pipelines wait for."""
    lines = sorted(_lines(context), key=lambda line: line[1].encode())
    old = context.lake.get(f"{context.run.prefix}.md5")
    old_lines: list[tuple[str, str]] | None = None
    if old is not None:
        old_lines = _read_lines(context)
    generation, published_at = _standing(context, same=old_lines == lines)
    if published_at is None:
        published_at = _write(context, lines, generation, replaces=old is not None)
    reach(FailPoint.EFFECT_PUBLISH)
    label = "" if context.run.outcome is Outcome.GOOD else f" (outcome: {context.run.outcome})"
    return Done(
        "run.published",
        f"{context.run.prefix}.sync is in the lake: {len(lines)} files, generation "
        f"{generation}{label}",
        data={"generation": generation, "outcome": context.run.outcome.value},
        columns={
            "published_at": published_at,
            "generation": generation,
            "manifest_digest": manifest.digest(_text(lines)),
            "lake": lake_id(context.config),
        },
    )


def _lines(context: Context) -> Iterator[tuple[str, str]]:
    sheet = context.run.sheet
    for page in context.ledger.files.pages(context.run.id):
        for file in page:
            if file.md5 is None:
                raise Transient(f"{escape(file.path)} has no MD5 yet")
            if file.lake_path != ATTACHED or sheet is None:
                yield file.md5, file.lake_path
    if sheet is not None:
        yield sheet["md5"], ATTACHED


def _sheet_bytes(run: Run) -> int:
    """Bytes of an attached sheet: a file of the run in the lake, not on the source."""
    return 0 if run.sheet is None else int(run.sheet["size"])


def _text(lines: list[tuple[str, str]]) -> bytes:
    return "\n".join(f"{md5}  {path}" for md5, path in lines).encode()


def _read_lines(context: Context) -> list[tuple[str, str]] | None:
    data = context.lake.read(f"{context.run.prefix}.md5", MAX_MANIFEST_BYTES)
    try:
        return None if data is None else manifest.parse_md5(data.decode())[0]
    except ValueError:
        return None  # somebody else's; it stays as a snapshot


def _standing(context: Context, *, same: bool) -> tuple[int, float | None]:
    """The generation to publish, and the time of the marker when all is already there."""
    run = context.run
    data = context.lake.read(f"{run.prefix}.sync", 1 << 20)
    if data is None:
        return run.generation, None
    time, fields = manifest.parse_marker(data)
    text = fields.get("generation", "")
    there = int(text) if text.isascii() and text.isdigit() else None
    if same and there is not None and fields.get("outcome") == run.outcome.value:
        manifest_bytes = context.lake.read(f"{run.prefix}.md5", MAX_MANIFEST_BYTES)
        told = fields.get("manifest-sha256")
        if manifest_bytes is not None and told == manifest.digest(manifest_bytes):
            return there, parse_iso(time)
    if there is None:
        # A marker of the time before this service: it counts as the generation before ours.
        return max(run.generation, 2 if run.published_at is None else run.generation + 1), None
    return max(there, run.generation) + 1, None


def _write(
    context: Context, lines: list[tuple[str, str]], generation: int, *, replaces: bool
) -> float:
    run, lake = context.run, context.lake
    now = context.now()
    notes = context.ledger.files.notes(run.id)
    header = ManifestHeader(
        run.name,
        run.instrument,
        generation,
        run.outcome,
        run.proof,
        len(lines),
        run.bytes + _sheet_bytes(run),
    )
    data = manifest.render_md5(
        header,
        lines,
        (EmptyDirectory(note.path) for note in notes if note.kind == "empty-directory"),
        (note for note in notes if note.kind != "empty-directory"),
    )
    name = f"{run.prefix}.md5"
    there = lake.get(name)
    if there is None or lake.read(name, MAX_MANIFEST_BYTES) != data:
        if replaces:
            for earlier in (name, f"{run.prefix}.sync"):
                if lake.get(earlier) is not None:
                    snapshot = lake.snapshot(earlier)
                    context.log(
                        logging.INFO,
                        "lake.snapshot",
                        f"the earlier {earlier} is kept as snapshot {snapshot}",
                        step="publish",
                    )
        lake.upload(name, data, "text/plain; charset=utf-8")
    reach(FailPoint.MANIFEST_WRITTEN)
    marker = manifest.render_marker(iso(now), header, manifest.digest(data))
    lake.upload(f"{run.prefix}.sync", marker, "text/plain; charset=utf-8")
    return now
