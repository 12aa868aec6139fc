"""Sheets without a run: each is told in its own time, whatever wrote the ledger."""

from __future__ import annotations

import json

import pytest

from datalake_syncd.core.durations import DAY
from datalake_syncd.core.sheets import Lonely, read_lonely

HOUR = 3600.0
LIMIT = 48 * HOUR
NOW = 1_700_000_000.0
YEARS = {"", "2020"}


def after(kept: Lonely, paths: list[str], hours: float, folders: set[str] = YEARS) -> Lonely:
    """After a look that found these, just written."""
    now = NOW + hours * HOUR
    return kept.next_look(dict.fromkeys(paths, now), folders, now)


def test_each_sheet_is_told_in_its_own_time() -> None:
    kept = after(Lonely(), ["a.csv"], 0)
    told: dict[str, list[int]] = {}
    for hour in range(1, 200):
        kept = after(kept, ["a.csv", "2020/b.csv"], hour)
        # Each look is another process: what counts is what the ledger keeps.
        kept = read_lonely(kept.text(), YEARS, LIMIT)
        due = kept.due(NOW + hour * HOUR, LIMIT)
        for path in due:
            told.setdefault(path, []).append(hour)
        kept = kept.tell(due, NOW + hour * HOUR)
    assert told == {"a.csv": [48, 96, 144, 192], "2020/b.csv": [49, 97, 145, 193]}


def test_a_sheet_that_was_alone_before_is_a_new_matter() -> None:
    kept = after(Lonely(), ["a.csv", "b.csv"], 0)
    kept = kept.tell(kept.due(NOW + LIMIT, LIMIT), NOW + LIMIT)
    assert set(kept.told) == {"a.csv", "b.csv"}
    kept = after(kept, ["b.csv"], 50)  # the run of the other one came
    kept = after(kept, ["a.csv", "b.csv"], 60)
    assert set(kept.told) == {"b.csv"}
    assert kept.due(NOW + 107 * HOUR, LIMIT) == ["b.csv"]
    assert kept.due(NOW + 108 * HOUR, LIMIT) == ["a.csv", "b.csv"]


def test_old_sheets_are_history_in_a_folder_that_was_not_looked_at_before() -> None:
    old = {"a.csv": NOW - 400 * DAY, "2020/b.csv": NOW - 400 * DAY, "c.csv": NOW - DAY}
    kept = Lonely().next_look(old, YEARS, NOW)
    assert kept.due(NOW + LIMIT, LIMIT) == ["c.csv"]
    # A year that comes later, or that could not be read until now, and a copy that kept its time.
    later = {**old, "2021/d.csv": NOW - 400 * DAY, "2020/copy.csv": NOW - 400 * DAY}
    later["2021/e.csv"] = NOW
    kept = kept.next_look(later, {*YEARS, "2021"}, NOW)
    assert kept.due(NOW + LIMIT, LIMIT) == ["2020/copy.csv", "2021/e.csv", "c.csv"]
    assert kept.folders == {"", "2020", "2021"}
    # A folder that was empty was looked at all the same.
    kept = Lonely().next_look({}, YEARS, NOW).next_look({"2020/copy.csv": 1.0}, YEARS, NOW)
    assert kept.due(NOW + LIMIT, LIMIT) == ["2020/copy.csv"]


def test_a_clock_that_was_set_back_silences_nobody() -> None:
    kept = after(Lonely(), ["a.csv"], 0).tell(["a.csv"], NOW + 900 * HOUR)
    assert kept.due(NOW + 50 * HOUR, LIMIT) == ["a.csv"]


@pytest.mark.parametrize(
    ("told", "due"),
    [
        (None, ["a.csv", "b.csv"]),
        # At this time the first one was told, for only that one had waited for long enough.
        (NOW + 48 * HOUR, ["b.csv"]),
        (NOW + 50 * HOUR, []),
    ],
)
def test_what_older_versions_wrote_is_understood(told: float | None, due: list[str]) -> None:
    since = {"a.csv": NOW, "b.csv": NOW + HOUR, "history.csv": 0.0}
    kept = read_lonely(json.dumps({"since": since, "told": told}), {"", "2021"}, LIMIT)
    assert kept.since == since
    assert kept.due(NOW + 51 * HOUR, LIMIT) == due
    # They had looked at every folder: what is new in one is no history.
    kept = kept.next_look({"2021/c.csv": 1.0}, {"", "2021"}, NOW)
    assert kept.due(NOW + LIMIT, LIMIT) == ["2021/c.csv"]


def test_older_versions_understand_it_too() -> None:
    kept = after(Lonely(), ["a.csv", "b.csv"], 0)
    assert json.loads(kept.text())["told"] is None
    kept = kept.tell(["a.csv"], 5.0).tell(["b.csv"], 7.0)
    document = json.loads(kept.text())
    assert document["since"] == {"a.csv": NOW, "b.csv": NOW}
    assert document["told"] == 7.0
    assert read_lonely(kept.text(), (), LIMIT) == kept
    assert read_lonely(None, YEARS, LIMIT) == Lonely()
