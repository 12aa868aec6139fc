"""What stands now, as the rules of incidents take it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from datalake_syncd.adapters.ledger import Ledger
from datalake_syncd.core.incidents import Found, Incident
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.overview.problems import problems
from datalake_syncd.steps.overview.report import Report

#: Troubles of the mail itself are for `status` and the log: no mail could tell of them.
OWN = "mail"


def found_in(ledger: Ledger, report: Report) -> Iterator[Found]:
    """Everything that needs a person, but for what keeps mails from being sent."""
    for one in problems(report):
        kind, run = one.key.partition("/")[0], one.run
        since = one.since
        if run is not None and kind == "run":
            # A run may have moved last week and be blocked since a minute ago.
            since = ledger.waiting.stopped_at(run.id) or since
        if kind != OWN:
            yield Found(
                one.key,
                None if run is None else run.id,
                one.title,
                one.message,
                one.next_step,
                since,
                None if run is None else run.done.value,
            )


def on_trial(report: Report, standing: Iterable[Incident]) -> set[str]:
    """Incidents of runs that are being tried again and did not get further yet."""
    runs = {run.id: run for run in report.runs}
    trying = (Status.READY, Status.RUNNING, Status.WAITING)
    found = set()
    for one in standing:
        run = runs.get(one.run_id) if one.run_id is not None else None
        if run is None or not one.key.startswith(("run/", "stale/")) or run.done is Step.SIGHTED:
            continue  # what is only looked at is judged anew by every look
        waits = run.shown_status is Status.WAITING and not run.attempts
        if run.done.value == one.step and run.shown_status in trying and not waits:
            found.add(one.key)
    return found
