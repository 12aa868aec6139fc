"""What happens to bytes and answers between this machine and the lake."""

from __future__ import annotations

import os
import re

import pytest

from datalake_syncd.core.backoff import ALARM_AFTER
from tests.e2e.lab import Lab, log_lines, tree_of
from tests.e2e.runs import expect_published, folder_of, miseq, row_of, write
from tests.proxy import Proxy, Request, Response, Times, flipped

MIB = 1 << 20
RUN = miseq(1)
OUT = f"miseq-out/{RUN.name}"


def write_run(lab: Lab, big: int = 0) -> dict[str, bytes]:
    """The run, with one file of so many bytes beside its own."""
    write(lab, RUN)
    if big:
        (folder_of(lab, RUN) / "big.bin").write_bytes(os.urandom(big))
    return tree_of(folder_of(lab, RUN))


def expect_every_byte(lab: Lab, files: dict[str, bytes]) -> None:
    """Published, and read from the lake byte for byte: a stored MD5 is only a claim."""
    expect_published(lab, RUN)
    for path, data in files.items():
        assert lab.read(f"{OUT}/{path}") == data, path


class Once:
    """True once for each word."""

    def __init__(self) -> None:
        self.done: dict[str, Times] = {}

    def __call__(self, word: str) -> bool:
        return self.done.setdefault(word, Times(1))()


def test_e1_a_busy_lake_is_asked_again_until_it_holds_everything(lab: Lab, proxy: Proxy) -> None:
    files = write_run(lab, 9 * MIB)
    lab.configure(azcopy=["put_blob_mb = 8"])
    first = Once()

    def rule(request: Request) -> None:
        what = "list" if "restype" in request.query else request.query.get("comp", ["blob"])[0]
        told = {
            "PUT block": (503, "ServerBusy"),
            "PUT blocklist": (500, "InternalError"),
            "PUT blob": (429, "TooManyRequests"),
            "GET list": (503, "ServerBusy"),
            "HEAD blob": (500, "InternalError"),
        }.get(f"{request.method} {what}")
        if told is not None and first(f"{request.method} {what}"):
            request.status, request.error = told
            request.headers["Retry-After"] = "1"

    proxy.rule = rule
    lab.once()
    assert first.done.keys() >= {"PUT block", "PUT blocklist", "PUT blob", "GET list"}
    expect_every_byte(lab, files)


@pytest.mark.slow
def test_e10_e11_a_connection_may_break_before_within_and_after_any_request(
    lab: Lab, proxy: Proxy
) -> None:
    files = write_run(lab, 9 * MIB)
    lab.configure(azcopy=["put_blob_mb = 8"])
    first = Once()

    def kind(request: Request) -> str:
        if request.path.endswith((".md5", ".sync")):
            return request.path[-5:]
        return request.query.get("comp", ["blob"])[0] if request.method == "PUT" else "read"

    def head(request: Request) -> None:
        if kind(request) in ("block", "blob"):
            for word, count in (("before", 0), ("within", 100)):
                if first(f"{word} {kind(request)}"):
                    request.cut_after = count
                    return

    def rule(request: Request) -> None:
        # What it was asked is done; nobody learns of it.
        request.lose_answer = first(f"after {kind(request)}")

    proxy.head, proxy.rule = head, rule
    lab.once()
    broken = {f"{word} {what}" for word in ("before", "within") for what in ("block", "blob")}
    broken |= {f"after {what}" for what in ("block", "blocklist", "blob", "read", ".sync")}
    assert first.done.keys() >= broken
    expect_every_byte(lab, files)
    assert row_of(lab, RUN).generation == 1
    kept = [blob for blob in lab.client.list_blobs(include=["snapshots"]) if blob.snapshot]
    assert not kept, "what we sent ourselves was taken for somebody else's"


def test_e14_a_block_that_arrives_cut_short_never_stays(lab: Lab, proxy: Proxy) -> None:
    files = write_run(lab, 12 * MIB)
    # A key signs how long a request is, so that the lake would see it at once; a SAS does not.
    lab.secret.write_text(lab.azurite.sas(lab.container))
    lab.configure(lake=['auth = "sas"'], azcopy=["put_blob_mb = 1"])
    once = Times(1)
    sizes: list[int] = []

    def rule(request: Request) -> None:
        if request.block and len(request.body) > MIB and once():
            request.body = request.body[:-7]

    def answer(response: Response) -> None:
        if response.request.query.get("comp") == ["blocklist"] and response.status == 201:
            sizes.append(lab.client.get_blob_client(f"{OUT}/big.bin").get_blob_properties().size)

    proxy.rule, proxy.answer = rule, answer
    lab.once()
    assert sizes == [12 * MIB - 7, 12 * MIB], "the wrong blob must have been there, and replaced"
    assert "verify.mismatch" in lab.events(RUN.name)
    assert "verify.bad-blob" not in lab.events(RUN.name), "its size alone must have shown it"
    expect_every_byte(lab, files)


