"""A wall clock that a test moves while the service runs; the monotonic one goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import need

SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Adds the seconds that stand in the file $WALL_CLOCK to what the wall clock says. */
static long off(void) {
    char told[32];
    const char *path = getenv("WALL_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    ssize_t size = read(file, told, sizeof told - 1);
    close(file);
    if (size <= 0) return 0;
    told[size] = 0;
    return atol(told);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = syscall(SYS_clock_gettime, clock, now);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += off();
    return done;
}
time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *restrict where, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    where->tv_sec = now.tv_sec;
    where->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@dataclass
class WallClock:
    """``environment`` is for the service; azcopy has no C library and keeps the true time."""

    file: Path
    environment: dict[str, str]

    def be_off(self, seconds: float) -> None:
        """From now on the wall clock is off by so much."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:.0f}")
        new.rename(self.file)


def wall_clock(folder: Path) -> WallClock:
    """Compile it."""
    need(shutil.which("cc") is not None, "a C compiler (cc)")
    source, shim = folder / "wall_clock.c", folder / "wall_clock.so"
    source.write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(source)], check=True)
    clock = WallClock(folder / "off", {})
    clock.environment.update(LD_PRELOAD=str(shim), WALL_CLOCK=str(clock.file))
    clock.be_off(0)
    told = subprocess.run(
        ["date", "+%Y"], env={**os.environ, **clock.environment}, capture_output=True, check=True
    )
    assert told.stdout
    return clock
