"""Which file is a run's sheet, and the names that sheets have in the lake."""

from __future__ import annotations

import re
from collections.abc import Iterable

ATTACHED = "SampleSheet.csv"
INSTRUMENT_OWN = "SampleSheet.instrument.csv"
#: The gate of a sheet that can't be attached; it opens by itself when the sheet is mended.
SHEET = "sheet"

_YEAR = re.compile(r"(19|20)\d\d")


MAX_SHEET_BYTES = 200 << 20
"""A larger file (bytes) is no sample sheet; so much goes up in one request that is checked."""


def years(names: Iterable[str]) -> list[str]:
    """The year folders among ``names``, newest first."""
    return sorted((name for name in names if _YEAR.fullmatch(name)), reverse=True)


def sheet_name(run: str) -> str:
    """The name of the sheet that belongs to a run."""
    return f"{run}.csv"


def near_sheets_key(instrument: str) -> str:
    """Under which name the ledger keeps what looks like the sheets of an instrument's runs."""
    return f"near-sheets:{instrument}"
