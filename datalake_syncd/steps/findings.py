"""What a look at a run found, written down: settled, waiting for something, or blocked."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from typing import Any

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.ledger import Run
from datalake_syncd.adapters.ledger.rows import RELEASED
from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.kinds.kind import NO_CHECKSUMS
from datalake_syncd.core.model import Gate, Status, Step
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.steps.context import lake_id
from datalake_syncd.steps.places import run_prefix
from datalake_syncd.steps.renamed import RENAMED
from datalake_syncd.steps.renamed import next_step as rename_back
from datalake_syncd.steps.service import Service
from datalake_syncd.steps.settle import Settling

_MEND = "rename, remove or mend what is named; the run goes on by itself then"


def record(service: Service, run: Run, found: Settling) -> None:
    """Move the run as the look says."""
    gates = [asdict(gate) for gate in found.gates]
    if found.settled is not None:
        _settled(service, run, found, found.settled)
        return
    growing = KINDS[service.config.instruments[run.instrument].kind].growing is not None
    if not found.blocked and run.status is Status.BLOCKED and not growing:
        judged = {gate.name for gate in found.gates}
        if any(not gate["passed"] and gate["name"] not in judged for gate in run.gates):
            return  # only a whole look can say that what blocked the run was mended
    status = Status.BLOCKED if found.blocked else Status.WAITING
    next_step = (
        "look at the run on the instrument; if it is to be carried as it is: "
        f"datalake-syncd release {run.key}"
    )
    if any(gate.name in UNRELEASABLE and not gate.passed for gate in found.gates):
        next_step = _MEND
    if any(gate.name == RENAMED and not gate.passed for gate in found.gates):
        next_step = rename_back(run)
    # Names in the reason are escaped already; twice would double their backslashes.
    reason = escape_once(found.reason)
    warned = [(gate["name"], gate["found"]) for gate in run.gates]
    facts = _facts(found)
    asked = next_step if found.blocked else None
    tell(service, run, status, reason, asked, gates, found.observed, facts)
    for gate in found.gates:
        if gate.warns and not gate.passed and (gate.name, gate.found) not in warned:
            _remark(service, run, gate)


#: Gates that nobody can open by a word: the lake can't hold what is behind them.
UNRELEASABLE = frozenset(
    {"names", "look"} | {name for kind in KINDS.values() for name in kind.unreleasable}
)


def _settled(service: Service, run: Run, found: Settling, columns: dict[str, Any]) -> None:
    reach(FailPoint.EFFECT_SETTLE)
    instrument = service.config.instruments[run.instrument]
    outcome = found.assessment.outcome
    growing = KINDS[instrument.kind].growing is not None
    ledger = service.ledger
    message = found.reason
    if not growing:
        message = (
            f"complete and still: {columns['files']} files, {format_bytes(columns['bytes'])}, "
            f"outcome {outcome.value}"
        )
    settled, lost = (ledger.settle_growing if growing else ledger.settle)(
        run,
        found.notes,
        {
            **columns,
            "observed": {k: v for k, v in columns["observed"].items() if k != RELEASED},
            "done": Step.SETTLE,
            "status": Status.READY,
            "reason": None,
            "next_step": None,
            "not_before": None,
            "attempts": 0,
            "prefix": run_prefix(instrument, run.name),
            "lake": lake_id(service.config),
        },
        now=service.wall(),
        message=message,
    )
    reach(FailPoint.RECORD_SETTLE)
    service.log(
        logging.INFO, "run.settled", message, run=run.key, instrument=run.instrument,
        step="settle", files=settled.files, bytes=settled.bytes, outcome=outcome.value,
    )  # fmt: skip
    if found.lapsed:
        missing = ", ".join(found.lapsed)
        text = f"carried although these never came within flag_grace: {missing}"
        service.ledger.runs.event(run.id, service.wall(), "run.flag-missing", text, step="settle")
        service.log(
            logging.WARNING,
            "run.flag-missing",
            text,
            run=run.key,
            instrument=run.instrument,
            next_step="look at the instrument's software; a later flag opens a new generation",
        )
    for gate in found.gates:
        if gate.name == NO_CHECKSUMS:
            _tell_unlisted(service, run, gate.found)
        elif gate.warns:
            _remark(service, run, gate)
    if lost:
        named = ", ".join(escape(path) for path in lost[:5])
        service.log(
            logging.ERROR,
            "run.files-lost",
            f"{len(lost)} files vanished before they were proven: {named}",
            run=run.key,
            instrument=run.instrument,
            next_step="ask who removed them from the instrument; the rest is carried",
        )
    service.work.set()


def _facts(found: Settling) -> dict[str, Any] | None:
    """What is known of the run, as the ledger gives it back; None when that is nothing."""
    facts: dict[str, Any] = json.loads(json.dumps(asdict(found.assessment.facts)))
    return facts if any(value not in (None, []) for value in facts.values()) else None


def _remark(service: Service, run: Run, gate: Gate) -> None:
    text = f"{gate.name}: {gate.found}"
    service.ledger.runs.event(run.id, service.wall(), "run.remark", text, step="settle")
    service.log(
        logging.WARNING,
        "run.remark",
        text,
        run=run.key,
        instrument=run.instrument,
        next_step=f"needed: {gate.needed}",
    )


def _tell_unlisted(service: Service, run: Run, text: str) -> None:
    service.ledger.runs.event(run.id, service.wall(), "run.no-checksums", text, step="settle")
    service.log(
        logging.WARNING,
        "run.no-checksums",
        text,
        run=run.key,
        instrument=run.instrument,
        next_step="look at what the instrument's software should write; nothing waits for it",
    )


def tell(
    service: Service,
    run: Run,
    status: Status,
    reason: str,
    next_step: str | None,
    gates: list[dict[str, Any]] | None = None,
    observed: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
) -> None:
    """Write a reason down if it is new; a newly blocked run is an alarm, once."""
    columns: dict[str, Any] = {"gates": gates or []}
    columns |= {} if observed is None else {"observed": observed}
    columns |= {} if facts is None else {"facts": facts}
    same = (run.status, run.reason) == (status, reason)
    if same and all(getattr(run, name) == value for name, value in columns.items()):
        return
    if same or (status is Status.WAITING and run.status is Status.WAITING):
        columns["next_step"] = next_step
        service.ledger.runs.set(run, status=status, reason=reason, **columns)
        return
    blocked = status is Status.BLOCKED
    service.ledger.runs.move(
        run,
        now=service.wall(),
        event="run.blocked" if blocked else "run.waiting",
        message=reason,
        status=status,
        reason=reason,
        next_step=next_step,
        **columns,
    )
    service.log(
        logging.ERROR if blocked else logging.INFO,
        "run.blocked" if blocked else "run.waiting",
        reason,
        run=run.key,
        instrument=run.instrument,
        step="settle",
        next_step=next_step,
    )
