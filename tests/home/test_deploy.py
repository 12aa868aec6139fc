"""``make deploy`` with the real rsync: to a folder, and through a real sshd on this machine."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import need
from tests.tools.conftest import Tree

pytestmark = pytest.mark.home

OPT = "opt/datalake-syncd-docker"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    need(shutil.which("rsync") is not None, "rsync (tools/home.sh)")
    return Tree(tmp_path / "tree", tmp_path / "bin")


@pytest.fixture
def vm(tmp_path: Path) -> Path:
    """The root of a machine, with a folder whose mode is its own affair."""
    root = tmp_path / "vm"
    (root / "etc/systemd/system").mkdir(parents=True)
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin").chmod(0o2775)
    (root / "usr/local/bin/other").write_text("theirs")
    return root


def looks(root: Path) -> dict[str, tuple[int, str, int]]:
    """Path -> mode, content or link, and when the entry was last changed in any way."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        if path.is_symlink():
            content = os.readlink(path)
        else:
            content = path.read_text() if path.is_file() else ""
        changed = 0 if stat.S_ISDIR(status.st_mode) else status.st_ctime_ns
        found[str(path.relative_to(root))] = (stat.S_IMODE(status.st_mode), content, changed)
    return found


def test_a_new_machine_gets_all_of_it(tree: Tree, vm: Path) -> None:
    tree.make("deploy", f"VM={vm}")
    script = vm / "usr/local/bin/datalake-syncd-docker"
    assert os.readlink(script) == f"/{OPT}/current/datalake-syncd-docker"
    release = vm / OPT / "current"
    assert os.readlink(release) == tree.hash
    assert (release / "datalake-syncd-docker").stat().st_mode & 0o777 == 0o755
    text = (release / "datalake-syncd-docker").read_text()
    assert f"datalake-syncd:{tree.hash}" in text
    assert (release / "compose.yaml").is_file()
    unit = vm / "usr/local/lib/systemd/system/datalake-syncd-docker.service"
    assert unit.stat().st_mode & 0o777 == 0o644
    example = (tree.root / "config.example.toml").read_text()
    assert (vm / "etc/datalake-syncd/config.toml").read_text() == example
    assert (vm / "etc/datalake-syncd/config.example.toml").read_text() == example
    # What is others' stays as it was.
    assert (vm / "usr/local/bin").stat().st_mode & 0o7777 == 0o2775
    assert (vm / "usr/local/bin/other").read_text() == "theirs"


@pytest.mark.parametrize("kind", ["file", "link", "dangling"])
def test_a_configuration_that_is_there_is_never_touched(tree: Tree, vm: Path, kind: str) -> None:
    etc = vm / "etc/datalake-syncd"
    etc.mkdir(mode=0o750)
    config = etc / "config.toml"
    if kind == "file":
        config.write_text("mine")
        config.chmod(0o640)
    else:
        config.symlink_to("lab.toml")
        if kind == "link":
            (etc / "lab.toml").write_text("mine")
    (etc / "secret").write_text("key")
    (etc / "secret").chmod(0o600)
    before = looks(etc)
    for _ in range(2):
        tree.make("deploy", f"VM={vm}")
        after = looks(etc)
        assert {name: after[name] for name in before} == before
        assert set(after) - set(before) == {"config.example.toml"}
        (tree.root / "config.example.toml").write_text("# another template\n")
        tree.commit()
    assert (etc / "config.example.toml").read_text() == "# another template\n"


def test_a_second_time_nothing_changes(tree: Tree, vm: Path) -> None:
    tree.make("deploy", f"VM={vm}")
    before = looks(vm)
    time.sleep(0.05)
    told = tree.make("deploy", f"VM={vm}").stdout
    assert looks(vm) == before
    assert "config" not in told.split("has datalake-syncd-docker")[0]


