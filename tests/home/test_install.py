"""``make install`` and ``make uninstall``, really, to places of their own. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from datalake_syncd import __version__
from datalake_syncd.config.template import starting_file
from tests.conftest import need
from tests.servers import AZCOPY, REPO
from tests.tools.conftest import Tree

pytestmark = [pytest.mark.home, pytest.mark.timeout(900)]


#: One file each: manual pages and completions.
SHARED = (
    "bash-completion/completions", "fish/vendor_completions.d", "man/man1", "man/man5",
    "zsh/site-functions",
)  # fmt: skip


@dataclass
class Machine:
    """A tree to install from, and the folders that stand for those of a machine."""

    tree: Tree
    root: Path
    destdir: bool = False

    @property
    def environment(self) -> dict[str, str]:
        below = "" if self.destdir else str(self.root)
        made = {
            "PREFIX": f"{below}/opt/datalake-syncd",
            "BINDIR": f"{below}/usr/local/bin",
            "SYSTEMD_DIR": f"{below}/usr/local/lib",
            "SHARE_DIR": f"{below}/usr/local/share",
            "ETC": f"{below}/etc/datalake-syncd",
        }
        return {**made, "DESTDIR": str(self.root)} if self.destdir else made

    def make(self, target: str, expect: int = 0, **more: str) -> str:
        # What pip and npm need of the environment to find their registries.
        passed = {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
        home = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"]}
        environment = {**passed, **home, **self.environment, **more}
        words = ["make", target]
        done = subprocess.run(
            words, cwd=self.tree.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == expect, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout + done.stderr

    @property
    def prefix(self) -> Path:
        return self.root / "opt/datalake-syncd"

    @property
    def config(self) -> Path:
        return self.root / "etc/datalake-syncd/config.toml"

    @property
    def releases(self) -> list[str]:
        return sorted(path.name for path in (self.prefix / "releases").iterdir())


def a_tree(folder: Path) -> Tree:
    tree = Tree(folder / "tree", folder / "bin")
    shutil.rmtree(tree.root / "datalake_syncd")
    shutil.copytree(
        REPO / "datalake_syncd",
        tree.root / "datalake_syncd",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (tree.root / ".tools/bin").mkdir(parents=True)
    (tree.root / ".tools/bin/azcopy").symlink_to(AZCOPY)
    tree.commit()
    return tree


@pytest.fixture
def machine() -> Iterator[Machine]:
    need(os.geteuid() == 0, "root")
    need(AZCOPY.exists(), "azcopy (make setup)")
    # Not below pytest's own folder, which is closed to other users.
    root = Path(tempfile.mkdtemp(prefix="install-"))
    root.chmod(0o755)
    (root / "vm").mkdir()
    yield Machine(a_tree(root), root / "vm")
    shutil.rmtree(root)


def as_somebody(*words: str | Path) -> subprocess.CompletedProcess[str]:
    rights = ["setpriv", "--reuid", "10001", "--regid", "10001", "--clear-groups"]
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    command = [*rights, *map(str, words)]
    return subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=False
    )


def test_installed_upgraded_and_gone(machine: Machine) -> None:
    told = machine.make("install")
    assert "Nothing was started" in told
    # It works for the service's user, who is not root, with the azcopy beside it.
    program = machine.root / "usr/local/bin/datalake-syncd"
    done = as_somebody(program, "--version")
    assert done.stdout == f"datalake-syncd, version {__version__}\n", done
    look = "import os, shutil; print(shutil.which('azcopy'))"
    launcher = (machine.prefix / "bin/datalake-syncd").read_text()
    asked = launcher.partition("sys.exit")[0] + look
    done = as_somebody(machine.prefix / "current/bin/python3", "-I", "-c", asked)
    found = Path(done.stdout.strip())
    assert found.samefile(machine.prefix / "bin/azcopy"), done
    assert "azcopy version" in as_somebody(found, "--version").stdout
    assert machine.config.read_text() == starting_file()
    done = as_somebody(program, "--config", machine.config, "config", "check")
    assert "is fine" in done.stdout, done
    share = machine.root / "usr/local/share"
    for folder in SHARED:
        assert [path.stat().st_size > 200 for path in (share / folder).iterdir()] == [True], folder
    units = machine.root / "usr/local/lib/systemd/system"
    for unit in (REPO / "systemd").glob("*.service"):
        text = (units / unit.name).read_text()
        assert "/opt/datalake-syncd/bin" not in text.replace(str(machine.prefix), "")

    # A second time: what people wrote stays, the old release stays for who still runs from it.
    (first,) = machine.releases
    machine.config.write_text("mine")
    (machine.prefix / "releases/theirs").mkdir()
    (machine.prefix / "bin/other").write_text("theirs")
    (machine.root / "var/lib/datalake-syncd").mkdir(parents=True)
    (machine.tree.root / "config.example.toml").write_text("# newer\n")
    machine.tree.commit()
    machine.make("install")
    assert machine.config.read_text() == "mine"
    assert (machine.config.parent / "config.example.toml").read_text() == "# newer\n"
    second = os.readlink(machine.prefix / "current")
    assert machine.releases == sorted([first, second.removeprefix("releases/"), "theirs"])
    assert machine.tree.hash in second

    # A third time the first one goes.
    machine.make("install")
    assert first not in machine.releases
    assert len(machine.releases) == 3

    told = machine.make("uninstall")
    assert "Configuration" in told
    left = {
        str(path.relative_to(machine.root))
        for path in machine.root.rglob("*")
        if not path.is_dir() or not any(path.iterdir())
    }
    assert left == {
        "etc/datalake-syncd/config.toml",
        "etc/datalake-syncd/config.example.toml",
        "opt/datalake-syncd/bin/other",
        "opt/datalake-syncd/releases/theirs",
        "usr/local/bin",
        *(f"usr/local/share/{folder}" for folder in SHARED),
        *({"usr/local/lib/systemd/system"} if (REPO / "systemd").exists() else set()),
        *({"usr/local/lib/sysusers.d"} if (REPO / "systemd/sysusers.d").exists() else set()),
        *({"usr/local/lib/tmpfiles.d"} if (REPO / "systemd/tmpfiles.d").exists() else set()),
        "var/lib/datalake-syncd",
    }
    assert "nothing is installed" in machine.make("uninstall", expect=2)


def test_for_a_package_everything_names_its_final_place(machine: Machine) -> None:
    machine.destdir = True
    machine.make("install")
    assert not Path("/opt/datalake-syncd").exists() or "opt" in machine.root.parts
    launcher = machine.prefix / "current/bin/datalake-syncd"
    release = os.readlink(machine.prefix / "current")
    shebang = launcher.read_text().splitlines()[0]
    assert shebang == f"#!/opt/datalake-syncd/{release}/bin/python3 -I"
    link = os.readlink(machine.root / "usr/local/bin/datalake-syncd")
    assert link == "/opt/datalake-syncd/bin/datalake-syncd"
    inside = os.fsencode(machine.root)
    naming = [
        path
        for path in machine.root.rglob("*")
        if path.is_file() and not path.is_symlink() and inside in path.read_bytes()
    ]
    assert naming == []
    machine.make("uninstall")
    assert not machine.prefix.exists()
    assert machine.config.exists()


def test_no_folder_of_the_system_is_taken(machine: Machine) -> None:
    for prefix in ("/", "/usr", "/opt/", "relative", "/opt/../etc"):
        for target in ("install", "uninstall"):
            assert "PREFIX=" in machine.make(target, expect=2, PREFIX=prefix)


def test_an_azcopy_that_is_not_the_pinned_one_is_not_installed(machine: Machine) -> None:
    sums = machine.tree.root / "tools/azcopy.sha256"
    sums.write_text("0" * 64 + sums.read_text()[64:])
    told = machine.make("install", expect=2)
    assert "not the pinned one" in told
    assert not (machine.prefix / "current").exists()
    assert not (machine.root / "usr/local/bin/datalake-syncd").exists()
