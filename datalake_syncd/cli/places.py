"""Where things are: the state directory, the ledger, the daemon; read without pydantic.

Only what ``status`` and ``why`` need is taken from the configuration, as it stands in the
file; whether the file is right is for ``config check`` to say.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datalake_syncd.adapters.ledger import Ledger, LedgerDamaged
from datalake_syncd.adapters.ledger.database import LEDGER
from datalake_syncd.core.durations import parse_duration
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.names import escape

_STATE_DIR = "/var/lib/datalake-syncd"


@dataclass(frozen=True, slots=True)
class Settings:
    """The file's values as they stand there, unchecked."""

    path: Path
    values: dict[str, Any]

    @property
    def state_dir(self) -> Path:
        """The folder with the ledger."""
        given = self.value("daemon", "state_dir", default=_STATE_DIR)
        if not isinstance(given, str) or not given.startswith("/"):
            raise self._unusable("daemon.state_dir is not an absolute path")
        return Path(given)

    def value(self, *keys: str, default: Any = None) -> Any:
        """The value at this place, or the default."""
        found: Any = self.values
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                return default
            found = found[key]
        return found

    def seconds(self, *keys: str, default: float) -> float:
        """The duration at this place; one that can't be read counts as not given."""
        given = self.value(*keys)
        try:
            return parse_duration(given) if isinstance(given, str) else default
        except ValueError:
            return default

    def _unusable(self, what: str) -> UsageError:
        return UsageError(
            f"the configuration {escape(str(self.path))} can't be used: {what}",
            next_step="see all that is wrong with it: datalake-syncd config check",
        )


def read_settings(path: Path) -> Settings:
    """Read the file as TOML, nothing more."""
    shown = escape(str(path))
    try:
        with path.open("rb") as file:
            return Settings(path, tomllib.loads(file.read().decode("utf-8-sig")))
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no configuration at {shown}",
            why="it says where the service keeps its ledger",
            next_step="name it with --config PATH or DATALAKE_SYNCD_CONFIG, or write a starting "
            "one: datalake-syncd config init PATH",
        ) from error
    except OSError as error:
        raise UsageError(
            f"the configuration {shown} can't be read: {error.strerror}",
            why=f"this process runs as uid {os.geteuid()}",
            next_step="run the command as root or as the service's user",
        ) from error
    except ValueError as error:
        raise Settings(path, {})._unusable(f"it is not TOML ({error})") from error


@contextmanager
def reading(settings: Settings) -> Iterator[Ledger]:
    """The ledger, opened for reading; the daemon goes on writing it."""
    _must_be_readable(settings.state_dir)
    try:
        ledger = Ledger(settings.state_dir, writable=False)
    except LedgerDamaged as error:
        if "readonly" not in error.what:
            raise
        # Nothing is damaged: SQLite has to take back half a transaction, and may not write.
        raise UsageError(
            f"the ledger {escape(str(settings.state_dir / LEDGER))} can't be read just now",
            why="the service was killed in the middle of a write, which has to be taken back first",
            next_step="start the daemon, or run the command as root or the service's user",
        ) from error
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def reading_if_there(settings: Settings) -> Iterator[Ledger | None]:
    """As `reading`; None on a machine that has no ledger, where the lake alone must do."""
    try:
        there = (settings.state_dir / LEDGER).is_file()
    except OSError:
        there = True  # and `reading` says what is wrong with it
    if not there:
        yield None
        return
    with reading(settings) as ledger:
        yield ledger


def _must_be_readable(state_dir: Path) -> None:
    """SQLite says "unable to open" for everything; a person wants to know what it is."""
    for place, wanted in ((state_dir, os.X_OK), (state_dir / LEDGER, os.R_OK)):
        try:
            place.stat()
        except FileNotFoundError:
            return  # the ledger's own message fits
        except OSError:
            pass
        else:
            if os.access(place, wanted):
                continue
        raise UsageError(
            f"{escape(str(place))} can't be read",
            why=f"it is the service's own, and this process runs as uid {os.geteuid()}",
            next_step="run the command with sudo, or as the service's user",
        )
