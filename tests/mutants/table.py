"""Every weakened policy: what of the real program it replaces, and which promise it breaks.

A test that can't tell these from the real program proves nothing. Each replaces one decision of the
running program; the product has no hook for it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from datalake_syncd.adapters import tree
from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import looks
from datalake_syncd.adapters.ledger.files import Files
from datalake_syncd.adapters.tree import trash
from datalake_syncd.adapters.tree.folders import Folders
from datalake_syncd.adapters.tree.removal import unlink_at
from datalake_syncd.core import manifest
from datalake_syncd.core.model import Blob, FileEntry, Gate, ManifestFile, Proof
from datalake_syncd.core.pruning import PlanItem
from datalake_syncd.steps import listing, publish, recheck, send, settle, source
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.pruning import emptying, evidence, prune
from datalake_syncd.steps.service import WallClock
from datalake_syncd.steps.source import SourceView
from datalake_syncd.steps.whole_look import whole_look


@dataclass(frozen=True)
class Mutant:
    """``replaces`` are (owner, attribute, what stands there instead).

    ``provoked_by`` are actions of walks (tests/model) that it takes to see the difference.
    """

    name: str
    breaks: str
    replaces: tuple[tuple[object, str, object], ...]
    provoked_by: tuple[str, ...] = ()


@contextmanager
def weakened(mutant: Mutant) -> Iterator[None]:
    """The program in this process is the mutant meanwhile."""
    with ExitStack() as stack:
        for owner, attribute, instead in mutant.replaces:
            stack.enter_context(patch.object(owner, attribute, instead))
        yield


# --- proof ------------------------------------------------------------------------------------


def _claim_is_proof(_file: ManifestFile, blob: Blob) -> Proof:
    return Proof.NONE if blob.md5 is None else Proof.READ_BACK


def _note_keeps(self: Files, run_id: int, batch: Any) -> None:
    with self._db.transaction():
        self._db.execute_many(
            "UPDATE files SET proof=?, proof_etag=? WHERE run_id=? AND path=?",
            ((proof.value, etag, run_id, path) for path, proof, etag in batch),
        )


def _one_by_one(_self: Files, _run_id: int) -> None:
    """Nothing is decided of many files at once: `manifest.judge` sees each of them."""


def _ours_for_ever(file: ManifestFile, blob: Blob) -> bool:
    return file.sent_over is not None


# --- settling ---------------------------------------------------------------------------------


def _one_look(
    context: Context, memory: Any, assessment: Any, monotonic: Any, tick: Callable[[], None]
) -> Any:
    memory.digest, memory.looked_at = whole_look(context, tick).digest, monotonic()
    return settle._second_look(context, memory, assessment, monotonic, tick)


_real_assess: Any = vars(settle)["assess"]


def _all_gates_open(context: Context, learned: frozenset[str], tick: Any) -> Any:
    assessment, learned = _real_assess(context, learned, tick)
    gates = tuple(replace(gate, passed=True) for gate in assessment.gates)
    return replace(assessment, gates=gates), learned


def _whatever_is_there(instrument: Any, known: Any, _expected: Any, _tick: Any) -> SourceView:
    try:
        names = tuple(sorted(os.listdir(instrument.source)))
    except OSError:
        names = ()
    device = None if known is None else known.device
    return SourceView(names, device or os.stat(instrument.source.parent).st_dev)


# --- publishing -------------------------------------------------------------------------------

_OLD_LIST = SimpleNamespace(
    refresh=lambda _context: None, compare=listing.compare, pairs=listing.pairs
)
_real_write = publish._write


class _MarkerFirst:
    """A lake that is given the manifest only after the marker."""

    def __init__(self, lake: Any) -> None:
        self._lake = lake
        self._later: tuple[Any, ...] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lake, name)

    def upload(self, name: str, data: bytes, *more: Any) -> Any:
        if name.endswith(".md5"):
            self._later = (name, data, *more)
            return None
        done = self._lake.upload(name, data, *more)
        reach(FailPoint.MANIFEST_WRITTEN)
        if self._later is not None:
            self._lake.upload(*self._later)
        return done


def _marker_first(context: Context, *what: Any) -> float:
    wrong: Any = _MarkerFirst(context.lake)
    return _real_write(replace(context, lake=wrong), *what)


# --- pruning ----------------------------------------------------------------------------------


def _no_rehash(context: Context, _tick: Callable[[], None]) -> list[Any]:
    files, run = context.ledger.files, context.run
    md5s = {file.path: file.md5 for page in files.pages(run.id) for file in page}
    found = tree.look(
        context.folder, lake_prefix=run.prefix, excluder=context.excluder, block_special=True
    )
    files.begin_look(run.id)
    entries = [entry for entry in found if isinstance(entry, FileEntry)]
    files.add_seen(run.id, [(entry, md5s.get(entry.path)) for entry in entries])
    return []


_real_gates = evidence.gates


def _keeps_nothing(context: Context) -> tuple[Gate, ...]:
    return tuple(
        replace(gate, passed=True) if gate.name == "kept long enough" else gate
        for gate in _real_gates(context)
    )


def _rmtree(source: Path, name: str, plan: list[PlanItem], **_more: Any) -> trash.Emptied:
    shutil.rmtree(source / trash.TRASH / name)
    return trash.Emptied(len(plan), 0, 0, ())


def _unlink_by_name(self: Folders, item: PlanItem, *_more: Any) -> bool | None:
    parent = self._parent(item.path)
    if parent is None:
        return None
    try:
        unlink_at(item.path.rpartition("/")[2], parent)
    except FileNotFoundError:
        return None
    return True


MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "claim-is-proof",
        "I1, I4: an equal Content-MD5 is taken for the bytes",
        ((manifest, "_proof", _claim_is_proof),),
        ("flip a bit",),
    ),
    Mutant(
        "ours-for-ever",
        "I1: a blob of others is proven because this service sent that name once",
        (
            (Files, "write_proofs", _note_keeps),
            (Files, "prove_as_sent", _one_by_one),
            (manifest, "_ours", _ours_for_ever),
        ),
        ("others forge", "pass time"),
    ),
    Mutant(
        "exit-code-is-proof",
        "I7: what azcopy calls done is announced, whatever the lake lists",
        ((manifest.Comparison, "clean", property(lambda _self: True)),),
        ("lose an upload",),
    ),
    Mutant(
        "size-and-time",
        "I5: a file with its old size and time is taken for its old content",
        ((looks, "_KNOWN", "files.size=excluded.size AND files.mtime_ns=excluded.mtime_ns"),),
        ("rewrite, old time", "late file"),
    ),
    Mutant(
        "one-look",
        "I16: a run settles without having been still for the quiet time",
        ((settle, "_first_look", _one_look),),
    ),
    Mutant(
        "no-flag",
        "I5: a run settles before its instrument says that it is complete",
        ((settle, "assess", _all_gates_open),),
    ),
    Mutant(
        "unmount-is-deletion",
        "I8: a share that is away is read as runs that somebody took away",
        ((source, "view", _whatever_is_there),),
        ("unmount",),
    ),
    Mutant(
        "no-look-before-marker",
        "I5: what is announced is not what is on the disk by then",
        ((recheck, "source_unchanged", lambda _context: None),),
        ("rewrite", "advance a little"),
    ),
    Mutant(
        "no-list-before-marker",
        "I4: what is announced is not what is in the lake by then",
        ((recheck, "listing", _OLD_LIST),),
        ("others delete", "advance a little"),
    ),
    Mutant(
        "marker-first",
        "I4: a marker stands without the manifest that it tells of",
        ((publish, "_write", _marker_first), (publish, "reach", lambda _point: None)),
    ),
    Mutant(
        "no-snapshot",
        "I10: what others wrote is overwritten, and no version of it stays",
        ((send, "not_kept", lambda _file, _blob: False),),
        ("others write",),
    ),
    Mutant(
        "no-rehash",
        "I1: local bytes go that nobody carried",
        ((evidence, "_look_and_hash", _no_rehash),),
        ("rewrite, old time", "pass time"),
    ),
    Mutant(
        "no-list-before-trash",
        "I1: a run goes that the lake holds no more",
        ((evidence, "listing", _OLD_LIST),),
        ("others delete", "pass time"),
    ),
    Mutant(
        "no-list-before-unlink",
        "I1: the last copy is unlinked after the lake lost its own",
        ((prune, "gone_from_lake", lambda _context, _md5s: []),),
        ("others delete", "pass time"),
    ),
    Mutant(
        "rmtree",
        "I2, I3: files go that no plan names",
        ((trash, "empty", _rmtree),),
        ("stray in trash", "pass time"),
    ),
    Mutant(
        "unlinks-by-name",
        "I1: a file goes that is another one than was carried",
        (
            (emptying, "_as_they_are_now", lambda _context, plan: plan),
            (Folders, "remove", _unlink_by_name),
        ),
        ("rewrite in trash", "pass time"),
    ),
    Mutant(
        "keeps-nothing",
        "keep: a run goes as soon as it is published",
        (
            (evidence, "gates", _keeps_nothing),
            (evidence, "_young_in_lake", lambda _context: None),
        ),
    ),
    Mutant(
        "wall-clock-alone",
        "K2: a clock that jumps ahead ends the trash's time at once",
        ((WallClock, "jumped", lambda _self: False),),
        ("clock jumps",),
    ),
)
