"""The configuration: read from TOML, all faults told at once, frozen once it is good."""

from datalake_syncd.config.faults import ConfigErrors, Fault
from datalake_syncd.config.load import Loaded, Origin, load, load_text, load_with_origins
from datalake_syncd.config.schema import (
    Azcopy,
    Config,
    Daemon,
    Instrument,
    Lake,
    Log,
    Mail,
    Prune,
    Web,
)
from datalake_syncd.config.scrub import Scrub
from datalake_syncd.config.secrets import Secret, SecretUnusable, known_secrets, read_secret

__all__ = [
    "Azcopy",
    "Config",
    "ConfigErrors",
    "Daemon",
    "Fault",
    "Instrument",
    "Lake",
    "Loaded",
    "Log",
    "Mail",
    "Origin",
    "Prune",
    "Scrub",
    "Secret",
    "SecretUnusable",
    "Web",
    "known_secrets",
    "load",
    "load_text",
    "load_with_origins",
    "read_secret",
]
