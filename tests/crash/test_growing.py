"""kill -9 where growing data sets go their own way: nothing is lost, and the end is the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError

from datalake_syncd.adapters.failpoints import FailPoint
from tests.crash.scene import ONLY_GROWING
from tests.e2e.lab import Lab, tree_of
from tests.servers import Azurite

NAME, REMOTE = "prot0001", "prot-out/PROT0001"
DATA = {
    "a.raw": b"one file",
    "w.raw/_FUNCTNS.INF": b"waters",
    "w.raw/_FUNC001.DAT": b"d" * 500,
    "m.meth": b"method",
    "Prot1.xlsx": b"result",
    "metadata.xlsx": b"metadata",
}
IN_LAKE = {
    "samples/a.raw": "a.raw",
    "samples/w.raw/_FUNCTNS.INF": "w.raw/_FUNCTNS.INF",
    "samples/w.raw/_FUNC001.DAT": "w.raw/_FUNC001.DAT",
    "other/m.meth": "m.meth",
    "results/prot1.xlsx": "Prot1.xlsx",
    "metadata.xlsx": "metadata.xlsx",
}
STAYS = {"Prot1.xlsx", "metadata.xlsx"}
#: Where their road is another one; what they share with every run is tested with a MiSeq run.
ROAD = [
    FailPoint.EFFECT_SETTLE,
    FailPoint.RECORD_SETTLE,
    FailPoint.AZCOPY_ENDED,
    FailPoint.EFFECT_VERIFY,
    FailPoint.MANIFEST_WRITTEN,
    FailPoint.EFFECT_PUBLISH,
    FailPoint.PRUNE_INTENDED,
    FailPoint.PRUNE_RENAMED,
    FailPoint.EFFECT_PRUNE,
    FailPoint.TRASH_FILE_UNLINKED,
    FailPoint.TRASH_EMPTIED,
    *ONLY_GROWING,
]
#: A file that nobody wrote to for so long (seconds) may go.
QUIET = 0.4


@pytest.fixture
def lab(tmp_path: Path, azurite: Azurite, container: str, azcopy_path: Path) -> Lab:
    assert azcopy_path.exists()
    return Lab(tmp_path, azurite, container, kinds={"prot": "proteomics"})


@pytest.fixture
def project(lab: Lab) -> Path:
    lab.configure(
        instruments__prot=[f'quiet = "{QUIET}s"'],
        instruments__prot__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'],
    )
    folder = lab.source("prot") / NAME
    for path, data in DATA.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    lab.once()  # ages are counted from here
    time.sleep(QUIET + 0.1)
    return folder


def read(lab: Lab, name: str) -> bytes | None:
    try:
        return lab.read(name)
    except ResourceNotFoundError:
        return None


def assert_law(lab: Lab, project: Path) -> None:
    trash = project.parent / ".datalake-syncd-trash"
    folders = [project, *(trash.iterdir() if trash.is_dir() else ())]
    for remote, path in IN_LAKE.items():
        here = any((f / path).is_file() and (f / path).read_bytes() == DATA[path] for f in folders)
        assert here or read(lab, f"{REMOTE}/{remote}") == DATA[path], f"{path} is nowhere"
    marker = read(lab, f"{REMOTE}.sync")
    if marker is not None or read(lab, f"{REMOTE}/results.ready") is not None:
        for remote, path in IN_LAKE.items():
            assert read(lab, f"{REMOTE}/{remote}") == DATA[path], "a marker told too much"


def assert_end(lab: Lab, project: Path) -> None:
    assert set(tree_of(project)) == STAYS
    assert not list((project.parent / ".datalake-syncd-trash").iterdir())
    assert {name.removeprefix(f"{REMOTE}/") for name in lab.blobs()} == {
        *IN_LAKE, "results.ready", f"{REMOTE}.md5", f"{REMOTE}.sync",
    }  # fmt: skip
    run = lab.the_run(NAME, "prot")
    assert (run.generation, run.files, run.files_proven, run.trash) == (1, 6, 6, None)
    assert b"files: 6\n" in lab.read(f"{REMOTE}.sync")
    with lab.ledger() as ledger:
        assert set(ledger.growth.freed(run.id)) == {p for p, n in IN_LAKE.items() if n not in STAYS}


@pytest.mark.parametrize("point", ROAD)
def test_a1_a4_a5_a6_a7_a_crash_there_changes_nothing_in_the_end(
    lab: Lab, project: Path, point: FailPoint
) -> None:
    done = lab.call("once", expect=None, SYNCD_FAILPOINT=point.value)
    assert done.returncode == -9, f"{point} was never reached\n{done.stdout[-3000:]}"
    assert f"died at {point}\n" in done.stderr
    assert_law(lab, project)
    time.sleep(QUIET + 0.1)  # what was brought back has a new ctime, and so a new age
    lab.once()
    assert_law(lab, project)
    time.sleep(QUIET + 0.1)
    lab.once()
    assert_law(lab, project)
    assert_end(lab, project)


def test_without_a_crash_the_end_is_that_too(lab: Lab, project: Path) -> None:
    lab.once()
    assert_law(lab, project)
    assert_end(lab, project)


@pytest.mark.parametrize("point", [FailPoint.ENTRY_RENAMED, FailPoint.PRUNE_BROUGHT_BACK])
def test_a7_a_crash_while_a_person_brings_files_back_loses_none_of_them(
    lab: Lab, project: Path, point: FailPoint
) -> None:
    prune = ["enabled = true", 'keep = "0s"', 'trash = "3d"']
    lab.configure(instruments__prot__prune=prune)
    lab.once()
    assert set(tree_of(project)) == STAYS
    done = lab.call("undo", NAME, expect=None, SYNCD_FAILPOINT=point.value)
    assert done.returncode == -9, f"{point} was never reached\n{done.stdout[-3000:]}"
    assert_law(lab, project)
    # What they asked for is still open. Once it is done, no new batch goes for `keep`.
    # Nor is any file still for long enough: what is brought back is known without a look.
    lab.configure(
        instruments__prot=['quiet = "1h"'],
        instruments__prot__prune=["enabled = true", 'keep = "14d"', 'trash = "3d"'],
    )
    lab.once()
    assert_law(lab, project)
    assert tree_of(project) == DATA
    assert lab.the_run(NAME, "prot").trash is None
    assert not list((project.parent / ".datalake-syncd-trash").iterdir())
    with lab.ledger() as ledger:
        assert ledger.growth.freed(lab.the_run(NAME, "prot").id) == {}
