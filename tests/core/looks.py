"""Looks at growing data sets, made up: files with their size and how long they were still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from datalake_syncd.core.kinds.growing import SeenFile

HOUR = 3600.0
ANY_NAME = st.text(st.characters(codec=None, exclude_characters="/\0"), min_size=1, max_size=4)


def seen(sizes: Mapping[str, int | bytes] | Iterable[str], still: float = HOUR) -> list[SeenFile]:
    """Files by path, with a size or their bytes; all of them still for so many seconds."""
    if not isinstance(sizes, Mapping):
        sizes = dict.fromkeys(sizes, 1)
    return [
        SeenFile(path, size if isinstance(size, int) else len(size), still)
        for path, size in sizes.items()
    ]


def trees(paths: st.SearchStrategy[str]) -> st.SearchStrategy[list[SeenFile]]:
    """Some of these paths as files, sizes 0 to 2, still for 0 to 3 seconds.

    No path is the folder of another, as on any disk.
    """
    told = st.tuples(st.integers(0, 2), st.integers(0, 3))
    return st.dictionaries(paths, told, max_size=14).map(_tree)


def _tree(made: dict[str, tuple[int, int]]) -> list[SeenFile]:
    folders = {
        "/".join(parts[:depth])
        for parts in (path.split("/") for path in made)
        for depth in range(1, len(parts))
    }
    return [
        SeenFile(path, size, still) for path, (size, still) in made.items() if path not in folders
    ]
