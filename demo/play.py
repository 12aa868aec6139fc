"""The play: sequencers and a mass spectrometer write, and the lab brings what it has to bring."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.model import Status, Step
from demo import massspec
from demo.acts import ANALYSIS, ANALYSIS_FLAG, READY, Act, ProjectAct, RunAct, acts
from demo.massspec import Acquisition
from demo.stage import Folders

_SECONDS_PER_CYCLE = 0.35
# Much shorter than the project's `quiet`: also on a machine that is busy with something else
# a file that grows is not taken for one that is done.
_SECONDS_PER_PART = 0.4
_PARTS = 6
# Longer than the NovaSeq X's `quiet`: a service that did not wait would have begun to send.
_SECONDS_OF_ANALYSIS = 5.0

#: Who, and what they did.
Say = Callable[[str, str], None]
#: Lists the lake below a prefix: name -> ETag.
LookAtLake = Callable[[str], dict[str, str]]


class CurtainDown(Exception):
    """The demo ends while an instrument is still writing."""


class Play:
    """Performs the acts side by side; ``say`` is told what happens, from any thread."""

    def __init__(self, folders: Folders, say: Say, look_at_lake: LookAtLake) -> None:
        self._folders = folders
        self._say = say
        self._look_at_lake = look_at_lake
        self._over = threading.Event()
        self._seen = threading.Condition()
        self._runs: dict[str, Run] = {}
        self._threads = [
            threading.Thread(target=self._perform, args=(act,), daemon=True) for act in acts()
        ]
        self.error: Exception | None = None
        #: What the lake held (name -> ETag) right before the last thing that an instrument did.
        self.before: dict[str, Mapping[str, str]] = {}

    def begin(self) -> None:
        """Switch the instruments on."""
        for thread in self._threads:
            thread.start()

    def saw(self, runs: Iterable[Run]) -> None:
        """What the service says of all runs now: some of the actors wait for that."""
        with self._seen:
            self._runs = {run.key: run for run in runs}
            self._seen.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether all instruments and the lab have done what they had to."""
        return not any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        """Switch the instruments off, wherever they are."""
        self._over.set()
        with self._seen:
            self._seen.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(5.0)

    def _perform(self, act: Act) -> None:
        try:
            if isinstance(act, RunAct):
                self._sequence(act)
            else:
                self._acquire(act)
        except CurtainDown:
            pass
        except Exception as error:  # noqa: BLE001 - told by the demo, which fails because of it
            self.error = error

    def _sequence(self, act: RunAct) -> None:
        run, source = act.run, self._folders.source(act.destination)
        self._say(act.title, f"begins {run.name}, {run.total_cycles} cycles")
        run.write(source, partial(self._pause, _SECONDS_PER_CYCLE))
        goes_on = f"; its own analysis goes on in {ANALYSIS}" if act.analysis_is_late else ""
        self._say(act.title, f"is done: its last file is {act.last_flag}{goes_on}")
        if act.sheet_is_late:
            self._wait_until(act, lambda run: run.published_at is not None)
            self._pause(_SECONDS_PER_CYCLE)
        _put(self._folders.sheets / f"{run.name}.csv", act.sheet)
        when = ", late: its run is published already" if act.sheet_is_late else ""
        self._say("lab", f"brings the {act.title} sample sheet{when}")
        if act.analysis_is_late:
            waits = f"flag {ANALYSIS_FLAG}: not there"
            # Or it does not wait for it; that it has sent something then is found out below.
            seen = self._wait_until(
                act, lambda run: waits in (run.reason or "") or run.done is not Step.SIGHTED
            )
            if seen.done is Step.SIGHTED:
                self._say(act.instrument, f"run.waiting: {seen.reason}")
            self._pause(_SECONDS_OF_ANALYSIS)
            self.before[act.instrument] = self._look_at_lake(act.prefix)
            (source / run.name / ANALYSIS_FLAG).touch()
            self._say(act.title, f"has finished its analysis: {ANALYSIS_FLAG}")

    def _acquire(self, act: ProjectAct) -> None:
        source, project = self._folders.source(act.destination), act.project
        folder = source / project.name
        names = ", ".join(acquisition.name for acquisition in project.acquisitions)
        self._say(act.title, f"begins {names} in {project.name}: empty files that grow")
        folder.mkdir()
        pause = partial(self._pause, _SECONDS_PER_PART)
        massspec.write(folder, _growing(project.acquisitions), pause)
        massspec.write(folder, project.methods.items())
        self._say(act.title, "is done with these")
        self._say("lab", f"saves the result and metadata workbooks of {project.name}")
        for name, content in {**project.results, **project.metadata}.items():
            _put(folder / name, content)
        files = len(act.on_disk()) - 1
        self._wait_until(act, lambda run: run.files == files and at_rest(run))
        self.before[act.instrument] = there = self._look_at_lake(act.prefix)
        if f"{act.prefix}/{READY}" in there:
            self._say("demo", f"{act.prefix}/{READY} is in the lake: both workbooks may be read")
        self._say(act.title, f"writes one more: {act.one_more.name}")
        massspec.write(folder, act.one_more.events(), pause)

    def _pause(self, seconds: float) -> None:
        if self._over.wait(seconds):
            raise CurtainDown

    def _wait_until(self, act: Act, true_of: Callable[[Run], bool]) -> Run:
        """Wait until something is true of what the service says of this act's run."""

        def told() -> Run | None:
            run = self._runs.get(act.key)
            return run if run is not None and true_of(run) else None

        with self._seen:
            self._seen.wait_for(lambda: self._over.is_set() or told() is not None)
            run = told()
        if self._over.is_set() or run is None:
            raise CurtainDown
        return run


def at_rest(run: Run) -> bool:
    """Whether what the service knows of a project is published, and nothing of it is moving."""
    return run.done is Step.PUBLISH and run.status in (Status.FINISHED, Status.WAITING)


def _growing(acquisitions: Iterable[Acquisition]) -> Iterator[massspec.Event]:
    """Files that are there at once, empty, and then grow side by side to what they are."""
    files = [file for acquisition in acquisitions for file in acquisition.files().items()]
    for part in range(_PARTS + 1):
        if part:
            yield None
        for name, content in files:
            yield name, content[: len(content) * part // _PARTS]


def _put(path: Path, content: bytes) -> None:
    """As a person's program saves a file: whole, under its name."""
    draft = path.with_suffix(".tmp")
    draft.write_bytes(content)
    draft.rename(path)
