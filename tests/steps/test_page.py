"""The page, the metrics and the answers about health, from real ledgers over real HTTP."""

from __future__ import annotations

import html
import http.client
import json
import queue
import re
import sqlite3
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from datalake_syncd.adapters.ledger import LedgerFull
from datalake_syncd.adapters.web import THREADS, Request, WebServer
from datalake_syncd.core.durations import DAY, HOUR
from datalake_syncd.core.model import Outcome, Status, Step
from datalake_syncd.steps.notes import LAKE_UNREACHABLE, UPLOADS_PAUSED
from datalake_syncd.steps.overview.document import document
from datalake_syncd.steps.page import health, site
from datalake_syncd.steps.page.figures import rates_of
from datalake_syncd.steps.page.site import LOOKING, Site
from datalake_syncd.steps.page.tally import Carried
from datalake_syncd.steps.page.view import MOST, Words, words
from datalake_syncd.steps.service import Service
from tests import page_scenes
from tests.steps.service import service_of

NOW = 1_795_000_000.0


class Clock:
    """Wall and monotonic clock; each look at it is a little later."""

    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path, clock: Clock) -> Iterator[Service]:
    one = service_of(tmp_path, "miseq", "nextseq", wall=clock)
    one.ledger.database.execute("PRAGMA synchronous=OFF")  # what is tested here outlives no crash
    yield one
    one.ledger.close()


def get(made: Site, path: str, accept: str = "") -> tuple[int, str]:
    """Status and text of an answer, over HTTP."""
    server = WebServer(("127.0.0.1", 0), (), made.answer)
    try:
        with closing(http.client.HTTPConnection(*server.address, timeout=20)) as connection:
            connection.request("GET", path, headers={"Accept": accept} if accept else {})
            told = connection.getresponse()
            return told.status, told.read().decode()
    finally:
        server.close()


def ask(made: Site, path: str) -> str:
    """The text of an answer, without HTTP."""
    response = made.answer(Request(path))
    assert response.status == 200, response.body
    return response.body.decode()


