"""Exit codes, errors, pipes, names that want to be obeyed, and how fast it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datalake_syncd import __version__
from datalake_syncd.cli import main, status
from datalake_syncd.core.model import Status
from tests.cli.conftest import RUN, Place
from tests.servers import REPO

EVIL = "[red]x[bold]\x1b[31m\x1b]0;owned\x07\n[link=x]é\u202e"
HEAVY = ("pydantic", "azure", "watchdog", "requests", "datalake_syncd.daemon", "prometheus_client")


def python(place: Place, *arguments: str, code: str | None = None) -> list[str]:
    start = ["-m", "datalake_syncd"] if code is None else ["-c", code]
    return [sys.executable, *start, "--config", str(place.config), *arguments]


@pytest.mark.parametrize("command", [["status"], ["status", "--json"], ["why", RUN]])
def test_quick_commands_import_nothing_heavy(place: Place, command: list[str]) -> None:
    place.published()
    code = (
        "import sys; from datalake_syncd.cli import main; code = main(); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        python(place, *command, code=code), capture_output=True, text=True, cwd=REPO, check=True
    )
    assert done.stderr.strip() == "[]"


def test_help_imports_no_command(place: Place) -> None:
    code = (
        "import sys; from datalake_syncd.cli import main; main(); "
        "print([n for n in sys.modules if n.startswith('datalake_syncd.adapters')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        capture_output=True,
        text=True,
        cwd=REPO,
        check=True,
    )
    assert done.stdout.strip().endswith("[]")
    for command in ("status", "restore", "config"):
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize("command", ["status", "why"])
def test_names_are_shown_and_not_obeyed(
    place: Place, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    place.published(EVIL)
    place.add(EVIL + "2", status=Status.BLOCKED, reason="x\x1b[31m", next_step="y\x1b[31m")
    text = place.call("status").out if command == "status" else ""
    text += place.call("why", EVIL).out
    for raw in ("\x1b", "\x07", "\u202e"):
        assert raw not in text
    assert "[red]x[bold]\\x1b[31m\\x1b]0;owned\\x07\\x0a[link=x]é\\u202e" in text


def test_json_carries_names_as_they_are_in_ascii(place: Place) -> None:
    place.published(EVIL)
    told = place.call("status", "--json")
    assert told.json["runs"][0]["name"] == EVIL
    assert told.out.isascii()
    assert "\x1b" not in told.out


def test_errors_have_three_parts_on_stderr_only(place: Place) -> None:
    told = place.call("why", "nothing")
    assert (told.code, told.out) == (2, "")
    first, why, following = told.err.splitlines()
    assert first == "Error: there is no run nothing in the ledger"
    assert why.startswith("  why:  ")
    assert following.startswith("  next: ")


def test_with_json_an_error_is_a_document_too(place: Place) -> None:
    told = place.call("why", "nothing\x1b", "--json")
    assert told.code == 2
    error = told.json["error"]
    assert set(error) == {"what", "why", "next_step"}
    assert "nothing\\x1b" in error["what"]
    assert told.err.startswith("Error: ")


def test_usage_is_two(place: Place) -> None:
    for wrong in (["statsu"], ["status", "--jsno"], ["hold", RUN], ["why"], []):
        assert place.call(*wrong).code == 2, wrong
    assert "did you mean status?" in place.call("statsu").err
    assert json.loads(place.call("statsu", "--json").out)["error"]["what"]


def test_a_missing_configuration(place: Place) -> None:
    place.config.unlink()
    told = place.call("status")
    assert told.code == 2
    assert "config init" in told.err


def test_a_configuration_that_is_not_toml(place: Place) -> None:
    place.config.write_text("[lake")
    told = place.call("status")
    assert told.code == 2
    assert "config check" in told.err


def test_a_state_dir_that_is_no_path(place: Place) -> None:
    place.config.write_text("[daemon]\nstate_dir = 7\n")
    told = place.call("status")
    assert told.code == 2
    assert "daemon.state_dir" in told.err


def test_no_ledger_yet(place: Place, tmp_path: Path) -> None:
    place.config.write_text(f'[daemon]\nstate_dir = "{tmp_path / "new"}"\n')
    told = place.call("status")
    assert told.code == 2
    assert "start it: datalake-syncd run" in told.err
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_ledger_of_somebody_else(place: Place) -> None:
    place.state.chmod(0)
    try:
        told = place.call("status")
    finally:
        place.state.chmod(0o700)
    assert told.code == 2
    assert "sudo" in told.err


DIE_IN_A_TRANSACTION = """
import os, sys
from pathlib import Path
from datalake_syncd.adapters.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), writable=True)
# Larger than SQLite's cache, so that half of it is in the file already.
rows = ((1, "x" * 200 + str(n), 1, 2, 3, 4, 5, None) for n in range(20_000))
with ledger.database.transaction():
    ledger.database.execute("PRAGMA cache_size=5")
    into = "INSERT INTO seen (run_id, path, size, mtime_ns, ctime_ns, inode, device, md5)"
    ledger.database.execute_many(f"{into} VALUES (?,?,?,?,?,?,?,?)", rows)
    os._exit(9)
