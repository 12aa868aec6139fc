"""TAB in a real bash: names of runs from the ledger, fast, and never an error in the prompt."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Place
from tests.servers import REPO

FIRST = "180612_NB501016_0001_AHXXXXXXXX"
SECOND = "180613_NB501016_0002_AHYYYYYYYY"
PROMPT = "syncd-prompt> "


class Bash:
    """An interactive bash on a terminal of its own, with the completions loaded."""

    def __init__(self, script: Path, config: Path) -> None:
        self._ahead = ""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            path = f"{REPO / '.venv' / 'bin'}:{os.environ['PATH']}"
            environment = {"PATH": path, "TERM": "dumb", "DATALAKE_SYNCD_CONFIG": str(config)}
            environment |= {"PS1": PROMPT, "HOME": str(config.parent), "COLUMNS": "200"}
            argv = ["bash", "--norc", "--noprofile", "-i"]
            os.execve("/bin/bash", argv, environment)  # noqa: S606 - a shell is what is tested
        self.until(PROMPT)
        self.type("bind 'set show-all-if-ambiguous on'; bind 'set bell-style none'\n")
        self.type(f"source {script}\n")
        self.rest()

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def until(self, text: str, seconds: float = 30) -> str:
        """What appears until (and with) this text; what came behind it is for the next."""
        seen, end = self._ahead, time.monotonic() + seconds
        while text not in seen:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} never came: {seen!r}"
            if select.select([self._terminal], [], [], left)[0]:
                seen += os.read(self._terminal, 4096).decode()
        told, found, self._ahead = seen.partition(text)
        return told + found

    def tab(self, line: str) -> str:
        """Type a line, press TAB, give what appears; then clear the line."""
        self.type(line)
        self.until(line)
        # What is typed meanwhile appears when the completion has come to its end.
        self.type("\tZ9Z")
        seen = self.until("Z9Z").removesuffix("Z9Z")
        self.rest()
        return re.sub(r"[\x07\r]", "", seen)

    def rest(self) -> None:
        """Clear the line, and wait for a prompt that is surely new and reads keys.

        A completion prints the prompt again, and what is typed before readline has the terminal
        is echoed twice: the sum tells where an own command ended.
        """
        self.type("\x15echo $((40000 + 1234))\n")
        self.until("41234")
        self.until(PROMPT)

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completions")
    subprocess.run([REPO / "tools" / "completions.sh", folder], check=True)
    for shell, name in (("zsh", "_datalake-syncd"), ("fish", "datalake-syncd.fish")):
        text = (folder / shell / name).read_text()
        assert f"{shell}_complete" in text
        assert text.count("2>/dev/null)") == 1
    return folder / "bash" / "datalake-syncd"


@pytest.fixture
def bash(place: Place, script: Path) -> Iterator[Bash]:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    opened = Bash(script, place.config)
    yield opened
    opened.close()


def test_names_of_runs_come_from_the_ledger(place: Place, bash: Bash) -> None:
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
def test_whatever_is_wrong_nothing_is_printed(place: Place, bash: Bash, wrong: str) -> None:
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
