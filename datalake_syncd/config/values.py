"""The types of single values: from what TOML gives to what the models hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from datalake_syncd.config import grammar
from datalake_syncd.core.durations import ACCEPTED as DURATIONS
from datalake_syncd.core.durations import parse_duration
from datalake_syncd.core.sizes import SHARES, SIZES, parse_share, parse_size


def _seconds(value: Any, info: ValidationInfo) -> float:
    if isinstance(value, str):
        try:
            return parse_duration(value)
        except ValueError:
            raise grammar.refuse(DURATIONS) from None
    # In a file, a number without a unit is refused; code gives seconds.
    if info.context is None and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise grammar.refuse(DURATIONS)


def _positive(value: float) -> float:
    if value <= 0:
        raise grammar.refuse(f"longer than 0; {DURATIONS}")
    return value


def _bytes(value: Any, info: ValidationInfo) -> int:
    if isinstance(value, str):
        try:
            return parse_size(value)
        except ValueError:
            raise grammar.refuse(SIZES) from None
    if info.context is None and type(value) is int:
        return value
    raise grammar.refuse(SIZES)


def _share(value: Any, info: ValidationInfo) -> float:
    if isinstance(value, str):
        try:
            return parse_share(value)
        except ValueError:
            raise grammar.refuse(SHARES) from None
    if info.context is None and isinstance(value, float):
        return value
    raise grammar.refuse(SHARES)


def _path(value: Any) -> Path:
    if isinstance(value, str | Path) and str(value) and "\x00" not in str(value):
        return Path(value)
    raise grammar.refuse('a path in quotes, e.g. "/data/instrument"')


def _listed(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    raise grammar.refuse('a list: ["…", "…"]')


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise grammar.refuse("at least one entry (or leave the key out)")
    return value


def _one_line(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise grammar.refuse("text that is not empty and has no control characters")
    return value


def _argv(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value[0].startswith("/"):
        raise grammar.refuse('a command as an absolute path, then its arguments: ["/…", "…"]')
    return value


def _command(value: str) -> str:
    _one_line(value)
    if "/" in value and not value.startswith("/"):
        raise grammar.refuse('a command on PATH ("azcopy") or an absolute path')
    return value


Duration = Annotated[float, BeforeValidator(_seconds)]
PositiveDuration = Annotated[float, BeforeValidator(_seconds), AfterValidator(_positive)]

Size = Annotated[int, BeforeValidator(_bytes)]
#: A part of one, written as a percentage.
Share = Annotated[float, BeforeValidator(_share)]

Text = Annotated[str, AfterValidator(_one_line)]
Command = Annotated[str, AfterValidator(_command)]
AccountUrl = Annotated[str, AfterValidator(grammar.account_url)]
Container = Annotated[str, AfterValidator(grammar.container)]
Destination = Annotated[str, AfterValidator(grammar.destination)]
HostName = Annotated[str, AfterValidator(grammar.host_name)]
Listen = Annotated[str, AfterValidator(grammar.listen_address)]

AbsolutePath = Annotated[Path, BeforeValidator(_path), AfterValidator(grammar.absolute_path)]
SourcePath = Annotated[Path, BeforeValidator(_path), AfterValidator(grammar.source_path)]
SecretPath = Annotated[Path, BeforeValidator(_path), AfterValidator(grammar.secret_path)]

WebAddress = Annotated[str, AfterValidator(grammar.web_address)]

_Flag = Annotated[str, AfterValidator(grammar.completion_flag)]
_Pattern = Annotated[str, AfterValidator(grammar.exclude_pattern)]
MailAddress = Annotated[str, AfterValidator(grammar.mail_address)]
Flags = Annotated[tuple[_Flag, ...], BeforeValidator(_listed), AfterValidator(_some)]
Patterns = Annotated[tuple[_Pattern, ...], BeforeValidator(_listed)]
MailAddresses = Annotated[tuple[MailAddress, ...], BeforeValidator(_listed), AfterValidator(_some)]
HostNames = Annotated[tuple[HostName, ...], BeforeValidator(_listed)]
#: A command and its arguments, never a line for a shell.
Arguments = Annotated[
    tuple[Text, ...], BeforeValidator(_listed), AfterValidator(_some), AfterValidator(_argv)
]
