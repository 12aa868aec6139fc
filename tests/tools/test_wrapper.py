"""``make wrapper``, and what its script asks the container engine for."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from datalake_syncd.config.template import starting_file
from datalake_syncd.daemon import STOP_GRACE
from tests.servers import REPO
from tests.tools.conftest import Tree

# --- the script as it is made ------------------------------------------------------------------


def test_each_version_has_its_script_and_one_is_current(tree: Tree) -> None:
    first = tree.hash
    told = tree.make("wrapper").stdout.splitlines()[-1]
    assert told == f"dist/wrapper/{first}/datalake-syncd-docker"
    text = (tree.root / told).read_text()
    assert f":-datalake-syncd:{first}}}" in text
    assert "@" not in re.sub(r"\$\{?\w*\[?@|\$@|\{@:", "", text)
    assert (tree.root / told).stat().st_mode & 0o777 == 0o755
    current = tree.root / "dist/wrapper/current"
    assert os.readlink(current) == first
    (tree.root / "README.md").write_text("more")
    tree.commit()
    tree.make("wrapper", "REGISTRY=registry.example.org/lab/")
    assert os.readlink(current) == tree.hash != first
    newer = (current / "datalake-syncd-docker").read_text()
    assert f"registry.example.org/lab/datalake-syncd:{tree.hash}" in newer
    assert (tree.root / told).read_text() == text
    assert sorted(path.name for path in current.parent.iterdir()) == sorted(
        [first, tree.hash, "current"]
    )


def test_a_dirty_tree_has_no_script(tree: Tree) -> None:
    (tree.root / "tools/image.sh").write_text("exit 0\n")
    assert "not committed" in tree.make("wrapper", expect=2).stderr
    assert not (tree.root / "dist").exists()
    assert "-dirty/" in tree.make("wrapper", "ALLOW_DIRTY=1").stdout


def test_no_name_of_an_image_gets_out_of_hand(tree: Tree) -> None:
    for bad in ("a b", "$(touch x)", "-x", 'a"b', "a|b"):
        tree.call("tools/wrapper.sh", IMAGE=bad, expect=2)
    assert not (tree.root / "x").exists()


# --- the script at work --------------------------------------------------------------------------


@dataclass
class Vm:
    """A machine with the script, a configuration and a container engine that notes its calls."""

    tree: Tree
    root: Path
    owner: int
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("etc/lab", "state", "in", "sheets"):
            (self.root / name).mkdir(parents=True)
        self.give(self.root / "state", self.owner)
        self.configure()
        self.tree.make("build")
        self.tree.make("wrapper")

    def give(self, path: Path, owner: int) -> None:
        if os.geteuid() == 0:
            os.chown(path, owner, owner)

    @property
    def config(self) -> Path:
        return self.root / "etc/lab/config.toml"

    def configure(self, instrument: str = "", tables: str = "", source: Path | None = None) -> None:
        name = str(source or self.root / "in").replace('"', '\\"')
        self.config.write_text(f"""{tables}
