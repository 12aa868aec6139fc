"""A run of full size: 150,000 files, among them names that need care. Not part of `make test`.

``SYNCD_LARGE_FILES`` is the number of files, for a rehearsal with fewer.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

import pytest

from datalake_syncd.core.manifest import parse_md5
from tests.e2e.lab import Lab
from tests.e2e.runs import nextseq

FILES = int(os.environ.get("SYNCD_LARGE_FILES", "150000"))
#: What azcopy, a URL, a shell or a listing in pages could stumble over; every tenth file has one
#: of them. Those that differ in case or in Unicode form alone get the same beginning.
CARE = ("100%.jpg", "%41.jpg", "a#b.jpg", "a+b c.jpg", "é å.jpg", "e\u0301.jpg", "A.jpg", "a.jpg",
        "*.jpg", "[1]?.jpg", "&=;,.jpg", "~x.jpg", " .jpg", "'\".jpg", "日本.jpg")  # fmt: skip
HOURS = 3 * 3600


def thumbnail(number: int) -> str:
    """The path of one of many small files; each odd name comes back every 150 files."""
    lane, cycle, name = number % 4 + 1, number // 400 + 1, f"{number}_s_1_1101.jpg"
    if number % 10 == 0:
        lane, (again, which) = 1, divmod(number // 10, len(CARE))
        cycle, name = again // 3 + 1, f"{again}_{CARE[which]}"
    return f"Thumbnail_Images/L00{lane}/C{cycle}.1/{name}"


@pytest.mark.large
@pytest.mark.timeout(HOURS)
def test_a_run_of_150_000_files_arrives_byte_for_byte(lab: Lab) -> None:
    run = nextseq(1)
    folder = run.write_all(lab.source("nextseq"))
    content: dict[str, bytes] = dict(run.files())
    number = 0
    while len(content) < FILES:
        path = thumbnail(number)
        content[path] = f"thumbnail {number}".encode()
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content[path])
        number += 1
    assert {name for name in CARE if any(path.endswith(f"_{name}") for path in content)} == {*CARE}
    twins = len(content) - len({path.lower() for path in content})
    assert twins >= len(content) // 200  # two blobs, whose names differ in case alone
    lab.configure(daemon=['scan_interval = "5s"'])
    started = time.monotonic()
    most = 0
    with lab.daemon() as daemon:

        def published() -> bool:
            nonlocal most
            status = Path(f"/proc/{daemon.process.pid}/status").read_text()
            most = max(most, int(re.findall(r"VmHWM:\s+(\d+)", status)[0]))
            found = lab.run(run.name, "nextseq")
            return found is not None and found.published_at is not None

        lab.wait_for(published, seconds=HOURS)
    took = time.monotonic() - started
    print(  # noqa: T201 - the figure that a person runs this for
        f"{len(content)} files in {took:.0f} s; the daemon's memory: {most / 1024:.0f} MiB"
    )
    told, _ = parse_md5(lab.read(f"nextseq-out/{run.name}.md5").decode())
    assert {path: md5 for md5, path in told} == {
        path: hashlib.md5(data, usedforsecurity=False).hexdigest() for path, data in content.items()
    }
    there = lab.blobs()
    for path, data in content.items():
        blob = there[f"nextseq-out/{run.name}/{path}"]
        stored = bytes(blob.content_settings.content_md5 or b"")
        assert (blob.size, stored) == (len(data), hashlib.md5(data, usedforsecurity=False).digest())
    assert lab.the_run(run.name, "nextseq").files == len(content)
    # In KiB. 150,000 files took 211 MiB and 31 min; what this guards against is memory that grows
    # with the number of files.
    assert most < 256 * 1024
