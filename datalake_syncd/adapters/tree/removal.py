"""The only unlink of the service; whoever calls it has shown that the file may go."""

from __future__ import annotations

import os


def unlink_at(name: str, folder: int) -> None:
    """Unlink one name in an open directory; a link is removed, never what it points to."""
    os.unlink(name, dir_fd=folder)
