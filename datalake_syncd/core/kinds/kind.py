"""What a kind of instrument is: the rules by which its runs are found and judged complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from datalake_syncd.core.model import Assessment, RunFacts

MAX_METADATA_BYTES = 4 * 1024 * 1024
"""Metadata files above this size (bytes) are not read; the largest real one seen has 160 kB."""


@dataclass(frozen=True, slots=True)
class TopFolder:
    """One look at the top folder of a run, all that a kind needs to assess it.

    ``names`` are the entries of the folder as they are spelled there. ``metadata`` maps the
    lower-cased name of a metadata file to its bytes, or to None when it can't be read or is
    larger than ``MAX_METADATA_BYTES``. ``learned`` holds the lower-cased names of flags that this
    instrument ever wrote. ``flags`` are the configuration's completion_flags, which replace the
    kind's own; None (or none at all) leaves the kind's.
    """

    run_name: str
    names: tuple[str, ...]
    metadata: Mapping[str, bytes | None] = field(default_factory=dict)
    learned: frozenset[str] = frozenset()
    flags: tuple[str, ...] | None = None


class StructureCheck(Protocol):
    """Compares the files of a run with what its own metadata promises, one file at a time."""

    def see(self, path: str, size: int) -> None:
        """Take in one regular file: path relative to the run with ``/``, size in bytes."""

    def problems(self) -> tuple[str, ...]:
        """Say in words what is missing of the files seen so far; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The rules that an instrument follows; one line of the configuration names it.

    ``flags`` must all be in the top folder; ``learned_flags`` only once the instrument has
    written one. ``metadata_files`` are names in the top folder whose bytes ``assess`` wants. All
    names are matched case-insensitively. ``quiet`` is the default for the configuration's
    ``quiet``, in seconds. ``is_run`` judges the name of a folder below the source. ``structure``
    starts a check of the whole tree, or gives None for a kind that promises nothing.
    """

    name: str
    title: str
    flags: tuple[str, ...]
    learned_flags: tuple[str, ...]
    metadata_files: tuple[str, ...]
    quiet: float
    is_run: Callable[[str], bool]
    assess: Callable[[TopFolder], Assessment]
    structure: Callable[[RunFacts], StructureCheck | None]
