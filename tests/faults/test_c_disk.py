"""C7 on a real disk: an ext4 on a device whose second half can't be read any more."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.lab import Lab, tree_of
from tests.e2e.runs import expect_published, folder_of, miseq, nextseq, row_of, write
from tests.faults.power import Disk, disk, mount, unmount

RUN, NEIGHBOUR = miseq(1), miseq(2)
BIG = "images.bin"
SIZE = 24 << 20
#: What is left of the device: folders, small files, and the beginning of the large one.
READABLE = 20 << 20


def break_off(source: Disk) -> Path:
    """From here on whoever reads beyond ``READABLE`` gets EIO; gives the disk as it was before.

    It is mounted anew, so that nothing of it is in memory.
    """
    unmount(source.place)
    good = source.image.with_name("good.img")
    shutil.copyfile(source.image, good)
    mount(source.image, source.place)
    os.truncate(source.image, READABLE)
    return good


@pytest.mark.root
def test_c7_a_disk_that_fails_is_told_by_file_and_the_run_goes_on_from_its_copy(lab: Lab) -> None:
    with disk(lab.source()) as source:
        write(lab, RUN, NEIGHBOUR)
        os.sync()  # the small files lie in front
        data = os.urandom(SIZE)
        (folder_of(lab, RUN) / BIG).write_bytes(data)
        small = tree_of(folder_of(lab, RUN))
        del small[BIG]
        good = break_off(source)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            (folder_of(lab, RUN) / BIG).read_bytes()
        assert {path: (folder_of(lab, RUN) / path).read_bytes() for path in small} == small

        with lab.daemon() as daemon:
            lab.wait_published(NEIGHBOUR.name)
            write(lab, nextseq(1))
            lab.wait_published(nextseq(1).name, "nextseq")
            lab.wait_for(lambda: row_of(lab, RUN).attempts, told="it was tried")
            row = row_of(lab, RUN)
            assert row.status in ("waiting", "running"), row
            assert row.published_at is None
            assert f"reading {BIG} from byte " in (row.reason or "")
            assert os.strerror(errno.EIO) in (row.reason or "")
            assert "the instrument's disk" in (row.next_step or "")
            told = lab.call("why", RUN.name, expect=None).stdout
            assert f"reading {BIG} from byte" in " ".join(told.split())
            there = lab.blobs(name_starts_with=f"miseq-out/{RUN.name}")
            assert there.keys() <= {f"miseq-out/{RUN.name}/{path}" for path in small}

            source.swap(good)
            lab.call("retry", RUN.name, expect=None)
            lab.wait_published(RUN.name)
            assert len(daemon.lines("run.published")) == 3
            lost = {"run.vanished", "run.gone", "run.files-lost"}
            assert not lost & set(lab.events(RUN.name)), "a disk that fails takes nothing away"
        for run in (RUN, NEIGHBOUR):
            expect_published(lab, run)
        assert lab.read(f"miseq-out/{RUN.name}/{BIG}") == data
    expect_published(lab, nextseq(1))
