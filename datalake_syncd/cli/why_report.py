"""Why a run is where it is: every gate of upload, publish and prune, from the ledger alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any

from datalake_syncd.adapters.ledger import (
    DaemonState,
    Event,
    InstrumentRow,
    Ledger,
    Run,
    ScrubState,
    daemon_state,
)
from datalake_syncd.cli.places import Settings
from datalake_syncd.core import pruning
from datalake_syncd.core.durations import DAY, MINUTE, format_duration
from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.model import Gate, Oddity, Proof, Status, Step
from datalake_syncd.core.names import escape
from datalake_syncd.core.pruning import PrunePolicy, PruneState
from datalake_syncd.core.sheets import ATTACHED, SHEET, near_sheets_key
from datalake_syncd.core.wording import ago, iso_or_none, moment
from datalake_syncd.steps.notes import CONFIG_REFUSED, UPLOADS_PAUSED
from datalake_syncd.steps.overview.document import run_document
from datalake_syncd.steps.overview.report import delivered

#: So many files in doubt are named.
NAMED = 20
_SECONDS = re.compile(r"^(\d+) s\b")
#: What `steps.sheets.attach` and `steps.recheck` find wrong with a sheet.
_SHEET_GATES = (SHEET, "attached sheet")
_NEEDED = {"auto": Proof.CHECKED, "read-back": Proof.READ_BACK, "claimed": Proof.CLAIMED}


@dataclass(frozen=True, slots=True)
class Why:
    """All that the ledger knows about one run; times in seconds since the epoch."""

    run: Run
    instrument: InstrumentRow | None
    daemon: DaemonState
    now: float
    upload: tuple[Gate, ...]
    publish: tuple[Gate, ...]
    prune: tuple[Gate, ...]
    next_look: float | None
    oddities: tuple[Oddity, ...]
    unproven: tuple[tuple[str, str], ...]
    more_unproven: bool
    history: tuple[Event, ...]
    trash_until: float | None
    near_sheets: tuple[str, ...]
    scrub: ScrubState | None
    document: dict[str, Any]


def explain(settings: Settings, ledger: Ledger, run: Run, now: float, events: int) -> Why:
    """Put together everything about a run; reads no source and no lake."""
    desk = ledger.desk
    instrument = desk.instrument(run.instrument)
    daemon = daemon_state(settings.state_dir)
    notes = desk.get(UPLOADS_PAUSED), desk.get(CONFIG_REFUSED)
    upload = tuple(_upload(run, instrument, daemon, notes, now))
    publish = tuple(_publish(settings, ledger, run))
    state = _prune_state(settings, ledger, run, now)
    prune = tuple(_prune(settings, run, state, now))
    unproven = list(islice(_unproven(settings, ledger, run), NAMED + 1))
    trash = settings.seconds("instruments", run.instrument, "prune", "trash", default=3 * DAY)
    why = Why(
        run=run,
        instrument=instrument,
        daemon=daemon,
        now=now,
        upload=upload,
        publish=publish,
        prune=prune,
        next_look=_next_look(settings, run, instrument, now),
        oddities=tuple(ledger.files.notes(run.id)),
        unproven=tuple(unproven[:NAMED]),
        more_unproven=len(unproven) > NAMED,
        history=tuple(ledger.runs.history(run.id, events)),
        trash_until=run.pruned_at + trash if run.pruned_at and run.trash else None,
        near_sheets=_near_sheets(ledger, run),
        scrub=None if run.lake is None else ledger.scrubs.state(run.lake, run.prefix),
        document={},
    )
    why.document.update(_document(why, ledger))
    return why


def _upload(
    run: Run,
    instrument: InstrumentRow | None,
    daemon: DaemonState,
    notes: tuple[str | None, str | None],
    now: float,
) -> Iterator[Gate]:
    paused, refused = notes
    configured = instrument is not None and instrument.configured
    found = "it is" if configured else "it is not"
    yield Gate("instrument configured", configured, found, "it is in the configuration")
    if instrument is not None:
        online = instrument.online is True
        found = f"it did {ago(instrument.last_scan, now)}" if online else "not looked at yet"
        yield Gate("source answers", online, instrument.offline_reason or found, "it does")
    if daemon.running is not None:
        found = "it runs" if daemon.running else "none runs now"
        yield Gate("daemon running", daemon.running, found, "start it: datalake-syncd run")
    held = run.hold_reason
    yield Gate("not held", held is None, held or "no hold", "no hold", held is not None)
    if paused is not None:
        yield Gate("uploads", False, paused, "the lake takes our credentials", True)
    if refused is not None:
        first = refused.partition("\n")[0]
        yield Gate("changed configuration", False, first, "it is right", True)
    for gate in run.gates:
        if gate["name"] not in _SHEET_GATES:
            yield Gate(**gate)


def _publish(settings: Settings, ledger: Ledger, run: Run) -> Iterator[Gate]:
    needed = _needed(settings)
    past = _reached(run, Step.VERIFY) and run.files > 0
    found = f"{run.files_proven:,} of {run.files:,} files"
    found += f", the weakest is {run.proof.value}" if past else ", verified after the transfer"
    yield Gate("every file proven", past, found, f"all, at least {needed.value}")
    kind = KINDS.get(str(settings.value("instruments", run.instrument, "kind")))
    if kind is None or kind.growing is None:
        yield _sheet(settings, ledger, run)
    published = run.published_at is not None and delivered(run)
    found = "in the lake" if published else "not yet"
    if run.published_at is not None and not published:
        found = f"of generation {run.generation}; a newer one is on the way"
    yield Gate("marker", published, found, f"{escape(run.prefix)}.sync is in the lake")


def _sheet(settings: Settings, ledger: Ledger, run: Run) -> Gate:
    place = "instruments", run.instrument
    required = settings.value(*place, "sample_sheet") == "required"
    needed = "attached" if required else "attached when it comes; not required"
    for gate in run.gates:
        if gate["name"] in _SHEET_GATES and not gate["passed"]:
            return Gate("sample sheet", False, gate["found"], needed)
    if run.sheet is not None:
        summary = f" ({run.sheet['summary']})" if run.sheet.get("summary") else ""
        return Gate("sample sheet", True, f"attached: {sheet_place(run.sheet)}{summary}", needed)
    if run.tree_digest is None and run.emptied_at is not None:
        found = "not known: of this run only the marker is; one that comes is not attached"
        return Gate("sample sheet", True, found, needed)
    if settings.value(*place, "sample_sheets") is None and required:
        own = ledger.files.one(run.id, ATTACHED) is not None
        found = "the instrument's own" if own else "none, and there is no sample_sheets folder"
        return Gate("sample sheet", own, found, f"{ATTACHED} of the instrument itself")
    told = ledger.runs.last_event(run.id, "sheet.unusable")
    unusable = "" if told is None else f"; {moment(told.at)}: {(told.data or {}).get('reason', '')}"
    return Gate("sample sheet", not required, f"none yet{unusable}", needed)


def sheet_place(sheet: dict[str, Any]) -> str:
    """Where an attached sheet came from, safe to show."""
    path = sheet.get("path")
    return "it was in the lake already" if path is None else escape(str(path))


def _near_sheets(ledger: Ledger, run: Run) -> tuple[str, ...]:
    """Files that look like the sheet of a run that has none, in words."""
    if run.sheet is not None:
        return ()
    found = json.loads(ledger.desk.get(near_sheets_key(run.instrument)) or "{}")
    return tuple(found.get(run.name, ()))


def _reached(run: Run, step: Step) -> bool:
    order = list(Step)
    return order.index(run.done) >= order.index(step)


def _needed(settings: Settings) -> Proof:
    return _NEEDED.get(str(settings.value("lake", "proof", default="auto")), Proof.CHECKED)


def _prune_state(settings: Settings, ledger: Ledger, run: Run, now: float) -> PruneState:
    lake = settings.value("lake", default={})
    account, container = lake.get("account_url", ""), lake.get("container", "")
    return PruneState(
        published_at=run.published_at,
        held=run.hold_reason,
        outcome=run.outcome,
        proof_mode=str(settings.value("lake", "proof", default="auto")),
        same_lake=run.lake in (None, f"{str(account).rstrip('/')}/{container}"),
        pruned_last_day=ledger.runs.pruned_since(run.instrument, now - DAY),
        clock_jumped=False,  # only the daemon knows
    )


def policy(settings: Settings, instrument: str) -> PrunePolicy:
    """The instrument's prune settings as they stand in the file, with the same defaults."""
    table = settings.value("instruments", instrument, "prune", default={})
    values = table if isinstance(table, dict) else {}
    place = ("instruments", instrument, "prune")
    limit = values.get("max_runs_per_day", 20)
    return PrunePolicy(
        enabled=values.get("enabled") is True,
        keep=settings.seconds(*place, "keep", default=14 * DAY),
        trash=settings.seconds(*place, "trash", default=3 * DAY),
        read_back=values.get("proof") == "read-back",
        ended_early=values.get("ended_early") is True,
        max_runs_per_day=limit if isinstance(limit, int) else 20,
    )


