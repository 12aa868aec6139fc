"""The documents tell the truth: commands, targets, links, alarms, the house, the snippets."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from datalake_syncd.cli.program import program
from datalake_syncd.config import Config, load_text
from tests.servers import REPO
from tests.test_house import LEVELS

PACKAGE = REPO / "datalake_syncd"
DOCUMENTS = ["README.md", "DESIGN.md", "SECURITY.md", "TROUBLESHOOTING.md", "CHANGELOG.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (REPO / name).read_text()


def fences(name: str, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(text_of(name)) if found == language]


# --- commands and targets --------------------------------------------------------------------


def code_in(text: str) -> list[str]:
    """Lines of fenced code, and code within sentences and tables."""
    lines = [line for _, body in FENCE.findall(text) for line in body.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def commands_in(text: str) -> set[tuple[str, ...]]:
    """Each command in the code of a text: its name (of a group, two words) and its options."""
    found = set()
    for line in code_in(text):
        line = re.sub(r" --config \S+", "", line)
        line = re.sub(r"^([a-z]+(?= RUN\b)|config [a-z]+$|status --)", r"datalake-syncd \1", line)
        for told in re.findall(r"(?:^|^\$ |/)datalake-syncd ([a-z][^|;&]*)", line):
            words = told.split()
            name = words[:2] if words[0] in ("config", "mail") else words[:1]
            found.add((*name, *sorted(word for word in words if word.startswith("--"))))
    return found


def help_of(words: tuple[str, ...]) -> str:
    result = CliRunner().invoke(program, [*words, "--help"])
    assert result.exit_code == 0, f"{' '.join(words)}: {result.output}"
    return result.output


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_exist(name: str) -> None:
    for words in commands_in(text_of(name)):
        told = help_of(tuple(word for word in words if not word.startswith("--")))
        for option in (word for word in words if word.startswith("--")):
            assert option in told, f"{name}: {' '.join(words)}"


def test_readme_shows_every_command() -> None:
    shown = {words[0] for words in commands_in(text_of("README.md"))}
    # `make run` is how the daemon is started.
    assert set(program.list_commands(None)) - {"run"} <= shown  # type: ignore[arg-type]


def test_commands_are_found_in_text() -> None:
    text = (
        "datalake-syncd is `datalake-syncd why X`, `verify RUN --read-back`, `status --json`\n"
        "```\n$ x/datalake-syncd --config a/b status --watch\n- .venv/bin/datalake-syncd once\n```"
    )
    assert commands_in(text) == {
        ("why",),
        ("verify", "--read-back"),
        ("status", "--json"),
        ("status", "--watch"),
        ("once",),
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    text = text_of(name)
    named = set(re.findall(r"`make ([a-z-]+)", text))
    for body in fences(name, ""):
        named |= set(re.findall(r"^make ([a-z-]+)", body, re.MULTILINE))
    assert named <= targets, named - targets


# --- links -----------------------------------------------------------------------------------


def anchors(name: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text_of(name)), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_resolve(name: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", FENCE.sub("", text_of(name))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        assert (REPO / (path or name)).exists(), f"{name}: {target}"
        if anchor:
            assert anchor in anchors(path or name), f"{name}: {target}"


# --- alarms ----------------------------------------------------------------------------------


def words_in(node: ast.expr) -> list[str]:
    return [
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]


def alarming(level: ast.expr, names: set[str]) -> bool:
    """Can this expression be ``logging.ERROR``, or one of the variables that can be?"""
    return any(
        ast.unparse(one) == "logging.ERROR" or (isinstance(one, ast.Name) and one.id in names)
        for one in ast.walk(level)
    )


def events_of(level: ast.expr, event: ast.expr, names: set[str]) -> list[str]:
    """The event words that go with ERROR; both may be chosen by the same condition."""
    if (
        isinstance(level, ast.IfExp)
        and isinstance(event, ast.IfExp)
        and ast.dump(level.test) == ast.dump(event.test)
    ):
        pairs = [(level.body, event.body), (level.orelse, event.orelse)]
        return [word for one, told in pairs if alarming(one, names) for word in words_in(told)]
    return words_in(event)


def alarms_in(source: str) -> Iterator[str]:
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and alarming(node.value, set())
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(function):
            if not isinstance(call, ast.Call):
                continue
            if isinstance(call.func, ast.Attribute) and call.func.attr == "exception":
                extra = [k.value for k in call.keywords if k.arg == "extra"]
                for node in extra:
                    assert isinstance(node, ast.Dict)
                    for key, value in zip(node.keys, node.values, strict=True):
                        if isinstance(key, ast.Constant) and key.value == "event":
                            yield from words_in(value)
            for level, event in zip(call.args, call.args[1:], strict=False):
                if alarming(level, names) and words_in(event):
                    yield from events_of(level, event, names)


def alarms() -> set[str]:
    found = {word for path in PACKAGE.rglob("*.py") for word in alarms_in(path.read_text())}
    return {word for word in found if re.fullmatch(r"[a-z]+\.[a-z-]+", word)}


def test_alarms_are_found_in_source() -> None:
    source = """
