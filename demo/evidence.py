"""What has to come true, looked up by the demo itself: on the disk, and in the lake's bytes.

Nothing here asks the service. What the instruments wrote is known from the simulation; what
the lake holds is listed, and every byte of it is fetched and hashed.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from azure.storage.blob import BlobProperties, ContainerClient

from demo.acts import (
    ANALYSIS,
    ANALYSIS_FLAG,
    ATTACHED,
    INSTRUMENT_OWN,
    READY,
    Act,
    ProjectAct,
    RunAct,
)
from demo.stage import TRASH, Folders

_NAMED = 3
#: The lists of CRC-32 that a NovaSeq X writes: of the run, and of its analysis.
_CHECKSUM_LISTS = ("Manifest.tsv", f"{ANALYSIS}/Manifest.tsv")


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that has to be true, and what speaks against it (nothing: it is true)."""

    sentence: str
    against: str = ""


@dataclass(frozen=True, slots=True)
class InLake:
    """One blob as it was listed, and its bytes as they were fetched.

    ``snapshots`` is how often it was overwritten, as far as the lake knows.
    """

    name: str
    content: bytes
    stored_md5: str
    etag: str
    modified: datetime
    snapshots: int = 0


Lake = Mapping[str, InLake]


def fetch(container: ContainerClient) -> dict[str, InLake]:
    """Every blob of the container by its name, with its bytes."""
    listed = list(container.list_blobs(include=["snapshots"]))
    snapshots = Counter(blob.name for blob in listed if blob.snapshot)
    return {
        blob.name: _fetched(container, blob, snapshots[blob.name])
        for blob in listed
        if not blob.snapshot
    }


def etags(container: ContainerClient, prefix: str) -> dict[str, str]:
    """The names below ``prefix`` (also ``prefix.sync`` and so on) with their ETags, right now."""
    return {blob.name: str(blob.etag) for blob in container.list_blobs(name_starts_with=prefix)}


def _fetched(container: ContainerClient, blob: BlobProperties, snapshots: int) -> InLake:
    stored = blob.content_settings.content_md5
    content = container.download_blob(blob.name).readall()
    md5 = bytes(stored).hex() if stored else ""
    return InLake(blob.name, content, md5, str(blob.etag), blob.last_modified, snapshots)


def claims(
    folders: Folders, act: Act, lake: Lake, before: Mapping[str, str] | None
) -> Iterator[Claim]:
    """All that has to be true of one act at the end.

    ``before`` is what the lake held of it (name -> ETag) right before the last thing that its
    instrument did, for the acts that have such a moment.
    """
    expected = act.in_lake()
    title = act.title if isinstance(act, RunAct) else act.in_lake_as
    layout = "" if isinstance(act, RunAct) else " in the lab's layout"
    yield _claim(
        f"{title}: all {len(expected)} files are in the lake{layout}, every MD5 equal",
        lambda: _files_in_lake(act, expected, lake),
    )
    yield _claim(
        f"{title}: the marker is there, and its manifest lists exactly these files",
        lambda: _marker_and_manifest(act.prefix, expected, lake),
    )
    if isinstance(act, RunAct):
        yield from _run_claims(act, lake, before)
    else:
        yield from _project_claims(act, lake, before)
    if isinstance(act, RunAct) and act.pruned:
        yield _claim(
            f"{title}: pruned: the folder is gone, all of it waits in the trash",
            lambda: _pruned(folders, act),
        )
    else:
        yield _claim(
            f"{title}: not pruned (that is off for it): every file is still on the disk",
            lambda: _on_disk(folders, act),
        )


