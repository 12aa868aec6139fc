"""The shell scripts: they parse, and shellcheck, where it is installed, has nothing to say."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.servers import REPO

SCRIPTS = [*(REPO / "tools").glob("*.sh"), *(REPO / "docker").glob("*.sh")]
SCRIPTS += [REPO / "docker/datalake-syncd-docker.in"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script(script: object) -> None:
    checks = [["bash", "-n"]]
    if shutil.which("shellcheck"):
        checks.append(["shellcheck", "-x"])
    for check in checks:
        done = subprocess.run(
            [*check, str(script)], cwd=REPO, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
