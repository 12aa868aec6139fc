"""The metrics of `/metrics`: one collector that reads a look when it is asked.

Names follow Prometheus: base units, ``_total`` on counters, times as timestamps. No label holds
the name of a run: their number only grows. Instruments are a label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from datalake_syncd import __version__
from datalake_syncd.core.model import Status, Step
from datalake_syncd.steps.overview.report import Report, delivered
from datalake_syncd.steps.page.looks import Look
from datalake_syncd.steps.page.tally import BUCKETS, Totals

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import CollectorRegistry

_P = "datalake_syncd_"
_I = "instrument"

#: What of `Totals` is a counter: name without ``_total``, what it counts.
COUNTERS: tuple[tuple[str, str, str], ...] = (
    ("publications", "publications", "Runs whose marker was written, each generation counted."),
    ("published_files", "published_files", "Files that a marker told of for the first time."),
    ("published_bytes", "published_bytes", "Bytes that a marker told of for the first time."),
    ("sent_files", "sent_files", "Files sent to the lake by transfers that ended."),
    ("sent_bytes", "sent_bytes", "Bytes sent to the lake by transfers that ended."),
    ("pruned_files", "pruned_files", "Files moved from the source to the trash."),
    ("pruned_bytes", "pruned_bytes", "Bytes moved from the source to the trash."),
)


def registry(look: Callable[[], Look]) -> CollectorRegistry:
    """A registry of our own, with what the operating system tells of this process."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    own = CollectorRegistry(auto_describe=False)
    own.register(_Collector(look))
    ProcessCollector(registry=own)
    return own


class _Collector:
    """What ``prometheus_client`` calls at each scrape."""

    def __init__(self, look: Callable[[], Look]) -> None:
        self._look = look

    def describe(self) -> list[Metric]:
        """Nothing is known before it is asked: registering must not read the ledger."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric of one look."""
        look = self._look()
        yield from _service(look)
        yield from _instruments(look.report)
        yield from _queue(look.report)
        yield from _counters(look)
        yield from _delays(look)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(_P + name, text, labels=labels)


def _single(name: str, text: str, value: float | None) -> Iterator[Metric]:
    """A gauge without labels; what is not known is left out."""
    if value is not None:
        gauge = _gauge(name, text)
        gauge.add_sample(gauge.name, {}, float(value))
        yield gauge


def _by_instrument(
    name: str, text: str, values: dict[str, float | None], kind: str = "gauge"
) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    made = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    family = made(_P + name, text, labels=[_I])
    for instrument, value in values.items():
        if value is not None:
            family.add_metric([instrument], float(value))
    if family.samples:
        yield family


def _service(look: Look) -> Iterator[Metric]:
    from prometheus_client.core import InfoMetricFamily

    report = look.report
    build = InfoMetricFamily(_P + "build", "The version that runs.")
    build.add_metric([], {"version": __version__})
    yield build
    yield from _single(
        "needs_attention", "1 while something needs a person.", report.needs_attention
    )
    standing = Counter(one.key.partition("/")[0] for one in look.problems)
    problems = _gauge("problems", "What needs a person now, by what it is about.", "about")
    for about in sorted(
        {"run", "stale", "source", "silent", "lake", "configuration", "scrub"} | {*standing}
    ):
        problems.add_sample(problems.name, {"about": about}, standing[about])
    yield problems
    yield from _single(
        "uploads_paused",
        "1 while the lake refuses our login and all uploads are paused.",
        bool(report.uploads_paused),
    )
    yield from _single(
        "lake_reachable",
        "1 when the lake answered and took our login when it was last asked.",
        look.lake_reachable,
    )
    yield from _single(
        "config_refused",
        "1 while a changed configuration is refused and the old one in force.",
        bool(report.config_refused),
    )
    yield from _single(
        "credential_expiry_timestamp_seconds",
        "When the login to the lake ends, where that is known.",
        look.credential_expires,
    )
    if report.scrub is not None:
        for name, text, value in (
            ("timestamp_seconds", "When a scrub of all runs last came to its end.", "ended"),
            ("bytes", "Bytes that the last scrub of all runs read back.", "bytes"),
            ("wrong_runs", "Runs that it found to be not as they were published.", "wrong"),
        ):
            yield from _single(f"last_scrub_{name}", text, getattr(report.scrub, value))
    for name, text, part in (
        ("filesystem_free_bytes", "Free space that the service may use.", 0),
        ("filesystem_size_bytes", "Size of the file system.", 1),
    ):
        space = _gauge(name, text, "place", _I)
        for key, values in sorted(look.space.items()):
            place, _, instrument = key.partition("/")
            space.add_sample(space.name, {"place": place, _I: instrument}, values[part])
        if space.samples:
            yield space


