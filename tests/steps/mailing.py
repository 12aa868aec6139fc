"""A service that mails to a real server, with a clock that a test moves."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.adapters.logs import log_event
from datalake_syncd.core.model import Status, Step
from datalake_syncd.session import configure_logs
from datalake_syncd.steps.mail.attendant import MailAttendant
from datalake_syncd.steps.service import Service
from tests.steps.service import service_of

#: A Wednesday.
START = 2_000_000_000.0


@dataclass
class Post:
    """One machine with mail; ``later`` moves its clock and lets it look once."""

    root: Path
    port: int
    mail: list[str] = field(default_factory=list)
    now: float = START
    recipients: tuple[str, ...] = ("lab@example.org",)

    def __post_init__(self) -> None:
        listed = ", ".join(f'"{one}"' for one in self.recipients)
        lines = [f"recipients = [{listed}]", 'host = "127.0.0.1"', f"port = {self.port}"]
        lines += ['security = "none"', 'sender = "syncd@vm.example.org"', *self.mail]
        self.service = service_of(
            self.root, "seq", wall=lambda: self.now, daemon="[mail]\n" + "\n".join(lines)
        )
        self.service.ledger.desk.set_instruments({"seq": ("miseq", str(self.root / "seq"))})
        self.logger = configure_logs(self.service.config)
        self.attendant = MailAttendant(self.service)
        self.attendant.round()

    @property
    def ledger(self) -> Ledger:
        return self.service.ledger

    def later(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.attendant.round()

    def born_again(self) -> None:
        """The process died and starts anew."""
        config = self.service.config
        ledger = Ledger(config.daemon.state_dir, writable=True)
        clock = lambda: self.now  # noqa: E731 - the same one for both
        self.service = Service(config, ledger, self.logger, wall=clock, monotonic=clock)
        self.attendant = MailAttendant(self.service)

    def run(self, name: str = "R1") -> Run:
        return self.ledger.runs.add("seq", name, prefix=f"out/{name}", now=self.now, reason="new")

    def block(self, run: Run, reason: str, next_step: str = "datalake-syncd retry") -> Run:
        moved = self.ledger.runs.move(
            self.ledger.runs.by_id(run.id),
            now=self.now,
            event="run.blocked",
            message=reason,
            status=Status.BLOCKED,
            done=Step.SETTLE,
            reason=reason,
            next_step=next_step,
        )
        log_event(self.logger, logging.ERROR, "run.blocked", reason, run=run.key, step="transfer")
        return moved

    def mend(self, run: Run) -> Run:
        return self.ledger.runs.move(
            self.ledger.runs.by_id(run.id),
            now=self.now,
            event="transfer.finished",
            message="carried",
            status=Status.READY,
            done=Step.TRANSFER,
            reason=None,
            next_step=None,
        )

    def troubles(self) -> dict[str, str]:
        return {one.key: one.message for one in self.ledger.desk.troubles()}
