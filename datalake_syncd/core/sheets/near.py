"""Files that only look like the sheet of a run, and sheets that no run explains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from posixpath import basename

from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets.likeness import LOCKS, Likeness, RunNames


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A file that looks like the sheet of a run and is not named as one.

    ``file`` is the path below the sheet folder, ``reason`` says what is different about it.
    ``quiet`` marks a file that programs make by themselves; nobody is to be told of it alone.
    """

    run: str
    file: str
    reason: str
    quiet: bool = False

    def __str__(self) -> str:
        return f"{escape(self.file)} looks like the sheet of run {escape(self.run)}: {self.reason}"


#: Neither a sheet that is alone nor one that looks like a run's.
_UNKNOWN = Likeness((), "", quiet=True, typo=False)


class Comparison:
    """The files of a sheet folder compared with runs; each look compares what is new alone.

    A look may be ended early: what it did not come to has its turn at the next one. Whatever the
    order in which files and runs came and went, in the end it is as if all were compared at once.
    """

    def __init__(self) -> None:
        self._wanting: frozenset[str] = frozenset()
        self._known: frozenset[str] = frozenset()
        self._runs = RunNames(())
        #: File -> what it looks like, of those that were compared with all runs.
        self._found: dict[str, Likeness | None] = {}
        self._new: dict[str, None] = {}  # files that were not, in their order
        #: Runs that were new at a look, and the files that were not compared with them yet.
        self._rounds: deque[tuple[RunNames, list[str]]] = deque()

    def look(
        self,
        file_names: Iterable[str],
        wanting: Iterable[str],
        known: Iterable[str] = (),
        go_on: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Compare what is new; False when ``go_on``, which is asked before each file, ended it.

        ``file_names`` are paths below the sheet folder. The runs ``wanting`` lack a sheet. The
        runs ``known`` are there too and need no near miss.
        """
        self._take_files(file_names)
        self._take_runs(frozenset(wanting), frozenset(known))
        while self._rounds:
            added, left = self._rounds[0]
            while left:
                if not go_on():
                    return False
                file = left.pop()
                if file in self._found and (added.has_sheet(file) or added.like(file)):
                    self._again(file)
            self._rounds.popleft()
        while self._new:
            if not go_on():
                return False
            file = next(iter(self._new))
            del self._new[file]
            self._found[file] = _UNKNOWN  # a name that can't be compared stops no others
            self._found[file] = self._runs.like(file)
        return True

    def misses(self) -> tuple[NearMiss, ...]:
        """Files that look like the sheets of runs that lack one, in the order of their names.

        A file of a name equally near to several runs is told for each.
        """
        return tuple(
            NearMiss(run, file, found.reason, found.quiet)
            for file, found in sorted(self._found.items(), key=lambda one: one[0])
            if found is not None
            for run in found.runs
            if run in self._wanting
        )

    def alone(self, is_run: Callable[[str], bool] = lambda _name: True) -> tuple[str, ...]:
        """Paths of sheets (``NAME.csv``, below the sheet folder) whose run NAME nobody knows.

        What looks like the sheet of a run is none of them, nor what is no ``.csv``; ``is_run`` may
        say that a name is none that a run of the instrument could have.
        """
        return tuple(
            file
            for file, found in sorted(self._found.items(), key=lambda one: one[0])
            if found is None
            and (stem := _sheet_of(file))
            and is_run(stem)
            and not self._runs.has_sheet(file)
        )

    def _take_files(self, file_names: Iterable[str]) -> None:
        there = frozenset(file_names)
        for gone in self._found.keys() - there:
            del self._found[gone]
        for gone in self._new.keys() - there:
            del self._new[gone]
        for file in sorted(there - self._found.keys() - self._new.keys()):
            self._new[file] = None

    def _take_runs(self, wanting: frozenset[str], known: frozenset[str]) -> None:
        known |= wanting
        if (wanting, known) == (self._wanting, self._known):
            return
        gone, sated = self._known - known, self._wanting - wanting
        for file, found in list(self._found.items()):
            if found is not None and not (sated if found.typo else gone).isdisjoint(found.runs):
                self._again(file)  # it may look like another one next
        if gone:
            for file in [file for file, found in self._found.items() if found is None]:
                self._again(file)  # it may have been exactly their sheet
        added, lacking = known - self._known, wanting - self._wanting
        if (added or lacking) and self._found:
            self._rounds.append((RunNames(lacking, added), list(self._found)))
        self._wanting, self._known = wanting, known
        self._runs = RunNames(wanting, known)

    def _again(self, file: str) -> None:
        del self._found[file]
        self._new[file] = None


def near_misses(
    run_names: Iterable[str], file_names: Iterable[str], *, known: Iterable[str] = ()
) -> tuple[NearMiss, ...]:
    """Files that look like the sheets of ``run_names``, as a `Comparison` finds them."""
    comparison = Comparison()
    comparison.look(file_names, run_names, known)
    return comparison.misses()


def _sheet_of(file: str) -> str:
    """The NAME of a file ``NAME.csv``; "" for what has another ending or is a program's own."""
    name = basename(file)
    stem = name.removesuffix(".csv")
    return "" if stem == name or name.startswith((*LOCKS, ".")) else stem
