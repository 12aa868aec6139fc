"""What a step gets, and what it may answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datalake_syncd.adapters.azcopy import AzcopySettings
from datalake_syncd.adapters.lake import Lake
from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.adapters.logs import log_event
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.config import Config, Instrument
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.kinds.kind import Kind
from datalake_syncd.core.model import Proof, Step
from datalake_syncd.core.names import JUNK, Excluder
from datalake_syncd.steps.places import data_folder


@dataclass(frozen=True, slots=True)
class Done:
    """The step is finished; ``columns`` go into the run's row."""

    event: str
    message: str
    data: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet, and no failure; look again after ``seconds``."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Back:
    """Do the road again from after ``to``."""

    to: Step
    event: str
    reason: str
    data: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing more to do now; the run rests at the step before."""

    reason: str | None = None


Answer = Done | Wait | Back | Finished


@dataclass(frozen=True, slots=True)
class Context:
    """One run, one step: the configuration in force and the outside things to work with.

    ``patience`` is for the instrument's source, ``sheet_patience`` for its sample sheet folder.
    ``beat`` says that the step gets on; it may be called from any thread. ``listed_at`` is
    shared by all steps of a process: when (monotonic seconds) the listing that the ledger has of
    a run's folder in the lake was begun, by the run's id.
    """

    config: Config
    ledger: Ledger
    lake: Lake
    access: LakeAccess
    azcopy: AzcopySettings
    azcopy_path: str
    logger: logging.Logger
    run: Run
    patience: Patience
    sheet_patience: Patience
    now: Callable[[], float]
    should_stop: Callable[[], bool]
    beat: Callable[[], None]
    listed_at: dict[int, float]
    clock_jumped: bool = False
    person_asked: bool = False

    @property
    def instrument(self) -> Instrument:
        """The run's instrument as configured."""
        return self.config.instruments[self.run.instrument]

    @property
    def kind(self) -> Kind:
        """The rules that the instrument follows."""
        return KINDS[self.instrument.kind]

    @property
    def folder(self) -> Path:
        """The folder that the paths of the run's files are relative to."""
        return data_folder(self.instrument, self.run.name)

    @property
    def prefix(self) -> str:
        """The run's folder in the lake, with a ``/`` at the end."""
        return self.run.prefix + "/"

    @property
    def excluder(self) -> Excluder:
        """What is not carried: junk and the instrument's own patterns."""
        return Excluder((*JUNK, *self.instrument.exclude))

    @property
    def needed_proof(self) -> Proof:
        """What every file must reach before the run is published."""
        prune = self.instrument.prune
        if prune.enabled and prune.proof == "read-back" and self.config.lake.proof == "auto":
            return Proof.READ_BACK  # what pruning will ask for
        return {
            "auto": Proof.CHECKED,
            "read-back": Proof.READ_BACK,
            "claimed": Proof.CLAIMED,
        }[self.config.lake.proof]

    def log(self, level: int, event: str, message: str, **fields: Any) -> None:
        """One line about this run."""
        log_event(
            self.logger,
            level,
            event,
            message,
            run=self.run.key,
            instrument=self.run.instrument,
            **fields,
        )


def lake_id(config: Config) -> str:
    """Which lake this is: account and container."""
    return f"{config.lake.account_url.rstrip('/')}/{config.lake.container}"


def learned_key(config: Config, name: str, instrument: Instrument) -> str:
    """Where the ledger keeps when the lake was asked which runs of an instrument it has."""
    return f"rederived:{name}:{lake_id(config)}:{instrument.destination}"
