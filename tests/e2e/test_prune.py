"""Prune, trash and undo: bytes leave the disk only after proof, and come back until then."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from demo.sequencer import MiSeqRun
from tests.e2e.lab import MISEQ, Lab, tree_of

TRASH = ".datalake-syncd-trash"
PRUNE = ["enabled = true", 'keep = "0s"', 'trash = "1h"']


def published(lab: Lab, **prune: str) -> dict[str, bytes]:
    """A published run that pruning is not yet enabled for."""
    run = MiSeqRun(MISEQ)
    run.write_all(lab.source())
    lab.once()
    assert lab.the_run().published_at is not None
    return run.files()


def in_trash(lab: Lab) -> Path:
    (folder,) = (lab.source() / TRASH).iterdir()
    return folder


def test_off_by_default(lab: Lab) -> None:
    files = published(lab)
    lab.once()
    assert tree_of(lab.source() / MISEQ) == files
    assert not (lab.source() / TRASH).exists()


def test_i7_a_proven_run_goes_to_the_trash_and_undo_brings_it_back(lab: Lab) -> None:
    files = published(lab)
    lab.configure(instruments__miseq__prune=PRUNE)
    lab.once()
    assert not (lab.source() / MISEQ).exists()
    assert tree_of(in_trash(lab)) == files
    row = lab.the_run()
    assert (row.done, row.status) == ("prune", "waiting")
    lab.expect_in_lake(files, f"miseq-out/{MISEQ}")
    answer = lab.call("undo", MISEQ)
    assert "is back in" in answer.stdout
    assert tree_of(lab.source() / MISEQ) == files
    lab.once()
    assert tree_of(lab.source() / MISEQ) == files, "an undone run is not pruned again"
    assert lab.the_run().shown_status == "held"
    lab.call("release", MISEQ)
    lab.once()
    assert not (lab.source() / MISEQ).exists()


def test_g11_the_trash_is_emptied_by_plan_after_its_time(lab: Lab) -> None:
    files = published(lab)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "1s"'])
    lab.once()
    stranger = in_trash(lab) / "Data" / "stranger.txt"
    stranger.write_text("nobody carried this")
    time.sleep(1.2)
    lab.once()
    assert tree_of(in_trash(lab)) == {"Data/stranger.txt": b"nobody carried this"}
    row = lab.the_run()
    assert row.emptied_at is not None
    assert row.status == "finished"
    lab.expect_in_lake(files, f"miseq-out/{MISEQ}")
    refused = lab.call("undo", MISEQ, expect=1)
    assert "restore" in refused.stderr


def test_g12_what_the_dry_run_prints_is_what_a_real_run_plans(lab: Lab) -> None:
    files = published(lab)
    lab.configure(instruments__miseq__prune=PRUNE)
    before = lab.state.joinpath("ledger.sqlite").read_bytes()
    told = json.loads(lab.call("prune", "--dry-run", "--json", expect=None).stdout)
    assert lab.state.joinpath("ledger.sqlite").read_bytes() == before
    assert tree_of(lab.source() / MISEQ) == files
    lab.once()
    with lab.ledger() as ledger:
        plan = ledger.files.plan(lab.the_run().id)
    (run,) = told["runs"]
    assert [(f["path"], f["size"]) for f in run["items"]] == [(p.path, p.stat.size) for p in plan]
    assert sorted(files) == [p.path for p in plan]


def doubt_is_kept(lab: Lab, files: dict[str, bytes], *words: str) -> None:
    """Nothing may go now, and the dry run says why."""
    told = lab.call("prune", "--dry-run", expect=None).stdout
    for word in words:
        assert word in told, told
    lab.once(expect=None)
    here = tree_of(lab.source() / MISEQ)
    for path, data in files.items():
        assert here[path] == data


def test_e18_a_blob_that_vanished_keeps_the_run_and_is_sent_again(lab: Lab) -> None:
    files = published(lab)
    lab.client.delete_blob(f"miseq-out/{MISEQ}/RunInfo.xml")
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "1h"', 'trash = "1h"'])
    lab.once()
    lab.configure(instruments__miseq__prune=PRUNE)
    assert "is not in the lake" in lab.call("prune", "--dry-run", expect=None).stdout
    lab.once()
    lab.once()
    assert "prune.refused" in lab.events()
    lab.expect_in_lake(files, f"miseq-out/{MISEQ}")


@pytest.mark.parametrize("restore_mtime", [False, True], ids=["new-mtime", "old-mtime"])
def test_g2_local_bytes_that_changed_are_never_pruned(lab: Lab, restore_mtime: bool) -> None:
    files = published(lab)
    victim = lab.source() / MISEQ / "RunInfo.xml"
    told = victim.stat()
    changed = files["RunInfo.xml"].replace(b"RunInfo", b"RunInfO", 1)
    victim.write_bytes(changed)
    if restore_mtime:
        os.utime(victim, ns=(told.st_atime_ns, told.st_mtime_ns))
    lab.configure(instruments__miseq__prune=PRUNE)
    doubt_is_kept(lab, {**files, "RunInfo.xml": changed}, "RunInfo.xml")


def test_c14_a_file_that_came_later_keeps_the_run(lab: Lab) -> None:
    files = published(lab)
    (lab.source() / MISEQ / "late.txt").write_text("late")
    lab.configure(instruments__miseq__prune=PRUNE)
    told = lab.call("prune", "--dry-run", expect=None).stdout
    assert "late.txt is not in the manifest" in told
    lab.once(expect=None)
    # It settles again and is published as the next generation, with the new file; then it goes.
    lab.once(expect=None)
    lab.expect_in_lake({**files, "late.txt": b"late"}, f"miseq-out/{MISEQ}")
    assert lab.the_run().generation == 2
    here = lab.source() / MISEQ
    rest = here if here.exists() else in_trash(lab)
    assert tree_of(rest)["late.txt"] == b"late"


def test_e19_e17_bytes_in_the_lake_that_only_claim_to_be_right_never_free_the_disk(
    lab: Lab,
) -> None:
    """Somebody overwrites a blob and forges its MD5: size and Content-MD5 still equal ours."""
    files = published(lab)
    from azure.storage.blob import ContentSettings

    name = f"miseq-out/{MISEQ}/RunInfo.xml"
    blob = lab.client.get_blob_client(name)
    good = blob.get_blob_properties().content_settings
    blob.upload_blob(b"x" * len(files["RunInfo.xml"]), overwrite=True)
    blob.set_http_headers(ContentSettings(content_md5=good.content_md5))
    assert blob.get_blob_properties().content_settings.content_md5 == good.content_md5
    lab.configure(instruments__miseq__prune=PRUNE)
    told = lab.call("prune", "--dry-run", expect=None).stdout
    assert "written again in the lake" in told
    lab.once(expect=None)
    lab.once(expect=None)
    lab.expect_in_lake(files, f"miseq-out/{MISEQ}")


def test_g10_a_marker_that_is_gone_keeps_the_run_and_comes_back(lab: Lab) -> None:
    files = published(lab)
    lab.client.delete_blob(f"miseq-out/{MISEQ}.sync")
    lab.configure(instruments__miseq__prune=PRUNE)
    assert "is gone" in lab.call("prune", "--dry-run", expect=None).stdout
    lab.once(expect=None)
    assert "prune.refused" in lab.events()
    assert f"miseq-out/{MISEQ}.sync" in lab.blobs()
    lab.expect_in_lake(files, f"miseq-out/{MISEQ}")


def test_a_run_that_ended_early_stays(lab: Lab) -> None:
    lab.kinds = {"nextseq": "nextseq500"}
    from demo.sequencer import NextSeqRun
    from tests.e2e.lab import NEXTSEQ

    lab.configure(instruments__nextseq__prune=PRUNE)
    run = NextSeqRun(NEXTSEQ, outcome="UserEndedEarly")
    run.write_all(lab.source("nextseq"))
    lab.once()
    row = lab.the_run(NEXTSEQ, "nextseq")
    assert (row.outcome, row.status) == ("ended-early", "finished")
    assert row.published_at is not None
    assert b"outcome: ended-early" in lab.read(f"nextseq-out/{NEXTSEQ}.sync")
    assert tree_of(lab.source("nextseq") / NEXTSEQ) == run.files()
    assert "ended-early" in (row.reason or "")


def test_a_folder_that_comes_back_after_pruning_is_a_persons_matter(lab: Lab) -> None:
    files = published(lab)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'])
    lab.once()
    assert lab.the_run().emptied_at is not None
    MiSeqRun(MISEQ, seed=7).write_all(lab.source())
    lab.once(expect=1)
    row = lab.the_run()
    assert row.status == "blocked"
    assert "came back" in (row.reason or "")
    lab.expect_in_lake(files, f"miseq-out/{MISEQ}")
    shutil.rmtree(lab.source() / MISEQ)


def test_e18_the_lake_losing_a_blob_while_the_run_is_in_the_trash_brings_it_back(lab: Lab) -> None:
    files = published(lab)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "2s"'])
    lab.once()
    assert in_trash(lab).is_dir()
    lab.client.delete_blob(f"miseq-out/{MISEQ}/RunInfo.xml")
    time.sleep(2)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "1h"', 'trash = "2s"'])
    lab.once()
    assert "prune.rescued" in lab.events()
    assert tree_of(lab.source() / MISEQ) == files
    lab.once()
    lab.expect_in_lake(files, f"miseq-out/{MISEQ}")
