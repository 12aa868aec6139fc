"""A Debian machine with a real systemd as PID 1, for as long as a test needs it.

systemd-nspawn boots it in a second. Its disk is an overlay over a root that is made once
(tests/home/roots.py), the project lies on it as `make install` puts it there. Its network is this
machine's own, so that Azurite on loopback is its lake. Needs root.
"""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.home.roots import debian, install, need_programs, overlay

#: A container's cgroups: nspawn wants to find itself in one of its own in each of these.
CGROUPS = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd")]
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
}


class Machine:
    """One machine; ``root`` is its file system, seen from here."""

    def __init__(self, folder: Path, root: Path, name: str) -> None:
        self.name = f"{name}-{os.getpid()}"
        self.root = root
        self.console = folder / "console.log"
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def inside(self, path: str | Path) -> Path:
        """A path of the machine as it is called from here."""
        return self.root / str(path).lstrip("/")

    def boot(self) -> str:
        """Start it and wait until systemd is through; what ``is-system-running`` says."""
        cgroups = [folder / f"machine-{self.name}" for folder in CGROUPS if folder.is_dir()]
        for cgroup in cgroups:
            cgroup.mkdir(exist_ok=True)
        enter = "".join(f"echo $$ > {cgroup}/cgroup.procs; " for cgroup in cgroups)
        # nspawn refuses a /run that is on a disk, and is silent without a terminal.
        nspawn = f"systemd-nspawn -q --register=no --keep-unit -b -D {self.root} -M {self.name}"
        mounted = f"mount -t tmpfs tmpfs /run && exec {nspawn}"
        shell = f"{enter}exec unshare -m --propagation private sh -c '{mounted}'"
        controlling, terminal = pty.openpty()
        self._supervisor = subprocess.Popen(
            ["sh", "-c", shell],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        threading.Thread(target=self._listen, args=(controlling,), daemon=True).start()
        self._leader = self._find_leader(self._supervisor.pid)
        self.wait_for(lambda: self.call("test", "-S", "/run/systemd/private", expect=None)[0] == 0)
        return self.call("systemctl", "is-system-running", "--wait", expect=None)[1].strip()

    def _listen(self, controlling: int) -> None:
        with self.console.open("ab") as console, contextlib.suppress(OSError):
            while part := os.read(controlling, 4096):
                console.write(part)
                console.flush()
        os.close(controlling)

    def _find_leader(self, supervisor: int) -> int:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
                for child in children.split():
                    if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                        return int(child)
            time.sleep(0.05)
        raise AssertionError(f"the machine did not start:\n{self.console.read_text()[-2000:]}")

    def call(
        self, *argv: str | Path, expect: int | None = 0, timeout: float = 120
    ) -> tuple[int, str]:
        """Run a command on the machine: its exit code (``expect``; None: any) and output."""
        environment = [f"{key}={value}" for key, value in ENVIRONMENT.items()]
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        done = subprocess.run(
            [*enter, "env", "-i", *environment, *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        told = f"{argv}: exit {done.returncode}\n{done.stdout[-6000:]}"
        assert expect is None or done.returncode == expect, told
        return done.returncode, done.stdout

    def ask(self, *argv: str | Path) -> str:
        """The output of a command that must go well."""
        return self.call(*argv)[1].strip()

    def journal(self, unit: str = "datalake-syncd") -> str:
        """What a unit logged."""
        return self.ask("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def property(self, name: str, unit: str = "datalake-syncd") -> str:
        """One property of a unit."""
        return self.ask("systemctl", "show", "-P", name, unit)

    def wait_for(self, what: Callable[[], object], seconds: float = 60, told: str = "") -> None:
        until = time.monotonic() + seconds
        while not what():
            if time.monotonic() > until:
                tail = self.call("journalctl", "--no-pager", "-n", "60", expect=None)[1]
                raise AssertionError(f"never came true in {seconds} s: {told}\n{tail}")
            time.sleep(0.2)

    def power_off(self) -> None:
        """Shut it down in good order."""
        os.kill(self._leader, signal.SIGRTMIN + 4)
        self._ended()

    def die(self) -> None:
        """Everything on it ends at once; its disk stays as the kernel has it."""
        os.kill(self._leader, signal.SIGKILL)
        self._ended()

    def _ended(self) -> None:
        assert self._supervisor is not None
        self._supervisor.wait(120)
        self._supervisor = None
        for folder in CGROUPS:
            top = folder / f"machine-{self.name}"
            for inner in sorted(top.rglob("*"), reverse=True) if top.is_dir() else []:
                if inner.is_dir():
                    with contextlib.suppress(OSError):
                        inner.rmdir()
            with contextlib.suppress(OSError):
                top.rmdir()

    def close(self) -> None:
        """Whatever state it is in: leave nothing of it behind."""
        if self._supervisor is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader or self._supervisor.pid, signal.SIGKILL)
            self._ended()


@contextlib.contextmanager
def machine(folder: Path, name: str, *, installed: bool = True) -> Iterator[Machine]:
    """A machine, with the project installed, not booted yet; gone at the end."""
    need_programs("systemd-nspawn", "nsenter")
    with overlay(debian(), folder) as root:
        if installed:
            install(root)
        one = Machine(folder, root, name)
        try:
            yield one
        finally:
            one.close()
