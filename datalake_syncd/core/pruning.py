"""The decision to free local disk: evidence in, a plan or the reasons against it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from datalake_syncd.core.durations import format_duration
from datalake_syncd.core.model import Blob, FileStat, Gate, ManifestFile, Outcome, Proof
from datalake_syncd.core.wording import counted

#: So many files in doubt are named in a refusal; the rest is counted.
NAMED_DOUBTS = 20


@dataclass(frozen=True, slots=True)
class PrunePolicy:
    """What the configuration allows; times in seconds."""

    enabled: bool
    keep: float
    trash: float
    read_back: bool
    ended_early: bool
    max_runs_per_day: int


@dataclass(frozen=True, slots=True)
class PruneState:
    """What the ledger says of the run; times in seconds since the epoch."""

    published_at: float | None
    held: str | None
    outcome: Outcome
    proof_mode: str
    same_lake: bool
    pruned_last_day: int
    clock_jumped: bool
    person_asked: bool = False


@dataclass(frozen=True, slots=True)
class FileEvidence:
    """All that is known, read now, about one path: manifest row, local file, blob."""

    path: str
    manifest: ManifestFile | None
    local: FileStat | None
    local_md5: str | None
    blob: Blob | None


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One local file that may go: path below the run folder and its identity on disk."""

    path: str
    stat: FileStat
    md5: str
    etag: str


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """Exactly the files that go; nothing else is ever touched."""

    items: tuple[PlanItem, ...]

    @property
    def bytes(self) -> int:
        """Bytes that the plan frees."""
        return sum(item.stat.size for item in self.items)


@dataclass(frozen=True, slots=True)
class PruneRefusal:
    """Why nothing of the run goes."""

    reasons: tuple[str, ...]


def gates(policy: PrunePolicy, state: PruneState, now: float) -> tuple[Gate, ...]:
    """Every condition that needs no look at files; all must pass."""
    age = None if state.published_at is None else now - state.published_at
    outcome_fine = state.outcome is Outcome.GOOD or (
        policy.ended_early and state.outcome in (Outcome.ENDED_EARLY, Outcome.FAILED)
    )
    return (
        Gate("prune enabled", policy.enabled, _yes(policy.enabled), "prune.enabled = true"),
        Gate(
            "published",
            state.published_at is not None,
            _yes(state.published_at is not None),
            "the marker is in the lake",
        ),
        Gate(
            "kept long enough",
            age is not None and age >= policy.keep,
            "never published" if age is None else f"{format_duration(age)} since publishing",
            f"{format_duration(policy.keep)} (prune.keep)",
        ),
        Gate("not held", state.held is None, state.held or "no hold", "no hold"),
        Gate(
            "outcome",
            outcome_fine,
            state.outcome.value,
            "good" if not policy.ended_early else "good, ended-early or failed",
        ),
        Gate(
            "proof mode",
            state.proof_mode != "claimed",
            state.proof_mode,
            'lake.proof = "auto" or "read-back": a claimed MD5 never frees a disk',
        ),
        Gate("same lake", state.same_lake, _yes(state.same_lake), "published to today's lake"),
        Gate(
            "daily limit",
            state.person_asked or state.pruned_last_day < policy.max_runs_per_day,
            f"{counted(state.pruned_last_day, 'run')} in the last 24 h",
            f"fewer than {policy.max_runs_per_day} (prune.max_runs_per_day)",
        ),
        Gate(
            "steady clock",
            not state.clock_jumped,
            "jumped within the last hour" if state.clock_jumped else "steady",
            "no jump of over 5 min within the last hour",
        ),
    )


def doubt(evidence: FileEvidence, *, read_back: bool) -> str | None:
    """Why this one path may not go, or None; the whole safety of pruning is in here."""
    row, blob, local = evidence.manifest, evidence.blob, evidence.local
    if row is None:
        return "is not in the manifest: it came after the run was published"
    if local is None:
        return "is in the manifest but no longer on the disk"
    if (local.size, local.mtime_ns) != (row.stat.size, row.stat.mtime_ns):
        return "changed on the disk since it was carried (size or time)"
    if row.md5 is None or evidence.local_md5 is None:
        return "has no MD5 to compare"
    if evidence.local_md5 != row.md5:
        return "has other content on the disk than what was carried (MD5)"
    if blob is None:
        return "is not in the lake"
    if blob.size != local.size:
        return f"has {blob.size} bytes in the lake and {local.size} on the disk"
    if blob.md5 is not None and blob.md5 != row.md5:
        return "has another MD5 in the lake"
    needed = Proof.READ_BACK if read_back else Proof.CHECKED
    if row.proof.rank < needed.rank:
        return f"is only '{row.proof.value}' in the lake, '{needed.value}' is needed"
    if row.proof_etag is None or row.proof_etag != blob.etag:
        return "was written again in the lake since it was proven"
    return None


def decide(
    conditions: Iterable[Gate], evidence: Iterable[FileEvidence], *, read_back: bool
) -> PrunePlan | PruneRefusal:
    """All of the run or nothing: a plan of every file, or every reason against it."""
    reasons = [
        f"{gate.name}: found {gate.found}; needed {gate.needed}"
        for gate in conditions
        if not gate.passed
    ]
    items: list[PlanItem] = []
    doubts = 0
    for one in evidence:
        why = doubt(one, read_back=read_back)
        if why is not None:
            doubts += 1
            if doubts <= NAMED_DOUBTS:
                reasons.append(f"{one.path} {why}")
        elif one.local is not None and one.local_md5 is not None and one.blob is not None:
            items.append(PlanItem(one.path, one.local, one.local_md5, one.blob.etag))
    if doubts > NAMED_DOUBTS:
        reasons.append(f"and {doubts - NAMED_DOUBTS} more files in doubt")
    if not items and not reasons:
        reasons.append("the run has no files: an empty folder proves nothing")
    return PruneRefusal(tuple(reasons)) if reasons else PrunePlan(tuple(items))


def _yes(value: bool) -> str:
    return "yes" if value else "no"
