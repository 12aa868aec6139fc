"""A Debian machine with a kernel and a disk of its own, whose power can be cut.

qemu emulates it, so that no hardware has to help: booting takes one to two minutes. There is no
way in but its disk, before and after, and its network: this machine's loopback is 10.0.2.2 there.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.home.roots import debian_with_kernel, install, need_programs, overlay, run

#: This machine's loopback, as the other one calls it.
HOST = "10.0.2.2"


class VirtualMachine:
    """One machine; ``disk`` is its disk as a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk.raw"
        self.console = folder / "console.log"
        #: Short, wherever ``folder`` lies: a socket's path has 107 bytes at most.
        self._aside = tempfile.TemporaryDirectory(prefix="vm-")
        self._buttons = Path(self._aside.name) / "buttons"
        self._qemu: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def new_disk(self) -> Iterator[Path]:
        """Its root with the project installed, to write to; at the end the disk is made of it."""
        with overlay(debian_with_kernel(), self.folder) as root:
            install(root)
            yield root
            for kind in ("vmlinuz", "initrd"):
                (found,) = (root / "boot").glob(f"{kind}*")
                shutil.copy(found, self.folder / kind)
            run("mkfs.ext4", "-q", "-F", "-d", root, self.disk, "3G")

    @contextlib.contextmanager
    def old_disk(self) -> Iterator[Path]:
        """The root as a cut left it, the file system mended as the next boot would."""
        assert self._qemu is None
        run("e2fsck", "-p", self.disk)
        place = self.folder / "looked-at"
        place.mkdir(exist_ok=True)
        run("mount", "-o", "loop", self.disk, place)
        try:
            yield place
        finally:
            run("umount", place)

    def boot(self) -> None:
        """Switch it on; what happens then is seen from outside."""
        kernel = "root=/dev/vda rw console=ttyS0 net.ifnames=0 mitigations=off audit=0"
        argv = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"]  # it ends with the test
        argv += ["-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"]
        argv += ["-smp", "2", "-m", "2048", "-nodefaults", "-display", "none"]
        argv += ["-kernel", str(self.folder / "vmlinuz"), "-initrd", str(self.folder / "initrd")]
        argv += ["-append", kernel]
        # What the guest's kernel did not write yet is lost by a kill, what it wrote is not.
        argv += ["-drive", f"file={self.disk},if=virtio,format=raw,cache=writeback"]
        argv += ["-nic", "user,model=virtio-net-pci", "-device", "virtio-rng-pci"]
        argv += ["-serial", "stdio", "-monitor", f"unix:{self._buttons},server,nowait"]
        with self.console.open("ab") as console:
            self._qemu = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
            )

    def power_off(self) -> None:
        """Press its power button and wait until it is off."""
        assert self._qemu is not None
        with socket.socket(socket.AF_UNIX) as buttons:
            buttons.connect(str(self._buttons))
            buttons.sendall(b"system_powerdown\n")
            self._qemu.wait(300)
        self._qemu = None

    def cut(self) -> None:
        """Pull the plug."""
        assert self._qemu is not None
        self._qemu.kill()
        self._qemu.wait()
        self._qemu = None

    def close(self) -> None:
        """Whatever state it is in: leave nothing of it behind."""
        if self._qemu is not None:
            self.cut()
        self.disk.unlink(missing_ok=True)
        self._aside.cleanup()

    def wait_for(self, what: Callable[[], object], seconds: float, told: str) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert self._qemu is not None
            ended = self._qemu.poll() is not None
            if ended or time.monotonic() > until:
                tail = self.console.read_text(errors="replace")[-4000:]
                raise AssertionError(f"{told}: {'qemu ended' if ended else 'never'}\n{tail}")
            time.sleep(0.2)


@contextlib.contextmanager
def virtual_machine(folder: Path) -> Iterator[VirtualMachine]:
    """A machine without a disk, off; nothing of it is left at the end."""
    need_programs("qemu-system-x86_64", "mkfs.ext4", "e2fsck", "setpriv")
    one = VirtualMachine(folder)
    try:
        yield one
    finally:
        one.close()
