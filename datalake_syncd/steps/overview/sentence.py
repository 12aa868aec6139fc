"""All of a look in one sentence: how ``status`` begins, and what systemd shows."""

from __future__ import annotations

from datalake_syncd.adapters.ledger import Run
from datalake_syncd.core.model import Step
from datalake_syncd.core.wording import counted
from datalake_syncd.steps.overview.report import Report

#: What is being done, by the step that was finished before.
DOING = {
    Step.SIGHTED: "settling",
    Step.SETTLE: "transferring",
    Step.TRANSFER: "verifying",
    Step.VERIFY: "attaching the sample sheet",
    Step.ATTACH_SHEET: "publishing",
    Step.PUBLISH: "pruning",
    Step.PRUNE: "emptying the trash",
}


def doing(run: Run) -> str:
    """What is, or was, being done with a run after its last finished step."""
    if run.done is Step.PUBLISH and any(not gate["passed"] for gate in run.gates):
        return "looking at what is new in it"  # what was published before stands
    return DOING[run.done]


def sentence(report: Report) -> str:
    """All of it in one sentence."""
    configured = [one for one in report.instruments if one.configured]
    online = sum(one.online is True for one in configured)
    offline = len(report.offline)
    unknown = len(configured) - online - offline
    parts = [f"{counted(online, 'instrument')} online"]
    if offline:
        parts.append(f"{offline} offline")
    if unknown:
        parts.append(f"{unknown} not looked at yet")
    if not configured:
        parts = ["no instruments known yet"]
    moving, need, held = len(report.on_the_way), report.in_need, len(report.held)
    runs = [f"{counted(moving, 'run')} on the way"]
    if report.stuck:
        runs.append(f"{len(report.stuck)} not moving")
    runs.append(f"{need} need{'s' if need == 1 else ''} you" if need else "none needs you")
    if held:
        runs.append(f"{held} held")
    return f"{', '.join(parts)}; {', '.join(runs)}."
