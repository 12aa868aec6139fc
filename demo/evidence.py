"""What has to come true, looked up by the demo itself: on the disk, and in the lake's bytes.

Nothing here asks the service. What the instruments wrote is known from the simulation; what
the lake holds is listed, and every byte of it is fetched and hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from azure.storage.blob import BlobProperties, ContainerClient

from demo.play import ATTACHED, INSTRUMENT_OWN, Act
from demo.stage import TRASH, Folders

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that has to be true, and what speaks against it (nothing: it is true)."""

    sentence: str
    against: str = ""


@dataclass(frozen=True, slots=True)
class InLake:
    """One blob as it was listed, and its bytes as they were fetched."""

    name: str
    content: bytes
    stored_md5: str


def fetch(container: ContainerClient) -> dict[str, InLake]:
    """Every blob of the container by its name, with its bytes."""
    return {blob.name: _fetched(container, blob) for blob in container.list_blobs()}


def _fetched(container: ContainerClient, blob: BlobProperties) -> InLake:
    stored = blob.content_settings.content_md5
    content = container.download_blob(blob.name).readall()
    return InLake(blob.name, content, bytes(stored).hex() if stored else "")


def claims(folders: Folders, act: Act, lake: Mapping[str, InLake]) -> Iterator[Claim]:
    """All that has to be true of one run at the end."""
    expected = act.in_lake()
    prefix = f"{act.destination}/{act.run.name}"
    yield _claim(
        f"{act.title}: all {len(expected)} files are in the lake, every MD5 equal",
        lambda: _files_in_lake(prefix, expected, lake),
    )
    yield _claim(
        f"{act.title}: the marker is there, and its manifest lists exactly these files",
        lambda: _marker_and_manifest(prefix, expected, lake),
    )
    when = "came late and opened generation 2" if act.sheet_is_late else "is with the run"
    own = f"; the instrument's own is {INSTRUMENT_OWN}" if INSTRUMENT_OWN in expected else ""
    yield _claim(
        f"{act.title}: the lab's sample sheet {when}{own}",
        lambda: _sheet(act, prefix, lake),
    )
    if act.pruned:
        yield _claim(
            f"{act.title}: pruned: the folder is gone, all of it waits in the trash",
            lambda: _pruned(folders, act),
        )
    else:
        yield _claim(
            f"{act.title}: not pruned (that is off for it): every file is still on the disk",
            lambda: _on_disk(folders, act),
        )


def _claim(sentence: str, look: Callable[[], Iterator[str]]) -> Claim:
    faults = list(look())
    more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return Claim(sentence, "; ".join(faults[:_NAMED]) + more)


def _files_in_lake(
    prefix: str, expected: Mapping[str, bytes], lake: Mapping[str, InLake]
) -> Iterator[str]:
    for path, content in expected.items():
        blob = lake.get(f"{prefix}/{path}")
        wanted = _md5(content)
        if blob is None:
            yield f"{path} is missing"
        elif _md5(blob.content) != wanted:
            yield f"{path} has other bytes"
        elif blob.stored_md5 != wanted:
            yield f"{path} has the stored MD5 {blob.stored_md5 or '(none)'}"
    there = {name.removeprefix(f"{prefix}/") for name in lake if name.startswith(f"{prefix}/")}
    for path in sorted(there - set(expected)):
        yield f"{path} is too much"


def _marker_and_manifest(
    prefix: str, expected: Mapping[str, bytes], lake: Mapping[str, InLake]
) -> Iterator[str]:
    marker, manifest = lake.get(f"{prefix}.sync"), lake.get(f"{prefix}.md5")
    if marker is None or manifest is None:
        yield f"no {prefix}.sync" if marker is None else f"no {prefix}.md5"
        return
    digest = hashlib.sha256(manifest.content).hexdigest()
    if f"manifest-sha256: {digest}" not in marker.content.decode().splitlines():
        yield "the marker tells of another manifest"
    lines = [x for x in manifest.content.decode().splitlines() if not x.startswith("#")]
    listed = {path: md5 for md5, _, path in (line.partition("  ") for line in lines)}
    if listed != {path: _md5(content) for path, content in expected.items()}:
        yield "the manifest lists something else than the run"


def _sheet(act: Act, prefix: str, lake: Mapping[str, InLake]) -> Iterator[str]:
    attached = lake.get(f"{prefix}/{ATTACHED}")
    if attached is None or attached.content != act.sheet:
        yield f"{ATTACHED} is not the lab's"
    marker = lake.get(f"{prefix}.sync")
    if act.sheet_is_late and (marker is None or b"\ngeneration: 2\n" not in marker.content):
        yield "the marker is not of generation 2"


def _pruned(folders: Folders, act: Act) -> Iterator[str]:
    source = folders.source(act.destination)
    if (source / act.run.name).exists():
        yield "the folder is still there"
    trashed = list((source / TRASH).glob(f"{act.run.name}*"))
    if len(trashed) != 1:
        yield f"{len(trashed)} folders of it in the trash"
        return
    for path, content in act.run.files().items():
        file = trashed[0] / path
        if not file.is_file() or file.read_bytes() != content:
            yield f"{path} is not in the trash as it was"


def _on_disk(folders: Folders, act: Act) -> Iterator[str]:
    run = folders.source(act.destination) / act.run.name
    for path, content in act.run.files().items():
        if not (run / path).is_file() or (run / path).read_bytes() != content:
            yield f"{path} is not on the disk as it was"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
