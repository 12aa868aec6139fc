"""A walk through the lake at the end: what lies there, and how to look at it on a real machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from datalake_syncd.cli.terminal import counted
from datalake_syncd.core.durations import format_bytes
from demo.evidence import InLake
from demo.play import Act
from demo.screen import Screen

_MANIFEST_LINES = 3


def show_lake(screen: Screen, lake: Mapping[str, InLake], act: Act) -> None:
    """One run in the lake: its tree, its marker and the head of its manifest."""
    prefix = f"{act.destination}/{act.run.name}"
    screen.heading(f"In the lake: {prefix}")
    for line in _tree(prefix, lake):
        screen.plain(line)
    screen.plain(f"{act.run.name}.sync, the marker, written last:", "dim")
    for line in lake[f"{prefix}.sync"].content.decode().splitlines():
        screen.plain(f"  {line}")
    screen.plain(f"{act.run.name}.md5, the manifest, for md5sum -c:", "dim")
    lines = lake[f"{prefix}.md5"].content.decode().splitlines()
    comments = [line for line in lines if line.startswith("#")]
    files = [line for line in lines if not line.startswith("#")]
    for line in (*comments, *files[:_MANIFEST_LINES]):
        screen.plain(f"  {line}")
    screen.plain(f"  … and {len(files) - _MANIFEST_LINES} more files")


def _tree(prefix: str, lake: Mapping[str, InLake]) -> list[str]:
    """The top of the run's folder, each folder in it as one line, then marker and manifest."""
    top: dict[str, list[int]] = {}
    for name, blob in sorted(lake.items()):
        if name.startswith(f"{prefix}/"):
            first, slash, _ = name.removeprefix(f"{prefix}/").partition("/")
            top.setdefault(first + slash, []).append(len(blob.content))
    rows = [
        (f"  {name}", sum(sizes), counted(len(sizes), "file") if name.endswith("/") else "")
        for name, sizes in top.items()
    ]
    run = prefix.rpartition("/")[2]
    rows = [(f"{run}/", sum(size for _, size, _ in rows), ""), *rows]
    for suffix in (".md5", ".sync"):
        blob = lake[f"{prefix}{suffix}"]
        rows.append((f"{run}{suffix}", len(blob.content), ""))
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
        (f"why {pruned.run.name}", "every gate of one run, and its history"),
        (f"verify {pruned.run.name}", "check it against the lake again, now"),
        (f"undo {pruned.run.name}", "bring it back from the trash"),
        (f"restore {pruned.run.name} DIR", "fetch it from the lake, check every MD5"),
        ("prune --dry-run", "what would go, and why or why not"),
    ):
        screen.plain(f"{program} {words}")
        screen.plain(f"    {told}", "dim")
