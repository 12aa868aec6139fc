"""Rows of ``runs`` and ``events`` as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

from datalake_syncd.core.model import Outcome, Proof, Status, Step

#: Where a run's row keeps what a person had released of the generation that is published.
RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Run:
    """One row of ``runs``; times in seconds since the epoch, sizes in bytes.

    The fields stand in the order of the table's columns. Those that are JSON are parsed when they
    are asked for: each scan reads every run of its instrument, and asks few of them.
    """

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
    facts_json: str
    gates_json: str
    accepted_json: str
    rounds: int
    sheet_json: str | None
    sighted_at: float
    moved_at: float
    settled_at: float | None
    published_at: float | None
    pruned_at: float | None
    emptied_at: float | None
    trash: str | None
    observed_json: str
    fingerprint: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """What the instrument's metadata say of it."""
        return _object(self.facts_json)

    @property
    def gates(self) -> list[dict[str, Any]]:
        """What it had to pass at the last look, and how that went."""
        found: list[dict[str, Any]] = [] if self.gates_json == "[]" else json.loads(self.gates_json)
        return found

    @property
    def accepted(self) -> tuple[str, ...]:
        """The gates that a person opened for what is being carried now."""
        return () if self.accepted_json == "[]" else tuple(json.loads(self.accepted_json))

    @property
    def sheet(self) -> dict[str, Any] | None:
        """The sample sheet that is attached."""
        return None if self.sheet_json is None else _object(self.sheet_json)

    @property
    def observed(self) -> dict[str, Any]:
        """What was seen over days, and must outlive a restart."""
        return _object(self.observed_json)

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


def _object(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {} if text == "{}" else json.loads(text)
    return found


_JSON = ("facts", "gates", "accepted", "sheet", "observed")
_FIELDS = tuple(field.name for field in fields(Run))
#: The places of the columns that hold a word of a list, the list, and its words: looked up, for
#: a call of an enum takes ten times as long.
_WORDS = tuple(
    (_FIELDS.index(name), words, {member.value: member for member in words})
    for name, words in {"done": Step, "status": Status, "outcome": Outcome, "proof": Proof}.items()
)


def run_of(row: Any) -> Run:
    """The run of a whole row of ``runs``; raises ValueError for a word that is in no list."""
    values = list(row)
    for place, words, members in _WORDS:
        found = members.get(values[place])
        values[place] = words(values[place]) if found is None else found
    return Run(*values)


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
