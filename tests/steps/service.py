"""A service in one process, with a real ledger and no lake, for steps that end before it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.config import load_text
from datalake_syncd.steps.service import Service


def service_of(
    root: Path, *instruments: str, wall: Callable[[], float] = lambda: 1000.0, daemon: str = ""
) -> Service:
    """MiSeqs with a source each, and one sample sheet folder for all."""
    secret = root / "secret"
    secret.write_text("AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a\n")
    secret.chmod(0o600)
    text = f"""
[lake]
account_url = "https://account.blob.core.windows.net"
container = "lake"
auth = "connection-string"
secret_file = "{secret}"
[daemon]
state_dir = "{root / "state"}"
{daemon}
"""
    (root / "state").mkdir()
    (root / "sheets").mkdir()
    for name in instruments:
        (root / name).mkdir()
        text += f"""
[instruments.{name}]
kind = "miseq"
source = "{root / name}"
sample_sheets = "{root / "sheets"}"
destination = "{name}-out"
"""
    config = load_text(text, root / "config.toml", {}).config
    ledger = Ledger(root / "state", writable=True)
    # One clock for both, so that none of them jumps.
    logger = logging.getLogger("tests.steps")
    return Service(config, ledger, logger, wall=wall, monotonic=wall)
