"""Sample sheets: which file is a run's, and the names that sheets have in the lake."""

from __future__ import annotations

import re
from collections.abc import Iterable

ATTACHED = "SampleSheet.csv"
INSTRUMENT_OWN = "SampleSheet.instrument.csv"

_YEAR = re.compile(r"(19|20)\d\d")


def years(names: Iterable[str]) -> list[str]:
    """The year folders among ``names``, newest first."""
    return sorted((name for name in names if _YEAR.fullmatch(name)), reverse=True)


def sheet_name(run: str) -> str:
    """The name of the sheet that belongs to a run."""
    return f"{run}.csv"
