"""One TOML table into its model, or into the faults that it has and the values that are good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, get_args

from annotated_types import Ge, Le
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from datalake_syncd.config.base import Table
from datalake_syncd.config.faults import Fault, did_you_mean, shown, sort_of
from datalake_syncd.config.lines import KeyPath
from datalake_syncd.config.schema import Config, Instrument, Prune

Model = TypeVar("Model", bound=Table)

_SECRET_WORDS = ("password", "passwd", "secret", "sas", "token", "account_key", "connection_string")


class Draft(Generic[Model]):
    """A table as far as it could be read.

    ``model`` is None when the table has faults; ``good`` then still holds the values that are
    fine, so that checks over several tables can go on and all faults are told at once. ``written``
    are the keys that the table really has; ``good`` has the defaults of the others too.
    """

    def __init__(self, kind: type[Model], raw: object, prefix: KeyPath) -> None:
        self.model: Model | None = None
        self.good: Mapping[str, Any] = {}
        self.faults: tuple[Fault, ...] = ()
        self.written = frozenset(raw) if isinstance(raw, dict) else frozenset()
        if not isinstance(raw, dict):
            header = f"[{'.'.join(map(str, prefix))}]"
            self.faults = (Fault(prefix, f"found {sort_of(raw)}", f"a table, {header}"),)
            return
        try:
            self.model = kind.model_validate(raw, context={"file": True})
            self.good = {name: getattr(self.model, name) for name in kind.model_fields}
        except ValidationError as error:
            details = error.errors(include_url=False)
            self.faults = tuple(_fault(kind, detail, prefix) for detail in details)
            self.good = _good_values(kind, raw, {str(detail["loc"][0]) for detail in details})


def unknown_key(path: KeyPath, known: tuple[str, ...]) -> Fault:
    """The fault of a key that nobody reads. Its value is not repeated: it may be a secret."""
    word = str(path[-1])
    hint = did_you_mean(word, known)
    if not hint:
        homes = _homes()
        if any(secret in word.lower() for secret in _SECRET_WORDS):
            hint = "secrets are never in this file: see secret_file and password_file"
        elif word in Config.model_fields:
            hint = f"[{word}] is a table of its own"
        elif word in homes:
            hint = f"{word} belongs in {homes[word]}"
        else:
            hint = did_you_mean(word, homes)
    return Fault(path, "found a key that is not known", ", ".join(known), hint)


def _homes() -> dict[str, str]:
    """Every key of every table, with the header of the first table that has it."""
    tables: dict[str, type[Table]] = {
        "[instruments.NAME]": Instrument,
        "[instruments.NAME.prune]": Prune,
    }
    for name, field in Config.model_fields.items():
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, Table):
                tables.setdefault(f"[{name}]", candidate)
    homes: dict[str, str] = {}
    for header, table in tables.items():
        for key in table.model_fields:
            homes.setdefault(key, header)
    return homes


def _good_values(kind: type[Model], raw: dict[str, Any], bad: set[str]) -> dict[str, Any]:
    """The validated values of the keys without faults, with the defaults of absent ones."""
    # Required keys that are bad get their example for a moment, so that the model can be made.
    stand_in = {
        name: field.examples[0]
        for name, field in kind.model_fields.items()
        if field.is_required() and field.examples
    }
    good = {name: value for name, value in raw.items() if name not in bad}
    try:
        model = kind.model_validate({**stand_in, **good}, context={"file": True})
    except ValidationError:  # it can't be, but a fault is being told already
        return {}
    return {name: getattr(model, name) for name in kind.model_fields if name not in bad}


def _fault(kind: type[Table], detail: ErrorDetails, prefix: KeyPath) -> Fault:
    place = detail["loc"]
    path = (*prefix, *place)
    holder, field = _field(kind, place)
    context = detail.get("ctx", {})
    # Where the file of a secret belongs, the secret itself gets pasted; and the address of a
    # dead-man's switch is one: never repeat them.
    secret = str(place[-1]) in {"secret_file", "password_file", "heartbeat_url"}
    found = f"found {sort_of(detail['input']) if secret else shown(detail['input'])}"
    match detail["type"]:
        case "missing":
            accepted = (field.description or "") if field else ""
            return Fault(path, "is missing", accepted.rstrip("."))
        case "extra_forbidden":
            return unknown_key(path, tuple(holder.model_fields))
        case "syncd":
            accepted = str(context.get("accepted", ""))
            return Fault(path, found, accepted, str(context.get("hint", "")))
        case "literal_error":
            known = str(context.get("expected", "")).replace("'", '"')
            words = tuple(word for word in known.split('"') if word.strip(" ,") not in {"", "or"})
            return Fault(path, found, known, did_you_mean(str(detail["input"]), words))
        case "model_type" | "model_attributes_type" | "dict_type":
            found = f"found {sort_of(detail['input'])}"
            return Fault(path, found, f"a table, [{'.'.join(map(str, path))}]")
        case "string_type":
            return Fault(path, found, "text in quotes")
        case "bool_type":
            return Fault(path, found, "true or false, without quotes")
        case kind_of_fault if kind_of_fault.startswith("int_"):
            return Fault(path, found, f"a whole number{_range(field)}")
        case "greater_than_equal" | "less_than_equal" | "float_type" | "finite_number":
            return Fault(path, found, f"a number{_range(field)}")
        case _:
            return Fault(path, found, detail["msg"])


def _field(kind: type[BaseModel], place: KeyPath) -> tuple[type[BaseModel], FieldInfo | None]:
    """The model that holds the last key of this place, and the field if there is one."""
    field: FieldInfo | None = None
    holder = kind
    for number, part in enumerate(place):
        field = holder.model_fields.get(str(part))
        inner = field.annotation if field else None
        last = number == len(place) - 1
        if not last and isinstance(inner, type) and issubclass(inner, BaseModel):
            holder = inner
        else:
            return holder, field
    return holder, field


def _range(field: FieldInfo | None) -> str:
    metadata = field.metadata if field else []
    low = next((entry.ge for entry in metadata if isinstance(entry, Ge)), None)
    high = next((entry.le for entry in metadata if isinstance(entry, Le)), None)
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f", at least {low}" if low is not None else ""
