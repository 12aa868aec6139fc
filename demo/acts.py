"""Who writes what in the demo, and what the lake must hold of it at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from demo import runfiles
from demo.massspec import Acquisition, ProteomicsProject, workbook
from demo.sequencer import MiSeqRun, NextSeqRun, NovaSeqXRun, SequencerRun

ATTACHED = "SampleSheet.csv"
INSTRUMENT_OWN = "SampleSheet.instrument.csv"
#: The on-board analysis of the NovaSeq X, and the flag that ends it.
ANALYSIS = "Analysis/1"
ANALYSIS_FLAG = f"{ANALYSIS}/CopyComplete.txt"
READY = "results.ready"


@dataclass(frozen=True, slots=True)
class RunAct:
    """One sequencer and the run that it writes.

    With ``analysis_is_late`` the flag of the on-board analysis comes later than the run's own.
    """

    instrument: str
    title: str
    destination: str
    run: SequencerRun
    last_flag: str
    pruned: bool = False
    sheet_is_late: bool = False
    analysis_is_late: bool = False

    @property
    def name(self) -> str:
        """The run's name."""
        return self.run.name

    @property
    def key(self) -> str:
        """The run's name as the service has it, ``INSTRUMENT/NAME``."""
        return f"{self.instrument}/{self.name}"

    @property
    def prefix(self) -> str:
        """The run's folder in the lake."""
        return f"{self.destination}/{self.name}"

    @property
    def sheet(self) -> bytes:
        """The lab's sample sheet; it is not the one that the instrument wrote."""
        return runfiles.sample_sheet("demo, as the lab wants it", self.run.reads)

    def on_disk(self) -> dict[str, bytes]:
        """What the instrument has written at the end, below the run's folder: path -> bytes."""
        files = self.run.files()
        return {**files, ANALYSIS_FLAG: b""} if self.analysis_is_late else files

    def in_lake(self) -> dict[str, bytes]:
        """What the lake has to hold below the run's folder: path -> bytes."""
        files = self.on_disk()
        if ATTACHED in files:
            files[INSTRUMENT_OWN] = files[ATTACHED]
        return {**files, ATTACHED: self.sheet}


@dataclass(frozen=True, slots=True)
class ProjectAct:
    """A proteomics project: acquisitions, then the lab's workbooks, then one acquisition more."""

    instrument: ClassVar[str] = "proteomics"
    title: ClassVar[str] = "mass spec"
    destination: ClassVar[str] = "Proteomics"
    name: ClassVar[str] = "prot0042_yeast"
    in_lake_as: ClassVar[str] = "PROT0042_YEAST"

    @property
    def key(self) -> str:
        """The project's name as the service has it, ``INSTRUMENT/NAME``."""
        return f"{self.instrument}/{self.name}"

    @property
    def prefix(self) -> str:
        """The project's folder in the lake."""
        return f"{self.destination}/{self.in_lake_as}"

    @property
    def project(self) -> ProteomicsProject:
        """All that is there before the one more acquisition."""
        return ProteomicsProject(
            self.name,
            acquisitions=tuple(
                Acquisition(name, size=size)
                for name, size in (
                    ("Blank_01.raw", 40_000),
                    ("yeast_01.raw", 300_000),
                    ("yeast_02.raw", 280_000),
                )
            ),
            results={"Prot0042_Results.xlsx": workbook([["protein", "score"], ["ENO1", "98"]])},
            metadata={"Metadata.xlsx": workbook([["file", "strain"], ["yeast_01", "BY4741"]])},
        )

    @property
    def one_more(self) -> Acquisition:
        """What comes when everything before it is published."""
        return Acquisition("yeast_03.raw", size=260_000)

    def on_disk(self) -> dict[str, bytes]:
        """What the project's folder holds at the end: name -> bytes."""
        there = self.project.files().items()
        return {path.removeprefix(f"{self.name}/"): data for path, data in there} | (
            self.one_more.files()
        )

    def in_lake(self) -> dict[str, bytes]:
        """What the lake has to hold below the project's folder, ``results.ready`` aside."""
        # Written out, so that the service's own rules don't judge themselves.
        places = {
            "Blank_01.raw": "blanks/Blank_01.raw",
            "yeast_01.raw": "samples/yeast_01.raw",
            "yeast_02.raw": "samples/yeast_02.raw",
            "yeast_03.raw": "samples/yeast_03.raw",
            "gradient.meth": "other/gradient.meth",
            "day-1.sld": "other/day-1.sld",
            "Prot0042_Results.xlsx": "results/prot0042_results.xlsx",
            "Metadata.xlsx": "metadata.xlsx",
        }
        return {places[name]: data for name, data in self.on_disk().items()}

    @property
    def one_more_in_lake(self) -> str:
        """Where the one more acquisition goes, below the project's folder."""
        return f"samples/{self.one_more.name}"


Act = RunAct | ProjectAct


def acts() -> tuple[Act, ...]:
    """Today's three runs and a project, about 7 MB together."""
    today = time.strftime("%Y%m%d")
    return (
        RunAct(
            "miseq",
            "MiSeq",
            "MiSeqOutput",
            MiSeqRun(
                f"{today[2:]}_M01234_0042_000000000-DEMO1",
                cycles=(8, 6),
                tiles=4,
                bytes_per_bcl=40_000,
            ),
            "RTAComplete.txt",
            pruned=True,
        ),
        RunAct(
            "nextseq",
            "NextSeq",
            "NextSeqOutput",
            NextSeqRun(
                f"{today[2:]}_NS500123_0107_AHDEMOBGX7",
                cycles=(10, 6),
                bytes_per_bcl=40_000,
                thumbnails=0,
            ),
            "RunCompletionStatus.xml",
            sheet_is_late=True,
        ),
        RunAct(
            "novaseqx",
            "NovaSeq X",
            "NovaSeqXOutput",
            NovaSeqXRun(
                f"{today}_LH00123_0009_B22DEMOLT3",
                cycles=(6, 4),
                bytes_per_bcl=40_000,
                analyses={"1": False},
            ),
            "CopyComplete.txt",
            analysis_is_late=True,
        ),
        ProjectAct(),
    )
