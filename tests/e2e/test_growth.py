"""Growing data sets through the whole service: generations, ages, returns, pruning, adoption."""

from __future__ import annotations

import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from datalake_syncd.core.manifest import parse_md5
from tests.e2e.lab import Lab, log_lines

NAME, REMOTE = "prot0001", "prot-out/PROT0001"


@pytest.fixture
def project(lab: Lab) -> Path:
    lab.kinds = {"prot": "proteomics"}
    lab.__post_init__()
    lab.configure(instruments__prot=['quiet = "1s"'])
    folder = lab.source("prot") / NAME
    folder.mkdir()
    return folder


def write(project: Path, **files: bytes) -> None:
    for name, data in files.items():
        (project / name.replace("__", ".")).write_bytes(data)


def published(lab: Lab, generation: int = 1) -> None:
    lab.wait_published(NAME, "prot", gen=generation)


def settled_down(lab: Lab) -> bool:
    return lab.the_run(NAME, "prot").status in ("finished", "waiting")


def manifest(lab: Lab) -> dict[str, str]:
    return {path: md5 for md5, path in parse_md5(lab.read(f"{REMOTE}.md5").decode())[0]}


def etags(lab: Lab) -> dict[str, str]:
    return {name: str(blob.etag) for name, blob in lab.blobs().items()}


