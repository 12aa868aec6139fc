"""Debian's files for the machines of these tests, and the project installed into them.

What takes long is made once and kept below ``.tools/machine``: a root by debootstrap (a minute),
and the same with a kernel. Every test works in an overlay above them. Needs root.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conftest import need
from tests.servers import AZCOPY, REPO

CACHE = REPO / ".tools/machine"
SUITE = "bookworm"
PACKAGES = ["systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "ca-certificates"]
PACKAGES += ["libsecret-1-0", "procps"]
#: What a machine with a kernel of its own has besides.
KERNEL_PACKAGES = ["linux-image-cloud-amd64", "initramfs-tools", "udev", "kmod", "e2fsprogs"]
#: They would fetch lists and check disks while a test goes on.
UNWANTED = ["apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer"]
UNWANTED += ["dpkg-db-backup.timer", "e2scrub_reap.service"]
#: Where `make install` puts the program and its units.
PROGRAM = Path("/opt/datalake-syncd")
UNITS = Path("/usr/local/lib/systemd/system")
#: Where the packages that are locked lie on a machine, for an installation on it.
WHEELS = Path("/var/tmp/wheels")


def run(*argv: str | Path, timeout: float = 600, **environment: str) -> str:
    """Run a command of this machine to its good end; its output."""
    done = subprocess.run(
        [str(word) for word in argv],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout[-3000:]}"
    return done.stdout


def need_programs(*programs: str) -> None:
    """Skip, or fail where CI=true, without root and these."""
    need(os.geteuid() == 0, "root")
    need(AZCOPY.exists(), "azcopy (make setup)")
    for program in programs:
        need(shutil.which(program) is not None, f"{program} (tools/home.sh)")


@contextlib.contextmanager
def _making(name: str, *made_of: str) -> Iterator[tuple[Path, Path]]:
    """A place below the cache and one to make it in; other test runs wait for it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:12]
    place = CACHE / f"{name}-{digest}"
    aside = CACHE / f"{name}.new"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists() and aside.exists():
            shutil.rmtree(aside)  # of a run that was cut off
        yield place, aside


def debian() -> Path:
    """A root with systemd and Python; nothing of the project is in it."""
    need_programs("debootstrap")
    with _making("debian", SUITE, *PACKAGES) as (place, aside):
        if not place.exists():
            run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, aside)
            for unit in UNWANTED:
                (aside / "etc/systemd/system" / unit).symlink_to("/dev/null")
            aside.rename(place)
    return place


def debian_with_kernel() -> Path:
    """The same with a kernel, its ``initrd`` and a network card: a disk can be made of it."""
    need_programs("debootstrap")
    need(platform.machine() == "x86_64", "a machine of the kind x86_64")
    below = debian()
    with _making("kernel", below.name, *KERNEL_PACKAGES, *UNWANTED) as (place, aside):
        if not place.exists():
            run("cp", "-a", below, aside)
            policy = aside / "usr/sbin/policy-rc.d"  # packages start nothing on this machine
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
            install = f"""set -e
                mount -t proc proc {aside}/proc
                export DEBIAN_FRONTEND=noninteractive
                chroot {aside} apt-get update -qq
                chroot {aside} apt-get install -y -qq --no-install-recommends \
                    {" ".join(KERNEL_PACKAGES)}
                chroot {aside} apt-get clean"""
            run("unshare", "-m", "--propagation", "private", "sh", "-c", install, timeout=900)
            policy.unlink()
            run("systemctl", f"--root={aside}", "enable", "systemd-networkd.service")
            (aside / "etc/systemd/network/80-card.network").write_text(
                "[Match]\nName=en* eth*\n[Network]\nDHCP=ipv4\n"
            )
            (aside / "etc/fstab").write_text("/dev/vda / ext4 rw,errors=remount-ro 0 1\n")
            (aside / "etc/hostname").write_text("syncd-vm\n")
            aside.rename(place)
    return place


@contextlib.contextmanager
def overlay(lower: Path, folder: Path) -> Iterator[Path]:
    """A root to write to above one that stays as it is; below ``folder``."""
    root, upper, work = (folder / part for part in ("root", "upper", "work"))
    for part in (root, upper, work):
        part.mkdir()
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    run("mount", "-t", "overlay", "-o", options, "overlay", root)
    try:
        yield root
    finally:
        run("umount", "--lazy", root)


def install(root: Path) -> None:
    """`make install` into this root, and what it leaves to the first start of such a machine."""
    # The system's own interpreter: the one that the machine has, too.
    run(REPO / "tools/install.sh", "install", DESTDIR=str(root), PYTHON="/usr/bin/python3")
    python = os.readlink(root / str(PROGRAM)[1:] / "current/bin/python3")
    assert python == "/usr/bin/python3"
    assert os.path.realpath(python).removeprefix("/") in {
        str(path.relative_to(root)) for path in (root / "usr/bin").glob("python3.*")
    }, "this machine's Python is another one than that of the machine it installs for"
    run("systemd-sysusers", f"--root={root}", "datalake-syncd.conf")
    run("systemd-tmpfiles", f"--root={root}", "--create", "datalake-syncd.conf")


def lay_sources(root: Path) -> Path:
    """The project's tree and its locked packages, to install from on the machine itself."""
    tree = Path("/usr/local/src/datalake-syncd")
    here = root / str(tree)[1:]
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("tools", "systemd", "datalake_syncd"):
        shutil.copytree(REPO / name, here / name, ignore=ignored)
    for name in ("Makefile", "config.example.toml", "pyproject.toml", *_LOCKS):
        shutil.copy(REPO / name, here)
    (here / ".tools/bin").mkdir(parents=True)
    shutil.copy(AZCOPY, here / ".tools/bin/azcopy")
    shutil.copytree(_wheels(), root / str(WHEELS)[1:])
    return tree


_LOCKS = ("requirements.txt", "requirements-build.txt")


def _wheels() -> Path:
    locks = [(REPO / name).read_text() for name in _LOCKS]
    with _making("wheels", *locks) as (place, aside):
        if not place.exists():
            words: Sequence[str | Path] = [word for name in _LOCKS for word in ("-r", REPO / name)]
            run(sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes",
                "--no-deps", "--only-binary=:all:", "--python-version=3.11", "--dest", aside,
                *words)  # fmt: skip
            aside.rename(place)
    return place
