"""An image at work without a container engine: own processes and mounts, read-only root.

What ``docker run --read-only --cap-drop ALL --security-opt no-new-privileges`` does, with unshare
and chroot, for machines that have buildah alone. The network is this machine's. Needs root.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: ROOT [ACCESS:PATH]… -- COMMAND…, as process 1 of its own world.
_ENTER = """
set -eu
root=$1
shift
mount --bind "$root" "$root"
mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev,noexec tmpfs "$root/tmp"
while [ "$1" != -- ]; do
    path=${1#*:}
    if [ -d "$path" ]; then
        mkdir -p "$root$path"
    else
        mkdir -p "$root${path%/*}"
        touch "$root$path"
    fi
    mount --rbind "$path" "$root$path"
    case $1 in ro:*) mount -o remount,bind,ro "$root$path" ;; esac
    shift
done
shift
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755,nosuid,noexec tmpfs "$root/dev"
for device in null zero full random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


@dataclass(frozen=True)
class Image:
    """An image in buildah's store; ``config`` as Docker has it."""

    name: str
    config: dict[str, Any]

    @classmethod
    def inspect(cls, name: str) -> Image:
        told = _buildah("inspect", "--type", "image", name)
        return cls(name, json.loads(told)["Docker"]["config"])

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Its files, in a folder that goes away again."""
        working = _buildah("from", "--pull-never", self.name).strip()
        try:
            yield Path(_buildah("mount", working).strip())
        finally:
            _buildah("rm", working)


def _buildah(*words: str) -> str:
    done = subprocess.run(["buildah", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"buildah {words}: {done.stderr}"
    return done.stdout


@dataclass
class Container:
    """A running one. ``pid`` is its process 1, as this machine sees it."""

    image: Image
    process: subprocess.Popen[bytes]
    pid: int

    def status(self) -> dict[str, str]:
        """Process 1's ``/proc/PID/status``."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return {
            key: value.strip() for key, _, value in (s.partition(":") for s in text.split("\n"))
        }

    def execute(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A further command inside, with the same rights, as ``docker exec``."""
        enter = ["nsenter", "-t", str(self.pid), "-m", "-p", "-i", "-u", "-r", "-w", "--"]
        words = [*enter, *_as_user(self.image), *command]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)

    def signal(self, number: int) -> None:
        # By pid of one that we started and have not waited for: it is still the same.
        subprocess.run(["kill", f"-{number}", str(self.pid)], check=True)

    def wait(self, seconds: float) -> int:
        return self.process.wait(seconds)


def _as_user(image: Image) -> list[str]:
    user, group = image.config["User"].split(":")
    rights = ["--reuid", user, "--regid", group, "--clear-groups", "--no-new-privs"]
    rights += ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    return ["/usr/bin/env", "-i", *image.config["Env"], "setpriv", *rights, "--"]


@contextmanager
def running(
    image: Image,
    mounts: Sequence[tuple[str, Path]],
    log: Path,
    *command: str,
    entrypoint: Sequence[str] = (),
) -> Iterator[Container]:
    """The image's entrypoint with ``command`` (or its own); ended the hard way if still there.

    ``mounts`` are ("ro" or "rw", path), at the same path inside.
    """
    words = [*(entrypoint or image.config["Entrypoint"]), *(command or image.config["Cmd"])]
    places = [f"{access}:{path}" for access, path in mounts]
    unshare = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    unshare += ["--propagation", "private", "sh", "-c", _ENTER, "enter"]
    with image.mounted() as root, log.open("ab") as output:
        process = subprocess.Popen(
            [*unshare, str(root), *places, "--", *_as_user(image), *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Container(image, process, _first(process, words[0], log))
        finally:
            process.kill()
            process.wait()


def _first(process: subprocess.Popen[bytes], program: str, log: Path) -> int:
    """The pid of process 1, once it is the entrypoint and no longer what leads to it."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert process.poll() is None, f"it ended at once:\n{log.read_text()[-3000:]}"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in children:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(word.decode().endswith(program) for word in words[:3]) and b"-c" not in words:
                uid = Path(f"/proc/{pid}/status").read_text().partition("Uid:")[2].split()[0]
                if uid != "0":
                    return int(pid)
        time.sleep(0.05)
    raise TimeoutError(f"{program} did not start:\n{log.read_text()[-3000:]}")
