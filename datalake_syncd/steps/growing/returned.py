"""Files of a growing data set that were freed from this disk, and are back on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from datalake_syncd.core.kinds.growing import Arrangement
from datalake_syncd.core.model import FileStat, Gate
from datalake_syncd.core.names import escape
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.growing.seeing import Seen
from datalake_syncd.steps.growing.slices import ScanBudget, Slices


@dataclass(slots=True)
class Compared:
    """What earlier looks have read: path -> (identity on disk, MD5), and a file read in part."""

    md5s: dict[str, tuple[FileStat, str]] = field(default_factory=dict)
    slices: Slices = field(default_factory=Slices)
    budget: ScanBudget = field(default_factory=ScanBudget)
    #: Whether the last look could not read all that came back.
    unfinished: bool = False


def compare_returned(
    context: Context,
    seen: Seen,
    plan: Arrangement,
    tick: Callable[[], None],
    compared: Compared,
) -> tuple[dict[str, str], list[Gate]]:
    """The same content, or a person decides; gives the MD5s that were read, and the gates."""
    freed = context.ledger.growth.freed(context.run.id)
    sizes = context.ledger.growth.freed_sizes(context.run.id)
    md5s: dict[str, str] = {}
    other: list[str] = []
    for place in plan.placed:
        before = freed.get(place.lake_path)
        if before is None:
            continue
        stat = seen.files[place.path].stat
        if stat.size != sizes[place.lake_path]:
            other.append(escape(place.path))  # no byte of it has to be read to know that
            continue
        md5 = _md5(context, place.path, stat, tick, compared)
        if md5 is None:
            compared.unfinished = True
            return {}, [_still_compared(place.path)]
        md5s[place.path] = md5
        if md5 != before:
            other.append(escape(place.path))
    if not other or "returned" in context.run.accepted:
        return md5s, []
    named = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
    found = f"{named}: came back with other content than what was published and pruned"
    needed = "no other content under the name of a pruned file"
    return md5s, [Gate("returned", False, found, needed, needs_person=True)]


def _md5(
    context: Context, path: str, stat: FileStat, tick: Callable[[], None], compared: Compared
) -> str | None:
    """From an earlier look or read now; None when this scan has read enough."""
    known = compared.md5s.get(path)
    if known is not None and known[0] == stat:
        return known[1]
    if compared.budget.spent:
        return None
    with compared.budget.spending() as until:
        md5 = compared.slices.md5(
            context.folder, path, stat, until=until, tick=tick, should_stop=context.should_stop
        )
    if md5 is not None:
        compared.md5s[path] = (stat, md5)
    return md5


def _still_compared(path: str) -> Gate:
    found = f"{escape(path)} came back and is compared with what was published"
    return Gate("returned", False, found, "the same content")