def one(bad, logger):
    log(logging.ERROR, "a.a", f"x{1}")
    log(logger, logging.ERROR if bad else logging.INFO, "b.b" if bad else "c.c", "text")
    level = logging.ERROR if bad else logging.INFO
    log(level if bad else logging.INFO, "d.d" if bad else "e.e")
    log(logging.WARNING, "f.f")
    logger.exception("text", extra={"event": "g.g"})
"""
    assert set(alarms_in(source)) == {"a.a", "b.b", "d.d", "g.g"}


def entries(kind: str = "") -> dict[str, str]:
    """Heading -> text of the entries of one kind: alarms (""), "Trouble ", "alert"."""
    heading = r"(Datalake\w+)" if kind == "alert" else rf"{kind}`([^`]+)`"
    text = text_of("TROUBLESHOOTING.md")
    return dict(re.findall(rf"^### {heading}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))


def test_every_alarm_has_an_entry() -> None:
    found = alarms()
    assert {"run.blocked", "ledger.full", "run.retry"} <= found
    assert found == set(entries())


def troubles_in(source: str) -> Iterator[str]:
    """The keys of troubles: a word, or the part of it before "/" where the rest varies."""
    tree = ast.parse(source)
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        if call.func.attr != "trouble" or len(call.args) < 2:
            continue  # Desk.trouble takes one that was made already
        key = call.args[0]
        if isinstance(key, ast.JoinedStr):
            key = key.values[0]
        told = constants.get(key.id) if isinstance(key, ast.Name) else getattr(key, "value", None)
        assert isinstance(told, str), f"the key of this trouble can't be read: {ast.unparse(call)}"
        yield told.partition("/")[0]


def test_troubles_are_found_in_source() -> None:
    source = """
KEY = "a"
def one(service, name, told):
    service.trouble(KEY, "what", "step")
    self.service.trouble(f"b/{name}", "what", "step")
    service.trouble("c-d", "what", "step", name)
    desk.trouble(told)
