"""Files whose bytes are not what the lists that came with the run say."""

from __future__ import annotations

import logging

from datalake_syncd.core.errors import NeedsPerson, SourceChanged
from datalake_syncd.core.model import Outcome
from datalake_syncd.core.names import escape
from datalake_syncd.steps.checksum_lists import CONTENT
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.hash_pool import HashPool
from datalake_syncd.steps.whole_look import whole_look


def accepts_other_content(context: Context) -> bool:
    """Whether a person released this run in spite of content that differs from its lists."""
    return CONTENT in context.run.accepted


def outcome_after(context: Context) -> Outcome:
    """The run's outcome; one that was released in spite of its lists is not called good."""
    outcome = context.run.outcome
    if outcome is Outcome.GOOD and accepts_other_content(context):
        return Outcome.UNKNOWN
    return outcome


def refuse_other_content(context: Context, pool: HashPool) -> None:
    """After all files were hashed: stop the run if any is not what the lists say.

    Raises ``NeedsPerson``, or ``SourceChanged`` when the run is no longer the one that was
    settled: then its lists are read again first.
    """
    if not pool.differing:
        return
    named = "; ".join(f"{escape(path)} ({differs})" for path, differs in pool.named)
    rest = pool.differing - len(pool.named)
    files = "1 file is" if pool.differing == 1 else f"{pool.differing} files are"
    more = f"; and {rest} more" if rest else ""
    told = f"{files} not what the list of checksums says: {named}{more}"
    if accepts_other_content(context):
        context.log(
            logging.WARNING,
            "content.released",
            f"carried as a person released it: {told}",
            step="transfer",
        )
        return
    now = context.patience.call(lambda tick: whole_look(context, tick))
    if now.digest != context.run.tree_digest:
        raise SourceChanged(
            "the run changed after it was settled",
            why="its lists of checksums are read again before anything is compared with them",
        )
    key = escape(context.run.key)
    raise NeedsPerson(
        told,
        why="the content as it arrived, or the list, is wrong; the run gets no marker",
        next_step=(
            "have them sent again and put them in their place, then: datalake-syncd retry "
            f"{key}; to carry them as they are: datalake-syncd release {key}"
        ),
        gate=CONTENT,
    )
