"""``make demo``: simulated instruments, the real service, an embedded lake, and proof.

Exit codes: 0 when everything came true, 1 when something did not, 2 when tools are missing,
130 when it was interrupted. With ``--stay`` all keeps running at the end, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType

from azure.storage.blob import ContainerClient

from demo import evidence, stage, tour
from demo.acts import ProjectAct, RunAct, acts
from demo.emulator import Emulator
from demo.follow import PATIENCE, POLL, NotTrue, follow
from demo.play import Play
from demo.processes import Child
from demo.screen import Screen

_DAEMON_GRACE = 60.0
_TAIL = 25
_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Play the demo; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--stay", action="store_true", help="keep all running until Ctrl-C")
    stay: bool = parser.parse_args().stay
    if missing := stage.missing_tools():
        print(f"{', '.join(missing)}: not there. Run `make setup` first.", file=sys.stderr)
        return 2
    for number in _ENDINGS:
        # nohup means it.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    _reach_loopback_directly()
    folders = stage.Folders(Path(tempfile.mkdtemp(prefix="datalake-syncd-demo-")))
    screen = Screen()
    try:
        _perform(folders, screen, stay=stay)
    except NotTrue as fault:
        _tell_failure(screen, folders, str(fault))
        return 1
    except KeyboardInterrupt:
        screen.plain("Everything that was started has ended, nothing is left behind.")
        shutil.rmtree(folders.root)
        return 130
    except BaseException:
        print(f"The demo itself failed; everything is kept in {folders.root}", file=sys.stderr)
        raise
    shutil.rmtree(folders.root)
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _reach_loopback_directly() -> None:
    """A proxy of this machine must not get between the service and the lake on loopback."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), "127.0.0.1")))


def _perform(folders: stage.Folders, screen: Screen, *, stay: bool) -> None:
    began = time.monotonic()
    screen.heading("datalake-syncd: three sequencers, a mass spectrometer, one lake")
    screen.sentences(
        "A simulated MiSeq, NextSeq and NovaSeq X write a run each. The service notices when a "
        "run is complete, carries it with azcopy into Azurite (Microsoft's emulator of Azure "
        "Storage), proves it there and publishes it. What the NovaSeq X writes is compared with "
        "the checksums in its Manifest.tsv too. Then the service frees the MiSeq's disk."
    )
    screen.plain()
    screen.sentences(
        "Meanwhile a proteomics project grows. It is never complete: each file goes when it has "
        "been still for 2 s (in the lab: 24 h), and the project is published again whenever "
        "something is new."
    )
    screen.plain()
    # Whatever happens in here, what was started is ended, in the reverse order.
    with ExitStack() as stack:
        try:
            _play(folders, screen, stack, until=began + PATIENCE, stay=stay)
        except KeyboardInterrupt:
            screen.plain("Interrupted: the service and the lake are being ended.")
            raise
        finally:
            # More of Ctrl-C must not leave something running.
            for number in _ENDINGS:
                signal.signal(number, signal.SIG_IGN)
    if not stay:
        screen.heading(f"Everything came true, in {time.monotonic() - began:.0f} s.")
        screen.plain("The service and the lake have ended, nothing is left behind.")
        screen.plain("To try the commands while they run: .venv/bin/python -m demo --stay")


def _play(
    folders: stage.Folders, screen: Screen, stack: ExitStack, *, until: float, stay: bool
) -> None:
    lake = Emulator(stage.AZURITE, folders.root / "azurite")
    stack.callback(lake.stop)
    container = stack.enter_context(stage.set_up(folders, lake))
    screen.say("demo", f"an empty lake is at {lake.account_url}")
    daemon = stage.start_daemon(folders)
    stack.callback(daemon.end, _DAEMON_GRACE)
    screen.say("demo", f"the service runs (pid {daemon.pid})")
    play = Play(folders, screen.say, partial(evidence.etags, container))
    stack.callback(play.end)
    with screen.live():
        follow(folders, screen, daemon, play, until=until)
    found = _prove(folders, screen, container, play)
    pruned = next(act for act in acts() if isinstance(act, RunAct) and act.pruned)
    tour.show_run(screen, found, pruned)
    for act in acts():
        if isinstance(act, ProjectAct):
            tour.show_project(screen, found, act)
    tour.show_commands(screen, pruned, folders.configuration if stay else None)
    if stay:
        screen.heading(f"All keeps running in {folders.root} until Ctrl-C")
        _stay(daemon)
    if (code := daemon.end(_DAEMON_GRACE)) != 0:
        raise NotTrue(f"the service ended with {code}")


def _prove(
    folders: stage.Folders, screen: Screen, container: ContainerClient, play: Play
) -> dict[str, evidence.InLake]:
    """Check everything against the disk and the bytes in the lake; raises what is not true."""
    screen.heading("Is it true? The demo's own look at the disk and at every byte in the lake")
    lake = evidence.fetch(container)
    against: list[str] = []
    for act in acts():
        for claim in evidence.claims(folders, act, lake, play.before.get(act.instrument)):
            screen.verdict(claim.sentence, true=not claim.against)
            if claim.against:
                against.append(f"{claim.sentence}: {claim.against}")
    alarms = [line for line in _log(folders) if line.get("level") == "ERROR"]
    against.extend(f"the service raised an alarm: {line.get('message')}" for line in alarms)
    if against:
        raise NotTrue("\n".join(against))
    return lake


def _stay(daemon: Child) -> None:
    try:
        while daemon.poll() is None:
            time.sleep(POLL)
    except KeyboardInterrupt:
        return


def _log(folders: stage.Folders) -> Iterator[dict[str, object]]:
    for line in folders.daemon_log.read_text(errors="replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        yield told if isinstance(told, dict) else {"message": line}


def _tell_failure(screen: Screen, folders: stage.Folders, why: str) -> None:
    screen.heading("This did not come true:")
    for line in why.splitlines():
        screen.plain(line, "bold red")
    if folders.daemon_log.exists():
        screen.heading("The last lines of the service's log")
        for told in list(_log(folders))[-_TAIL:]:
            words = (told.get(key) for key in ("timestamp", "level", "event", "run", "message"))
            screen.plain("  ".join(str(word) for word in words if word))
    screen.heading(f"Everything is kept in {folders.root}")
    screen.plain("daemon.log: the service's log; azurite/: the lake; state/: the ledger")


if __name__ == "__main__":
    sys.exit(main())
