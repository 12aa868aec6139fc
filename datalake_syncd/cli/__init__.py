"""The commands: parse, call one function, return an exit code.

Nothing heavy is imported here: each command brings its own, so that ``status`` starts fast.
"""

from __future__ import annotations

from datalake_syncd.cli.exits import guarded

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; gives the exit code. The console script ``datalake-syncd``."""
    import sys

    given = sys.argv[1:] if arguments is None else arguments

    def work() -> int | None:
        from datalake_syncd.cli.program import program

        code: int | None = program.main(
            args=list(given), prog_name="datalake-syncd", standalone_mode=False
        )
        return code

    return guarded(work, as_json="--json" in given)
