"""One figure that was measured, with the limit that it should keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in ``unit``; ``target`` is the most that it should be, None where none is set."""

    key: str
    told: str
    value: float
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether the target is kept."""
        return None if self.target is None else self.value <= self.target