[lake]
account_url = "https://mylab.blob.core.windows.net"
container = "lake"
[daemon]
state_dir = "{self.root}/state"
[instruments.miseq]
kind = "miseq"
source = "{name}"
sample_sheets = "{self.root}/sheets"
destination = "M"
{instrument}
""")

    def call(
        self, *words: str, expect: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {"DATALAKE_SYNCD_CONFIG": str(self.config), **self.more, **environment}
        script = self.tree.root / "dist/wrapper/current/datalake-syncd-docker"
        return self.tree.call(script, *words, expect=expect, **environment)

    def calls(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.tree.state["calls"]
        return found

    def last(self) -> dict[str, Any]:
        return self.calls()[-1]

    def mounts(self) -> dict[str, bool]:
        """Path -> may it be written to; inside it lies where it does outside."""
        found = self.last()["mounts"]
        assert all(one["source"] == one["target"] for one in found)
        return {one["source"].removeprefix(f"{self.root}/"): "readonly" not in one for one in found}

    def running(self, name: str, *, runs: bool = True) -> None:
        state = self.tree.state
        state["containers"][name] = runs
        self.tree.state_file.write_text(json.dumps(state))


@pytest.fixture
def vm(tree: Tree, tmp_path: Path, owned: int) -> Vm:
    return Vm(tree, tmp_path / "vm", owned)


PRUNED = "[instruments.miseq.prune]\nenabled = true"


def test_sources_are_mounted_read_only_unless_pruned(vm: Vm) -> None:
    vm.call("run")
    assert vm.mounts() == {"etc/lab": False, "in": False, "sheets": False, "state": True}
    vm.configure(PRUNED)
    vm.call("run")
    assert vm.mounts() == {"etc/lab": False, "in": True, "sheets": False, "state": True}
    vm.configure(PRUNED.replace("true", "false"))
    vm.call("run")
    assert vm.mounts()["in"] is False


def test_the_container_may_do_nothing_else(vm: Vm) -> None:
    for command in (["run"], ["once"], ["status", "--json"]):
        vm.call(*command)
        call = vm.last()
        options = call["options"]
        assert call["image"] == f"datalake-syncd:{vm.tree.hash}"
        assert call["run"] == ["--config", str(vm.config), *command]
        assert options["--read-only"]
        assert options["--cap-drop"] == ["ALL"]
        assert options["--security-opt"] == ["no-new-privileges"]
        assert options["--user"] == [f"{vm.owner}:{os.stat(vm.root / 'state').st_gid}"]
        assert [one.split(":")[0] for one in options["--tmpfs"]] == ["/tmp"]
        assert "--network" not in options


def test_stopping_is_given_the_time_that_it_takes(vm: Vm) -> None:
    vm.call("run")
    options = vm.last()["options"]
    assert options["--name"] == ["datalake-syncd"]
    assert float(options["--stop-timeout"][0]) > STOP_GRACE + 10
    compose = (REPO / "docker/compose.yaml").read_text()
    found = re.search(r"^    stop_grace_period: (\d+)s$", compose, re.MULTILINE)
    assert found is not None
    assert float(found[1]) > STOP_GRACE + 10
    unit = (REPO / "docker/datalake-syncd-docker.service").read_text()
    grace = [float(one) for one in re.findall(r"stop -t (\d+)", unit)]
    assert len(grace) == 2
    assert min(grace) > STOP_GRACE + 10
    limit = re.search(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)
    assert limit is not None
    assert float(limit[1]) > max(grace)
    assert options["--log-driver"] == ["local"]


def test_the_page_is_published_on_loopback_by_the_service_alone(vm: Vm) -> None:
    vm.configure(tables='[web]\nlisten = "0.0.0.0:9464"')
    vm.call("run")
    assert vm.last()["options"]["--publish"] == ["127.0.0.1:9464:9464"]
    vm.call("status")
    assert "--publish" not in vm.last()["options"]
    vm.configure(tables='[web]\nlisten = "127.0.0.1:9464"')
    vm.call("run")
    assert "--publish" not in vm.last()["options"]


def test_a_source_that_is_away_keeps_nobody_from_starting(vm: Vm) -> None:
    (vm.root / "in").rmdir()
    told = vm.call("run").stderr
    assert f"{vm.root}/in (source of miseq) is not there" in told
    assert set(vm.mounts()) == {"etc/lab", "sheets", "state"}
    assert not (vm.root / "in").exists(), "an empty folder would look like an empty source"


def test_no_state_directory_is_made_up(vm: Vm) -> None:
    (vm.root / "state").rmdir()
    told = vm.call("run", expect=2).stderr
    assert f"state directory {vm.root}/state is not there" in told
    assert "install -d" in told
    assert vm.calls() == []


def test_it_does_not_run_as_root(vm: Vm) -> None:
    if os.geteuid() == 0:
        vm.give(vm.root / "state", 0)
        assert "chown" in vm.call("run", expect=2).stderr
    assert "root" in vm.call("run", DATALAKE_SYNCD_USER="0:0", expect=2).stderr
    assert vm.calls() == []
    vm.call("run", DATALAKE_SYNCD_USER="12345:6", DATALAKE_SYNCD_GROUPS="7 8")
    assert vm.last()["options"]["--user"] == ["12345:6"]
    assert vm.last()["options"]["--group-add"] == ["7", "8"]


def test_odd_paths_are_one_mount_each(vm: Vm) -> None:
    odd = vm.root / 'a,readonly "b" $(c) é'
    odd.mkdir()
    vm.configure(PRUNED, source=odd)
    vm.call("run")
    assert vm.mounts() == {odd.name: True, "etc/lab": False, "sheets": False, "state": True}


def test_other_commands_go_into_the_container_that_runs(vm: Vm) -> None:
    vm.running("datalake-syncd")
    vm.call("why", "miseq/x y", "--json")
    command = ["datalake-syncd", "--config", str(vm.config), "why", "miseq/x y", "--json"]
    assert vm.last() == {"exec": command, "container": "datalake-syncd"}
    # A faulty configuration is no reason not to see what is going on.
    vm.config.write_text("[lake\n")
    vm.call("status")
    assert vm.last()["exec"][-1] == "status"
    vm.running("datalake-syncd", runs=False)
    vm.configure()
    vm.call("status")
    assert vm.last()["run"][-1] == "status"


def test_a_faulty_configuration_starts_nothing(vm: Vm) -> None:
    vm.config.write_text(vm.config.read_text().replace("container", "containr"))
    told = vm.call("run", expect=2).stderr
    assert "containr" in told
    assert str(vm.config) in told
    assert vm.calls() == []


def test_the_configuration_may_be_named(vm: Vm) -> None:
    other = vm.root / "etc/other/config.toml"
    other.parent.mkdir()
    vm.config.rename(other)
    told = vm.call("run", expect=2).stderr
    assert "no configuration" in told
    for words in (["--config", str(other)], [f"--config={other}"]):
        vm.call(*words, "once")
        assert vm.last()["run"] == ["--config", str(other), "once"]
        assert "etc/other" in vm.mounts()


def test_the_health_check_looks_at_the_same_configuration(vm: Vm) -> None:
    vm.call("run")
    assert vm.last()["options"]["--env"] == [f"DATALAKE_SYNCD_CONFIG={vm.config}"]
    assert "--no-healthcheck" not in vm.last()["options"]
    vm.call("once")
    assert "--no-healthcheck" in vm.last()["options"]


def test_config_check_needs_no_state(vm: Vm) -> None:
    (vm.root / "state").rmdir()
    vm.call("config", "check")
    call = vm.last()
    assert call["run"] == ["--config", str(vm.config), "config", "check"]
    assert call["options"]["--network"] == ["none"]
    assert vm.mounts() == {"etc/lab": False}


def test_config_init_never_overwrites(vm: Vm, tmp_path: Path) -> None:
    assert vm.call("config", "init").stdout == starting_file()
    target = tmp_path / "new.toml"
    vm.call("config", "init", str(target))
    assert target.read_text() == starting_file()
    target.write_text("mine")
    assert "never overwritten" in vm.call("config", "init", str(target), expect=2).stderr
    assert target.read_text() == "mine"
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "nowhere")
    vm.call("config", "init", str(link), expect=2)
    assert not (tmp_path / "nowhere").exists()


def test_restore_gets_the_folder_it_writes_to_and_no_other(vm: Vm, tmp_path: Path) -> None:
    vm.running("datalake-syncd")
    target = tmp_path / "back here"
    vm.call("restore", "miseq/x", str(target))
    assert vm.last()["run"][-3:] == ["restore", "miseq/x", str(target)]
    mounted = {one["source"]: "readonly" not in one for one in vm.last()["mounts"]}
    assert mounted[str(target)] is True
    assert [path for path, writable in mounted.items() if writable] == [
        str(vm.root / "state"),
        str(target),
    ]
    if os.geteuid() == 0:
        assert target.stat().st_uid == vm.owner


def test_restore_takes_nobodys_folder_away(vm: Vm, tmp_path: Path) -> None:
    vm.running("datalake-syncd")
    home = tmp_path / "home of somebody"
    home.mkdir()
    before = home.stat()
    vm.call("restore", "miseq/x", str(home))
    assert (home.stat().st_uid, home.stat().st_gid) == (before.st_uid, before.st_gid)
    vm.call("restore", "miseq/y", expect=2)
    assert not (vm.root / "miseq").exists()


def test_help_needs_nothing(vm: Vm) -> None:
    vm.config.unlink()
    for words in ([], ["--help"], ["--version"], ["why", "--help"]):
        vm.call(*words)
        assert vm.last()["run"] == words
        assert vm.last()["mounts"] == []


def test_without_an_engine_it_says_so(vm: Vm) -> None:
    assert "there is no nerdctl" in vm.call("run", DATALAKE_SYNCD_ENGINE="nerdctl", expect=2).stderr
