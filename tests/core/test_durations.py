from __future__ import annotations

import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datalake_syncd.core.durations import (
    duration_text,
    format_bytes,
    format_duration,
    iso,
    parse_duration,
    parse_iso,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("15m", 900.0),
        ("1h", 3600.0),
        ("14d", 1_209_600.0),
        ("1.5h", 5400.0),
        ("0.25s", 0.25),
        ("0s", 0.0),
        (" 2 d ", 172_800.0),
        ("007s", 7.0),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        *("", "5", "h", "1 hour", "1H", "15M", "-1h", "+1h", "1e3s", "1.h", ".5h", "1,5h"),
        *("1h30m", "1w", "1ms", "inf", "nan", "99999999999d", "1h\n2", "\u0663s", "\uff11h"),
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - there is nothing to match but that
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3600, "1h"), (5400, "90m"), (86_400, "1d"), (90, "90s"), (0, "0s"), (0.5, "0.5s")],
)
def test_durations_are_written_as_in_the_file(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.integers(0, 10**9))
def test_a_written_duration_is_read_back(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0.4 s"),
        (9.96, "10.0 s"),
        (45, "45 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86_399, "23 h 59 min"),
        (14 * 86_400, "14 d"),
        (2 * 86_400 + 3 * 3600 + 59, "2 d 3 h"),
        (-90, "-1 min 30 s"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_times_are_utc_and_whole_seconds() -> None:
    assert iso(0) == "1970-01-01T00:00:00+00:00"
    assert iso(1_795_359_909.999) == "2026-11-22T15:05:09+00:00"
    assert iso(-0.5) == "1969-12-31T23:59:59+00:00"


@given(st.floats(-1e10, 1e11))
def test_a_written_time_is_read_back(unix: float) -> None:
    assert parse_iso(iso(unix)) == math.floor(unix)
    assert datetime.fromisoformat(iso(unix)).tzinfo == UTC


@pytest.mark.parametrize(
    "text", ["2026-11-22T15:05:09Z", "2026-11-22T16:05:09+01:00", " 2026-11-22T15:05:09\n"]
)
def test_times_of_others_are_read(text: str) -> None:
    assert parse_iso(text) == 1_795_359_909


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        parse_iso("yesterday")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (41_234_567_890, "38.4 GiB"),
        (1.8 * 1024**4, "1.8 TiB"),
        (3 * 1024**5, "3.0 PiB"),
        (-2048, "-2.0 KiB"),
    ],
)
def test_sizes_for_people(count: float, text: str) -> None:
    assert format_bytes(count) == text


@given(st.integers(0, 2**60))
def test_a_shown_size_is_near_the_real_one(count: int) -> None:
    figure, unit = format_bytes(count).split(" ")
    assert re.fullmatch(r"\d{1,4}(\.\d)?", figure)
    size = float(figure) * 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB"].index(unit)
    assert abs(size - count) <= max(count * 0.06, 0.5)
