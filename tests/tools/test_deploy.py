"""``make deploy``: what rsync is told. That files arrive is shown by tests/home/test_deploy.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.conftest import Tree

VM = "lab@vm.example.org"
OPT = "/opt/datalake-syncd-docker"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree", tmp_path / "bin", {"rsync": "rsync"})


def test_the_link_is_switched_last(tree: Tree) -> None:
    tree.make("deploy", f"VM={VM}")
    *others, last = tree.state
    assert last["target"] == f"{VM}:{OPT}/"
    assert last["links"] == [tree.hash]
    assert all(call["links"] != [tree.hash] for call in others)
    assert others[0]["target"] == f"{VM}:{OPT}/{tree.hash}/"


def test_a_configuration_is_only_sent_where_there_is_none(tree: Tree) -> None:
    tree.make("deploy", f"VM={VM}")
    etc = [call for call in tree.state if call["target"] == f"{VM}:/etc/datalake-syncd/"]
    names = {Path(call["sources"][0]).name: call["options"] for call in etc}
    assert set(names) == {"config.example.toml", "config.toml"}
    assert "--ignore-existing" in names["config.toml"]
    # And by no other way.
    sent = [one for call in tree.state for one in call["sources"] if one.endswith("config.toml")]
    assert len(sent) == 1


def test_folders_of_others_keep_what_they_have(tree: Tree) -> None:
    tree.make("deploy", f"VM={VM}", RSYNC_PATH="sudo rsync")
    for call in tree.state:
        assert not any(option.startswith("--delete") for option in call["options"])
        assert "--rsync-path=sudo rsync" in call["options"]
        if not call["target"].endswith(f"{tree.hash}/"):
            assert "--recursive" not in call["options"]
            assert not any(source.endswith("/") for source in call["sources"])


def test_a_dry_run_is_dry_in_every_call(tree: Tree) -> None:
    told = tree.make("deploy", f"VM={VM}", "DRY_RUN=1").stdout
    assert "Nothing was changed" in told
    assert len(tree.state) > 4
    assert all("--dry-run" in call["options"] for call in tree.state)
    tree.state_file.unlink()
    tree.make("deploy", f"VM={VM}", "DRY_RUN=yes", expect=2)
    assert not tree.state_file.exists()


@pytest.mark.parametrize(
    "vm", ["", "-oProxyCommand=x", "a b@c", "host:relative", "$(id)@h", "a@b@c"]
)
def test_no_odd_vm(tree: Tree, vm: str) -> None:
    told = tree.call("tools/deploy.sh", VM=vm, expect=2).stderr
    assert "VM=user@host" in told or "is no VM" in told
    assert not tree.state_file.exists()


def test_a_dirty_tree_is_not_deployed(tree: Tree) -> None:
    (tree.root / "docker/compose.yaml").write_text("")
    assert "not committed" in tree.make("deploy", f"VM={VM}", expect=2).stderr
    assert not tree.state_file.exists()


def test_without_the_units_for_systemd_the_rest_is_deployed(tree: Tree) -> None:
    tree.git("rm", "-rq", "--ignore-unmatch", "systemd")
    tree.commit()
    tree.make("deploy", f"VM={VM}")
    units = [call for call in tree.state if call["target"].endswith("/systemd/system/")]
    (sent,) = [[Path(one).name for one in call["sources"]] for call in units]
    assert sent == ["datalake-syncd-docker.service"]
