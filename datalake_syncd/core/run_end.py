"""When a run ended: no instrument says so, and their clocks are off."""

from __future__ import annotations


def seconds_after_end(
    published_at: float, *, written: float | None, sighted_at: float, settled_at: float | None
) -> float:
    """Seconds from the end of a run to its first marker; all times since the epoch.

    The end is the last write (``written``, by the instrument's clock), but not after the run
    settled (``settled_at``, by ours). A run that was complete when it was first seen
    (``sighted_at``) counts from then: nobody could have carried it earlier.
    """
    end = sighted_at if written is None else written
    if settled_at is not None:
        end = min(end, settled_at)
    return round(max(published_at - max(end, sighted_at), 0.0), 1)
