"""Finding and starting azcopy, and children that do not behave like it."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

import pytest

from datalake_syncd.adapters.azcopy import (
    TESTED_VERSIONS,
    AzcopySettings,
    CopyJob,
    CopyResult,
    inspect,
    leftovers,
    locate,
    orphans,
    run_copy,
    verdict,
)
from datalake_syncd.adapters.azcopy import process as process_module
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import NeedsPerson, Transient


def test_the_pinned_azcopy_is_a_tested_one(azcopy_path: Path) -> None:
    found = inspect(azcopy_path)
    assert found.version in TESTED_VERSIONS
    assert found.tested
    assert found.path == azcopy_path
    assert found.sha256 == hashlib.sha256(azcopy_path.read_bytes()).hexdigest()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_another_version_is_told_apart(tmp_path: Path) -> None:
    found = inspect(script(tmp_path / "azcopy", "echo azcopy version 10.99.0"))
    assert found.version == "10.99.0"
    assert not found.tested


def test_a_bare_name_is_looked_up_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "azcopy-x", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locate("azcopy-x") == tmp_path / "azcopy-x"
    with pytest.raises(Transient, match=r"not found.*on PATH"):
        locate("azcopy-y")


def test_f1_no_azcopy_says_what_to_do(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    broken = script(tmp_path / "broken", "exit 3")
    nothing = tmp_path / "nothing"
    format_error = tmp_path / "format"
    format_error.write_bytes(b"\x7fELF\0\0")
    format_error.chmod(0o755)
    for path, words in (
        (nothing, "not found"),
        (plain, "not executable"),
        (broken, "does not run as azcopy"),
        (format_error, "can't be started"),
    ):
        with pytest.raises(Transient, match=words) as caught:
            inspect(path)
        assert "install azcopy" in caught.value.next_step
        assert str(path) in str(caught.value)


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    text = "echo 'x: error while loading shared libraries: libsecret-1.so.0: cannot' >&2; exit 127"
    with pytest.raises(Transient, match=r"libsecret-1\.so\.0") as caught:
        inspect(script(tmp_path / "azcopy", text))
    assert "libsecret-1-0" in caught.value.next_step


def call(program: Path, tmp_path: Path, *, stop: bool = False, stall: float = 60) -> CopyResult:
    access = LakeAccess(
        "https://lab.blob.core.windows.net", "lake", "sas", secret=lambda: "sv=1&sig=abcdef"
    )
    job = CopyJob(
        program, tmp_path, "p", ["a"], 1, 1, access, AzcopySettings(stall_timeout=stall),
        tmp_path / "private",
    )  # fmt: skip
    result = run_copy(job, clean=shutil.rmtree, should_stop=lambda: stop)
    assert leftovers(tmp_path / "private") == []
    assert orphans(tmp_path / "private") == []
    return result


def test_a_program_that_does_nothing_successfully_is_no_success(tmp_path: Path) -> None:
    error = verdict(call(script(tmp_path / "azcopy", "exit 0"), tmp_path), 1)
    assert type(error) is Transient
    assert "said nothing" in str(error)


def test_a_panic(tmp_path: Path) -> None:
    text = "echo 'panic: runtime error' >&2; head -c 300000 /dev/zero | tr '\\0' x >&2; exit 2"
    result = call(script(tmp_path / "azcopy", text), tmp_path)
    assert "crashed" in str(verdict(result, 1))
    assert len(result.stderr) < 10_000


def test_help_text_is_a_usage_error(tmp_path: Path) -> None:
    text = "echo 'Error: unknown flag: --put-md5'; seq 3000; exit 1"
    result = call(script(tmp_path / "azcopy", text), tmp_path)
    assert isinstance(verdict(result, 1), NeedsPerson)
    assert len(result.stray) < 10_000


def test_f12_f8_an_endless_line_is_drained(tmp_path: Path) -> None:
    text = "head -c 150000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 0"
    assert call(script(tmp_path / "azcopy", text), tmp_path).returncode == 0


def test_f12_what_it_started_ends_with_it(tmp_path: Path) -> None:
    # A grandchild (az) that holds the pipes must hold up nothing.
    pid_file = tmp_path / "pid"
    text = f"sleep 300 & echo $! > {pid_file}; exit 0"
    begun = time.monotonic()
    result = call(script(tmp_path / "azcopy", text), tmp_path)
    assert result.returncode == 0
    assert time.monotonic() - begun < 8
    assert result.warnings == ()
    until = time.monotonic() + 5
    while Path(f"/proc/{pid_file.read_text().strip()}").exists() and time.monotonic() < until:
        time.sleep(0.05)  # its new parent still has to notice
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.slow
def test_f3_a_deaf_program_is_killed(tmp_path: Path) -> None:
    text = "trap '' TERM INT HUP; while :; do sleep 1; done"
    result = call(script(tmp_path / "azcopy", text), tmp_path, stop=True)
    assert result.stopped
    assert result.returncode == -9
    assert 19 < result.seconds < 40


def test_the_environment_is_the_built_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "canary-4711")
    seen = tmp_path / "seen"
    call(script(tmp_path / "azcopy", f"env > {seen}; umask >> {seen}; pwd >> {seen}"), tmp_path)
    text = seen.read_text()
    assert "canary-4711" not in text
    assert "AZCOPY_LOG_LOCATION=" in text
    assert "0077" in text
    assert str(tmp_path / "private/copy-") in text


def test_without_setpriv_it_runs_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "_setpriv", lambda: None)
    result = call(script(tmp_path / "azcopy", "exit 0"), tmp_path)
    assert "setpriv" in result.warnings[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_private_folder_that_cannot_be_made(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Transient, match="can't write"):
        call(Path("/bin/true"), tmp_path)


def test_a_private_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "private").write_text("")
    with pytest.raises(Transient, match="can't write"):
        call(Path("/bin/true"), tmp_path)


def test_leftovers_of_a_missing_root_are_none(tmp_path: Path) -> None:
    assert leftovers(tmp_path / "none") == []