@pytest.mark.slow
def test_e7_damage_that_repeats_is_an_alarm_and_stores_nothing(lab: Lab, proxy: Proxy) -> None:
    files = write_run(lab)
    bad = Times(3)

    def rule(request: Request) -> None:
        if request.put_blob and request.path.endswith("/RunInfo.xml") and bad():
            request.body = flipped(request.body)

    proxy.rule = rule
    with lab.daemon() as daemon:

        def alarm() -> bool:
            return any(line["level"] == "ERROR" for line in daemon.lines("run.retry"))

        lab.wait_for(alarm, 120, told="the third time")
        assert "arrived damaged" in lab.call("status", expect=1).stdout
        lab.call("retry", RUN.name)
        lab.wait_published(RUN.name)
        told = daemon.lines("run.retry")
    assert [line["level"] for line in told] == ["WARNING", "WARNING", "ERROR"]
    for line in told:
        assert "arrived damaged" in line["message"]
        assert "RunInfo.xml" in line["message"]
        assert "memory" in line["next_step"]
    assert [status for method, path, status in proxy.seen if path.endswith("RunInfo.xml")
            and method == "PUT"] == [400, 400, 400, 201]  # fmt: skip
    expect_every_byte(lab, files)
    assert row_of(lab, RUN).attempts < ALARM_AFTER


def test_e16_a_listing_without_md5_proves_nothing(lab: Lab, proxy: Proxy) -> None:
    files = write_run(lab)
    stripped = []

    def answer(response: Response) -> None:
        if response.request.query.get("comp") != ["list"]:
            return
        without = re.sub(rb"<Content-MD5>[^<]*</Content-MD5>", b"", response.body)
        if without != response.body:
            stripped.append(response.request.path)
        response.body = without

    proxy.answer = answer
    lab.once()
    assert stripped
    assert row_of(lab, RUN).proof == "read-back"
    expect_every_byte(lab, files)


PORTAL = b"<html><body>Welcome! Please accept the terms of this network.</body></html>"


def test_e23_a_captive_portal_is_no_lake_and_says_nothing_true(lab: Lab, proxy: Proxy) -> None:
    files = write_run(lab)
    captive = ["GET", "PUT", "HEAD"]

    def rule(request: Request) -> None:
        if request.method in captive:
            request.page = PORTAL

    def waits(*words: str) -> bool:
        row = lab.run(RUN.name)
        return row is not None and row.status == "waiting" and row.done == "settle" and any(
            word in (row.reason or "") for word in words
        )  # fmt: skip

    proxy.rule = rule
    with lab.daemon() as daemon:
        lab.wait_for(lambda: waits("something that is not the lake"), told="all captive")
        assert not lab.blobs()
        # Questions get true answers, but what is sent ends at the portal with a 200.
        captive.remove("GET")
        captive.remove("HEAD")
        lab.call("retry", RUN.name)
        lab.wait_for(lambda: waits("azcopy", "refuse"), told="captive for what is sent")
        assert not lab.blobs()
        assert not daemon.lines("run.published")
        captive.clear()
        lab.call("retry", RUN.name)
        lab.wait_published(RUN.name)
    expect_every_byte(lab, files)
    assert not [line for line in log_lines(daemon.log.read_text()) if line["level"] == "ERROR"]


def test_e9_a_pass_for_cron_ends_although_an_answer_comes_byte_by_byte(
    lab: Lab, proxy: Proxy
) -> None:
    """No read ever waits for long, so that no time-out ends it; and cron holds no watchdog."""
    files = write_run(lab)

    def drip(request: Request) -> None:
        if request.method == "GET" and request.query.get("comp") == ["list"]:
            request.drip = 0.2

    proxy.rule = drip
    done = lab.call("once", expect=1, SYNCD_PULSE_WITHIN="6")
    (told,) = [line for line in log_lines(done.stdout) if line["event"] == "loop.hangs"]
    assert "this pass hangs and ends itself" in told["message"]
    assert "Current thread" in done.stderr or "Thread 0x" in done.stderr, "no stacks to report"
    assert f"{OUT}.sync" not in lab.blobs()
    assert "this pass hangs" in lab.call("status", expect=1).stdout
    proxy.rule = lambda _request: None
    lab.once()
    lab.expect_in_lake(files, OUT)
    assert "this pass hangs" not in lab.call("status").stdout
