"""Data sets that grow for months: where their files go, and which of them may go now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from datalake_syncd.core.model import Gate, Oddity


@dataclass(frozen=True, slots=True)
class SeenFile:
    """One regular file of a data set; ``path`` is relative to the layout's base, with ``/``.

    ``size`` is in bytes; ``still`` is for how many seconds our own looks have found the file
    unchanged (0 at the first look), whatever the clock of the instrument says.
    """

    path: str
    size: int
    still: float


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that may go now, and where to: ``lake_path`` is below the data set in the lake.

    ``unit`` is the path of the file or folder that goes whole or not at all. ``prunable`` is
    false for what people work on, and for what other runs share.
    """

    path: str
    lake_path: str
    unit: str
    prunable: bool = True


@dataclass(frozen=True, slots=True)
class Pending:
    """A unit that does not go yet, and why in words."""

    unit: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReadyMarker:
    """A marker of the lab's own, written when one of the blobs ``of`` is new or changed.

    All paths are below the data set in the lake.
    """

    lake_path: str
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What is to be done with the files of one look.

    Every file is in exactly one of ``placed``, ``pending`` (by its unit) and ``skipped``. A gate
    that is not passed keeps the whole data set back.
    """

    placed: tuple[Placed, ...] = ()
    pending: tuple[Pending, ...] = ()
    skipped: tuple[Oddity, ...] = ()
    gates: tuple[Gate, ...] = ()
    ready: ReadyMarker | None = None


class GrowingLayout(Protocol):
    """The layout of one lab's growing data sets, all pure.

    A data set is called a run everywhere else; its name may hold ``/``.
    """

    def opens(self, folder: str) -> bool:
        """Whether data sets lie inside this folder of the source (and it is none itself)."""

    def run_name(self, folders: tuple[str, ...]) -> str | None:
        """The name of the data set in this folder (one or two names below the source)."""

    def lake_name(self, run: str) -> str:
        """The folder of the data set below the destination."""

    def base(self, run: str) -> str:
        """The folder below the source (empty: itself) that all paths are relative to."""

    def roots(self, run: str) -> tuple[str, ...]:
        """The folders below the base (empty: itself) that hold the data set's files."""

    def has_place(self, run: str, path: str) -> bool:
        """Whether what lies at this path below the base would be carried, were it a file.

        Asked of what is none, or has a name that the lake can't keep: only where it has a place
        does it stop the data set.
        """

    def strays(self, listing: Mapping[str, Collection[str] | None]) -> tuple[str, ...]:
        """What is named like a part of a data set and is in none, in words, each with its name.

        ``listing`` has the folders of the source; of those that `opens`, the names in them, or
        None where that is no folder.
        """

    def arrange(
        self,
        run: str,
        files: Sequence[SeenFile],
        missing: tuple[str, ...],
        quiet: float,
        carried: Collection[str] = (),
    ) -> Arrangement:
        """Say what goes where.

        ``missing`` are roots that are not there; ``quiet`` is the minimum age in seconds,
        counted on our own looks; ``carried`` are the lake paths that were announced before.
        """
