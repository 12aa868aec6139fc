"""TAB in a real bash: names of runs from the ledger, fast, and never an error in the prompt."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import shells
from tests.cli.conftest import Place
from tests.cli.shells import Shell
from tests.conftest import need
from tests.servers import REPO

FIRST = "180612_NB501016_0001_AHXXXXXXXX"
SECOND = "180613_NB501016_0002_AHYYYYYYYY"


@pytest.fixture
def bash(place: Place, completions: Path) -> Iterator[Shell]:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    opened = shells.bash(completions / "bash" / "datalake-syncd", place.config)
    yield opened
    opened.close()


def test_names_of_runs_come_from_the_ledger(place: Place, bash: Shell) -> None:
    place.add(FIRST)
    place.add(SECOND)
    place.add("with space; rm -rf $HOME `x`")
    place.add("*")
    seen = bash.tab("datalake-syncd why ")
    assert FIRST in seen
    assert SECOND in seen
    assert "$HOME" not in seen
    assert "*" not in seen
    assert bash.tab("datalake-syncd why 180612").strip() == FIRST.removeprefix("180612")
    assert FIRST.removeprefix("180612") in bash.tab("datalake-syncd restore nextseq/180612")
    assert bash.tab("datalake-syncd docto").strip() == "r"
    assert bash.tab("datalake-syncd hold --r").strip() == "eason"


@pytest.mark.parametrize(
    "wrong", ["no configuration", "no TOML", "no ledger", "damaged", "newer", "locked", "closed"]
)
def test_whatever_is_wrong_nothing_is_printed(place: Place, bash: Shell, wrong: str) -> None:
    place.add(FIRST)
    ledger = place.state / "ledger.sqlite"
    held: sqlite3.Connection | None = None
    match wrong:
        case "no configuration":
            place.config.unlink()
        case "no TOML":
            place.config.write_text("[[[")
        case "no ledger":
            ledger.unlink()
        case "damaged":
            ledger.write_bytes(b"no ledger at all" * 1000)
        case "newer":
            with sqlite3.connect(ledger) as held:
                held.execute("PRAGMA user_version=999")
        case "locked":
            held = sqlite3.connect(ledger, isolation_level=None)
            held.execute("BEGIN EXCLUSIVE")
        case _:
            place.state.chmod(0)
    began = time.monotonic()
    seen = bash.tab("datalake-syncd why 1806")
    took = time.monotonic() - began
    # Also without the script that sends its errors to /dev/null.
    told = subprocess.run(
        [REPO / ".venv" / "bin" / "datalake-syncd"],
        env={
            "COMP_WORDS": "datalake-syncd why 1806",
            "COMP_CWORD": "2",
            "_DATALAKE_SYNCD_COMPLETE": "bash_complete",
            "DATALAKE_SYNCD_CONFIG": str(place.config),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if held is not None:
        held.close()
    place.state.chmod(0o755)
    if wrong == "closed" and os.geteuid() == 0:
        return  # nothing is closed to root
    assert seen == "", "an error in the prompt"
    assert (told.stdout.strip(), told.stderr) == ("", "")
    assert took < 20, "somebody waits for it"


@pytest.mark.home
def test_a_real_zsh_completes_names_of_runs(place: Place, completions: Path) -> None:
    zsh = shutil.which("zsh")
    need(zsh is not None, "zsh")
    assert zsh is not None
    place.add(FIRST)
    place.add(SECOND)
    opened = shells.zsh(zsh, completions / "zsh", place.config)
    try:
        opened.offers("datalake-syncd why 180612", FIRST.removeprefix("180612"))
        opened.offers("datalake-syncd docto", "r ")
        opened.offers("datalake-syncd why ", FIRST, SECOND)
    finally:
        opened.close()
    place.config.unlink()
    opened = shells.zsh(zsh, completions / "zsh", place.config)
    try:
        assert opened.tab("datalake-syncd why 1806").strip() == "", "an error in the prompt"
    finally:
        opened.close()


@pytest.mark.home
def test_a_real_fish_completes_names_of_runs(place: Place, completions: Path) -> None:
    fish = shutil.which("fish")
    need(fish is not None, "fish")
    assert fish is not None
    place.add(FIRST)
    place.add(SECOND)

    def complete(line: str) -> list[str]:
        """What fish itself offers for this line, without what it says of each."""
        script = f"source {completions / 'fish' / 'datalake-syncd.fish'}; complete -C '{line}'"
        path = f"{REPO / '.venv' / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(place.root), "TERM": "dumb"}
        environment["DATALAKE_SYNCD_CONFIG"] = str(place.config)
        done = subprocess.run(
            [fish, "--no-config", "-c", script],
            env=environment, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert done.stderr == ""
        return [offer.partition("\t")[0] for offer in done.stdout.splitlines()]

    assert complete("datalake-syncd why ") == [FIRST, SECOND]
    assert complete("datalake-syncd why 180612") == [FIRST]
    assert complete("datalake-syncd restore nextseq/180612") == [f"nextseq/{FIRST}"]
    assert complete("datalake-syncd docto") == ["doctor"]
    assert complete("datalake-syncd hold --r") == ["--reason"]
    place.config.unlink()
    assert complete("datalake-syncd why 1806") == [], "an error in the prompt"
