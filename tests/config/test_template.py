from __future__ import annotations

import re
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from datalake_syncd.config import Config, load, load_text
from datalake_syncd.config.schema import Instrument, Prune
from datalake_syncd.config.scrub import Scrub
from datalake_syncd.config.show import DURATION_KEYS
from datalake_syncd.config.template import starting_file


def models(annotation: Any = Config) -> set[type[BaseModel]]:
    """Every model that the configuration is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.values()
        return {annotation}.union(*(models(field.annotation) for field in fields))
    return set().union(*map(models, get_args(annotation)))


def uncommented(text: str) -> str:
    return re.sub(r"(?m)^#(?=\[|[a-z_]+ = )", "", text)


def all_of_it() -> str:
    """The file with every key in force, for the login and the kind that follow all of them."""
    text = uncommented(starting_file()).replace('"managed-identity"', '"service-principal"')
    # What only sequencers follow has a test of its own.
    return re.sub(r"(?m)^flag_grace = .*\n", "", text.replace('"nextseq500"', '"folder"'))


def test_what_a_drop_folder_does_not_follow_can_be_taken_in_too() -> None:
    text = re.sub(r"(?m)^#(flag_grace = )", r"\1", starting_file())
    full, short = load_text(text, Path("x"), {}).config, load_text(starting_file(), Path("x"), {})
    assert "\nflag_grace = " in text
    assert full.instruments["nextseq"] == short.config.instruments["nextseq"]


def test_the_example_in_the_repository_is_what_init_writes(repo_root: Path) -> None:
    assert (repo_root / "config.example.toml").read_text(encoding="utf-8") == starting_file()


def test_the_example_loads_as_it_is(repo_root: Path) -> None:
    config = load(repo_root / "config.example.toml", {})
    assert config.instruments["nextseq"].kind == "nextseq500"
    assert config.mail is None
    assert config.web is None


def test_the_example_explains_every_key() -> None:
    lines = uncommented(starting_file()).splitlines()
    keys = {line.split(" = ")[0] for line in lines if re.match(r"[a-z_]+ = ", line)}
    headers = {line for line in lines if line.startswith("[")}
    tables = models()
    assert {Instrument, Prune} < tables
    expected = {name for model in tables - {Config} for name in model.model_fields} - {"prune"}
    assert keys == expected
    assert headers == {
        *("[lake]", "[daemon]", "[azcopy]", "[log]", "[mail]", "[web]", "[scrub]"),
        *("[instruments.nextseq]", "[instruments.nextseq.prune]"),
    }
    assert max(map(len, lines)) <= 100


def test_all_that_is_commented_out_can_be_taken_in() -> None:
    text = all_of_it()
    config = load_text(text, Path("x"), {}).config
    assert config.mail is not None
    assert config.web is not None
    assert config.scrub is not None
    assert config.scrub == Scrub(), "what is shown is the default"


def test_what_is_commented_out_with_a_default_is_the_default() -> None:
    text = all_of_it()
    full = load_text(text, Path("x"), {}).config
    short = load_text(starting_file(), Path("x"), {}).config
    # These two have no default, so their lines are examples.
    unset = {"heartbeat_url": None, "on_event": None}
    assert full.daemon.model_copy(update=unset) == short.daemon
    assert full.azcopy == short.azcopy
    assert full.instruments["nextseq"].prune == short.instruments["nextseq"].prune


@pytest.mark.parametrize("model", sorted(models() - {Config}, key=str))
def test_every_key_is_described(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        optional = NoneType in get_args(field.annotation)
        assert not (field.is_required() or optional) or field.examples, name
        # A float is a duration, and shown with its unit, unless it is known not to be one.
        if float in {field.annotation, *get_args(field.annotation)}:
            assert (name in DURATION_KEYS) != (name in ("cap_mbps", "sample")), name
