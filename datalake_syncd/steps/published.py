"""A published run as the lake tells of it, and as the ledger does: what both are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from datalake_syncd.adapters.lake import Hashed, Lake
from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.core import manifest
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.model import FileStat, ManifestFile, Proof
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED
from datalake_syncd.steps.overview.report import delivered

MANIFEST_LIMIT = 1 << 30
_MARKER_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is in the lake; ``run`` is its row in the ledger, None when there is none."""

    name: str
    prefix: str
    run: Run | None


@dataclass(frozen=True, slots=True)
class Published:
    """What stands in the lake beside the run's folder.

    ``lines`` are (md5, path) pairs; ``marker`` the fields of the marker, None without one;
    ``trouble`` says what is wrong with the two.
    """

    name: str
    prefix: str
    data: bytes
    lines: tuple[tuple[str, str], ...]
    empty: tuple[str, ...]
    not_carried: int
    marker: dict[str, str] | None
    trouble: tuple[str, ...]


def read_published(lake: Lake, place: Place) -> Published:
    """Read manifest and marker; raises when there is no manifest that can be read."""
    name = f"{place.prefix}.md5"
    data = lake.read(name, MANIFEST_LIMIT)
    if data is None:
        raise NeedsPerson(
            f"there is no {escape(name)} in the lake",
            why="this run was not published by this service, or not to this place",
            next_step="look for it in the lake, and at lake and destination in the configuration",
        )
    try:
        text = data.decode()
        lines, empty = manifest.parse_md5(text)
    except ValueError as error:
        raise NeedsPerson(
            f"{escape(name)} in the lake can't be read as a list of MD5s: {error}",
            next_step="look at it, and at its snapshots, in the lake",
        ) from error
    marker = read_marker(lake, place.prefix)
    return Published(
        name=place.name,
        prefix=place.prefix,
        data=data,
        lines=tuple(lines),
        empty=tuple(empty),
        not_carried=text.count("\n# not carried: "),
        marker=marker,
        trouble=tuple(vouching_trouble(place.prefix, data, marker)),
    )


def read_marker(lake: Lake, prefix: str) -> dict[str, str] | None:
    """The fields of the marker; None when there is none."""
    data = lake.read(f"{prefix}.sync", _MARKER_LIMIT)
    return None if data is None else manifest.parse_marker(data)[1]


def vouching_trouble(prefix: str, data: bytes, marker: dict[str, str] | None) -> list[str]:
    """What is wrong between a manifest and the marker that should vouch for it."""
    if marker is None:
        return [f"there is no marker {escape(prefix)}.sync"]
    told = marker.get("manifest-sha256")
    if told is None:
        return []  # a marker of the time before this service
    if told == manifest.digest(data):
        return []
    return [f"{escape(prefix)}.md5 is not the one that the marker was written for"]


def other_list(run: Run, lines_digest: str) -> list[str]:
    """What is wrong when the manifest in the lake is not the one that the ledger remembers."""
    if run.manifest_digest in (None, lines_digest):
        return []
    return ["NAME.md5 in the lake lists other files than the ledger does"]


def is_known(ledger: Ledger | None, run: Run | None) -> bool:
    """Whether the ledger's rows are what was published: the run rests, and its files are there."""
    if ledger is None or run is None or not delivered(run) or not run.files:
        return False
    return bool(ledger.files.totals(run.id)[0])


def expected_files(ledger: Ledger, run: Run) -> Iterator[ManifestFile]:
    """Every file of a published run as the ledger has it, the attached sheet included."""
    sheet = run.sheet
    for file in chain.from_iterable(ledger.files.pages(run.id)):
        # The instrument's own, equal sheet has a row too; the attached one counts.
        if sheet is None or file.lake_path != ATTACHED:
            yield file
    if sheet is not None:
        stat = FileStat(int(sheet["size"]), 0, 0, 0, 0)
        yield ManifestFile(
            ATTACHED, ATTACHED, stat, sheet["md5"], Proof.CHECKED, proof_etag=sheet["etag"]
        )


def read_and_hash(
    lake: Lake,
    name: str,
    expected: tuple[str, int],
    on_bytes: Callable[[int], None],
    should_stop: Callable[[], bool],
) -> Hashed | None:
    """Read a blob; once more before it is called wrong, for the flip may have been on the way here.

    ``expected`` is (MD5, size). None: it is not there.
    """
    seen = None
    for _ in range(2):
        seen = lake.hash(name, on_bytes=on_bytes, should_stop=should_stop)
        if seen is None or (seen.md5, seen.size) == expected:
            break
    return seen