def _run_claims(act: RunAct, lake: Lake, before: Mapping[str, str] | None) -> Iterator[Claim]:
    when = "came late and opened generation 2" if act.sheet_is_late else "is with the run"
    own = f"; the instrument's own is {INSTRUMENT_OWN}" if INSTRUMENT_OWN in act.in_lake() else ""
    yield _claim(
        f"{act.title}: the lab's sample sheet {when}{own}", lambda: _sheet(act, act.prefix, lake)
    )
    if not act.analysis_is_late:
        return
    yield _claim(
        f"{act.title}: nothing of it was sent before {ANALYSIS_FLAG} was there",
        lambda: _waited(act, lake, before),
    )
    faults: list[str] = []
    compared = sum(_compared(act, lake, name, faults) for name in _CHECKSUM_LISTS)
    yield _claim(
        f"{act.title}: all {compared} CRC-32 of its Manifest.tsv files fit the bytes in the lake",
        lambda: iter(faults),
    )


def _project_claims(
    act: ProjectAct, lake: Lake, before: Mapping[str, str] | None
) -> Iterator[Claim]:
    yield _claim(
        f"{act.in_lake_as}: each file was sent once, when it had stopped growing",
        lambda: _sent_once(act, lake),
    )
    yield _claim(
        f"{act.in_lake_as}: {READY} was written after both workbooks",
        lambda: _ready(act, lake),
    )
    generation = _told_by_marker(lake.get(f"{act.prefix}.sync"), "generation")
    yield _claim(
        f"{act.in_lake_as}: {act.one_more.name} opened generation {generation or '?'}; no other "
        "file was sent again",
        lambda: _only_one_more(act, lake, before),
    )


def _claim(sentence: str, look: Callable[[], Iterator[str]]) -> Claim:
    faults = list(look())
    more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return Claim(sentence, "; ".join(faults[:_NAMED]) + more)


def _files_in_lake(act: Act, expected: Mapping[str, bytes], lake: Lake) -> Iterator[str]:
    for path, content in expected.items():
        blob = lake.get(f"{act.prefix}/{path}")
        wanted = _md5(content)
        if blob is None:
            yield f"{path} is missing"
        elif _md5(blob.content) != wanted:
            yield f"{path} has other bytes"
        elif blob.stored_md5 != wanted:
            yield f"{path} has the stored MD5 {blob.stored_md5 or '(none)'}"
    there = {name.removeprefix(f"{act.prefix}/") for name in _below(act.prefix, lake)}
    known = {*expected, READY} if isinstance(act, ProjectAct) else set(expected)
    for path in sorted(there - known):
        yield f"{path} is too much"


def _below(prefix: str, lake: Mapping[str, object]) -> set[str]:
    return {name for name in lake if name.startswith(f"{prefix}/")}


def _marker_and_manifest(prefix: str, expected: Mapping[str, bytes], lake: Lake) -> Iterator[str]:
    marker, manifest = lake.get(f"{prefix}.sync"), lake.get(f"{prefix}.md5")
    if marker is None or manifest is None:
        yield f"no {prefix}.sync" if marker is None else f"no {prefix}.md5"
        return
    if _told_by_marker(marker, "manifest-sha256") != hashlib.sha256(manifest.content).hexdigest():
        yield "the marker tells of another manifest"
    lines = [x for x in manifest.content.decode().splitlines() if not x.startswith("#")]
    listed = {path: md5 for md5, _, path in (line.partition("  ") for line in lines)}
    if listed != {path: _md5(content) for path, content in expected.items()}:
        yield "the manifest lists something else than the run"


def _told_by_marker(marker: InLake | None, key: str) -> str | None:
    lines = [] if marker is None else marker.content.decode().splitlines()
    told = (line.removeprefix(f"{key}: ") for line in lines if line.startswith(f"{key}: "))
    return next(told, None)


def _sheet(act: RunAct, prefix: str, lake: Lake) -> Iterator[str]:
    attached = lake.get(f"{prefix}/{ATTACHED}")
    if attached is None or attached.content != act.sheet:
        yield f"{ATTACHED} is not the lab's"
    if act.sheet_is_late and _told_by_marker(lake.get(f"{prefix}.sync"), "generation") != "2":
        yield "the marker is not of generation 2"


