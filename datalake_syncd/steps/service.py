"""What all threads of the service share: configuration in force, ledger, lake, stop signals."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datalake_syncd.adapters.azcopy import AzcopySettings
from datalake_syncd.adapters.lake import Lake
from datalake_syncd.adapters.ledger import Ledger, LedgerFull, Run, Trouble
from datalake_syncd.adapters.logs import log_event
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.config import Config, known_secrets, read_secret
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.names import escape
from datalake_syncd.core.redact import Redactor
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.health import Health
from datalake_syncd.steps.pulse import Pulse

#: A source that gives no sign of life for so long (seconds) is offline. The variable is for tests
#: and rehearsals.
PATIENCE = float(os.environ.get("SYNCD_PATIENCE", "120"))
_JUMP = 300.0
_JUMP_MATTERS = 3600.0


@dataclass(frozen=True, slots=True)
class InForce:
    """One configuration with the things that are made from it; steps keep theirs to the end."""

    config: Config
    access: LakeAccess
    lake: Lake
    azcopy: AzcopySettings


def bring_into_force(config: Config, beat: Callable[[], None] = lambda: None) -> InForce:
    """Make lake and azcopy settings from a configuration; reads no secret yet.

    ``beat`` is called whenever the lake has answered.
    """
    lake = config.lake
    secret_file = lake.secret_file
    secret = None if secret_file is None else lambda: read_secret(secret_file).reveal()
    access = LakeAccess(
        account_url=lake.account_url,
        container=lake.container,
        auth=lake.auth,
        tenant_id=lake.tenant_id,
        client_id=lake.client_id,
        secret=secret,
    )
    settings = AzcopySettings(
        cap_mbps=config.azcopy.cap_mbps,
        concurrency=config.azcopy.concurrency,
        stall_timeout=config.azcopy.stall_timeout,
        put_blob_mb=config.azcopy.put_blob_mb,
    )
    return InForce(config, access, Lake(access, beat), settings)


class WallClock:
    """Notices when the wall clock jumps against the monotonic one, also from process to process."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        # Between two processes the machine may have slept. The clock of a test stands for both.
        self._since_boot = _since_boot if monotonic is time.monotonic else monotonic
        self._offset = wall() - monotonic()
        self._jumped_at: float | None = None

    def jumped(self) -> bool:
        """True within an hour after a jump of over five minutes."""
        now = self._monotonic()
        offset = self._wall() - now
        if abs(offset - self._offset) > _JUMP:
            self._jumped_at = now
        self._offset = offset
        return self._jumped_at is not None and now - self._jumped_at < _JUMP_MATTERS

    def reading(self) -> str:
        """What the next process needs to see whether the clock was set in between."""
        since_boot = self._since_boot()
        ago = None if self._jumped_at is None else self._monotonic() - self._jumped_at
        return json.dumps(
            {
                "boot": _boot_id(),
                "since_boot": since_boot,
                "wall": self._wall(),
                "jumped": None if ago is None else since_boot - ago,
            }
        )

    def compare(self, reading: str | None) -> float:
        """By how many seconds the clock was set since another process took the reading.

        0.0 when that was not over five minutes, or the machine was started in between: then
        nothing here can tell. Otherwise it counts as a jump; so does one that the other process
        noticed within the last hour.
        """
        before = json.loads(reading or "{}")
        since_boot = self._since_boot()
        boot = _boot_id()
        if not before or not boot or before["boot"] != boot or before["since_boot"] > since_boot:
            return 0.0
        if before["jumped"] is not None:
            self._jumped_at = self._monotonic() - (since_boot - before["jumped"])
        moved = (self._wall() - before["wall"]) - (since_boot - before["since_boot"])
        if abs(moved) <= _JUMP:
            return 0.0
        self._jumped_at = self._monotonic()
        return float(moved)


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _boot_id() -> str:
    """Another one after each start of the machine; empty where the kernel tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class Service:
    """Shared by watchers, workers and the daemon's own loop."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        logger: logging.Logger,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        health: Health | None = None,
    ) -> None:
        self.pulse = Pulse()
        self.force = bring_into_force(config, self.pulse.beat)
        self.ledger = ledger
        self.logger = logger
        self.wall = wall
        self.monotonic = monotonic
        self.health = health or Health()
        self.clock = WallClock(wall, monotonic)
        self.stopping = threading.Event()
        self.work = threading.Event()
        self._online: set[str] = set()
        self._asked: set[str] = set()
        self._held: set[int] = set()
        self._listed_at: dict[int, float] = {}
        self._patience: dict[str, Patience] = {}
        self._sheet_patience: dict[Path | None, Patience] = {}
        self._lock = threading.Lock()
        #: Set while the disk under the ledger takes no more.
        self.ledger_alarm: LedgerFull | None = None
        #: One pass for cron: nobody looks again soon.
        self.one_pass = False

    @property
    def config(self) -> Config:
        """The configuration in force now."""
        return self.force.config

    def log(self, level: int, event: str, message: str, **fields: Any) -> None:
        """One line that is not written from within a step."""
        log_event(self.logger, level, event, message, **fields)

    def without_secrets(self, text: str) -> str:
        """The text of an error that nobody expected, which may quote anything.

        The secrets are read anew: they may have been replaced since the configuration came in.
        """
        return Redactor(known_secrets(self.config)).clean(text)

    def set_online(self, instrument: str, *, online: bool) -> None:
        """A scan says whether the source answers; runs of offline ones are not claimed."""
        with self._lock:
            self._asked.add(instrument)
            if online:
                self._online.add(instrument)
            else:
                self._online.discard(instrument)

    def forget_source(self, instrument: str) -> None:
        """A new configuration took it away, or changed it: nothing is known of it yet."""
        with self._lock:
            self._asked.discard(instrument)
            self._online.discard(instrument)

    def was_asked(self, instrument: str) -> bool:
        """Whether this process has looked at the source, and it answered or was offline."""
        with self._lock:
            return instrument in self._asked

    def claim(self) -> Run | None:
        """The next ready run of an instrument that is configured and online."""
        with self._lock:
            instruments = sorted(self._online & set(self.config.instruments))
        return self.ledger.runs.claim(self.wall(), instruments=instruments)

    def patience(self, instrument: str) -> Patience:
        """The instrument's bounded caller, shared by its scans' helpers of one name."""
        with self._lock:
            return self._patience.setdefault(instrument, self._new_patience(instrument))

    def sheet_patience(self, folder: Path | None) -> Patience:
        """The bounded caller of one sample sheet folder, for all that look into it.

        While that folder hangs they all fail at once, and say that it is the folder.
        """
        name = f"the sample sheet folder {escape(str(folder))}"
        with self._lock:
            return self._sheet_patience.setdefault(folder, self._new_patience(name))

    def _new_patience(self, name: str) -> Patience:
        return Patience(name, PATIENCE, self.pulse.beat, self.stopping.is_set)

    def stop_run(self, run_id: int) -> None:
        """A person holds a run that is being worked on."""
        with self._lock:
            self._held.add(run_id)

    def let_run(self, run_id: int) -> None:
        """A hold is lifted."""
        with self._lock:
            self._held.discard(run_id)

    def context(self, run: Run) -> Context:
        """All that a step of this run needs, with the configuration in force now."""
        force = self.force
        instrument = force.config.instruments.get(run.instrument)
        sheets = None if instrument is None else instrument.sample_sheets
        return Context(
            config=force.config,
            ledger=self.ledger,
            lake=force.lake,
            access=force.access,
            azcopy=force.azcopy,
            azcopy_path=force.config.azcopy.path,
            logger=self.logger,
            run=run,
            # A worker's own: a scan that hangs must not make a step fail, nor the reverse.
            patience=self._new_patience(run.instrument),
            sheet_patience=self.sheet_patience(sheets),
            now=self.wall,
            should_stop=lambda: self.stopping.is_set() or run.id in self._held,
            beat=self.pulse.here(),
            listed_at=self._listed_at,
            clock_jumped=self.clock.jumped(),
        )

    def trouble(
        self, key: str, message: str, next_step: str, instrument: str | None = None
    ) -> None:
        """Keep in the ledger that something stands that needs a person: `status` and mails tell.

        The caller logs it. See ``Trouble`` for the words.
        """
        self.ledger.desk.trouble(Trouble(key, message, next_step, self.wall(), instrument))

    def trouble_over(self, key: str) -> bool:
        """It stands no more; True when it did until now."""
        return self.ledger.desk.trouble_over(key)

    def ledger_trouble(self, error: LedgerFull) -> None:
        """The ledger takes no more: say it once, go on when it is written again."""
        if self.ledger_alarm is None:
            self.ledger_alarm = error
            self.log(logging.ERROR, "ledger.full", str(error), next_step=error.next_step)

    def ledger_works(self) -> None:
        """A transaction went through."""
        if self.ledger_alarm is not None:
            self.ledger_alarm = None
            self.log(logging.INFO, "ledger.works", "the ledger can be written again")
