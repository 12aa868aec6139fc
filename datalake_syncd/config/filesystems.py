"""Which file system types live behind a network: no file locks to trust, no inotify."""

from __future__ import annotations

NETWORK_TYPES: frozenset[str] = frozenset(
    {
        "9p",
        "afs",
        "auristorfs",
        "autofs",  # a trigger: what it will mount is nearly always a share
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "wekafs",
    }
)

#: Programs that show a lake as a folder. Whatever is deleted there is deleted in the lake.
MOUNTED_LAKES = frozenset({"fuse.blobfuse", "fuse.blobfuse2", "fuse.rclone"})

# The root file system of a rootless container; its files are on a local disk.
_LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs"})


def is_network_type(filesystem_type: str | None) -> bool:
    """True for a file system behind a network, or one that may be (any ``fuse.…``)."""
    if filesystem_type is None:
        return False
    if filesystem_type.startswith("fuse."):
        return filesystem_type not in _LOCAL_FUSE
    return filesystem_type in NETWORK_TYPES