def _prune(settings: Settings, run: Run, state: PruneState, now: float) -> Iterator[Gate]:
    rules = policy(settings, run.instrument)
    yield Gate(
        "road finished",
        run.done in (Step.PUBLISH, Step.PRUNE),
        f"the last finished step is '{run.done}'",
        "publish",
    )
    for gate in pruning.gates(rules, state, now):
        if gate.name == "steady clock":
            continue
        needed = _readable(gate.needed)
        if gate.name == "kept long enough" and run.published_at is not None:
            needed += f", reached on {moment(run.published_at + rules.keep)}"
        yield Gate(gate.name, gate.passed, _readable(gate.found), needed)
    level = Proof.READ_BACK if rules.read_back else Proof.CHECKED
    enough = run.files > 0 and run.files_proven >= run.files and run.proof.rank >= level.rank
    found = f"{run.files_proven:,} of {run.files:,}, the weakest is {run.proof.value}"
    yield Gate("every file proven", enough, found, f"all, at least {level.value}")


def _readable(text: str) -> str:
    """``1209600 s (prune.keep)`` as ``14 d (prune.keep)``."""
    return _SECONDS.sub(lambda found: format_duration(int(found[1])), text)


def _unproven(settings: Settings, ledger: Ledger, run: Run) -> Iterator[tuple[str, str]]:
    """Files that are less than proven, once that is something to worry about."""
    if not _reached(run, Step.TRANSFER) or (
        _reached(run, Step.VERIFY) and run.files_proven >= run.files
    ):
        return
    needed = _needed(settings)
    for file in chain.from_iterable(ledger.files.pages(run.id)):
        if file.proof.rank < needed.rank:
            yield file.path, file.proof.value


