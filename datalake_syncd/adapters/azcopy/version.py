"""Which azcopy this is: found, runnable, of a version that was tested."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from datalake_syncd.core.errors import Transient
from datalake_syncd.core.names import escape

TESTED_VERSIONS = ("10.32.2",)
"""The versions whose output and behaviour this adapter was checked against."""

_FIX = (
    f"install azcopy {TESTED_VERSIONS[-1]} and set azcopy.path to it; "
    "runs go on by themselves once it can be started"
)


@dataclass(frozen=True, slots=True)
class AzcopyBinary:
    """An azcopy that runs. ``sha256`` is of the file, 64 hex digits."""

    path: Path
    version: str
    sha256: str

    @property
    def tested(self) -> bool:
        """True for a version that this service was tested with."""
        return self.version in TESTED_VERSIONS


def locate(azcopy: str | Path) -> Path:
    """Full path of the program; a bare name is looked up on PATH.

    Raises `Transient` when there is none or it is not executable: a matter of the machine, not
    of the run, and mended without touching the run.
    """
    text = str(azcopy)
    if found := shutil.which(text):
        return Path(found).absolute()
    if "/" in text and Path(text).is_file():
        raise Transient(f"{escape(text)} is not executable", next_step=f"chmod +x it, or {_FIX}")
    where = "" if "/" in text else " on PATH"
    raise Transient(f"azcopy was not found: there is no {escape(text)}{where}", next_step=_FIX)


def cannot_start(path: Path, error: OSError) -> Transient:
    """The error for a program that exists and still does not start."""
    return Transient(f"{escape(str(path))} can't be started: {error.strerror}", next_step=_FIX)


def inspect(azcopy: str | Path) -> AzcopyBinary:
    """Find azcopy, ask for its version and hash the file. Raises `Transient` as `locate` does."""
    path = locate(azcopy)
    try:
        asked = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"HOME": "/nonexistent", "PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            timeout=60,
            check=False,
        )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise cannot_start(path, error) from error
    except subprocess.TimeoutExpired as error:
        raise Transient(
            f"{escape(str(path))} did not tell its version within 60 s", next_step=_FIX
        ) from error
    told = (asked.stdout + asked.stderr).decode("utf-8", errors="replace")
    found = re.search(r"azcopy version (\d+\.\d+\.\d+\S*)", told)
    if asked.returncode != 0 or found is None:
        library = re.search(r"shared libraries: (\S+):", told)
        needs = f" because it needs {library[1]}" if library else ""
        raise Transient(
            f"{escape(str(path))} does not run as azcopy{needs}",
            why=f"It ended with {asked.returncode}.",
            next_step=f"install the Debian package libsecret-1-0; {_FIX}" if library else _FIX,
        )
    return AzcopyBinary(path, found[1], digest)
