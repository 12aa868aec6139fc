"""The systemd units as text: every line has its reason, times fit, no secret stands in one.

What systemd itself says of them is in ``tests/home``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datalake_syncd.cli.health import FRESH
from datalake_syncd.core.durations import parse_duration
from datalake_syncd.daemon import STOP_GRACE
from datalake_syncd.signs import EVERY
from datalake_syncd.steps.pulse import MAIN_WITHIN
from tests.servers import REPO

UNITS = REPO / "systemd"
SERVICES = ["datalake-syncd.service", "datalake-syncd-once.service"]


def all_units() -> list[Path]:
    found = [path for path in UNITS.rglob("*") if path.is_file()]
    assert len(found) == 10
    return [path for path in found if path.suffix != ".conf" or path.parent.name == "examples"]


def seconds(setting: str, name: str) -> float:
    (told,) = re.findall(rf"^{setting}=(\S+)$", (UNITS / name).read_text(), re.MULTILINE)
    return parse_duration(told.replace("min", "m"))


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_waits_longer_than_stopping_takes(name: str) -> None:
    assert seconds("TimeoutStopSec", name) >= STOP_GRACE + 30


def test_the_watchdog_waits_longer_than_the_loop_that_feeds_it() -> None:
    watchdog = seconds("WatchdogSec", SERVICES[0])
    assert watchdog > MAIN_WITHIN
    assert watchdog > 3 * EVERY
    assert FRESH > 3 * EVERY


def test_it_never_gives_up() -> None:
    text = (UNITS / SERVICES[0]).read_text()
    assert "\nRestart=always\n" in text
    assert "\nStartLimitIntervalSec=0\n" in text
    assert "RestartPrevent" not in text


def settings(text: str) -> list[str]:
    return [line for line in text.splitlines() if "=" in line and not line.startswith("#")]


def test_both_services_stand_behind_the_same_walls() -> None:
    first, second = ((UNITS / name).read_text() for name in SERVICES)
    wall = "# An own user"
    walls = [text[text.index(wall) :].partition("[Install]")[0] for text in (first, second)]
    assert settings(walls[0]) == settings(walls[1])


@pytest.mark.parametrize("unit", all_units(), ids=lambda unit: unit.name)
def test_each_line_has_its_reason(unit: Path) -> None:
    """Above each block of settings stands a comment; the plain heads need none."""
    plain: tuple[str, ...] = (
        "Description=",
        "Documentation=",
        "ExecStart=/opt",
        "WantedBy=",
        "Type=cifs",
    )
    plain += ("What=", "Where=", "Wants=", "After=", "Type=oneshot", "TimeoutStartSec=60s")
    explained = False
    for line in unit.read_text().splitlines():
        if line.startswith("#"):
            explained = True
        elif not line or line.startswith("["):
            explained = False
        elif "=" in line:
            assert explained or line.startswith(plain), f"{unit.name}: {line}"


def test_no_secret_stands_in_a_unit() -> None:
    secret = re.compile(r"(?i)^[^#]*(password|secret|key)=\S", re.MULTILINE)
    for path in UNITS.rglob("*"):
        assert path.is_dir() or not secret.search(path.read_text()), path
