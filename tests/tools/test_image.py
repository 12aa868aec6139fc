"""``make build``, ``make tag``, ``make push``: what the builder is told, and what is refused."""

from __future__ import annotations

import pytest

from datalake_syncd import __version__
from tests.tools.conftest import Tree


@pytest.mark.parametrize("builder", ["docker", "podman", "buildah"])
def test_an_image_is_named_after_its_commit(tree: Tree, builder: str) -> None:
    told = tree.make("build", f"BUILDER={builder}").stdout
    image = f"datalake-syncd:{tree.hash}"
    assert told.splitlines()[-1] == image
    assert list(tree.state["images"]) == [image]
    built = tree.state["images"][image]
    assert built["args"] == {
        "VERSION": __version__,
        "REVISION": tree.git("rev-parse", "HEAD"),
        "CREATED": tree.git("show", "-s", "--format=%cI", "HEAD"),
    }
    # Without it buildah and podman drop the HEALTHCHECK; docker does not know it.
    assert ("--format" in built["options"]) == (builder != "docker")


def test_the_first_builder_that_is_there_is_taken(tree: Tree) -> None:
    tree.make("build")
    assert "--format" not in tree.state["images"][f"datalake-syncd:{tree.hash}"]["options"]
    told = tree.make("build", "BUILDER=kaniko", expect=2).stderr
    assert "BUILDER=kaniko is unknown" in told


@pytest.mark.parametrize("change", ["edited", "added", "staged"])
def test_a_dirty_tree_is_refused(tree: Tree, change: str) -> None:
    if change == "edited":
        (tree.root / "docker/Dockerfile").write_text("FROM scratch\n")
    else:
        (tree.root / "datalake_syncd/more.py").write_text("")
        if change == "staged":
            tree.git("add", "-A")
    told = tree.make("build", expect=2).stderr
    assert "not committed" in told
    assert "Dockerfile" in told or "more.py" in told
    assert not tree.state_file.exists()
    tree.make("build", "ALLOW_DIRTY=1")
    ((name, built),) = tree.state["images"].items()
    assert name == f"datalake-syncd:{tree.hash}-dirty"
    assert built["args"]["REVISION"].endswith("-dirty")
    # Nor may it leave this machine under any name.
    for more in ((), ("ALLOW_DIRTY=1",)):
        tree.make("push", "REGISTRY=registry.example.org/lab", *more, expect=2)
    assert tree.state["pushed"] == []


def test_many_changes_are_told_in_short(tree: Tree) -> None:
    for number in range(3000):
        (tree.root / f"a-file-with-a-long-name-{number}").touch()
    told = tree.make("build", expect=2).stderr
    assert "not committed" in told
    assert "ALLOW_DIRTY=1" in told
    assert len(told.splitlines()) < 30


def test_tag(tree: Tree) -> None:
    assert "make build" in tree.make("tag", expect=2).stderr
    tree.make("build")
    tree.make("tag")
    tree.make("tag", "TAG=stable")
    names = {f"datalake-syncd:{tag}" for tag in (tree.hash, __version__, "stable")}
    assert set(tree.state["images"]) == names
    assert "can't be a tag" in tree.make("tag", "TAG=a b", expect=2).stderr
    tree.commit()  # another commit has no image yet
    assert "make build" in tree.make("tag", expect=2).stderr


def test_push(tree: Tree) -> None:
    assert "REGISTRY=" in tree.make("push", expect=2).stderr
    assert "make build" in tree.make("push", "REGISTRY=registry.example.org/lab", expect=2).stderr
    tree.make("build")
    tree.make("push", "REGISTRY=registry.example.org/lab/", "TAG=stable")
    lab = "registry.example.org/lab/datalake-syncd"
    assert tree.state["pushed"] == [f"{lab}:{tree.hash}", f"{lab}:stable"]
    for bad in ("--all", "a b", "$(id)"):
        assert "no registry" in tree.call("tools/image.sh", "push", REGISTRY=bad, expect=2).stderr


def test_a_failed_push_is_no_success(tree: Tree) -> None:
    tree.make("build")
    tree.make("push", "REGISTRY=nowhere", expect=2)
    assert tree.state["pushed"] == []
