"""What a scrub found, written down for everybody: in the ledger, and in words with what to do."""

from __future__ import annotations

from datalake_syncd.adapters.ledger import Ledger, Run, Trouble
from datalake_syncd.core.wording import command
from datalake_syncd.steps.published import Place
from datalake_syncd.steps.scrub.found import Found, How


def scrub_key(run: str) -> str:
    """The key of the trouble that stands while a run is not in the lake as it was published."""
    return f"scrub/{run}"


def write_down(how: How, place: Place, found: Found) -> str:
    """Keep the result of one run; gives ``found``, ``mended`` (it was wrong before) or ``""``."""
    ledger = how.ledger
    if found.left_out is not None:
        return ""
    if found.whole:
        number = ledger.scrubs.place(how.lake_id, place.prefix)
        read = (found.files_read, found.bytes_read)
        summary = found.summary() if found.wrong else None
        ledger.scrubs.finish(number, how.this_pass, how.now(), read, summary)
    if not found.wrong:
        # Only a scrub that came to its end has read again what was wrong.
        return "mended" if found.whole and ledger.desk.trouble_over(scrub_key(found.run)) else ""
    if place.run is None:
        return "found"
    message, run = alarm(found), place.run
    stands = any(
        (one.key, one.message) == (scrub_key(run.key), message) for one in ledger.desk.troubles()
    )
    trouble = Trouble(scrub_key(run.key), message, next_step(run), how.now(), run.instrument)
    ledger.desk.trouble(trouble)
    if not stands:
        ledger.runs.event(run.id, how.now(), "scrub.found", message, found.summary())
    return "found"


def alarm(found: Found) -> str:
    """The finding in one sentence."""
    return f"{found.run} is no longer in the lake as it was published: {found.sentence()}"


def next_step(run: Run | None) -> str:
    """What to do, by what is left of the run here."""
    kept = (
        "find the earlier state in the lake: soft-deleted blobs (az storage blob undelete), "
        "versions, snapshots"
    )
    who = "find out who changes or deletes there"
    if run is None:
        return f"{kept}; {who}"
    again = f"then see whether all is well: {command('scrub', run.key)}"
    if run.pruned_at is None:
        return (
            f"if the run is still on the disk: {command('retry', run.key)} sends again what the "
            f"lake lacks; else {kept}; {who}; {again}"
        )
    if run.emptied_at is None and run.trash is not None:
        return (
            f"the run is still in the trash, at once: {command('undo', run.key)}, then release "
            f"and retry it, which sends again what the lake lacks; {who}; {again}"
        )
    return f"it was pruned here, so {kept}; {who}; {again}"


def standing(ledger: Ledger) -> int:
    """How many runs are not as they were published, as far as is known."""
    return sum(one.key.startswith("scrub/") for one in ledger.desk.troubles())
