"""The units as files: systemd accepts every line, and finds the service well walled in."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import need
from tests.servers import REPO

pytestmark = pytest.mark.home

UNITS = REPO / "systemd"
SERVICES = ["datalake-syncd.service", "datalake-syncd-once.service"]
PROGRAM = "/opt/datalake-syncd/bin/datalake-syncd"
#: In tenths; 2.0 is what was promised.
EXPOSURE = 20


@pytest.fixture(scope="module", autouse=True)
def systemd_analyze() -> None:
    need(shutil.which("systemd-analyze") is not None, "systemd-analyze (tools/home.sh)")


def analyze(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *argv], capture_output=True, text=True, check=False, timeout=60
    )


def all_units() -> list[Path]:
    found = [*UNITS.glob("*.service"), *UNITS.glob("*.timer"), *UNITS.glob("examples/*mount")]
    assert len(found) == 6
    return found


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """All units in one folder, with a program that this machine has, without the manual."""
    for unit in all_units():
        text = unit.read_text().replace(PROGRAM, "/bin/true")
        text = re.sub(r"^Documentation=man:.*\n", "", text, flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def test_systemd_accepts_every_unit(copies: Path) -> None:
    for unit in sorted(copies.iterdir()):
        told = analyze("verify", "--recursive-errors=yes", str(unit))
        assert (told.returncode, told.stderr) == (0, ""), unit.name


def test_and_would_complain_of_a_wrong_line(copies: Path) -> None:
    unit = copies / SERVICES[0]
    unit.write_text(unit.read_text().replace("ProtectHome=yes", "ProtectHome=perhaps"))
    told = analyze("verify", "--recursive-errors=yes", str(unit))
    assert told.returncode != 0 or told.stderr


@pytest.mark.parametrize("drop_in", ["prune.conf", "credentials.conf"])
def test_systemd_accepts_the_drop_ins(copies: Path, drop_in: str) -> None:
    folder = copies / "datalake-syncd.service.d"
    folder.mkdir()
    shutil.copy(UNITS / "examples" / drop_in, folder)
    told = analyze("verify", "--recursive-errors=yes", str(copies / "datalake-syncd.service"))
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_the_service_is_walled_in(name: str) -> None:
    told = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(UNITS / name))
    assert told.returncode == 0, told.stdout[-300:]


def test_and_an_open_one_would_be_found(tmp_path: Path) -> None:
    text = (UNITS / SERVICES[0]).read_text()
    for wall in ("ProtectSystem=strict", "SystemCallFilter=@system-service", "PrivateDevices=yes"):
        assert wall in text
        text = text.replace(wall, "")
    (tmp_path / SERVICES[0]).write_text(text)
    told = analyze("security", "--offline=true", "--threshold=11", str(tmp_path / SERVICES[0]))
    assert told.returncode != 0