def _instruments(report: Report) -> Iterator[Metric]:
    rows = [row for row in report.instruments if row.configured]
    yield from _by_instrument(
        "source_online",
        "1 when the source answered at the last look, 0 when it did not.",
        {row.name: row.online for row in rows},
    )
    yield from _by_instrument(
        "last_scan_timestamp_seconds",
        "When the source was last looked at as a whole.",
        {row.name: row.last_scan for row in rows},
    )
    yield from _by_instrument(
        "instrument_silent",
        "1 while the instrument has published nothing for its max_silence.",
        {row.name: row.name in report.silent for row in rows},
    )
    published: dict[str, float | None] = {}
    for run in report.runs:
        if run.published_at is not None:
            published[run.instrument] = max(published.get(run.instrument) or 0.0, run.published_at)
    yield from _by_instrument(
        "last_published_timestamp_seconds", "When a run was last published.", published
    )


def _queue(report: Report) -> Iterator[Metric]:
    names = sorted({row.name for row in report.instruments} | {r.instrument for r in report.runs})
    nothing: dict[str, float | None] = dict.fromkeys(names, 0.0)
    runs = _gauge(
        "runs", "Runs, by the last finished step and what they do now.", _I, "step", "status"
    )
    states = Counter((run.instrument, run.done, run.shown_status) for run in report.runs)
    for (instrument, step, status), count in sorted(states.items()):
        runs.add_sample(runs.name, {_I: instrument, "step": step, "status": status}, count)
    yield runs
    blocked, stuck, queue, waiting, oldest = (dict(nothing) for _ in range(5))
    for run in report.runs:
        name = run.instrument
        blocked[name] = (blocked[name] or 0) + (run.shown_status is Status.BLOCKED)
        stuck[name] = (stuck[name] or 0) + (run.id in report.stale)
        if delivered(run) or run.done is Step.SIGHTED or run.shown_status is Status.HELD:
            continue
        progress = report.progress.get(run.id)
        done = progress.bytes_done if progress is not None and run.done is Step.SETTLE else 0
        queue[name] = (queue[name] or 0) + 1
        # After its transfer a run has only listings and what is read back before it.
        left = max(run.bytes - done, 0) if run.done is Step.SETTLE else 0
        waiting[name] = (waiting[name] or 0) + left
        since = run.settled_at or run.sighted_at
        oldest[name] = max(oldest[name] or 0.0, report.now - since)
    for metric, text, values in (
        ("runs_blocked", "Runs that need a person.", blocked),
        ("runs_stuck", "Runs that should go on by themselves and have not for too long.", stuck),
        ("queue_runs", "Runs that are complete, not published and not held.", queue),
        ("queue_bytes", "Bytes of complete runs that are not in the lake yet.", waiting),
        (
            "oldest_waiting_seconds",
            "For how long the oldest complete run has not been published; 0 without one.",
            oldest,
        ),
    ):
        yield from _by_instrument(metric, text, values)


def _counters(look: Look) -> Iterator[Metric]:
    names = {row.name for row in look.report.instruments} | {*look.totals}
    for field, name, text in COUNTERS:
        totals = {one: getattr(look.totals.get(one, Totals()), field) for one in sorted(names)}
        yield from _by_instrument(name, text, totals, "counter")


def _delays(look: Look) -> Iterator[Metric]:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        _P + "end_to_published_seconds",
        "From the end of a run, or its first sight if that was later, to its first marker.",
        labels=[_I],
    )
    for instrument, totals in sorted(look.totals.items()):
        cumulative, buckets = 0, []
        for end, count in zip((*BUCKETS, None), totals.delays, strict=True):
            cumulative += count
            buckets.append(("+Inf" if end is None else str(float(end)), float(cumulative)))
        family.add_metric([instrument], buckets, sum_value=totals.delay_seconds)
    if family.samples:
        yield family
