"""Files that only look like the sheet of a run, and sheets that no run explains."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from posixpath import basename, commonprefix

from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets.naming import sheet_name

#: A shorter name (characters) is found in too many others by chance.
_WITHIN = 8
#: And one or two other characters make another name of a shorter one.
_TYPING = 12
_TYPOS = 2
#: In shorter names another number is just the next run.
_COUNTED = 20
_LONGEST = 255  # characters; no file system has longer names

_ENDINGS = ("csv", "xlsx", "xls", "xlsm", "xlsb", "ods", "numbers", "txt", "tsv", "tab", "htm",
            "html", "bak", "tmp", "part", "crdownload", "zip")  # fmt: skip
_ENDING = re.compile(rf"[\s.~]*\.\s*({'|'.join(_ENDINGS)})[\s.~]*$")
_LOCKS = ("~$", ".~lock.", "._", "~")
_DIGIT = re.compile(r"\d")
_EDGE = re.compile(r"[^\W_]")  # what would make the name before or behind it a longer one


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


def near_misses(
    run_names: Iterable[str], file_names: Iterable[str], *, known: Iterable[str] = ()
) -> tuple[NearMiss, ...]:
    """Files that look like the sheets of ``run_names``, in the order of the files' names.

    ``file_names`` are paths below the sheet folder. The runs ``known`` are there too and need no
    near miss: what is exactly their sheet, or nearer to them, is left out. A file of a name
    equally near to several runs is told for each.
    """
    names = frozenset(run_names)
    both = names | frozenset(known)
    exact = {sheet_name(name) for name in both}
    lengths, folded = _by_letters(both)
    typos = _Typos(names)
    found: list[NearMiss] = []
    for file in sorted(set(file_names)):
        name = basename(file)
        if name in exact or len(name) > _LONGEST:
            continue
        within = _within(name, lengths, folded)
        if within is not None:
            runs, reason, quiet = within
            found += [NearMiss(run, file, reason, quiet) for run in runs if run in names]
            continue
        nearest, distance = typos.nearest(_stem(_fold(name)))
        reason = "1 character differs" if distance == 1 else f"{distance} characters differ"
        lock = name.startswith(_LOCKS)
        found += [NearMiss(run, file, reason, lock) for run in nearest]
    return tuple(found)


def sheets_without_run(
    file_names: Iterable[str],
    run_names: Collection[str],
    *,
    wanting: Collection[str] = (),
    is_run: Callable[[str], bool] = lambda _name: True,
) -> tuple[str, ...]:
    """Paths of sheets (``NAME.csv``, below the sheet folder) whose run NAME nobody knows.

    What has the name of a known run in its own is none of them, nor what is no ``.csv``, nor a
    near miss of the runs ``wanting`` a sheet; ``is_run`` may say that a name is none that a run
    of the instrument could have.
    """
    exact = {sheet_name(name) for name in run_names}
    lengths, folded = _by_letters(run_names)
    alone = []
    for file in sorted(set(file_names)):
        name = basename(file)
        stem = name.removesuffix(".csv")
        if name in exact or stem in ("", name) or name.startswith((*_LOCKS, ".")):
            continue
        if is_run(stem) and _within(name, lengths, folded) is None:
            alone.append(file)
    if not wanting:
        return tuple(alone)
    near = {miss.file for miss in near_misses(wanting, alone, known=run_names)}
    return tuple(file for file in alone if file not in near)


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _stem(name: str) -> str:
    """A folded name without what locks and copies put before it, and without its endings."""
    for lock in _LOCKS:
        if name.startswith(lock):
            name = name[len(lock) :]
            break
    while (shorter := _ENDING.sub("", name)) != name:
        name = shorter
    return name.strip()


def _by_letters(runs: Iterable[str]) -> tuple[list[int], dict[str, list[str]]]:
    """Folded run name -> runs that are spelled so, and the lengths that there are."""
    folded: dict[str, list[str]] = {}
    for run in runs:
        folded.setdefault(_fold(run), []).append(run)
    return sorted({len(name) for name in folded}, reverse=True), folded


def _within(
    name: str, lengths: list[int], folded: dict[str, list[str]]
) -> tuple[list[str], str, bool] | None:
    """The runs whose name stands in a file's name, what is there besides it, and if it is junk."""
    whole = _fold(name)
    stem = _stem(whole)
    if stem in folded:
        return sorted(folded[stem]), _difference(name, whole, stem), name.startswith(_LOCKS)
    for length in lengths:
        if length < _WITHIN:
            break
        for start in _starts(stem):
            end = start + length
            part = stem[start:end]
            if part in folded and (end == len(stem) or not _EDGE.match(stem[end])):
                besides = [text for text in (stem[:start], stem[end:]) if text.strip()]
                told = " and ".join(f'"{escape(text.strip())}"' for text in besides)
                return sorted(folded[part]), f"{told} is in its name too", name.startswith(_LOCKS)
    return None


