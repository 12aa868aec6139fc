"""The command line: the options of all commands, and the list of commands."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path

import click

from datalake_syncd import __version__
from datalake_syncd.core.names import escape

CONFIG = Path("/etc/datalake-syncd/config.toml")
CONFIG_VARIABLE = "DATALAKE_SYNCD_CONFIG"


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, the module of this folder that has it as ``command``, its summary."""

    name: str
    module: str
    summary: str
    attribute: str = "command"


#: The summaries stand here so that ``--help`` imports none of the modules.
COMMANDS: tuple[Entry, ...] = (
    Entry("run", "daemon", "The daemon: watch, carry, prove, publish until a signal says stop.",
          "run"),
    Entry("once", "daemon", "One pass over all complete runs, for cron.", "once"),
    Entry("status", "status", "Instruments and runs: what is on the way, what needs you."),
    Entry("health", "health", "Whether every part of the daemon gets on; for health checks."),
    Entry("why", "why", "Every gate of one run: passed or not, and what it waits for."),
    Entry("retry", "ask", "Try a blocked or waiting run again now.", "retry"),
    Entry("hold", "ask", "Forbid transfer and pruning of a run.", "hold"),
    Entry("release", "ask", "Lift a hold, or let a blocked run go on.", "release"),
    Entry("verify", "verify", "Check a published run against the lake now.", "command_line"),
    Entry("scrub", "scrub", "Read published runs back from the lake; tells what is not as it was.",
          "command_line"),
    Entry("prune", "prune", "Free the local disk of proven runs; --dry-run shows what would go."),
    Entry("undo", "ask", "Bring a pruned run back from the trash.", "undo"),
    Entry("restore", "restore", "Fetch a run from the lake and check every MD5."),
    Entry("doctor", "doctor", "Look at everything that a run needs, and say what to do."),
    Entry("mail", "mail", "Try the settings of [mail]: mail test sends one now."),
    Entry("config", "configuration", "Check, show or start a configuration file."),
)  # fmt: skip


class Program(click.Group):
    """A group that imports a command only when it is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The commands in the order of the table."""
        return [entry.name for entry in COMMANDS]

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module."""
        for entry in COMMANDS:
            if entry.name == name:
                module = importlib.import_module(f"datalake_syncd.cli.{entry.module}")
                found: click.Command = getattr(module, entry.attribute)
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant, or what may have been meant instead."""
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=2)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"there is no command {escape(name)}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in COMMANDS])


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="RUN is a run name, or INSTRUMENT/NAME where it is not unique. Exit codes: 0 fine, "
    "1 something needs attention, 2 usage or configuration, 3 bug, 130 interrupted.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=CONFIG_VARIABLE,
    default=CONFIG,
    show_default=True,
    show_envvar=True,
    help="The configuration file.",
)
@click.version_option(__version__, prog_name="datalake-syncd")
@click.pass_context
def program(ctx: click.Context, config: Path) -> None:
    """Carries finished instrument runs to Azure Blob storage and proves them there."""
    ctx.obj = config
