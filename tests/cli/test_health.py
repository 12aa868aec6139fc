"""``health``: what a container's health check is told."""

from __future__ import annotations

import time

import pytest

from datalake_syncd.adapters.pulse_file import write_pulse
from tests.cli.conftest import Place


def test_a_daemon_that_gets_on_is_healthy(place: Place) -> None:
    write_pulse(place.state, time.time() - 20, [])
    told = place.call("health")
    assert told.code == 0
    assert told.out == "The daemon runs, and every part of it gets on.\n"


@pytest.mark.parametrize(
    ("age", "late", "expected"),
    [
        (5, ["worker-1"], "this part of it hangs: worker-1"),
        (61, [], "its last sign of life was 1 min"),
        (-3600, [], "in the future, by this clock"),
    ],
)
def test_what_is_unhealthy(place: Place, age: float, late: list[str], expected: str) -> None:
    write_pulse(place.state, time.time() - age, late)
    told = place.call("health")
    assert told.code == 1
    assert expected in told.out
    told = place.call("health", "--json")
    assert (told.code, told.json["healthy"], told.json["late"]) == (1, False, late)


@pytest.mark.parametrize("text", [None, "", "{}", "[1]", '{"at": 5, "late": []}', "\udcff"])
def test_no_sign_at_all(place: Place, text: str | None) -> None:
    if text is not None:
        (place.state / "pulse.json").write_bytes(text.encode(errors="surrogateescape"))
    told = place.call("health")
    assert told.code == 1
    assert "no sign of life yet" in told.out


def test_a_configuration_that_is_not_there(place: Place) -> None:
    place.config.unlink()
    assert place.call("health").code == 2
