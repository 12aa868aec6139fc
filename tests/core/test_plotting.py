"""Drawings: everything lies inside, scales are round, nothing divides by zero."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.durations import DAY, HOUR
from datalake_syncd.core.plotting import (
    BYTES,
    DURATION,
    RATE,
    SHARE,
    Figure,
    Point,
    Scale,
    bars,
    curves,
)

NOW = 1_795_000_000.0
NUMBERS = re.compile(r"-?\d+(?:\.\d+)?")

values = st.floats(0, 1e18, allow_nan=False)
points = st.lists(st.tuples(st.floats(NOW - 40 * DAY, NOW + DAY), values), max_size=12)


def inside(figure: Figure) -> bool:
    for curve in figure.curves:
        for path in (curve.path, curve.area):
            numbers = [float(one) for one in NUMBERS.findall(path)]
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            if not all(
                figure.left - 0.1 <= x <= figure.right + 0.1
                and figure.top - 0.1 <= y <= figure.bottom + 0.1
                for x, y in pairs
            ):
                return False
    return all(
        figure.left <= bar.x
        and bar.x + bar.width <= figure.right + 1
        and figure.top - 0.1 <= bar.y
        and bar.y + bar.height <= figure.bottom + 0.2
        and bar.height >= 2
        for bar in figure.bars
    )


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.text(max_size=5), points), max_size=4),
    st.sampled_from([HOUR, DAY, 30 * DAY, 400 * DAY, 0.0]),
    st.sampled_from([BYTES, RATE, DURATION]),
)
def test_curves_lie_inside(
    series: list[tuple[str, list[Point]]], span: float, scale: Scale
) -> None:
    figure = curves("k", "t", "d", series, since=NOW - span, until=NOW, scale=scale)
    assert figure.is_empty == (not any(one for _, one in series))
    assert inside(figure)
    assert len(figure.y_ticks) <= 6
    assert len(figure.x_ticks) <= 7
    assert [tick.at for tick in figure.x_ticks] == sorted(tick.at for tick in figure.x_ticks)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.text(max_size=5), values), max_size=40))
def test_bars_lie_inside(given: list[tuple[str, float]]) -> None:
    figure = bars("k", "t", "d", given, DURATION)
    assert len(figure.bars) == len(given)
    assert [bar.tip for bar in figure.bars] == [tip for tip, _ in given]
    assert inside(figure)


@pytest.mark.parametrize(
    ("highest", "scale", "labels"),
    [
        (3 * 1024**2, BYTES, ["0 B", "1 MiB", "2 MiB", "3 MiB"]),
        (950 * 1024**3, BYTES, ["0 B", "256 GiB", "512 GiB", "768 GiB", "1 TiB"]),
        (57 * 1024**2, RATE, ["0 B/s", "16 MiB/s", "32 MiB/s", "48 MiB/s", "64 MiB/s"]),
        (3 * HOUR + 1, DURATION, ["0 s", "1 h", "2 h", "3 h", "4 h"]),
        (0.0, RATE, ["0 B/s", "1 B/s"]),
    ],
)
def test_scales_are_round(highest: float, scale: Scale, labels: list[str]) -> None:
    figure = curves(
        "k", "t", "d", [("a", [(NOW, highest)])], since=NOW - DAY, until=NOW, scale=scale
    )
    assert [tick.label for tick in figure.y_ticks] == labels


def test_shares_always_go_to_all() -> None:
    figure = curves(
        "k", "t", "d", [("a", [(NOW, 0.1)])], since=NOW - DAY, until=NOW, scale=SHARE, top=1.0
    )
    assert [tick.label for tick in figure.y_ticks] == ["0%", "25%", "50%", "75%", "100%"]
    assert figure.curves[0].tip == "a: 10%"


def test_hours_then_days() -> None:
    def labels(span: float) -> list[str]:
        figure = curves(
            "k", "t", "d", [("a", [(NOW, 1.0)])], since=NOW - span, until=NOW, scale=BYTES
        )
        return [tick.label for tick in figure.x_ticks]

    assert all(re.fullmatch(r"\d\d:00", one) for one in labels(DAY))
    assert len(labels(DAY)) in (4, 5)
    assert all(re.fullmatch(r"\d+ [A-Z][a-z]{2}", one) for one in labels(30 * DAY))
