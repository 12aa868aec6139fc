"""Rows of ``runs`` and ``events`` as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from datalake_syncd.core.model import Outcome, Proof, Status, Step

#: Where a run's row keeps what a person had released of the generation that is published.
RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Run:
    """One row of ``runs``; times in seconds since the epoch, sizes in bytes."""

    id: int
    instrument: str
    name: str
    done: Step
    status: Status
    version: int
    attempts: int
    reason: str | None
    next_step: str | None
    trace: str | None
    not_before: float | None
    hold_reason: str | None
    outcome: Outcome
    generation: int
    files: int
    bytes: int
    files_proven: int
    proof: Proof
    lake: str | None
    prefix: str
    tree_digest: str | None
    manifest_digest: str | None
    facts: dict[str, Any]
    gates: list[dict[str, Any]]
    accepted: tuple[str, ...]
    rounds: int
    sheet: dict[str, Any] | None
    sighted_at: float
    moved_at: float
    settled_at: float | None
    published_at: float | None
    pruned_at: float | None
    emptied_at: float | None
    trash: str | None
    observed: dict[str, Any]
    fingerprint: str | None

    @property
    def key(self) -> str:
        """``INSTRUMENT/NAME``."""
        return f"{self.instrument}/{self.name}"

    @property
    def released(self) -> tuple[str, ...]:
        """The gates that a person opened: now, and for what is published."""
        before = self.observed.get(RELEASED, ())
        return (*self.accepted, *(name for name in before if name not in self.accepted))

    @property
    def shown_status(self) -> Status:
        """The status with a person's hold on top."""
        if self.hold_reason is not None and self.status is not Status.RUNNING:
            return Status.HELD
        return self.status


_JSON = ("facts", "gates", "accepted", "sheet", "observed")


def _loaded(text: str | None) -> Any:
    # Each scan reads every run of its instrument, and most of these columns are empty.
    if text is None:
        return None
    if text == "{}":
        return {}
    return [] if text == "[]" else json.loads(text)


def run_of(row: Any) -> Run:
    """The run of a row of ``runs``."""
    values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - sqlite3.Row is no mapping
    for key in _JSON:
        values[key] = _loaded(values[key])
    values["accepted"] = tuple(values["accepted"])
    values["done"] = Step(values["done"])
    values["status"] = Status(values["status"])
    values["outcome"] = Outcome(values["outcome"])
    values["proof"] = Proof(values["proof"])
    return Run(**values)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's history."""

    at: float
    event: str
    step: str | None
    message: str
    data: dict[str, Any] | None


def event_of(row: Any) -> Event:
    """The event of a row of ``events``."""
    data = None if row["data"] is None else json.loads(row["data"])
    return Event(row["at"], row["event"], row["step"], row["message"], data)


def stored(key: str, value: Any) -> Any:
    """A column's value as SQLite takes it."""
    return json.dumps(value) if key in _JSON and value is not None else value
