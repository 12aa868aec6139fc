"""The real azcopy against the real Azurite: what arrives, what fails, how it ends."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobLeaseClient

from datalake_syncd.adapters.azcopy import (
    AzcopySettings,
    CopyJob,
    CopyResult,
    Progress,
    end_orphans,
    judge,
    leftovers,
    orphans,
    run_copy,
    verdict,
)
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import (
    AuthRefused,
    LakeUnavailable,
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    Stopped,
    Transient,
    UsageError,
)
from tests.servers import REPO, Azurite

ODD_NAMES = [
    "plain.txt",
    "100%.txt",
    "%41%2Fx.txt",
    "a#b?c.txt",
    "a+b & c.txt",
    " lead and trail ",
    "-rf",
    "--delete-destination=true",
    "a;b,c'd\"e.txt",
    "star*[x]{y}.txt",
    "größe 試料 🧬.fastq",
    "e\u0301-nfd.txt",
    ".hidden",
    "disk.vhd",
    "empty.bin",
    "deep/er/and deeper/%25.txt",
    "x" * 250,
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source folder whose own name is plain and whose run folder's is not."""
    root = tmp_path / "runs"
    for number, name in enumerate(ODD_NAMES):
        path = root / "run%1 #2" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"" if name == "empty.bin" else f"content {number}".encode())
    return root


class Uploads:
    """Calls with everything but the interesting part filled in."""

    def __init__(self, azcopy: Path, access: LakeAccess, root: Path, private: Path) -> None:
        self.azcopy: str | Path = azcopy
        self.access = access
        self.root = root
        self.private = private
        self.cleaned: list[Path] = []

    def job(self, *entries: str, settings: AzcopySettings | None = None) -> CopyJob:
        return CopyJob(
            azcopy=self.azcopy,
            source_root=self.root,
            destination="Out put/100%",
            entries=iter(entries),
            count=len(entries),
            bytes=0,
            access=self.access,
            settings=settings or AzcopySettings(),
            private_root=self.private,
        )

    def clean(self, folder: Path) -> None:
        self.cleaned.append(folder)
        shutil.rmtree(folder)

    def run(
        self,
        *entries: str,
        settings: AzcopySettings | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[Progress], None] = lambda _: None,
        all_arrived: Callable[[], bool] = lambda: False,
    ) -> CopyResult:
        return run_copy(
            self.job(*entries, settings=settings),
            clean=self.clean,
            should_stop=should_stop,
            on_progress=on_progress,
            all_arrived=all_arrived,
        )


def keyed(azurite: Azurite, container: str) -> LakeAccess:
    return LakeAccess(
        azurite.account_url, container, "connection-string",
        secret=lambda: azurite.connection_string,
    )  # fmt: skip


@pytest.fixture
def uploads(
    azcopy_path: Path, azurite: Azurite, container: str, source: Path, tmp_path: Path
) -> Iterator[Uploads]:
    made = Uploads(azcopy_path, keyed(azurite, container), source, tmp_path / "private")
    yield made
    # Whatever happened: no process and no folder stays behind.
    assert orphans(made.private) == []
    assert leftovers(made.private) == []


def in_lake(azurite: Azurite, container: str) -> dict[str, tuple[int, str, str]]:
    found = {}
    for blob in azurite.container(container).list_blobs():
        digest = blob.content_settings.content_md5
        assert digest is not None
        found[str(blob.name)] = (int(blob.size), bytes(digest).hex(), str(blob.blob_type))
    return found


def entries_of(root: Path) -> list[str]:
    return [str(p.relative_to(root)) for p in sorted(root.rglob("*")) if p.is_file()]


def test_odd_names_arrive_exactly(uploads: Uploads, azurite: Azurite, container: str) -> None:
    entries = entries_of(uploads.root)
    seen: list[Progress] = []
    result = uploads.run(*entries, on_progress=seen.append)
    judge(result, len(entries))
    expected = {}
    for entry in entries:
        data = (uploads.root / entry).read_bytes()
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        expected[f"Out put/100%/{entry}"] = (len(data), digest, "BlobType.BLOCKBLOB")
    assert in_lake(azurite, container) == expected
    assert seen[-1].files_done == len(entries)
    assert seen[-1].bytes_done == seen[-1].bytes_expected > 0
    assert len(uploads.cleaned) == 1


