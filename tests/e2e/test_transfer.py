"""Transfer: stoppable, resumable, watched, with a progress that people can see."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from urllib.parse import unquote

import pytest

from demo.sequencer import MiSeqRun, NextSeqRun
from tests.e2e.lab import MISEQ, NEXTSEQ, Lab, log_lines, tree_of
from tests.proxy import Proxy, Request, Times
from tests.servers import REPO

OUT = f"miseq-out/{MISEQ}"
MIB = 1 << 20


def write_run(lab: Lab, big: int = 0) -> dict[str, bytes]:
    folder = MiSeqRun(MISEQ).write_all(lab.source())
    if big:
        (folder / "big").write_bytes(os.urandom(big))
    return tree_of(folder)


def azcopies(lab: Lab) -> list[str]:
    found = subprocess.run(
        ["pgrep", "-af", f"azcopy copy {lab.root}"], capture_output=True, text=True, check=False
    )
    return found.stdout.splitlines()


def test_progress_is_in_status_log_and_ledger_while_it_runs(lab: Lab) -> None:
    files = write_run(lab, 12 * MIB)
    lab.configure(azcopy=["cap_mbps = 16", "put_blob_mb = 1"])
    seen: list[dict[str, object]] = []
    with lab.daemon():
        lab.wait_for(lambda: azcopies(lab), told="azcopy started")

        def look() -> bool:
            told = json.loads(lab.call("status", "--json", expect=None).stdout)
            (run,) = [run for run in told["runs"] if run["name"] == MISEQ]
            if run.get("progress"):
                seen.append(run["progress"])
            return run["published_at"] is not None

        lab.wait_for(look, told="published")
    lab.expect_in_lake(files, OUT)
    done = [int(str(one["bytes_done"])) for one in seen]
    assert any(0 < count < 12 * MIB for count in done), done
    assert all(int(str(one["bytes_total"])) > 0 for one in seen)


def test_sigterm_ends_azcopy_in_seconds_and_the_run_goes_on_at_the_next_start(lab: Lab) -> None:
    files = write_run(lab, 20 * MIB)
    lab.configure(azcopy=["cap_mbps = 8", "put_blob_mb = 1"])
    with lab.daemon() as daemon:
        lab.wait_for(lambda: azcopies(lab), told="azcopy started")
        time.sleep(2)
        began = time.monotonic()
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(30) == 0
        assert time.monotonic() - began < 20
        assert azcopies(lab) == []
    row = lab.the_run()
    assert (row.done, row.status, row.attempts) == ("settle", "ready", 0)
    assert list((lab.state / "azcopy").glob("[!.]*")) == []
    lab.configure(azcopy=["cap_mbps = 0", "put_blob_mb = 256"])
    lab.once()
    lab.expect_in_lake(files, OUT)


def test_hold_stops_a_running_transfer_and_release_lets_it_go_on(lab: Lab) -> None:
    files = write_run(lab, 20 * MIB)
    lab.configure(azcopy=["cap_mbps = 8", "put_blob_mb = 1"])
    with lab.daemon() as daemon:
        lab.wait_for(lambda: azcopies(lab), told="azcopy started")
        assert "is held" in lab.call("hold", MISEQ, "--reason", "the disk sounds odd").stdout
        lab.wait_for(lambda: not azcopies(lab), 20, told="azcopy ended")
        lab.wait_for(lambda: lab.the_run().shown_status == "held", told="held")
        assert "the disk sounds odd" in lab.call("why", MISEQ, expect=None).stdout
        time.sleep(2)
        assert azcopies(lab) == []
        lab.configure(azcopy=["cap_mbps = 0"])  # what is sent now need not be slow
        daemon.process.send_signal(signal.SIGHUP)
        lab.wait_for(lambda: daemon.lines("config.taken"), told="quick again")
        assert azcopies(lab) == []
        lab.call("release", MISEQ)
        lab.wait_published()
    lab.expect_in_lake(files, OUT)


def test_e2_one_403_does_not_doom_a_run(lab: Lab) -> None:
    files = write_run(lab, MIB)
    nextseq = NextSeqRun(NEXTSEQ)
    once = Times(1)

    def rule(request: Request) -> None:
        if request.put_blob and request.path.endswith("/big") and once():
            request.status, request.error = 403, "AuthorizationFailure"

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure()
        with lab.daemon(SYNCD_AUTH_PAUSES="1,3") as daemon:
            lab.wait_for(lambda: daemon.lines("run.retry"), told="refused once")
            nextseq.write_all(lab.source("nextseq"))
            lab.wait_published(NEXTSEQ, "nextseq")
            lab.wait_published()
        assert daemon.lines("lake.refused") == [], "one refusal is no alarm"
    lab.expect_in_lake(files, OUT)
    assert lab.the_run().attempts == 0


@pytest.mark.slow
def test_e2_a_lasting_403_pauses_all_uploads_with_one_alarm(lab: Lab) -> None:
    files = write_run(lab)
    nextseq = NextSeqRun(NEXTSEQ)
    nextseq.write_all(lab.source("nextseq"))
    refusing = [True]

    def rule(request: Request) -> None:
        if request.method == "PUT" and refusing[0]:
            request.status, request.error = 403, "AuthorizationFailure"

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure()
        with lab.daemon(SYNCD_AUTH_PAUSES="1,3") as daemon:
            lab.wait_for(lambda: daemon.lines("lake.refused"), told="alarm")
            assert "paused" in lab.call("status", expect=None).stdout
            time.sleep(8)
            alarms = [line for line in daemon.lines() if line["level"] == "ERROR"]
            assert [line["event"] for line in alarms] == ["lake.refused"]
            refusing[0] = False
            lab.wait_published(NEXTSEQ, "nextseq")
            lab.wait_published()
            assert len(daemon.lines("lake.accepts-again")) == 1
            assert "paused" not in lab.call("status", expect=None).stdout
    lab.expect_in_lake(files, OUT)


@pytest.mark.slow
def test_e9_a_line_that_stalls_is_noticed_and_tried_again(lab: Lab) -> None:
    files = write_run(lab, MIB)
    once = Times(1)

    def rule(request: Request) -> None:
        if request.put_blob and request.path.endswith("/big") and once():
            time.sleep(60)
            request.cut_off = True

    with Proxy(lab.azurite.host, rule) as proxy:
        lab.account_url = proxy.account_url
        lab.configure(azcopy=['stall_timeout = "5s"'])
        lab.once()
    assert "run.retry" in lab.events()
    lab.expect_in_lake(files, OUT)


def test_j3_no_secret_is_left_in_log_ledger_or_azcopys_files(lab: Lab) -> None:
    """The key in the connection string, and the SAS of a failing and a working run."""
    write_run(lab)
    key = lab.azurite.connection_string.split("AccountKey=")[1].split(";")[0]
    told = lab.call("once").stdout
    sas = lab.azurite.sas(lab.container, "rcwl")
    signature = sas.split("sig=")[1].split("&")[0]
    bad = sas.replace(signature[:4], "AAAA")
    for secret in (bad, sas):
        lab.secret.write_text(secret)
        lab.configure(lake=['auth = "sas"', f'secret_file = "{lab.secret}"'])
        MiSeqRun("230109_M00001_0009_000000000-IIIII").write_all(lab.source())
        told += lab.call("once", expect=None).stdout
        told += lab.call("why", "230109_M00001_0009_000000000-IIIII", expect=None).stdout
    everything = told.encode() + b"".join(
        path.read_bytes() for path in lab.state.rglob("*") if path.is_file()
    )
    for secret in (key, signature, bad.split("sig=")[1].split("&")[0]):
        assert secret.encode() not in everything


def test_azcopy_is_ended_when_all_is_there_and_never_before(lab: Lab, proxy: Proxy) -> None:
    """One file is seen in the lake only seconds after azcopy has written all of its bytes."""
    files = write_run(lab)
    late = min(files)
    sent: list[str] = []
    held: list[float] = []
    listed: list[float] = []

    def rule(request: Request) -> None:
        if request.put_blob:
            sent.append(unquote(request.path).partition(f"{OUT}/")[2])
            if sent[-1] == late:
                held.append(time.monotonic())
                time.sleep(4)
                held.append(time.monotonic())
        elif request.query.get("comp") == ["list"]:
            listed.append(time.monotonic())

    proxy.rule = rule
    lines = lab.once()
    assert len(held) == 2, "sent once, and not given up"
    assert any(held[0] < at < held[1] for at in listed), "it was never asked too early"
    assert sorted(path for path in sent if path) == sorted(files)
    assert "verify.mismatch" not in lab.events()
    # A kill for that reason is nothing to tell of.
    assert [line["event"] for line in lines if line["event"] == "azcopy.output"] == []
    lab.expect_in_lake(files, OUT)


def test_only_what_is_missing_is_sent_after_an_interruption(lab: Lab) -> None:
    files = write_run(lab)
    for path in sorted(files)[::2]:
        lab.client.upload_blob(f"{OUT}/{path}", files[path])
    before = {name: blob.etag for name, blob in lab.blobs().items()}
    lines = lab.once()
    (told,) = [line for line in lines if line["event"] == "transfer.finished"]
    assert told["files_sent"] == len(files) - len(before)
    after = lab.blobs()
    assert {name: after[name].etag for name in before} == before
    lab.expect_in_lake(files, OUT)


def test_batches_take_every_file_once_and_keep_what_they_overwrite(lab: Lab) -> None:
    files = write_run(lab)
    old = sorted(files)[: len(files) // 3]
    assert len(files) % 28 % 4  # so that some are left over at the end
    for path in old:
        lab.client.upload_blob(f"{OUT}/{path}", files[path] + b"another size")
    code = (
        "import datalake_syncd.steps.send as s; from datalake_syncd.cli import main; "
        "s.BATCH_FILES, s._KEPT_AT_ONCE = 28, 4; main()"
    )
    argv = [sys.executable, "-c", code, "--config", str(lab.config), "once"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=200, cwd=REPO)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (told,) = [line for line in log_lines(done.stdout) if line["event"] == "transfer.finished"]
    assert told["files_sent"] == len(files) > 2 * 28
    lab.expect_in_lake(files, OUT)
    names = [blob.name for blob in lab.client.list_blobs(include=["snapshots"]) if blob.snapshot]
    assert sorted(names) == [f"{OUT}/{path}" for path in old]


def peak_rss_mib(pid: int) -> float:
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.RLIM_INFINITY


@pytest.mark.slow
def test_c22_h10_memory_stays_bounded_with_many_files(lab: Lab) -> None:
    """20,000 files here (150,000 in the benchmarks): memory must not grow with them."""
    few, many = MISEQ, "230107_M00001_0007_000000000-GGGGG"
    MiSeqRun(few).write_all(lab.source())
    with lab.daemon() as daemon:
        lab.wait_published(few)
        before = peak_rss_mib(daemon.process.pid)
        folder = MiSeqRun(many, no_flags=True).write_all(lab.source())
        thumbs = folder / "Thumbnail_Images"
        for number in range(20_000):
            if number % 500 == 0:
                (thumbs / f"L{number // 500:03}").mkdir(parents=True)
            (thumbs / f"L{number // 500:03}" / f"{number:06}.jpg").write_bytes(b"x")
        MiSeqRun(many).write_all(lab.source())
        lab.wait_for(
            lambda: (run := lab.run(many)) is not None and run.published_at, 400, told="published"
        )
        grown = peak_rss_mib(daemon.process.pid) - before
    assert lab.the_run(many).files > 20_000
    # It is 34 MiB, for 11,000 files as well, and 50 when the manifest is read in one page.
    assert grown < 44, f"{grown:.1f} MiB more for 20,000 files"
