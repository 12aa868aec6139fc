"""A world in which everything is done is read, and not written to."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.e2e.lab import Lab
from tests.e2e.runs import expect_published, miseq, row_of, write
from tests.proxy import Proxy

RUN = miseq(1)
READING = {"GET", "HEAD"}
PRUNE = ["enabled = true", 'keep = "0s"', 'trash = "0s"']


def _standing(lab: Lab) -> dict[str, Any]:
    """All that another pass could have changed."""
    return {
        "blobs": {n: b.etag for n, b in lab.blobs(include=["snapshots"]).items()},
        "run": row_of(lab, RUN),
        "events": lab.events(RUN.name),
        "source": sorted(str(path) for path in lab.source().rglob("*")),
    }


def _written(proxy: Proxy) -> list[tuple[str, str, int]]:
    return [request for request in proxy.seen if request[0] not in READING]


@pytest.mark.parametrize("pruned", [False, True], ids=["published", "pruned"])
def test_another_pass_over_a_finished_world_writes_nothing(
    lab: Lab, proxy: Proxy, pruned: bool
) -> None:
    if pruned:
        lab.configure(instruments__miseq__prune=PRUNE)
    write(lab, RUN)
    lab.once()
    assert _written(proxy), "the first pass is seen"
    before = _standing(lab)
    assert (before["run"].emptied_at is not None) == pruned
    proxy.seen.clear()
    lab.once()
    assert not _written(proxy)
    assert _standing(lab) == before


def test_a_reload_of_the_same_file_changes_nothing(lab: Lab, proxy: Proxy) -> None:
    write(lab, RUN)
    with lab.daemon() as daemon:
        lab.wait_published(RUN.name)
        lab.wait_for(lambda: row_of(lab, RUN).status == "finished")
        before = _standing(lab)
        proxy.seen.clear()
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: daemon.lines("config.taken"))
        (told,) = daemon.lines("config.taken")
        assert "new instruments: none; removed: none" in told["message"]
        write(lab, miseq(2))  # scans go on, and this one is carried after the reload
        lab.wait_published(miseq(2).name)
        assert not [r for r in _written(proxy) if RUN.name in r[1]]
        assert row_of(lab, RUN) == before["run"]
        assert lab.events(RUN.name) == before["events"]
    expect_published(lab, RUN)
