"""Writes the manual pages from the commands and from the configuration, so that they never lag.

    .venv/bin/python tools/manual.py build/man

makes datalake-syncd.1 and datalake-syncd.toml.5 there. Own code and not click-man: that one makes
a page per sub-command without exit codes, files or environment, and none for the configuration.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import click
from pydantic.fields import FieldInfo

from datalake_syncd import __version__
from datalake_syncd.cli.program import CONFIG, CONFIG_VARIABLE, program
from datalake_syncd.config.base import Table
from datalake_syncd.config.schema import Config, Instrument, Prune
from datalake_syncd.config.show import toml_value

NAME = "datalake-syncd"
EXITS = (
    ("0", "Fine."),
    ("1", "Something needs attention: a run, an instrument, a fault that doctor found."),
    ("2", "The command line or the configuration is wrong; all faults are told at once."),
    ("3", "A bug; the error names the report to send in."),
    ("130", "Interrupted."),
)
FILES = (
    (str(CONFIG), f"The configuration; see {NAME}.toml(5)."),
    ("/var/lib/datalake-syncd/ledger.sqlite", "The ledger: runs, files, history."),
    ("SOURCE/.datalake-syncd-trash/", "Pruned runs, until the time of prune.trash has passed."),
)
ABOUT = (
    "Runs as a service. It watches the folders that instruments write into, waits until a run is "
    "complete and still, carries it with azcopy into one container of Azure Blob storage, proves "
    "every file there, attaches the sample sheet, and writes NAME.md5 and at last the marker "
    "NAME.sync. Only then, and only if told to, it frees the local disk.",
    "RUN is a run name, or INSTRUMENT/NAME where it is not unique. --json prints one JSON "
    "document to standard output and nothing else there.",
)


def roff(text: str) -> str:
    """Text that groff shows as it is written."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    text = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def paragraph(text: str) -> Iterator[str]:
    """Filled lines, a new sentence on a new line as manuals have it."""
    for line in textwrap.wrap(" ".join(text.split()), 90, break_on_hyphens=False):
        yield roff(line)


def entry(term: str, text: str) -> Iterator[str]:
    """A term, and what it means below it."""
    yield ".TP"
    yield f"\\fB{roff(term)}\\fR"
    yield from paragraph(text)


def heading(number: int, title: str) -> Iterator[str]:
    """The first line of a page."""
    made = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    day = datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%d") if made else ""
    yield '.\\" Made by tools/manual.py from the commands and the configuration.'
    yield f'.TH "{roff(title.upper())}" "{number}" "{day}" "{NAME} {__version__}" "{NAME}"'
    # Ragged and without hyphens: what is copied from a page must be what was written.
    yield ".ad l"
    yield ".nh"


def options(command: click.Command, context: click.Context) -> Iterator[str]:
    """What the command takes, its arguments left out: they are in its usage."""
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            yield from entry(*record)


def usage(command: click.Command, context: click.Context) -> str:
    """``why [options] RUN``."""
    pieces = [context.command_path.removeprefix(f"{NAME} ")]
    pieces += ["[options]"] if any(isinstance(one, click.Option) for one in command.params) else []
    for one in command.params:
        if isinstance(one, click.Argument):
            name = one.make_metavar(context)
            pieces.append(name if one.required or name.startswith("[") else f"[{name}]")
    return " ".join(pieces)


def commands(group: click.Group, context: click.Context) -> Iterator[str]:
    """A section for each command; those of a group below one another."""
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if found is None or found.hidden:
            continue
        inner = click.Context(found, info_name=name, parent=context)
        if isinstance(found, click.Group):
            yield from commands(found, inner)
            continue
        yield ".SS"
        yield roff(usage(found, inner))
        for number, part in enumerate((found.help or "").split("\n\n")):
            if number:
                yield ".PP"
            yield from paragraph(part)
        yield from options(found, inner)


def program_page() -> Iterator[str]:
    """datalake-syncd(1)."""
    context = click.Context(program, info_name=NAME)
    yield from heading(1, NAME)
    yield ".SH NAME"
    summary = (program.help or "").rstrip(".")
    yield f"{roff(NAME)} \\- {roff(summary[:1].lower() + summary[1:])}"
    yield ".SH SYNOPSIS"
    yield f"\\fB{roff(NAME)}\\fR [\\fB\\-\\-config\\fR \\fIPATH\\fR]"
    yield "\\fICOMMAND\\fR [\\fIARGUMENTS\\fR]"
    yield ".SH DESCRIPTION"
    for number, text in enumerate(ABOUT):
        if number:
            yield ".PP"
        yield from paragraph(text)
    yield ".SH OPTIONS"
    yield from options(program, context)
    yield ".SH COMMANDS"
    yield from commands(program, context)
    yield ".SH EXIT STATUS"
    for code, text in EXITS:
        yield from entry(code, text)
    yield ".SH ENVIRONMENT"
    yield from entry(CONFIG_VARIABLE, "The configuration, where --config does not name one.")
    yield from entry("NO_COLOR", "No colours, whatever the terminal can.")
    yield ".SH FILES"
    for path, text in FILES:
        yield from entry(path, text)
    yield ".SH SEE ALSO"
    yield f"\\fB{roff(NAME)}.toml\\fR(5)"


def tables() -> Iterator[tuple[str, type[Table]]]:
    """Every table of the configuration with its header, in the order of the file."""
    for name, field in Config.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Table) and kind is not Instrument:
                yield f"[{name}]", kind
    yield "[instruments.NAME]", Instrument
    yield "[instruments.NAME.prune]", Prune


def default_of(name: str, field: FieldInfo) -> str:
    """The sentence about the default."""
    if field.is_required():
        return "Required."
    value = field.get_default()
    return "" if value is None or value == () else f"Default: {toml_value(name, value)}."


def configuration_page() -> Iterator[str]:
    """datalake-syncd.toml(5)."""
    yield from heading(5, f"{NAME}.toml")
    yield ".SH NAME"
    yield f"{roff(NAME)}.toml \\- the configuration of {roff(NAME)}"
    yield ".SH DESCRIPTION"
    yield from paragraph(
        'TOML. Durations are "90s", "15m", "1h", "14d". An unknown key or a wrong value is '
        f"refused, and all faults are told at once: try a file with {NAME} config check. "
        f"{NAME} config init writes a commented one to start from. Secrets are never in it."
    )
    for header, table in tables():
        yield f".SH {roff(header)}"
        yield from paragraph(table.__doc__ or "")
        for name, field in table.model_fields.items():
            if name != "prune":
                yield from entry(name, f"{field.description} {default_of(name, field)}")
    yield ".SH SEE ALSO"
    yield f"\\fB{roff(NAME)}\\fR(1)"


PAGES = (("datalake-syncd.1", program_page), ("datalake-syncd.toml.5", configuration_page))


def main(folder: Path) -> None:
    """Write all pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES:
        (folder / name).write_text("\n".join(page()) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
