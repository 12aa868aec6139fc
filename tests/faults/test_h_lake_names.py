"""H8: whatever a folder, a file, a sheet or a prefix is called, nothing leaves its run's place."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from hypothesis import example, given, settings

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.names import Excluder, escape
from datalake_syncd.steps.places import data_folder
from tests.faults.named import Drawn, Machine, worlds
from tests.model.machine import simulated

#: What no blob is called: a control character that the lake refuses, a backslash, half a character.
NEVER = re.compile("[\x00-\x1f\x7f\ufffe\uffff\\\\\ud800-\udfff]")
MEMORY = Path("/dev/shm")


OWN, ASIDE = "SampleSheet.csv", "SampleSheet.instrument.csv"
#: Where two names meet, and where one would come out of its place.
SOME = [
    Drawn({"drop": {"A/A.", "B/B./B", "C/C\\C", "D/D\n", "a/..A", "b/b%"}}),
    Drawn({"drop": {f"A/{OWN}", f"A/{ASIDE}", f"B/{OWN}"}}, {"A.csv", "B.csv"}),
    Drawn({"drop": {"7/A", "2026-01 exome/A"}}, {"lane 7.csv"}),
    Drawn({"prot": {"prot1A/Prota.xlsx", "prot1A/ProtA.xlsx", "prot1ß/a.raw", "PROT1SS/a.raw"}}),
    Drawn({"meta": {"RawData_A/1/A.raw", "DataProcessingMethod_A/raw/A.raw"}}),
    Drawn({"drop": {"A/A"}}, prefixes={"drop": "/drop", "prot": "prot//a", "meta": "meta/../A"}),
]


@settings(max_examples=150)
@given(worlds())
@example(SOME[0])
@example(SOME[1])
@example(SOME[2])
@example(SOME[3])
@example(SOME[4])
@example(SOME[5])
def test_h8_a_name_is_refused_or_keeps_to_the_place_of_its_run_alone(drawn: Drawn) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        machine = Machine(Path(folder), drawn)
        with simulated(machine.lake, lambda _boundary: None):
            machine.work()
        owners: dict[str, str] = {}
        for run in machine.ledger.runs.all():
            if run.published_at is None:
                expect_told(machine, run)
            for name in blobs_of(machine, run):
                assert owners.setdefault(name, run.key) == run.key, f"{name!r} is also {run.key}'s"
        assert owners.keys() == machine.lake.blobs.keys(), "and nothing else is there"
        for name in owners:
            assert not NEVER.search(name), name
            assert not [part for part in name.split("/") if not part or part[-1] == "."], name
        machine.ledger.close()


def blobs_of(machine: Machine, run: Run) -> list[str]:
    """The names of all that is in the lake of a run; each holds what it should."""
    instrument = machine.service.config.instruments[run.instrument]
    folder = run.name.upper() if run.instrument == "prot" else run.name
    place, blobs = f"{machine.prefixes[run.instrument]}/{folder}", machine.lake.blobs
    rows = [file for page in machine.ledger.files.pages(run.id) for file in page]
    lies = {
        f"{place}/{row.lake_path}": data_folder(instrument, run.name) / row.path for row in rows
    }
    assert len(lies) == len(rows), f"two files of {run.key} are one blob"
    if run.sheet is not None:
        sheet = Path(run.sheet["path"])
        assert sheet.name == f"{run.name}.csv"
        assert lies.setdefault(f"{place}/{OWN}", sheet) == sheet, "the own one lies elsewhere"
    if run.published_at is None:
        lies = {name: path for name, path in lies.items() if name in blobs}  # blocked on its way
    for name, path in lies.items():
        assert blobs[name].data == path.read_bytes(), f"{name!r} is not {path.name!r}"
    if run.published_at is None:
        return list(lies)
    if run.instrument == "drop":
        here = {path for path in files_of(machine, run) if not Excluder().matches(path)}
        assert {row.path for row in rows} == here, "all of it"
    ready = [f"{place}/results.ready"] if run.observed.get("ready") else []
    ours = [f"{place}.md5", f"{place}.sync", *ready]
    assert not lies.keys() & set(ours)
    return [*lies, *ours]


def files_of(machine: Machine, run: Run) -> list[str]:
    """What was drawn into the run's folder, by the paths that its kind gives them."""
    instrument = machine.service.config.instruments[run.instrument]
    below = data_folder(instrument, run.name).relative_to(instrument.source)
    start = "" if below == Path() else f"{below}/"
    paths = machine.written[run.instrument]
    return [path.removeprefix(start) for path in paths if path.startswith(start)]


#: What follows the name of a file in a reason.
AFTER = (" (", " and ", " both go to ", " goes to ")
OF_THE_FOLDER = ("the folder's name ", " already goes to ", "the source folder ")


def expect_told(machine: Machine, run: Run) -> None:
    """By its name, or by the names of its files; what grows may wait for more of them."""
    assert run.trace is None, run.trace
    reason = run.reason or ""
    if run.status == "waiting" and run.instrument != "drop":
        return
    assert run.status == "blocked", run
    assert run.next_step, run
    if any(words in reason for words in OF_THE_FOLDER):
        return
    paths = map(escape, files_of(machine, run))
    assert any(path + then in reason for path in paths for then in AFTER), reason
