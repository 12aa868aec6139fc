"""A configuration of the service for one measurement."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.lakes import CONTAINER, Lake
from demo.stage import AZCOPY

_HEAD = """\
[lake]
account_url = "{account_url}"
container = "{container}"
auth = "connection-string"
secret_file = "{work}/secret"

[daemon]
state_dir = "{work}/state"
scan_interval = "{scan_interval}"

[azcopy]
path = {azcopy}

[log]
format = "json"
"""
_INSTRUMENT = """
[instruments.{name}]
kind = "{kind}"
source = "{source}"
destination = "{destination}"
quiet = "{quiet}"
"""


def configure(
    work: Path,
    lake: Lake,
    instruments: Mapping[str, tuple[str, Path]],
    *,
    quiet: str,
    scan_interval: str,
) -> Path:
    """Write it, with its secret; ``instruments`` are (kind, source) by name."""
    secret = os.open(work / "secret", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(secret, "w") as file:
        file.write(lake.connection_string)
    text = _HEAD.format(
        account_url=lake.account_url,
        container=CONTAINER,
        work=work,
        scan_interval=scan_interval,
        azcopy=json.dumps(str(AZCOPY)),
    )
    for name, (kind, source) in instruments.items():
        destination = "out" if len(instruments) == 1 else name
        text += _INSTRUMENT.format(
            name=name, kind=kind, source=source, destination=destination, quiet=quiet
        )
    path = work / "config.toml"
    path.write_text(text)
    return path
