"""The configuration as types: one model per TOML table, attribute names are TOML keys.

The description of each field is what ``config init`` and ``config show`` tell about it, its
first example what ``config init`` writes where there is no default. Durations are seconds.
Only what one value can be judged by stands here; what needs two is in `check`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from datalake_syncd.config import values
from datalake_syncd.config.base import Table
from datalake_syncd.config.grammar import split_listen
from datalake_syncd.config.scrub import Scrub
from datalake_syncd.core.durations import DAY, HOUR, MINUTE

Auth = Literal[
    "managed-identity",
    "service-principal",
    "workload-identity",
    "azure-cli",
    "sas",
    "connection-string",
]


class Lake(Table):
    """The container in Azure Blob storage that everything is carried to."""

    account_url: values.AccountUrl = Field(
        description="Blob endpoint of the storage account "
        "(Azurite: http://127.0.0.1:10000/devstoreaccount1).",
        examples=["https://mylab.blob.core.windows.net"],
    )
    container: values.Container = Field(
        description="Container; it must exist, it is never created.", examples=["nextseq01"]
    )
    auth: Auth = Field(
        "managed-identity",
        description="Who we are for Azure: managed-identity, service-principal, "
        "workload-identity, azure-cli, sas or connection-string.",
    )
    tenant_id: values.Text | None = Field(
        None,
        description="Directory (tenant); for service-principal.",
        examples=["00000000-0000-0000-0000-000000000000"],
    )
    client_id: values.Text | None = Field(
        None,
        description="Application; for service-principal, and for a managed identity that a "
        "user assigned.",
        examples=["00000000-0000-0000-0000-000000000000"],
    )
    secret_file: values.SecretPath | None = Field(
        None,
        description="File of mode 600 with the client secret, SAS token or connection string. "
        "With LoadCredential=NAME:PATH in the unit, write ${CREDENTIALS_DIRECTORY}/NAME here.",
        examples=["/etc/datalake-syncd/secret"],
    )
    proof: Literal["auto", "read-back", "claimed"] = Field(
        "auto",
        description="What publishing needs. auto: Azure checked the bytes on arrival, larger "
        "files are read back. read-back: all files are read back. claimed: publish on "
        "Content-MD5 alone, and never prune.",
    )


class Daemon(Table):
    """The service itself."""

    state_dir: values.AbsolutePath = Field(
        Path("/var/lib/datalake-syncd"),
        description="Folder for the ledger and work files; on a local disk.",
    )
    workers: int = Field(2, ge=1, le=32, description="Runs that are worked on at a time (1-32).")
    scan_interval: values.PositiveDuration = Field(
        MINUTE, description="Time between two looks at each source."
    )
    stale_after: values.PositiveDuration = Field(
        48 * HOUR,
        description="A run that has not moved for so long is reported, again every so long.",
    )
    heartbeat_url: values.WebAddress | None = Field(
        None,
        description="Address of a dead-man's switch, asked for (GET) after every good pass over "
        "all sources: who keeps it misses us when we fall silent.",
        examples=["https://hc.example.org/ping/00000000-0000-0000-0000-000000000000"],
    )
    on_event: values.Arguments | None = Field(
        None,
        description="Command with its arguments that gets each event of a run as one JSON "
        "document on its standard input. It may take 30 seconds, and delays nothing.",
        examples=[["/usr/local/bin/on-run-event", "--quiet"]],
    )


class Azcopy(Table):
    """The program that carries the bytes."""

    path: values.Command = Field("azcopy", description="Command on PATH, or absolute path.")
    cap_mbps: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Upper limit in megabits per second; 0: none.",
    )
    concurrency: int = Field(
        0, ge=0, le=1000, description="Requests at a time; 0: azcopy's own choice."
    )
    stall_timeout: values.PositiveDuration = Field(
        15 * MINUTE,
        description="When no byte moved for so long, azcopy is ended and started again.",
    )
    put_blob_mb: int = Field(
        256,
        ge=1,
        le=5000,
        description="Files up to this size (MiB, 1-5000) go up in one request, which Azure checks.",
    )


class Log(Table):
    """One line per fact on stdout."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR."
    )
    format: Literal["json", "text"] | None = Field(
        None,
        description="json or text; without this key text on a terminal and json elsewhere.",
        examples=["json"],
    )
    file: values.AbsolutePath | None = Field(
        None,
        description="A copy of the log in this file, rotated.",
        examples=["/var/log/datalake-syncd/syncd.log"],
    )