def test_a_dry_run_changes_nothing(tree: Tree, vm: Path) -> None:
    before = looks(vm)
    told = tree.make("deploy", f"VM={vm}", "DRY_RUN=1").stdout
    assert looks(vm) == before
    for name in ("datalake-syncd-docker", "config.toml", "current"):
        assert name in told
    tree.make("deploy", f"VM={vm}")
    before = looks(vm)
    (tree.root / "docker/compose.yaml").write_text("# other\n")
    tree.commit()
    told = tree.make("deploy", f"VM={vm}", "DRY_RUN=1").stdout
    assert looks(vm) == before
    assert "compose.yaml" in told


def test_there_is_a_current_version_at_every_moment(tree: Tree, vm: Path) -> None:
    tree.make("deploy", f"VM={vm}")
    link = vm / OPT / "current"
    seen: set[str] = set()
    gaps: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                seen.add(os.readlink(link))
                (link / "datalake-syncd-docker").stat()
            except OSError as error:
                gaps.append(str(error))

    watcher = threading.Thread(target=look)
    watcher.start()
    versions = [tree.hash]
    try:
        for number in range(3):
            (tree.root / "README.md").write_text(str(number))
            tree.commit()
            versions.append(tree.hash)
            tree.make("deploy", f"VM={vm}")
    finally:
        done.set()
        watcher.join()
    assert gaps == []
    assert seen == set(versions), "older versions stay, to go back to"
    assert {path.name for path in (vm / OPT).iterdir()} == {*versions, "current"}


def test_what_admins_changed_beside_the_units_stays(tree: Tree, vm: Path) -> None:
    own = vm / "etc/systemd/system/datalake-syncd-docker.service.d/override.conf"
    own.parent.mkdir()
    own.write_text("[Service]\n")
    before = looks(vm / "etc/systemd")
    tree.make("deploy", f"VM={vm}")
    assert looks(vm / "etc/systemd") == before


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[str]:
    """An sshd of our own on loopback, with its own keys; gives what RSYNC_RSH must be."""
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    need(os.path.exists(sshd), "sshd (tools/home.sh)")
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for key in ("host", "client"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(words, check=True)
    shutil.copy(folder / "client.pub", folder / "authorized")
    (folder / "authorized").chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {folder}/host\nUsePAM no\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nPasswordAuthentication no\n"
        "PermitRootLogin prohibit-password\n"
    )
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # where it separates its privileges
    log = (folder / "log").open("wb")
    server = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "config"], stderr=log)
    rsh = f"ssh -p {port} -i {folder}/client -o IdentitiesOnly=yes -o BatchMode=yes "
    rsh += f"-o StrictHostKeyChecking=no -o UserKnownHostsFile={folder}/known -F none"
    try:
        for _ in range(100):
            assert server.poll() is None, (folder / "log").read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield rsh
    finally:
        server.terminate()
        server.wait(20)
        log.close()


def test_through_ssh(tree: Tree, vm: Path, ssh: str) -> None:
    etc = vm / "etc/datalake-syncd"
    etc.mkdir()
    (etc / "config.toml").write_text("mine")
    there = f"VM={getpass.getuser()}@127.0.0.1:{vm}"
    before = looks(vm)
    tree.make("deploy", there, "DRY_RUN=1", RSYNC_RSH=ssh)
    assert looks(vm) == before
    told = tree.make("deploy", there, RSYNC_RSH=ssh).stdout
    assert "Nothing was started" in told
    assert (etc / "config.toml").read_text() == "mine"
    assert os.readlink(vm / OPT / "current") == tree.hash
    assert (vm / OPT / "current/datalake-syncd-docker").stat().st_mode & 0o111
    before = looks(vm)
    tree.make("deploy", there, RSYNC_RSH=ssh)
    assert looks(vm) == before


def test_a_machine_that_does_not_answer_is_no_success(tree: Tree) -> None:
    rsh = "ssh -o BatchMode=yes -o ConnectTimeout=2 -F none -p 1"
    tree.make("deploy", "VM=nobody@127.0.0.1", expect=2, RSYNC_RSH=rsh)
