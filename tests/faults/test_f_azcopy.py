"""azcopy that ends or talks otherwise than it should: the real one, mostly in a wrapper."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from datalake_syncd.adapters.azcopy import (
    AzcopySettings,
    CopyJob,
    CopyResult,
    leftovers,
    orphans,
    run_copy,
    verdict,
)
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import Transient
from tests.e2e.lab import Lab
from tests.e2e.mounts import tmpfs
from tests.e2e.runs import expect_published, miseq, row_of, write
from tests.servers import AZCOPY, Azurite


def wrapped(place: Path, *lines: str) -> Path:
    """A program that runs the real azcopy in its own way."""
    place.write_text("\n".join(["#!/bin/bash", *lines]) + "\n")
    place.chmod(0o755)
    return place


@pytest.fixture
def access(azurite: Azurite, container: str) -> LakeAccess:
    return LakeAccess(azurite.account_url, container, "sas", secret=lambda: azurite.sas(container))


def call(azcopy: Path, access: LakeAccess, folder: Path, files: int) -> CopyResult:
    """Send so many small files; nothing may stay behind, whatever happens."""
    root = folder / "runs"
    root.mkdir()
    names = [f"{number:05}-{'x' * 200}" for number in range(files)]
    for name in names:
        (root / name).write_bytes(b"data")
    private = folder / "private"
    job = CopyJob(azcopy, root, "p", names, files, 4 * files, access, AzcopySettings(), private)
    result = run_copy(job, clean=shutil.rmtree)
    assert leftovers(private) == []
    assert orphans(private) == []
    return result


@pytest.mark.root
def test_f4_no_room_for_azcopys_plan_is_a_matter_of_the_disk(
    azcopy_path: Path, access: LakeAccess, tmp_path: Path
) -> None:
    (tmp_path / "private").mkdir()
    with tmpfs(tmp_path / "private", "256k"):
        error = verdict(call(azcopy_path, access, tmp_path, 500), 500)
    assert type(error) is Transient
    assert "azcopy crashed" in str(error)
    assert "no space left" in str(error)
    assert "state directory" in error.next_step


def test_f5_an_azcopy_that_writes_into_a_closed_pipe_is_tried_again(
    azcopy_path: Path, access: LakeAccess, tmp_path: Path
) -> None:
    # Its reader goes after a few bytes; how azcopy ends then is how the wrapper ends.
    pipe = wrapped(
        tmp_path / "azcopy",
        f'{azcopy_path} "$@" | head -c 10',
        "code=${PIPESTATUS[0]}",
        "[ $code -gt 128 ] && kill -$((code - 128)) $$",
        "exit $code",
    )
    result = call(pipe, access, tmp_path, 3)
    error = verdict(result, 3)
    assert type(error) is Transient
    assert str(error) == "azcopy was killed by SIGPIPE"


# The real azcopy does all that it should; then it says something else, and ends as a failure.
LIES = {
    "f7": ('"$@"', "exit 1"),
    "f8": ('"$@" | sed -e "s/MessageType/Kind/g" -e "s/Completed/Done/" -e "2,3s/.\\{40\\}$//"',),
}


@pytest.mark.parametrize("how", LIES)
def test_f7_f8_what_arrived_counts_and_not_what_azcopy_says(
    lab: Lab, tmp_path: Path, how: str
) -> None:
    first, *rest = LIES[how]
    version = f'[ "$1" = --version ] && exec {AZCOPY} "$@"'
    azcopy = wrapped(tmp_path / "azcopy", version, f"{AZCOPY} {first}", *rest)
    lab.configure(azcopy=[f'path = "{azcopy}"'])
    run = miseq(1)
    write(lab, run)
    log = lab.once()
    expect_published(lab, run)
    (told,) = [line for line in log if line["event"] == "run.retry"]
    assert "azcopy ended with" in told["message"]
    # The second look at the lake found all of it there.
    (sent,) = [line["files_sent"] for line in log if line["event"] == "transfer.finished"]
    assert sent == 0
    assert row_of(lab, run).proof == "checked"
    kept = [blob for blob in lab.client.list_blobs(include=["snapshots"]) if blob.snapshot]
    assert not kept


OPTIONS = ["-rf", "--delete-destination=true", "--recursive=false", "--from-to=BlobTrash"]


def test_f14_folders_named_like_options_are_carried_under_their_names(lab: Lab) -> None:
    lab.kinds = {"drop": "folder"}
    lab.__post_init__()
    lab.configure(daemon=["workers = 6"])
    stays = lab.client.get_blob_client("drop-out/somebody-elses.txt")
    stays.upload_blob(b"must stay")
    for name in OPTIONS:
        (lab.source("drop") / name).mkdir()
        (lab.source("drop") / name / name).write_bytes(os.fsencode(name))
    with lab.daemon():
        for name in OPTIONS:
            lab.wait_published(name, "drop")
    for name in OPTIONS:
        assert lab.read(f"drop-out/{name}/{name}") == os.fsencode(name)
        assert (lab.source("drop") / name / name).read_bytes() == os.fsencode(name)
    assert lab.read("drop-out/somebody-elses.txt") == b"must stay"
