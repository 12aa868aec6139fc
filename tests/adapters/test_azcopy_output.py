"""What azcopy says and what that means: pure, on lines that azcopy 10.32.2 really wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.adapters.azcopy.collect import Collector
from datalake_syncd.adapters.azcopy.job import AzcopySettings, CopyJob, CopyResult
from datalake_syncd.adapters.azcopy.output import (
    EndOfJob,
    FileFailure,
    Init,
    Message,
    Progress,
    is_doubt,
    log_reasons,
    parse_line,
)
from datalake_syncd.adapters.azcopy.stall import StallWatch
from datalake_syncd.adapters.azcopy.verdict import judge, verdict
from datalake_syncd.core.access import LakeAccess
from datalake_syncd.core.errors import (
    AuthRefused,
    Damaged,
    LakeUnavailable,
    NeedsPerson,
    SourceChanged,
    SourceOffline,
    Stopped,
    SyncdError,
    Transient,
)
from datalake_syncd.core.redact import Redactor

COUNTERS = {
    "JobStatus": "InProgress",
    "TotalTransfers": "3",
    "TransfersCompleted": "1",
    "TransfersFailed": "2",
    "TransfersSkipped": "0",
    "BytesOverWire": "17",
    "TotalBytesTransferred": "9007199254740993",
    "TotalBytesExpected": "99",
    "NetworkErrorPercentage": "12.5",
    "ServerBusyPercentage": "0",
    "ErrorMsg": "",
    "FailedTransfers": [
        {"Src": "/r/a : b.txt", "TransferStatus": "Failed", "ErrorCode": "404"},
        {"Src": "/r/c", "TransferStatus": "Failed", "ErrorCode": 0},
    ],
    "SkippedTransfers": None,
}


def line(kind: str, content: object) -> bytes:
    text = content if isinstance(content, str) else json.dumps(content)
    return json.dumps({"MessageType": kind, "MessageContent": text}).encode() + b"\n"


def test_counters_are_strings_and_lists_may_be_null() -> None:
    told = parse_line(line("Progress", COUNTERS))
    assert isinstance(told, Progress)
    assert (told.files_done, told.files_failed, told.files_total) == (1, 2, 3)
    assert told.bytes_done == 9007199254740993  # exact, though no float could hold it
    assert (told.bytes_over_wire, told.network_errors) == (17, 12.5)
    assert told.failed == (FileFailure("/r/a : b.txt", 404), FileFailure("/r/c", 0))
    assert told.skipped == ()


def test_the_end_may_be_counters_or_a_sentence() -> None:
    end = parse_line(line("EndOfJob", COUNTERS))
    assert isinstance(end, EndOfJob)
    assert end.progress is not None
    assert parse_line(line("EndOfJob", "")) == EndOfJob(None)
    assert parse_line(line("EndOfJob", "Successfully removed all jobs.")) == EndOfJob(None)


def test_other_lines_become_messages() -> None:
    assert parse_line(line("Init", {"JobID": "j", "LogFileLocation": "/l"})) == Init("j", "/l")
    assert parse_line(line("Info", "INFO: Scanning...")) == Message("Info", "INFO: Scanning...")
    assert parse_line(line("Prompt", "sure?")) == Message("Prompt", "sure?")
    assert parse_line(line("SomethingNew", "x")) == Message("SomethingNew", "x")
    assert parse_line(b"unknown flag: --x\n") == Message("", "unknown flag: --x")
    assert parse_line(b"  \n") is None


@pytest.mark.parametrize(
    "odd",
    [
        b"{",
        b"[1]",
        b"null",
        b"\xff\xfe{}",
        b'{"MessageType": 7}',
        b'{"MessageType": "Progress", "MessageContent": "no json"}',
        b'{"MessageType": "Progress", "MessageContent": 7}',
        line("Progress", {"TotalTransfers": "NaN", "BytesOverWire": "1e400", "FailedTransfers": 3}),
        line("Progress", {"TotalTransfers": {}, "FailedTransfers": [None, 3, {"ErrorCode": []}]}),
        b'{"a":' * 20000,
    ],
)
def test_odd_lines_never_raise(odd: bytes) -> None:
    parse_line(odd)


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    parse_line(data)


@given(st.dictionaries(st.sampled_from(sorted(COUNTERS)), st.none() | st.text() | st.floats()))
def test_no_counters_raise(content: dict[str, object]) -> None:
    assert isinstance(parse_line(line("Progress", content)), Progress)


def test_a_line_of_many_megabytes() -> None:
    names = [{"Src": f"/r/{i:0100}", "ErrorCode": "503"} for i in range(30_000)]
    told = parse_line(line("Progress", {**COUNTERS, "FailedTransfers": names}))
    assert isinstance(told, Progress)
    assert len(told.failed) == 30_000


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("INFO: Skipping a/b as it cannot be scanned due to error: lstat: no such file", True),
        ("Accessing '/r/x' failed with error: open /r/x: permission denied", True),
        ("INFO: failed to resolve symlink x", True),
        ("INFO: Could not read destination length. If the destination is write-only", False),
        ("INFO: Any empty folders will not be processed, because source and/or", False),
        ("INFO: Using a blocksize of 0.25GiB for file /r/Skipping.txt", False),
    ],
)
def test_which_infos_are_doubts(text: str, doubt: bool) -> None:
    assert is_doubt(text) is doubt


def test_reasons_from_the_log() -> None:
    log = [
        "2026/11/22 15:31:38 AzcopyVersion  10.32.2",
        "2026/11/22 15:31:38 Job-Command copy /r http://x --list-of-files ERR",
        "2026/11/22 15:31:39 ERR: [P#0-T#0] UPLOADFAILED: /r/a : b.txt : 404 : 404 The specified "
        "container does not exist.. When Committing block list. X-Ms-Request-Id: 5e43-1",
        "",
        "   Dst: http://127.0.0.1/x/a",
        "2026/11/22 15:31:38 Failed to scan path /r/none: lstat /r/none: no such file or directory",
        "2026/11/22 15:31:40 Closing Log",
    ]
    reasons = list(log_reasons(log))
    assert ("/r/a : b.txt", "404 The specified container does not exist.. When Committing block "
            "list.") in reasons  # fmt: skip
    assert [text for source, text in reasons if not source and "Failed to scan" in text]
    assert not [text for _, text in reasons if "Closing" in text or "Version" in text]


GOOD = Progress(10, 10, 3, 0, 0, 3, status="Completed")
RESULT = CopyResult("/r", "nextseq01", 0, GOOD, ended=True)


def failed(*failures: FileFailure, status: str = "CompletedWithErrors") -> CopyResult:
    counters = replace(GOOD, files_done=3 - len(failures), files_failed=len(failures))
    return replace(RESULT, returncode=1, last=replace(counters, status=status), failures=failures)


def test_success_is_all_of_it() -> None:
    judge(RESULT, 3)


@pytest.mark.parametrize(
    "spoiled",
    [
        replace(RESULT, returncode=1),
        replace(RESULT, ended=False),
        replace(RESULT, last=None),
        replace(RESULT, last=replace(GOOD, status="CompletedWithSkipped")),
        replace(RESULT, last=replace(GOOD, files_total=2, files_done=2)),
        replace(RESULT, last=replace(GOOD, files_total=4, files_done=4)),
        replace(RESULT, last=replace(GOOD, files_done=2)),
        replace(RESULT, last=replace(GOOD, files_total=0, files_done=0)),
        replace(RESULT, doubts=("INFO: Skipping x due to: no such file",)),
        replace(RESULT, failures=(FileFailure("/r/x", 0),)),
        replace(RESULT, stalled=True, stall_reason="nothing moved"),
        replace(RESULT, stopped=True),
        replace(RESULT, returncode=-9, last=None, ended=False),
    ],
)
def test_one_thing_amiss_is_no_success(spoiled: CopyResult) -> None:
    with pytest.raises(SyncdError):
        judge(spoiled, 3)


CASES: list[tuple[int, str, type[SyncdError], str]] = [
    (
        0,
        "File modified since transfer scheduled. source modified during transfer",
        SourceChanged,
        "",
    ),
    (0, "EOF. When chunk data read", SourceChanged, ""),
    (0, "stat /r/a: no such file or directory", SourceChanged, ""),
    (0, "Couldn't open source. open /r/a: permission denied", NeedsPerson, "could not be read"),
    (0, "read /r/a: input/output error", SourceOffline, ""),
    (0, "lstat /r/a: host is down", SourceOffline, ""),
    (0, "stale NFS file handle", SourceOffline, ""),
    (0, "dial tcp: lookup x: no such host", LakeUnavailable, "could not be reached"),
    (0, "", LakeUnavailable, ""),
    (408, "", LakeUnavailable, ""),
    (429, "", LakeUnavailable, ""),
    (500, "", LakeUnavailable, ""),
    (503, "Server busy", LakeUnavailable, ""),
    (507, "", LakeUnavailable, ""),
    (400, "400 Md5Mismatch The MD5 value specified is not", Damaged, "damaged"),
    (400, "The specified block list is invalid.", Transient, "another uploader"),
    (400, "OutOfRangeInput", NeedsPerson, "refuses"),
    (413, "", NeedsPerson, ""),
    (401, "", AuthRefused, "nextseq01|refused"),
    (403, "AuthorizationPermissionMismatch", AuthRefused, ""),
    (404, "404 The specified container does not exist..", LakeUnavailable, "nextseq01"),
    (409, "BlobImmutableDueToPolicy", NeedsPerson, ""),
    (409, "The specified container is being deleted", LakeUnavailable, ""),
    (412, "There is currently a lease on the blob", NeedsPerson, "lease"),
]


@pytest.mark.parametrize(("code", "reason", "kind", "words"), CASES)
def test_the_failure_table(code: int, reason: str, kind: type[SyncdError], words: str) -> None:
    error = verdict(failed(FileFailure("/r/run/a", code, reason=reason)), 3)
    assert type(error) is kind
    assert any(word in str(error) for word in words.split("|"))
    assert "run/a" in str(error)
    assert "/r/run/a" not in str(error).replace(reason, "")


def test_a_missing_container_says_what_to_do() -> None:
    error = verdict(failed(FileFailure("/r/a", 404, reason="container does not exist")), 3)
    assert isinstance(error, LakeUnavailable)
    assert "create the container nextseq01" in error.next_step


def test_what_stops_everything_is_told_before_what_stops_one_file() -> None:
    lease = FileFailure("/r/a", 412, reason="lease")
    changed = FileFailure("/r/b", 0, reason="modified during transfer")
    forbidden = FileFailure("/r/c", 403)
    assert isinstance(verdict(failed(lease), 3), NeedsPerson)
    assert isinstance(verdict(failed(lease, changed), 3), SourceChanged)
    assert isinstance(verdict(failed(lease, changed, forbidden), 3), AuthRefused)


def test_our_own_stop_is_no_attempt() -> None:
    error = verdict(replace(failed(FileFailure("/r/a", 403)), stopped=True), 3)
    assert isinstance(error, Stopped)
    assert error.not_an_attempt


def test_a_job_that_cancelled_itself_was_refused() -> None:
    cancelled = replace(GOOD, status="Cancelled", files_done=0)
    info = "INFO: Authentication failed, it is either not correct, or expired, or does not have"
    result = replace(RESULT, returncode=1, last=cancelled, infos=(info,))
    assert isinstance(verdict(result, 3), AuthRefused)
    assert isinstance(verdict(replace(result, infos=()), 3), AuthRefused)
    stalled = replace(result, infos=(), stalled=True, stall_reason="nothing moved for 9 s")
    assert type(verdict(stalled, 3)) is Transient


def test_missing_and_unreadable_list_entries() -> None:
    missing = "INFO: Skipping a as it cannot be scanned due to error: lstat a: no such file"
    assert isinstance(verdict(replace(RESULT, doubts=(missing,)), 3), SourceChanged)
    closed = "INFO: Skipping a as it cannot be scanned due to error: permission denied"
    assert isinstance(verdict(replace(RESULT, doubts=(closed,)), 3), NeedsPerson)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("failed to perform Auto-login: AADSTS7000215", AuthRefused),
        ("Cannot perform copy due to error: the URL requires authentication.", AuthRefused),
        ("cannot start job due to error: failed to scan path /r due to lstat", SourceOffline),
        ("something new", Transient),
    ],
)
def test_errors_of_the_whole_job(text: str, kind: type[SyncdError]) -> None:
    result = replace(RESULT, returncode=1, last=None, ended=False, errors=(text,))
    error = verdict(result, 3)
    assert type(error) is kind
    assert text in str(error)


def test_a_usage_error_is_never_tried_again() -> None:
    result = replace(RESULT, returncode=1, last=None, ended=False, stray="Error: unknown flag: --x")
    assert isinstance(verdict(result, 3), NeedsPerson)


def test_a_panic_and_a_kill_are_transient_and_explained() -> None:
    died = replace(RESULT, last=None, ended=False)
    panic = replace(died, returncode=2, stderr="panic: write /p/plan: no space left on device")
    error = verdict(panic, 3)
    assert type(error) is Transient
    assert "space" in error.next_step
    killed = verdict(replace(died, returncode=-9), 3)
    assert type(killed) is Transient
    assert "SIGKILL" in str(killed)
    assert "memory" in killed.next_step


def test_a_stall_with_failing_requests_names_the_network() -> None:
    stalled = replace(
        RESULT, returncode=1, stalled=True, stall_reason="nothing moved for 90 s",
        last=replace(GOOD, status="Cancelled", files_done=0, network_errors=100.0),
    )  # fmt: skip
    error = verdict(stalled, 3)
    assert isinstance(error, LakeUnavailable)
    assert "100 %" in str(error)
    cut_off = replace(stalled, failures=(FileFailure("/r/a", 0, reason="context canceled"),))
    assert "nothing moved" in str(verdict(cut_off, 3))
    # What azcopy was told before still counts.
    forbidden = replace(stalled, failures=(FileFailure("/r/a", 403),))
    assert isinstance(verdict(forbidden, 3), AuthRefused)


def test_many_failures_make_a_short_message() -> None:
    many = [FileFailure(f"/r/{i:0200}", 503, reason="busy") for i in range(900)]
    text = str(verdict(failed(*many), 3))
    assert len(text) < 1500
    assert "897 more" in text


def test_names_of_files_are_escaped() -> None:
    error = verdict(failed(FileFailure("/r/a\x1b[31m\u202e.txt", 503)), 3)
    assert "\x1b" not in str(error)
    assert "\u202e" not in str(error)


START = Progress(0, 1000, 0, 0, 0, 10)


def test_growth_of_any_kind_is_life() -> None:
    for step in ({"bytes_done": 1}, {"files_done": 1}, {"files_failed": 1}, {"files_skipped": 1}):
        watch = StallWatch(60, 0)
        watch.progress(START, 50)
        watch.progress(replace(START, **step), 59)  # type: ignore[arg-type]
        watch.heard(118)
        assert watch.stuck(118) is None
        assert "nothing moved" in str(watch.stuck(119))


def test_talk_without_growth_is_no_life() -> None:
    watch = StallWatch(60, 0)
    for now in range(0, 60, 2):
        watch.progress(START, now)
        assert watch.stuck(now) is None
    watch.progress(START, 60)
    assert "nothing moved for 60 s" in str(watch.stuck(60))


def test_sent_bytes_count_only_while_nothing_fails_and_nothing_is_sent_twice() -> None:
    # A large file in one request: no byte is acknowledged before its end.
    watch = StallWatch(60, 0)
    watch.progress(replace(START, bytes_over_wire=500), 50)
    watch.heard(100)
    assert watch.stuck(100) is None
    # More was sent than there is: that is repetition, not progress.
    watch.progress(replace(START, bytes_over_wire=1000), 109)
    watch.progress(replace(START, bytes_over_wire=5000), 160)
    assert watch.stuck(169) is not None
    failing = StallWatch(60, 0)
    failing.progress(replace(START, bytes_over_wire=500, network_errors=10), 50)
    assert failing.stuck(60) is not None


def test_failing_requests_shorten_the_patience_but_never_lengthen_it() -> None:
    watch = StallWatch(900, 0)
    watch.progress(replace(START, network_errors=100), 4)
    watch.progress(replace(START, network_errors=100), 89)
    assert watch.stuck(89) is None
    assert "requests failed" in str(watch.stuck(90))
    short = StallWatch(30, 0)
    short.progress(replace(START, network_errors=100), 29)
    assert short.stuck(30) is not None
    # Trouble that is over, with growth since, is forgiven.
    over = StallWatch(900, 0)
    over.progress(replace(START, network_errors=50), 10)
    over.progress(replace(START, network_errors=20, bytes_done=5), 80)
    over.progress(replace(START, network_errors=15, bytes_done=5), 180)
    assert over.stuck(180) is None


def test_silence_is_a_stall_too() -> None:
    watch = StallWatch(900, 0)
    assert watch.stuck(299) is None
    assert "said nothing" in str(watch.stuck(300))
    watch.progress(START, 10)
    assert watch.stuck(129) is None
    assert "said nothing for 120 s" in str(watch.stuck(130))
    assert StallWatch(5, 0).stuck(5) is not None


def test_nothing_that_azcopy_says_keeps_a_secret(tmp_path: Path) -> None:
    # azcopy hides signatures by itself; this is for the day on which it does not.
    secret = "aB%2Fcd0815="
    access = LakeAccess("https://lab.example.org", "lake", "sas")
    job = CopyJob("azcopy", Path("/r"), "p", [], 0, 0, access, AzcopySettings(), tmp_path)
    collector = Collector(job, Redactor([secret]))
    for kind in ("Info", "Error", "", "Prompt", "New"):
        collector.take(Message(kind, f"{kind} Skipping https://x/y?v=1&{secret}&z PUT\x1b[0m"))
    collector.take(EndOfJob(replace(GOOD, error=f"said {secret}")))
    collector.take(replace(GOOD, failed=(FileFailure("/r/a", 400),)))
    (tmp_path / "job.log").write_text(
        f"2026/11/22 15:31:39 ERR: UPLOADFAILED: /r/a : 400 : 400 bad {secret} end\n"
        f"2026/11/22 15:31:39 ERR: other trouble {secret}\n"
    )
    collector.read_log(tmp_path)
    result = collector.result(1, f"panic: {secret}".encode(), 1.0)
    told = repr(result)
    assert "aB%2Fcd" not in told
    assert "aB/cd" not in told
    assert "x1b[0m" in told, "escaped, not dropped"
    assert "\x1b" not in "".join(result.infos)
    assert result.failures[0].reason == "400 bad *** end"
    assert "panic: ***" in result.stderr
    assert result.log_notes
