"""The drill: what comes back from the lake is what was there, and md5sum itself says so."""

from __future__ import annotations

import subprocess
from pathlib import Path

from demo.massspec import Acquisition, ProteomicsProject
from tests.e2e.lab import MISEQ, Lab, tree_of
from tests.e2e.runs import folder_of, miseq, write
from tests.e2e.test_names import EMPTY, ODD, add

PRUNED = ["enabled = true", 'keep = "0s"', 'trash = "0s"']


def md5sum(folder: Path, name: str) -> None:
    """The real one; --strict: also a line that it can't read is a failure."""
    done = subprocess.run(
        ["md5sum", "--strict", "--quiet", "-c", name],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_e20_a_pruned_run_with_names_that_need_care_comes_back_and_md5sum_agrees(
    lab: Lab, tmp_path: Path
) -> None:
    run = miseq(1)
    write(lab, run)
    add(
        folder_of(lab, run), [*ODD, *EMPTY, "# not a comment.txt", "two  spaces  .txt", "*star.txt"]
    )
    files = tree_of(folder_of(lab, run))
    lab.configure(instruments__miseq__prune=PRUNED)
    lab.once()
    lab.once()
    assert not folder_of(lab, run).exists()
    there = tmp_path / "restored"
    lab.call("restore", run.name, str(there))
    md5sum(there, f"{MISEQ}.md5")
    restored = tree_of(there)
    restored.pop(f"{MISEQ}.md5")
    assert restored == files
    lab.call("scrub", run.name)
    # The drill can fail: a byte that changes on the restored disk is named.
    (there / "case.txt").write_bytes(b"changed")
    done = subprocess.run(
        ["md5sum", "--quiet", "-c", f"{MISEQ}.md5"],
        cwd=there, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "case.txt: FAILED\n")


def test_e20_a_project_comes_back_in_the_layout_of_the_lake_and_is_scrubbed(
    lab: Lab, tmp_path: Path
) -> None:
    lab.kinds = {"prot": "proteomics"}
    lab.source("prot").mkdir(parents=True)
    lab.sheets("prot").mkdir(parents=True)
    lab.configure(instruments__prot=['quiet = "1s"'], instruments__prot__prune=PRUNED)
    units = (Acquisition("s 1 100% #a+b é.raw"), Acquisition("w.raw", vendor="waters"))
    ProteomicsProject("prot0001", acquisitions=units, methods={}).write_all(lab.source("prot"))
    here = lab.source("prot") / "prot0001" / units[0].name
    assert here.exists()
    with lab.daemon():
        lab.wait_published("prot0001", "prot")
        lab.wait_for(lambda: not here.exists(), told="the unit was pruned")
    prefix = "prot-out/PROT0001/"
    files = {
        name.removeprefix(prefix): lab.read(name)
        for name in lab.blobs(name_starts_with=prefix)
        if not name.endswith("/results.ready")
    }
    assert "samples/s 1 100% #a+b é.raw" in files
    there = tmp_path / "restored"
    lab.call("restore", "prot0001", str(there))
    (listed,) = there.glob("*.md5")
    md5sum(there, listed.name)
    restored = tree_of(there)
    restored.pop(listed.name)
    assert restored == files
    lab.call("scrub", "prot0001")
    lab.client.delete_blob(f"{prefix}samples/s 1 100% #a+b é.raw")
    told = lab.call("scrub", "prot0001", "--sample", "1%", expect=1).stdout
    assert "missing in the lake: 1" in told
