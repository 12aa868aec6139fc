"""C: the source's disk or share fails, lies or goes away. Nothing is lost, or published early."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo.sequencer import MiSeqRun
from tests.e2e.lab import Lab, tree_of
from tests.e2e.runs import expect_published, folder_of, miseq, nextseq, row_of, write
from tests.faults.fuse_source import FaultySource, faulty
from tests.proxy import Proxy, Request

MIB = 1 << 20
BIG = "big.bin"
RUN = miseq(1)


@pytest.fixture
def source(lab: Lab) -> Iterator[FaultySource]:
    with faulty(lab.source(), lab.root / "behind") as one:
        yield one


def write_big(lab: Lab, size: int = 3 * MIB) -> bytes:
    """The run with one larger file, which is read in several pieces."""
    write(lab, RUN)
    data = os.urandom(size)
    (folder_of(lab, RUN) / BIG).write_bytes(data)
    return data


def waits_for(lab: Lab, *words: str) -> None:
    """The run has not got on, for a reason with these words."""

    def told() -> bool:
        run = lab.run(RUN.name)
        return run is not None and all(word in (run.reason or "") for word in words)

    lab.wait_for(told, told=str(words))
    assert lab.the_run(RUN.name).published_at is None
    assert f"miseq-out/{RUN.name}.sync" not in lab.blobs()


def rests(lab: Lab, run: MiSeqRun) -> tuple[object, ...]:
    """Where a published run is, or one that waits for its flags."""

    def looked_at() -> bool:
        row = lab.run(run.name)
        return row is not None and (row.published_at is not None or "flag" in (row.reason or ""))

    lab.wait_for(looked_at, told=run.name)
    row = row_of(lab, run)
    return row.done, row.status, row.reason, row.files, row.published_at


def goes_on(lab: Lab) -> None:
    """What was wrong is over: the run is published, whole."""
    if lab.the_run(RUN.name).status == "waiting":
        lab.call("retry", RUN.name, expect=None)
    lab.wait_published(RUN.name)
    expect_published(lab, RUN)


def other_goes_on(lab: Lab) -> None:
    write(lab, nextseq(1))
    lab.wait_published(nextseq(1).name, "nextseq")


@pytest.mark.root
def test_c2_a_share_that_is_unmounted_in_mid_transfer_is_waited_for(lab: Lab) -> None:
    behind = lab.root / "behind"
    behind.mkdir()
    mount = ["mount", "--bind", str(behind), str(lab.source())]
    subprocess.run(mount, check=True)
    try:
        write_big(lab, 12 * MIB)
        lab.configure(azcopy=["cap_mbps = 16"])
        with lab.daemon() as daemon:
            lab.wait_for(lambda: list(lab.blobs(name_starts_with="miseq-out")), told="in mid")
            subprocess.run(["umount", "--lazy", str(lab.source())], check=True)
            assert lab.the_run(RUN.name).published_at is None, "too fast: nothing to see"
            lab.wait_for(lambda: daemon.lines("source.offline"), told="offline")
            assert "is empty where runs were before" in daemon.lines("source.offline")[0]["message"]
            other_goes_on(lab)
            row = row_of(lab, RUN)
            assert row.files == len(tree_of(behind / RUN.name)), "no file is forgotten"
            assert row.published_at is None
            assert not {"run.vanished", "run.gone", "run.files-lost"} & set(lab.events(RUN.name))
            subprocess.run(mount, check=True)
            lab.wait_for(lambda: daemon.lines("source.online"), told="online")
            goes_on(lab)
    finally:
        subprocess.run(["umount", "--lazy", str(lab.source())], check=False)


@pytest.mark.root
def test_c3_a_listing_that_turns_empty_while_mounted_is_not_believed(
    lab: Lab, source: FaultySource
) -> None:
    half = miseq(2, no_flags=True)
    write(lab, RUN, half)
    with lab.daemon() as daemon:
        lab.wait_published(RUN.name)
        before = [rests(lab, run) for run in (RUN, half)]
        source.rules({"op": "list", "path": "/", "empty": True})
        lab.wait_for(lambda: daemon.lines("source.offline"), told="offline")
        assert "is empty where runs were before" in daemon.lines("source.offline")[0]["message"]
        other_goes_on(lab)  # some scans later
        assert [rests(lab, run) for run in (RUN, half)] == before
        source.rules()
        lab.wait_for(lambda: daemon.lines("source.online"), told="online")
        write(lab, miseq(2))
        lab.wait_published(half.name)
    for run in (RUN, miseq(2)):
        expect_published(lab, run)


AWAY = (errno.EHOSTDOWN, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT)


@pytest.mark.root
def test_c6_what_a_share_says_when_its_server_is_away_is_never_a_deletion(
    lab: Lab, source: FaultySource
) -> None:
    done, half = miseq(2), miseq(3, no_flags=True)
    write(lab, done, half)
    with lab.daemon() as daemon:
        lab.wait_published(done.name)
        before = [rests(lab, run) for run in (done, half)]
        for turn, number in enumerate(AWAY, start=1):
            # The whole share, a root that still answers from a cache, one file of a new run.
            op = "*" if turn % 2 else "list"
            source.rules({"op": op, "errno": number})
            lab.wait_for(lambda turn=turn: len(daemon.lines("source.offline")) >= turn)  # type: ignore[misc]
            assert os.strerror(number) in daemon.lines("source.offline")[-1]["message"]
            source.rules()
            lab.wait_for(lambda turn=turn: len(daemon.lines("source.online")) >= turn)  # type: ignore[misc]
        assert [rests(lab, run) for run in (done, half)] == before
        source.rules({"op": "stat", "path": "s_1_1101.bcl", "errno": errno.ESTALE})
        RUN.write_all(source.behind)
        waits_for(lab, "s_1_1101.bcl failed", os.strerror(errno.ESTALE), "its server is away")
        assert "run.vanished" not in lab.events(RUN.name)
        source.rules()
        goes_on(lab)


@pytest.mark.root
def test_c7_a_bad_block_names_file_and_byte_and_the_run_waits(
    lab: Lab, source: FaultySource
) -> None:
    write_big(lab)
    source.rules({"op": "read", "path": BIG, "at": 2 * MIB + 5, "errno": errno.EIO})
    with lab.daemon():
        waits_for(lab, f"reading {BIG} from byte {2 * MIB} failed", "Input/output error")
        assert "the instrument's disk" in (row_of(lab, RUN).next_step or "")
        other_goes_on(lab)
        assert row_of(lab, RUN).published_at is None
        source.rules()
        goes_on(lab)


@pytest.mark.root
def test_c9_a_file_that_ends_before_its_size_is_no_shorter_file(
    lab: Lab, source: FaultySource
) -> None:
    write_big(lab)
    source.rules({"op": "read", "path": BIG, "short": MIB + 7})
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("run.changed"), told="noticed")
        told = daemon.lines("run.changed")[0]["message"]
        assert f"{BIG} changed while it was carried" in told
        assert f"{MIB + 7} bytes could be read of {3 * MIB}" in told
        assert f"miseq-out/{RUN.name}.sync" not in lab.blobs()
        source.rules()
        goes_on(lab)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"appended in mid-transfer")


def replace(path: Path) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(os.urandom(path.stat().st_size))
    new.rename(path)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(MIB)
        file.write(b"other bytes, nothing else")


@pytest.mark.root
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(overwrite, id="c11-overwritten"),
        pytest.param(append, id="c12-appended"),
        pytest.param(replace, id="c13-replaced"),
    ],
)
def test_c11_c12_c13_a_file_that_changes_in_mid_transfer_and_keeps_its_time_is_carried_again(
    lab: Lab, source: FaultySource, change: Callable[[Path], None]
) -> None:
    """azcopy looks at the time of change alone: it ended with success and old or short bytes."""
    write_big(lab)
    path = source.behind / RUN.name / BIG
    told = path.stat()
    source.rules({"op": "read", "path": BIG, "by": "azcopy", "wait": True})
    with lab.daemon() as daemon:
        lab.wait_for(lambda: daemon.lines("transfer.started"), told="azcopy is held")
        change(path)
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))
        assert path.stat().st_mtime_ns == told.st_mtime_ns
        source.rules()
        lab.wait_published(RUN.name)
        assert daemon.lines("run.changed"), "it settled again"
        assert len(daemon.lines("run.published")) == 1, "no marker before its time"
    expect_published(lab, RUN)
    assert lab.read(f"miseq-out/{RUN.name}/{BIG}") == path.read_bytes()


@pytest.mark.root
def test_c21_other_bytes_at_azcopys_second_read_are_found(lab: Lab, source: FaultySource) -> None:
    """An answer is lost, azcopy reads the block again, and the disk gives another bit.

    azcopy ends with success, and the MD5 that it stored is ours: only reading back tells.
    """
    data = write_big(lab, 9 * MIB)
    at = 8 * MIB + 4321  # in the last block
    source.rules(
        {"op": "read", "path": BIG, "by": "azcopy", "at": at, "after": 1, "times": 1, "flip": True}
    )
    lost: list[str] = []

    def rule(request: Request) -> None:
        if request.block and len(request.body) < 2 * MIB and not lost:
            request.lose_answer = True
            lost.append(request.path)

    with Proxy(lab.azurite.host, rule=rule) as proxy:
        lab.account_url = proxy.account_url
        lab.secret.write_text(
            lab.azurite.connection_string.replace(lab.azurite.account_url, proxy.account_url)
        )
        lab.configure(azcopy=["put_blob_mb = 1"])
        lines = lab.once()
        assert lost, "no answer was lost"
        (told,) = [line for line in lines if line["event"] == "verify.bad-blob"]
        assert told["stored_md5"] == told["ours"] != told["read_md5"], "nothing else would tell"
        names = [line["event"] for line in lines]
        assert "run.published" not in names[: names.index("verify.bad-blob")]
    assert lab.read(f"miseq-out/{RUN.name}/{BIG}") == data
    expect_published(lab, RUN)


@pytest.mark.root
def test_c21_a_disk_that_gives_other_bytes_each_time_publishes_nothing(
    lab: Lab, source: FaultySource
) -> None:
    """We and azcopy read different bytes of an unchanged file: no marker while that is so."""
    write(lab, RUN)
    rule = {"op": "read", "path": "s_1_1101.bcl", "by": "azcopy", "at": 3, "flip": True}
    source.rules(rule)
    lab.once(expect=1)
    row = row_of(lab, RUN)
    assert row.status == "blocked", row
    assert row.published_at is None
    assert "s_1_1101.bcl" in lab.call("why", RUN.name, expect=None).stdout
    assert f"miseq-out/{RUN.name}.sync" not in lab.blobs()
    source.rules()
    lab.call("retry", RUN.name)
    lab.once()
    expect_published(lab, RUN)


def test_c23_empty_sparse_and_linked_files_are_carried_like_all_others(lab: Lab) -> None:
    write(lab, RUN)
    folder = folder_of(lab, RUN)
    (folder / "empty.bin").touch()
    with (folder / "sparse.bin").open("wb") as file:
        file.truncate(2 * MIB)
        file.seek(MIB)
        file.write(b"an island")
    os.link(folder / "sparse.bin", folder / "second name.bin")
    lab.once()
    expect_published(lab, RUN)
    assert lab.read(f"miseq-out/{RUN.name}/second name.bin")[MIB : MIB + 9] == b"an island"


@pytest.mark.root
def test_c25_a_name_that_can_not_be_looked_at_is_not_skipped(
    lab: Lab, source: FaultySource
) -> None:
    write(lab, RUN)
    source.rules({"op": "stat", "path": "s_1_1101.bcl", "errno": errno.ENOENT})
    with lab.daemon():
        waits_for(lab, "s_1_1101.bcl vanished or was replaced while it was read")
        other_goes_on(lab)
        assert not list(lab.blobs(name_starts_with="miseq-out"))
        source.rules()
        goes_on(lab)
