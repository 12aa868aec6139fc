"""What one carrying of a run cost."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Carried:
    """Wall time from beginning to end, and the parts that it is made of, in seconds.

    ``waited`` is time that was only waited, because the configuration says so; it is part of
    ``seconds``. ``cpu`` is of the processes that carry, ``peaks`` their most resident memory in
    bytes; neither counts the lake.
    """

    seconds: float
    parts: dict[str, float] = field(default_factory=dict)
    waited: float = 0.0
    cpu: float | None = None
    peaks: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that ended well."""

    seconds: float
    cpu: float
    peak: int


def run_program(argv: list[str], environment: Mapping[str, str], output: Path) -> Ran:
    """Run a program to its end; what it says goes to a file, which an error quotes."""
    begun = time.monotonic()
    with output.open("wb") as said:
        # Held open: azcopy burns a core on a closed standard input, and nobody should be measured
        # with that.
        child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], **environment},
            cwd=output.parent,
        )
        assert child.stdin is not None
        with child.stdin:
            _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = output.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{argv[0]} ended with {child.returncode}:\n{tail}")
    taken = time.monotonic() - begun
    return Ran(taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
