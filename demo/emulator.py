"""Azurite, Microsoft's emulator of Azure Storage, as the lake of the demo."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

from demo.processes import Child, start

# Azurite's account, the same on every machine and in Microsoft's documentation: no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_LISTENS = re.compile(r"successfully listens on http://127\.0\.0\.1:(\d+)")
_START_SECONDS = 60.0


class Emulator:
    """A running Azurite that keeps its blobs in ``folder``; only this machine can reach it."""

    def __init__(self, program: Path, folder: Path) -> None:
        folder.mkdir()
        self.log = folder / "azurite.log"
        argv = [str(program), "--blobHost", "127.0.0.1", "--blobPort", "0"]
        argv += ["--location", str(folder / "data"), "--skipApiVersionCheck"]
        argv += ["--silent", "--disableTelemetry"]
        self.process: Child = start(argv, self.log, dies_with_us=signal.SIGKILL)
        try:
            # Port 0: the system chose one, and Azurite says which.
            self.port = self._wait_for_port()
        except BaseException:
            self.stop()
            raise

    def _wait_for_port(self) -> int:
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            said = self.log.read_text(errors="replace")
            if found := _LISTENS.search(said):
                return int(found[1])
            if self.process.poll() is not None:
                raise RuntimeError(f"Azurite ended at once with {self.process.returncode}: {said}")
            time.sleep(0.05)
        raise RuntimeError(f"Azurite did not start within {_START_SECONDS:.0f} s, see {self.log}")

    @property
    def account_url(self) -> str:
        """What ``lake.account_url`` of the configuration is."""
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """Endpoint, account and key; what the secret file of the configuration holds."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.account_url};"
        )

    def stop(self) -> None:
        """End it; its blobs stay in the folder."""
        self.process.end(5.0)
