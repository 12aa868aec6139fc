"""Metabolomics runs, end to end: raw or mzML, and methods that every run of a sample gets."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from datalake_syncd.core.manifest import parse_marker, parse_md5
from demo.massspec import Acquisition, MetabolomicsSample
from tests.e2e.lab import Lab, tree_of

METHODS = {"batch.xml": b"<batch />", "sub/steps.txt": b"steps"}


@pytest.fixture
def metab(lab: Lab) -> Lab:
    lab.kinds = {"metab": "metabolomics"}
    lab.source("metab").mkdir(parents=True, exist_ok=True)
    lab.sheets("metab").mkdir(parents=True, exist_ok=True)
    lab.configure(daemon=["workers = 4"], instruments__metab=['quiet = "1s"'])
    return lab


def published(lab: Lab, *names: str, generation: int = 1) -> None:
    for name in names:
        lab.wait_published(name, "metab", gen=generation)
        lab.wait_for(
            lambda name=name: lab.the_run(name, "metab").status in ("finished", "waiting")  # type: ignore[misc]
        )


def in_lake(lab: Lab) -> dict[str, str]:
    there = lab.blobs(name_starts_with="metab-out/")
    return {name.removeprefix("metab-out/"): str(blob.etag) for name, blob in there.items()}


def manifest(lab: Lab, run: str) -> set[str]:
    return {path for _, path in parse_md5(lab.read(f"metab-out/{run}.md5").decode())[0]}


def source_of(lab: Lab) -> Path:
    return lab.source("metab")


def test_raw_runs_and_mzml_runs_with_the_methods_of_their_sample(metab: Lab) -> None:
    waters, bruker = Acquisition("neg.raw", vendor="waters"), Acquisition("q.d", vendor="bruker")
    sample = MetabolomicsSample(
        "Müller 1#a+b",
        runs={"1": (Acquisition("pos 100%.RAW"), waters), "2": (bruker,)},
        loose={"1/notes.txt": b"n", "2/x.mzML": b"<mzML />", "2/deep/y.mzML": b"y"},
        methods=METHODS,
    )
    folder = sample.write_all(source_of(metab))
    MetabolomicsSample("Z", methods={"z.xml": b"z"}).write_all(source_of(metab))
    (folder / "not-a-run").mkdir()
    (folder / "not-a-run" / "x").write_bytes(b"x")
    before = tree_of(source_of(metab))
    with metab.daemon():
        published(metab, "Müller 1#a+b/1", "Müller 1#a+b/2", "Z/1")
    base = "Müller 1#a+b"
    data = {
        f"{base}/1": {
            **METHODS,
            "raw/pos 100%.RAW": before[f"RawData_{base}/1/pos 100%.RAW"],
            "raw/notes.txt": b"n",
            **{f"raw/{path}": content for path, content in waters.files().items()},
        },
        f"{base}/2": {
            **METHODS,
            "mzML/x.mzML": b"<mzML />",
            "mzML/deep/y.mzML": b"y",
            **{f"mzML/{path}": content for path, content in bruker.files().items()},
        },
        "Z/1": {"z.xml": b"z", "raw/pos.raw": before["RawData_Z/1/pos.raw"]},
    }
    names = set()
    for run, files in data.items():
        metab.expect_in_lake(files, f"metab-out/{run}")
        assert manifest(metab, run) == set(files)
        names |= {f"{run}/{path}" for path in files} | {f"{run}.md5", f"{run}.sync"}
    assert set(in_lake(metab)) == names
    assert tree_of(source_of(metab)) == before


def test_a_method_that_changes_goes_to_every_run(metab: Lab) -> None:
    runs = {"1": (Acquisition("a.raw"),), "2": ()}
    sample = MetabolomicsSample("S", runs=runs, loose={"2/b.mzML": b"b"}, methods=METHODS)
    sample.write_all(source_of(metab))
    with metab.daemon():
        published(metab, "S/1", "S/2")
        first = in_lake(metab)
        methods = source_of(metab) / "DataProcessingMethod_S"
        (methods / "batch.xml").write_bytes(b"<batch edited='yes' />")
        (methods / "new.txt").write_bytes(b"new")
        published(metab, "S/1", "S/2", generation=2)
        metab.wait_for(lambda: {"S/1/new.txt", "S/2/new.txt"} <= set(in_lake(metab)))
        last = in_lake(metab)
    for run in ("S/1", "S/2"):
        assert metab.read(f"metab-out/{run}/batch.xml") == b"<batch edited='yes' />"
        assert metab.read(f"metab-out/{run}/new.txt") == b"new"
        assert "new.txt" in manifest(metab, run)
    same = {name for name in first if last[name] == first[name]}
    assert same == {"S/1/raw/a.raw", "S/2/mzML/b.mzML", "S/1/sub/steps.txt", "S/2/sub/steps.txt"}
    kept = {blob.name for blob in metab.client.list_blobs(include=["snapshots"]) if blob.snapshot}
    assert {"metab-out/S/1/batch.xml", "metab-out/S/2/batch.xml"} <= kept


def test_a_run_waits_for_its_methods_and_for_what_is_written(metab: Lab) -> None:
    lonely = MetabolomicsSample("S", methods={})
    writing = MetabolomicsSample("T", runs={}, loose={"4/a.mzML": b"a"}, methods=METHODS)
    lonely.write_all(source_of(metab))
    writing.write_all(source_of(metab))
    MetabolomicsSample("Z").write_all(source_of(metab))
    young = source_of(metab) / "RawData_T" / "4" / "late.raw"
    young.mkdir()
    (young / "_FUNC001.DAT").write_bytes(b"not whole")
    empty = source_of(metab) / "RawData_T" / "5"
    empty.mkdir()
    with metab.daemon() as daemon:
        published(metab, "Z/1", "T/4")
        row = metab.the_run("S/1", "metab")
        assert row.status == "waiting"
        assert "method folder: DataProcessingMethod_S is not there" in (row.reason or "")
        there = set(in_lake(metab))
        assert not {name for name in there if name.startswith(("S/", "T/5"))}
        assert {name for name in there if name.startswith("T/4/")} == {
            "T/4/raw/a.mzML",  # a .raw is on its way, so the run is one with .raw
            "T/4/batch.xml",
            "T/4/sub/steps.txt",
        }
        assert not daemon.lines("run.blocked"), "nobody is called for what only takes time"
        (warned,) = daemon.lines("run.remark")
        assert (warned["run"], warned["level"]) == ("metab/S/1", "WARNING")
        assert "DataProcessingMethod_S is not there" in warned["message"]
        (young / "_FUNCTNS.INF").write_bytes(b"whole")
        (source_of(metab) / "DataProcessingMethod_S").mkdir()
        (source_of(metab) / "DataProcessingMethod_S" / "m.xml").write_bytes(b"m")
        published(metab, "S/1")
        published(metab, "T/4", generation=2)
        metab.wait_for(lambda: "S/1/m.xml" in in_lake(metab), told="the method")
    there = set(in_lake(metab))
    assert {"S/1/raw/pos.raw", "S/1/m.xml", "S/1.sync", "T/4/raw/late.raw/_FUNC001.DAT"} <= there
    assert not {name for name in there if "mzML/" in name}


def test_a_run_of_the_old_scripts_is_adopted(metab: Lab) -> None:
    sample = MetabolomicsSample("S", runs={"1": (Acquisition("a.raw"),)}, methods=METHODS)
    data = (sample.write_all(source_of(metab)) / "1" / "a.raw").read_bytes()
    old = {"raw/a.raw": data, "batch.xml": METHODS["batch.xml"], "sub/steps.txt": b"other steps"}
    for path, content in old.items():
        metab.client.upload_blob(f"metab-out/S/1/{path}", content)
    metab.client.upload_blob("metab-out/S/1.sync", b"2024-01-01T00:00:00\n")
    before = in_lake(metab)
    with metab.daemon() as daemon:
        published(metab, "S/1")
        (differs,) = daemon.lines("lake.differs")
        assert "sub/steps.txt" in differs["message"]
        assert "a.raw" not in differs["message"]
        (transfer,) = daemon.lines("transfer.finished")
        assert transfer["files_sent"] == 1
    after = in_lake(metab)
    assert {name for name in before if after[name] == before[name]} == {
        "S/1/raw/a.raw",
        "S/1/batch.xml",
    }
    with metab.ledger() as ledger:
        (files,) = ledger.files.pages(metab.the_run("S/1", "metab").id)
    assert {one.lake_path: one.proof.value for one in files} == {
        "raw/a.raw": "read-back",
        "batch.xml": "read-back",
        "sub/steps.txt": "checked",
    }
    metab.expect_in_lake(METHODS, "metab-out/S/1")
    _, fields = parse_marker(metab.read("metab-out/S/1.sync"))
    assert fields["generation"] == "2"
    kept = {blob.name for blob in metab.client.list_blobs(include=["snapshots"]) if blob.snapshot}
    assert kept == {"metab-out/S/1/sub/steps.txt", "metab-out/S/1.sync"}
    assert manifest(metab, "S/1") == set(old)


def test_a_method_that_meets_the_data_keeps_that_sample_here(metab: Lab) -> None:
    MetabolomicsSample("S", methods={"raw/pos.raw": b"method"}).write_all(source_of(metab))
    MetabolomicsSample("Z").write_all(source_of(metab))
    with metab.daemon():
        published(metab, "Z/1")
        metab.wait_for(lambda: "both go to" in (metab.the_run("S/1", "metab").reason or ""))
        reason = metab.the_run("S/1", "metab").reason or ""
        assert "DataProcessingMethod_S/raw/pos.raw and RawData_S/1/pos.raw" in reason
        assert not {name for name in in_lake(metab) if name.startswith("S/")}
        shutil.rmtree(source_of(metab) / "DataProcessingMethod_S" / "raw")
        (source_of(metab) / "DataProcessingMethod_S" / "m.xml").write_bytes(b"m")
        published(metab, "S/1")
        # Younger than the rest, so it may come with the next generation.
        metab.wait_for(lambda: "S/1/m.xml" in in_lake(metab), told="the method in its new place")
    assert metab.read("metab-out/S/1/raw/pos.raw") != b"method"


def test_a_pruned_run_stays_what_it_was_and_gets_methods_that_change(metab: Lab) -> None:
    sample = MetabolomicsSample("S", runs={"1": (Acquisition("a.raw"),)}, methods=METHODS)
    run = sample.write_all(source_of(metab)) / "1"
    prune = ["enabled = true", 'keep = "1s"', 'trash = "0s"']
    metab.configure(instruments__metab__prune=prune)
    with metab.daemon():
        published(metab, "S/1")
        metab.wait_for(lambda: not (run / "a.raw").exists(), told="pruned")
        methods = source_of(metab) / "DataProcessingMethod_S"
        assert tree_of(methods) == METHODS, "what other runs share is never pruned"
        (methods / "batch.xml").write_bytes(b"edited")
        metab.wait_for(
            lambda: metab.read("metab-out/S/1/batch.xml") == b"edited", 20, "a method that changed"
        )
        # No .raw is on the disk any more, and the run is still one with .raw.
        (run / "late.mzML").write_bytes(b"late")
        metab.wait_for(
            lambda: any(name.endswith("/late.mzML") for name in in_lake(metab)), 20, "a late file"
        )
    assert "S/1/raw/late.mzML" in in_lake(metab)
    assert {"raw/a.raw", "batch.xml"} <= manifest(metab, "S/1")


def test_what_lies_beside_the_data_sets_is_told_once(lab: Lab) -> None:
    lab.kinds = {"met": "metabolomics"}
    lab.__post_init__()
    lab.configure(instruments__met=['quiet = "1h"'])
    source = lab.source("met")
    for path in (
        "RawData_S/1/a.raw", "DataProcessingMethod_S/m", "RawData_S/y.raw", "RawData_S/Thumbs.db",
        "DataProcessingMethod_ALONE/m", "RawData_T/1a/x.raw",
    ):  # fmt: skip
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(b"data")

    def told() -> list[str]:
        return [line["message"] for line in lab.once() if line["event"] == "source.stray"]

    assert told() == [
        "not carried: DataProcessingMethod_ALONE is there and RawData_ALONE is not",
        "not carried: RawData_S/y.raw: only folders with a number are runs",
        "not carried: RawData_T/1a: only folders with a number are runs",
    ]
    assert told() == []
    (source / "RawData_U").symlink_to(source / "RawData_S")
    assert told() == ["not carried: RawData_U is no folder, or a link to one"]
