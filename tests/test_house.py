"""The rules of the house, read from the source: each rule is a function from sources to faults.

A rule is first shown to bite on made-up source, then run over the real one.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import pytest

from tests.servers import REPO

PACKAGE = "datalake_syncd"
MAX_LINES = 320

# Imports go downwards or stay on their level.
LEVELS = [
    ["core"],
    ["config"],
    ["adapters"],
    ["steps"],
    ["worker"],
    ["watch", "session", "attendants", "signs", "answering"],
]
LEVELS += [["daemon", "one_pass"], ["cli"], ["__main__"]]
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts}

# Outside things and the one part that may import them.
ONE_IMPORTER = {"azure": "adapters/lake", "sqlite3": "adapters/ledger", "smtplib": "adapters/mail"}
# The core is pure: it computes on what it is given.
NOT_IN_CORE = {"azure", "shutil", "socket", "sqlite3", "subprocess", "tempfile", "threading"}
# What removes a file or folder. Others are given a function of adapters/tree.
REMOVES = {"unlink", "rmdir", "removedirs"}
# What removes without saying file by file what: nobody.
REMOVES_TREES = {"rmtree", "TemporaryDirectory"}
# The lake only grows. One place asks whether it could be otherwise, and can't make it so.
ASKS = "adapters/lake/may_delete"
ASKS_FOR_NOTHING = {"etag=NOBODYS_ETAG", "match_condition=MatchConditions.IfNotModified"}
REMOVES_BLOBS = {"delete_blob", "delete_blobs", "delete_container", "undelete_blob"}
OPENS = {"open", "open_text", "fdopen", "read_bytes", "read_text", "write_bytes", "write_text"}
OPENS |= {"copy", "copy2", "copyfile"}
VAGUE = {"util", "utils", "helper", "helpers", "manager", "managers", "misc", "common", "stuff"}

Sources = Mapping[str, str]  # path below the repository -> text
Rule = Callable[[Sources], list[str]]


def parts_of(path: str) -> list[str]:
    """``datalake_syncd/adapters/lake/__init__.py`` -> ``[adapters, lake]``."""
    parts = list(PurePosixPath(path).with_suffix("").parts[1:])
    return parts[:-1] if parts and parts[-1] == "__init__" else parts


def lies_in(path: str, part: str) -> bool:
    """Is ``path`` the module or in the folder ``part`` (``adapters/lake``)?"""
    return "/".join(parts_of(path)).startswith((f"{part}/", part)) and (
        parts_of(path)[: part.count("/") + 1] == part.split("/")
    )


def modules(sources: Sources) -> Iterator[tuple[str, ast.Module]]:
    for path, text in sources.items():
        if path.startswith(f"{PACKAGE}/") and path.endswith(".py"):
            yield path, ast.parse(text, path)


def imports(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of everything imported, also inside functions."""
    inside = PurePosixPath(path).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = list(inside[: len(inside) - node.level + 1]) if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def import_direction(sources: Sources) -> list[str]:
    faults = []
    for path, tree in modules(sources):
        own = parts_of(path)
        if own and own[0] not in LEVEL:
            faults.append(f"{path}: {own[0]} has no level in tests/test_house.py")
            continue
        for line, name in imports(path, tree):
            where, (top, *parts) = f"{path}:{line}", name.split(".")
            if top != PACKAGE or not parts or (len(parts) == 1 and parts[0].startswith("__")):
                continue
            if not own:
                faults.append(f"{where}: the package itself imports nothing of its own")
            elif LEVEL.get(parts[0], 99) > LEVEL[own[0]]:
                faults.append(f"{where}: {own[0]} must not import {name}")
            elif own[0] == "adapters" == parts[0] and parts[1:2] != own[1:2]:
                faults.append(f"{where}: adapters do not import each other: {name}")
    return faults


def outside_things(sources: Sources) -> list[str]:
    faults = []
    for path, tree in modules(sources):
        for line, name in imports(path, tree):
            top = name.split(".")[0]
            if top in ONE_IMPORTER and not lies_in(path, ONE_IMPORTER[top]):
                faults.append(f"{path}:{line}: {top} is only for {ONE_IMPORTER[top]}")
            if top in NOT_IN_CORE and lies_in(path, "core"):
                faults.append(f"{path}:{line}: the core is pure, {top} is not")
    return faults


