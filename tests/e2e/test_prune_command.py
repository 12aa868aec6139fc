"""``prune`` as a person types it, with and without a daemon."""

from __future__ import annotations

import json

from datalake_syncd.core.model import Step
from demo.sequencer import MiSeqRun
from tests.e2e.lab import MISEQ, Lab, tree_of

OTHER = "230102_M00001_0002_000000000-BBBBB"
ONE_A_DAY = ["enabled = true", 'keep = "0s"', 'trash = "1h"', "max_runs_per_day = 1"]


def test_g12_a_real_prune_takes_what_the_dry_run_showed(lab: Lab) -> None:
    files = tree_of(MiSeqRun(MISEQ).write_all(lab.source()))
    lab.once()
    lab.configure(instruments__miseq__prune=ONE_A_DAY)
    shown = json.loads(lab.call("prune", "--dry-run", "--json", MISEQ).stdout)
    assert tree_of(lab.source() / MISEQ) == files
    (told,) = shown["runs"]
    assert sorted(item["path"] for item in told["items"]) == sorted(files)
    assert (told["files"], told["bytes"]) == (len(files), sum(map(len, files.values())))
    text = lab.call("prune", "--dry-run").stdout
    assert all(path in text for path in files)
    assert f"1 of 1 run would go: {len(files)} files" in text
    done = json.loads(lab.call("prune", MISEQ, "--json").stdout)
    (gone,) = done["runs"]
    assert gone["pruned"] is True
    assert gone["items"] == told["items"]
    assert not (lab.source() / MISEQ).exists()
    assert "in the trash" in lab.call("prune", "--dry-run", MISEQ, expect=1).stdout
    lab.call("undo", MISEQ)
    assert tree_of(lab.source() / MISEQ) == files


def test_g8_i7_the_daily_limit_stops_all_but_not_the_run_that_is_named(lab: Lab) -> None:
    for name in (MISEQ, OTHER):
        MiSeqRun(name).write_all(lab.source())
    lab.once()
    lab.configure(instruments__miseq__prune=ONE_A_DAY)
    assert "is in the trash" in lab.call("prune").stdout
    assert "No run may go now" in lab.call("prune").stdout
    left = OTHER if lab.the_run(MISEQ).done is Step.PRUNE else MISEQ
    assert (lab.source() / left).is_dir()
    assert "daily limit" in lab.call("prune", "--dry-run").stdout
    with lab.daemon():
        # It looks at the run by itself first, and leaves it for the daily limit.
        lab.wait_for(lambda: "daily limit" in (lab.the_run(left).reason or ""))
        assert "is in the trash" in lab.call("prune", left).stdout
    assert not (lab.source() / left).exists()


def test_a_running_daemon_holds_and_releases(lab: Lab) -> None:
    with lab.daemon():
        MiSeqRun(MISEQ).write_all(lab.source())
        lab.wait_published()
        assert "is held" in lab.call("hold", MISEQ, "--reason", "Anna looks").stdout
        told = json.loads(lab.call("status", "--json").stdout)
        assert told["runs"][0]["status"] == "held"
        assert told["daemon"]["running"] is True
        assert "no longer held" in lab.call("release", MISEQ).stdout
        assert "nothing to retry" in lab.call("retry", MISEQ, expect=1).stderr
        assert "PRUNE" in lab.call("why", MISEQ).stdout
