from __future__ import annotations

import copy
import json
import os
import pickle
from pathlib import Path

import pytest

from datalake_syncd.config import Secret, SecretUnusable, read_secret


def secret_file(folder: Path, content: bytes = b"s3cr3t\n", mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("s3cr3t")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>20}", "%s" % secret, "%r" % secret]  # noqa: UP031
    shown += [str([secret]), str({"a": secret}), json.dumps(secret, default=str)]
    assert not [text for text in shown if "s3cr3t" in text]
    assert secret.reveal() == "s3cr3t"
    assert secret == Secret("s3cr3t")
    assert secret != Secret("other")
    assert secret != "s3cr3t"
    assert len({secret, Secret("s3cr3t")}) == 1
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(secret)
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"s3cr3t\n", "s3cr3t"), (b"s3cr3t", "s3cr3t"), (b"a b \r\n\n", "a b "), ("Ø".encode(), "Ø")],
)
def test_the_newline_at_the_end_is_no_part_of_it(content: bytes, text: str, tmp_path: Path) -> None:
    assert read_secret(secret_file(tmp_path, content)).reveal() == text


def test_it_is_read_anew_each_time(tmp_path: Path) -> None:
    path = secret_file(tmp_path)
    read_secret(path)
    path.write_bytes(b"rotated\n")
    assert read_secret(path).reveal() == "rotated"


@pytest.mark.parametrize(
    ("content", "mode", "part"),
    [
        (b"", 0o600, "is empty"),
        (b" \n", 0o600, "is empty"),
        (b"s3cr3t\nmore", 0o600, "more than one line"),
        (b"s3cr3t\0", 0o600, "control characters"),
        (b"s3cr3t\xff", 0o600, "is not text"),
        (b"s" * (64 * 1024 + 1), 0o600, "larger than 64 KiB"),
        (b"s3cr3t", 0o640, "open to other users (mode 640)"),
        (b"s3cr3t", 0o604, "open to other users (mode 604)"),
        (b"s3cr3t", 0o620, "open to other users (mode 620)"),
    ],
)
def test_a_bad_file_is_refused_in_three_parts(
    content: bytes, mode: int, part: str, tmp_path: Path
) -> None:
    with pytest.raises(SecretUnusable) as caught:
        read_secret(secret_file(tmp_path, content, mode))
    assert part in caught.value.what
    assert caught.value.why
    assert caught.value.next_step
    assert "s3cr3t" not in f"{caught.value}{caught.value.next_step}"
    assert caught.value.__cause__ is None


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretUnusable, match="does not exist"):
        read_secret(tmp_path / "none")
    with pytest.raises(SecretUnusable, match="not a regular file"):
        read_secret(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SecretUnusable, match="not a regular file"):
        read_secret(tmp_path / "fifo")


def test_systemd_hands_secrets_over_with_its_own_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = secret_file(tmp_path, mode=0o440)
    named = Path("${CREDENTIALS_DIRECTORY}/secret")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SecretUnusable, match="open to other users"):
        read_secret(path)
    with pytest.raises(SecretUnusable, match="CREDENTIALS_DIRECTORY is not set"):
        read_secret(named)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(path).reveal() == "s3cr3t"
    assert read_secret(named).reveal() == "s3cr3t"
    path.chmod(0o666)
    with pytest.raises(SecretUnusable, match="open to other users"):
        read_secret(path)
