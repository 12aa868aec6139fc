"""Whether a source is local is asked again whenever a mount has changed, and only then."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from datalake_syncd.adapters import mounts
from datalake_syncd.adapters.mounts import Mount
from datalake_syncd.watch import Watcher


def table(number: int, kind: str) -> tuple[Mount, ...]:
    return (Mount(number, 1, "/data", kind, "0:52", "x"),)


def test_a_remote_share_in_the_place_and_under_the_number_of_a_local_one_is_remote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel gives the number of a device that is gone to the next one."""
    now, asked = [table(7, "fuse.x")], []

    def is_network(_path: Path) -> bool:
        asked.append(now[0])
        return now[0][0].filesystem_type == "cifs"

    monkeypatch.setattr(mounts, "read_table", lambda: now[0])
    monkeypatch.setattr(mounts, "is_network", is_network)
    source = SimpleNamespace(source=Path("/data"))
    service: Any = SimpleNamespace(config=SimpleNamespace(instruments={"a": source}))
    watcher = Watcher.__new__(Watcher)
    watcher._service, watcher._name, watcher._local = service, "a", None
    assert [watcher._is_local(52) for _ in range(3)] == [True, True, True]
    assert len(asked) == 1, "a mount table that is the same says the same"
    now[0] = table(8, "cifs")
    assert not watcher._is_local(52)
    now[0] = table(9, "fuse.x")
    assert watcher._is_local(52)
    assert watcher._is_local(53)
    assert len(asked) == 4
