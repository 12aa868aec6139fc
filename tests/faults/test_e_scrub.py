"""What happens in the lake after a run was proven is found by a scrub, and told to people."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from typing import Any

import pytest
from azure.storage.blob import BlobBlock, ContentSettings

from tests.e2e.lab import MISEQ, Lab, tree_of
from tests.e2e.runs import miseq, nextseq, write
from tests.proxy import Proxy, Request
from tests.servers import REPO

PREFIX = f"miseq-out/{MISEQ}"
KEY = f"miseq/{MISEQ}"
PRUNED = ["enabled = true", 'keep = "0s"', 'trash = "0s"']


@pytest.fixture
def files(lab: Lab) -> dict[str, bytes]:
    """A published run of about 20 files."""
    write(lab, miseq(1))
    lab.once()
    return tree_of(lab.source() / MISEQ)


def forge(lab: Lab, path: str, good: bytes) -> None:
    """Other bytes of the same size, under the MD5 of the right ones: as a block upload may be."""
    blob = lab.client.get_blob_client(f"{PREFIX}/{path}")
    blob.stage_block("00", bytes([good[0] ^ 1]) + good[1:])
    md5 = hashlib.md5(good, usedforsecurity=False).digest()
    blob.commit_block_list(
        [BlobBlock("00")], content_settings=ContentSettings(content_md5=bytearray(md5))
    )


def in_lake(lab: Lab) -> dict[str, Any]:
    return {f"{one.name}@{one.snapshot}": one.etag for one in
            lab.client.list_blobs(include=["snapshots"])}  # fmt: skip


def scrub(lab: Lab, *arguments: str, expect: int = 0) -> Any:
    """What a scrub tells, after seeing that it wrote nothing to the lake."""
    before = in_lake(lab)
    done = lab.call("scrub", *arguments, "--json", expect=expect)
    assert in_lake(lab) == before
    return json.loads(done.stdout)


def test_e20_e19_a_flipped_blob_with_a_forged_md5_is_found_by_a_scrub_alone(
    lab: Lab, files: dict[str, bytes]
) -> None:
    told = scrub(lab)
    assert (told["fine"], told["files_read"]) == (True, len(files))
    forge(lab, "RunInfo.xml", files["RunInfo.xml"])
    told = scrub(lab, "--anew", expect=1)
    assert told["runs"][0]["bytes"] == {"count": 1, "named": ["RunInfo.xml"]}
    assert told["files_read"] == len(files)
    # It stands until a scrub says otherwise, and says what to do.
    status = json.loads(lab.call("status", "--json", expect=1).stdout)
    assert [one["key"] for one in status["troubles"]] == [f"scrub/{KEY}"]
    assert f"datalake-syncd retry {KEY}" in status["troubles"][0]["next_step"]
    assert "scrub.found" in lab.events()
    why = lab.call("why", MISEQ, expect=None).stdout
    assert "1 file with other bytes in the lake (RunInfo.xml)" in why
    # The run is still here: what the lake lost is sent again, and what lay there is kept.
    lab.call("retry", MISEQ)
    lab.once()
    assert lab.read(f"{PREFIX}/RunInfo.xml") == files["RunInfo.xml"]
    assert scrub(lab, MISEQ)["fine"]
    assert json.loads(lab.call("status", "--json").stdout)["troubles"] == []


def test_e20_what_is_deleted_of_a_pruned_run_is_found_though_only_a_sample_is_read(
    lab: Lab, files: dict[str, bytes]
) -> None:
    lab.configure(instruments__miseq__prune=PRUNED)
    lab.once()
    lab.once()
    assert not (lab.source() / MISEQ).exists()
    gone = sorted(files)[3:6]
    for path in gone:
        lab.client.delete_blob(f"{PREFIX}/{path}")
    told = scrub(lab, "--sample", "1%", expect=1)
    run = told["runs"][0]
    assert sorted(run["missing"]["named"]) == gone
    assert run["files_read"] <= 1
    text = lab.call("scrub", MISEQ, expect=1).stdout
    assert f"{KEY}: NOT in the lake as it was published" in text
    assert "soft-deleted" in text
    # Brought back by a person: the next scrub reads these first, and takes the alarm back.
    for path in gone:
        lab.client.upload_blob(f"{PREFIX}/{path}", files[path])
    again = scrub(lab, MISEQ, "--sample", "1%")
    assert again["files_read"] >= len(gone)
    assert json.loads(lab.call("status", "--json").stdout)["troubles"] == []


def test_e20_what_the_lake_lost_of_a_run_in_the_trash_is_sent_again_as_people_are_told(
    lab: Lab, files: dict[str, bytes]
) -> None:
    lab.configure(instruments__miseq__prune=[*PRUNED[:2], 'trash = "1h"'])
    lab.once()
    assert not (lab.source() / MISEQ).exists()
    lab.client.delete_blob(f"{PREFIX}/RunInfo.xml")
    told = lab.call("scrub", MISEQ, expect=1).stdout
    assert f"datalake-syncd undo {KEY}" in told
    lab.call("undo", MISEQ)
    lab.call("release", MISEQ)
    lab.call("retry", MISEQ)
    lab.once()
    assert lab.read(f"{PREFIX}/RunInfo.xml") == files["RunInfo.xml"]
    assert scrub(lab, MISEQ)["fine"]


def test_e20_a_marker_or_manifest_that_is_gone_or_altered_is_found(
    lab: Lab, files: dict[str, bytes]
) -> None:
    assert files
    marker, listed = lab.read(f"{PREFIX}.sync"), lab.read(f"{PREFIX}.md5")

    def trouble(new_marker: bytes | None, new_list: bytes | None) -> list[str]:
        for ending, data in ((".sync", new_marker), (".md5", new_list)):
            if data is None:
                lab.client.delete_blob(f"{PREFIX}{ending}")
            else:
                lab.client.upload_blob(f"{PREFIX}{ending}", data, overwrite=True)
        told: list[str] = scrub(lab, "--sample", "1%", expect=1)["runs"][0]["trouble"]
        return told

    gone = f"there is no marker {PREFIX}.sync", f"there is no {PREFIX}.md5 in the lake"
    assert trouble(None, listed) == [gone[0]]
    assert trouble(marker, None) == [gone[1]]
    assert trouble(marker.replace(b"generation: 1", b"generation: 7"), listed) == [
        "the marker tells of generation 7, the ledger of 1"
    ]
    other = trouble(marker, listed.replace(b"  RunInfo.xml", b"  Runinfo.xml"))
    assert [one for one in other if "lists other files than the ledger" in one]
    assert [one for one in other if "not the one that the marker was written for" in one]
    assert trouble(marker[: marker.index(b"\n") + 1], listed)
    lab.client.upload_blob(f"{PREFIX}.sync", marker, overwrite=True)
    assert scrub(lab, "--sample", "1%")["fine"]


def test_e20_every_file_gets_its_turn_the_longest_unread_first(
    lab: Lab, files: dict[str, bytes]
) -> None:
    passes = 2
    for number in range(1, passes + 1):
        assert scrub(lab, "--sample", "50%")["files_read"] == -(-len(files) // passes)
        with lab.ledger() as ledger:
            run = lab.the_run()
            state = ledger.scrubs.state(str(run.lake), run.prefix)
            assert state is not None
            assert state.files_read == min(number * -(-len(files) // passes), len(files))
    told = json.loads(lab.call("why", MISEQ, "--json", expect=None).stdout)
    assert told["scrub"]["files_read"] == len(files)
    assert scrub(lab, "--sample", "50%", "--older-than", "1d")["runs_chosen"] == 0


def test_an_interrupted_scrub_goes_on_where_it_stopped(
    lab: Lab, proxy: Proxy, files: dict[str, bytes]
) -> None:
    assert scrub(lab, "--budget", "1B")["files_read"] == 1
    reads: set[str] = set()
    enough, go_on = threading.Event(), threading.Event()

    def hold_the_rest_back(request: Request) -> None:
        if request.method == "GET" and f"{PREFIX}/" in request.path:
            reads.add(request.path)
            if len(reads) > 9:
                enough.set()
                go_on.wait(60)

    proxy.rule = hold_the_rest_back
    process = subprocess.Popen(lab.command("scrub"), cwd=REPO, stderr=subprocess.PIPE, text=True)
    assert enough.wait(60)
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)  # what is held back must not be through before the signal is taken up
    go_on.set()
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in told
    before = _read(lab)
    assert 1 < before < len(files)
    again = scrub(lab)
    assert (again["finished"], again["files_read"]) == (True, len(files) - before)
    assert scrub(lab)["files_read"] == len(files), "a pass that is over begins anew"


def _read(lab: Lab) -> int:
    with lab.ledger() as ledger:
        run = lab.the_run()
        state = ledger.scrubs.state(str(run.lake), run.prefix)
        return 0 if state is None else state.files_read


def test_e20_the_daemon_scrubs_on_its_schedule_within_its_budget(
    lab: Lab, files: dict[str, bytes]
) -> None:
    write(lab, nextseq(1))
    lab.once()
    forge(lab, "RunInfo.xml", files["RunInfo.xml"])
    rules = ['sample = "100%"', 'older_than = "0s"']
    lab.configure(scrub=[*rules, 'budget = "1B"'])
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("scrub.finished"))
        assert daemon.lines("scrub.finished")[0]["files"] == 1
        assert "left for the next pass" in daemon.lines("scrub.finished")[0]["message"]
    # The pass of this week is over: a restart begins none. Without budget the next one finds it.
    lab.configure(scrub=[*rules, 'every = "0.1s"'])
    with lab.daemon() as daemon:
        lab.wait_for(lambda: len(daemon.lines("scrub.finished")) == 2)
        found = daemon.lines("scrub.found")
    assert [(one["level"], one["run"]) for one in found] == [("ERROR", KEY)]
    assert "RunInfo.xml" in found[0]["message"]
    assert f"datalake-syncd retry {KEY}" in found[0]["next_step"]
    status = json.loads(lab.call("status", "--json", expect=1).stdout)
    assert [one["key"] for one in status["troubles"]] == [f"scrub/{KEY}"]
    assert status["scrub"]["wrong"] == 1
    assert status["scrub"]["runs"] == 2
    assert "1 not as published" in lab.call("status", expect=1).stdout


def rot(lab: Lab, data: bytes) -> None:
    """Flip a bit of a blob where the emulator keeps it: same ETag, same MD5, other bytes."""
    for extent in (lab.azurite.folder).rglob("*"):
        if extent.is_file() and (at := extent.read_bytes().find(data)) >= 0:
            with extent.open("r+b") as file:
                file.seek(at)
                file.write(bytes([data[0] ^ 1]))
            return
    raise AssertionError("the blob's bytes were not found below the emulator's folder")


def test_e20_a_blob_that_rots_without_a_trace_frees_no_disk_once_a_scrub_saw_it(lab: Lab) -> None:
    write(lab, miseq(1))
    good = os.urandom(5000)
    (lab.source() / MISEQ / "rots.bin").write_bytes(good)
    lab.once()
    etag = lab.blobs()[f"{PREFIX}/rots.bin"].etag
    rot(lab, good)
    assert lab.blobs()[f"{PREFIX}/rots.bin"].etag == etag
    assert lab.read(f"{PREFIX}/rots.bin") != good
    assert scrub(lab, expect=1)["runs"][0]["bytes"]["named"] == ["rots.bin"]
    lab.configure(instruments__miseq__prune=PRUNED)
    lab.once(expect=None)
    lab.once(expect=None)
    # Whatever became of the run here, its bytes are on the disk or proven in the lake.
    here = (lab.source() / MISEQ / "rots.bin").exists()
    assert here or lab.read(f"{PREFIX}/rots.bin") == good
    assert lab.read(f"{PREFIX}/rots.bin") == good, "sent again before anything was freed"
    assert scrub(lab, MISEQ, "--anew")["fine"]


def test_without_a_ledger_the_lake_s_own_list_is_enough(lab: Lab, files: dict[str, bytes]) -> None:
    lab.configure(lake=['container = "another-one"'])
    nothing = lab.call("scrub")
    assert "1 are in another lake" in nothing.stderr
    assert nothing.stdout == "Nothing was scrubbed.\n"
    lab.configure(lake=[])
    shutil.rmtree(lab.state)
    assert "INSTRUMENT/NAME" in lab.call("scrub", expect=2).stderr
    assert scrub(lab, KEY)["files_read"] == len(files)
    forge(lab, "RunInfo.xml", files["RunInfo.xml"])
    told = scrub(lab, KEY, expect=1)["runs"][0]
    assert (told["bytes"]["named"], told["manifest"]) == (["RunInfo.xml"], "NAME.md5 in the lake")
    assert not lab.state.exists()


def test_e27_what_the_lake_will_not_give_out_is_not_called_fine(
    lab: Lab, proxy: Proxy, files: dict[str, bytes]
) -> None:
    """An archived blob: Azurite keeps the tier, and reads it all the same, so the proxy refuses."""
    assert files

    def archived(request: Request) -> None:
        if request.method == "GET" and request.path.endswith("/RunInfo.xml"):
            request.status, request.error = 409, "BlobArchived"

    proxy.rule = archived
    told = scrub(lab, expect=1)
    assert [one["path"] for one in told["runs"][0]["unreadable"]] == ["RunInfo.xml"]
    assert not told["fine"]
    assert told["runs"][0]["bytes"]["count"] == 0
