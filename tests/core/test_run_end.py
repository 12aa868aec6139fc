"""From the end of a run to its marker, with clocks that are off."""

from __future__ import annotations

import pytest

from datalake_syncd.core.run_end import seconds_after_end


@pytest.mark.parametrize(
    ("written", "sighted", "settled", "seconds"),
    [
        (1000.0, 100.0, 1500.0, 1000.0),  # seen while it was written: from its last write
        (5.0, 1200.0, 1500.0, 800.0),  # complete when it was first seen, or copied with old times
        (99_999.0, 100.0, 1500.0, 500.0),  # the instrument's clock is ahead: from settling
        (None, 1200.0, None, 800.0),  # no file at all
        (1000.0, 2500.0, None, 0.0),  # our clock jumped back
    ],
)
def test_seconds_after_end(
    written: float | None, sighted: float, settled: float | None, seconds: float
) -> None:
    told = seconds_after_end(2000.0, written=written, sighted_at=sighted, settled_at=settled)
    assert told == seconds