def test_it_is_ended_when_the_lake_has_all_of_it_and_not_before(
    uploads: Uploads, azurite: Azurite, container: str
) -> None:
    entries = entries_of(uploads.root)
    found: list[bool] = []

    def all_arrived() -> bool:
        assert len(orphans(uploads.private)) == 1, "it is asked for while azcopy still runs"
        found.append(len(in_lake(azurite, container)) == len(entries))
        return found[-1]

    result = uploads.run(*entries, all_arrived=all_arrived)
    assert found[-1]
    assert result.arrived
    assert result.returncode == -9
    judge(result, len(entries))
    assert len(in_lake(azurite, container)) == len(entries)
    # Who never says so gets what azcopy itself says at its end.
    result = uploads.run(*entries, all_arrived=lambda: False)
    assert (result.arrived, result.returncode, result.ended) == (False, 0, True)


def test_files_up_to_the_limit_go_up_in_one_request(
    uploads: Uploads, azurite: Azurite, container: str
) -> None:
    (uploads.root / "ten").write_bytes(os.urandom(10_000_000))
    judge(uploads.run("ten", settings=AzcopySettings(put_blob_mb=16)), 1)
    blob = azurite.container(container).get_blob_client("Out put/100%/ten")
    assert blob.get_block_list("committed")[0] == []
    # Above it blocks appear, which shows that the line before can fail.
    judge(uploads.run("ten", settings=AzcopySettings(put_blob_mb=8)), 1)
    assert blob.get_block_list("committed")[0] != []


def test_f6_a_missing_entry_is_no_success(
    uploads: Uploads, azurite: Azurite, container: str
) -> None:
    result = uploads.run("run%1 #2/plain.txt", "run%1 #2/gone")
    assert result.returncode == 0  # azcopy calls it a success
    with pytest.raises(SourceChanged, match="gone"):
        judge(result, 2)
    assert len(in_lake(azurite, container)) == 1


def test_only_missing_entries_is_no_success(uploads: Uploads) -> None:
    result = uploads.run("a", "b")
    assert result.returncode == 0
    assert isinstance(verdict(result, 2), SourceChanged)


def test_a_missing_root_is_an_offline_source(uploads: Uploads) -> None:
    uploads.root = uploads.root / "unmounted"
    assert isinstance(verdict(uploads.run("a"), 1), SourceOffline | SourceChanged)


def test_e4_a_missing_container_is_named(uploads: Uploads, azurite: Azurite) -> None:
    uploads.access = keyed(azurite, "no-such-container")
    error = verdict(uploads.run("run%1 #2/plain.txt"), 1)
    assert type(error) is LakeUnavailable
    assert "no-such-container" in str(error)
    assert "create the container no-such-container" in error.next_step


def with_sas(azurite: Azurite, container: str, sas: str) -> LakeAccess:
    return LakeAccess(azurite.account_url, container, "sas", secret=lambda: sas)


def test_a_sas_without_delete_right_is_enough(
    uploads: Uploads, azurite: Azurite, container: str
) -> None:
    uploads.access = with_sas(azurite, container, azurite.sas(container, "rcwl"))
    judge(uploads.run("run%1 #2/plain.txt"), 1)
    # And again, over the blob that is there now.
    judge(uploads.run("run%1 #2/plain.txt"), 1)


@pytest.mark.parametrize("how", ["expired", "wrong", "read-only"])
def test_e26_a_refused_sas(uploads: Uploads, azurite: Azurite, container: str, how: str) -> None:
    sas = {
        "expired": azurite.sas(container, lifetime=dt.timedelta(hours=-1)),
        "wrong": azurite.sas(container).replace("sig=", "sig=AA"),
        "read-only": azurite.sas(container, "rl"),
    }[how]
    uploads.access = with_sas(azurite, container, sas)
    result = uploads.run("run%1 #2/plain.txt")
    error = verdict(result, 1)
    assert isinstance(error, AuthRefused)
    assert container in error.next_step
    assert sas.partition("sig=")[2].partition("&")[0] not in f"{result!r}{error}"


def test_no_secret_in_what_azcopy_writes_or_says(
    uploads: Uploads, azurite: Azurite, container: str
) -> None:
    sas = azurite.sas(container, "rl")  # refused, so that there is something to log
    signature = sas.partition("sig=")[2].partition("&")[0]
    written: list[bytes] = []

    def keep(folder: Path) -> None:
        for path in folder.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"
            if path.is_file():
                written.append(path.read_bytes())
        uploads.clean(folder)

    uploads.access = with_sas(azurite, container, sas)
    result = run_copy(uploads.job("run%1 #2/plain.txt"), clean=keep)
    uploads.access = keyed(azurite, "no-such-container")
    result2 = run_copy(uploads.job("run%1 #2/plain.txt"), clean=keep)
    everything = b"".join(written) + repr((result, result2)).encode()
    assert len(written) > 4
    assert b"UPLOADFAILED" in everything
    assert signature.encode() not in everything
    assert azurite.account_key.encode() not in everything


