"""The made-up runs are what the kinds take them for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from datalake_syncd.core.kinds import KINDS
from datalake_syncd.core.kinds.kind import TopFolder
from datalake_syncd.steps.top_folder import matches
from demo.providers import Delivery, NanoporeRun, PacBioRun, Protocol, Written

SECOND = Protocol(sample="sample_2", flowcell="PAS97781", run_id="595b5663", acquisition="efc7f02e")
RUNS: list[tuple[str, Written]] = [
    ("nanopore", NanoporeRun("experiment", protocols=(Protocol(), SECOND))),
    ("nanopore", NanoporeRun("pool", protocols=(Protocol(), replace(SECOND, sample="sample_1")),
                             pooled=True, listed=False)),
    ("pacbio", PacBioRun("r84047_20230404_164149")),
    ("pacbio", PacBioRun("r64089e_20220615_171559", model="sequel")),
    ("folder", Delivery("delivery", algorithm="sha256")),
]  # fmt: skip


@pytest.mark.parametrize(("kind_name", "run"), RUNS)
def test_a_whole_run_is_complete_and_lists_what_it_has(kind_name: str, run: Written) -> None:
    kind = KINDS[kind_name]
    files = run.files()
    folders = {"": set[str]()}
    for path in files:
        parts = path.split("/")
        for depth, name in enumerate(parts):
            folders.setdefault("/".join(parts[:depth]), set()).add(name)
    top = TopFolder(
        run_name=run.name,
        names=tuple(sorted(folders[""])),
        metadata={p.lower(): data for p, data in files.items() if matches(p, kind.metadata_files)},
        below={f: tuple(names) for f, names in folders.items() if matches(f, kind.folders)},
        checksum_file="md5sum.txt",
    )
    assert kind.is_run(run.name)
    assert kind.assess(top).complete, kind.assess(top)
    assert kind.checksum_lists is not None
    assert kind.read_checksums is not None
    lists = kind.checksum_lists(top)
    assert bool(lists) is (run.name != "pool")
    for path in lists:
        result = kind.read_checksums(path, files[path])
        assert result.problems == ()
        assert set(result.entries) <= set(files)
