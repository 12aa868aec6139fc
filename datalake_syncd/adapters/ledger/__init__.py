"""The ledger (SQLite): the durable queue and memory of the service; the only SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datalake_syncd.adapters.ledger.database import (
    LEDGER,
    SQLITE_VERSION,
    Database,
    LedgerDamaged,
    LedgerFull,
)
from datalake_syncd.adapters.ledger.desk import (
    Desk,
    InstrumentRow,
    Progress,
    Request,
    Trouble,
)
from datalake_syncd.adapters.ledger.files import Files
from datalake_syncd.adapters.ledger.growth import Growth
from datalake_syncd.adapters.ledger.happenings import Happening, Happenings
from datalake_syncd.adapters.ledger.lock import (
    AlreadyRunning,
    DaemonLock,
    DaemonState,
    daemon_state,
)
from datalake_syncd.adapters.ledger.mailroom import Letter, Mailroom
from datalake_syncd.adapters.ledger.remembered import RememberedRuns
from datalake_syncd.adapters.ledger.rows import Event, Run
from datalake_syncd.adapters.ledger.runs import Runs, StaleTransition
from datalake_syncd.adapters.ledger.samples import Samples
from datalake_syncd.adapters.ledger.scrub_list import ScrubList, Wanted
from datalake_syncd.adapters.ledger.scrubs import Scrubbed, Scrubs, ScrubState
from datalake_syncd.adapters.ledger.stirred import Stirred
from datalake_syncd.adapters.ledger.waiting import Waiting
from datalake_syncd.core.errors import SourceChanged
from datalake_syncd.core.model import Oddity
from datalake_syncd.core.pruning import PlanItem

__all__ = [
    "LEDGER",
    "SQLITE_VERSION",
    "AlreadyRunning",
    "DaemonLock",
    "DaemonState",
    "Event",
    "Happening",
    "InstrumentRow",
    "Ledger",
    "LedgerDamaged",
    "LedgerFull",
    "Letter",
    "Progress",
    "Request",
    "Run",
    "ScrubList",
    "ScrubState",
    "Scrubbed",
    "StaleTransition",
    "Stirred",
    "Trouble",
    "Wanted",
    "daemon_state",
]


class Ledger:
    """The open ledger of one state directory, or a throw-away one (None).

    ``writable=False`` opens it for reading only: commands do that while the daemon runs.
    ``check=False`` is for a command that leaves a request beside a running daemon.
    ``remember=True`` is for a reader that asks for all runs again and again. ``migrating``: see
    `Database`.
    """

    def __init__(
        self,
        state_dir: Path | None,
        *,
        writable: bool,
        check: bool = True,
        remember: bool = False,
        migrating: Callable[[str], None] = lambda _stage: None,
    ) -> None:
        path = None if state_dir is None else state_dir / LEDGER
        self.database = Database(path, writable=writable, check=check, migrating=migrating)
        self.runs = RememberedRuns(self.database) if remember else Runs(self.database)
        self.files = Files(self.database)
        self.growth = Growth(self.database, self.files)
        self.desk = Desk(self.database)
        self.waiting = Waiting(self.database)
        self.mailroom = Mailroom(self.database)
        self.samples = Samples(self.database)
        self.scrubs = Scrubs(self.database)
        self.happenings = Happenings(self.database)

    def intend_prune(
        self, run: Run, items: Sequence[PlanItem], trash: str, *, now: float, message: str
    ) -> Run:
        """Write the plan down before anything moves: plan, name in the trash, event at once."""
        with self.database.transaction():
            self.files.write_plan(run.id, items)
            self.runs.update_in_transaction(run, {"trash": trash})
            self.runs.event_in_transaction(
                run.id, now, "prune.planned", "prune", message, {"files": len(items)}
            )
        return self.runs.by_id(run.id)

    def free_units(
        self,
        run: Run,
        paths: Sequence[str],
        observed: dict[str, Any],
        *,
        now: float,
        size: int,
        message: str,
    ) -> Run:
        """Files of a growing data set are in the trash: its rows, the run and the event at once.

        ``size`` is their sum in bytes.
        """
        with self.database.transaction():
            self.growth.mark_freed_in_transaction(run.id, paths, now)
            self.runs.update_in_transaction(run, {"observed": observed})
            self.runs.event_in_transaction(
                run.id, now, "prune.done", "prune", message, {"files": len(paths), "bytes": size}
            )
        return self.runs.by_id(run.id)

    def settle(
        self,
        run: Run,
        notes: Sequence[Oddity],
        columns: dict[str, Any],
        *,
        now: float,
        message: str,
    ) -> tuple[Run, list[str]]:
        """Make the look the manifest and move the run, or neither.

        Gives the run and the files that vanished before any proof. Raises ``StaleTransition``
        when the run was moved meanwhile, ``SourceChanged`` when the rows are not the look.
        """
        with self.database.transaction():
            self.runs.update_in_transaction(run, {**columns, "moved_at": now, "settled_at": now})
            lost = self.files.adopt_in_transaction(run.id, notes)
            if self.files.totals(run.id) != (columns["files"], columns["bytes"]):
                raise SourceChanged("another look at this run was taken at the same time")
            self._settled(run, message, lost, now)
        return self.runs.by_id(run.id), lost

    def settle_growing(
        self,
        run: Run,
        notes: Sequence[Oddity],
        columns: dict[str, Any],
        *,
        now: float,
        message: str,
    ) -> tuple[Run, list[str]]:
        """As ``settle`` for a growing data set: what was announced before stays announced."""
        with self.database.transaction():
            lost = self.growth.adopt_in_transaction(run.id, notes)
            files, size = self.files.totals(run.id)
            changed = {**columns, "files": files, "bytes": size}
            self.runs.update_in_transaction(run, {**changed, "moved_at": now, "settled_at": now})
            self._settled(run, message, lost, now)
        return self.runs.by_id(run.id), lost

    def _settled(self, run: Run, message: str, lost: list[str], now: float) -> None:
        self.runs.event_in_transaction(run.id, now, "run.settled", "settle", message, None)
        if lost:
            told = f"{len(lost)} files vanished before they were proven"
            self.runs.event_in_transaction(
                run.id, now, "run.files-lost", "settle", told, {"files": lost}
            )

    @contextmanager
    def scratch_copy(self, run: Run) -> Iterator[Ledger]:
        """A throw-away ledger with this one run, so that a dry run writes nothing here."""
        copy = Ledger(None, writable=True)
        try:
            copy.database.copy_run(self.database.path, run.id)
            yield copy
        finally:
            copy.close()

    def close(self) -> None:
        """Close the file."""
        self.database.close()