def test_ages_outlive_a_restart_and_a_cron_pass(lab: Lab, project: Path) -> None:
    lab.configure(instruments__prot=['quiet = "1h"'])
    write(project, a__raw=b"first")
    lab.once()  # would hang for an hour if it waited for what never ends
    assert lab.blobs() == {}
    with sqlite3.connect(lab.state / "ledger.sqlite") as ledger:
        assert ledger.execute("UPDATE watched SET since=since-3590").rowcount == 1
    ledger.close()
    lab.once()
    assert lab.blobs() == {}, "ten seconds are still lacking"
    with sqlite3.connect(lab.state / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE watched SET since=since-10")
    ledger.close()
    write(project, b__raw=b"second")
    lab.once()
    assert set(manifest(lab)) == {"samples/a.raw"}
    assert lab.the_run(NAME, "prot").observed["pending"][0][0] == "b.raw"


def test_a_file_that_is_written_again_stays_announced_as_it_was(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", b__raw=b"other")
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
        before = manifest(lab)
        with (project / "a.raw").open("ab") as growing:
            for _ in range(12):  # never still for a second
                growing.write(b"more")
                growing.flush()
                time.sleep(0.3)
                (project / "c.raw").write_bytes(b"new") if not (project / "c.raw").exists() else 0
            published(lab, 2)
            assert manifest(lab)["samples/a.raw"] == before["samples/a.raw"]
            assert lab.read(f"{REMOTE}/samples/a.raw") == b"first"
        published(lab, 3)
    assert lab.read(f"{REMOTE}/samples/a.raw") == b"first" + b"more" * 12
    snapshots = [b for b in lab.client.list_blobs(include=["snapshots"]) if b.snapshot]
    assert f"{REMOTE}/samples/a.raw" in {b.name for b in snapshots}


def test_what_was_taken_away_stays_in_the_manifest(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", b__raw=b"second")
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
        (project / "a.raw").unlink()
        write(project, c__raw=b"third")
        published(lab, 2)
    assert set(manifest(lab)) == {"samples/a.raw", "samples/b.raw", "samples/c.raw"}
    assert lab.read(f"{REMOTE}/samples/a.raw") == b"first"


def test_a_lost_ledger_sends_nothing_again_and_forgets_nothing(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", b__raw=b"second", Prot1__xlsx=b"r", metadata__xlsx=b"m")
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
    before, told = etags(lab), manifest(lab)
    (project / "a.raw").unlink()
    shutil.rmtree(lab.state)
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
    assert etags(lab) == before, "neither data nor markers are written again"
    write(project, c__raw=b"third")
    with lab.daemon():
        published(lab, 2)
    assert manifest(lab).items() > told.items()


def prunable(lab: Lab, trash: str = "0s", keep: str = "1s") -> None:
    lab.configure(
        instruments__prot__prune=["enabled = true", f'keep = "{keep}"', f'trash = "{trash}"']
    )


def test_pruning_goes_by_file_and_unit(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", m__meth=b"m", Prot1__xlsx=b"r", metadata__xlsx=b"m")
    write(project, notes__txt=b"not in the layout")
    waters = project / "w.raw"
    waters.mkdir()
    write(waters, _FUNCTNS__INF=b"f", _FUNC001__DAT=b"d" * 100)
    prunable(lab)
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: not (project / "a.raw").exists() and not waters.exists())
        lab.wait_for(lambda: lab.the_run(NAME, "prot").trash is None)
        left = {path.name for path in project.iterdir()}
        assert left == {"Prot1.xlsx", "metadata.xlsx", "notes.txt"}
        assert not list((lab.source("prot") / ".datalake-syncd-trash").iterdir())
        # It lives on: a new file joins what is no longer on the disk.
        write(project, z__raw=b"later")
        published(lab, 2)
    assert set(manifest(lab)) >= {"samples/a.raw", "samples/w.raw/_FUNC001.DAT", "samples/z.raw"}
    assert lab.read(f"{REMOTE}/samples/a.raw") == b"first"
    lab.call("verify", NAME)


def test_a_pruned_name_with_other_content_asks_a_person(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", b__raw=b"second")
    prunable(lab)
    with lab.daemon() as daemon:
        published(lab)
        lab.wait_for(lambda: not list(project.iterdir()))
        lab.wait_for(lambda: lab.the_run(NAME, "prot").trash is None)
        write(project, a__raw=b"another")
        lab.wait_for(lambda: lab.the_run(NAME, "prot").status == "blocked")
        assert "a.raw" in (lab.the_run(NAME, "prot").reason or "")
        assert lab.read(f"{REMOTE}/samples/a.raw") == b"first"
        # Taken away again: it goes on by itself; the same content is no matter.
        (project / "a.raw").unlink()
        write(project, b__raw=b"second")
        lab.wait_for(lambda: lab.the_run(NAME, "prot").status != "blocked")
        write(project, a__raw=b"another")
        lab.wait_for(lambda: lab.the_run(NAME, "prot").status == "blocked")
        lab.call("release", NAME)
        lab.wait_for(lambda: lab.read(f"{REMOTE}/samples/a.raw") == b"another")
        assert any(line["event"] == "run.blocked" for line in daemon.lines())
    snapshots = {b.name for b in lab.client.list_blobs(include=["snapshots"]) if b.snapshot}
    assert f"{REMOTE}/samples/a.raw" in snapshots


def test_undo_brings_the_batch_back(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", b__raw=b"second")
    prunable(lab, trash="1h", keep="3s")
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: not list(project.iterdir()))
        dry = lab.call("prune", NAME, "--dry-run", expect=None).stdout
        assert "PROT0001" in dry or NAME in dry
        lab.call("undo", NAME)
        assert (project / "a.raw").read_bytes() == b"first"
        assert (project / "b.raw").read_bytes() == b"second"
        before = lab.blobs()[f"{REMOTE}/samples/a.raw"].etag
        lab.wait_for(lambda: lab.the_run(NAME, "prot").trash is None)
    assert lab.blobs()[f"{REMOTE}/samples/a.raw"].etag == before
    assert lab.the_run(NAME, "prot").generation == 1


def test_a_dry_run_names_the_units_and_touches_nothing(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", Prot1__xlsx=b"r")
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
    prunable(lab, keep="0s")
    told = lab.call("prune", NAME, "--dry-run", expect=None).stdout
    assert "a.raw" in told
    assert "Prot1.xlsx" not in told
    assert (project / "a.raw").exists()


def test_a_prune_that_was_asked_for_says_what_it_did(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first")
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
    prunable(lab, keep="0s", trash="1h")
    assert "1 files moved to" in lab.call("prune", NAME).stdout
    assert not (project / "a.raw").exists()
    lab.call("prune", NAME, expect=1)  # nothing more may go


def test_a_project_that_was_taken_away_is_gone_and_no_alarm(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first")
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
    prunable(lab, keep="0s", trash="1h")
    project.rename(project.with_name("elsewhere"))
    lab.call("prune", NAME, expect=1)
    run = lab.the_run(NAME, "prot")
    assert (run.done, run.status) == ("publish", "waiting")
    assert "its folder is not on the source" in (run.reason or "")
    lab.once()
    assert "run.vanished" not in lab.events(NAME, "prot")
    assert "no longer on the source" in (lab.the_run(NAME, "prot").reason or "")


def test_a_lake_that_lost_a_file_gets_it_back_before_anything_goes(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", b__raw=b"second")
    prunable(lab, keep="6s", trash="1s")
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
        lab.client.delete_blob(f"{REMOTE}/samples/a.raw")
        lab.wait_for(lambda: f"{REMOTE}/samples/a.raw" in lab.blobs())
        lab.wait_for(lambda: not (project / "a.raw").exists())
    assert lab.read(f"{REMOTE}/samples/a.raw") == b"first"


def test_what_only_the_lake_had_and_lost_needs_a_person(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", b__raw=b"second")
    prunable(lab)
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: not list(project.iterdir()))
        lab.wait_for(lambda: lab.the_run(NAME, "prot").trash is None)
        lab.client.delete_blob(f"{REMOTE}/samples/a.raw")
        write(project, c__raw=b"third")
        lab.wait_for(lambda: lab.the_run(NAME, "prot").status == "blocked")
    assert "samples/a.raw" in (lab.the_run(NAME, "prot").reason or "")


def test_a_project_of_the_old_scripts_is_adopted(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first", Prot1__xlsx=b"r", metadata__xlsx=b"m")
    old = {"samples/a.raw": b"first", "results/prot1.xlsx": b"r", "metadata.xlsx": b"older"}
    for path, data in old.items():
        lab.client.upload_blob(f"{REMOTE}/{path}", data)
    lab.client.upload_blob(f"{REMOTE}/results.ready", b"2024-01-01T00:00:00\n")
    before = etags(lab)
    with lab.daemon() as daemon:
        published(lab)
        (told,) = daemon.lines("lake.differs")
        assert "metadata.xlsx" in told["message"]
    after = etags(lab)
    assert after[f"{REMOTE}/samples/a.raw"] == before[f"{REMOTE}/samples/a.raw"]
    assert after[f"{REMOTE}/results/prot1.xlsx"] == before[f"{REMOTE}/results/prot1.xlsx"]
    assert lab.read(f"{REMOTE}/metadata.xlsx") == b"m"
    assert after[f"{REMOTE}/results.ready"] != before[f"{REMOTE}/results.ready"]
    snapshots = {b.name for b in lab.client.list_blobs(include=["snapshots"]) if b.snapshot}
    assert {f"{REMOTE}/metadata.xlsx", f"{REMOTE}/results.ready"} <= snapshots


def test_a_name_that_azcopy_would_misread_blocks(lab: Lab, project: Path) -> None:
    odd = project.with_name("prot2 100%")
    odd.mkdir()
    write(odd, a__raw=b"first")
    write(project, **{"x % y #+ é.raw": b"fine"})
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: (lab.run(odd.name, "prot") or lab.the_run(NAME, "prot")).status
                     == "blocked")  # fmt: skip
    assert "percent" in (lab.the_run(odd.name, "prot").reason or "")
    assert lab.read(f"{REMOTE}/samples/x % y #+ é.raw") == b"fine"


def test_once_takes_what_is_old_enough(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first")
    lab.once()
    time.sleep(1.2)
    lines = lab.once()
    assert "run.published" in {line["event"] for line in lines}
    assert "run.published" not in {line["event"] for line in log_lines(lab.call("once").stdout)}


def test_bruker_databases_are_read_as_bytes_alone(lab: Lab, project: Path) -> None:
    unit = project / "b.d"
    unit.mkdir()
    with sqlite3.connect(unit / "analysis.tdf") as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("PRAGMA journal_mode=WAL")
    database.close()
    (unit / "analysis.tdf_bin").write_bytes(b"b" * 50)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in unit.iterdir()}
    with lab.daemon():
        published(lab)
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in unit.iterdir()}
    assert after == before


def test_what_is_kept_back_after_publishing_is_told(lab: Lab, project: Path) -> None:
    """A published data set with a shut gate is no longer at rest."""
    lab.kinds = {"met": "metabolomics"}
    lab.__post_init__()
    lab.configure(instruments__met=['quiet = "1s"'])
    run, methods = lab.source("met") / "RawData_S/3", lab.source("met") / "DataProcessingMethod_S"
    for folder, name in ((run, "x.raw"), (methods, "a.meth")):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(name.encode())
    with lab.daemon():
        lab.wait_published("S/3", "met")
        lab.wait_for(lambda: lab.the_run("S/3", "met").status == "finished")
        methods.rename(methods.with_name("DataProcessingMethod_T"))
        (run / "y.raw").write_bytes(b"new")
        lab.wait_for(lambda: "method folder" in (lab.the_run("S/3", "met").reason or ""))
        assert lab.the_run("S/3", "met").status == "waiting"
        methods.with_name("DataProcessingMethod_T").rename(methods)
        lab.wait_published("S/3", "met", gen=2)
    assert lab.read("met-out/S/3/raw/y.raw") == b"new"


def test_a_unit_with_a_late_file_is_not_torn_by_pruning(lab: Lab, project: Path) -> None:
    write(project, x__wiff=b"w", **{"x.wiff.scan": b"s"})
    with lab.daemon():
        published(lab)
        lab.wait_for(lambda: settled_down(lab))
    # A third file of the unit comes, too young to go, when the others are due for pruning.
    write(project, x__wiff2=b"late")
    lab.configure(
        instruments__prot=['quiet = "1h"'],
        instruments__prot__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'],
    )
    lab.once()
    assert {path.name for path in project.iterdir()} == {"x.wiff", "x.wiff.scan", "x.wiff2"}


def test_a_unit_that_goes_before_it_was_carried_is_told(lab: Lab, project: Path) -> None:
    lab.configure(instruments__prot=['quiet = "1h"'])
    write(project, a__raw=b"first", b__raw=b"second")
    lab.once()
    (project / "a.raw").unlink()
    told = [line for line in lab.once() if line["event"] == "unit.vanished"]
    assert [line["message"].endswith(": a.raw") for line in told] == [True]
    assert not [line for line in lab.once() if line["event"] == "unit.vanished"]


def test_a_unit_with_something_that_was_not_carried_stays(lab: Lab, project: Path) -> None:
    write(project, a__raw=b"first")
    waters = project / "w.raw"
    waters.mkdir()
    write(waters, _FUNCTNS__INF=b"f")
    (waters / "calibration").symlink_to("/etc/hostname")
    lab.configure(instruments__prot=['quiet = "1s"', 'special_files = "skip"'])
    prunable(lab, keep="0s", trash="1h")
    lab.once()
    time.sleep(1.2)
    lines = lab.once()
    assert {path.name for path in project.iterdir()} == {"w.raw"}
    (refused,) = [line for line in lines if line["event"] == "prune.refused"]
    assert "nothing added: found w.raw/calibration (symlink) is there" in refused["message"]


def test_a_corrupted_acquisition_is_a_warning_once(lab: Lab, project: Path) -> None:
    def told() -> list[str]:
        lines = lab.once()
        time.sleep(1.2)
        lines += lab.once()
        return [
            line["message"]
            for line in lines
            if line["event"] == "run.remark" and line["level"] == "WARNING"
        ]

    write(project, a_CORRUPTED__raw=b"first")
    (first,) = told()
    assert "corrupted, carried all the same: a_CORRUPTED.raw" in first
    write(project, b__raw=b"fine")
    assert told() == [], "not again with the next generation"
    assert lab.the_run(NAME, "prot").generation == 2
    write(project, c_CORRUPTED__raw=b"another")
    (second,) = told()
    assert "c_CORRUPTED.raw" in second
