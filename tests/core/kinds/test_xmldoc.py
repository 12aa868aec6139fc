"""The XML reader against what is half-written, hostile, huge or in another encoding."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.kinds import MAX_METADATA_BYTES
from datalake_syncd.core.kinds.illumina.runinfo import Described, read_run_info
from datalake_syncd.core.kinds.illumina.runparameters import read_run_parameters
from datalake_syncd.core.kinds.illumina.runstatus import RunEnd, read_job_info, read_run_status
from datalake_syncd.core.kinds.illumina.xmldoc import one_line, read_xml
from datalake_syncd.core.model import Outcome
from demo import runfiles
from tests.illumina import KINDS_WITH_STATUS, NAMES, run_of

STATUS = runfiles.completion_status("RUN", [(1, 8, False)], 8, "CompletedAsPlanned")
STATUS_TEXT = STATUS.decode()

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMBS = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l9;</x>',
    "quadratic": f'<!DOCTYPE x [<!ENTITY a "{"a" * 100_000}">]><x>{"&a;" * 100_000}</x>',
    "external entity": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    "external dtd": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><x/>',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///dev/zero"> %a;]><x/>',
    "harmless dtd": "<!DOCTYPE x><x/>",
    "deep": "<a>" * 200_000 + "</a>" * 200_000,
    "deep in a small file": "<a>" * 5_000 + "</a>" * 5_000,
    "wide": "<a>" + "<b/>" * 900_000 + "</a>",
    "endless attribute": f'<a b="{"x" * 3_000_000}',
    "many attributes": "<a " + " ".join(f'b{n}=""' for n in range(300_000)) + "/>",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_read_in_little_time(name: str) -> None:
    started = time.monotonic()
    document = read_xml("X.xml", BOMBS[name].encode())
    assert time.monotonic() - started < 10
    if name != "many attributes":
        assert document.root is None
        assert document.problem.startswith("X.xml: ")


@pytest.mark.parametrize("name", ["billion laughs", "external entity", "harmless dtd"])
def test_a_document_type_is_told_as_such(name: str) -> None:
    problem = read_run_status(BOMBS[name].encode()).problem
    assert "declares a document type or entities" in problem


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "can't be read"),
        (b"", "0 bytes"),
        (b"\0" * 924, "924 zero bytes"),
        (STATUS[: len(STATUS) // 2], "half-written or not XML"),
        (STATUS[:-1], "half-written or not XML"),
        (STATUS[:400] + b"\0" * 500, "half-written or not XML"),
        (b" \r\n ", "half-written or not XML"),
        (b"<html><body>404<br></body></html>", "half-written or not XML"),
        (b"PK\x03\x04rubbish", "half-written or not XML"),
        (b"<a>&undefined;</a>", "half-written or not XML"),
        (b"<a/>" + b" " * MAX_METADATA_BYTES, "are allowed"),
    ],
)
def test_what_can_not_be_read_says_why_in_one_line(data: bytes | None, words: str) -> None:
    readers: list[Callable[[bytes | None], Described | RunEnd]] = [
        read_run_status,
        read_job_info,
        read_run_info,
        read_run_parameters,
    ]
    for reader in readers:
        problem = reader(data).problem
        assert words in problem
        assert problem == one_line(problem, 300)


ENCODED = {
    "utf-8": STATUS,
    "utf-8 with mark": codecs.BOM_UTF8 + STATUS,
    "utf-16-le with mark": codecs.BOM_UTF16_LE + STATUS_TEXT.encode("utf-16-le"),
    "utf-16-be with mark": codecs.BOM_UTF16_BE + STATUS_TEXT.encode("utf-16-be"),
    "utf-16-le without mark": STATUS_TEXT.encode("utf-16-le"),
    "utf-16-be without mark": STATUS_TEXT.encode("utf-16-be"),
    "utf-32": codecs.BOM_UTF32_LE + STATUS_TEXT.encode("utf-32-le"),
    "declared utf-16, is utf-8": STATUS.replace(b'"1.0"', b'"1.0" encoding="utf-16"'),
    "declared utf-8, is utf-16": STATUS_TEXT.replace('"1.0"', '"1.0" encoding="utf-8"').encode(
        "utf-16"
    ),
    "declared latin-1": STATUS.replace(b'"1.0"', b'"1.0" encoding="ISO-8859-1"').replace(
        b">RUN<", b">R\xd8N<"
    ),
    "utf-8 with a broken character": STATUS.replace(b">RUN<", b">R\xffN<"),
    "declared codec that is no encoding": STATUS.replace(b'"1.0"', b'"1.0" encoding="zlib"'),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_status_is_read_in_every_encoding(encoding: str) -> None:
    end = read_run_status(ENCODED[encoding])
    assert (end.outcome, end.completed_cycles, end.problem) == (Outcome.GOOD, 8, "")


def test_a_namespace_changes_nothing() -> None:
    named = STATUS.replace(b"<RunCompletionStatus ", b'<RunCompletionStatus xmlns="urn:x" ')
    assert read_run_status(named) == read_run_status(STATUS)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "cp1252", "utf-16-le", "utf-16-be"])
def test_text_is_decoded_as_it_was_written(encoding: str) -> None:
    declared = encoding.replace("cp1252", "Windows-1252")
    data = f'<?xml version="1.0" encoding="{declared}"?><RunParameters><ExperimentName>Kør'
    document = (data + "</ExperimentName></RunParameters>").encode(encoding)
    assert read_run_parameters(document).facts.experiment == "Kør"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", "two lines"),
        ("bell\x07 and \x1b[31mred", "bell and [31mred"),
        ("right\u202eleft", "right left"),
        ("  padded  ", "padded"),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_text_from_an_instrument_is_made_fit_to_show(text: str, shown: str) -> None:
    assert one_line(text) == shown


# Every proper beginning of a status file is "not yet": this is what a poll in mid-write reads.
@pytest.mark.parametrize("data", [STATUS, STATUS_TEXT.encode("utf-16")], ids=["utf-8", "utf-16"])
def test_no_beginning_of_a_status_file_is_taken_for_a_status(data: bytes) -> None:
    for length in range(len(data)):
        end = read_run_status(data[:length])
        assert end.problem, length
        assert end == RunEnd(problem=end.problem)


_RUNS = [
    *(run_of(kind) for kind in NAMES),
    *(run_of(kind, analysis="error", outcome="X") for kind in ("miseq", "miniseq", "iseq")),
    *(run_of(kind, outcome="RunErrored") for kind in KINDS_WITH_STATUS),
]
_DOCUMENTS = [
    data
    for run in _RUNS
    for name, data in run.files().items()
    if name.endswith(".xml") and "/" not in name
]
_FRAGMENTS = [b"<", b"</a>", b"&#0;", b"]]>", b"<!--", b"<![CDATA[", b"\xff\xfe", b"999999999999"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from(_DOCUMENTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 200)))
        patch = draw(
            st.sampled_from(_FRAGMENTS) | st.binary(max_size=20) | st.just(data[start:end])
        )
        data = data[:start] + patch + data[draw(st.sampled_from([start, end])) :]
    if draw(st.booleans()):
        data = data.decode("utf-8", errors="replace").encode("utf-16")
    return data


@settings(max_examples=300, deadline=None)
@given(data=damaged() | st.binary(max_size=400))
def test_no_damage_makes_a_reader_raise_or_show_something_unfit(data: bytes) -> None:
    info, parameters = read_run_info(data), read_run_parameters(data)
    status, job = read_run_status(data), read_job_info(data)
    assert status.outcome is Outcome.UNKNOWN or status.status_text
    results: list[tuple[str, object]] = [
        (info.problem, info.facts),
        (parameters.problem, parameters.facts),
        (status.problem, status),
        (job.problem, job),
    ]
    for problem, said in results:
        for text in (problem, *_texts_of(said)):
            assert text.isprintable()
            assert len(text) <= 500


def _texts_of(facts: object) -> list[str]:
    names = ("run_id", "run_number", "instrument_id", "flowcell", "date", "experiment", "software")
    values = [getattr(facts, name, None) for name in (*names, "status_text", "error_text")]
    return [value for value in values if isinstance(value, str)]
