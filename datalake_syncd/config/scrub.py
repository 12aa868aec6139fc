"""The table ``[scrub]``."""

from __future__ import annotations

from pydantic import Field

from datalake_syncd.config import values
from datalake_syncd.config.base import Table
from datalake_syncd.core.durations import DAY


class Scrub(Table):
    """Published runs are read back from the lake now and then, also those that were pruned."""

    every: values.PositiveDuration = Field(
        7 * DAY, description="Time from the beginning of one pass to the next."
    )
    sample: values.Share = Field(
        0.01,
        description="Share of each run's files that a pass reads; those that were not read for "
        "the longest time come first. That all others are there is seen in the listing.",
    )
    older_than: values.Duration = Field(
        30 * DAY,
        description="Only files that nobody proved for so long: since they were published, and "
        "since a scrub read them.",
    )
    budget: values.Size = Field(
        50 * 10**9,
        description="Bytes that a pass reads at most; the file that exceeds them is read to its "
        "end. The next pass goes on with the runs that were left.",
    )
