"""A source on a file system that does wrong on request: a folder passed through FUSE.

The file system is a process of its own, so that one which hangs or is stopped hangs only those who
look at it. What it does wrong stands in a file of rules that it reads at each call: a list of
tables, the first that fits counts.

``op``     stat, list, open, read, rename, mkdir, unlink (all: ``*``)
``path``   the end of the path, counted from the mount; missing: any path
``by``     the beginning of the caller's name (of its thread); missing: anybody
``at``     read only: the byte that the call must cover
``after``  this many calls that fit are let through before
``times``  so many calls are spoilt, then it is over
``errno``  fail with this number
``flip``   read only: flip a bit of the byte ``at``
``short``  read only: the file ends at this byte
``empty``  list only: nothing is there
``wait``   do not answer before the rule is gone
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need

_STAT = ("mode", "nlink", "size", "uid", "gid", "ino", "dev", "blocks")


def serve(behind: str, mounted: str, rules: str, kind: str) -> None:
    """The body of the file system's process: serves until it is unmounted."""
    import mfusepy  # type: ignore[import-untyped]

    class PassedThrough(mfusepy.Operations):  # type: ignore[misc]  # it has no types
        """``behind``, with the rules applied."""

        use_ns = True

        def __init__(self) -> None:
            self.counts: dict[str, int] = {}

        def meets(self, op: str, path: str, start: int = 0, size: int = 0) -> dict[str, Any]:
            """The rule for this call, after it was waited for or has failed."""
            while True:
                rule = self.rule(op, path, start, size)
                if not rule.get("wait"):
                    break
                time.sleep(0.02)
            if "errno" in rule:
                raise mfusepy.FuseOSError(rule["errno"])
            return rule

        def rule(self, op: str, path: str, start: int, size: int) -> dict[str, Any]:
            for number, rule in enumerate(json.loads(Path(rules).read_text())):
                fits = rule["op"] in (op, "*") and path.endswith(rule.get("path", ""))
                if fits and "at" in rule:
                    fits = start <= rule["at"] < start + size
                if fits and "by" in rule:
                    fits = _caller(mfusepy).startswith(rule["by"])
                if not fits:
                    continue
                if rule.get("wait"):
                    return dict(rule)
                key = f"{number} {json.dumps(rule)} {path}"
                self.counts[key] = count = self.counts.get(key, 0) + 1
                after = rule.get("after", 0)
                if after < count <= after + rule.get("times", 1 << 60):
                    return dict(rule)
            return {}

        def getattr(self, path: str, _fh: int | None = None) -> dict[str, int]:
            self.meets("stat", path)
            told = os.lstat(behind + path)
            stat = {f"st_{name}": getattr(told, f"st_{name}") for name in _STAT}
            return stat | {f"st_{n}": getattr(told, f"st_{n}_ns") for n in ("mtime", "ctime")}

        def readdir(self, path: str, _fh: int) -> list[tuple[str, dict[str, int], int]]:
            empty = self.meets("list", path).get("empty")
            names = [".", "..", *([] if empty else os.listdir(behind + path))]
            # With the numbers of the inodes: a name without one is skipped by the C library.
            told = [(name, os.lstat(f"{behind}{path}/{name}")) for name in names]
            return [(n, {"st_mode": one.st_mode, "st_ino": one.st_ino}, 0) for n, one in told]

        def readlink(self, path: str) -> str:
            return os.readlink(behind + path)

        def open(self, path: str, flags: int) -> int:
            self.meets("open", path)
            return os.open(behind + path, flags)

        def create(self, path: str, mode: int, _info: object = None) -> int:
            return os.open(behind + path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

        def read(self, path: str, size: int, start: int, fh: int) -> bytes:
            rule = self.meets("read", path, start, size)
            data = os.pread(fh, size, start)
            if "flip" in rule:
                at = rule["at"] - start
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
            return data[: max(0, rule["short"] - start)] if "short" in rule else data

        def write(self, _path: str, data: bytes, start: int, fh: int) -> int:
            return os.pwrite(fh, data, start)

        def release(self, _path: str, fh: int) -> int:
            os.close(fh)
            return 0

        def truncate(self, path: str, length: int, _fh: int | None = None) -> None:
            os.truncate(behind + path, length)

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
            os.utime(behind + path, ns=times or (time.time_ns(),) * 2)

        def rename(self, old: str, new: str) -> None:
            self.meets("rename", old)
            os.rename(behind + old, behind + new)

        def mkdir(self, path: str, mode: int) -> None:
            self.meets("mkdir", path)
            os.mkdir(behind + path, mode)

        def rmdir(self, path: str) -> None:
            os.rmdir(behind + path)

        def unlink(self, path: str) -> None:
            self.meets("unlink", path)
            os.unlink(behind + path)

    mfusepy.FUSE(
        PassedThrough(), mounted, foreground=True, direct_io=True, use_ino=True,
        attr_timeout=0, entry_timeout=0, negative_timeout=0, subtype=kind, fsname="faulty",
    )  # fmt: skip


def _caller(mfusepy: Any) -> str:
    """What the calling thread is called."""
    pid = mfusepy.fuse_get_context()[2]
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


@dataclass
class FaultySource:
    """A mounted one: ``behind`` is the folder it passes through, ``process`` its server."""

    behind: Path
    mounted: Path
    file: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def rules(self, *rules: dict[str, Any]) -> None:
        """From now on these count, and no others."""
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(rules))
        new.replace(self.file)

    def stop(self) -> None:
        """As a file server that stopped answering: every call into the mount waits."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again, first of all what was asked meanwhile."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def faulty(mounted: Path, behind: Path, kind: str = "faulty") -> Iterator[FaultySource]:
    """Mount ``behind`` over ``mounted`` as ``fuse.KIND``; skips where that is not allowed."""
    if os.geteuid() != 0 or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("mounting a FUSE file system needs root and /dev/fuse")
    need(_has_library(), "libfuse (make setup, as root)")
    behind.mkdir(parents=True, exist_ok=True)
    one = FaultySource(behind, mounted, behind.with_suffix(".rules"))
    one.rules()
    device = mounted.stat().st_dev
    one.process = subprocess.Popen(
        [sys.executable, __file__, str(behind), str(mounted), str(one.file), kind],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        until = time.monotonic() + 20
        while mounted.stat().st_dev == device:
            if one.process.poll() is not None:
                assert one.process.stdout is not None
                pytest.skip(f"can't mount here: {one.process.stdout.read().decode()[-500:]}")
            assert time.monotonic() < until, "it was never mounted"
            time.sleep(0.02)
        yield one
    finally:
        one.rules()
        one.go_on()
        subprocess.run(["umount", "--lazy", str(mounted)], check=False, capture_output=True)
        try:
            one.process.wait(5)
        except subprocess.TimeoutExpired:
            one.process.kill()  # somebody holds a file of it; that call ends with ENOTCONN
            one.process.wait()
        assert one.process.stdout is not None
        one.process.stdout.close()


def _has_library() -> bool:
    from ctypes.util import find_library

    return find_library("fuse") is not None or find_library("fuse3") is not None


if __name__ == "__main__":
    # As a program: tests/ is not installed, and nothing of it is needed in this process.
    serve(*sys.argv[1:])
