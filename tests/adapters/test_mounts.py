from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.adapters.mounts import (
    NETWORK_TYPES,
    filesystem_type,
    is_mount_point,
    is_network,
    mount_of,
    read_table,
)

TABLE = r"""
1 1 0:1 / / rw - rootfs rootfs rw
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:20 / /proc rw - proc proc rw
30 22 0:40 / /net rw,relatime shared:5 master:2 - autofs /etc/auto.net rw,fd=7
31 30 0:41 / /net/NextSeqOutput ro,relatime shared:6 - cifs //nextseq/Output ro,vers=3.0
32 22 0:42 / /mnt/Mass\040Spec\134x rw - nfs4 server:/ms rw
33 22 0:43 / /direct rw - autofs /etc/auto.direct rw
34 33 0:44 / /direct rw - cifs //a/b rw
35 22 0:45 / /idle rw - autofs /etc/auto.direct rw
40 22 0:50 / /a/b rw - nfs old:/hidden rw
41 22 0:51 / /a rw - xfs /dev/sdb1 rw
42 22 0:52 / /stack rw - ext4 /dev/sdc1 rw
43 42 0:53 / /stack rw - fuse.sshfs host:/x rw
44 22 0:54 / /win rw - fuseblk /dev/sdd1 rw
45 22 0:55 / /tab\011dir rw - tmpfs tmpfs rw
47 22 0:57 / /twice rw - ext4 /dev/sde1 rw
48 22 0:58 / /twice rw - cifs //c/d rw
46 22 0:56 / /data rw - 9p share rw
a line that nobody knows

99 22
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("path", "kind", "mount_point", "network"),
    [
        ("/", "ext4", True, False),
        ("/nowhere/deep", "ext4", False, False),
        ("/proc/1", "proc", False, False),
        ("/net", "autofs", False, True),
        ("/net/NextSeqOutput", "cifs", True, True),
        ("/net/NextSeqOutput/", "cifs", True, True),
        ("/net/./x/../NextSeqOutput/180612/Data", "cifs", False, True),
        ("/net/NextSeqOutputs", "autofs", False, True),
        ("/mnt/Mass Spec\\x/p", "nfs4", False, True),
        ("/mnt/Mass Spec\\x", "nfs4", True, True),
        ("/mnt", "ext4", False, False),
        ("/direct", "cifs", True, True),
        ("/direct/x", "cifs", False, True),
        ("/idle", "autofs", False, True),
        ("/a/b", "xfs", False, False),
        ("/a", "xfs", True, False),
        ("/stack/x", "fuse.sshfs", False, True),
        ("/stack", "fuse.sshfs", True, True),
        ("/win", "fuseblk", True, False),
        ("/tab\tdir", "tmpfs", True, False),
        ("/twice/x", "cifs", False, True),
        ("/data/runs", "9p", False, True),
    ],
)
def test_the_mount_of_a_path(
    path: str, kind: str, mount_point: bool, network: bool, table: Path
) -> None:
    assert filesystem_type(Path(path), table) == kind
    assert is_mount_point(Path(path), table) is mount_point
    assert is_network(Path(path), table) is network


def test_the_mount_is_known_with_its_source(table: Path) -> None:
    mount = mount_of(Path("/net/NextSeqOutput/x"), table)
    assert mount is not None
    assert (mount.source, mount.point, mount.device) == (
        "//nextseq/Output",
        "/net/NextSeqOutput",
        "0:41",
    )


def test_a_local_symlink_to_a_share_is_followed(tmp_path: Path, table: Path) -> None:
    (tmp_path / "absolute").symlink_to("/net/NextSeqOutput")
    (tmp_path / "relative").symlink_to("absolute/180612")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "up").symlink_to("../../../../../../../../idle")
    assert filesystem_type(tmp_path / "absolute", table) == "cifs"
    assert is_mount_point(tmp_path / "absolute", table)
    assert filesystem_type(tmp_path / "relative" / "x", table) == "cifs"
    assert filesystem_type(tmp_path / "up", table) == "autofs"
    assert filesystem_type(tmp_path / "loop", table) is None
    assert not is_mount_point(tmp_path / "loop", table)


def test_nothing_on_a_share_is_touched(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched: list[str] = []
    real = os.readlink

    def watched(path: str) -> str:
        touched.append(path)
        return real(path)

    monkeypatch.setattr(os, "readlink", watched)
    for function in ("stat", "lstat", "scandir", "listdir", "open"):
        monkeypatch.setattr(os, function, lambda *_, **__: pytest.fail("touched"))
    (link := tmp_path / "link").symlink_to("/net/NextSeqOutput/a/b")
    assert filesystem_type(link / "c", table) == "cifs"
    assert filesystem_type(Path("/idle/x"), table) == "autofs"
    assert str(link) in touched
    assert not [path for path in touched if path.startswith(("/net", "/idle"))]


def test_without_a_table_nothing_is_claimed(tmp_path: Path) -> None:
    assert filesystem_type(Path("/x"), tmp_path / "none") is None
    assert not is_mount_point(Path("/x"), tmp_path / "none")
    assert not is_network(Path("/x"), tmp_path / "none")


def test_a_table_without_a_root_as_in_a_chroot(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text("50 49 0:1 / /srv rw - xfs /dev/x rw\n51 50 0:2 / /srv/n rw - nfs s:/ rw\n")
    assert filesystem_type(Path("/srv/n/x"), table) == "nfs"
    assert filesystem_type(Path("/srv/x"), table) == "xfs"
    assert filesystem_type(Path("/etc"), table) is None


@given(st.binary(max_size=200))
def test_any_table_is_survived(data: bytes) -> None:
    memory = Path(f"/dev/shm/mountinfo-{os.getpid()}")
    if not memory.parent.is_dir():
        pytest.skip("no /dev/shm")
    try:
        memory.write_bytes(data + TABLE.encode())
        read_table(memory)
        filesystem_type(Path("/net/x"), memory)
    finally:
        memory.unlink(missing_ok=True)


def test_d3_the_types_of_the_brief_are_known() -> None:
    assert {"cifs", "smb3", "nfs", "nfs4", "9p", "afs", "ceph", "glusterfs"} <= NETWORK_TYPES


def test_this_machine() -> None:
    assert filesystem_type(Path("/proc/self")) == "proc"
    assert is_mount_point(Path("/proc"))
    assert is_mount_point(Path("/"))
    assert not is_mount_point(Path("/proc/self"))


@pytest.mark.root
@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare"
)
def test_real_mounts_over_each_other(tmp_path: Path, repo_root: Path) -> None:
    below, above = tmp_path / "a b" / "c", tmp_path / "a b"
    below.mkdir(parents=True)
    (tmp_path / "link").symlink_to(below)
    code = (
        "import sys; from pathlib import Path\n"
        "from datalake_syncd.adapters.mounts import filesystem_type, is_mount_point\n"
        "for p in sys.argv[1:]: print(filesystem_type(Path(p)), is_mount_point(Path(p)))\n"
    )
    script = (
        'set -e; mount -t tmpfs x "$1"; "$3" -c "$4" "$1" "$5" "$2";'
        ' mount -t ramfs y "$2"; "$3" -c "$4" "$1" "$5" "$2"; mkdir "$1"; "$3" -c "$4" "$1" "$5"'
    )
    arguments = [str(below), str(above), sys.executable, code, str(tmp_path / "link")]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(repo_root)},
    )
    here = filesystem_type(tmp_path)
    assert done.stdout.splitlines() == [
        *("tmpfs True", "tmpfs True", f"{here} False"),
        *("ramfs False", "ramfs False", "ramfs True"),
        *("ramfs False", "ramfs False"),
    ]