def test_an_unreadable_file_needs_a_person(uploads: Uploads, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        closed = uploads.root / "run%1 #2" / "plain.txt"
        closed.chmod(0)
        error = verdict(uploads.run("run%1 #2/plain.txt", "run%1 #2/-rf"), 2)
    else:
        # Root reads everything: take the right away with the capability.
        closed = uploads.root / "run%1 #2" / "plain.txt"
        closed.chmod(0)
        os.chown(closed, 65534, 65534)
        wrapper = tmp_path / "azcopy-without-rights"
        caps = "-dac_override,-dac_read_search"
        wrapper.write_text(
            f"#!/bin/sh\nexec setpriv --bounding-set {caps} --inh-caps {caps} -- "
            f'{uploads.azcopy} "$@"\n'
        )
        wrapper.chmod(0o755)
        uploads.azcopy = wrapper
        error = verdict(uploads.run("run%1 #2/plain.txt", "run%1 #2/-rf"), 2)
    assert isinstance(error, NeedsPerson)
    assert "plain.txt" in str(error)
    assert "permission denied" in str(error)


def test_e6_a_lease_needs_a_person_and_the_old_content_stays(
    uploads: Uploads, azurite: Azurite, container: str
) -> None:
    blob = azurite.container(container).get_blob_client("Out put/100%/run%1 #2/plain.txt")
    blob.upload_blob(b"old")
    BlobLeaseClient(blob).acquire(60)
    error = verdict(uploads.run("run%1 #2/plain.txt"), 1)
    assert isinstance(error, NeedsPerson)
    assert "lease" in str(error)
    assert blob.download_blob().readall() == b"old"


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "../up", "/abs", "a//b", "./a", "", "\udcff"])
def test_entries_that_the_list_cannot_hold_are_refused(uploads: Uploads, bad: str) -> None:
    with pytest.raises(NeedsPerson):
        uploads.run("run%1 #2/plain.txt", bad)
    assert len(uploads.cleaned) == 1


def test_a_wrong_count_is_a_bug(uploads: Uploads) -> None:
    job = uploads.job("run%1 #2/plain.txt")
    object.__setattr__(job, "count", 2)
    with pytest.raises(ValueError, match="1 entries"):
        run_copy(job, clean=uploads.clean)


def test_a_bad_source_root_starts_nothing(uploads: Uploads) -> None:
    uploads.root = Path("/data/100%")
    with pytest.raises(UsageError):
        uploads.run("a")
    assert len(uploads.cleaned) == 1


SLOW = AzcopySettings(cap_mbps=8)  # a megabyte per second


@pytest.fixture
def big(uploads: Uploads) -> str:
    """A file that takes half a minute at `SLOW`."""
    (uploads.root / "big.bin").write_bytes(os.urandom(30_000_000))
    return "big.bin"


def test_stop_during_a_transfer(
    uploads: Uploads, azurite: Azurite, container: str, big: str
) -> None:
    moving = threading.Event()
    asked: list[float] = []

    def on_progress(told: Progress) -> None:
        if told.bytes_over_wire:
            moving.set()

    def should_stop() -> bool:
        if moving.is_set() and not asked:
            asked.append(time.monotonic())
        return bool(asked)

    result = uploads.run(big, settings=SLOW, should_stop=should_stop, on_progress=on_progress)
    assert time.monotonic() - asked[0] < 8  # two to three on a quiet machine
    assert result.stopped
    assert isinstance(verdict(result, 1), Stopped)
    assert in_lake(azurite, container) == {}


def test_stop_at_once(uploads: Uploads, big: str) -> None:
    begun = time.monotonic()
    result = uploads.run(big, settings=SLOW, should_stop=lambda: True)
    assert result.stopped
    assert time.monotonic() - begun < 15


def test_f9_stop_while_azcopy_still_reads_its_list(uploads: Uploads) -> None:
    # It asks back then, and would wait for an answer for ever.
    names = [f"none/{number}" for number in range(60_000)]
    begun = time.monotonic()
    result = uploads.run(*names, should_stop=lambda: time.monotonic() - begun > 0.7)
    assert result.stopped
    assert result.seconds < 15
    assert result.returncode == 1, "it should end by itself"
    assert any("cannot be resumed" in info for info in result.infos)


def azcopy_pid(private: Path, wait: float = 20.0) -> int:
    until = time.monotonic() + wait
    while time.monotonic() < until:
        for pid in orphans(private):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "azcopy":
                return pid
        time.sleep(0.05)
    raise TimeoutError("azcopy did not start")


