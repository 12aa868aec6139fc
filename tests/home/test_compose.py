"""docker/compose.yaml as the real Docker Compose reads it, with the mounts of a configuration."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.daemon import STOP_GRACE
from tests.conftest import need
from tests.servers import REPO

pytestmark = pytest.mark.home

#: Its answer is YAML; Debian's Python reads that, as a part of Compose.
TO_JSON = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
CONFIGURATION = """
[lake]
account_url = "https://lab.blob.core.windows.net"
container = "lake"
auth = "connection-string"
secret_file = "/run/secrets/lake-secret"
[instruments.kept]
kind = "miseq"
source = "/srv/instruments/kept"
destination = "kept-out"
[instruments.pruned]
kind = "miseq"
source = "/srv/instruments/pruned"
destination = "pruned-out"
[instruments.pruned.prune]
enabled = true
"""


def compose(folder: Path, expect: int = 0) -> tuple[str, str]:
    """What Compose makes of the files there, and what it says."""
    need(shutil.which("docker-compose") is not None, "docker-compose (tools/home.sh)")
    done = subprocess.run(
        ["docker-compose", "config"],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "DATALAKE_SYNCD_IMAGE": "datalake-syncd:1a2b3c4",
            "DATALAKE_SYNCD_LAKE_SECRET": "/etc/datalake-syncd/lake-secret",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """compose.yaml, and beside it what a configuration with two instruments asks for."""
    shutil.copy(REPO / "docker/compose.yaml", tmp_path)
    (tmp_path / "config.toml").write_text(CONFIGURATION)
    program = [sys.executable, "-m", "datalake_syncd", "--config", str(tmp_path / "config.toml")]
    told = subprocess.run(
        [*program, "config", "mounts", "--compose"],
        cwd=REPO, stdout=subprocess.PIPE, text=True, check=True, timeout=60,
    )  # fmt: skip
    (tmp_path / "compose.override.yaml").write_text(told.stdout)
    return tmp_path


def read(folder: Path) -> Any:
    told, _ = compose(folder)
    done = subprocess.run(
        ["/usr/bin/python3", "-c", TO_JSON], input=told, capture_output=True, text=True, check=False
    )
    need("No module named" not in done.stderr, "python3-yaml (apt-get install)")
    return json.loads(done.stdout)


def test_the_container_is_walled_in(folder: Path) -> None:
    service = read(folder)["services"]["datalake-syncd"]
    assert service["image"] == "datalake-syncd:1a2b3c4"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "devices", "network_mode", "pid", "ipc"} & set(service)
    assert service["user"] == "10001:10001"
    assert int(service["pids_limit"]) > 0
    assert [one.partition(":")[0] for one in service["tmpfs"]] == ["/tmp"]
    assert "noexec" in service["tmpfs"][0]
    assert all("127.0.0.1" in json.dumps(port) for port in service["ports"])
    assert service["restart"] == "unless-stopped"
    assert seconds(service["stop_grace_period"]) > STOP_GRACE + 10


def seconds(told: str) -> int:
    """``1m15s``."""
    minutes, _, rest = told.rpartition("m")
    return int(minutes or 0) * 60 + int(rest.removesuffix("s") or 0)


def test_secrets_are_files(folder: Path) -> None:
    """Neither in the environment nor among the mounts; and none in the file itself."""
    whole = read(folder)
    service = whole["services"]["datalake-syncd"]
    assert "environment" not in service
    named = {one if isinstance(one, str) else one["source"] for one in service["secrets"]}
    assert named == {"lake-secret", "smtp-password"} == set(whole["secrets"])
    files = {name: secret["file"] for name, secret in whole["secrets"].items()}
    assert files == {
        "lake-secret": "/etc/datalake-syncd/lake-secret",
        "smtp-password": "/dev/null",
    }
    assert not [one for one in service["volumes"] if one["target"].startswith("/run")]


def test_only_what_is_pruned_may_be_written(folder: Path) -> None:
    service = read(folder)["services"]["datalake-syncd"]
    access = {one["target"]: one.get("read_only", False) for one in service["volumes"]}
    assert access["/etc/datalake-syncd"] is True
    assert access["/srv/instruments/kept"] is True
    assert access["/srv/instruments/pruned"] is False
    assert access["/var/lib/datalake-syncd"] is False
    assert all(one["type"] == "bind" for one in service["volumes"])
    for one in service["volumes"]:
        assert one["source"] == one["target"], "paths in messages are those of the machine"


def test_compose_would_complain(folder: Path) -> None:
    file = folder / "compose.yaml"
    file.write_text(file.read_text().replace("cap_drop:", "capdrop:"))
    _, told = compose(folder, expect=1)
    assert "capdrop" in told


def test_without_an_image_it_says_what_is_missing(folder: Path) -> None:
    file = folder / "compose.yaml"
    file.write_text(file.read_text().replace("DATALAKE_SYNCD_IMAGE", "NOT_SET"))
    _, told = compose(folder, expect=1)
    assert "the image to run" in told