def names_used(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, name and owner (``os`` in ``os.remove``) of every attribute and imported name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr, ast.unparse(node.value)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, alias.name, node.module or ""


def removals(sources: Sources) -> list[str]:
    faults = []
    for path, tree in modules(sources):
        in_tree = lies_in(path, "adapters/tree")
        for line, name, owner in names_used(tree):
            where = f"{path}:{line}"
            # list.remove is harmless, os.remove is not.
            if not in_tree and (name in REMOVES or (name == "remove" and owner == "os")):
                faults.append(f"{where}: {name} is only for adapters/tree; take a function of it")
            if name in REMOVES_TREES:
                faults.append(f"{where}: {name} removes what nobody has listed")
            if name in REMOVES_BLOBS and not (lies_in(path, ASKS) and name == "delete_blob"):
                faults.append(f"{where}: {name}: nothing is ever deleted in the lake")
    return faults


def asking(sources: Sources) -> list[str]:
    """The one DELETE request holds for no blob: its condition and a name drawn at random."""
    faults = []
    for path, tree in modules(sources):
        if not lies_in(path, ASKS):
            continue
        sent = [
            call
            for call, _ in calls(tree)
            if isinstance(call.func, ast.Attribute) and call.func.attr in REMOVES_BLOBS
        ]
        if len(sent) != 1 or "uuid.uuid4()" not in ast.unparse(tree):
            faults.append(f"{path}: one request, for a name that was drawn at random")
        for call in sent:
            if {ast.unparse(keyword) for keyword in call.keywords} != ASKS_FOR_NOTHING:
                faults.append(f"{path}:{call.lineno}: only under a condition that can't hold")
    return faults


def calls(node: ast.AST, inside: str = "") -> Iterator[tuple[ast.Call, str]]:
    """Every call, with the names of the classes and functions that it lies in."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, inside
        scope = isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        yield from calls(child, f"{inside}.{child.name}" if scope else inside)  # type: ignore[attr-defined]


def ledger_file(sources: Sources) -> list[str]:
    """Closing any descriptor of an SQLite file drops the locks of the whole process on it.

    What is about the daemon's lock file, a file of its own, says "lock" in its name.
    """
    faults = []
    for path, tree in modules(sources):
        for node, inside in calls(tree):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else ast.unparse(called)
            if name not in OPENS:
                continue
            words = ast.unparse(node).lower()
            suspect = "ledger" in words or lies_in(path, "adapters/ledger")
            if suspect and "lock" not in words + inside.lower():
                faults.append(f"{path}:{node.lineno}: the ledger is opened through sqlite3 only")
    return faults


def size(sources: Sources) -> list[str]:
    return [
        f"{path}: {lines} lines, at most {MAX_LINES}"
        for path, text in sources.items()
        if path.startswith((f"{PACKAGE}/", "demo/")) and path.endswith(".py")
        if (lines := len(text.splitlines())) > MAX_LINES
    ]


def telling_names(sources: Sources) -> list[str]:
    faults = []
    for path, tree in modules(sources):
        words = {word for part in parts_of(path) for word in part.split("_")}
        if vague := words & VAGUE:
            faults.append(f"{path}: {', '.join(vague)} says nothing; name what it does")
        faults += [
            f"{path}:{node.lineno}: class {node.name}: name what it does"
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and node.name.endswith(("Manager", "Helper", "Util"))
        ]
    return faults


# Put together here, so that this file does not break its own rule.
WORKSHOP = re.compile(r"(?<![\w.-])/" + r"work/")
BESIDE = re.compile(r"\.\./" + r"shared\b")
HOSTS = ["pypi." + "org", "pythonhosted." + "org", "registry.npmjs." + "org", "npmjs." + "com"]
HOSTS += ["registry.yarnpkg." + "com", "proxy.golang." + "org", "test.pypi." + "org"]


def no_private_places(sources: Sources) -> list[str]:
    faults = []
    for path, text in sources.items():
        for number, line in enumerate(text.splitlines(), 1):
            found = [host for host in HOSTS if host in line]
            if WORKSHOP.search(line):
                found.append("the workshop's own path")
            if BESIDE.search(line) and not path.startswith("tests/"):
                found.append("a folder beside the repository")
            faults += [f"{path}:{number}: names {what}" for what in found]
    return faults


RULES: list[Rule] = [import_direction, outside_things, removals, asking, ledger_file]
RULES += [size, telling_names, no_private_places]

P = PACKAGE
DRAWN = "name = uuid.uuid4().hex"
ONLY = "match_condition=MatchConditions.IfNotModified"
ASKED = f"c.delete_blob(etag=NOBODYS_ETAG, {ONLY})"
BREAKS: list[tuple[Rule, str, str]] = [
    (import_direction, f"{P}/core/a.py", f"from {P}.config import Config"),
    (import_direction, f"{P}/core/a.py", "from ..config import Config"),
    (import_direction, f"{P}/core/kinds/a.py", "from ...adapters import tree"),
    (import_direction, f"{P}/config/__init__.py", f"import {P}.adapters.lake"),
    (import_direction, f"{P}/adapters/azcopy/a.py", f"def f():\n    from {P} import steps"),
    (import_direction, f"{P}/steps/a.py", f"from {P}.worker import Worker"),
    (import_direction, f"{P}/worker.py", f"from {P}.daemon import Daemon"),
    (import_direction, f"{P}/daemon.py", f"from {P}.cli import main"),
    (import_direction, f"{P}/adapters/lake/a.py", f"from {P}.adapters.tree import look"),
    (import_direction, f"{P}/adapters/lake/a.py", f"from {P}.adapters import tree"),
    (import_direction, f"{P}/adapters/lake/a.py", "from ..tree import look"),
    (import_direction, f"{P}/adapters/mounts.py", "from . import tree"),
    (import_direction, f"{P}/adapters/__init__.py", f"from {P}.adapters import tree"),
    (import_direction, f"{P}/__init__.py", f"from {P}.core import model"),
    (import_direction, f"{P}/newcomer.py", ""),
    (outside_things, f"{P}/steps/verify.py", "from azure.storage.blob import BlobClient"),
    (outside_things, f"{P}/adapters/lakeside.py", "import azure.identity"),
    (outside_things, f"{P}/daemon.py", "import sqlite3"),
    (outside_things, f"{P}/steps/mail/sending.py", "import smtplib"),
    (outside_things, f"{P}/core/a.py", "import subprocess"),
    (removals, f"{P}/steps/prune.py", "path.unlink()"),
    (removals, f"{P}/steps/prune.py", "import os\nos.remove(x)"),
    (removals, f"{P}/adapters/azcopy/a.py", "from os import unlink"),
    (removals, f"{P}/adapters/azcopy/a.py", "gone = os.rmdir"),
    (removals, f"{P}/adapters/tree/a.py", "shutil.rmtree(x)"),
    (removals, f"{P}/adapters/tree/a.py", "with tempfile.TemporaryDirectory() as x: pass"),
    (removals, f"{P}/adapters/lake/a.py", "client.delete_blob()"),
    (removals, f"{P}/adapters/lake/may_delete.py", "client.delete_container()"),
    (asking, f"{P}/adapters/lake/may_delete.py", f"{DRAWN}; client.delete_blob()"),
    (asking, f"{P}/adapters/lake/may_delete.py", f"{DRAWN}; c.delete_blob(etag=etag, {ONLY})"),
    (asking, f"{P}/adapters/lake/may_delete.py", f"c.delete_blob(etag=NOBODYS_ETAG, {ONLY})"),
    (asking, f"{P}/adapters/lake/may_delete.py", f"{DRAWN}; {ASKED}; {ASKED}"),
    (ledger_file, f"{P}/daemon.py", "open(state / 'ledger.sqlite3')"),
    (ledger_file, f"{P}/cli/a.py", "config.ledger_path.read_bytes()"),
    (ledger_file, f"{P}/cli/a.py", "shutil.copyfile(ledger, backup)"),
    (ledger_file, f"{P}/adapters/ledger/a.py", "os.open(path, os.O_RDONLY)"),
    (ledger_file, f"{P}/adapters/ledger/a.py", "class A:\n def f(s): return f(open(path))"),
    (size, f"{P}/core/a.py", "#\n" * (MAX_LINES + 1)),
    (telling_names, f"{P}/core/utils.py", ""),
    (telling_names, f"{P}/adapters/lake/blob_helpers.py", ""),
    (telling_names, f"{P}/worker.py", "class RunManager: pass"),
    (no_private_places, "README.md", "see /" + "work/main"),
    (no_private_places, "tests/test_x.py", "open('/" + "work/x')"),
    (no_private_places, "demo/a.py", "'../" + "shared/x'"),
    (no_private_places, "requirements.txt", "--index-url https://pypi." + "org/simple"),
]

KEEPS: list[tuple[Rule, str, str]] = [
    (import_direction, f"{P}/core/kinds/a.py", "from ..model import Step"),
    (import_direction, f"{P}/core/a.py", f"from {P} import __version__\nimport os"),
    (import_direction, f"{P}/adapters/lake/a.py", "from .b import c\nfrom ...core import model"),
    (import_direction, f"{P}/adapters/lake/a.py", f"from {P}.adapters.lake import b"),
    (import_direction, f"{P}/daemon.py", f"from {P}.watch import Watch"),
    (import_direction, f"{P}/cli/status.py", f"from {P}.adapters import ledger"),
    (outside_things, f"{P}/adapters/lake/__init__.py", "from azure.identity import X"),
    (outside_things, f"{P}/adapters/ledger.py", "import sqlite3"),
    (removals, f"{P}/adapters/tree/trash.py", "os.unlink(name, dir_fd=d)"),
    (removals, f"{P}/steps/prune.py", "waiting.remove(run)"),
    (removals, f"{P}/adapters/lake/may_delete.py", ASKED),
    (asking, f"{P}/adapters/lake/may_delete.py", f"{DRAWN}; {ASKED}"),
    (ledger_file, f"{P}/adapters/ledger/a.py", "os.open(lock_path, os.O_RDWR)"),
    (ledger_file, f"{P}/adapters/ledger/a.py", "class Lock:\n def f(s): os.open(path, 0)"),
    (ledger_file, f"{P}/adapters/ledger/a.py", "sqlite3.connect(path)"),
    (size, f"{P}/core/a.py", "#\n" * MAX_LINES),
    (no_private_places, "README.md", "home/work/x and net" + "work/y"),
    (no_private_places, "tests/test_x.py", "'../" + "shared/x'"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BREAKS)
def test_rule_bites(rule: Rule, path: str, text: str) -> None:
    assert rule({path: text})


@pytest.mark.parametrize(("rule", "path", "text"), KEEPS)
def test_rule_lets_pass(rule: Rule, path: str, text: str) -> None:
    assert rule({path: text}) == []


def committed(root: Path) -> list[Path]:
    """Every file that is or would be committed; without git, all that is not made here."""
    if (root / ".git").exists():
        told = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
        ).stdout
        found = [root / name for name in told.decode().split("\0") if name]
    else:
        made = {".venv", ".tools", "__pycache__"}
        found = [path for path in root.rglob("*") if not made & set(path.parts)]
    return [path for path in found if path.is_file()]


@pytest.fixture(scope="module")
def sources() -> Sources:
    texts = {}
    for path in committed(REPO):
        data = path.read_bytes()
        if b"\0" not in data:
            texts[path.relative_to(REPO).as_posix()] = data.decode(errors="replace")
    assert f"{PACKAGE}/core/model.py" in texts
    return texts


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_kept(rule: Rule, sources: Sources) -> None:
    assert "\n".join(rule(sources)) == ""


def test_b13_nobody_opens_the_ledger_other_than_through_sqlite(sources: Sources) -> None:
    assert any(path.startswith(f"{PACKAGE}/adapters/ledger/") for path in sources)
    assert ledger_file(sources) == []
