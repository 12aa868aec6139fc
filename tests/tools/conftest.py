"""A small repository with the tools for the VM, and programs that stand in for real ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers import REPO

FAKES = Path(__file__).parent / "fakes"
NEEDED = ["Makefile", "tools", "docker", "systemd", "config.example.toml", "pyproject.toml"]
NEEDED += ["requirements.txt", "requirements-build.txt", ".gitignore", ".dockerignore"]
GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]


@dataclass
class Tree:
    """A git repository of its own; ``programs`` are the stand-ins on its PATH."""

    root: Path
    bin: Path
    programs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root.mkdir()
        self.bin.mkdir()
        for name in NEEDED:
            if (REPO / name).is_dir():
                shutil.copytree(REPO / name, self.root / name)
            elif (REPO / name).exists():
                shutil.copy(REPO / name, self.root / name)
        (self.root / "datalake_syncd").mkdir()
        shutil.copy(REPO / "datalake_syncd/__init__.py", self.root / "datalake_syncd")
        for name, fake in self.programs.items():
            (self.bin / name).symlink_to(FAKES / fake)
        self.git("init", "-q")
        self.commit()

    def git(self, *words: str) -> str:
        done = subprocess.run(
            [*GIT, *words], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "x")

    @property
    def hash(self) -> str:
        return self.git("rev-parse", "--short", "HEAD")

    @property
    def state_file(self) -> Path:
        return self.root.parent / "state.json"

    @property
    def state(self) -> Any:
        """What the stand-in noted."""
        return json.loads(self.state_file.read_text())

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.root.parent),
            "LANG": "C.UTF-8",
            "FAKE_STATE": str(self.state_file),
            "FAKE_PYTHON": sys.executable,
            "PYTHONPATH": str(REPO),
        }

    def call(
        self, *words: str | Path, expect: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the tree; it must end with ``expect``."""
        done = subprocess.run(
            list(map(str, words)),
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def make(
        self, *words: str, expect: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """``make`` itself ends with 2 for whatever its recipe ends with."""
        return self.call("make", *words, expect=expect, **environment)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """With a docker, a podman and a buildah."""
    fakes = dict.fromkeys(("docker", "podman", "buildah"), "engine")
    return Tree(tmp_path / "tree", tmp_path / "bin", fakes)


@pytest.fixture
def owned() -> int:
    """The user that a state directory may belong to: never root."""
    return os.geteuid() or 10001
