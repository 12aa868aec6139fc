"""A lab in a folder: sources, sheets, a configuration, and the service as a real process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.storage.blob import BlobProperties, ContainerClient

from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Status, Step
from tests.servers import AZCOPY, REPO, Azurite

MISEQ = "230101_M00001_0001_000000000-AAAAA"
NEXTSEQ = "230102_NB500001_0002_AHAAAAAAXX"
GROWING = {name for name, kind in KINDS.items() if kind.growing is not None}


@dataclass
class Lab:
    """One VM with its instruments; ``settings`` are TOML lines by table."""

    root: Path
    azurite: Azurite
    container: str
    settings: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[str, str] = field(
        default_factory=lambda: {"miseq": "miseq", "nextseq": "nextseq500"}
    )
    environment: dict[str, str] = field(default_factory=dict)
    account_url: str | None = None
    drop_secret: bool = False

    def __post_init__(self) -> None:
        for name in self.kinds:
            self.source(name).mkdir(parents=True, exist_ok=True)
            self.sheets(name).mkdir(parents=True, exist_ok=True)
        self.secret.write_text(self.azurite.connection_string)
        self.secret.chmod(0o600)
        self.configure()

    # --- places -----------------------------------------------------------------------------

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def secret(self) -> Path:
        return self.root / "secret"

    def source(self, instrument: str = "miseq") -> Path:
        return self.root / "sources" / instrument

    def sheets(self, instrument: str = "miseq") -> Path:
        return self.root / "sheets" / instrument

    # --- configuration ----------------------------------------------------------------------

    def configure(self, **tables: list[str]) -> None:
        """Write the configuration; ``tables`` replace lines of single tables (``a__b`` = a.b)."""
        self.settings.update({name.replace("__", "."): lines for name, lines in tables.items()})
        defaults = {
            "lake": [
                f'account_url = "{self.account_url or self.azurite.account_url}"',
                f'container = "{self.container}"',
                'auth = "connection-string"',
                f'secret_file = "{self.secret}"',
            ],
            "daemon": [f'state_dir = "{self.state}"', 'scan_interval = "1s"'],
            "azcopy": [f'path = "{AZCOPY}"'],
            "log": ['format = "json"'],
        }
        if self.drop_secret:
            defaults["lake"].pop()
        text = []
        for table, lines in defaults.items():
            text += [f"[{table}]", *_merged(lines, self.settings.get(table, []))]
        for table in sorted({"mail", "web", "scrub"} & self.settings.keys()):
            text += [f"[{table}]", *self.settings[table]]
        for name, kind in self.kinds.items():
            lines = [
                f'kind = "{kind}"',
                f'source = "{self.source(name)}"',
                f'sample_sheets = "{self.sheets(name)}"',
                f'destination = "{name}-out"',
                'quiet = "0.2s"',
            ]
            if kind in GROWING:
                lines.pop(2)  # they have no sample sheets
            text += [f"[instruments.{name}]"]
            text += _merged(lines, self.settings.get(f"instruments.{name}", []))
            prune = self.settings.get(f"instruments.{name}.prune")
            if prune is not None:
                text += [f"[instruments.{name}.prune]", *prune]
        self.config.write_text("\n".join(text) + "\n")

    # --- the service ------------------------------------------------------------------------

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "datalake_syncd", "--config", str(self.config), *arguments]

    def call(
        self, *arguments: str, expect: int | None = 0, timeout: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end; its exit code must be ``expect`` (None: any)."""
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=REPO,
            env={**os.environ, **self.environment, **environment},
            check=False,
        )
        told = f"{arguments}: exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
        assert expect is None or done.returncode == expect, told
        return done

    def once(self, expect: int | None = 0, **environment: str) -> list[dict[str, Any]]:
        """One pass; gives its log lines."""
        return log_lines(self.call("once", expect=expect, timeout=120, **environment).stdout)

    @contextmanager
    def daemon(self, **environment: str) -> Iterator[Daemon]:
        """The daemon as a child process; ended by SIGTERM at the end."""
        log = self.root / "daemon.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command("run"),
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=REPO,
                env={**os.environ, **self.environment, **environment},
            )
        daemon = Daemon(process, log)
        try:
            yield daemon
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                    raise

    # --- looking ----------------------------------------------------------------------------

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        ledger = Ledger(self.state, writable=False)
        try:
            yield ledger
        finally:
            ledger.close()

    def run(self, name: str = MISEQ, instrument: str = "miseq") -> Run | None:
        try:
            with self.ledger() as ledger:
                return ledger.runs.get(instrument, name)
        except UsageError as error:
            if "there is no ledger" not in error.what:
                raise
            return None

    def the_run(self, name: str = MISEQ, instrument: str = "miseq") -> Run:
        run = self.run(name, instrument)
        assert run is not None
        return run

    def events(self, name: str = MISEQ, instrument: str = "miseq") -> list[str]:
        with self.ledger() as ledger:
            run = ledger.runs.get(instrument, name)
            assert run is not None
            return [event.event for event in ledger.runs.history(run.id, limit=1000)]

    @property
    def client(self) -> ContainerClient:
        return self.azurite.service.get_container_client(self.container)

    def blobs(self, **include: Any) -> dict[str, BlobProperties]:
        return {blob.name: blob for blob in self.client.list_blobs(**include)}

    def read(self, name: str) -> bytes:
        return self.client.download_blob(name).readall()

    def expect_in_lake(self, files: dict[str, bytes], prefix: str) -> None:
        """Every file is in the lake, byte for byte, and nothing is there that is not ours."""
        there = self.blobs()
        for path, data in files.items():
            name = f"{prefix}/{path}"
            assert name in there, f"{name} is missing"
            assert there[name].size == len(data), name
            stored = there[name].content_settings.content_md5
            assert bytes(stored or b"") == hashlib.md5(data, usedforsecurity=False).digest(), name
            if len(data) < 100_000:
                assert self.read(name) == data, name

    def wait_for(self, what: Callable[[], object], seconds: float = 60, told: str = "") -> None:
        until = time.monotonic() + seconds
        while not what():
            if time.monotonic() > until:
                log = self.root / "daemon.log"
                tail = log.read_text()[-5000:] if log.exists() else ""
                raise AssertionError(f"never came true in {seconds} s: {told}\n{tail}")
            time.sleep(0.1)

    def wait_published(self, name: str = MISEQ, instrument: str = "miseq", gen: int = 1) -> None:
        """Published, and its next step (to prune or not) was looked at: nothing moves any more."""

        def published() -> bool:
            run = self.run(name, instrument)
            if run is None or run.published_at is None or run.generation < gen:
                return False
            return run.done is not Step.PUBLISH or run.status not in (Status.READY, Status.RUNNING)

        self.wait_for(published, told=f"{name} published")


@dataclass
class Daemon:
    """A running daemon and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        lines = log_lines(self.log.read_text())
        return lines if event is None else [line for line in lines if line["event"] == event]


def log_lines(text: str) -> list[dict[str, Any]]:
    """The JSON lines of a log."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _merged(defaults: list[str], own: list[str]) -> list[str]:
    keys = {line.split("=")[0].strip() for line in own}
    return [line for line in defaults if line.split("=")[0].strip() not in keys] + own


def tree_of(folder: Path) -> dict[str, bytes]:
    """Every regular file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
