"""Bars with their spread as an SVG that needs nothing else to be looked at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _RIGHT = 760, 190, 90
_BAR, _GAP, _TITLE, _SCALE = 16, 6, 30, 34
_OURS, _OTHERS, _WHISKER, _TARGET = "#0b6e4f", "#9aa5b1", "#1f2933", "#b42318"


@dataclass(frozen=True, slots=True)
class Bar:
    """One value with its spread; ``ours`` stands out."""

    label: str
    least: float
    middle: float
    most: float
    ours: bool


@dataclass(frozen=True, slots=True)
class Group:
    """Bars that belong together."""

    title: str
    bars: tuple[Bar, ...]


def render(groups: Sequence[Group], target: float) -> str:
    """The drawing; a line marks the target."""
    most = max([2.0, *(bar.most for group in groups for bar in group.bars)])
    top = float(math.ceil(min(most, 8.0)))
    height = _SCALE + sum(_TITLE + len(group.bars) * (_BAR + _GAP) for group in groups) + 10
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" font-family="sans-serif" font-size="12">\n'
        "<title>How many times as long as azcopy alone: median, least and most of all rounds"
        "</title>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join((*_scale(top, height, target), *_groups(groups, top)))
        + "\n</svg>\n"
    )


def _x(value: float, top: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * min(value, top) / top, 1)


def _scale(top: float, height: int, target: float) -> Iterator[str]:
    for step in range(int(top) + 1):
        x = _x(step, top)
        yield f'<line x1="{x}" y1="24" x2="{x}" y2="{height - 6}" stroke="#e4e7eb"/>'
        yield f'<text x="{x}" y="16" text-anchor="middle" fill="#52606d">{step} x</text>'
    x = _x(target, top)
    yield (
        f'<line x1="{x}" y1="24" x2="{x}" y2="{height - 6}" stroke="{_TARGET}" '
        f'stroke-dasharray="4 3"><title>target: {target:.2f} x</title></line>'
    )


def _groups(groups: Sequence[Group], top: float) -> Iterator[str]:
    y = _SCALE
    for group in groups:
        yield f'<text x="8" y="{y + 18}" font-weight="bold">{escape(group.title)}</text>'
        y += _TITLE
        for bar in group.bars:
            yield from _bar(bar, y, top)
            y += _BAR + _GAP


def _bar(bar: Bar, y: int, top: float) -> Iterator[str]:
    end, least, most = (_x(value, top) for value in (bar.middle, bar.least, bar.most))
    colour, middle = (_OURS if bar.ours else _OTHERS), y + _BAR / 2
    told = f"{bar.middle:.2f} ({bar.least:.2f}-{bar.most:.2f})"
    yield f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(bar.label)}</text>'
    yield f'<rect x="{_LEFT}" y="{y}" width="{end - _LEFT:.1f}" height="{_BAR}" fill="{colour}"/>'
    yield (
        f'<line x1="{least}" y1="{middle}" x2="{most}" y2="{middle}" stroke="{_WHISKER}" '
        'stroke-width="2"/>'
    )
    yield f'<text x="{max(end, most) + 6:.1f}" y="{y + 12}" fill="#1f2933">{told}</text>'
