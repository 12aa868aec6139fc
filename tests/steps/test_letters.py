"""Mails as bytes: the subject reads the same for every reader, however long it is."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.header import decode_header, make_header

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datalake_syncd.steps.mail.letters import Attachment, Thread, Writer, without_attachments
from tests.steps.mailing import Post

WORD = st.text(st.sampled_from("abcXYZ019_-/.:,;(\"'=?<@…ä中"), min_size=1, max_size=100)
SUBJECTS = st.lists(WORD, min_size=1, max_size=6).map(" ".join)


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writer]:
    post = Post(tmp_path_factory.mktemp("post"), port=1)
    mail = post.service.config.mail
    assert mail is not None
    yield Writer(post.service.config, mail)
    post.ledger.close()


def readings(message: bytes) -> set[str]:
    """The subject as a strict reader and a simple one show it."""
    found = re.search(rb"^Subject: (.*?)\r\n(?![ \t])", message, re.DOTALL | re.MULTILINE)
    assert found is not None
    raw = found[1].decode("ascii").replace("\r\n", "")
    strict = message_from_bytes(message, policy=policy.default)["Subject"]
    return {str(strict), str(make_header(decode_header(raw)))}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=SUBJECTS, machine=st.integers(2, 64), goes_on=st.booleans())
def test_a_long_subject_reads_as_it_was_written(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, text: str, machine: int, goes_on: bool
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "v" * machine)
    thread = Thread(("<1@vm>",), text) if goes_on else Thread()
    letter = writer.letter(text, "words", thread=thread, attachments=[Attachment("log", b"line\n")])
    assert readings(letter.message) == {letter.subject}
    smaller = without_attachments(letter.message)
    assert smaller is not None
    assert readings(smaller) == {letter.subject}
    head = letter.message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(len(line) <= 998 for line in head), "RFC 5322"
    assert all(len(line) <= 76 for line in head if b"=?" in line), "RFC 2047"


def test_a_subject_of_plain_letters_is_readable_in_the_raw_mail(writer: Writer) -> None:
    run = "nextseq/180612_NB501016_0001_AHXXXXXXXX"
    letter = writer.letter(f"{run} needs you: {'its sample sheet is missing ' * 3}", "words")
    assert f"{run} needs you: its sample sheet is missing its".encode() in letter.message
