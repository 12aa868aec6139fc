"""A generation that would name fewer files than the one before: a person decides."""

from __future__ import annotations

import logging

from datalake_syncd.core import manifest
from datalake_syncd.core.errors import NeedsPerson
from datalake_syncd.core.names import escape
from datalake_syncd.core.sheets import ATTACHED
from datalake_syncd.steps.context import Context
from datalake_syncd.steps.recheck import SHEET_IN_LAKE

#: The gate that keeps a run from being announced again without files that were announced.
SMALLER = "fewer files"
_NAMED = 5


def refuse_smaller(context: Context, old: bytes | None, lines: bytes) -> None:
    """Raise ``NeedsPerson`` when ``NAME.md5`` names files that the run no longer has.

    They are in the lake, and no blob is ever removed: but who restores the run, or prunes it,
    goes by the newest manifest. An instrument that frees its own disk takes a run away bit by
    bit. A growing data set keeps what it announced, so nothing is lost there.
    """
    if old is None or context.kind.growing is not None or manifest.names_just(old, lines):
        return
    files, run = context.ledger.files, context.run
    sheet = run.sheet is not None or SHEET_IN_LAKE in run.accepted
    gone = [
        path
        for path in manifest.named_in(old)
        if not files.goes_to(run.id, path) and not (sheet and path == ATTACHED)
    ]
    if not gone:
        return
    named = ", ".join(map(escape, gone[:_NAMED])) + (", …" if len(gone) > _NAMED else "")
    what = "1 file is" if len(gone) == 1 else f"{len(gone)} files are"
    told = f"{what} no longer in the run, and the generation before named them: {named}"
    if SMALLER in run.accepted:
        text = f"released by a person: {told}; they stay in the lake"
        context.ledger.runs.event(run.id, context.now(), "run.smaller", text, step="publish")
        context.log(logging.WARNING, "run.smaller", text, step="publish")
        return
    raise NeedsPerson(
        told,
        why="what was announced would be missing from the manifest; the blobs are still there",
        next_step=(
            f"put them back (datalake-syncd restore {escape(run.key)} DIR fetches them), then: "
            f"datalake-syncd retry {escape(run.key)}; to announce the run without them: "
            f"datalake-syncd release {escape(run.key)}"
        ),
        gate=SMALLER,
    )
