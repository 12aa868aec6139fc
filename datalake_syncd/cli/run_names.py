"""RUN on the command line: a run name, or INSTRUMENT/NAME where it is not unique."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.names import escape

if TYPE_CHECKING:
    from datalake_syncd.adapters.ledger import Ledger, Run

#: Seconds that somebody who pressed TAB is kept waiting at most.
_COMPLETE_WITHIN = 2.0
_PLAIN = re.compile(r"[\w@%+,./~-]+", re.ASCII)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def find_run(ledger: Ledger, text: str) -> Run:
    """The one run that is meant; raises with what is near, or with all that it could be.

    A name is also found by the way in which it is shown, so that it can be copied from there.
    """
    found = ledger.runs.named(text)
    if not found:
        found = [run for run in ledger.runs.all() if text in (escape(run.key), escape(run.name))]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} instruments have a run named {escape(text)}",
            why="only one run can be meant",
            next_step="say which one: " + " or ".join(escape(run.key) for run in found),
        )
    raise UsageError(
        f"there is no run {escape(text)} in the ledger",
        why="a run is known from when its folder is first seen",
        next_step=_near(ledger, text) or "see what is known: datalake-syncd status --all",
    )


def _near(ledger: Ledger, text: str) -> str | None:
    """Did you mean: by likeness, and by what somebody may have left out."""
    runs = {
        escape(run.key if "/" in text else run.name): escape(run.key) for run in ledger.runs.all()
    }
    near = difflib.get_close_matches(text, runs, n=3, cutoff=0.7)
    if not near:
        near = [name for name in runs if text and text.lower() in name.lower()][:3]
    if not near:
        return None
    return "did you mean " + " or ".join(runs[name] for name in near) + "?"


def _complete(ctx: click.Context, _parameter: click.Parameter, given: str) -> list[str]:
    """Names for the shell's completion: fast, and silent whatever is wrong.

    Only names that no shell takes apart; with ``INSTRUMENT/`` those of one instrument.
    """
    # Before the time runs: a busy machine takes its while for an import.
    import datalake_syncd.cli.places  # noqa: F401 - it is needed by `_names`
    from datalake_syncd.adapters.patience import Patience

    path = ctx.find_root().params.get("config")
    if not isinstance(path, Path):
        return []
    try:
        # A ledger that is being written is waited for, but not by somebody who types.
        names = Patience("completion", _COMPLETE_WITHIN).call(lambda _tick: _names(path, given))
    except Exception:  # noqa: BLE001 - whatever it is, it must not end up in somebody's prompt
        return []
    return [name for name in names if name.startswith(given) and _PLAIN.fullmatch(name)]


def _names(path: Path, given: str) -> list[str]:
    from datalake_syncd.cli.places import read_settings, reading

    instrument, slash, _ = given.partition("/")
    with reading(read_settings(path)) as ledger:
        if slash:
            return [run.key for run in ledger.runs.all(instrument)]
        keys = [f"{one.name}/" for one in ledger.desk.instruments()] if given else []
        return ledger.runs.names() + keys


def runs_argument() -> Callable[[_Function], _Function]:
    """The argument RUN of a command that takes any number of them, with completion."""
    return click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=_complete)


def run_argument(*, required: bool = True) -> Callable[[_Function], _Function]:
    """The argument RUN of a command, with completion."""
    return click.argument(
        "run", metavar="RUN" if required else "[RUN]", required=required, shell_complete=_complete
    )
