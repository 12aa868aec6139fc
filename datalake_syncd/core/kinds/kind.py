"""What a kind of instrument is: the rules by which its runs are found and judged complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from datalake_syncd.core.kinds.growing import GrowingLayout
from datalake_syncd.core.model import Assessment, RunFacts

NO_CHECKSUMS = "no checksums"
"""A gate of this name is passed and tells all the same: what else is compared can't be here."""

MAX_METADATA_BYTES = 4 * 1024 * 1024
"""Metadata files above this size (bytes) are not read; the largest real one seen has 160 kB."""


@dataclass(frozen=True, slots=True)
class TopFolder:
    """One look at the top folder of a run, all that a kind needs to assess it.

    ``names`` are the entries of the folder as they are spelled there. ``metadata`` maps the
    lower-cased path of a metadata file to its bytes, or to None when it can't be read or is
    larger than ``MAX_METADATA_BYTES``. ``learned`` tells which flags this instrument ever wrote
    (`core.kinds.learned`). ``flags`` are the configuration's completion_flags, which replace the
    kind's own; None (or none at all) leaves the kind's. ``below`` has the entries of those
    folders inside the run that the kind asked for (``Kind.folders``), by their path as it is
    spelled; ``beside`` has the names beside the run folder, for kinds that look there.
    ``ready_file`` and ``checksum_file`` are keys of the configuration that the kind ``folder``
    follows.
    """

    run_name: str
    names: tuple[str, ...]
    metadata: Mapping[str, bytes | None] = field(default_factory=dict)
    learned: frozenset[str] = frozenset()
    flags: tuple[str, ...] | None = None
    below: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    ready_file: str | None = None
    checksum_file: str | None = None

    def filled(self, text: str) -> str:
        """A name of the configuration with the run's own name in the place of ``{name}``."""
        return text.replace("{name}", self.run_name)


@dataclass(frozen=True, slots=True)
class ChecksumList:
    """A list of checksums that came with a run, parsed.

    ``entries`` maps a path relative to the run folder to ``crc32:<8 hex>``, ``md5:<32 hex>`` or
    ``sha256:<64 hex>`` (lower case), several by spaces, or to "" for one that is listed without a
    checksum and only has to be there. ``problems`` are lines that can't be read, in words with
    their line number. ``remark`` goes on after the list's name, and tells what is odd of it and
    stops nothing.
    """

    entries: Mapping[str, str]
    problems: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """The file that tells a run from all others: one of ``metadata_files``.

    ``run_id`` reads from its bytes the id that the instrument gave the run, None when it has
    none; the run folder had that name when the instrument made it.
    """

    file: str
    run_id: Callable[[bytes], str | None]


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
    written one. ``metadata_files`` are names in the top folder, or patterns of paths with ``/``
    (``fnmatch``, segment by segment), whose bytes ``assess`` wants; ``folders`` are patterns of
    folders inside the run whose entries it wants. All are matched case-insensitively. ``quiet``
    is the default for the configuration's ``quiet``, in seconds. ``is_run`` judges the name of a
    folder below the source. ``structure`` starts a check of the whole tree, or gives None for a
    kind that promises nothing.

    ``unique_names``: names of runs hold the instrument's serial number, so several instruments
    may share one destination. ``any_name``: names say nothing, so what is no folder is not a run
    either. ``odd_name`` is true for a name that somebody made out of a run's name, so that it is
    none any more. ``looks_beside``: ``assess`` wants the names beside the run folder.
    ``checksum_lists`` gives the paths of the lists that came with the run, ``read_checksums``
    parses one from (path, bytes); what they list and is missing needs a person when
    ``lists_are_final``, else it is waited for. ``lapses``: flags are no longer waited for after the
    configuration's ``flag_grace``. ``identity`` is how a renamed run is recognised.
    ``unreleasable`` names gates of this kind that nobody can open by a word, since the lake can't
    hold what is behind them. ``growing`` is the layout of data sets that are never finished; the
    rules of single runs don't apply to those.
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
    folders: tuple[str, ...] = ()
    unique_names: bool = False
    any_name: bool = False
    odd_name: Callable[[str], bool] = lambda _name: False
    looks_beside: bool = False
    checksum_lists: Callable[[TopFolder], tuple[str, ...]] | None = None
    read_checksums: Callable[[str, bytes], ChecksumList] | None = None
    lists_are_final: bool = True
    lapses: bool = False
    identity: Identity | None = None
    unreleasable: tuple[str, ...] = ()
    growing: GrowingLayout | None = None