def _waited(act: RunAct, lake: Lake, before: Mapping[str, str] | None) -> Iterator[str]:
    if before is None:
        yield "nobody looked"
    elif before:
        yield f"{len(before)} blobs of it were there already"
    if _told_by_marker(lake.get(f"{act.prefix}.sync"), "generation") != "1":
        yield "it was published more than once"


def _compared(act: RunAct, lake: Lake, name: str, faults: list[str]) -> int:
    """Hold one list of CRC-32 against the lake; gives how many there are."""
    listing = lake.get(f"{act.prefix}/{name}")
    if listing is None or not listing.content:
        faults.append(f"{name} is missing or empty")
        return 0
    folder = name.removesuffix("Manifest.tsv")
    lines = listing.content.decode().splitlines()
    for path, _, checksum in (line.partition("\t") for line in lines):
        # The instrument's own sheet is listed too; in the lake that name is the lab's sheet.
        at = INSTRUMENT_OWN if folder + path == ATTACHED else folder + path
        blob = lake.get(f"{act.prefix}/{at}")
        if blob is None or f"{zlib.crc32(blob.content):08x}" != checksum:
            faults.append(f"{at} is not what {name} lists")
    return len(lines)


def _sent_once(act: ProjectAct, lake: Lake) -> Iterator[str]:
    for path in act.in_lake():
        blob = lake.get(f"{act.prefix}/{path}")
        if blob is not None and blob.snapshots:
            yield f"{path} was overwritten"


def _ready(act: ProjectAct, lake: Lake) -> Iterator[str]:
    ready = lake.get(f"{act.prefix}/{READY}")
    if ready is None:
        yield f"{READY} is missing"
        return
    try:
        datetime.fromisoformat(ready.content.decode().strip())
    except ValueError:
        yield f"{READY} holds no time"
    for path in act.in_lake():
        blob = lake.get(f"{act.prefix}/{path}")
        if path.endswith(".xlsx") and (blob is None or blob.modified > ready.modified):
            yield f"{path} is younger than {READY}"


def _only_one_more(act: ProjectAct, lake: Lake, before: Mapping[str, str] | None) -> Iterator[str]:
    if before is None:
        yield "nobody looked"
        return
    now = {name: lake[name].etag for name in _below(act.prefix, lake)}
    earlier = {name: before[name] for name in _below(act.prefix, before)}
    new = {name.removeprefix(f"{act.prefix}/") for name in now.keys() - earlier.keys()}
    if new != {act.one_more_in_lake}:
        yield f"what came is {', '.join(sorted(new)) or 'nothing'}"
    for name, etag in earlier.items():
        if now.get(name) != etag:
            yield f"{name.removeprefix(f'{act.prefix}/')} was written again"
    marker = lake.get(f"{act.prefix}.sync")
    if marker is None or before.get(marker.name) in (None, marker.etag):
        yield "no new marker was written"
    elif _told_by_marker(marker, "generation") in (None, "1"):
        yield "the marker tells of no new generation"


def _pruned(folders: Folders, act: RunAct) -> Iterator[str]:
    source = folders.source(act.destination)
    if (source / act.name).exists():
        yield "the folder is still there"
    trashed = list((source / TRASH).glob(f"{act.name}*"))
    if len(trashed) != 1:
        yield f"{len(trashed)} folders of it in the trash"
        return
    for path, content in act.on_disk().items():
        file = trashed[0] / path
        if not file.is_file() or file.read_bytes() != content:
            yield f"{path} is not in the trash as it was"


def _on_disk(folders: Folders, act: Act) -> Iterator[str]:
    folder = folders.source(act.destination) / act.name
    for path, content in act.on_disk().items():
        if not (folder / path).is_file() or (folder / path).read_bytes() != content:
            yield f"{path} is not on the disk as it was"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
