"""The image, really built and really run; docker/check.sh is the whole test."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from tests.conftest import need
from tests.servers import REPO

pytestmark = [pytest.mark.home, pytest.mark.timeout(1200)]


def test_the_image_carries_a_run_and_stops_in_good_order() -> None:
    need(os.geteuid() == 0, "root")
    need(shutil.which("buildah") is not None, "buildah (tools/home.sh)")
    done = subprocess.run(
        [REPO / "docker/check.sh"],
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    need(done.returncode != 75, "a base image")
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    assert "a second start goes on and publishes it" in done.stdout
