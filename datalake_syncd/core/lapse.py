"""Flags that never come: after a grace the rest counts, and it is written down that one lacked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.model import Gate


@dataclass(frozen=True, slots=True)
class Lapse:
    """The gates after the grace; ``since`` maps a gate that is waited for to when that began.

    Times are in seconds on the service's own clock. ``lapsed`` names the gates that are no
    longer waited for.
    """

    gates: tuple[Gate, ...]
    since: Mapping[str, float]
    lapsed: tuple[str, ...]


def lapse(gates: Iterable[Gate], since: Mapping[str, float], grace: float, now: float) -> Lapse:
    """Let gates pass that may lapse and have been waited for longer than ``grace`` seconds.

    A gate's wait begins when it is first found as the kind of gate that may lapse, which the
    kind says only while another sign tells that the run has ended. A clock that was set back
    starts the wait anew.
    """
    kept: dict[str, float] = {}
    result: list[Gate] = []
    lapsed: list[str] = []
    for gate in gates:
        if gate.passed or not gate.may_lapse:
            result.append(gate)
            continue
        begun = min(since.get(gate.name, now), now)
        kept[gate.name] = begun
        if now - begun < grace:
            result.append(gate)
            continue
        told = f"{gate.found}; not waited for any longer than {format_duration(grace)}"
        result.append(replace(gate, passed=True, found=told))
        lapsed.append(gate.name)
    return Lapse(tuple(result), kept, tuple(lapsed))
