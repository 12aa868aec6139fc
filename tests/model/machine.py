"""The real service in this process: its ledger, watcher and worker, on simulated outer things.

Real: every step, the ledger's SQL, the tree's walk, hashes, trash and unlink on a real file
system. Simulated: the lake, azcopy, both clocks, and death (`Died` at any boundary; nothing of
the process is used again, only its ledger).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from datalake_syncd.adapters import failpoints, mounts
from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.adapters.patience import Patience
from datalake_syncd.config import load_text
from datalake_syncd.core.errors import SyncdError
from datalake_syncd.steps import hash_pool, requests, send, startup, verify
from datalake_syncd.steps.pruning import evidence
from datalake_syncd.steps.service import Service
from datalake_syncd.watch import Watcher
from datalake_syncd.worker import Worker
from tests.model.lake import SINGLE, SimulatedLake

INSTRUMENT = "drop"
FLAG = "done.flag"
QUIET = 480.0
KEEP = 3600.0
TRASH = 7200.0
#: The service trusts no wall clock for an hour after a jump.
JUMP_MATTERS = 3600.0
_EPOCH = 1_800_000_000.0


class Died(BaseException):
    """The process is gone, as by ``kill -9`` or a power cut."""


class _FewBytes(int):
    """A limit for one request of `SINGLE` bytes, where the configuration counts in MiB."""

    def __lshift__(self, _bits: int) -> int:
        return SINGLE


class _Bugs(logging.Handler):
    """Keeps what the service says of errors in itself."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if str(getattr(record, "event", "")).endswith(".bug"):
            self.told.append(logging.Formatter().format(record))


@dataclass
class Machine:
    """One VM; ``died`` says that the service is not running."""

    root: Path
    lake: SimulatedLake
    wall_offset: float = 0.0
    elapsed: float = 0.0
    bugs: _Bugs = field(default_factory=_Bugs)
    ledger: Ledger = field(init=False)
    service: Service = field(init=False)
    watcher: Watcher = field(init=False)

    def __post_init__(self) -> None:
        self.source.parent.mkdir(parents=True, exist_ok=True)
        self._logger = logging.Logger("model", logging.INFO)  # noqa: LOG001 - one for each walk
        self._logger.addHandler(self.bugs)
        self.ledger = Ledger(None, writable=True)
        self.start()

    @property
    def source(self) -> Path:
        return self.root / "source"

    def wall(self) -> float:
        return _EPOCH + self.elapsed + self.wall_offset

    def monotonic(self) -> float:
        return self.elapsed

    def start(self) -> None:
        """A new process on the ledger that is there."""
        secret = self.root / "secret"
        if not secret.exists():
            secret.write_text("AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a\n")
            secret.chmod(0o600)
        config = load_text(self._configuration(secret), self.root / "config.toml", {}).config
        self.service = Service(
            config, self.ledger, self._logger, wall=self.wall, monotonic=self.monotonic
        )
        force: Any = self.service.force
        azcopy = replace(force.azcopy, put_blob_mb=_FewBytes(1))
        self.service.force = replace(force, lake=self.lake, azcopy=azcopy)
        self.watcher = Watcher(self.service, INSTRUMENT)
        startup.prepare(self.service)

    def _configuration(self, secret: Path) -> str:
        return f"""
[lake]
account_url = "https://account.blob.core.windows.net"
container = "lake"
auth = "connection-string"
secret_file = "{secret}"
[daemon]
state_dir = "{self.root / "state"}"
[instruments.{INSTRUMENT}]
kind = "folder"
source = "{self.source}"
destination = "out"
completion_flags = ["{FLAG}"]
quiet = "{QUIET:.0f}s"
[instruments.{INSTRUMENT}.prune]
enabled = true
keep = "{KEEP:.0f}s"
trash = "{TRASH:.0f}s"
"""

    def advance(self, steps: int) -> None:
        """The one rule of the pipeline: a scan, then at most so many steps of ready runs."""
        self.watcher.safe_scan()
        worker = Worker(self.service)
        while steps and worker.work_once():
            steps -= 1

    def ask(self, action: str, run: Run) -> str:
        """What a person types; the answer, or what was refused."""
        try:
            return requests.ACTIONS[action](self.service, run, None)
        except SyncdError as error:
            return str(error)

    def lose_ledger(self) -> None:
        """The disk under the ledger is gone, and with it the process."""
        self.ledger.close()
        self.ledger = Ledger(None, writable=True)
        self.start()


@contextmanager
def simulated(lake: SimulatedLake, boundary: Callable[[str], None]) -> Iterator[None]:
    """Put the outer things in their places, and a boundary at every fail point."""

    def at_once(_self: Patience, work: Callable[[Callable[[], None]], Any]) -> Any:
        return work(lambda: None)

    replaced: list[Any] = [
        patch.object(send, "run_copy", lake.run_copy),
        patch.object(Patience, "call", at_once),
        patch.object(startup, "end_orphans", lambda _root: []),
        patch.object(startup, "_say_azcopy", lambda _service: None),
        # No inotify: the walk says when the watcher looks.
        patch.object(mounts, "is_network", lambda _path: True),
        # One thread of each, so that the same seed is the same walk.
        patch.object(hash_pool, "THREADS", 1),
        patch.object(evidence, "THREADS", 1),
        patch.object(verify, "_READERS", 1),
    ]
    for name, module in list(sys.modules.items()):
        ours = name.startswith("datalake_syncd") and module is not failpoints
        if ours and getattr(module, "reach", None) is failpoints.reach:
            replaced.append(patch.object(module, "reach", lambda p: boundary(str(p))))
    for one in replaced:
        one.start()
    try:
        yield
    finally:
        for one in reversed(replaced):
            one.stop()
