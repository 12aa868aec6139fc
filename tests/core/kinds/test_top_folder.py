"""The look at a run's top folder gives a sign of life for everything that it asks of a share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from datalake_syncd.adapters import tree
from datalake_syncd.core.kinds import KINDS, TopFolder
from datalake_syncd.steps import top_folder
from datalake_syncd.steps.context import Context

FILES = 300


def look(folder: Path, kind: str, events: list[str]) -> TopFolder:
    instrument = SimpleNamespace(
        source=folder.parent, completion_flags=None, ready_file=None, checksum_file=None
    )
    run = SimpleNamespace(name=folder.name)
    made_up = SimpleNamespace(kind=KINDS[kind], folder=folder, run=run, instrument=instrument)
    context = cast("Context", made_up)
    return top_folder.read_top_folder(context, frozenset(), lambda: events.append("tick"))


def test_no_two_questions_are_asked_without_a_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("workspace", "sample/run"):
        folder = tmp_path / "experiment" / place
        folder.mkdir(parents=True)
        for number in range(FILES):
            (folder / f"read_{number}.fast5").touch()
    (tmp_path / "experiment" / "final_summary_x.txt").touch()
    events: list[str] = []
    for name in ("is_folder", "top_names", "read_small"):
        real = getattr(tree, name)

        def asked(*args: object, real: object = real, **options: object) -> object:
            events.append("asked")
            return real(*args, **options)  # type: ignore[operator]

        monkeypatch.setattr(tree, name, asked)
    top = look(tmp_path / "experiment", "nanopore", events)

    assert set(top.below) == {"workspace", "sample", "sample/run"}
    assert events.count("asked") > FILES
    # A folder is asked what it is, and then for its names.
    asked_in_a_row = max(map(len, "".join(event[0] for event in events).split("t")))
    assert asked_in_a_row <= 2
    assert events.count("tick") > 2 * FILES


def test_names_that_the_kind_never_asks_about_are_signs_of_life_too(tmp_path: Path) -> None:
    folder = tmp_path / "r84047_20230404_164149"
    folder.mkdir()
    for number in range(FILES):
        (folder / f"{number}.txt").touch()
    events: list[str] = []
    look(folder, "pacbio", events)
    assert len(events) > FILES
