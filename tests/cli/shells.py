"""Shells on terminals of their own, in which a test types."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers import REPO

PROMPT = "syncd-prompt> "
CLEAR = "\x15"


class Shell:
    """An interactive shell whose prompt is ``PROMPT``; ``begin`` are lines that it starts with."""

    def __init__(
        self, argv: Sequence[str], config: Path, environment: Mapping[str, str], *begin: str
    ) -> None:
        self._ahead = ""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            path = f"{REPO / '.venv' / 'bin'}:{os.environ['PATH']}"
            full = {"PATH": path, "TERM": "dumb", "DATALAKE_SYNCD_CONFIG": str(config)}
            full |= {"PS1": PROMPT, "HOME": str(config.parent), "COLUMNS": "200", **environment}
            os.execve(argv[0], list(argv), full)  # noqa: S606 - a shell is what is tested
        self.until(PROMPT)
        for line in begin:
            self.type(f"{line}\n")
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

    def offers(self, line: str, *texts: str) -> None:
        """Type a line, press TAB, wait for these texts in their order; then clear the line.

        What stays out is waited for in vain, and told.
        """
        self.type(line)
        self.until(line)
        self.type("\t")
        for text in texts:
            self.until(text)
        self.rest()

    def rest(self) -> None:
        """Clear the line, and wait for a prompt that is surely new and reads keys.

        A completion prints the prompt again, and what is typed before readline has the terminal
        is echoed twice: the sum tells where an own command ended.
        """
        self.type(f"{CLEAR}echo $((40000 + 1234))\n")
        self.until("41234")
        self.until(PROMPT)

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._terminal)


def bash(script: Path, config: Path) -> Shell:
    """A bash with this script of completions loaded."""
    return Shell(
        ["/bin/bash", "--norc", "--noprofile", "-i"], config, {},
        "bind 'set show-all-if-ambiguous on'; bind 'set bell-style none'", f"source {script}",
    )  # fmt: skip


def zsh(program: str, folder: Path, config: Path) -> Shell:
    """A zsh that finds completions in this folder, as those of Debian's packages."""
    return Shell(
        [program, "-f", "-i"], config, {"ZDOTDIR": str(config.parent)},
        "unsetopt prompt_sp prompt_cr beep list_ambiguous; setopt auto_list; bindkey -e",
        f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D",
    )  # fmt: skip
