"""Pruning where the source can't be written: refused before anything is done, later done."""

from __future__ import annotations

from tests.e2e.lab import Lab
from tests.e2e.mounts import read_only
from tests.e2e.runs import folder_of, miseq, row_of, write

TRASH = ".datalake-syncd-trash"


def test_g6_a_prune_is_refused_in_words_and_done_once_the_source_is_open(lab: Lab) -> None:
    runs = [miseq(1), miseq(2)]
    write(lab, *runs)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "1h"'])
    with read_only(lab.source()):
        lines = lab.once(expect=1)
        for run in runs:
            row = row_of(lab, run)
            assert (row.done, row.status) == ("publish", "blocked")
            assert f"{lab.source()} is read-only for this service" in (row.reason or "")
            assert "prune.conf" in (row.next_step or "")
            assert row.trash is None, "no intent is left behind"
        assert not [line for line in lines if line["event"] == "prune.planned"]
        # Asking for it by hand says the same.
        told = lab.call("prune", runs[0].name, expect=None)
        assert told.returncode != 0
    lab.once()
    for run in runs:
        assert row_of(lab, run).done == "prune"
        assert not folder_of(lab, run).exists()
    assert len(list((lab.source() / TRASH).iterdir())) == 2


def test_it_rests_again_when_pruning_is_turned_off_instead(lab: Lab) -> None:
    run = miseq(1)
    write(lab, run)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"'])
    with read_only(lab.source()):
        lab.once(expect=1)
        lab.configure(instruments__miseq__prune=["enabled = false"])
        lab.once()
        assert (row_of(lab, run).done, row_of(lab, run).status) == ("publish", "finished")
