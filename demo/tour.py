"""A walk through the lake at the end: what lies there, and how to look at it on a real machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from datalake_syncd.core.durations import format_bytes
from datalake_syncd.core.wording import counted
from demo.acts import READY, Act, ProjectAct, RunAct
from demo.evidence import InLake
from demo.screen import Screen

_MANIFEST_LINES = 3


def show_run(screen: Screen, lake: Mapping[str, InLake], act: RunAct) -> None:
    """One run in the lake: its tree, its marker and the head of its manifest."""
    screen.heading(f"In the lake: {act.prefix}")
    for line in _tree(act, lake):
        screen.plain(line)
    _show_marker(screen, lake, act)
    screen.plain(f"{act.name}.md5, the manifest, for md5sum -c:", "dim")
    lines = lake[f"{act.prefix}.md5"].content.decode().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    files = [line for line in lines if not line.startswith("#")]
    for line in (*comments, *files[:_MANIFEST_LINES]):
        screen.plain(f"  {line}")
    screen.plain(f"  … and {len(files) - _MANIFEST_LINES} more files")


def show_project(screen: Screen, lake: Mapping[str, InLake], act: ProjectAct) -> None:
    """A project in the lake: every file at the place that the lab's layout gives it."""
    screen.heading(f"In the lake: {act.prefix}")
    for line in _tree(act, lake, whole=True):
        screen.plain(line)
    _show_marker(screen, lake, act)
    ready = lake[f"{act.prefix}/{READY}"].content.decode().strip()
    screen.plain(f"{READY}, the lab's own marker, after both workbooks:", "dim")
    screen.plain(f"  {ready}")


def _show_marker(screen: Screen, lake: Mapping[str, InLake], act: Act) -> None:
    marker = f"{act.prefix}.sync"
    screen.plain(f"{marker.rpartition('/')[2]}, the marker, written last:", "dim")
    for line in lake[marker].content.decode().splitlines():
        screen.plain(f"  {line}")


def _tree(act: Act, lake: Mapping[str, InLake], *, whole: bool = False) -> list[str]:
    """The top of the folder, each folder in it as one line (``whole``: and what is in it)."""
    top: dict[str, dict[str, int]] = {}
    for name, blob in sorted(lake.items()):
        if name.startswith(f"{act.prefix}/"):
            first, slash, below = name.removeprefix(f"{act.prefix}/").partition("/")
            top.setdefault(first + slash, {})[below] = len(blob.content)
    folder = act.prefix.rpartition("/")[2]
    rows = [(f"{folder}/", sum(sum(sizes.values()) for sizes in top.values()), "")]
    for name, sizes in top.items():
        note = counted(len(sizes), "file") if name.endswith("/") else ""
        rows.append((f"  {name}", sum(sizes.values()), note))
        if whole and note:
            rows.extend((f"    {below}", size, "") for below, size in sizes.items())
    for suffix in (".md5", ".sync"):
        rows.append((f"{folder}{suffix}", len(lake[f"{act.prefix}{suffix}"].content), ""))
    width = max(len(name) for name, _, _ in rows)
    return [
        f"{name:<{width}}  {format_bytes(size):>10}  {note}".rstrip() for name, size, note in rows
    ]


def show_commands(screen: Screen, pruned: Act, configuration: Path | None) -> None:
    """The commands of a day; with ``configuration`` such as work right now."""
    screen.heading("How to look at it")
    if configuration is not None:
        screen.plain(f"export DATALAKE_SYNCD_CONFIG={configuration}")
    program = ".venv/bin/datalake-syncd" if configuration is not None else "datalake-syncd"
    for words, told in (
        ("status", "instruments and runs: what is on the way, what needs you"),
        ("status --watch", "the same, live"),
        (f"why {pruned.name}", "every gate of one run, and its history"),
        (f"verify {pruned.name}", "check it against the lake again, now"),
        (f"undo {pruned.name}", "bring it back from the trash"),
        (f"restore {pruned.name} DIR", "fetch it from the lake, check every MD5"),
        ("prune --dry-run", "what would go, and why or why not"),
    ):
        screen.plain(f"{program} {words}")
        screen.plain(f"    {told}", "dim")
