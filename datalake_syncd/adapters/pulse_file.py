"""``pulse.json`` in the state directory: when the daemon's own loop last went round.

For whoever watches from outside without asking the daemon: a container's health check.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

NAME = "pulse.json"
#: So many bytes always, so that the next one has room in the place of this one.
_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class PulseFile:
    """What stands there: ``at`` in seconds since the epoch, the names of loops that hang."""

    at: float
    late: tuple[str, ...]


def write_pulse(state_dir: Path, at: float, late: list[str]) -> bool:
    """Replace the file as a whole; False when that is not possible, which makes it old."""
    told = {"at": datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"), "late": late}
    text = f"{json.dumps(told):<{_LENGTH}}\n".encode()
    new = state_dir / f"{NAME}.new"
    try:
        # Not flushed to the disk: after a power cut it is too old in any case.
        new.write_bytes(text)
        os.replace(new, state_dir / NAME)
    except OSError:
        return _overwrite(state_dir / NAME, text)
    return True


def _overwrite(path: Path, text: bytes) -> bool:
    """On a full disk: in the room that the file has; a service that lives must not look dead."""
    try:
        with path.open("r+b") as file:
            if len(text) > os.fstat(file.fileno()).st_size:
                return False
            file.write(text)
            file.truncate()
    except OSError:
        return False
    return True


def read_pulse(state_dir: Path) -> PulseFile | None:
    """What stands there now; None when there is nothing that this program wrote.

    Raises ``PermissionError`` when the file may not be read.
    """
    try:
        told = json.loads((state_dir / NAME).read_text(encoding="utf-8"))
        at = datetime.fromisoformat(told["at"])
        return PulseFile(at.timestamp(), tuple(str(name) for name in told["late"]))
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return None
