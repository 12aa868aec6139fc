"""Figures as geometry: what goes where in a drawing, with its scales; nothing of HTML.

Coordinates are those of an SVG: x to the right, y downwards, both from the top left corner.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from datalake_syncd.core.durations import DAY, HOUR, MINUTE, format_bytes, format_duration

WIDTH, HEIGHT = 460, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 14, 14, 30

Point = tuple[float, float]  # (seconds since the epoch, value)


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the scale: where it is (x or y) and what it says."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One series: ``path`` and, down to the ground, ``area`` are SVG path data."""

    label: str
    path: str
    area: str
    tip: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of many; ``tip`` says what it is of."""

    x: float
    y: float
    width: float
    height: float
    tip: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing; without curves and bars there is nothing to draw yet."""

    key: str
    title: str
    #: What a person who can't see it should know.
    description: str
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    curves: tuple[Curve, ...] = ()
    bars: tuple[Bar, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM

    @property
    def is_empty(self) -> bool:
        """Nothing to draw."""
        return not self.curves and not self.bars


@dataclass(frozen=True, slots=True)
class Scale:
    """The steps of a y axis and how its values are written."""

    steps: tuple[float, ...]
    label: Callable[[float], str]


_BYTE_STEPS = tuple(2.0**power for power in range(60))
BYTES = Scale(_BYTE_STEPS, lambda value: _short(format_bytes(value)))
RATE = Scale(_BYTE_STEPS, lambda value: f"{_short(format_bytes(value))}/s")
DURATION = Scale(
    tuple(MINUTE * n for n in (1, 2, 5, 10, 15, 30))
    + tuple(HOUR * n for n in (1, 2, 3, 6, 12))
    + tuple(DAY * n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    format_duration,
)
SHARE = Scale((0.25,), lambda value: f"{value:.0%}")


def curves(
    key: str,
    title: str,
    description: str,
    series: Sequence[tuple[str, Sequence[Point]]],
    *,
    since: float,
    until: float,
    scale: Scale,
    top: float | None = None,
) -> Figure:
    """Curves over time; ``top`` fixes the upper end of the y axis."""
    drawn = [(label, thinned(points, since, until)) for label, points in series if points]
    if not drawn:
        return Figure(key, title, description)
    highest = max(value for _, points in drawn for _, value in points)
    ticks, ceiling = _y_ticks(top or highest, scale)
    span = max(until - since, 1.0)

    def place(point: Point) -> str:
        x = _LEFT + (WIDTH - _RIGHT - _LEFT) * (point[0] - since) / span
        return f"{min(max(x, _LEFT), WIDTH - _RIGHT):.1f} {_y(point[1], ceiling):.1f}"

    return Figure(
        key,
        title,
        description,
        x_ticks=_x_ticks(since, until),
        y_ticks=ticks,
        curves=tuple(
            Curve(
                label,
                path := "M" + " L".join(map(place, points)),
                f"{path} L{place((points[-1][0], 0.0))} L{place((points[0][0], 0.0))} Z",
                f"{label}: {scale.label(points[-1][1])}",
            )
            for label, points in drawn
        ),
    )


def bars(
    key: str, title: str, description: str, values: Sequence[tuple[str, float]], scale: Scale
) -> Figure:
    """One bar per value, side by side; each has the words that say what it is of."""
    if not values:
        return Figure(key, title, description)
    ticks, ceiling = _y_ticks(max(value for _, value in values), scale)
    # A few values must not become barn doors.
    slot = (WIDTH - _RIGHT - _LEFT) / max(len(values), 12)
    return Figure(
        key,
        title,
        description,
        y_ticks=ticks,
        bars=tuple(
            Bar(
                round(_LEFT + slot * number + slot * 0.15, 1),
                # Never so low that it can't be seen.
                round(min(_y(value, ceiling), HEIGHT - _BOTTOM - 2), 1),
                round(slot * 0.7, 1),
                round(max(HEIGHT - _BOTTOM - _y(value, ceiling), 2.0), 1),
                tip,
            )
            for number, (tip, value) in enumerate(values)
        ),
    )


def thinned(points: Sequence[Point], since: float, until: float) -> Sequence[Point]:
    """As many points as a drawing can show: of each column the first, lowest, highest and last."""
    if len(points) <= 2 * WIDTH:
        return points
    columns: dict[int, list[Point]] = {}
    for point in points:
        column = int((point[0] - since) / max(until - since, 1.0) * WIDTH / 2)
        columns.setdefault(column, []).append(point)
    kept: list[Point] = []
    for there in columns.values():
        by_value = sorted(there, key=lambda point: point[1])
        kept += sorted({there[0], by_value[0], by_value[-1], there[-1]})
    return kept


def _y(value: float, ceiling: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * min(max(value, 0.0) / ceiling, 1.0)


def _y_ticks(highest: float, scale: Scale) -> tuple[tuple[Tick, ...], float]:
    """At most four lines above the ground, and the value of the uppermost."""
    fitting = (step for step in scale.steps if highest / step <= 4)
    step = next(fitting, None) or scale.steps[-1] * math.ceil(highest / scale.steps[-1] / 4)
    count = max(math.ceil(highest / step - 1e-9), 1)
    ceiling = step * count
    ticks = tuple(
        Tick(round(_y(step * n, ceiling), 1), scale.label(step * n)) for n in range(count + 1)
    )
    return ticks, ceiling


def _x_ticks(since: float, until: float) -> tuple[Tick, ...]:
    """Round local times: hours within two days, else days."""
    span = max(until - since, 1.0)
    # A label is some 60 units wide: five of them fit.
    step = next((n * HOUR for n in (1, 3, 6, 12) if span / (n * HOUR) <= 4.5), None)
    form = "%H:%M"
    if step is None:
        step = DAY * max(math.ceil(span / DAY / 4.5), 1)
        form = "%-d %b"
    at = datetime.fromtimestamp(since).astimezone().replace(minute=0, second=0, microsecond=0)
    if step % DAY == 0:
        at = at.replace(hour=0)
    else:
        at = at.replace(hour=int(at.hour // (step / HOUR) * (step / HOUR)))
    ticks = []
    while (moment := at.timestamp()) <= until:
        x = _LEFT + (WIDTH - _RIGHT - _LEFT) * (moment - since) / span
        if x >= _LEFT:
            ticks.append(Tick(round(x, 1), at.strftime(form)))
        at += timedelta(seconds=step)
    return tuple(ticks)


def _short(text: str) -> str:
    """``5.0 MiB`` as ``5 MiB``."""
    return text.replace(".0 ", " ")
