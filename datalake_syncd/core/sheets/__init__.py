"""Sample sheets: which file is a run's, what is in it, and which files only look like one."""

from datalake_syncd.core.sheets.lonely import Lonely, read_lonely
from datalake_syncd.core.sheets.naming import (
    ATTACHED,
    INSTRUMENT_OWN,
    MAX_SHEET_BYTES,
    SHEET,
    near_sheets_key,
    sheet_name,
    years,
)
from datalake_syncd.core.sheets.near import Comparison, NearMiss, near_misses
from datalake_syncd.core.sheets.reader import read_sheet
from datalake_syncd.core.sheets.report import NAMED, Format, Problem, Severity, SheetReport

__all__ = [
    "ATTACHED",
    "INSTRUMENT_OWN",
    "MAX_SHEET_BYTES",
    "NAMED",
    "SHEET",
    "Comparison",
    "Format",
    "Lonely",
    "NearMiss",
    "Problem",
    "Severity",
    "SheetReport",
    "near_misses",
    "near_sheets_key",
    "read_lonely",
    "read_sheet",
    "sheet_name",
    "years",
]
