"""The demo checks everything itself: what is not true must not come out as true."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from demo.acts import ANALYSIS_FLAG, ATTACHED, READY, Act, ProjectAct, RunAct, acts
from demo.evidence import InLake, claims
from demo.stage import TRASH, Folders

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class World:
    """One act with its disk and its lake, as they are when all went well."""

    act: Act
    folders: Folders
    lake: dict[str, InLake]
    before: dict[str, str] | None

    def put(self, name: str, content: bytes, *, after: int = 0) -> None:
        """A blob, written so many seconds after noon."""
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        modified = NOON + timedelta(seconds=after)
        self.lake[name] = InLake(name, content, md5, f"etag of {name}", modified)

    def change(self, name: str, **what: object) -> None:
        """Another content, MD5, ETag or time for one blob."""
        self.lake[name] = replace(self.lake[name], **what)  # type: ignore[arg-type]

    def announce(self, generation: int) -> None:
        """Manifest and marker."""
        md5s = {
            path: hashlib.md5(content, usedforsecurity=False).hexdigest()
            for path, content in self.act.in_lake().items()
        }
        listed = "".join(f"{md5}  {path}\n" for path, md5 in md5s.items()).encode()
        self.put(f"{self.act.prefix}.md5", b"# a comment\n" + listed)
        digest = hashlib.sha256(b"# a comment\n" + listed).hexdigest()
        marker = f"2026-03-01T12:00:00\ngeneration: {generation}\nmanifest-sha256: {digest}\n"
        self.put(f"{self.act.prefix}.sync", marker.encode())

    @property
    def on_disk(self) -> Path:
        """The folder of the run or project, wherever it is at the end."""
        source = self.folders.source(self.act.destination)
        pruned = isinstance(self.act, RunAct) and self.act.pruned
        return source / TRASH / f"{self.act.name}.2026" if pruned else source / self.act.name

    def untrue(self) -> list[str]:
        """What is said against which claims."""
        told = claims(self.folders, self.act, self.lake, self.before)
        return [f"{claim.sentence}: {claim.against}" for claim in told if claim.against]


def world(act: Act, folder: Path) -> World:
    made = World(act, Folders(folder), {}, None)
    for path, content in act.on_disk().items():
        file = made.on_disk / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    for path, content in act.in_lake().items():
        made.put(f"{act.prefix}/{path}", content)
    if isinstance(act, ProjectAct):
        made.put(f"{act.prefix}/{READY}", b"2026-03-01T12:00:01+00:00\n", after=1)
    made.announce(2 if isinstance(act, ProjectAct) or act.sheet_is_late else 1)
    if isinstance(act, ProjectAct):
        made.before = {name: blob.etag for name, blob in made.lake.items()}
        del made.before[f"{act.prefix}/{act.one_more_in_lake}"]
        made.before[f"{act.prefix}.sync"] = "etag of generation 1"
    elif act.analysis_is_late:
        made.before = {}
    return made


def small(act: Act) -> Act:
    """The same with less of it: each test makes all of it several times."""
    if isinstance(act, RunAct):
        return replace(act, run=replace(act.run, cycles=(2, 2), bytes_per_bcl=2000))
    return act


ACTS = {act.instrument: small(act) for act in acts()}
PROJECT, NOVASEQ = ACTS["proteomics"], ACTS["novaseqx"]


@pytest.mark.parametrize("instrument", ACTS)
def test_what_is_true_is_found_to_be_true(instrument: str, tmp_path: Path) -> None:
    assert world(ACTS[instrument], tmp_path).untrue() == []


def flip(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def a_file(made: World) -> str:
    """A file of some size, in the lake and on the disk."""
    paths = (path for path, data in made.act.on_disk().items() if len(data) > 1000)
    return next(path for path in paths if path in made.act.in_lake() or path.endswith("_01.raw"))


def blob_of(made: World) -> str:
    content = made.act.on_disk()[a_file(made)]
    there = made.act.in_lake().items()
    return f"{made.act.prefix}/{next(path for path, data in there if data == content)}"


def flip_blob(made: World) -> None:
    made.change(blob_of(made), content=flip(made.lake[blob_of(made)].content))


def flip_blob_and_its_md5(made: World) -> None:
    made.put(blob_of(made), flip(made.lake[blob_of(made)].content))


def forget_md5(made: World) -> None:
    made.change(blob_of(made), stored_md5="")


def lose_blob(made: World) -> None:
    del made.lake[blob_of(made)]


def add_blob(made: World) -> None:
    made.put(f"{made.act.prefix}/too-much", b"x")


def lose_marker(made: World) -> None:
    del made.lake[f"{made.act.prefix}.sync"]


def shorten_manifest(made: World) -> None:
    name = f"{made.act.prefix}.md5"
    short = made.lake[name].content.rpartition(b"\n")[0].rpartition(b"\n")[0]
    digest = hashlib.sha256(made.lake[name].content).hexdigest().encode()
    marker = made.lake[f"{made.act.prefix}.sync"].content
    made.put(name, short)
    made.put(
        f"{made.act.prefix}.sync",
        marker.replace(digest, hashlib.sha256(short).hexdigest().encode()),
    )


def marker_of_another(made: World) -> None:
    made.change(f"{made.act.prefix}.md5", content=b"# other\n")


def change_disk(made: World) -> None:
    file = made.on_disk / a_file(made)
    file.write_bytes(flip(file.read_bytes()))


def lose_on_disk(made: World) -> None:
    (made.on_disk / a_file(made)).unlink()


@pytest.mark.parametrize("instrument", ACTS)
@pytest.mark.parametrize(
    "harm",
    [
        flip_blob,
        flip_blob_and_its_md5,
        forget_md5,
        lose_blob,
        add_blob,
        lose_marker,
        shorten_manifest,
        marker_of_another,
        change_disk,
        lose_on_disk,
    ],
    ids=lambda harm: harm.__name__,
)
def test_what_is_not_true_is_found(
    instrument: str, harm: Callable[[World], None], tmp_path: Path
) -> None:
    made = world(ACTS[instrument], tmp_path)
    harm(made)
    assert made.untrue()


def test_a_pruned_run_that_is_still_there(tmp_path: Path) -> None:
    made = world(ACTS["miseq"], tmp_path)
    made.on_disk.rename(made.folders.source("MiSeqOutput") / made.act.name)
    assert any("the folder is still there" in told for told in made.untrue())


def test_a_sheet_that_is_not_the_labs(tmp_path: Path) -> None:
    made = world(ACTS["miseq"], tmp_path)
    made.put(f"{made.act.prefix}/{ATTACHED}", b"another")
    assert any("is not the lab's" in told for told in made.untrue())


def test_a_late_sheet_without_a_new_generation(tmp_path: Path) -> None:
    made = world(ACTS["nextseq"], tmp_path)
    made.announce(1)
    assert any("not of generation 2" in told for told in made.untrue())


def test_an_analysis_that_was_not_waited_for(tmp_path: Path) -> None:
    made = world(NOVASEQ, tmp_path)
    for before in (None, {f"{NOVASEQ.prefix}/RunInfo.xml": "there"}):
        made.before = before
        assert any(f"sent before {ANALYSIS_FLAG}" in told for told in made.untrue())
    made.before = {}
    made.announce(2)
    assert any("more than once" in told for told in made.untrue())


@pytest.mark.parametrize("name", ["Manifest.tsv", "Analysis/1/Manifest.tsv"])
def test_checksums_that_do_not_fit(name: str, tmp_path: Path) -> None:
    made = world(NOVASEQ, tmp_path)
    lines = made.lake[f"{NOVASEQ.prefix}/{name}"].content
    made.put(f"{NOVASEQ.prefix}/{name}", flip(lines[:-1]) + b"\n")
    assert any(f"is not what {name} lists" in told for told in made.untrue())
    made.put(f"{NOVASEQ.prefix}/{name}", b"")
    assert any("missing or empty" in told for told in made.untrue())


def test_results_that_are_ready_too_early(tmp_path: Path) -> None:
    made = world(PROJECT, tmp_path)
    made.change(f"{PROJECT.prefix}/metadata.xlsx", modified=NOON + timedelta(seconds=2))
    assert any(f"metadata.xlsx is younger than {READY}" in told for told in made.untrue())
    made.change(f"{PROJECT.prefix}/{READY}", content=b"yes")
    assert any("holds no time" in told for told in made.untrue())
    del made.lake[f"{PROJECT.prefix}/{READY}"]
    assert any(f"{READY} is missing" in told for told in made.untrue())


def test_a_file_that_was_sent_while_it_grew(tmp_path: Path) -> None:
    made = world(PROJECT, tmp_path)
    made.change(f"{PROJECT.prefix}/samples/yeast_02.raw", snapshots=1)
    assert any("samples/yeast_02.raw was overwritten" in told for told in made.untrue())


def test_more_than_the_new_file_was_sent(tmp_path: Path) -> None:
    made = world(PROJECT, tmp_path)
    made.change(f"{PROJECT.prefix}/samples/yeast_01.raw", etag="another")
    assert any("samples/yeast_01.raw was written again" in told for told in made.untrue())
    made = world(PROJECT, tmp_path)
    assert made.before is not None
    made.before[f"{PROJECT.prefix}/samples/yeast_03.raw"] = "there"
    assert any("what came is nothing" in told for told in made.untrue())


def test_a_project_without_a_new_generation(tmp_path: Path) -> None:
    made = world(PROJECT, tmp_path)
    made.announce(1)
    assert any("no new generation" in told for told in made.untrue())
    made.announce(2)
    assert made.before is not None
    made.before[f"{PROJECT.prefix}.sync"] = made.lake[f"{PROJECT.prefix}.sync"].etag
    assert any("no new marker" in told for told in made.untrue())
    made.before = None
    assert any("nobody looked" in told for told in made.untrue())
