"""Where each key of a TOML text stands, for faults that name their line.

`tomllib` gives values without positions. This reads only what is needed for positions and
relies on `tomllib` having accepted the text: it never judges, and never raises.
"""

from __future__ import annotations

import re
import tomllib

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_COMMENT = re.compile(r"#[^\n]*")
_BLANK = re.compile(r"[ \t]*")

KeyPath = tuple[str | int, ...]


class Lines:
    """The line (from 1) of every table and key; inside arrays and inline tables the nearest."""

    def __init__(self, text: str) -> None:
        self._known: dict[KeyPath, int] = {}
        self._text = text.replace("\r\n", "\n")
        self._read()

    def line(self, path: KeyPath) -> int | None:
        """The line of this key, else of the nearest table or key around it, else None."""
        for length in range(len(path), 0, -1):
            known = self._known.get(path[:length])
            if known is not None:
                return known
        return None

    def exact(self, path: KeyPath) -> int | None:
        """The line of this very key or table, or None when it isn't in the text."""
        return self._known.get(path)

    def _read(self) -> None:
        text, position, line = self._text, 0, 1
        table: KeyPath = ()
        arrays: dict[KeyPath, int] = {}
        while position < len(text):
            start = position
            character = text[position]
            if character in " \t\n":
                position += 1
            elif character == "#":
                position = _end(_COMMENT.match(text, position), position)
            elif character == "[":
                doubled = text.startswith("[[", position)
                keys, position = self._keys(position + (2 if doubled else 1))
                table = self._table(keys, arrays, doubled=doubled)
                self._note(table, line)
                position = self._rest_of_line(position)
            else:
                keys, position = self._keys(position)
                self._note((*table, *keys), line)
                position = self._value(position)
            if position <= start:  # nothing was understood: never stand still
                position = start + 1
            line += text.count("\n", start, position)

    def _note(self, path: KeyPath, line: int) -> None:
        for length in range(1, len(path) + 1):
            self._known.setdefault(path[:length], line)

    @staticmethod
    def _table(keys: KeyPath, arrays: dict[KeyPath, int], *, doubled: bool) -> KeyPath:
        """The full path of a table header: parts that are arrays of tables get their index."""
        path: KeyPath = ()
        for number, key in enumerate(keys):
            path = (*path, key)
            last = number == len(keys) - 1
            if doubled and last:
                arrays[path] = arrays.get(path, -1) + 1
            if path in arrays:
                path = (*path, arrays[path])
        return path

    def _keys(self, position: int) -> tuple[KeyPath, int]:
        """The parts of a dotted key from here, and where it ends."""
        keys: list[str | int] = []
        while True:
            position = _end(_BLANK.match(self._text, position), position)
            bare = _BARE.match(self._text, position)
            quoted = None if bare else _QUOTED.match(self._text, position)
            found = bare or quoted
            if found is None:
                return tuple(keys), position
            keys.append(found[0] if bare else _unquoted(found[0]))
            position = _end(_BLANK.match(self._text, found.end()), found.end())
            if not self._text.startswith(".", position):
                return tuple(keys), position
            position += 1

    def _value(self, position: int) -> int:
        """Where the value that begins after ``=`` ends, over as many lines as it takes."""
        depth = 0
        while position < len(self._text):
            character = self._text[position]
            if character in "\"'":
                string = _STRING.match(self._text, position)
                position = string.end() if string else position + 1
                continue
            if character == "#":
                position = _end(_COMMENT.match(self._text, position), position)
                continue
            if character == "\n" and depth <= 0:
                return position
            depth += (character in "[{") - (character in "]}")
            position += 1
        return position

    def _rest_of_line(self, position: int) -> int:
        end = self._text.find("\n", position)
        return len(self._text) if end < 0 else end


def _end(match: re.Match[str] | None, position: int) -> int:
    return match.end() if match else position


def _unquoted(quoted: str) -> str:
    try:
        key = tomllib.loads(f"key = {quoted}")["key"]
    except ValueError:
        return quoted
    return key if isinstance(key, str) else quoted
