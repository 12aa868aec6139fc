"""A ledger as the daemon would have left it, and a way to call commands on it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.cli import main
from datalake_syncd.core.model import Outcome, Proof, Status, Step
from tests.servers import REPO

RUN = "180612_NB501016_0001_AHXXXXXXXX"


@dataclass
class Called:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Place:
    """A configuration, its folders and its ledger, without a daemon and without a lake."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def __post_init__(self) -> None:
        self.state.mkdir()
        self.source.mkdir()
        self.secret.write_text("sv=1&sig=abc")
        self.secret.chmod(0o600)
        self.configure()
        with self.ledger() as ledger:
            ledger.desk.set_instruments({"nextseq": ("nextseq500", str(self.source))})
            ledger.desk.update_instrument("nextseq", online=1, last_scan=time.time() - 12)

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def secret(self) -> Path:
        return self.root / "secret"

    @property
    def config(self) -> Path:
        return self.root / "config.toml"

    def configure(self, *prune: str, instrument: str = "") -> None:
        self.config.write_text(f"""
[lake]
account_url = "http://127.0.0.1:9/devstoreaccount1"
container = "lake"
auth = "sas"
secret_file = "{self.secret}"
[daemon]
state_dir = "{self.state}"
[instruments.nextseq]
kind = "nextseq500"
source = "{self.source}"
destination = "NextSeqOutput"
{instrument}
[instruments.nextseq.prune]
{chr(10).join(prune)}
""")

    def ledger(self) -> OpenLedger:
        return OpenLedger(self.state)

    def add(self, name: str = RUN, instrument: str = "nextseq", **columns: Any) -> Run:
        """One run; an hour old unless ``age`` (seconds) says otherwise."""
        now = time.time() - columns.pop("age", 3600)
        prefix = f"NextSeqOutput/{name}"
        if instrument != "nextseq":
            prefix = f"{instrument}/{name}"
        with self.ledger() as ledger:
            return ledger.runs.add(
                instrument,
                name,
                prefix=prefix,
                now=now,
                reason=columns.pop("reason", None),
                **columns,
            )

    def published(self, name: str = RUN, **columns: Any) -> Run:
        values: dict[str, Any] = {
            "done": Step.PUBLISH,
            "status": Status.FINISHED,
            "outcome": Outcome.GOOD,
            "files": 3,
            "bytes": 3000,
            "files_proven": 3,
            "proof": Proof.CHECKED,
            "published_at": time.time() - 1800,
            "lake": "http://127.0.0.1:9/devstoreaccount1/lake",
        }
        return self.add(name, **{**values, **columns})

    def call(self, *arguments: str) -> Called:
        """A command in this process; whatever was printed before is forgotten."""
        self.capsys.readouterr()
        code = main(["--config", str(self.config), *arguments])
        told = self.capsys.readouterr()
        return Called(code, told.out, told.err)

    def dump(self) -> list[str]:
        """The whole ledger as text, to see that nothing changed."""
        with self.ledger() as ledger:
            return [
                repr(tuple(row))
                for table in ("runs", "files", "events", "requests", "meta", "prune_plan")
                for row in ledger.database.rows(f"SELECT * FROM {table}")  # noqa: S608
            ]


class OpenLedger:
    """``with place.ledger() as ledger``: opened for writing, closed again."""

    def __init__(self, state: Path) -> None:
        self._ledger = Ledger(state, writable=True)

    def __enter__(self) -> Ledger:
        return self._ledger

    def __exit__(self, *_: object) -> None:
        self._ledger.close()


@pytest.fixture
def place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.delenv("DATALAKE_SYNCD_CONFIG", raising=False)
    return Place(tmp_path, capsys)


@pytest.fixture
def soon() -> Callable[[Callable[[], object]], None]:
    """Wait for something that another thread does."""

    def wait(what: Callable[[], object]) -> None:
        until = time.monotonic() + 20
        while not what():
            assert time.monotonic() < until
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def completions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the completions of all shells."""
    folder = tmp_path_factory.mktemp("completions")
    subprocess.run([REPO / "tools" / "completions.sh", folder], check=True)
    for shell, name in (("zsh", "_datalake-syncd"), ("fish", "datalake-syncd.fish")):
        text = (folder / shell / name).read_text()
        assert f"{shell}_complete" in text
        assert text.count("2>/dev/null)") == 1
    return folder
