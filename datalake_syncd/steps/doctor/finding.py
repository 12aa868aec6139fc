"""What a check found: one line with a mark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from datalake_syncd.config import Config
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import SyncdError


class Mark(StrEnum):
    """``FAULT``: something would stop a run. ``warning``: look at it, runs go on."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: ``name`` of what was looked at, what was found, what to do ("" when nothing)."""

    mark: Mark
    what: str
    next_step: str = ""
    name: str = ""

    def named(self, name: str) -> Finding:
        """The same under a name, unless it has its own."""
        return self if self.name else replace(self, name=name)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the checks look at; ``wall`` gives seconds since the epoch."""

    config: Config
    access: LakeAccess
    wall: Callable[[], float]


def fine(what: str, next_step: str = "", *, name: str = "") -> Finding:
    """All right; ``next_step`` may say how to learn what could not be seen from here."""
    return Finding(Mark.OK, what, next_step, name)


def warning(what: str, next_step: str, *, name: str = "") -> Finding:
    """A person should look at it; no run is stopped."""
    return Finding(Mark.WARNING, what, next_step, name)


def fault(what: str, next_step: str, *, name: str = "") -> Finding:
    """It would stop a run."""
    return Finding(Mark.FAULT, what, next_step, name)


def from_error(error: SyncdError, *, name: str = "", mark: Mark = Mark.FAULT) -> Finding:
    """An error of ours as a line."""
    return Finding(mark, str(error), error.next_step, name)
