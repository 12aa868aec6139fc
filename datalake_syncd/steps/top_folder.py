"""The top folder of a run, read for its kind: names, small metadata files, and the verdict."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase

from datalake_syncd.adapters import tree
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.kinds.kind import MAX_METADATA_BYTES, TopFolder
from datalake_syncd.core.kinds.learned import learn
from datalake_syncd.core.model import Assessment
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.renamed import judged

#: So many folders of one run are listed for its kind; most runs have fewer than twenty.
_MAX_FOLDERS = 5000


def assess(
    context: Context, learned: frozenset[str], tick: Callable[[], None]
) -> tuple[Assessment, frozenset[str]]:
    """Read what the kind wants of the run's top folder, and ask it.

    Gives the assessment and what is now known of the flags that this instrument writes.
    """
    top = read_top_folder(context, learned, tick)
    known = learn(learned, context.kind.learned_flags, top.run_name, top.names)
    return judged(context, top, context.kind.assess(top)), known


def read_top_folder(
    context: Context, learned: frozenset[str], tick: Callable[[], None]
) -> TopFolder:
    """The names and metadata files that the kind asks for, read now."""
    kind, folder = context.kind, context.folder
    names = tree.top_names(folder)
    tick()
    below = dict(_below(context, names, tick))
    metadata: dict[str, bytes | None] = {}
    files = [*names, *(f"{path}/{name}" for path, inner in below.items() for name in inner)]
    for path in files:
        tick()
        if path.lower() not in metadata and matches(path, kind.metadata_files):
            metadata[path.lower()] = tree.read_small(folder / path, MAX_METADATA_BYTES)
            tick()
    beside: tuple[str, ...] = ()
    if kind.looks_beside:
        beside = tuple(tree.top_names(context.instrument.source, configured=True))
        tick()
    return TopFolder(
        run_name=context.run.name,
        names=tuple(names),
        metadata=metadata,
        learned=learned,
        flags=context.instrument.completion_flags,
        below=below,
        beside=beside,
        ready_file=context.instrument.ready_file,
        checksum_file=context.instrument.checksum_file,
    )


def matches(path: str, patterns: Iterable[str]) -> bool:
    """Whether a relative path fits one of the patterns, segment by segment, in any case."""
    segments = path.lower().split("/")
    for pattern in patterns:
        wanted = pattern.lower().split("/")
        if len(wanted) == len(segments) and all(map(fnmatchcase, segments, wanted)):
            return True
    return False


def _below(
    context: Context, names: Iterable[str], tick: Callable[[], None]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    waiting = deque(_wanted(context, names, tick))
    listed = 0
    while waiting:
        # Nearly all of them may be files, each asked of a share: that is no standing still.
        tick()
        if listed == _MAX_FOLDERS:
            raise NeedsPerson(
                f"more than {_MAX_FOLDERS} folders of this run have to be looked into",
                why="a part that is not finished could be overlooked",
                next_step="divide the folder, or use another kind for it",
            )
        path = waiting.popleft()
        if not tree.is_folder(context.folder / path):
            continue  # a file, or a link, which is never followed: it is not listed
        inner = tuple(tree.top_names(context.folder / path))
        listed += 1
        yield path, inner
        waiting.extend(_wanted(context, (f"{path}/{name}" for name in inner), tick))


def _wanted(context: Context, paths: Iterable[str], tick: Callable[[], None]) -> Iterator[str]:
    """Those of these paths at which a folder would be one that the kind asks for."""
    for path in paths:
        tick()
        if matches(path, context.kind.folders):
            yield path
