"""The prune decision: one doubt about one file keeps the whole run."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.core import pruning
from datalake_syncd.core.model import Blob, FileStat, Gate, ManifestFile, Outcome, Proof
from datalake_syncd.core.pruning import FileEvidence, PrunePlan, PrunePolicy, PruneRefusal

STAT = FileStat(10, 1_000, 2_000, 7, 1)
MD5 = "0" * 31 + "1"
OTHER = "f" * 32
POLICY = PrunePolicy(True, 100.0, 50.0, False, False, 2)
STATE = pruning.PruneState(1_000.0, None, Outcome.GOOD, "auto", True, 0, False)


def good(path: str = "a", proof: Proof = Proof.CHECKED) -> FileEvidence:
    row = ManifestFile(path, path, STAT, MD5, proof, "e1")
    return FileEvidence(path, row, STAT, MD5, Blob(f"p/{path}", 10, MD5, "e1"))


def manifest(evidence: FileEvidence, **changes: object) -> FileEvidence:
    assert evidence.manifest is not None
    return replace(evidence, manifest=replace(evidence.manifest, **changes))  # type: ignore[arg-type]


DOUBTS: dict[str, Callable[[FileEvidence], FileEvidence]] = {
    "added after publishing": lambda e: replace(e, manifest=None),
    "gone from the disk": lambda e: replace(e, local=None, local_md5=None),
    "grown": lambda e: replace(e, local=replace(STAT, size=11)),
    "touched": lambda e: replace(e, local=replace(STAT, mtime_ns=1_001)),
    "other bytes on the disk": lambda e: replace(e, local_md5=OTHER),
    "not hashed": lambda e: replace(e, local_md5=None),
    "no MD5 in the manifest": lambda e: manifest(e, md5=None),
    "not in the lake": lambda e: replace(e, blob=None),
    "short in the lake": lambda e: replace(e, blob=Blob("p/a", 9, MD5, "e1")),
    "other MD5 in the lake": lambda e: replace(e, blob=Blob("p/a", 10, OTHER, "e1")),
    "only claimed": lambda e: manifest(e, proof=Proof.CLAIMED),
    "unproven": lambda e: manifest(e, proof=Proof.NONE, proof_etag=None),
    "written again since": lambda e: replace(e, blob=Blob("p/a", 10, MD5, "e2")),
    "proof without an ETag": lambda e: manifest(e, proof_etag=None),
}


def test_a_run_without_any_doubt_is_planned_file_by_file() -> None:
    plan = pruning.decide(
        pruning.gates(POLICY, STATE, 1_200.0), [good("a"), good("b")], read_back=False
    )
    assert isinstance(plan, PrunePlan)
    assert [(item.path, item.stat, item.md5, item.etag) for item in plan.items] == [
        ("a", STAT, MD5, "e1"),
        ("b", STAT, MD5, "e1"),
    ]
    assert plan.bytes == 20


@pytest.mark.parametrize("name", DOUBTS)
def test_g1_one_doubt_keeps_the_whole_run(name: str) -> None:
    evidence = [good("a"), DOUBTS[name](good("b")), good("c")]
    refusal = pruning.decide([], evidence, read_back=False)
    assert isinstance(refusal, PruneRefusal)
    assert len(refusal.reasons) == 1
    assert refusal.reasons[0].startswith("b ")


def test_a_read_back_policy_is_not_content_with_checked() -> None:
    assert isinstance(pruning.decide([], [good()], read_back=True), PruneRefusal)
    assert isinstance(pruning.decide([], [good(proof=Proof.READ_BACK)], read_back=True), PrunePlan)


def test_an_empty_run_proves_nothing() -> None:
    assert isinstance(pruning.decide([], [], read_back=False), PruneRefusal)


@given(st.lists(st.sampled_from([None, *DOUBTS]), min_size=1, max_size=8), st.randoms())
def test_property_a_plan_never_holds_a_file_in_doubt(
    doubts: list[str | None], chance: random.Random
) -> None:
    evidence = [
        good(f"f{n}") if doubt is None else DOUBTS[doubt](good(f"f{n}"))
        for n, doubt in enumerate(doubts)
    ]
    chance.shuffle(evidence)
    decision = pruning.decide([], evidence, read_back=False)
    assert isinstance(decision, PrunePlan) == all(doubt is None for doubt in doubts)
    if isinstance(decision, PrunePlan):
        assert [item.path for item in decision.items] == [one.path for one in evidence]


def test_many_doubts_are_counted_not_listed() -> None:
    evidence = [DOUBTS["not in the lake"](good(f"f{n}")) for n in range(50)]
    refusal = pruning.decide([], evidence, read_back=False)
    assert isinstance(refusal, PruneRefusal)
    assert len(refusal.reasons) == pruning.NAMED_DOUBTS + 1
    assert "30 more" in refusal.reasons[-1]


def failing(policy: PrunePolicy, state: pruning.PruneState, now: float = 1_200.0) -> list[str]:
    return [gate.name for gate in pruning.gates(policy, state, now) if not gate.passed]


def test_every_gate_is_open_for_a_good_old_run() -> None:
    assert failing(POLICY, STATE) == []


@pytest.mark.parametrize(
    ("gate", "policy", "state"),
    [
        ("prune enabled", replace(POLICY, enabled=False), STATE),
        ("kept long enough", replace(POLICY, keep=200.1), STATE),
        ("not held", POLICY, replace(STATE, held="no")),
        ("outcome", POLICY, replace(STATE, outcome=Outcome.ENDED_EARLY)),
        ("outcome", POLICY, replace(STATE, outcome=Outcome.UNKNOWN)),
        ("outcome", replace(POLICY, ended_early=True), replace(STATE, outcome=Outcome.UNKNOWN)),
        ("proof mode", POLICY, replace(STATE, proof_mode="claimed")),
        ("same lake", POLICY, replace(STATE, same_lake=False)),
        ("daily limit", POLICY, replace(STATE, pruned_last_day=2)),
        ("steady clock", POLICY, replace(STATE, clock_jumped=True)),
    ],
)
def test_each_gate_closes_alone(gate: str, policy: PrunePolicy, state: pruning.PruneState) -> None:
    assert failing(policy, state) == [gate]
    refusal = pruning.decide(pruning.gates(policy, state, 1_200.0), [good()], read_back=False)
    assert isinstance(refusal, PruneRefusal)


def test_never_published_is_never_pruned() -> None:
    assert failing(POLICY, replace(STATE, published_at=None)) == ["published", "kept long enough"]


def test_ended_early_only_when_the_configuration_says_so() -> None:
    state = replace(STATE, outcome=Outcome.ENDED_EARLY)
    assert failing(replace(POLICY, ended_early=True), state) == []


def test_a_failing_gate_alone_refuses() -> None:
    gate = Gate("x", False, "y", "z")
    assert isinstance(pruning.decide([gate], [good()], read_back=False), PruneRefusal)