class Mail(Table):
    """The log of a failed run goes to these people."""

    recipients: values.MailAddresses = Field(
        description="Who gets it.", examples=[["lab-it@example.org"]]
    )
    host: values.HostName = Field(description="Mail server.", examples=["smtp.example.org"])
    port: int = Field(
        587,
        ge=1,
        le=65535,
        description="Its port; without this key 587 for starttls, 465 for tls, 25 for none.",
    )
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="starttls, tls or none."
    )
    user: values.Text | None = Field(
        None, description="Login, if the server wants one.", examples=["syncd@example.org"]
    )
    password_file: values.SecretPath | None = Field(
        None,
        description="File of mode 600 with the password of that login.",
        examples=["/etc/datalake-syncd/smtp-password"],
    )
    ca_file: values.AbsolutePath | None = Field(
        None,
        description="Certificates (PEM) that the server's is checked against, instead of the "
        "system's.",
        examples=["/etc/ssl/certs/lab-ca.pem"],
    )
    sender: values.MailAddress | None = Field(
        None,
        description="Whom it comes from; without this key datalake-syncd@ and this machine's name.",
        examples=["datalake-syncd@example.org"],
    )
    remind_after: values.PositiveDuration = Field(
        DAY, description="What still stands is mailed again every so long."
    )
    weekly_digest: bool = Field(
        False, description="true: every Monday a summary of the week, also when all is well."
    )


class Web(Table):
    """Status page, /metrics and /healthz; read-only."""

    listen: values.Listen = Field("127.0.0.1:9464", description="HOST:PORT to listen on.")
    hosts: values.HostNames = Field(
        (),
        description="Names that browsers may ask for it by, besides the address it listens on "
        "and localhost; for a proxy in front of it.",
        examples=[["syncd.example.org"]],
    )

    @property
    def address(self) -> tuple[str, int]:
        """Host (an IPv6 one without brackets) and port."""
        return split_listen(self.listen)


class Prune(Table):
    """When a published run leaves the local disk."""

    enabled: bool = Field(False, description="true: proven runs leave the local disk.")
    keep: values.Duration = Field(14 * DAY, description="At least this long after publishing.")
    trash: values.Duration = Field(
        3 * DAY, description="A pruned run waits in the trash for so long; undo brings it back."
    )
    proof: Literal["auto", "read-back"] = Field(
        "auto",
        description="auto: each file checked by Azure on arrival or read back. read-back: each "
        "file read back.",
    )
    ended_early: bool = Field(
        False, description="true: also runs that ended early or failed are pruned."
    )
    max_runs_per_day: int = Field(
        20, ge=1, description="More than that is held and reported, never done silently."
    )


class Instrument(Table):
    """One instrument; the name is the table's name."""

    kind: values.Text = Field(
        description="The rules that it follows, e.g. miseq or nextseq500.",
        examples=["nextseq500"],
    )
    source: values.SourcePath = Field(
        description="The folder that its runs appear in.", examples=["/net/NextSeqOutput"]
    )
    require_mount: bool = Field(
        False, description="true: the source must be a mount point, else it is offline."
    )
    sample_sheets: values.AbsolutePath | None = Field(
        None,
        description="Folder with the sample sheets, NAME.csv for run NAME; year sub-folders "
        "are looked at too.",
        examples=["/net/NextSeqSampleSheets"],
    )
    sample_sheet: Literal["optional", "required"] = Field(
        "optional", description="required: the marker is withheld until the sheet is there."
    )
    destination: values.Destination = Field(
        description="Prefix in the container.", examples=["NextSeqOutput"]
    )
    completion_flags: values.Flags | None = Field(
        None,
        description="Files that say that a run is complete, instead of the kind's own; {name} is "
        "the name of the run's folder.",
        examples=[["RunCompletionStatus.xml"]],
    )
    ready_file: values.Text | None = Field(
        None,
        description="Kind folder: a file beside the run's folder that says that it is complete; "
        "{name} is the folder's name.",
        examples=["{name}.ready"],
    )
    checksum_file: values.Text | None = Field(
        None,
        description="Kind folder: the list of checksums (md5sum or sha256sum format) that comes "
        "in the run's folder; a pattern, {name} is the folder's name.",
        examples=["md5sum*.txt"],
    )
    flag_grace: values.Duration = Field(
        6 * HOUR,
        description="Illumina: a second flag that has not come for so long is not waited for.",
    )
    quiet: values.PositiveDuration = Field(
        HOUR,
        description="Nothing may have changed for so long; without this key the kind's own time.",
    )
    max_silence: values.PositiveDuration | None = Field(
        None,
        description="Tell somebody when no run was published for so long.",
        examples=["7d"],
    )
    exclude: values.Patterns = Field(
        (),
        description="Files that are not carried, as in .gitignore, on top of the junk list.",
        examples=[["Thumbnail_Images/**"]],
    )
    special_files: Literal["block", "skip"] = Field(
        "block",
        description="Symlinks, FIFOs, sockets, devices: block the run, or skip and tell.",
    )
    prune: Prune = Field(default_factory=Prune, description="When runs leave the local disk.")


class Config(Table):
    """The whole file."""

    lake: Lake
    daemon: Daemon = Field(default_factory=Daemon)
    azcopy: Azcopy = Field(default_factory=Azcopy)
    log: Log = Field(default_factory=Log)
    mail: Mail | None = None
    web: Web | None = None
    scrub: Scrub | None = None
    instruments: dict[str, Instrument]
