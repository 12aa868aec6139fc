"""What all tables of the configuration have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the file: unknown keys are faults, values never change, types are exact."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