def in_thread(call: Callable[[], CopyResult]) -> tuple[threading.Thread, list[CopyResult]]:
    results: list[CopyResult] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    return thread, results


@pytest.mark.slow
def test_f3_a_hanging_azcopy_is_killed(uploads: Uploads, big: str) -> None:
    settings = AzcopySettings(cap_mbps=8, stall_timeout=5)
    thread, results = in_thread(lambda: uploads.run(big, settings=settings))
    pid = azcopy_pid(uploads.private)
    time.sleep(2.5)
    os.kill(pid, signal.SIGSTOP)
    thread.join(60)
    assert results, "the watchdog did not end it"
    result = results[0]
    assert result.stalled
    assert result.returncode == -signal.SIGKILL  # it is deaf to everything else
    assert "said nothing" in result.stall_reason
    assert type(verdict(result, 1)) is Transient
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_e21_an_unreachable_lake_is_noticed_long_before_azcopy_says_so(
    uploads: Uploads, container: str, big: str
) -> None:
    # A port that nobody listens on: azcopy alone would try for 16 minutes.
    uploads.access = LakeAccess(
        "http://127.0.0.1:1/devstoreaccount1", container, "connection-string",
        secret=lambda: "AccountName=devstoreaccount1;AccountKey=c2VjcmV0",
    )  # fmt: skip
    result = uploads.run(big, settings=AzcopySettings(stall_timeout=6))
    assert result.stalled
    assert result.seconds < 30
    error = verdict(result, 1)
    assert isinstance(error, LakeUnavailable)
    assert "requests failed" in str(error)


def test_f5_f11_azcopy_killed_from_outside_is_transient(uploads: Uploads, big: str) -> None:
    thread, results = in_thread(lambda: uploads.run(big, settings=SLOW))
    os.kill(azcopy_pid(uploads.private), signal.SIGKILL)
    thread.join(30)
    assert type(verdict(results[0], 1)) is Transient


def test_an_exception_in_a_callback_ends_azcopy(uploads: Uploads, big: str) -> None:
    def should_stop() -> bool:
        azcopy_pid(uploads.private)
        raise RuntimeError("bug")

    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="bug"):
        uploads.run(big, settings=SLOW, should_stop=should_stop)
    assert time.monotonic() - begun < 15, "it waited for the transfer to finish"
    assert len(uploads.cleaned) == 1


DAEMON = """
import shutil, sys
from pathlib import Path
from datalake_syncd.adapters.azcopy import *
from datalake_syncd.core.access import LakeAccess
azcopy, url, container, root, private, secret, bare = sys.argv[1:]
if bare == "bare":
    import datalake_syncd.adapters.azcopy.process as process
    process._setpriv = lambda: None
access = LakeAccess(url, container, "connection-string", secret=lambda: secret)
job = CopyJob(azcopy, Path(root), "p", ["big.bin"], 1, 0, access, AzcopySettings(cap_mbps=8),
              Path(private))
run_copy(job, clean=shutil.rmtree)
"""


def daemon(uploads: Uploads, azurite: Azurite, bare: str) -> subprocess.Popen[bytes]:
    words = [uploads.azcopy, uploads.access.account_url, uploads.access.container]
    words += [uploads.root, uploads.private, azurite.connection_string, bare]
    return subprocess.Popen([sys.executable, "-c", DAEMON, *map(str, words)], cwd=REPO)


def gone(pid: int, wait: float) -> bool:
    until = time.monotonic() + wait
    while time.monotonic() < until:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def test_a3_azcopy_dies_with_a_killed_daemon(uploads: Uploads, azurite: Azurite, big: str) -> None:
    process = daemon(uploads, azurite, "tied")
    pid = azcopy_pid(uploads.private)
    # Stopped, it can't end by itself at its next line of output into the closed pipe.
    os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    assert gone(pid, 5)
    # The folder stays and is found by the next daemon.
    left = leftovers(uploads.private)
    assert len(left) == 1
    uploads.clean(left[0])


def test_f13_an_azcopy_that_outlived_its_daemon_is_found_and_ended(
    uploads: Uploads, azurite: Azurite, big: str
) -> None:
    process = daemon(uploads, azurite, "bare")
    pid = azcopy_pid(uploads.private)
    # A running one ends at its next line of output, into the closed pipe; a hanging one stays.
    os.kill(pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    assert not gone(pid, 1), "without setpriv it should have survived"
    other = uploads.private.with_name("private2")
    assert orphans(other) == []
    assert end_orphans(other) == []
    assert end_orphans(uploads.private) == [pid]
    assert gone(pid, 5)
    uploads.clean(leftovers(uploads.private)[0])