"""


def test_a_daemon_that_was_killed_in_a_write_is_no_damage(place: Place) -> None:
    place.published()
    died = subprocess.run(
        [sys.executable, "-c", DIE_IN_A_TRANSACTION, str(place.state)], cwd=REPO, check=False
    )
    assert died.returncode == 9
    assert (place.state / "ledger.sqlite-journal").stat().st_size > 0
    told = place.call("status")
    assert "mv " not in told.err, "nobody is told to put a good ledger aside"
    assert RUN in told.out or "start the daemon" in told.err


def test_no_run_yet_is_fine(place: Place) -> None:
    told = place.call("status")
    assert told.code == 0
    assert "0 runs on the way, none needs you." in told.out


def test_a_bug_is_three_and_leaves_a_report(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug with AccountKey=topsecretvalue and \x1b[31m")

    monkeypatch.setattr(status, "look", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = place.call("status", "--json")
    assert told.code == 3
    assert "an error in datalake-syncd itself" in told.json["error"]["what"]
    (report,) = tmp_path.glob("datalake-syncd-bug-*.txt")
    text = report.read_text()
    assert "Traceback" in text
    assert __version__ in text
    assert "topsecretvalue" not in text + told.err + told.out
    assert "\x1b" not in text + told.err
    assert str(report) in told.err
    assert report.stat().st_mode & 0o077 == 0


def test_interrupted_is_130(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "look", interrupted)
    assert place.call("status").code == 130


@pytest.mark.parametrize("command", [["status", "--all"], ["status", "--json"], ["--help"]])
def test_a_closed_pipe_is_quiet(place: Place, command: list[str]) -> None:
    for number in range(5):
        place.published(f"run{number}")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            python(place, *command), stdout=closed, stderr=subprocess.PIPE, cwd=REPO, check=False
        )
    assert done.stderr == b""
    assert done.returncode in (1, 141)


def test_a_terminal_that_knows_no_such_letters(place: Place) -> None:
    place.published("é日本")
    for command in (["status"], ["why", "é日本"]):
        done = subprocess.run(
            python(place, *command),
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
            cwd=REPO,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_no_colour_where_nobody_sees_it(place: Place) -> None:
    place.add(status=Status.BLOCKED)
    assert "\x1b" not in place.call("status").out


def test_version(place: Place) -> None:
    assert place.call("--version").out.strip().endswith(__version__)


def test_the_variable_names_the_configuration(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATALAKE_SYNCD_CONFIG", str(place.config))
    assert main(["status"]) == 0
    capsys.readouterr()
    monkeypatch.setenv("DATALAKE_SYNCD_CONFIG", str(place.config) + "x")
    assert main(["status"]) == 2
    assert "config.tomlx" in capsys.readouterr().err


@pytest.mark.parametrize("what", [["status"], ["status", "--json"], ["why", RUN]])
def test_looking_changes_nothing(place: Place, what: list[str]) -> None:
    place.published()
    before = place.dump()
    stamp = (place.state / "ledger.sqlite").stat().st_mtime_ns
    time.sleep(0.01)
    place.call(*what)
    assert (place.state / "ledger.sqlite").stat().st_mtime_ns == stamp
    assert place.dump() == before
