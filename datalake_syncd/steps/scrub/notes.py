"""What the ledger keeps of passes."""

from __future__ import annotations

import json
from dataclasses import dataclass

from datalake_syncd.adapters.ledger import Ledger

NOTE = "scrub:pass:"
#: The note of the last pass over all runs that came to its end.
LAST = "scrub:last"


@dataclass(frozen=True, slots=True)
class Pass:
    """How far one pass is; times in seconds since the epoch, ``ended`` None while it is open.

    ``runs``, ``files`` and ``bytes`` were read back, ``wrong`` of the runs are not as published.
    """

    began: float
    ended: float | None = None
    runs: int = 0
    files: int = 0
    bytes: int = 0
    wrong: int = 0


def read_pass(ledger: Ledger, name: str) -> Pass | None:
    """The last pass of this name, open or not."""
    return _read(ledger, NOTE + name)


def last_pass(ledger: Ledger) -> Pass | None:
    """The last pass over all runs that came to its end, whoever asked for it."""
    return _read(ledger, LAST)


def _read(ledger: Ledger, note: str) -> Pass | None:
    kept = ledger.desk.get(note)
    return None if kept is None else Pass(**json.loads(kept))