def _next_look(
    settings: Settings, run: Run, instrument: InstrumentRow | None, now: float
) -> float | None:
    if run.hold_reason is not None or run.status in (Status.BLOCKED, Status.FINISHED):
        return None
    if run.not_before is not None:
        return run.not_before
    if run.done is Step.SIGHTED and instrument is not None and instrument.last_scan is not None:
        interval = settings.seconds("daemon", "scan_interval", default=MINUTE)
        return max(instrument.last_scan + interval, now)
    return None


def _document(why: Why, ledger: Ledger) -> dict[str, Any]:
    run = why.run
    progress = ledger.desk.progress().get(run.id)
    return {
        **run_document(run, progress),
        "daemon_running": why.daemon.running,
        "next_look": iso_or_none(why.next_look),
        "gates": {
            "upload": [asdict(gate) for gate in why.upload],
            "publish": [asdict(gate) for gate in why.publish],
            "prune": [asdict(gate) for gate in why.prune],
        },
        "not_carried": [asdict(one) for one in why.oddities],
        "unproven": [{"path": path, "proof": proof} for path, proof in why.unproven],
        "more_unproven": why.more_unproven,
        "pending": [
            {"unit": unit, "reason": reason} for unit, reason in run.observed.get("pending") or ()
        ],
        "scrub": None if why.scrub is None else _scrub_document(why.scrub),
        "sheet": run.sheet,
        "near_sheets": list(why.near_sheets),
        "trash": run.trash,
        "trash_until": iso_or_none(why.trash_until),
        "emptied_at": iso_or_none(run.emptied_at),
        "lake": run.lake,
        "prefix": run.prefix,
        "released": list(run.released),
        "trace": run.trace,
        "history": [
            {
                "at": iso_or_none(event.at),
                "event": event.event,
                "step": event.step,
                "message": event.message,
                "data": event.data,
            }
            for event in why.history
        ],
    }


def _scrub_document(state: ScrubState) -> dict[str, Any]:
    return {
        "at": iso_or_none(state.at),
        "found": state.found,
        "files_read": state.files_read,
        "oldest": iso_or_none(state.oldest),
    }
