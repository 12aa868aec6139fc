"""What is wrong with a configuration: all faults at once, each with its place and a way out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from datalake_syncd.config.lines import KeyPath
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.names import escape
from datalake_syncd.core.redact import Redactor

_SHOWN = 80  # characters of a value that an error repeats
_QUERY = re.compile(r"(https?:[^?]*\?)[^\"]*")  # where a SAS would be


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the TOML path it is about, its line, what was found, what is accepted."""

    path: KeyPath
    found: str
    accepted: str
    hint: str = ""
    line: int | None = None
    column: int | None = None

    @property
    def key(self) -> str:
        """The TOML path as text, e.g. ``instruments.nextseq.quiet``; "" for the whole file."""
        return dotted(self.path)

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line is not None else ""
        if self.column is not None:
            place += f", column {self.column}"
        parts = [part for part in (place, self.key) if part]
        text = ": ".join([*parts, self.found])
        if self.accepted:
            text += f"; accepted: {self.accepted}"
        return f"{text}; {self.hint}" if self.hint else text


class ConfigErrors(UsageError):
    """All faults of one configuration file, in the order of its lines."""

    def __init__(self, path: Path, faults: Iterable[Fault]) -> None:
        self.path = path
        self.faults = tuple(
            sorted(faults, key=lambda fault: (fault.line is None, fault.line or 0, fault.key))
        )
        number = len(self.faults)
        super().__init__(
            f"{number} fault{'s' * (number != 1)} in the configuration {escape(str(path))}:",
            why="\n".join(f"  {fault}" for fault in self.faults),
            next_step="Correct the file, then try it with: datalake-syncd config check",
        )

    def __str__(self) -> str:
        return f"{self.what}\n{self.why}"


def dotted(path: Iterable[str | int]) -> str:
    """A TOML path for people: ``instruments.nextseq.exclude[1]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        bare = part and all(c.isascii() and (c.isalnum() or c in "-_") for c in part)
        shown = escape(part) if bare else f'"{escape(part)}"'
        text += f".{shown}" if text else shown
    return text


def shown(value: object) -> str:
    """A value as it stands in the file, safe to show: no secrets, no controls, not long."""
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = f'"{value}"'
        case dict():
            text = "a table"
        case list() | tuple():
            text = f"[{', '.join(shown(entry) for entry in value)}]"
        case _:
            text = str(value)
    text = _QUERY.sub(r"\1***", Redactor().clean(text))
    text = escape(text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def sort_of(value: object) -> str:
    """What a value is, without repeating it."""
    names = {str: "text", bool: "true or false", dict: "a table", list: "a list"}
    return names.get(type(value), "a number or time")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``did you mean "x"?`` for the nearest known word, or nothing."""
    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f'did you mean "{lowered[near[0]]}"?' if near else ""
