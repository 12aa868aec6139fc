"""The real command line with one decision replaced: ``python -m tests.mutants.run NAME -- ARGS``.

NAME is one of `table.MUTANTS`, or ``real`` for the program as it is. ``MUTANT_CLOCK=FILE`` sets the
wall clock ahead by the seconds that stand in FILE, from the moment on when it is there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from datalake_syncd.cli import main as command_line
from datalake_syncd.steps.service import Service
from tests.mutants.table import MUTANTS


def _ahead() -> float:
    try:
        return time.time() + float(Path(os.environ["MUTANT_CLOCK"]).read_text())
    except FileNotFoundError:
        return time.time()


def main() -> None:
    name, dashes, *arguments = sys.argv[1:]
    assert dashes == "--", __doc__
    named = {mutant.name: mutant.replaces for mutant in MUTANTS}
    for owner, attribute, instead in {"real": (), **named}[name]:
        setattr(owner, attribute, instead)
    if "MUTANT_CLOCK" in os.environ:
        defaults = Service.__init__.__kwdefaults__
        assert defaults is not None
        defaults["wall"] = _ahead
    sys.argv = ["datalake-syncd", *arguments]
    command_line()


if __name__ == "__main__":
    main()
