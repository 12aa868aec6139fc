"""Proteomics projects, end to end: the lab's layout, whole units, workbooks, one name each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from datalake_syncd.core.durations import parse_iso
from datalake_syncd.core.manifest import parse_marker, parse_md5
from demo.massspec import Acquisition, ProteomicsProject, workbook, write
from tests.e2e.lab import Lab, tree_of

OUT = "prot-out/PROT0001"


@pytest.fixture
def prot(lab: Lab) -> Lab:
    lab.kinds = {"prot": "proteomics"}
    lab.source("prot").mkdir(parents=True, exist_ok=True)
    lab.sheets("prot").mkdir(parents=True, exist_ok=True)
    lab.configure(instruments__prot=['quiet = "1s"'])
    return lab


def published(lab: Lab, generation: int = 1, name: str = "prot0001") -> None:
    lab.wait_published(name, "prot", gen=generation)
    lab.wait_for(lambda: lab.the_run(name, "prot").status in ("finished", "waiting"))


def small(name: str = "prot0001", **files: dict[str, bytes]) -> ProteomicsProject:
    """One sample, and no more folders in the lake than a test needs: each costs seconds."""
    return ProteomicsProject(name, acquisitions=(Acquisition("s1.raw"),), methods={}, **files)


def in_lake(lab: Lab) -> dict[str, str]:
    """Paths below the project in the lake, with their ETags."""
    there = lab.blobs(name_starts_with=f"{OUT}/")
    return {name.removeprefix(f"{OUT}/"): str(blob.etag) for name, blob in there.items()}


def manifest(lab: Lab) -> set[str]:
    return {path for _, path in parse_md5(lab.read(f"{OUT}.md5").decode())[0]}


def stats_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ctime_ns)
        for path in [folder, *folder.rglob("*")]
    }


def test_a_project_of_every_vendor_is_published_in_the_labs_layout(prot: Lab) -> None:
    results, metadata = workbook([["protein", "score"], ["P1", "9"]]), workbook([["sample", "s1"]])
    units = (
        Acquisition("s 1 100% #a+b é.raw"),
        Acquisition("Blank_1.RAW"),
        Acquisition("s2_CORRUPTED.raw"),
        Acquisition("w.raw", vendor="waters"),
        Acquisition("blank w.raw", vendor="waters"),
        Acquisition("b.d", vendor="bruker"),
        Acquisition("a.D", vendor="agilent"),
        Acquisition("g.wiff", vendor="sciex"),
    )
    project = ProteomicsProject(
        "prot0001",
        acquisitions=units,
        metadata={"MetaData.xlsx": metadata},
        results={"Prot0001_Results.XLSX": results},
        others={
            "notes.txt": b"to be left here",
            "~$Prot0001_Results.XLSX": b"excel has it open",
            "old/s1.raw": b"left here",
            "old/deep/s2.raw": b"left here",
        },
    )
    folder = project.write_all(prot.source("prot"))
    files, before = tree_of(folder), stats_of(folder)
    with prot.daemon():
        published(prot)
    expected = {
        "samples/s 1 100% #a+b é.raw": files["s 1 100% #a+b é.raw"],
        "blanks/Blank_1.RAW": files["Blank_1.RAW"],
        "samples/s2_CORRUPTED.raw": files["s2_CORRUPTED.raw"],
        "other/gradient.meth": b"method",
        "other/day-1.sld": b"sequence",
        "results/prot0001_results.xlsx": results,
        "metadata.xlsx": metadata,
        **{f"samples/{path}": data for path, data in units[3].files().items()},
        **{f"blanks/{path}": data for path, data in units[4].files().items()},
        **{f"samples/{p}": data for unit in units[5:] for p, data in unit.files().items()},
    }
    prot.expect_in_lake(expected, OUT)
    assert set(in_lake(prot)) == {*expected, "results.ready"}
    assert {name for name in prot.blobs() if not name.startswith(f"{OUT}/")} == {
        f"{OUT}.md5",
        f"{OUT}.sync",
    }
    # What the readers of the lab look for.
    parse_iso(prot.read(f"{OUT}/results.ready").decode().strip())
    time, fields = parse_marker(prot.read(f"{OUT}.sync"))
    parse_iso(time)
    assert (fields["files"], fields["outcome"]) == (str(len(expected)), "good")
    assert manifest(prot) == set(expected)
    told = prot.read(f"{OUT}.md5").decode()
    assert "\n# not carried: notes.txt (not-in-layout: " in told
    assert "\n# not carried: old (not-in-layout: a folder with 2 files" in told
    # Read as bytes alone: no time, no journal, nothing of the source was touched.
    assert tree_of(folder) == files
    assert stats_of(folder) == before


def test_only_what_is_new_and_whole_joins_a_project(prot: Lab) -> None:
    folder = small().write_all(prot.source("prot"))
    steps = {"s2.raw": "thermo", "w.raw": "waters", "b.d": "bruker", "a.d": "agilent"}
    later = [Acquisition(name, vendor=vendor) for name, vendor in steps.items()]  # type: ignore[arg-type]
    later.append(Acquisition("g.wiff", vendor="sciex"))
    go_on, paused = threading.Event(), [threading.Event() for _ in later]

    def instrument(acquisition: Acquisition, stopped: threading.Event) -> Callable[[], None]:
        def pause() -> None:
            stopped.set()
            go_on.wait(60)

        return lambda: write(folder, acquisition.events(), pause)

    with prot.daemon() as daemon:
        published(prot)
        before = in_lake(prot)
        threads = [
            threading.Thread(target=instrument(*pair)) for pair in zip(later, paused, strict=True)
        ]
        for thread in threads:
            thread.start()
        for event in paused:
            event.wait(30)
        # A pause far longer than quiet: what is missing, and not time alone, holds them.
        (folder / "s3.raw").write_bytes(b"meanwhile")
        published(prot, 2)
        assert set(in_lake(prot)) - set(before) == {"samples/s3.raw"}
        pending = dict(prot.the_run("prot0001", "prot").observed["pending"])
        missing = {
            "s2.raw": "0 bytes",
            "w.raw": "_FUNCTNS.INF is missing",
            "b.d": "analysis.tdf-journal is there",
            "a.d": "MSTS.xml are missing",
            "g.wiff": ".wiff.scan is missing",
        }
        assert set(pending) == set(missing)
        assert [unit for unit, words in missing.items() if words not in pending[unit]] == []
        assert "w.raw" in prot.call("why", "prot0001", expect=None).stdout
        go_on.set()
        for thread in threads:
            thread.join()
        expected = {f"samples/{p}": d for one in later for p, d in one.files().items()}
        prot.wait_for(lambda: set(in_lake(prot)) >= set(expected), told="all units")
        prot.wait_for(lambda: manifest(prot) >= set(expected), told="all units announced")
        published(prot, 3)
        assert not daemon.lines("run.blocked")
    prot.expect_in_lake({**expected, "samples/s3.raw": b"meanwhile"}, OUT)
    after = in_lake(prot)
    assert {path: after[path] for path in before} == before, "nothing is sent a second time"
    assert manifest(prot) == {*before, *expected, "samples/s3.raw"}


def test_two_files_for_one_name_keep_all_of_the_project_here(prot: Lab) -> None:
    project = small(
        metadata={"metadata.xlsx": b"m"},
        results={"Prot0001.xlsx": b"one", "PROT0001.xlsx": b"two"},
    )
    folder = project.write_all(prot.source("prot"))
    small("prot0002").write_all(prot.source("prot"))
    with prot.daemon() as daemon:
        published(prot, name="prot0002")
        prot.wait_for(
            lambda: "both go to" in (prot.the_run("prot0001", "prot").reason or ""),
            told="the two are named",
        )
        row = prot.the_run("prot0001", "prot")
        reason = row.reason or ""
        assert (row.done, row.status) == ("sighted", "blocked")
        assert "rename" in (row.next_step or "")
        assert "release" not in (row.next_step or ""), "no word puts two files into one name"
        (line,) = daemon.lines("run.blocked")
        assert (line["run"], line["level"]) == ("prot/prot0001", "ERROR")
        assert "PROT0001.xlsx and Prot0001.xlsx both go to results/prot0001.xlsx" in reason
        assert not prot.blobs(name_starts_with=OUT), "nothing of it is uploaded"
        (folder / "PROT0001.xlsx").rename(folder / "Prot0001_b.xlsx")
        prot.wait_for(lambda: "results/prot0001_b.xlsx" in in_lake(prot), told="both are there")
        prot.wait_for(lambda: "results/prot0001_b.xlsx" in manifest(prot), told="and announced")
    there = set(in_lake(prot))
    assert {"results/prot0001.xlsx", "metadata.xlsx", "results.ready"} <= there
    assert prot.read(f"{OUT}/results/prot0001.xlsx") == b"one"


def test_what_has_no_place_holds_nobody_whatever_its_name_and_a_link_in_a_unit_does(
    prot: Lab,
) -> None:
    folder = small().write_all(prot.source("prot"))
    (folder / "notes.txt.").write_bytes(b"a name that the lake can't keep")
    (folder / "old").mkdir()
    (folder / "old" / "link").symlink_to("/etc/hostname")
    (folder / "shortcut").symlink_to("old")
    other = small("prot0002").write_all(prot.source("prot"))
    (other / "last.raw").symlink_to("/etc/hostname")
    with prot.daemon():
        published(prot)
        prot.wait_for(lambda: prot.the_run("prot0002", "prot").status == "blocked")
    assert set(in_lake(prot)) == manifest(prot)
    with prot.ledger() as ledger:
        run = ledger.runs.get("prot", "prot0001")
        assert run is not None
        told = {(note.path, note.blocks) for note in ledger.files.notes(run.id)}
    assert told >= {("notes.txt.", False), ("old/link", False), ("shortcut", False)}
    assert "last.raw (symlink" in (prot.the_run("prot0002", "prot").reason or "")


def test_an_edited_workbook_is_announced_again(prot: Lab) -> None:
    project = small(
        metadata={"Metadata.xlsx": b"metadata"}, results={"Prot0001.xlsx": workbook([["1"]])}
    )
    folder = project.write_all(prot.source("prot"))
    with prot.daemon():
        published(prot)
        first = in_lake(prot)
        (folder / "s9.raw").write_bytes(b"a new sample")
        published(prot, 2)
        assert in_lake(prot)["results.ready"] == first["results.ready"], "no workbook changed"
        (folder / "Prot0001.xlsx").write_bytes(workbook([["2"]]))
        published(prot, 3)
    last = in_lake(prot)
    changed = {path for path in first if first[path] != last[path]}
    assert changed == {"results/prot0001.xlsx", "results.ready"}
    assert prot.read(f"{OUT}/results/prot0001.xlsx") == workbook([["2"]])
    kept = [
        prot.client.get_blob_client(blob.name, snapshot=blob.snapshot).download_blob().readall()
        for blob in prot.client.list_blobs(include=["snapshots"])
        if blob.snapshot and blob.name == f"{OUT}/results/prot0001.xlsx"
    ]
    assert kept == [workbook([["1"]])]


def test_nothing_is_ready_without_the_metadata(prot: Lab) -> None:
    small(results={"Prot0001.xlsx": b"r"}).write_all(prot.source("prot"))
    small("prot0002", metadata={"metadata.xlsx": b"m"}).write_all(prot.source("prot"))
    with prot.daemon():
        published(prot)
        published(prot, name="prot0002")
    assert "prot-out/PROT0001/results/prot0001.xlsx" in prot.blobs()
    assert "prot-out/PROT0002/metadata.xlsx" in prot.blobs()
    assert not [name for name in prot.blobs() if name.endswith(".ready")]


def test_two_folders_for_one_project_are_not_mixed(prot: Lab) -> None:
    small().write_all(prot.source("prot"))
    with prot.daemon():
        published(prot)
        before = in_lake(prot)
        small("PROT0001").write_all(prot.source("prot"))
        prot.wait_for(
            lambda: (row := prot.run("PROT0001", "prot")) is not None and row.status == "blocked",
            told="the second is blocked",
        )
        row = prot.the_run("PROT0001", "prot")
        assert "prot/prot0001 already goes to" in (row.reason or "")
        assert "rename" in (row.next_step or "")
        (prot.source("prot") / "prot0001" / "s2.raw").write_bytes(b"more of the first")
        published(prot, 2)
    assert set(in_lake(prot)) == {*before, "samples/s2.raw"}


def test_what_is_no_project_is_left_alone(prot: Lab) -> None:
    for name in ("prot", "old_prot1", "protein"):
        small(name).write_all(prot.source("prot"))
    (prot.source("prot") / "prot0009").mkdir()
    (prot.source("prot") / "prot0008").mkdir()
    (prot.source("prot") / "prot0008" / "notes.txt").write_bytes(b"nothing to carry")
    small().write_all(prot.source("prot"))
    with prot.daemon():
        published(prot)
    assert {name.split("/")[1] for name in prot.blobs()} == {
        "PROT0001",
        "PROT0001.md5",
        "PROT0001.sync",
    }
    for name in ("prot0008", "prot0009"):
        assert prot.the_run(name, "prot").status == "waiting"
    assert prot.run("old_prot1", "prot") is None
