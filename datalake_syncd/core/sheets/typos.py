"""Names that differ from another one by a typing error or two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: One or two other characters make another name of a shorter one.
_SHORTEST = 12
#: So many characters may be inserted, removed or replaced.
TYPOS = 2
#: In shorter names another number is just the next run.
_COUNTED = 20
_DIGIT = re.compile(r"\d")

#: Where in a row the names stand of which as many characters were read as of the other name.
#: One place more than can be reached is kept free on both sides.
_LEVEL = TYPOS + 1


class Typos:
    """Compares one name with all others at once.

    A set of names is a number with a bit for each of them. For each character and each place
    there is the set of those that have it there. While a name is read, character by character,
    a row for each number of errors holds the sets of names that fit so far: those of which as
    many characters were used up, one more, one fewer, and so on (Levenshtein's automaton, run for
    all names in a few operations). So it takes the same time for names that have nearly everything
    in common, as those of one provider have; any index of pieces finds all of them for each.
    """

    def __init__(self, names: Iterable[str]) -> None:
        """``names`` are pairwise different, and folded as those that are compared with them."""
        self._names: list[str] = []
        self._places: dict[str, dict[int, int]] = {}
        self._of_length: dict[int, int] = {}
        self._of_shape: dict[str, int] = {}
        for name in names:
            if len(name) >= _SHORTEST:
                self._add(name)

    def _add(self, name: str) -> None:
        bit = 1 << len(self._names)
        self._names.append(name)
        for place, sign in enumerate(name):
            with_it = self._places.setdefault(sign, {})
            with_it[place] = with_it.get(place, 0) | bit
        self._of_length[len(name)] = self._of_length.get(len(name), 0) | bit
        if len(name) < _COUNTED:
            shape = _shape(name)
            self._of_shape[shape] = self._of_shape.get(shape, 0) | bit

    def nearest(self, name: str) -> tuple[list[str], int]:
        """The names that are nearest to this one, and how many characters differ.

        None, and the limit, when more differ in all of them.
        """
        some = 0
        for length in range(len(name) - TYPOS, len(name) + TYPOS + 1):
            some |= self._of_length.get(length, 0)
        if len(name) < _COUNTED:
            some &= ~self._of_shape.get(_shape(name), 0)
        rows = self._read(name, some) if some else []
        for errors, row in enumerate(rows):
            found = 0
            for shift in range(-errors, errors + 1):
                found |= row[_LEVEL + shift] & self._of_length.get(len(name) + shift, 0)
            if found:
                return sorted(self._in(found)), errors
        return [], TYPOS

    def _read(self, name: str, some: int) -> list[list[int]]:
        """For each number of errors, the row after the last character; empty when none fits."""
        free = [0] * (2 * _LEVEL + 1)
        rows = [free[:_LEVEL] + [some] * (errors + 1) + free[_LEVEL + errors + 1 :]
                for errors in range(TYPOS + 1)]  # fmt: skip
        for at, sign in enumerate(name):
            here = self._places.get(sign, {})
            fewer = fewer_now = free  # the rows of one error less, before and behind the character
            for errors, row in enumerate(rows):
                now = free[:]
                for place in range(_LEVEL - errors, _LEVEL + errors + 1):
                    same = row[place]
                    now[place] = (
                        (same and same & here.get(at + place - _LEVEL, 0))
                        | fewer[place]  # another character stands there
                        | fewer[place + 1]  # it stands in this name alone
                        | fewer_now[place - 1]  # and one that stands in the others alone
                    )
                fewer, fewer_now, rows[errors] = row, now, now
            if not any(fewer_now):
                return []
        return rows

    def _in(self, names: int) -> Iterator[str]:
        while names:
            last = names.bit_length() - 1
            yield self._names[last]
            names ^= 1 << last


def _shape(name: str) -> str:
    return _DIGIT.sub("0", name)
