"""All checks at the same time, their findings in one order, none waited for without end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from datalake_syncd.adapters.patience import Patience
from datalake_syncd.core.errors import SourceOffline, SyncdError
from datalake_syncd.core.names import escape
from datalake_syncd.steps.doctor.checks import CHECKS, Check
from datalake_syncd.steps.doctor.finding import Finding, Machine, fault, from_error


def examine(
    machine: Machine,
    waiting: Callable[[str], None] = lambda _name: None,
    *,
    checks: Sequence[Check] = CHECKS,
) -> Iterator[Finding]:
    """Every finding in the order of ``checks``; ``waiting`` gets the name of what is waited for.

    Reads, and writes nothing but its own blob in the lake. A check that hangs in a dead share
    keeps its thread and no other.
    """
    jobs = [_Job(machine, check, of) for check in checks for of in check.of(machine.config)]
    for job in jobs:
        waiting(job.name)
        yield from job.findings()


class _Job:
    """One check for one thing, in a thread of its own from the beginning."""

    def __init__(self, machine: Machine, check: Check, of: str) -> None:
        self.name = f"{check.name} {escape(of)}" if of else check.name
        self._answer: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()
        arguments = (machine, check, of)
        threading.Thread(target=self._work, args=arguments, name=self.name, daemon=True).start()

    def findings(self) -> list[Finding]:
        return [finding.named(self.name) for finding in self._answer.get()]

    def _work(self, machine: Machine, check: Check, of: str) -> None:
        try:
            # No ticks: the time is for all of it.
            found = Patience(self.name, check.seconds).call(
                lambda _tick: list(check.look(machine, of))
            )
        except SourceOffline as error:
            found = [fault(error.what, check.silent)]
        except SyncdError as error:
            found = [from_error(error)]
        except Exception as error:  # noqa: BLE001 - one check's bug must not hide what others found
            told = f"an error in datalake-syncd itself: {type(error).__name__}: {error}"
            found = [fault(told, "please report it")]
        self._answer.put(found)
