"""Where the demo plays: folders, a configuration, the lake's container, the daemon."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import ContainerClient

from demo.emulator import Emulator
from demo.processes import Child, start

REPO = Path(__file__).resolve().parent.parent
AZCOPY = REPO / ".tools/bin/azcopy"
AZURITE = REPO / ".tools/bin/azurite-blob"
CONTAINER = "lake"
TRASH = ".datalake-syncd-trash"

_CONFIGURATION = """\
[lake]
account_url = "{account_url}"
container = "{container}"
auth = "connection-string"
secret_file = "{root}/secret"

[daemon]
state_dir = "{root}/state"
scan_interval = "1s"
workers = 4

[azcopy]
path = {azcopy}

[log]
format = "json"

[instruments.miseq]
kind = "miseq"
source = "{root}/MiSeqOutput"
sample_sheets = "{root}/SampleSheets"
destination = "MiSeqOutput"
quiet = "3s"
[instruments.miseq.prune]
enabled = true
keep = "3s"
trash = "1h"

[instruments.nextseq]
kind = "nextseq500"
source = "{root}/NextSeqOutput"
sample_sheets = "{root}/SampleSheets"
destination = "NextSeqOutput"
quiet = "3s"

[instruments.novaseqx]
kind = "novaseqx"
source = "{root}/NovaSeqXOutput"
sample_sheets = "{root}/SampleSheets"
destination = "NovaSeqXOutput"
quiet = "3s"

[instruments.proteomics]
kind = "proteomics"
source = "{root}/Proteomics"
destination = "Proteomics"
quiet = "2s"
"""
_FOLDERS = ("MiSeqOutput", "NextSeqOutput", "NovaSeqXOutput", "Proteomics", "SampleSheets")


@dataclass(frozen=True, slots=True)
class Folders:
    """All places of one demo, below one temporary folder."""

    root: Path

    @property
    def configuration(self) -> Path:
        """The daemon's configuration file."""
        return self.root / "config.toml"

    @property
    def sheets(self) -> Path:
        """Where the lab puts its sample sheets."""
        return self.root / "SampleSheets"

    @property
    def daemon_log(self) -> Path:
        """What the daemon says, one JSON document a line."""
        return self.root / "daemon.log"

    def source(self, destination: str) -> Path:
        """The folder that an instrument writes its runs to."""
        return self.root / destination


def set_up(folders: Folders, lake: Emulator) -> ContainerClient:
    """Make folders, secret, configuration and container; gives a client for the container."""
    for name in _FOLDERS:
        (folders.root / name).mkdir()
    secret = os.open(folders.root / "secret", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(secret, "w") as file:
        file.write(lake.connection_string)
    folders.configuration.write_text(
        _CONFIGURATION.format(
            account_url=lake.account_url,
            container=CONTAINER,
            root=folders.root,
            azcopy=json.dumps(str(AZCOPY)),
        )
    )
    client = ContainerClient.from_connection_string(lake.connection_string, CONTAINER)
    client.create_container()
    return client


def start_daemon(folders: Folders) -> Child:
    """Start the service as any machine would, with its log in a file."""
    argv = [sys.executable, "-m", "datalake_syncd"]
    argv += ["--config", str(folders.configuration), "run"]
    # SIGTERM: should the demo be killed, the daemon still ends in good order.
    return start(argv, folders.daemon_log, dies_with_us=signal.SIGTERM)


def missing_tools() -> list[str]:
    """Which of the tools that `make setup` brings are not there."""
    return [str(tool.relative_to(REPO)) for tool in (AZCOPY, AZURITE) if not tool.exists()]
