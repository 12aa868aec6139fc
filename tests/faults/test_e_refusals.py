"""A lake that answers, and does not do what it was asked."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable

import pytest
from azure.core.exceptions import ResourceNotFoundError

from tests.e2e.lab import Lab
from tests.e2e.runs import expect_published, folder_of, miseq, write
from tests.proxy import Proxy, Request

MIB = 1 << 20
# What a run looks like whose transfer failed and is tried again.
WAITING = ("settle", "waiting")


def waits(lab: Lab, name: str, *words: str) -> Callable[[], bool]:
    """The run waits after a transfer that failed, and its reason has all of these words."""

    def told() -> bool:
        row = lab.run(name)
        if row is None or (row.done, row.status) != WAITING:
            return False
        return all(word in (row.reason or "") for word in words)

    return told


def write_large(lab: Lab, files: int, number: int = 1) -> str:
    """A run with so many files of one MiB beside its own."""
    run = miseq(number)
    write(lab, run)
    for one in range(files):
        (folder_of(lab, run) / f"large-{one:02}.bin").write_bytes(os.urandom(MIB))
    return run.name


@pytest.mark.slow
def test_e3_a_sas_that_runs_out_in_mid_transfer_costs_nothing_that_is_there(lab: Lab) -> None:
    name = write_large(lab, 4)
    # Long enough to begin with, whatever else this machine does.
    lifetime = dt.timedelta(seconds=12)
    until = time.monotonic() + lifetime.total_seconds() + 1
    lab.secret.write_text(lab.azurite.sas(lab.container, lifetime=lifetime))

    def rule(request: Request) -> None:
        if request.put_blob and len(lab.blobs()) > 3:
            proxy.ended.wait(max(until - time.monotonic(), 0))

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure(lake=['auth = "sas"'], azcopy=["concurrency = 1"])
        with lab.daemon(SYNCD_AUTH_PAUSES="1,2") as daemon:
            lab.wait_for(lambda: daemon.lines("lake.refused"), told="refused twice")
            (told,) = daemon.lines("lake.refused")
            assert told["level"] == "ERROR"
            assert "expired" in told["next_step"]
            there = {blob: properties.etag for blob, properties in lab.blobs().items()}
            assert there, "nothing was sent before it ran out"
            assert lab.the_run(name).attempts == 0
            assert "paused" in lab.call("status", expect=1).stdout
            lab.secret.write_text(lab.azurite.sas(lab.container))
            lab.wait_published(name)
            assert daemon.lines("lake.accepts-again")
    expect_published(lab, miseq(1))
    after = lab.blobs()
    assert {blob: after[blob].etag for blob in there} == there, "sent again though it was there"


def test_e4_a_container_that_goes_in_mid_transfer_is_waited_for_and_never_made(lab: Lab) -> None:
    name = write_large(lab, 4)
    gone: list[str] = []

    def rule(request: Request) -> None:
        if request.put_blob and not gone and len(lab.blobs()) > 3:
            lab.client.delete_container()
            gone.append(request.path)

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure(azcopy=["concurrency = 1"])
        with lab.daemon() as daemon:
            lab.wait_for(waits(lab, name, lab.container, "does not exist"), told="gone")
            assert gone
            assert "create the container" in (lab.the_run(name).next_step or "")
            # It asks again, and makes none.
            lab.call("retry", name)
            lab.wait_for(lambda: len(daemon.lines("run.retry")) > 1, told="asked again")
            with pytest.raises(ResourceNotFoundError):
                lab.client.get_container_properties()
            lab.azurite.make_container(lab.container)
            lab.call("retry", name)
            lab.wait_published(name)
    expect_published(lab, miseq(1))


# What the service answers for one file of each run, and what becomes of the run.
REFUSALS = {
    2: (409, "BlobImmutableDueToPolicy", "blocked"),
    3: (412, "LeaseIdMissing", "blocked"),
    4: (413, "RequestBodyTooLarge", "blocked"),
    5: (409, "BlobBeingRehydrated", "blocked"),
    6: (507, "InsufficientStorage", "waiting"),
}


@pytest.mark.slow
def test_e5_e6_e8_e27_what_the_lake_refuses_is_named_and_stops_no_other_run(lab: Lab) -> None:
    runs = {number: miseq(number) for number in REFUSALS}
    good = miseq(99)
    write(lab, good, *runs.values())
    refusing = [True]

    def rule(request: Request) -> None:
        for number, run in runs.items():
            if (
                refusing[0]
                and request.put_blob
                and request.path.endswith(f"{run.name}/RunInfo.xml")
            ):
                request.status, request.error, _ = REFUSALS[number]

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure(daemon=["workers = 6"])
        with lab.daemon() as daemon:
            lab.wait_published(good.name)
            for number, run in runs.items():
                status = REFUSALS[number][2]

                def told(run: object = run.name, status: str = status) -> bool:
                    row = lab.run(str(run))
                    return row is not None and (row.done, row.status) == ("settle", status)

                lab.wait_for(told, told=f"{REFUSALS[number]}")
                if status == "blocked":
                    expect_stopped_at_transfer(lab, run.name)
            blocked = {line["run"] for line in daemon.lines("run.blocked")}
            assert blocked == {f"miseq/{runs[n].name}" for n in (2, 3, 4, 5)}
            expect_published(lab, good)
            refusing[0] = False
            for number, run in runs.items():
                if REFUSALS[number][2] == "blocked":  # what waits goes on by itself
                    lab.call("retry", run.name)
            for run in runs.values():
                lab.wait_published(run.name)
    for run in runs.values():
        expect_published(lab, run)


def expect_stopped_at_transfer(lab: Lab, name: str) -> None:
    """Blocked, with the file and what to do, and without a marker."""
    row = lab.the_run(name)
    assert row.status == "blocked"
    assert "RunInfo.xml" in (row.reason or "")
    assert row.next_step
    assert f"miseq-out/{name}.sync" not in lab.blobs(name_starts_with=f"miseq-out/{name}.")


@pytest.mark.slow
def test_e28_a_listing_that_a_strange_name_breaks_proves_nothing(lab: Lab) -> None:
    run, other = miseq(1), miseq(2)
    write(lab, run)
    strange = lab.client.get_blob_client(f"miseq-out/{run.name}/esc\x1b[31m.txt")
    strange.upload_blob(b"of somebody else")
    with lab.daemon() as daemon:
        lab.wait_for(waits(lab, run.name, "listing"), told="the listing fails")
        # Only what lies below its prefix is judged by that listing.
        write(lab, other)
        lab.wait_published(other.name)
        assert not daemon.lines("run.published")[1:]
        strange.delete_blob()
        lab.call("retry", run.name)
        lab.wait_published(run.name)
    expect_published(lab, run)
    expect_published(lab, other)
