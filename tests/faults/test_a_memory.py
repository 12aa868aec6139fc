"""The kernel's out-of-memory killer takes azcopy, or the service itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.crash.conftest import scene, undisturbed
from tests.crash.scene import Picture, Scene
from tests.e2e.lab import Lab
from tests.e2e.runs import expect_published, folder_of, miseq, row_of, write
from tests.faults.memory import kills, limited
from tests.servers import AZCOPY, REPO

__all__ = ["scene", "undisturbed"]


@pytest.mark.root
def test_a10_an_azcopy_that_is_killed_for_its_memory_is_tried_again_and_told(
    lab: Lab, tmp_path: Path
) -> None:
    run = miseq(1)
    write(lab, run)
    # It holds each file that goes up in one request in its memory.
    (folder_of(lab, run) / "Data" / "large.bin").write_bytes(b"large" * 10_000_000)
    with limited(40) as group:
        small = tmp_path / "azcopy"
        into = f"echo $$ > {group}"
        small.write_text(f'#!/bin/sh\n[ "$1" = --version ] || {into}\nexec {AZCOPY} "$@"\n')
        small.chmod(0o755)
        lab.configure(azcopy=[f'path = "{small}"'])
        with lab.daemon() as daemon:
            lab.wait_for(lambda: lab.run(run.name) and row_of(lab, run).attempts, told="a try")
            row = row_of(lab, run)
            assert kills(group), "not the kernel's doing"
            assert row.status == "waiting"
            assert "SIGKILL" in (row.reason or "")
            assert "out-of-memory" in (row.next_step or "")
            assert daemon.process.poll() is None
            lab.configure(azcopy=[])
        lab.once()
    expect_published(lab, run)


@pytest.mark.root
def test_a10_a_service_that_is_killed_for_its_memory_goes_on_at_the_next_start(
    scene: Scene, undisturbed: Picture, tmp_path: Path
) -> None:
    """Just enough to begin with: it dies wherever that ends, and more is given each time."""
    died = 0
    for megabytes in (30, 50, 80):
        with limited(megabytes) as group:
            code = f'echo $$ > {group}; exec "$@"'
            done = subprocess.run(
                ["/bin/sh", "-c", code, "sh", *scene.lab.command("once")],
                cwd=REPO, capture_output=True, text=True, check=False, timeout=120,
                env={**os.environ, **scene.lab.environment},
            )  # fmt: skip
            died += done.returncode == -9 and kills(group) > 0
        scene.assert_law()
    assert died, "it was never killed"
    scene.once()
    scene.picture().expect_like(undisturbed, events=("run.sighted", "run.published", "prune.done"))