"""
    assert set(troubles_in(source)) == {"a", "b", "c-d"}


def test_every_trouble_has_an_entry() -> None:
    found = {key for path in PACKAGE.rglob("*.py") for key in troubles_in(path.read_text())}
    assert {"azcopy", "scan", "expiry"} <= found
    assert found == set(entries("Trouble "))


def test_every_alert_has_an_entry() -> None:
    rules = (REPO / "monitoring").glob("*.yml")
    found = {
        name
        for path in rules
        for name in re.findall(r"^\s*-?\s*alert:\s*(\w+)", path.read_text(), re.MULTILINE)
    }
    assert found == set(entries("alert"))


def parts_of_entry(text: str) -> list[str]:
    """What it means, what is safe, what to do; a part that is not there is empty."""
    means, _, rest = text.partition("**Safe:**")
    safe, _, step = rest.partition("**Do:**")
    return [part.strip() for part in (means, safe, step)]


def test_an_entry_without_a_part_is_found() -> None:
    assert all(parts_of_entry("It means.\n\n**Safe:** all.\n\n**Do:** this.\n"))
    for lacking in ("**Safe:** all\n**Do:** this", "It means.\n**Do:** this", "x\n**Safe:** y"):
        assert not all(parts_of_entry(lacking))


def test_every_entry_says_what_it_means_what_is_safe_and_what_to_do() -> None:
    told = {**entries(), **entries("Trouble ")}
    assert len(told) > 15
    # An alert may send to the entry of its event.
    sent = re.compile(r"\s*(As|See) .*\]\(#[\w-]+\)[^.]*\.\s*")
    told |= {name: text for name, text in entries("alert").items() if not sent.fullmatch(text)}
    assert [name for name, text in told.items() if not all(parts_of_entry(text))] == []


# --- guarantees ------------------------------------------------------------------------------


def test_each_guarantee_names_tests_that_exist() -> None:
    table = text_of("SECURITY.md").partition("## What is guaranteed\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+) \| (.+) \|$", table, re.MULTILINE)[1:]
    assert len(rows) > 15
    for guarantee, held in rows:
        named = re.findall(r"`(tests/[\w/.]+)`", held)
        assert named, guarantee
        for path in named:
            found = (REPO / path).read_text()
            assert re.search(r"^def test_", found, re.MULTILINE), path


# --- the house -------------------------------------------------------------------------------


def drawing() -> str:
    house = text_of("DESIGN.md").partition("## The house\n")[2]
    found = FENCE.search(house)
    assert found is not None
    return found[2]


def modules(folder: Path) -> set[str]:
    """Modules (``x.py``) and packages (``x/``) directly in a folder."""
    found = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    return found | {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}


def test_drawing_names_what_is_there() -> None:
    drawn = re.findall(r"^  ([\w]+(?:\.py|/))", drawing(), re.MULTILINE)
    assert set(drawn) == modules(PACKAGE)
    parts = re.split(r"^  (?=\w)", drawing(), flags=re.MULTILINE)[1:]
    inside = {
        part.split()[0]: set(re.findall(r"^    (\w+(?:\.py|/))", part, re.MULTILINE))
        for part in parts
    }
    assert inside["adapters/"] == modules(PACKAGE / "adapters")
    for name in ("core/", "steps/"):  # their folders; the modules speak for themselves
        assert inside[name] == {one for one in modules(PACKAGE / name) if one.endswith("/")}, name


def test_drawing_has_the_order_of_imports() -> None:
    drawn = re.findall(r"^  (\w+)(?:\.py|/)", drawing(), re.MULTILINE)
    level = {part: number for number, parts in enumerate(LEVELS) for part in parts}
    assert [level[part] for part in drawn] == sorted((level[p] for p in drawn), reverse=True)


# --- the old scripts -----------------------------------------------------------------------------

OLD_OPTIONS = [
    "--main-folder", "--samplesheet-folder", "--destination", "--completion-flag",
    "--completion-delay", "--remove-source", "--project-glob", "--blank-glob", "--min-file-age",
    "--log-file", "--log-recipient", "--smtp-*", "--state-file", "--timeout", "--retry-times",
    "--azcopy-logs", "--azcopy-log-level", "the credentials file",
]  # fmt: skip


def is_key(path: str) -> bool:
    """Whether the configuration has this key; NAME stands for any instrument."""
    model: Any = Config
    for name in path.replace("instruments.NAME", "instruments").split("."):
        fields = getattr(model, "model_fields", {})
        if name not in fields:
            return False
        inner = [fields[name].annotation, *get_args(fields[name].annotation)]
        model = next((one for one in inner if hasattr(one, "model_fields")), None)
    return True


def test_keys_are_looked_up_in_the_configuration() -> None:
    assert is_key("lake.container")
    assert is_key("instruments.NAME.prune.keep")
    assert is_key("mail.host")
    assert not is_key("instruments.NAME.prune.keeps")
    assert not is_key("instruments.NAME.quiet.more")
    assert not is_key("mails.host")


def test_every_old_option_is_mapped_to_keys_that_exist() -> None:
    chapter = text_of("README.md").partition("## Coming from the old scripts\n")[2]
    chapter = chapter.partition("\n## ")[0]
    mapped = re.findall(r"^\| (.+?) \| ", chapter, re.MULTILINE)
    old = " ".join(mapped)
    lacking = [one for one in OLD_OPTIONS if f"`{one}" not in old and one not in mapped]
    assert lacking == []
    tables = "|".join(Config.model_fields)
    keys = re.findall(rf"`((?:{tables})\.[\w.]+)`", chapter)
    assert len(keys) > 15
    assert [key for key in keys if not is_key(key)] == []


# --- the snippets of the configuration ---------------------------------------------------------


def test_snippets_are_good_configurations() -> None:
    whole, *more = fences("README.md", "toml")
    assert set(tomllib.loads(whole)) >= {"lake", "instruments"}
    assert more
    for snippet in ("", *more):
        load_text(f"{whole}\n{snippet}", Path("README.md"), {})


def test_example_is_what_config_init_writes() -> None:
    result = CliRunner().invoke(program, ["config", "init"])
    assert result.output == text_of("config.example.toml")
