from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datalake_syncd.adapters import logs
from datalake_syncd.adapters.logs import FIELDS, configure, log_event
from datalake_syncd.core.redact import Redactor

LOGGER = logging.getLogger("datalake_syncd.test")
SECRET = "s3cr3t-value"


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    theirs = list(root.handlers)
    yield
    for handler in root.handlers:
        if handler not in theirs:
            handler.close()
    root.handlers = theirs
    root.setLevel(level)
    logging.captureWarnings(capture=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def json_log(
    level: str = "INFO", file: Path | None = None, environ: Mapping[str, str] | None = None
) -> io.StringIO:
    stream = io.StringIO()
    configure(level, "json", file, Redactor([SECRET]), stream, environ or {})
    root = logging.getLogger()
    root.handlers = [h for h in root.handlers if type(h).__module__.startswith(logs.__name__)]
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def test_a_fact_is_one_line_of_json() -> None:
    stream = json_log()
    log_event(
        LOGGER,
        logging.INFO,
        "run.published",
        "100 %s published",
        run="nextseq/180612_X",
        instrument="nextseq",
        step="publish",
        files=3,
        rate=1.5,
        path=Path("/data/ø"),
        none=None,
        nothing=float("nan"),
        parts={"b": (1, "two")},
    )
    (line,) = lines(stream)
    assert tuple(line)[: len(FIELDS)] == FIELDS
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "event": "run.published",
        "run": "nextseq/180612_X",
        "instrument": "nextseq",
        "step": "publish",
        "message": "100 %s published",
        "files": 3,
        "rate": 1.5,
        "path": "/data/ø",
        "none": None,
        "nothing": None,
        "parts": {"b": [1, "two"]},
    }


def test_the_level_is_kept_and_libraries_are_quiet() -> None:
    stream = json_log("WARNING")
    log_event(LOGGER, logging.INFO, "a", "no")
    log_event(LOGGER, logging.WARNING, "b", "yes")
    assert [line["event"] for line in lines(stream)] == ["b"]
    stream = json_log("DEBUG")
    for name in ("azure.core.pipeline.policies.http_logging_policy", "urllib3.connectionpool"):
        logging.getLogger(name).info("Request URL: https://x")
        # What matters of a library's warnings comes as an event of our own.
        logging.getLogger(name).warning("retry of %s", "x")
        logging.getLogger(name).error("end of %s", "x")
    assert [(line["event"], line["message"]) for line in lines(stream)] == [("log", "end of x")] * 2
    assert lines(stream)[0]["logger"].startswith("azure.")


def test_configuring_again_replaces_what_was_there() -> None:
    first = json_log()
    second = json_log()
    log_event(LOGGER, logging.INFO, "a", "once")
    assert not first.getvalue()
    assert len(lines(second)) == 1


def test_fields_can_not_take_the_place_of_the_fixed_ones() -> None:
    stream = json_log()
    log_event(LOGGER, logging.INFO, "a", "m", timestamp="x", name="n", args=(1,), msg="y")
    (line,) = lines(stream)
    assert line["timestamp"] != "x"
    assert (line["name"], line["args"], line["msg"]) == ("n", [1], "y")


def test_j3_secrets_reach_no_log() -> None:
    stream = json_log()
    try:
        raise ValueError(f"https://x/?sig=abc&y {SECRET}")
    except ValueError:
        log_event(
            LOGGER,
            logging.ERROR,
            "run.blocked",
            f"login with {SECRET}",
            exc_info=True,
            url="https://x/c?sv=1&sig=aB%3D",
            deep=[{"a": f"x{SECRET}"}],
            client_secret="other",
            environment={"AZCOPY_SPA_CLIENT_SECRET": b"other"},
        )
    text = stream.getvalue()
    assert SECRET not in text
    assert "sig=abc" not in text
    assert "aB%3D" not in text
    assert "other" not in text
    (line,) = lines(stream)
    assert line["url"] == "https://x/c?sv=1&sig=***"
    assert line["message"] == "login with ***"


def test_an_exception_is_one_field_of_one_line() -> None:
    stream = json_log()
    try:
        raise ValueError("first\nsecond\x1b[31m")
    except ValueError as error:
        log_event(LOGGER, logging.ERROR, "bug", "oh", exc_info=error)
    (line,) = lines(stream)
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert "\x1b" not in line["exception"]
    assert stream.getvalue().count("\n") == 1


TEXT = st.text(st.characters(codec=None), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, TEXT, TEXT, st.sampled_from(["json", "text"]))
def test_no_name_can_forge_a_line(message: str, key: str, value: str, style: Any) -> None:
    stream = io.StringIO()
    configure("INFO", style, None, Redactor(), stream, {})
    log_event(LOGGER, logging.INFO, "a", message, run=value, fields={key: value}, path=value)
    LOGGER.info(message)
    text = stream.getvalue()
    assert text.count("\n") == 2
    assert text.replace("\n", "").isprintable()
    if style == "json":
        assert all(json.loads(line) for line in text.splitlines())


def test_a_forged_trace_is_no_line_of_the_text_log() -> None:
    stream = Terminal()
    configure("INFO", None, None, Redactor(), stream, {})
    error = ValueError("x\n2026-11-22T00:00:00+00:00 INFO run.published forged")
    log_event(LOGGER, logging.ERROR, "bug", "oh", exc_info=error)
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("ERROR   bug oh")
    assert all(line.startswith("  | ") for line in rest)


