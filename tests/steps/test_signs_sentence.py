"""The service manager's sentence is made seldom where it costs much, and is never old."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from datalake_syncd import signs
from datalake_syncd.signs import EVERY, Signs


@pytest.mark.parametrize(
    ("processor", "rest"), [(0.0, EVERY), (0.001, EVERY), (0.02, 60.0), (5.0, 120.0)]
)
def test_it_rests_by_its_processor_time_and_never_long(
    monkeypatch: pytest.MonkeyPatch, processor: float, rest: float
) -> None:
    """A reading that waited for a lock took no processor time; one of all runs takes much."""
    clock = iter((1.0, 1.0 + processor))
    monkeypatch.setattr(time, "thread_time", lambda: next(clock))
    monkeypatch.setattr(signs, "sentence", lambda _report: "fine.")
    monkeypatch.setattr(signs, "read_report", lambda *_a, **_k: SimpleNamespace(config_refused=""))
    service: Any = SimpleNamespace(
        ledger=None,
        wall=lambda: 0.0,
        monotonic=lambda: 1000.0,
        config=SimpleNamespace(daemon=SimpleNamespace(stale_after=1.0)),
    )
    one = Signs.__new__(Signs)
    one._service = service
    assert one._sentence() == "fine."
    assert one._tell_at == pytest.approx(1000.0 + rest)
