"""Simulated sequencers: each writes its run folders the way the instrument does.

The order of the files, their names and the shape of the metadata follow real run folders; the
base calls are random bytes from a seed, so that the same run can be written twice. Options make
the near misses that a service must notice: missing cycles, a run that ended early, no flags,
a status file that is half there.
"""

from __future__ import annotations

from demo.sequencers.bgzf import ISeqRun, MiniSeqRun, NextSeqRun
from demo.sequencers.cbcl import MiSeqI100Run, NextSeq2000Run, NovaSeq6000Run, NovaSeqXRun
from demo.sequencers.run import BASE_CALLS, Event, Pause, SequencerRun
from demo.sequencers.tiles import HiSeq2500Run, HiSeqXRun, MiSeqRun

MODELS: tuple[type[SequencerRun], ...] = (
    MiSeqRun,
    MiSeqI100Run,
    MiniSeqRun,
    ISeqRun,
    NextSeqRun,
    NextSeq2000Run,
    NovaSeq6000Run,
    NovaSeqXRun,
    HiSeq2500Run,
    HiSeqXRun,
)

__all__ = [
    "BASE_CALLS",
    "MODELS",
    "Event",
    "HiSeq2500Run",
    "HiSeqXRun",
    "ISeqRun",
    "MiSeqI100Run",
    "MiSeqRun",
    "MiniSeqRun",
    "NextSeq2000Run",
    "NextSeqRun",
    "NovaSeq6000Run",
    "NovaSeqXRun",
    "Pause",
    "SequencerRun",
]
