"""What is published was proven: bits that flip, bytes that lack, blobs of others, lost ledgers."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from azure.storage.blob import ContentSettings

from demo.sequencer import MiSeqRun
from tests.e2e.lab import MISEQ, Lab, tree_of
from tests.proxy import Proxy, Request, Response, Times, flipped

OUT = f"miseq-out/{MISEQ}"
MIB = 1 << 20


def write_run(lab: Lab, **extra: bytes) -> dict[str, bytes]:
    folder = MiSeqRun(MISEQ).write_all(lab.source())
    for name, data in extra.items():
        (folder / name).write_bytes(data)
    return tree_of(folder)


def really_in_lake(lab: Lab, files: dict[str, bytes]) -> None:
    """Read every byte; a stored MD5 is only a claim."""
    for path, data in files.items():
        assert lab.read(f"{OUT}/{path}") == data, path


def test_e12_a_bit_that_flips_in_one_block_is_found_by_reading_back(lab: Lab, proxy: Proxy) -> None:
    """Put Block carries no MD5: azcopy ends with success and the stored MD5 equals ours."""
    files = write_run(lab, big=os.urandom(24 * MIB))
    lab.configure(azcopy=["put_blob_mb = 1"])
    once, bad = Times(1), []

    def rule(request: Request) -> None:
        if request.block and len(request.body) > MIB and once():
            request.body = flipped(request.body)
            bad.append(request.path)

    proxy.rule = rule
    lines = lab.once()
    assert bad, "no block was flipped"
    (told,) = [line for line in lines if line["event"] == "verify.bad-blob"]
    assert told["level"] == "ERROR"
    assert told["stored_md5"] == told["ours"] != told["read_md5"]
    assert "verify.mismatch" in lab.events()
    really_in_lake(lab, files)
    row = lab.the_run()
    assert row.published_at is not None
    assert row.proof == "checked"


def test_e13_a_bit_that_flips_in_one_request_is_refused_by_the_lake(lab: Lab, proxy: Proxy) -> None:
    files = write_run(lab, big=os.urandom(9 * MIB))
    once = Times(1)

    def rule(request: Request) -> None:
        if request.put_blob and len(request.body) > MIB and once():
            request.body = flipped(request.body)

    proxy.rule = rule
    lab.once()
    really_in_lake(lab, files)
    assert "run.retry" in lab.events() or "verify.mismatch" in lab.events()
    assert lab.the_run().published_at is not None


def test_e15_a_bit_that_flips_on_the_way_back_condemns_nothing(lab: Lab, proxy: Proxy) -> None:
    files = write_run(lab)
    lab.configure(lake=['proof = "read-back"'])
    once = Times(1)

    def answer(response: Response) -> None:
        request = response.request
        if request.method == "GET" and request.path.endswith("RunInfo.xml") and once():
            response.body = flipped(response.body)

    proxy.answer = answer
    lines = lab.once()
    assert not [line for line in lines if line["event"] == "verify.bad-blob"]
    really_in_lake(lab, files)
    assert lab.the_run().proof == "read-back"


def test_claimed_mode_publishes_and_never_prunes(lab: Lab) -> None:
    files = write_run(lab, big=os.urandom(10 * MIB))
    lab.configure(lake=['proof = "claimed"'], azcopy=["put_blob_mb = 1"])
    lab.once()
    assert lab.the_run().proof == "claimed"
    assert b"proof: claimed" in lab.read(f"{OUT}.sync")
    refused = lab.call("prune", MISEQ, expect=None)
    assert refused.returncode != 0
    assert tree_of(lab.source() / MISEQ) == files


def test_large_files_are_read_back_and_small_ones_checked(lab: Lab) -> None:
    write_run(lab, big=os.urandom(3 * MIB))
    lab.configure(azcopy=["put_blob_mb = 1"])
    lab.once()
    with lab.ledger() as ledger:
        proofs = {
            file.path: str(file.proof)
            for page in ledger.files.pages(lab.the_run().id)
            for file in page
        }
    assert proofs.pop("big") == "read-back"
    assert set(proofs.values()) == {"checked"}


def test_truncated_and_foreign_blobs_are_replaced_and_kept_as_snapshots(lab: Lab) -> None:
    files = write_run(lab)
    good_md5 = hashlib.md5(files["RunInfo.xml"], usedforsecurity=False).digest()
    # Seven bytes short, but its stored MD5 equals ours; another with our size and other bytes.
    _forge(lab, "RunInfo.xml", files["RunInfo.xml"][:-7], good_md5)
    name = next(path for path in files if path.endswith(".bcl"))
    other = bytes(len(files[name]))
    lab.client.upload_blob(f"{OUT}/{name}", other)
    lab.once()
    really_in_lake(lab, files)
    kept = {
        blob.name: lab.client.get_blob_client(blob.name, snapshot=blob.snapshot)
        .download_blob()
        .readall()
        for blob in lab.client.list_blobs(include=["snapshots"])
        if blob.snapshot
    }
    assert kept == {
        f"{OUT}/RunInfo.xml": files["RunInfo.xml"][:-7],
        f"{OUT}/{name}": other,
    }


def _forge(lab: Lab, path: str, data: bytes, md5: bytes) -> None:
    blob = lab.client.get_blob_client(f"{OUT}/{path}")
    blob.upload_blob(data, overwrite=True)
    blob.set_http_headers(ContentSettings(content_md5=bytearray(md5)))


def test_e17_an_equal_blob_of_somebody_else_is_not_believed_but_read(lab: Lab) -> None:
    files = write_run(lab)
    wrong = bytes(len(files["RunInfo.xml"]))
    md5 = hashlib.md5(files["RunInfo.xml"], usedforsecurity=False).digest()
    _forge(lab, "RunInfo.xml", wrong, md5)
    lab.once()
    really_in_lake(lab, files)


def test_b6_a_lost_ledger_is_derived_anew_without_sending_a_byte(lab: Lab) -> None:
    files = write_run(lab)
    (lab.sheets() / f"{MISEQ}.csv").write_bytes(b"[Data]\nSample_ID\nA\n")
    lab.once()
    before = {name: blob.etag for name, blob in lab.blobs(include=["snapshots"]).items()}
    first = lab.the_run()
    shutil.move(lab.state, lab.root / "lost")
    lines = lab.once()
    (told,) = [line for line in lines if line["event"] == "transfer.finished"]
    assert told["files_sent"] == 0
    after = {name: blob.etag for name, blob in lab.blobs(include=["snapshots"]).items()}
    assert after == before, "neither blobs nor marker nor manifest were written again"
    again = lab.the_run()
    assert (again.generation, again.published_at, again.files, again.bytes) == (
        first.generation, float(int(first.published_at or 0)), first.files, first.bytes,
    )  # fmt: skip
    assert again.proof == "read-back"
    really_in_lake(lab, {path: data for path, data in files.items() if "SampleSheet" not in path})


def test_b6_a_lost_ledger_still_knows_pruned_runs_and_blocks_an_impostor(lab: Lab) -> None:
    files = write_run(lab)
    lab.configure(instruments__miseq__prune=["enabled = true", 'keep = "0s"', 'trash = "0s"'])
    lab.once()
    assert lab.the_run().emptied_at is not None
    shutil.move(lab.state, lab.root / "lost")
    lab.once()
    row = lab.the_run()
    assert (row.done, row.status, row.files) == ("prune", "finished", len(files))
    lab.call("verify", MISEQ, "--read-back")
    MiSeqRun(MISEQ, seed=9).write_all(lab.source())
    lab.once(expect=1)
    assert lab.the_run().status == "blocked"
    really_in_lake(lab, files)


def test_c17_another_run_under_a_published_name_is_not_sent_without_asking(lab: Lab) -> None:
    """The ledger is lost while a different folder with the same name stands on the disk."""
    files = write_run(lab)
    lab.once()
    shutil.move(lab.state, lab.root / "lost")
    shutil.rmtree(lab.source() / MISEQ)
    other = MiSeqRun(MISEQ, seed=9)
    other.write_all(lab.source())
    lab.once(expect=1)
    row = lab.the_run()
    assert row.status == "blocked"
    assert "already has a published run" in (row.reason or "")
    assert "release" in (row.next_step or "")
    really_in_lake(lab, files)
    lab.call("release", MISEQ)
    lab.once()
    really_in_lake(lab, other.files())
    assert lab.the_run().generation == 2
    kept = [b for b in lab.client.list_blobs(include=["snapshots"]) if b.snapshot]
    assert kept, "what was overwritten stays as snapshots"


def test_a_restored_run_passes_md5sum(lab: Lab, tmp_path: Path) -> None:
    files = write_run(lab, **{"100% #1 é.txt": b"odd name"})
    (lab.source() / MISEQ / "Empty" / "deep").mkdir(parents=True)
    lab.once()
    lab.call("restore", MISEQ, str(tmp_path / "back"))
    here = tree_of(tmp_path / "back")
    assert {path: here[path] for path in files} == files
    assert (tmp_path / "back" / "Empty" / "deep").is_dir()
    md5sum = shutil.which("md5sum")
    assert md5sum is not None
    done = subprocess.run(
        [md5sum, "-c", "--strict", f"{MISEQ}.md5"], cwd=tmp_path / "back", capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    refused = lab.call("restore", MISEQ, str(tmp_path / "back"), expect=None)
    assert refused.returncode == 2
    assert "empty" in refused.stderr
