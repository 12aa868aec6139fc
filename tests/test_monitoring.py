"""Alert rules, dashboard and their list, held against the metrics that there really are."""

from __future__ import annotations

import json
import re
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from datalake_syncd.adapters.web import Request
from datalake_syncd.steps.page.looks import LAKE_REACHABLE
from datalake_syncd.steps.page.site import Site
from tests import page_scenes
from tests.servers import REPO
from tests.steps.service import service_of

FOLDER = REPO / "monitoring"
RULES = (FOLDER / "prometheus.rules.yml").read_text()
RULES_TEST = (FOLDER / "prometheus.rules_test.yml").read_text()
DASHBOARD = json.loads((FOLDER / "grafana-dashboard.json").read_text())
ALERTS = re.findall(r"^      - alert: (\w+)$", RULES, re.MULTILINE)
#: Added by Prometheus to everything that it scrapes.
SCRAPED = {"instance", "job"}

Metrics = dict[str, set[str]]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Metrics:
    """Every name that can be asked for, with its labels, from a service in all kinds of trouble."""
    service = service_of(tmp_path_factory.mktemp("metrics"), "miseq", wall=time.time)
    service.ledger.database.execute("PRAGMA synchronous=OFF")
    page_scenes.trouble(service.ledger, time.time())
    service.ledger.samples.add(time.time(), [(LAKE_REACHABLE, "", 1)])
    text = Site(service, service.wall()).answer(Request("/metrics")).body.decode()
    service.ledger.close()
    found: Metrics = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\b(?:datalake_syncd|process)_\w+\b", text))


def asked_in(expression: str) -> list[tuple[str, set[str]]]:
    """(metric, labels that it is chosen by) of a PromQL expression."""
    found = []
    for name, chosen in re.findall(
        r"\b((?:datalake_syncd|process)_\w+)(?:\{([^}]*)\})?", expression
    ):
        found.append((name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", chosen))))
    return found


def expressions() -> list[str]:
    folded = re.sub(r"expr: >-\n((?:          .*\n)+)", lambda m: f"expr: {m[1]!r}\n", RULES)
    rules = re.findall(r"^        expr: (.+)$", folded, re.MULTILINE)
    assert len(rules) == len(ALERTS)
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    variables = [
        one["query"]["query"]
        for one in DASHBOARD["templating"]["list"]
        if isinstance(one["query"], dict)
    ]
    return rules + panels + variables


def test_rules_and_dashboard_ask_for_what_there_is(real: Metrics) -> None:
    asked = [one for expression in expressions() for one in asked_in(expression)]
    assert len(asked) > 40
    for name, labels in asked:
        assert name in real, name
        assert labels <= real[name] | SCRAPED, (name, labels)


def test_everything_that_is_told_is_used(real: Metrics) -> None:
    used = {name for expression in expressions() for name, _ in asked_in(expression)}
    ours = {name for name in real if name.startswith("datalake_syncd_")}
    assert ours - used == set(), "a metric that nobody looks at"


def test_the_list_of_metrics_is_whole(real: Metrics) -> None:
    table = [
        line.split("|")
        for line in (FOLDER / "README.md").read_text().splitlines()
        if line.startswith("| `datalake_syncd_")
    ]
    listed = {
        name: set(re.findall(r"`(\w+)`", row[2])) for row in table for name in names_in(row[1])
    }
    ours = {
        re.sub(r"_(bucket|sum|count)$", "", name): labels - {"le"}
        for name, labels in real.items()
        if name.startswith("datalake_syncd_")
    }
    assert listed == ours


def test_no_run_is_a_label(real: Metrics) -> None:
    labels = set().union(*real.values())
    assert labels == {"version", "about", "place", "instrument", "step", "status", "le"}


def test_every_alert_has_an_entry_and_a_test() -> None:
    assert len(ALERTS) == len(set(ALERTS)) > 12
    chapter = (REPO / "TROUBLESHOOTING.md").read_text().partition("## Alerts of Prometheus\n")[2]
    entries = re.findall(r"^### (\w+)$", chapter.partition("\n## ")[0], re.MULTILINE)
    assert entries == ALERTS
    books = re.findall(r'^          runbook: "(.+)"$', RULES, re.MULTILINE)
    assert books == [f"TROUBLESHOOTING.md#{one.lower()}" for one in ALERTS]
    for key in ("summary", "description"):
        assert len(re.findall(rf'^          {key}: ".+"$', RULES, re.MULTILINE)) == len(ALERTS)
    for one in ALERTS:
        tests = re.findall(rf"alertname: {one}\n        exp_alerts:\n          - ", RULES_TEST)
        assert tests, f"{one} never fires in its test"
        assert f"eval_time: 30h, alertname: {one}}}" in RULES_TEST, f"{one} is never quiet"


def test_every_label_in_a_message_is_there(real: Metrics) -> None:
    for alert in RULES.split("      - alert: ")[1:]:
        shown = set(re.findall(r"\$labels\.(\w+)", alert))
        expression = alert.partition("expr:")[2].partition("for:")[0]
        there = set().union(SCRAPED, *(real[name] for name, _ in asked_in(expression)))
        assert shown <= there, alert


def test_panels_do_not_lie_over_each_other() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for at in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
