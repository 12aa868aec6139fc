"""Markers that others wrote, or that can't be read: no run beside them may suffer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.e2e.lab import Lab
from tests.e2e.runs import expect_published, miseq, row_of, write

GONE = "230101_M00001_0777_000000000-GGGGG"
MARKER = f"miseq-out/{GONE}.sync"
ODD = {
    "archived": b"2021-03-04T05:06:07\n",
    "large": b"x" * (2 << 20),
    "number": b"2021-03-04\nfiles: 99999999999999999999999\n",
    "digits": b"2021-03-04\ngeneration: " + b"9" * 5000 + b"\n",
    "first day": b"0001-01-01T00:00:00+14:00\n",
    "last day": b"9999-12-31T23:59:59-14:00\n",
    "no text": bytes(range(256)),
}


@pytest.mark.parametrize("kind", ODD)
def test_one_odd_marker_holds_up_nothing(lab: Lab, kind: str) -> None:
    """Of a run that is no longer on the disk, met with an empty ledger."""
    lab.client.upload_blob(MARKER, ODD[kind])
    if kind == "archived":
        lab.client.get_blob_client(MARKER).set_standard_blob_tier("Archive")
    here = miseq(2)
    write(lab, here)
    lines = lab.once()
    expect_published(lab, here)
    gone = lab.the_run(GONE)
    assert (gone.done, gone.status, gone.generation) == ("prune", "finished", 1)
    assert gone.published_at is not None
    told = [line["message"] for line in lines if line["level"] == "WARNING"]
    assert bool(told) == (kind in ("archived", "large")), told
    assert all(MARKER in message for message in told)
    if kind == "archived":
        # Its text can't be had, but the lake knows when it was written.
        assert abs(gone.published_at - datetime.now(UTC).timestamp()) < 600
    assert not [line for line in lab.once() if line["event"].startswith("ledger.rederive")]


def test_a_marker_with_an_impossible_generation_counts_as_one_of_the_old_scripts(lab: Lab) -> None:
    run = miseq(2)
    write(lab, run)
    lab.client.upload_blob(
        f"miseq-out/{run.name}.sync", b"2021-03-04T05:06:07Z\ngeneration: 99999999999999999999\n"
    )
    lab.once()
    expect_published(lab, run)
    assert row_of(lab, run).generation == 2
