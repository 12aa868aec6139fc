"""Which runs the name of a file looks like, and what is different about it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from posixpath import basename

from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets.naming import sheet_name
from datalake_syncd.core.sheets.typos import Typos

#: A shorter name (characters) is found in too many others by chance.
_WITHIN = 8
_LONGEST = 255  # characters; no file system has longer names

#: What programs put before the name of a file that they have open, or that is none of theirs.
LOCKS = ("~$", ".~lock.", "._", "~")
_ENDINGS = ("csv", "xlsx", "xls", "xlsm", "xlsb", "ods", "numbers", "txt", "tsv", "tab", "htm",
            "html", "bak", "tmp", "part", "crdownload", "zip")  # fmt: skip
_ENDING = re.compile(rf"[\s.~]*\.\s*({'|'.join(_ENDINGS)})[\s.~]*$")
_EDGE = re.compile(r"[^\W_]")  # what would make the name before or behind it a longer one


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a file's name looks like.

    ``runs`` are all that are equally near, ``reason`` says what is different, ``quiet`` marks what
    programs make by themselves. ``typo``: some characters differ; else the whole name of the run
    stands in that of the file.
    """

    runs: tuple[str, ...]
    reason: str
    quiet: bool
    typo: bool


class RunNames:
    """The names of the runs that files are compared with.

    ``wanting`` lack a sheet. ``known`` are there too: what is exactly their sheet is no likeness
    of another run, and what holds their whole name looks like them. Typing errors are looked for
    in the names of those that lack a sheet alone.
    """

    def __init__(self, wanting: Collection[str], known: Collection[str] = ()) -> None:
        both = {*wanting, *known}
        self._sheets = {sheet_name(run) for run in both}
        self._folded = _by_letters(both)
        self._lengths: dict[str, list[int]] = {}  # of the names that begin so, the longest first
        long = {(len(name), name[:_WITHIN]) for name in self._folded if len(name) >= _WITHIN}
        for length, begin in sorted(long, reverse=True):
            self._lengths.setdefault(begin, []).append(length)
        self._wanting = _by_letters(wanting)
        self._typos = Typos(self._wanting)

    def has_sheet(self, file: str) -> bool:
        """Whether a file is exactly the sheet of one of them."""
        return basename(file) in self._sheets

    def like(self, file: str) -> Likeness | None:
        """What a file that is not exactly a sheet of theirs looks like, by its name alone."""
        name = basename(file)
        if name in self._sheets or len(name) > _LONGEST:
            return None
        quiet = name.startswith(LOCKS)
        whole = _fold(name)
        stem = _stem(whole)
        if stem in self._folded:
            runs = self._folded[stem]
            return Likeness(tuple(sorted(runs)), _difference(name, whole, stem), quiet, typo=False)
        within = self._within(stem)
        if within is not None:
            part, besides = within
            told = " and ".join(f'"{escape(text.strip())}"' for text in besides if text.strip())
            runs = self._folded[part]
            return Likeness(tuple(sorted(runs)), f"{told} is in its name too", quiet, typo=False)
        nearest, distance = self._typos.nearest(stem)
        if not nearest:
            return None
        runs = [run for folded in nearest for run in self._wanting[folded]]
        reason = "1 character differs" if distance == 1 else f"{distance} characters differ"
        return Likeness(tuple(sorted(runs)), reason, quiet, typo=True)

    def _within(self, stem: str) -> tuple[str, tuple[str, str]] | None:
        """The longest name that stands in another one as a word of its own, and what is besides."""
        best, besides = "", ("", "")
        for start in _starts(stem):
            for length in self._lengths.get(stem[start : start + _WITHIN], ()):
                if length <= len(best):
                    break
                part, behind = stem[start : start + length], stem[start + length :]
                if part in self._folded and not _EDGE.match(behind):
                    best, besides = part, (stem[:start], behind)
        return (best, besides) if best else None


def _by_letters(runs: Iterable[str]) -> dict[str, list[str]]:
    """Folded name -> the runs that are spelled so."""
    folded: dict[str, list[str]] = {}
    for run in runs:
        folded.setdefault(_fold(run), []).append(run)
    return folded


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _stem(name: str) -> str:
    """A folded name without what locks and copies put before it, and without its endings."""
    for lock in LOCKS:
        if name.startswith(lock):
            name = name[len(lock) :]
            break
    while (shorter := _ENDING.sub("", name)) != name:
        name = shorter
    return name.strip()


def _starts(stem: str) -> Iterator[int]:
    yield 0
    yield from (at + 1 for at, sign in enumerate(stem[:-1]) if not _EDGE.match(sign))


def _difference(name: str, whole: str, stem: str) -> str:
    """What is different about a name that is a run's but for its ending and its letters."""
    if name.startswith(LOCKS):
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
