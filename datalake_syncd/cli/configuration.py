"""``config check``, ``config show``, ``config init``, ``config mounts``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from datalake_syncd.cli.terminal import console, emit, say
from datalake_syncd.core.errors import UsageError
from datalake_syncd.core.names import escape, escape_once
from datalake_syncd.core.wording import counted

if TYPE_CHECKING:
    from datalake_syncd.config import Loaded


#: How a wrapper hands over a configuration to a container that can't see the machine's files.
_STDIN = Path("/dev/stdin")


@click.group("config")
def command() -> None:
    """Check, show or start a configuration file."""


@command.command("check")
@click.pass_obj
def check(path: Path) -> None:
    """All faults of the configuration at once, or that it is fine."""
    loaded = _load(path)
    config = loaded.config
    say(f"The configuration {escape(str(path))} is fine.")
    lake = config.lake
    say(f"  lake:  {escape(lake.account_url)}, container {lake.container}, login {lake.auth}, "
        f"proof {lake.proof}")  # fmt: skip
    say(f"  state: {escape(str(config.daemon.state_dir))}")
    say(f"  {counted(len(config.instruments), 'instrument')}:")
    for name, one in config.instruments.items():
        prune = "pruned" if one.prune.enabled else "never pruned"
        into = escape(one.destination) or "the top of the container"
        say(f"    {escape(name)} ({one.kind}): {escape(str(one.source))} -> {into}; {prune}")
    for advice in loaded.advice:
        say(f"  think of this: {escape_once(str(advice))}")


@command.command("show", short_help="Every value in force and where it comes from.")
@click.pass_obj
def show(path: Path) -> None:
    """Every value in force and where it comes from: a line of the file, or a default."""
    from rich.table import Table
    from rich.text import Text

    from datalake_syncd.config.show import rows

    loaded = _load(path)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("key", "value", "from"):
        table.add_column(title, overflow="fold")
    for row in rows(loaded):
        set_here = row.origin.startswith("line ")
        table.add_row(
            row.key, Text(row.value, style="bold" if set_here else ""), Text(row.origin, "dim")
        )
    page = console()
    page.print(Text(f"{escape(str(path))}", style="dim"))
    page.print(table)


@command.command("init")
@click.argument("target", metavar="[PATH]", required=False, type=click.Path(path_type=Path))
def init(target: Path | None) -> None:
    """Write a commented starting file to PATH, or to stdout without one."""
    from datalake_syncd.config.template import starting_file

    text = starting_file()
    if target is None or str(target) == "-":
        sys.stdout.write(text)
        return
    shown = escape(str(target))
    try:
        # "x" never overwrites, also not what somebody makes at this very moment.
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{shown} is already there",
            why="a configuration is never overwritten",
            next_step="give another PATH, or move that one away",
        ) from error
    except OSError as error:
        raise UsageError(
            f"{shown} can't be written: {error.strerror}",
            next_step="make its folder first, or give another PATH",
        ) from error
    say(f"A starting configuration is in {shown}.",
        f"Fill it in, then: datalake-syncd --config {shown} config check")  # fmt: skip


@command.command("mounts", short_help="What a container must be given of this machine.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
@click.option("--compose", "as_compose", is_flag=True, help="A file for Docker Compose on stdout.")
@click.pass_obj
def mounts(path: Path, as_json: bool, as_compose: bool) -> None:
    """What a container must be given: one line each, ACCESS, PATH and what for, with tabs.

    ACCESS is ro or rw; "publish" stands before a port that is to be reached from outside.
    A configuration that comes as "--config /dev/stdin" is not among them.
    """
    from datalake_syncd.config.mounts import compose, published_port
    from datalake_syncd.config.mounts import mounts as wanted

    config = _load(path).config
    found = wanted(config, None if path == _STDIN else path)
    port = published_port(config)
    if as_compose:
        emit(compose(found))  # JSON is YAML
        return
    if as_json:
        emit({"mounts": [{"access": one.access, "path": str(one.path), "for": one.what}
                         for one in found], "publish": port})  # fmt: skip
        return
    # Paths of a configuration are printable, so that neither tab nor newline is part of one.
    say(*(f"{one.access}\t{one.path}\t{one.what}" for one in found))
    if port is not None:
        say(f"publish\t{port}\tpage and metrics")


def _load(path: Path) -> Loaded:
    from datalake_syncd.adapters import mounts
    from datalake_syncd.config import load_with_origins

    return load_with_origins(path, os.environ, filesystem_type=mounts.filesystem_type)