def test_text_is_for_people_on_a_terminal() -> None:
    stream = Terminal()
    configure("INFO", None, None, Redactor(), stream, {})
    log_event(
        LOGGER,
        logging.INFO,
        "run.settled",
        "settled",
        run="n/r",
        instrument="n",
        step="settle",
        files=3,
    )
    log_event(LOGGER, logging.WARNING, "source.offline", "offline", instrument="n")
    first, second = stream.getvalue().splitlines()
    assert first.split(" ", 1)[1] == "INFO    run.settled n/r settle: settled (files=3)"
    assert second.split(" ", 1)[1] == "WARNING source.offline n: offline"


def test_without_a_terminal_it_is_json() -> None:
    stream = io.StringIO()
    configure("INFO", None, None, Redactor(), stream, {})
    log_event(LOGGER, logging.INFO, "a", "b")
    assert lines(stream)


def test_under_the_journal_each_line_has_its_priority(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with path.open("w", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        here = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        elsewhere = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"}
        levels = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL]
        configure("DEBUG", "json", None, Redactor(), stream, here)
        for level in levels:
            log_event(LOGGER, level, "a", "b")
        configure("DEBUG", "text", None, Redactor(), stream, here)
        log_event(LOGGER, logging.ERROR, "bug", "b", exc_info=ValueError("x"))
        configure("DEBUG", "text", None, Redactor(), stream, elsewhere)
        log_event(LOGGER, logging.ERROR, "last", "b")
    *prefixed, last = path.read_text(encoding="utf-8").splitlines()
    assert [line[:3] for line in prefixed[:5]] == ["<7>", "<6>", "<4>", "<3>", "<2>"]
    assert json.loads(prefixed[1][3:])["event"] == "a"
    assert len(prefixed) == 7
    assert all(line.startswith("<3>") for line in prefixed[5:])
    assert not last.startswith("<")


def test_a_stream_that_is_not_unicode_gets_escapes() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    configure("INFO", "json", None, Redactor(), stream, {})
    log_event(LOGGER, logging.INFO, "a", "Prøve")
    assert json.loads(raw.getvalue().replace(rb"\xf8", rb"\u00f8"))["message"] == "Prøve"
    configure("INFO", "json", None, Redactor(), io.StringIO(), {})


def test_the_copy_in_a_file_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 2000)
    path = tmp_path / "syncd.log"
    stream = json_log(file=path)
    for number in range(200):
        log_event(LOGGER, logging.INFO, "a", "ø", number=number)
    assert path.stat().st_size < 2000
    assert len(list(tmp_path.iterdir())) == 1 + logs.ROTATE_COPIES
    newest = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(newest[-1])["number"] == 199
    assert stream.getvalue().endswith(newest[-1] + "\n")


def test_a_file_that_can_not_be_written_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_PAUSE_SECONDS", 0.0)
    folder = tmp_path / "later"
    stream = json_log(file=folder / "syncd.log")
    for _ in range(3):
        log_event(LOGGER, logging.INFO, "a", "b")
    events = [line["event"] for line in lines(stream)]
    assert events == ["a", "log.file-failed", "a", "a"]
    folder.mkdir()
    log_event(LOGGER, logging.INFO, "back", "b")
    assert '"back"' in (folder / "syncd.log").read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    # A rotating handler does not rotate what is no regular file, so this is only ENOSPC.
    stream = json_log(file=Path("/dev/full"))
    for _ in range(3):
        log_event(LOGGER, logging.INFO, "a", "b" * 100)
    warning = next(line for line in lines(stream) if line["event"] == "log.file-failed")
    assert "No space left" in warning["error"]
    assert len(lines(stream)) == 4
    with contextlib.suppress(OSError), open("/dev/full", "w", encoding="utf-8") as full:
        configure("INFO", "json", None, Redactor(), full, {})
        log_event(LOGGER, logging.INFO, "a", "b" * 100)
        json_log()
    assert not capfd.readouterr().err


def test_a_closed_stream_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    stream = json_log()
    stream.close()
    log_event(LOGGER, logging.INFO, "a", "b")
    assert not capfd.readouterr().err


def test_values_that_can_not_be_shown_stop_nothing() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no")

    stream = json_log()
    log_event(LOGGER, logging.INFO, "a", "b", broken=Broken())
    LOGGER.info("%d", "no number")
    LOGGER.info("next")
    assert [line["message"] for line in lines(stream)] == ["b", "%d ('no number',)", "next"]
    assert lines(stream)[0]["broken"] == "<Broken that can't be shown>"


def test_huge_values_are_cut() -> None:
    stream = json_log()
    log_event(LOGGER, logging.INFO, "a", "x" * 1_000_000)
    (line,) = lines(stream)
    assert len(line["message"]) < 20_000
    assert line["message"].endswith("(1000000 characters)")


def test_warnings_of_python_are_logged() -> None:
    stream = json_log()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    assert "old thing" in lines(stream)[0]["message"]


def test_a_whole_process_writes_lines_to_stdout(tmp_path: Path, repo_root: Path) -> None:
    code = (
        "import logging\n"
        "from datalake_syncd.adapters.logs import configure, log_event\n"
        "from datalake_syncd.core.redact import Redactor\n"
        "configure('INFO', None, None, Redactor(['s3cr3t']))\n"
        "log_event(logging.getLogger('x'), 20, 'a', 'Prøve s3cr3t')\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(repo_root), "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment, cwd=tmp_path
    )
    assert not done.stderr
    assert json.loads(done.stdout)["message"].endswith("ve ***")
