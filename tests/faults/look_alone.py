"""A process that makes a run of many files and settles it as the service does, and nothing else.

    python -m tests.faults.look_alone ROOT FILES FOLDERS

All but the run's own files are names of a few empty ones, so that a million of them cost little.
It prints the number of files in the manifest, and the most memory that it ever had, in KiB.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.model import Step
from datalake_syncd.steps import settle, sighting
from datalake_syncd.steps.findings import record
from demo.sequencer import MiSeqRun
from tests.steps.service import service_of

NAME = "230101_M00001_0001_000000000-AAAAA"


def write_run(source: Path, files: int, folders: int) -> None:
    """A run of so many thumbnails, evenly spread over the folders, besides its own few files."""
    thumbnails = MiSeqRun(NAME, cycles=(2,), tiles=1).write_all(source) / "Thumbnail_Images"
    for number in range(folders):
        folder = thumbnails / "L001" / f"C{number}.1"
        folder.mkdir(parents=True)
        inside, first = os.open(folder, os.O_RDONLY), ""
        for name in (f"s_1_{number:07d}_a.jpg" for number in range(files // folders)):
            if name.endswith("0000_a.jpg"):  # ext4 gives a file no more than 65,000 names
                first = name
                (folder / first).touch()
            else:
                os.link(first, name, src_dir_fd=inside, dst_dir_fd=inside)
        os.close(inside)


def settled(root: Path) -> Run:
    """The run after the looks that it takes, and the row that the ledger has of it then."""
    now = [1_000_000.0]
    service = service_of(root, "miseq", wall=lambda: now[0])
    write_run(root / "miseq", int(sys.argv[2]), int(sys.argv[3]))
    memory = settle.Memory()
    run = sighting.sight(service, "miseq", service.config.instruments["miseq"], NAME)
    for _ in range(2):
        context = service.context(run)
        found = settle.look_at(context, memory, frozenset(), service.monotonic, lambda: None)
        record(service, run, found)
        run = service.ledger.runs.by_id(run.id)
        now[0] += context.instrument.quiet
    service.ledger.close()
    return run


def main() -> None:
    run = settled(Path(sys.argv[1]))
    assert run.done is Step.SETTLE, run.reason
    (most,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(run.files, most)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
