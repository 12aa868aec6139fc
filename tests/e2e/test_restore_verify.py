"""verify and restore: what the lake holds is told as it is, and comes back byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobBlock, ContentSettings

from datalake_syncd.core.names import escape
from demo.sequencer import MiSeqRun
from tests.e2e.lab import MISEQ, Lab, tree_of

PREFIX = f"miseq-out/{MISEQ}"
KEY = f"miseq/{MISEQ}"


@pytest.fixture
def files(lab: Lab) -> dict[str, bytes]:
    """A published run with an odd name, an empty file and an empty folder in it."""
    folder = MiSeqRun(MISEQ).write_all(lab.source())
    (folder / "odd [bold] é.txt").write_bytes(b"odd")
    (folder / "empty").write_bytes(b"")
    (folder / "Data" / "nothing here").mkdir()
    lab.once()
    assert lab.the_run().published_at is not None
    return tree_of(folder)


def lake_state(lab: Lab) -> dict[str, Any]:
    return {
        f"{blob.name}@{blob.snapshot}": blob.etag
        for blob in lab.client.list_blobs(include=["snapshots"])
    }


def verify(lab: Lab, *arguments: str, expect: int = 0) -> Any:
    """What verify tells, after seeing that it changed neither ledger nor lake."""
    ledger = lab.state / "ledger.sqlite"
    before = (lake_state(lab), ledger.read_bytes() if ledger.exists() else b"")
    done = lab.call("verify", KEY, "--json", *arguments, expect=expect)
    assert (lake_state(lab), ledger.read_bytes() if ledger.exists() else b"") == before
    return json.loads(done.stdout)


def put(lab: Lab, path: str, data: bytes, claim: bytes | None = None) -> None:
    """A blob written in blocks by somebody else, with the MD5 that they claim."""
    blob = lab.client.get_blob_client(f"{PREFIX}/{path}")
    blob.stage_block("00", data)
    md5 = hashlib.md5(data if claim is None else claim, usedforsecurity=False).digest()
    settings = ContentSettings(content_md5=bytearray(md5))
    blob.commit_block_list([BlobBlock("00")], content_settings=settings)


def test_verify_a_good_run(lab: Lab, files: dict[str, bytes]) -> None:
    told = verify(lab)
    assert (told["fine"], told["files"], told["manifest"]) == (True, len(files), "ledger")
    assert told["bytes"] == sum(map(len, files.values()))
    told = verify(lab, "--read-back")
    assert (told["fine"], told["read_back"]) == (True, len(files))
    assert "all" in lab.call("verify", MISEQ).stdout


def test_what_was_read_back_before_is_read_again(lab: Lab) -> None:
    lab.configure(lake=['proof = "read-back"'])
    files = tree_of(MiSeqRun(MISEQ).write_all(lab.source()))
    lab.once()
    assert lab.the_run().proof == "read-back"
    assert verify(lab)["read_back"] == 0
    assert verify(lab, "--read-back")["read_back"] == len(files)


def test_verify_names_what_is_missing_different_unproven_and_extra(
    lab: Lab, files: dict[str, bytes]
) -> None:
    lab.client.delete_blob(f"{PREFIX}/RunInfo.xml")
    put(lab, "odd [bold] é.txt", b"ODD")
    put(lab, "RTAComplete.txt", files["RTAComplete.txt"])
    put(lab, "extra.txt", b"x")
    told = verify(lab, expect=1)
    assert told["missing"] == ["RunInfo.xml"]
    assert told["different"] == ["odd [bold] é.txt"]
    assert told["unproven"] == ["RTAComplete.txt"]
    assert told["extra"] == ["extra.txt"]
    assert told["proven"] == len(files) - 3
    text = lab.call("verify", MISEQ, expect=1).stdout
    assert text.startswith(f"{KEY}: NOT as it should be")
    for word in ("RunInfo.xml", escape("odd [bold] é.txt"), "extra.txt"):
        assert word in text
    # Read back, what was only claimed is proven; the rest stays as it is.
    told = verify(lab, "--read-back", expect=1)
    assert (told["unproven"], told["different"]) == ([], ["odd [bold] é.txt"])


def test_only_reading_back_finds_bytes_that_lie_about_their_md5(
    lab: Lab, files: dict[str, bytes]
) -> None:
    good = files["RunInfo.xml"]
    put(lab, "RunInfo.xml", b"X" + good[1:], claim=good)
    assert verify(lab, expect=1)["different"] == []
    assert verify(lab, "--read-back", expect=1)["different"] == ["RunInfo.xml"]


def test_verify_notices_another_manifest_and_a_missing_marker(
    lab: Lab, files: dict[str, bytes]
) -> None:
    text = lab.read(f"{PREFIX}.md5")
    lab.client.upload_blob(f"{PREFIX}.md5", text.replace(b"  RunInfo.xml", b"  Runinfo.xml"),
                           overwrite=True)  # fmt: skip
    told = verify(lab, expect=1)
    assert len(told["trouble"]) == 2
    lab.client.upload_blob(f"{PREFIX}.md5", text, overwrite=True)
    assert verify(lab)["fine"]
    lab.client.delete_blob(f"{PREFIX}.sync")
    assert "no marker" in verify(lab, expect=1)["trouble"][0]


def test_verify_checks_the_attached_sheet(lab: Lab) -> None:
    MiSeqRun(MISEQ).write_all(lab.source())
    (lab.sheets() / f"{MISEQ}.csv").write_text("[Header]\nfor the lake\n")
    lab.once()
    assert lab.the_run().sheet is not None
    told = verify(lab)
    assert told["fine"]
    assert told["extra"] == []
    put(lab, "SampleSheet.csv", b"another")
    assert verify(lab, expect=1)["different"] == ["SampleSheet.csv"]


def test_verify_a_run_that_is_not_there(lab: Lab, files: dict[str, bytes]) -> None:
    assert files
    told = lab.call("verify", "miseq/230109_M00001_0009_000000000-AAAAA", expect=1)
    assert ".md5 in the lake" in told.stderr
    assert "miseq, nextseq" in lab.call("verify", "nosuch/run", expect=2).stderr


def test_a_pruned_run_comes_back_and_md5sum_agrees(
    lab: Lab, files: dict[str, bytes], tmp_path: Path
) -> None:
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'])
    lab.once()
    lab.once()
    assert not (lab.source() / MISEQ).exists()
    assert verify(lab)["fine"]
    target = tmp_path / "new" / "there"
    done = lab.call("restore", MISEQ, str(target))
    restored = tree_of(target)
    manifest = restored.pop(f"{MISEQ}.md5")
    assert restored == files
    assert manifest == lab.read(f"{PREFIX}.md5")
    assert (target / "Data" / "nothing here").is_dir()
    assert f"cd {target} && md5sum -c {MISEQ}.md5" in done.stdout
    subprocess.run(["md5sum", "--strict", "--quiet", "-c", f"{MISEQ}.md5"], cwd=target, check=True)


@pytest.mark.parametrize("command", ["verify", "restore"])
def test_without_a_ledger_the_lake_is_enough(
    lab: Lab, files: dict[str, bytes], tmp_path: Path, command: str
) -> None:
    shutil.rmtree(lab.state)
    if command == "verify":
        told = verify(lab)
        assert (told["fine"], told["needed_proof"]) == (True, "claimed")
        assert verify(lab, "--read-back")["read_back"] == len(files)
        assert "only a claim" in lab.call("verify", KEY).stdout
        refused = lab.call("verify", MISEQ, expect=2)
    else:
        lab.call("restore", KEY, str(tmp_path / "there"))
        assert tree_of(tmp_path / "there").keys() == {*files, f"{MISEQ}.md5"}
        refused = lab.call("restore", MISEQ, str(tmp_path / "other"), expect=2)
    assert "INSTRUMENT/NAME" in refused.stderr
    assert not lab.state.exists()


def test_restore_never_mixes_with_what_is_there(
    lab: Lab, files: dict[str, bytes], tmp_path: Path
) -> None:
    assert files
    taken, link, plain = tmp_path / "taken", tmp_path / "link", tmp_path / "plain"
    taken.mkdir()
    (taken / "mine").write_text("mine")
    (tmp_path / "empty").mkdir()
    link.symlink_to(tmp_path / "empty")
    plain.write_text("mine")
    for target, word in ((taken, "not empty"), (link, "symbolic link"), (plain, "not a folder")):
        assert word in lab.call("restore", MISEQ, str(target), expect=2).stderr
    assert tree_of(taken) == {"mine": b"mine"}
    assert list((tmp_path / "empty").iterdir()) == []
    assert plain.read_text() == "mine"


def test_a_restore_never_passes_wrong_bytes_off_as_the_run(
    lab: Lab, files: dict[str, bytes], tmp_path: Path
) -> None:
    good = files["RunInfo.xml"]
    put(lab, "RunInfo.xml", b"X" + good[1:], claim=good)
    lab.client.delete_blob(f"{PREFIX}/empty")
    told = lab.call("restore", MISEQ, str(tmp_path / "there"), expect=1)
    assert "NOT the whole run" in told.stdout
    assert "RunInfo.xml has other bytes in the lake" in told.stdout
    assert "empty is not in the lake" in told.stdout
    restored = tree_of(tmp_path / "there")
    assert "RunInfo.xml" not in restored
    whole = {path: data for path, data in files.items() if path not in ("RunInfo.xml", "empty")}
    assert {path: restored[path] for path in whole} == whole
    failed = subprocess.run(
        ["md5sum", "--quiet", "-c", f"{MISEQ}.md5"], cwd=tmp_path / "there", check=False,
        capture_output=True,
    )  # fmt: skip
    assert failed.returncode == 1


def forged(lab: Lab, change: Callable[[bytes], bytes], *, with_marker: bool) -> None:
    """Another list in the lake, and a marker that vouches for it."""
    text = change(lab.read(f"{PREFIX}.md5"))
    lab.client.upload_blob(f"{PREFIX}.md5", text, overwrite=True)
    if with_marker:
        marker = lab.read(f"{PREFIX}.sync").split(b"\n")
        marker = [line for line in marker if not line.startswith(b"manifest-sha256")]
        lab.client.upload_blob(f"{PREFIX}.sync", b"\n".join(marker), overwrite=True)


@pytest.mark.parametrize(
    "path",
    ["../outside", "/outside", "a/../../outside", "a//b", "./a", "RunInfo.xml/a", "empty"],
)
def test_a_list_that_leads_elsewhere_is_refused(
    lab: Lab, files: dict[str, bytes], tmp_path: Path, path: str
) -> None:
    assert files
    forged(lab, lambda text: text + b"0" * 32 + b"  " + path.encode() + b"\n", with_marker=True)
    told = lab.call("restore", MISEQ, str(tmp_path / "there"), expect=1)
    assert "nothing was written" in told.stderr or "file and as a folder" in told.stderr
    assert not (tmp_path / "there").exists()
    assert not (tmp_path / "outside").exists()


def test_a_list_that_the_marker_does_not_vouch_for_is_refused(
    lab: Lab, files: dict[str, bytes], tmp_path: Path
) -> None:
    assert files
    forged(lab, lambda text: text.replace(b"  RunInfo.xml", b"  Runinfo.xml"), with_marker=False)
    told = lab.call("restore", MISEQ, str(tmp_path / "there"), expect=1)
    assert "not the one that the marker was written for" in told.stderr
    assert not (tmp_path / "there").exists()


def test_a_lake_that_goes_away_leaves_a_clear_message(
    lab: Lab, files: dict[str, bytes], tmp_path: Path
) -> None:
    assert files
    text = lab.config.read_text()
    lab.secret.write_text("DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
                          f"AccountKey={base64.b64encode(b'wrong').decode()};")  # fmt: skip
    told = lab.call("restore", MISEQ, str(tmp_path / "there"), expect=1)
    assert "was refused" in told.stderr
    assert base64.b64encode(b"wrong").decode() not in told.stderr + told.stdout
    assert not (tmp_path / "there").exists()
    assert lab.config.read_text() == text
