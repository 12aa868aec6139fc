"""What can go wrong, in three kinds, each told in three parts.

``what`` was found and where, ``why`` that matters, and the ``next_step`` of a person.
"""


class SyncdError(Exception):
    """An error that a person can read: what was found, why it matters, what to do next."""

    def __init__(self, what: str, *, why: str = "", next_step: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_step = next_step

    def __str__(self) -> str:
        return "; ".join(part for part in (self.what, self.why) if part)


class UsageError(SyncdError):
    """A wrong argument or configuration: exit code 2."""


class Transient(SyncdError):
    """Try again later; the back-off is kept in the ledger.

    ``not_an_attempt`` marks interruptions (our own stop) that must not lengthen the back-off.
    """

    def __init__(
        self, what: str, *, why: str = "", next_step: str = "", not_an_attempt: bool = False
    ) -> None:
        super().__init__(what, why=why, next_step=next_step)
        self.not_an_attempt = not_an_attempt


class Stopped(Transient):
    """The daemon is stopping (or a person holds the run): go on at the next start."""

    def __init__(self, what: str = "stopped while it was running") -> None:
        super().__init__(what, not_an_attempt=True)


class SourceOffline(Transient):
    """The source is missing, not mounted or does not answer; never read as deletion."""


class AuthRefused(Transient):
    """The lake refused our credentials (401, 403): one is forgiven, more pause all uploads."""


class LakeUnavailable(Transient):
    """The lake could not be reached or answered with an error that may pass."""


class Damaged(Transient):
    """Bytes arrived other than they were read, and the lake refused them: nothing was stored.

    A network card, memory or a proxy does that, so it is told sooner than other failures.
    """


class SourceChanged(SyncdError):
    """A file changed, appeared or vanished since the tree was read: the run settles again."""


class NeedsPerson(SyncdError):
    """This run is blocked until a person acts; everybody else goes on.

    ``gate`` names the condition that a person may release; empty: only mending helps.
    """

    def __init__(self, what: str, *, why: str = "", next_step: str = "", gate: str = "") -> None:
        super().__init__(what, why=why, next_step=next_step)
        self.gate = gate
