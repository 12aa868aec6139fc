"""The play: two sequencers write a run each, and the lab brings the sample sheets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo import runfiles
from demo.sequencer import MiSeqRun, NextSeqRun, SequencerRun
from demo.stage import Folders

_SECONDS_PER_CYCLE = 0.35
ATTACHED = "SampleSheet.csv"
INSTRUMENT_OWN = "SampleSheet.instrument.csv"


class CurtainDown(Exception):
    """The demo ends while a sequencer is still writing."""


@dataclass(frozen=True, slots=True)
class Act:
    """One instrument and the run that it writes."""

    instrument: str
    title: str
    destination: str
    run: SequencerRun
    last_flag: str
    pruned: bool
    sheet_is_late: bool

    @property
    def key(self) -> str:
        """The run's name as the service has it, ``INSTRUMENT/NAME``."""
        return f"{self.instrument}/{self.run.name}"

    @property
    def sheet(self) -> bytes:
        """The lab's sample sheet; it is not the one that the instrument wrote."""
        return runfiles.sample_sheet("demo, as the lab wants it", self.run.reads)

    def in_lake(self) -> dict[str, bytes]:
        """What the lake has to hold below the run's folder: path -> bytes."""
        files = self.run.files()
        if ATTACHED in files:
            files[INSTRUMENT_OWN] = files[ATTACHED]
        return {**files, ATTACHED: self.sheet}


def acts() -> tuple[Act, ...]:
    """Today's two runs, about 5 MB together."""
    today = time.strftime("%y%m%d")
    return (
        Act(
            "miseq",
            "MiSeq",
            "MiSeqOutput",
            MiSeqRun(
                f"{today}_M01234_0042_000000000-DEMO1",
                cycles=(8, 6),
                tiles=4,
                bytes_per_bcl=40_000,
            ),
            "RTAComplete.txt",
            pruned=True,
            sheet_is_late=False,
        ),
        Act(
            "nextseq",
            "NextSeq",
            "NextSeqOutput",
            NextSeqRun(
                f"{today}_NS500123_0107_AHDEMOBGX7",
                cycles=(10, 6),
                bytes_per_bcl=40_000,
                thumbnails=0,
            ),
            "RunCompletionStatus.xml",
            pruned=False,
            sheet_is_late=True,
        ),
    )


class Play:
    """Performs the acts side by side; ``say`` is told what happens, from any thread."""

    def __init__(self, folders: Folders, say: Callable[[str, str], None]) -> None:
        self._folders = folders
        self._say = say
        self._over = threading.Event()
        self._published = {act.instrument: threading.Event() for act in acts()}
        self._threads = [
            threading.Thread(target=self._perform, args=(act,), daemon=True) for act in acts()
        ]
        self.error: Exception | None = None

    def begin(self) -> None:
        """Switch the instruments on."""
        for thread in self._threads:
            thread.start()

    def published(self, instrument: str) -> None:
        """The service has published this instrument's run: a late sheet may come now."""
        self._published[instrument].set()

    def end(self) -> None:
        """Switch the instruments off, wherever they are."""
        self._over.set()
        for event in self._published.values():
            event.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(5.0)

    def _perform(self, act: Act) -> None:
        try:
            run = act.run
            self._say(act.title, f"begins {run.name}, {run.total_cycles} cycles")
            run.write(self._folders.source(act.destination), self._next_cycle)
            self._say(act.title, f"is done: its last file is {act.last_flag}")
            if act.sheet_is_late:
                self._published[act.instrument].wait()
                self._next_cycle()
            _put(self._folders.sheets / f"{run.name}.csv", act.sheet)
            when = ", late: its run is published already" if act.sheet_is_late else ""
            self._say("lab", f"brings the {act.title} sample sheet{when}")
        except CurtainDown:
            pass
        except Exception as error:  # noqa: BLE001 - told by the demo, which fails because of it
            self.error = error

    def _next_cycle(self) -> None:
        if self._over.wait(_SECONDS_PER_CYCLE):
            raise CurtainDown


def _put(path: Path, content: bytes) -> None:
    """As a person's program saves a file: whole, under its name."""
    draft = path.with_suffix(".tmp")
    draft.write_bytes(content)
    draft.rename(path)
