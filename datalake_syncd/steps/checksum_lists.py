"""Lists of checksums that came with a run: what they list must be there, with that content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from datalake_syncd.adapters import tree
from datalake_syncd.core.kinds.kind import NO_CHECKSUMS
from datalake_syncd.core.model import Gate, Oddity
from datalake_syncd.core.names import escape
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.top_folder import read_top_folder

#: Gates that a person may release: lists that can't be read or list what is not there, and
#: files whose content is not what the lists say.
LISTED_FILES = "listed files"
CONTENT = "checksum list"

#: A list above this size (bytes) is not read; one of a million files has about 100 MB.
MAX_LIST_BYTES = 128 << 20
_NAMED = 5


@dataclass(slots=True)
class Lists:
    """The lists of one run, parsed, and what one look finds of the files that they list.

    ``expected`` maps a path to its checksums, as ``ManifestFile.expected`` holds them.
    """

    paths: tuple[str, ...]
    final: bool
    expected: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    listed: int = 0
    _missing: set[str] = field(default_factory=set)

    def take(self, path: str, checksums: str) -> None:
        """Take an entry of a list in; several may tell of one file, and all must be right."""
        self._missing.add(path)
        self.listed = len(self._missing)
        told = self.expected.get(path, "").split()
        new = [one for one in checksums.split() if one not in told]
        if new:
            self.expected[path] = " ".join([*told, *new])

    def see(self, path: str) -> None:
        """A regular file of the run that is carried."""
        self._missing.discard(path)

    def see_oddity(self, oddity: Oddity) -> None:
        """Something that is there, and is told of instead of being carried."""
        # Its path is escaped. A name that looks another way then can't be carried anyhow.
        if oddity.path in self._missing:
            self._missing.remove(oddity.path)
            self.excluded.append(oddity.path)

    def gates(self, accepted: tuple[str, ...]) -> Iterator[Gate]:
        """Whether the lists can be read, and all that they list was seen."""
        if self.remarks:
            needed = "lists that name the files, as the instrument writes them"
            yield Gate(NO_CHECKSUMS, True, _first(self.remarks, "lists"), needed)
        if not self.listed and not self.problems:
            return
        told = [_first(self.problems, "lines that can't be read")] if self.problems else []
        if self._missing:
            named = _some(sorted(self._missing))
            told.append(f"{len(self._missing)} of {self.listed} are not there: {named}")
        passed = not told
        if not told:
            told.append(f"all {self.listed} are there")
        if self.excluded:
            told.append(f"not carried, nor compared: {_some(self.excluded)}")
        found = "; ".join(told)
        if not passed and LISTED_FILES in accepted:
            passed, found = True, f"{found} (released by a person)"
        needed = f"every file that {_some(self.paths)} lists"
        # What is not there yet may be on its way, unless the lists are the last to come.
        person = not passed and (bool(self.problems) or self.final)
        yield Gate(LISTED_FILES, passed, found, needed, needs_person=person)


def read_lists(context: Context, tick: Callable[[], None]) -> Lists | None:
    """Read and parse the lists that the kind finds in the run; None when there are none."""
    kind = context.kind
    if kind.checksum_lists is None or kind.read_checksums is None:
        return None
    paths = kind.checksum_lists(read_top_folder(context, frozenset(), tick))
    if not paths:
        return None
    lists = Lists(paths, kind.lists_are_final)
    for path in paths:
        data = tree.read_small(context.folder / path, MAX_LIST_BYTES)
        tick()
        if data is None:
            lists.problems.append(f"{escape(path)} is larger than {MAX_LIST_BYTES >> 20} MiB")
            continue
        result = kind.read_checksums(path, data)
        tick()
        lists.problems.extend(f"{escape(path)}: {problem}" for problem in result.problems)
        if result.remark:
            lists.remarks.append(f"{escape(path)} {result.remark}")
        for entry, checksums in result.entries.items():
            lists.take(entry, checksums)
    return lists


def _first(told: list[str], others: str) -> str:
    more = [f"and {len(told) - _NAMED} more {others}"] if len(told) > _NAMED else []
    return "; ".join([*told[:_NAMED], *more])


def _some(names: list[str] | tuple[str, ...]) -> str:
    shown = ", ".join(escape(name) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
