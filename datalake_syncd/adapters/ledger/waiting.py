"""What the ledger knows of runs that may wait for too long."""

from __future__ import annotations

from datalake_syncd.adapters.ledger.database import Database
from datalake_syncd.adapters.ledger.rows import Event, Run, event_of
from datalake_syncd.core.model import Gate, Status, Step
from datalake_syncd.core.staleness import Standing

STALE = "run.stale"
_STOPS = ("run.blocked", "run.vanished", "run.returned", "run.renamed", "person.hold")


class Waiting:
    """Reads ``runs``, ``events`` and ``watched`` for `core.staleness`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def standing(
        self,
        run: Run,
        *,
        offline: str | None,
        configured: bool,
        growing: bool,
        quiet: float,
        required_sheet: str | None,
    ) -> Standing:
        """One run as it stands now; ``required_sheet`` is where its sheet would lie."""
        status = run.shown_status
        held = status is Status.HELD
        waits_for_sheet = (run.done, run.status, run.attempts) == (
            Step.VERIFY,
            Status.WAITING,
            0,
        ) and run.sheet is None
        return Standing(
            key=run.key,
            done=run.done,
            status=status,
            reason=run.hold_reason if held else run.reason,
            next_step=run.next_step,
            gates=tuple(Gate(**gate) for gate in run.gates),
            moved_at=run.moved_at,
            stopped_at=self.stopped_at(run.id) if held or status is Status.BLOCKED else None,
            still_since=self._last_change(run.id) if growing else still_since(run),
            offline=offline,
            configured=configured,
            sheet=required_sheet if waits_for_sheet else None,
            growing=growing,
            pending=_pending(run) if growing else None,
            quiet=quiet,
            complete_since=complete_since(run),
        )

    def told(self, run: Run) -> Event | None:
        """What was reported of a run that still waits, None when nothing was or it moved."""
        row = self._db.row(
            "SELECT * FROM events WHERE run_id=? AND event=? ORDER BY id DESC LIMIT 1",
            (run.id, STALE),
        )
        # What never comes to rest changes all the time: that ends nothing that was told of it.
        still = complete_since(run) or still_since(run) or 0.0
        since = max(run.moved_at, still, self._last_change(run.id) or 0.0)
        return event_of(row) if row is not None and row["at"] >= since else None

    def stopped_at(self, run_id: int) -> float | None:
        """When a run was blocked or held for the last time."""
        marks = ",".join("?" for _ in _STOPS)
        row = self._db.row(
            f"SELECT max(at) AS at FROM events WHERE run_id=? AND event IN ({marks})",  # noqa: S608 - only question marks are put in
            (run_id, *_STOPS),
        )
        return None if row is None else row["at"]

    def last_published(self, instrument: str, *, every_time: bool) -> tuple[str, float] | None:
        """The run of an instrument that was published last, and when (name, seconds).

        A run counts when it is published for the first time; with ``every_time`` each generation
        counts, as new files of a growing data set do.
        """
        which = "max" if every_time else "min"
        row = self._db.row(
            f"SELECT r.name, {which}(e.at) AS at FROM runs r JOIN events e ON e.run_id=r.id "  # noqa: S608 - one of two words
            "WHERE r.instrument=? AND e.event='run.published' GROUP BY r.id "
            "ORDER BY 2 DESC LIMIT 1",
            (instrument,),
        )
        return None if row is None else (row["name"], row["at"])

    def _last_change(self, run_id: int) -> float | None:
        row = self._db.row("SELECT max(since) AS at FROM watched WHERE run_id=?", (run_id,))
        return None if row is None else row["at"]


def still_since(run: Run) -> float | None:
    """Since when full looks have found the run's tree unchanged."""
    probe = run.observed.get("probe")
    return None if probe is None else float(probe["since"])


def complete_since(run: Run) -> float | None:
    """Since when a run that is not settled lacks nothing but rest."""
    since = run.observed.get("complete_since") if run.done is Step.SIGHTED else None
    return None if since is None else float(since)


def _pending(run: Run) -> str | None:
    units = run.observed.get("pending") or []
    if not units:
        return None
    more = int(run.observed.get("pending_count") or len(units)) - 1
    first, reason = units[0]
    return f"{first} ({reason})" + (f" and {more} more" if more > 0 else "")
