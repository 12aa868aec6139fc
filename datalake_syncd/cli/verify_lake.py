"""Checking a published run against the lake as it is now; nothing is written anywhere.

With rows in the ledger they are the manifest, and proofs of earlier count as long as the blob
is the same. Without (a run that was pruned before the ledger was made anew, or one whose next
generation is on the way) ``NAME.md5`` in the lake is; then an equal stored MD5 is only a claim,
and reading back alone is proof.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datalake_syncd.core import manifest
from datalake_syncd.core.manifest import Verdict, judge
from datalake_syncd.core.model import Blob, FileStat, ManifestFile, Proof
from datalake_syncd.steps.published import (
    Place,
    Published,
    expected_files,
    is_known,
    other_list,
    read_and_hash,
    read_published,
)

if TYPE_CHECKING:
    from datalake_syncd.adapters.lake import Hashed, Lake
    from datalake_syncd.adapters.ledger import Ledger

_READERS = 4


@dataclass(slots=True)
class Finding:
    """The four lists; names are raw. ``trouble``: what is wrong with manifest, marker or sheet."""

    run: str
    source: str
    needed: Proof
    files: int = 0
    bytes: int = 0
    proven: int = 0
    read_back: int = 0
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    unproven: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        """Nothing is missing, nothing differs, and what must be proven is."""
        return not (self.missing or self.different or self.unproven or self.trouble)

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "run": self.run,
            "fine": self.fine,
            "manifest": self.source,
            "needed_proof": self.needed.value,
            "files": self.files,
            "bytes": self.bytes,
            "proven": self.proven,
            "read_back": self.read_back,
            "missing": self.missing,
            "different": self.different,
            "unproven": self.unproven,
            "extra": self.extra,
            "trouble": self.trouble,
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """How blobs are read back: told of bytes, and asked to stop."""

    on_total: Callable[[int], None]
    on_bytes: Callable[[int], None]
    stop: threading.Event


def check(
    lake: Lake, ledger: Ledger | None, place: Place, proof: Proof, reading: Reading | None
) -> Finding:
    """List the run's folder and judge every file; with ``reading`` read every byte as well."""
    published = read_published(lake, place)
    prefix = f"{place.prefix}/"
    blobs = {blob.name: blob for page in lake.list(prefix) for blob in page}
    run = place.run
    expected: Iterator[ManifestFile]
    if ledger is not None and run is not None and is_known(ledger, run):
        finding = Finding(place.prefix, "ledger", proof)
        expected = expected_files(ledger, run)
        finding.trouble.extend(other_list(run, _lines_digest(published)))
    else:
        finding = Finding(place.prefix, "NAME.md5 in the lake", Proof.CLAIMED)
        expected = _from_manifest(published, prefix, blobs)
    finding.trouble.extend(published.trouble)
    if reading is not None:
        finding.needed = Proof.READ_BACK
    to_read = _compare(finding, expected, prefix, blobs, reading)
    if reading is not None:
        _read_back(lake, finding, to_read, reading)
    ready = (run.observed.get("ready") or {}).get("lake_path") if run is not None else None
    extra = {name.removeprefix(prefix) for name in blobs} - {ready}
    finding.extra.extend(sorted(extra))
    return finding


def _from_manifest(
    published: Published, prefix: str, blobs: dict[str, Blob]
) -> Iterator[ManifestFile]:
    """NAME.md5 tells no sizes: each file is taken to have the size of its blob."""
    for md5, path in published.lines:
        blob = blobs.get(prefix + path)
        size = 0 if blob is None else blob.size
        yield ManifestFile(path, path, FileStat(size, 0, 0, 0, 0), md5)


def _lines_digest(published: Published) -> str:
    return manifest.lines_digest(manifest.file_lines(published.lines))


def _compare(
    finding: Finding,
    expected: Iterator[ManifestFile],
    prefix: str,
    blobs: dict[str, Blob],
    reading: Reading | None,
) -> list[tuple[ManifestFile, Blob]]:
    """Fill the lists; what is left in ``blobs`` is extra. Gives what is to be read back."""
    to_read: list[tuple[ManifestFile, Blob]] = []
    for file in expected:
        blob = blobs.pop(prefix + file.lake_path, None)
        verdict, _ = judge(file, blob, needed=finding.needed)
        finding.files += 1
        finding.bytes += file.stat.size
        if verdict is Verdict.MISSING:
            finding.missing.append(file.lake_path)
        elif verdict is Verdict.DIFFERENT:
            finding.different.append(file.lake_path)
        elif reading is not None and blob is not None:
            to_read.append((file, blob))  # also what was read back before: the question is now
        elif verdict is Verdict.UNPROVEN:
            finding.unproven.append(file.lake_path)
        else:
            finding.proven += 1
    return to_read


def _read_back(
    lake: Lake, finding: Finding, to_read: list[tuple[ManifestFile, Blob]], reading: Reading
) -> None:
    reading.on_total(sum(blob.size for _, blob in to_read))

    def read(file: ManifestFile, blob: Blob) -> tuple[ManifestFile, Hashed | None]:
        expected = (file.md5 or "", file.stat.size)
        stop = reading.stop.is_set
        seen = read_and_hash(lake, blob.name, expected, reading.on_bytes, stop)
        return file, seen

    with ThreadPoolExecutor(_READERS, thread_name_prefix="read-back") as readers:
        try:
            waiting: set[Future[tuple[ManifestFile, Hashed | None]]] = set()
            rest = iter(to_read)
            while True:
                for pair in rest:
                    waiting.add(readers.submit(read, *pair))
                    if len(waiting) >= 4 * _READERS:
                        break
                if not waiting:
                    return
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for one in finished:
                    _judge_reading(finding, *one.result())
        finally:
            reading.stop.set()  # whatever ends this ends the readers too
            readers.shutdown(cancel_futures=True)


def _judge_reading(finding: Finding, file: ManifestFile, seen: Hashed | None) -> None:
    if seen is None:
        finding.missing.append(file.lake_path)
    elif (seen.md5, seen.size) != (file.md5, file.stat.size):
        finding.different.append(file.lake_path)
    else:
        finding.proven += 1
        finding.read_back += 1
