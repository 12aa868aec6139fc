"""azcopy as a child process: one upload of listed files, watched, stoppable, judged."""

from __future__ import annotations

from datalake_syncd.adapters.azcopy.argv import source_root_problem
from datalake_syncd.adapters.azcopy.job import AzcopySettings, CopyJob, CopyResult
from datalake_syncd.adapters.azcopy.orphans import end_orphans, orphans
from datalake_syncd.adapters.azcopy.output import FileFailure, Progress
from datalake_syncd.adapters.azcopy.process import leftovers, run_copy
from datalake_syncd.adapters.azcopy.verdict import judge, verdict
from datalake_syncd.adapters.azcopy.version import TESTED_VERSIONS, AzcopyBinary, inspect, locate

__all__ = [
    "TESTED_VERSIONS",
    "AzcopyBinary",
    "AzcopySettings",
    "CopyJob",
    "CopyResult",
    "FileFailure",
    "Progress",
    "end_orphans",
    "inspect",
    "judge",
    "leftovers",
    "locate",
    "orphans",
    "run_copy",
    "source_root_problem",
    "verdict",
]
