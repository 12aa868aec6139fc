"""Starting the daemon until it says that it is ready, as systemd would hear it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

from demo.processes import Child, start
from demo.stage import REPO

_LONGEST = 300.0


def until_ready(config: Path, work: Path) -> tuple[Child, float]:
    """The daemon, and the seconds from its start to READY=1."""
    # Without a file: the path of a deep folder is too long for a socket.
    address = f"syncd-bench-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"\0{address}")
        ear.settimeout(_LONGEST)
        argv = ["env", f"NOTIFY_SOCKET=@{address}", sys.executable, "-m", "datalake_syncd"]
        argv += ["--config", str(config), "run"]
        begun = time.monotonic()
        daemon = start(argv, work / "daemon.log", dies_with_us=signal.SIGTERM, cwd=REPO)
        try:
            while b"READY=1" not in ear.recv(65536):
                pass
        except OSError:
            daemon.end(60.0)
            log = (work / "daemon.log").read_text(errors="replace")
            raise RuntimeError(f"it never said that it is ready:\n{log[-3000:]}") from None
        return daemon, time.monotonic() - begun


def command(config: Path, *arguments: str) -> list[str]:
    """A command of the service, as it is installed."""
    program = Path(sys.executable).with_name("datalake-syncd")
    return [os.fspath(program), "--config", str(config), *arguments]
