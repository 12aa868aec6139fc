"""Every Monday, if wanted: what was published and pruned in a week, and what stands."""

from __future__ import annotations

from datetime import datetime, timedelta

from datalake_syncd.adapters.ledger import Ledger, Run
from datalake_syncd.config import Mail
from datalake_syncd.core.durations import DAY, format_bytes
from datalake_syncd.core.names import escape
from datalake_syncd.core.wording import counted, moment
from datalake_syncd.steps.mail.letters import machine
from datalake_syncd.steps.overview.problems import problems
from datalake_syncd.steps.overview.report import Report
from datalake_syncd.steps.overview.sentence import sentence

#: Where the ledger keeps the last week that had its digest.
LAST_WEEK = "mail:digest"
#: Local time; people read it when they come in.
_HOUR = 6
_MOST_RUNS = 100


def due(ledger: Ledger, mail: Mail, now: float) -> str | None:
    """The week that wants a digest now, else None; one that was missed comes late, once."""
    if not mail.weekly_digest:
        return None
    # Before six on Monday it is still last week.
    local = datetime.fromtimestamp(now).astimezone() - timedelta(hours=_HOUR)
    week = "{}-W{:02}".format(*local.isocalendar()[:2])
    last = ledger.desk.get(LAST_WEEK)
    if last is None and local.isoweekday() != 1:
        ledger.desk.put(LAST_WEEK, week)  # switched on in the middle of a week
        return None
    return None if last == week else week


def weekly(ledger: Ledger, report: Report, now: float) -> tuple[str, str]:
    """Subject and text."""
    since = now - 7 * DAY
    published = [run for run in report.runs if _after(run.published_at, since)]
    pruned = [run for run in report.runs if _after(run.pruned_at, since)]
    batches = len(ledger.runs.events_since(since, "prune.done")) - len(pruned)
    stands = list(problems(report))
    bytes_ = sum(run.bytes for run in published)
    subject = f"the week: {counted(len(published), 'run')} published ({format_bytes(bytes_)}), " + (
        f"{counted(len(stands), 'thing')} to look at" if stands else "all is well"
    )
    lines = [f"Since {moment(since)}:", "", f"  now: {sentence(report)}", ""]
    lines.append(f"PUBLISHED: {counted(len(published), 'run')}, {format_bytes(bytes_)}")
    lines += _runs(published)
    lines += ["", f"PRUNED: {counted(len(pruned), 'run')} left the local disks"]
    lines += _runs(pruned)
    if batches > 0:
        lines.append(f"  and {counted(batches, 'batch', 'batches')} of growing data sets")
    lines += ["", f"STANDS: {counted(len(stands), 'thing')} that need a person"]
    lines += [f"  {one.title}" for one in stands[:_MOST_RUNS]]
    lines += ["", "-- ", f"datalake-syncd on {machine()}, every Monday (mail.weekly_digest)."]
    return subject, "\n".join(lines)


def _after(at: float | None, since: float) -> bool:
    return at is not None and at >= since


def _runs(runs: list[Run]) -> list[str]:
    lines = [f"  {escape(run.key)}  {format_bytes(run.bytes)}" for run in runs[:_MOST_RUNS]]
    return lines + ([f"  and {len(runs) - _MOST_RUNS} more"] if len(runs) > _MOST_RUNS else [])
