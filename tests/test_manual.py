"""The manual pages: every command, option and key, and clean for groff and man."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from datalake_syncd.cli.program import COMMANDS, program
from datalake_syncd.config.schema import Config
from tools import manual


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    manual.main(folder)
    return folder


def shown(page: Path) -> str:
    if shutil.which("man") is None:
        pytest.skip("no man")
    done = subprocess.run(
        ["man", "--warnings=w", "-l", page], capture_output=True, text=True, check=True,
        env={"MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANROFFOPT": "-c"},
    )  # fmt: skip
    assert not done.stderr
    return " ".join(done.stdout.split())


def test_every_command_and_every_option_is_there(pages: Path) -> None:
    text = shown(pages / "datalake-syncd.1")
    assert text.startswith("DATALAKE-SYNCD(1)")
    assert "NAME datalake-syncd - carries finished instrument runs" in text
    options = set()
    for entry in COMMANDS:
        command = program.get_command(click.Context(program), entry.name)
        assert command is not None
        below = command.commands.values() if isinstance(command, click.Group) else [command]
        for one in below:
            options |= {name for param in one.params for name in param.opts if name[0] == "-"}
            assert " ".join((one.help or "").split("\n\n")[0].split()) in text
    assert {"--json", "--reason", "--dry-run", "--read-back"} <= options
    assert [name for name in options if name not in text] == []
    for word in ("EXIT STATUS", "130", "DATALAKE_SYNCD_CONFIG", "/etc/datalake-syncd/config.toml"):
        assert word in text
    assert "why [options] RUN" in text
    assert "prune [options] [RUN]" in text


def test_every_key_of_the_configuration_is_there(pages: Path) -> None:
    text = shown(pages / "datalake-syncd.toml.5")
    for header, table in manual.tables():
        assert header in text
        for name, field in table.model_fields.items():
            if name != "prune":
                assert f" {name} " in text
                assert " ".join((field.description or "").split()) in text
    assert {header for header, _ in manual.tables()} >= {
        f"[{name}]" for name in Config.model_fields if name != "instruments"
    }
    assert 'Default: "1m".' in text


@pytest.mark.parametrize("name", [name for name, _ in manual.PAGES])
def test_groff_has_nothing_to_say(pages: Path, name: str) -> None:
    if shutil.which("groff") is None:
        pytest.skip("no groff")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-Tutf8", pages / name],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""


def test_text_is_not_obeyed() -> None:
    assert manual.roff(".SH\n'x \\fB -- … `") == "\\&.SH\n\\&'x \\efB \\-\\- \\[u2026] \\(ga"


def test_the_same_commands_give_the_same_page() -> None:
    assert list(manual.program_page()) == list(manual.program_page())
