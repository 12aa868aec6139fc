"""The one place that turns what happened into an exit code, and shows errors.

0 fine, 1 something needs attention, 2 usage or configuration, 3 bug, 130 interrupted. An
error is told on stderr in three parts (what, why, next step). With ``--json`` stdout gets it
too, as the one document ``{"error": {"what": …, "why": …, "next_step": …}}``, so that a
program that reads stdout always finds JSON there. 141 is what the shell reports of any program
whose reader went away (``status | head``): the answer was not read to its end, and nothing is
said about that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import click

from datalake_syncd.cli.terminal import PipeClosed, emit
from datalake_syncd.core.errors import SyncdError, UsageError

FINE = 0
ATTENTION = 1
USAGE = 2
BUG = 3
INTERRUPTED = 130
PIPE_CLOSED = 141


def guarded(work: Callable[[], int | None], *, as_json: bool) -> int:
    """Run a command and give its exit code; whatever it raises is shown here and nowhere else."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a letter gets its code, not a crash.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _judged(work, as_json=as_json)
        sys.stdout.flush()
    except (PipeClosed, BrokenPipeError):
        _let_go_of_stdout()
        return PIPE_CLOSED
    return code


def _judged(work: Callable[[], int | None], *, as_json: bool) -> int:
    try:
        return work() or FINE
    except (PipeClosed, BrokenPipeError):
        raise
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        show_error(*_usage(error), as_json=as_json)
        return USAGE
    except SyncdError as error:
        show_error(error.what, error.why, error.next_step, as_json=as_json)
        return USAGE if isinstance(error, UsageError) else ATTENTION
    except Exception as error:  # noqa: BLE001 - the last stop: a bug is told, with its trace
        from datalake_syncd.cli.bug_report import redacted, write_report

        place = write_report(error)
        show_error(
            f"an error in datalake-syncd itself: {redacted(f'{type(error).__name__}: {error}')}",
            "this must not happen, whatever was asked for",
            f"please send in the report {place}" if place else "please report it with this trace",
            as_json=as_json,
        )
        return BUG


def show_error(what: str, why: str, next_step: str, *, as_json: bool) -> None:
    """An error in three parts for a person on stderr, for a program (``--json``) on stdout."""
    from datalake_syncd.core.names import escape_once

    def clean(text: str) -> str:
        return "\n".join(map(escape_once, text.split("\n")))

    what, why, next_step = clean(what), clean(why), clean(next_step)
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    title = click.style("Error:", fg="red", bold=True) if colour else "Error:"
    lines = [f"{title} {what}"]
    if why:
        # The faults of a configuration come as a list of their own.
        lines.append(why if why.startswith(" ") else f"  why:  {why}")
    if next_step:
        lines.append(f"  next: {next_step}")
    click.echo("\n".join(lines), err=True)
    if as_json:
        emit({"error": {"what": what, "why": why, "next_step": next_step}})


def _usage(error: click.ClickException) -> tuple[str, str, str]:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "datalake-syncd"
    return error.format_message(), "", f"{command} --help"


def _let_go_of_stdout() -> None:
    """What is still in the buffer goes nowhere, or Python would complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
