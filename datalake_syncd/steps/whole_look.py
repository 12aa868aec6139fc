"""One look at a run's whole tree, by the rules of its instrument."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from datalake_syncd.adapters import tree
from datalake_syncd.steps.context import Context


def whole_look(context: Context, tick: Callable[[], None]) -> tree.Look:
    """The sum of one look at the run's whole tree."""
    sum_ = tree.Look()
    for entry in entries(context, tick):
        sum_.add(entry)
    return sum_


def entries(context: Context, tick: Callable[[], None]) -> Iterator[tree.Entry]:
    """Everything below the run, as it comes; ``tick`` is called at each."""
    return tree.look(
        context.folder,
        lake_prefix=context.run.prefix,
        excluder=context.excluder,
        block_special=context.instrument.special_files == "block",
        on_entry=tick,
    )