def metrics(made: Site) -> dict[str, dict[tuple[str, ...], float]]:
    """Sample name -> (label values, by label name) -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(ask(made, "/metrics")):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.removeprefix("datalake_syncd_"), {})[labels] = sample.value
    return found


class Parsed(HTMLParser):
    """Tags, attributes and text as a browser would see them."""

    void = frozenset({"meta", "link", "br", "img", "line"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


# --- the page ------------------------------------------------------------------------------------


def test_an_empty_ledger_has_a_page(service: Service) -> None:
    code, text = get(Site(service, service.wall()), "/")
    assert code == 200
    page = Parsed(text)
    assert page.open == []
    assert "no instruments known yet; 0 runs on the way, none needs you." in page.words
    assert page.words.count("nothing to draw yet") == 4


def test_a_busy_page_tells_everything(service: Service, clock: Clock) -> None:
    page_scenes.busy(service.ledger, clock.now)
    page = Parsed(ask(Site(service, service.wall()), "/"))
    for told in (
        "3 instruments online; 2 runs on the way, none needs you, 1 held.",
        "nextseq/261122_NS500123_0107_AHDEMOBGX7 transferring, 1,312 files, 40.0 GiB",
        "25.5 GiB of 40.0 GiB, 85.8 MiB/s, 2 min 53 s left, 835 of 1,312 files hashed",
        "let it go on: datalake-syncd release miseq/261101_M01234_0040_HELD",
        "run ended-early; generation 2; on the disk",
        "and 15 more: datalake-syncd status --all",
        "Throughput, last 24 h",
        "954.4 GiB in 25 runs now",
        "last 25 runs, newest on the right; half of them took 2 h 34 min or less",
        "now nextseq 20%, miseq 44%, state directory 73%",
    ):
        assert told in page.words
    bars = [attributes for tag, attributes in page.tags if tag == "progress"]
    assert [(one["value"], one["max"]) for one in bars] == [("63", "100")]
    assert sum(tag == "rect" for tag, _ in page.tags) == 25
    # Whoever can't see a drawing has its title and description.
    drawings = [one for tag, one in page.tags if tag == "svg" and one.get("role") == "img"]
    ids = {one["id"] for _, one in page.tags if "id" in one}
    assert len(drawings) == 4
    for one in drawings:
        assert {*str(one["aria-labelledby"]).split()} <= ids


def test_trouble_comes_with_the_command_to_type(service: Service, clock: Clock) -> None:
    page_scenes.trouble(service.ledger, clock.now)
    text = ask(Site(service, service.wall()), "/")
    typed = [html.unescape(one) for one in re.findall(r"<code>(.*?)</code>", text)]
    assert "datalake-syncd doctor" in typed
    assert "datalake-syncd config check" in typed
    assert "datalake-syncd retry nextseq/261119_NS500123_0099_STUCK" in typed
    # Quoted so that it can be pasted, whatever the folder is called.
    assert "datalake-syncd why 'miseq/<script>alert(1)</script>'" in typed
    assert """datalake-syncd retry 'miseq/b'"'"'><img src=x onerror=alert(3)>'""" in typed
    page = Parsed(text)
    assert "proteomics is offline" in page.words
    assert "OFFLINE for 3 d" in page.words


def test_no_name_becomes_markup(service: Service, clock: Clock) -> None:
    page_scenes.trouble(service.ledger, clock.now)
    made = Site(service, service.wall())
    quiet = Parsed(ask(made, "/"))
    for name in page_scenes.HOSTILE:
        page_scenes.publish(service.ledger, f'i"{name}', name, clock.now - 60, 10**9, 100.0)
        run = service.ledger.runs.add("x", name, prefix=name, now=clock.now, reason=name)
        service.ledger.runs.set(run, hold_reason=name)
        service.ledger.desk.set_instruments({name: (name, name)})
        service.ledger.samples.add(clock.now, [("free", f"source/{name}", 1)])
        service.ledger.samples.add(clock.now, [("size", f"source/{name}", 2)])
    clock.now += 120
    text = ask(made, "/")
    page = Parsed(text)
    assert page.open == [], "the page is still whole"
    known = {"html", "head", "meta", "title", "link", "style", "body", "header", "main", "footer"}
    known |= {"section", "h1", "h2", "h3", "p", "a", "b", "br", "span", "code", "ul", "li", "time"}
    known |= {"table", "thead", "tbody", "tr", "th", "td", "progress", "div", "figure"}
    known |= {"figcaption", "svg", "desc", "line", "text", "rect", "path"}
    assert {tag for tag, _ in page.tags} <= known
    for tag, attributes in page.tags:
        assert not any(one.startswith("on") or one == "style" for one in attributes), (tag, text)
    assert len(page.words) > len(quiet.words)
    assert "alert(1)</script>" in page.words, "shown as it is called"
    assert "{{ 7 * 7 }}{% raw %}&amp;" in page.words
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_policy_allows_this_style_and_nothing_else(service: Service) -> None:
    import base64
    import hashlib

    response = Site(service, service.wall()).answer(Request("/"))
    style = re.search(r"<style>(.*?)</style>", response.body.decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert response.policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert "<script" not in response.body.decode()


def test_refresh_can_be_stopped(service: Service) -> None:
    made = Site(service, service.wall())
    assert 'http-equiv="refresh"' in made.answer(Request("/")).body.decode()
    assert "http-equiv" not in made.answer(Request("/", {"refresh": "off"})).body.decode()


def test_long_lists_are_cut_and_say_so(service: Service, clock: Clock) -> None:
    for number in range(MOST + 5):
        run = service.ledger.runs.add("miseq", f"R{number}", prefix="p", now=NOW, reason="bad")
        service.ledger.runs.set(run, status=Status.BLOCKED)
    page = Parsed(ask(Site(service, service.wall()), "/"))
    assert sum(tag == "h3" for tag, _ in page.tags) == MOST
    assert "and 5 more: datalake-syncd status" in page.words


def test_commands_are_told_from_words() -> None:
    assert words("mend it. Then: datalake-syncd retry a/b-1.x. Or wait") == (
        Words("mend it. Then: ", False),
        Words("datalake-syncd retry a/b-1.x", True),
        Words(". Or wait", False),
    )
    assert words("nothing to type") == (Words("nothing to type", False),)


def test_the_icon_tells_it_too(service: Service, clock: Clock) -> None:
    made = Site(service, service.wall())
    well = ask(made, "/favicon.svg")
    clock.now += 10
    service.ledger.desk.put(UPLOADS_PAUSED, "403")
    assert ask(made, "/favicon.svg") != well


def test_only_these_paths_are_there(service: Service) -> None:
    made = Site(service, service.wall())
    for path in ("/x", "/metrics/", "/../etc/passwd", "/templates/page.html", "/%2e%2e"):
        assert get(made, path)[0] == 404, path


# --- for programs --------------------------------------------------------------------------------


def test_status_is_the_document_of_the_command(service: Service, clock: Clock) -> None:
    page_scenes.trouble(service.ledger, clock.now)
    made = Site(service, service.wall())
    code, text = get(made, "/status.json")
    assert code == 200
    assert json.loads(text) == json.loads(json.dumps(document(made.looks.look().report)))
    assert json.loads(text)["needs_attention"] is True


def test_metrics_tell_the_ledger(service: Service, clock: Clock) -> None:
    page_scenes.trouble(service.ledger, clock.now)
    told = metrics(Site(service, service.wall()))
    assert told["needs_attention"] == {(): 1.0}
    assert told["uploads_paused"] == {(): 1.0}
    assert told["config_refused"] == {(): 1.0}
    assert told["source_online"] == {("miseq",): 1.0, ("nextseq",): 1.0, ("proteomics",): 0.0}
    assert told["runs_blocked"] == {("miseq",): 6.0, ("nextseq",): 0.0, ("proteomics",): 0.0}
    assert told["runs_stuck"][("nextseq",)] == 1.0
    assert told["runs"][("nextseq", "running", "settle")] == 1.0
    assert told["problems"][("run",)] == 6.0
    assert told["problems"][("azcopy",)] == 1.0
    assert told["credential_expiry_timestamp_seconds"] == {(): NOW + 9 * DAY}
    assert told["queue_runs"][("nextseq",)] == 2.0
    size = 40 * 1024**3
    left = (size - int(size * 0.637)) + (size - int(size * 0.02))
    assert told["queue_bytes"][("nextseq",)] == left
    assert told["oldest_waiting_seconds"][("nextseq",)] == DAY + 20 * 60
    assert told["publications_total"][("nextseq",)] == 24.0
    assert told["end_to_published_seconds_count"] == {("miseq",): 1.0, ("nextseq",): 24.0}
    assert told["end_to_published_seconds_bucket"][("miseq", "5400.0")] == 1.0
    assert told["end_to_published_seconds_bucket"][("miseq", "3600.0")] == 0.0
    assert told["filesystem_size_bytes"][("nextseq", "source")] == 12 * 1024**4
    text = ask(Site(service, service.wall()), "/metrics")
    assert "261122" not in text, "no run is a label"
    assert "# TYPE datalake_syncd_published_bytes counter" in text or (
        "# TYPE datalake_syncd_published_bytes_total counter" in text
    )


def test_openmetrics_is_given_to_who_asks(service: Service) -> None:
    code, text = get(
        Site(service, service.wall()), "/metrics", "application/openmetrics-text; version=1.0.0"
    )
    assert code == 200
    assert text.endswith("# EOF\n")


def test_what_is_not_known_is_left_out(service: Service) -> None:
    told = metrics(Site(service, service.wall()))
    for name in ("credential_expiry_timestamp_seconds", "lake_reachable", "filesystem_free_bytes"):
        assert name not in told


def test_counters_outlive_the_service_and_never_fall(service: Service, clock: Clock) -> None:
    ledger = service.ledger
    run = page_scenes.publish(ledger, "miseq", "R1", NOW, 10_000, 3600.0)
    made = Site(service, service.wall())
    first = metrics(made)
    assert first["published_bytes_total"][("miseq",)] == 10_000
    # A further generation: smaller, then larger; only what is new is added.
    for number, size in enumerate((7_000, 12_000), 2):
        clock.now += 10
        run = ledger.runs.move(
            run, now=clock.now, event="run.published", message="again", status=Status.FINISHED,
            data={"generation": number, "files": 3, "bytes": size},
        )  # fmt: skip
    ledger.runs.event(run.id, clock.now, "prune.done", "x", data={"files": 3, "bytes": 12_000})
    clock.now += 10
    told = metrics(made)
    assert told["published_bytes_total"][("miseq",)] == 12_000
    assert told["publications_total"][("miseq",)] == 3
    assert told["end_to_published_seconds_count"][("miseq",)] == 1, "a run counts once"
    assert told["pruned_bytes_total"][("miseq",)] == 12_000
    again = metrics(Site(service, service.wall()))
    for name in told:
        if name.endswith(("_total", "_count", "_bucket")) and not name.startswith("process"):
            assert again[name] == told[name], name


def test_events_of_an_older_version_count_by_their_run(service: Service) -> None:
    run = service.ledger.runs.add("miseq", "R", prefix="p", now=NOW, reason="", bytes=77, files=2)
    service.ledger.runs.event(run.id, NOW, "run.published", "x", data={"generation": 1})
    told = metrics(Site(service, service.wall()))
    assert told["published_bytes_total"][("miseq",)] == 77
    assert told["end_to_published_seconds_count"] == {("miseq",): 0.0}


# --- health --------------------------------------------------------------------------------------


def test_alive_until_a_loop_hangs(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Site(service, service.wall())
    assert get(made, "/healthz") == (200, "ok\n")
    monkeypatch.setattr(service.pulse, "late", lambda: ["watch-miseq"])
    assert get(made, "/healthz") == (503, "not ok\nwatch-miseq makes no progress\n")
    code, text = get(made, "/healthz", "application/json")
    assert code == 503
    assert json.loads(text) == {"ok": False, "reasons": ["watch-miseq makes no progress"]}
    assert json.loads(get(made, "/healthz?format=json")[1])["ok"] is False


def looked_at(service: Service, at: float) -> None:
    service.ledger.desk.set_instruments({"miseq": ("m", "/m"), "nextseq": ("n", "/n")})
    service.ledger.desk.update_instrument("miseq", online=1, last_scan=at)
    service.ledger.desk.update_instrument("nextseq", online=0, offline_since=at)


def test_who_waits_for_the_ledger_keeps_nobody_from_asking_for_health(service: Service) -> None:
    """Else a slow disk would have the service killed, and no disk gets faster by that."""
    made, done = Site(service, NOW), queue.SimpleQueue[int]()
    server = WebServer(("127.0.0.1", 0), (), made.answer)

    def asked(path: str) -> int:
        with closing(http.client.HTTPConnection(*server.address, timeout=60)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    other = sqlite3.connect(service.ledger.database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        many = [
            threading.Thread(target=lambda: done.put(asked("/status.json")), daemon=True)
            for _ in range(THREADS + 2)
        ]
        for thread in many:
            thread.start()
        refused = [done.get(timeout=30) for _ in range(len(many) - LOOKING)]
        assert set(refused) == {503}
        assert asked("/healthz") == 200
        assert done.empty(), "the others still wait for the ledger"
        other.execute("ROLLBACK")
        assert {done.get(timeout=30) for _ in range(LOOKING)} == {200}
        assert asked("/status.json") == 200
    finally:
        other.close()
        server.close()
        made.looks.close()


def test_ready_after_the_first_scans(service: Service, clock: Clock) -> None:
    looked_at(service, NOW - 60)  # by the service that ran before
    made = Site(service, service.wall())
    for name in ("miseq", "nextseq"):  # what was offline then, too
        assert f"{name}: its first scan is not done yet" in get(made, "/readyz")[1]
    clock.now += 5
    looked_at(service, clock.now)
    service.set_online("miseq", online=True)
    assert get(made, "/readyz") == (503, "not ok\nnextseq: its first scan is not done yet\n")
    service.set_online("nextseq", online=False)
    clock.now += 5
    assert get(made, "/readyz") == (200, "ok\n")


def test_not_ready_while_runs_cannot_be_carried(
    service: Service, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at(service, clock.now)
    for name in ("miseq", "nextseq"):
        service.set_online(name, online=True)
    made = Site(service, service.wall())

    def reasons() -> str:
        clock.now += 5
        code, text = get(made, "/readyz")
        assert code == (200 if text == "ok\n" else 503)
        return text

    assert reasons() == "ok\n"
    service.ledger.desk.put(LAKE_UNREACHABLE, "no route to it")
    assert "the lake can't be used: no route to it" in reasons()
    service.ledger.desk.put(UPLOADS_PAUSED, "403")
    assert "uploads are paused: 403" in reasons()
    service.ledger.desk.put(UPLOADS_PAUSED, None)
    service.ledger.desk.put(LAKE_UNREACHABLE, None)
    service.ledger_trouble(LedgerFull("no space"))
    assert "the ledger can't be written" in reasons()
    service.ledger_works()
    assert reasons() == "ok\n"
    monkeypatch.setattr(health, "_LEDGER_NEEDS", 1e30)
    assert "are free for the state directory" in reasons()


def test_a_ledger_that_is_gone_is_told(service: Service, tmp_path: Path) -> None:
    made = Site(service, service.wall())
    (tmp_path / "state" / "ledger.sqlite").rename(tmp_path / "elsewhere")
    assert get(made, "/readyz")[0] == 503
    for path in ("/", "/metrics", "/status.json"):
        code, text = get(made, path)
        assert code == 503, path
        assert "there is no ledger at" in text
    assert get(made, "/healthz") == (200, "ok\n")


def test_a_bug_is_answered_and_logged_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(service, "log", lambda _level, event, _text, **_: said.append(event))
    monkeypatch.setattr(site, "page", lambda *_, **__: 1 / 0)
    made = Site(service, service.wall())
    for _ in range(3):
        assert get(made, "/") == (
            500,
            "an error in datalake-syncd itself; its trace is in the log (event web.failed)\n",
        )
    assert said == ["web.failed"]


# --- many runs, and no harm to the writer --------------------------------------------------------


def test_two_thousand_runs_are_quick_and_small(service: Service, clock: Clock) -> None:
    page_scenes.many(service.ledger, NOW, 2000)
    made = Site(service, service.wall())
    for path in ("/", "/metrics", "/status.json"):  # what is loaded once
        ask(made, path)
    clock.now += 100
    tracemalloc.start()
    try:
        for path in ("/", "/status.json"):
            clock.now += 100
            ask(made, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60_000_000
    clock.now += 100
    started = time.perf_counter()
    sizes = {path: len(ask(made, path)) for path in ("/", "/metrics")}
    assert time.perf_counter() - started < 2.0
    assert max(sizes.values()) < 100_000, "pages do not grow with the number of runs"
    # Runs that did not move are not read again.
    clock.now += 100
    started = time.process_time()
    made.looks.look()
    assert time.process_time() - started < 0.05
    clock.now += 700
    made.looks.forget()
    assert made.looks._shared is None
    assert made.looks._ledger is None


def test_a_look_is_shared_and_never_writes(service: Service, clock: Clock) -> None:
    page_scenes.busy(service.ledger, clock.now)
    made = Site(service, service.wall())
    first = made.looks.look()
    assert made.looks.look() is first
    clock.now += 10
    assert made.looks.look() is not first
    # The writer is in the middle of a transaction: readers see what was before, at once.
    with service.ledger.database.transaction():
        service.ledger.database.execute("UPDATE runs SET bytes=0, version=version+1")
        clock.now += 10
        started = time.perf_counter()
        assert made.looks.look().report.runs[0].bytes > 0
        assert time.perf_counter() - started < 5
    # And while a page is being made from a look, the writer can write.
    clock.now += 10
    look = made.looks.look()
    started = time.perf_counter()
    service.ledger.desk.put("x", "y")
    assert time.perf_counter() - started < 5
    assert look.report.runs[0].bytes == 0
    opened = made.looks._ledger
    assert opened is not None
    assert opened.database.writable is False


# --- what was carried ----------------------------------------------------------------------------


def test_transfers_count_while_they_go_on_and_once(service: Service, clock: Clock) -> None:
    ledger = service.ledger
    page_scenes.publish(ledger, "miseq", "before", NOW - 60, 5_000, 1.0)
    counted = Carried(ledger)
    assert counted.new_bytes(ledger) == 0, "what ended before was counted before"
    run = page_scenes.carry(ledger, "R", NOW, share=0.25, instrument="miseq")
    assert counted.new_bytes(ledger) == 0, "what was there already was not carried now"
    size = run.bytes

    def reach(share: float) -> int:
        progress = ledger.desk.progress()[run.id]
        at = int(size * share)
        changed = type(progress)(NOW, at, size, 0, 0, 0, 1.0, None)
        ledger.desk.write_progress(run.id, changed)
        return counted.new_bytes(ledger)

    assert reach(0.5) == size // 4
    assert reach(0.5) == 0
    ledger.runs.move(
        run, now=NOW, event="transfer.finished", message="", status=Status.READY,
        done=Step.TRANSFER, data={"bytes_sent": int(size * 0.75), "files_sent": 1},
    )  # fmt: skip
    assert counted.new_bytes(ledger) == size // 2, "the rest of its sum"
    assert counted.new_bytes(ledger) == 0


def test_rates_are_steps_and_gaps_are_nothing() -> None:
    points = [
        (0.0, 0.0),
        (300.0, 3000.0),
        (600.0, 3000.0),
        (10_000.0, 1e12),
        (10_300.0, 1e12 + 600),
    ]
    assert rates_of(points, 150.0) == [
        (150.0, 10.0), (300.0, 10.0), (300.0, 0.0), (600.0, 0.0),
        (600.0, 0.0), (10_000.0, 0.0), (10_000.0, 2.0), (10_300.0, 2.0),
    ]  # fmt: skip
    assert rates_of([(0.0, 5.0), (300.0, 1.0)], 0.0) == [(0.0, 0.0), (300.0, 0.0)]
    assert rates_of([], 0.0) == []


def test_outcome_and_generation_are_told(service: Service) -> None:
    page_scenes.publish(
        service.ledger, "miseq", "R", NOW - HOUR, 1000, 10.0, outcome=Outcome.FAILED, generation=3
    )
    assert (
        "run failed; generation 3; on the disk"
        in Parsed(ask(Site(service, service.wall()), "/")).words
    )


def luminance(colour: str) -> float:
    """Of ``#rrggbb``, as WCAG 2 reckons it."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_can_be_read_by_day_and_by_night() -> None:
    style = (site._TEMPLATES / "style.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
        for ground in ("paper", "card", "code"):
            for name in ("ink", "soft", "good", "bad", "accent", "c1", "c2", "c3", "c4", "c5"):
                pair = sorted(luminance(colours[one]) for one in (ground, name))
                contrast = (pair[1] + 0.05) / (pair[0] + 0.05)
                assert contrast >= (3.0 if name[1:].isdigit() else 4.5), (name, ground, contrast)