def _starts(stem: str) -> Iterator[int]:
    yield 0
    yield from (at + 1 for at, sign in enumerate(stem[:-1]) if not _EDGE.match(sign))


def _difference(name: str, whole: str, stem: str) -> str:
    """What is different about a name that is a run's but for its ending and its letters."""
    if name.startswith(_LOCKS):
        return "a program that has the sheet open made it"
    if whole == f"{stem}.csv":
        same = name.casefold() == whole
        return "upper and lower case differ" if same else "some letters only look the same"
    behind = whole.partition(stem)[2]
    if behind.endswith(".csv") and behind.count(".csv") > 1 and not behind.replace(".csv", ""):
        return "its ending stands there twice"
    if re.sub(r"\s", "", behind) == ".csv":
        return "there is a space in its name"
    if not behind:
        return "it has no ending"
    return f"it ends in {escape(behind.strip())}"


class _Typos:
    """Finds names that differ by a few characters, without comparing each with each.

    Of a name in three pieces at least one is unharmed by two typing errors, and stands at most
    two places away from where it was.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, list[str]] = {}
        self._pieces: dict[tuple[int, int, str], list[str]] = {}
        for name in names:
            folded = _fold(name)
            if len(folded) < _TYPING:
                continue
            self._names.setdefault(folded, []).append(name)
            if len(self._names[folded]) == 1:
                for start, end in _thirds(len(folded)):
                    self._pieces.setdefault((len(folded), start, folded[start:end]), []).append(
                        folded
                    )

    def nearest(self, name: str) -> tuple[list[str], int]:
        """The names that are nearest to a folded one, and their distance; none beyond the limit."""
        best: list[str] = []
        limit = _TYPOS
        for candidate in self._candidates(name):
            if len(name) < _COUNTED and _DIGIT.sub("0", name) == _DIGIT.sub("0", candidate):
                continue
            distance = _distance(name, candidate, limit)
            if distance < limit:
                best, limit = [candidate], distance
            elif distance == limit:
                best.append(candidate)
        return sorted(run for folded in best for run in self._names[folded]), limit

    def _candidates(self, name: str) -> set[str]:
        found: set[str] = set()
        for length in range(max(_TYPING, len(name) - _TYPOS), len(name) + _TYPOS + 1):
            for start, end in _thirds(length):
                for shift in range(-_TYPOS, _TYPOS + 1):
                    if start + shift >= 0:
                        piece = name[start + shift : end + shift]
                        found.update(self._pieces.get((length, start, piece), ()))
        return found


def _thirds(length: int) -> tuple[tuple[int, int], ...]:
    one, two = length // 3, 2 * length // 3
    return (0, one), (one, two), (two, length)


def _distance(one: str, other: str, limit: int) -> int:
    """How many characters to insert, remove or replace; ``limit + 1`` when it is more than that."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    same = len(commonprefix((one, other)))
    one, other = one[same:], other[same:]
    row = list(range(len(other) + 1))
    for at, sign in enumerate(one, 1):
        new = [at]
        for number, against in enumerate(other, 1):
            new.append(min(row[number] + 1, new[-1] + 1, row[number - 1] + (sign != against)))
        if min(new) > limit:
            return limit + 1
        row = new
    return min(row[-1], limit + 1)
