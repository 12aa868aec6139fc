"""One published run: its listing against what was published, and a share of its bytes read back.

Every file's presence and size is seen in the listing. What is read and hashed is the share that
`How` tells. Each result is written down soon after it is known, so that whoever is interrupted
goes on where it stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import islice

from datalake_syncd.adapters.failpoints import FailPoint, reach
from datalake_syncd.adapters.lake import Hashed
from datalake_syncd.adapters.ledger import Run, Scrubbed, ScrubList, Wanted
from datalake_syncd.core import manifest
from datalake_syncd.core.errors import NeedsPerson, Stopped
from datalake_syncd.core.names import escape
from datalake_syncd.steps.overview.report import delivered
from datalake_syncd.steps.published import (
    MANIFEST_LIMIT,
    Place,
    expected_files,
    is_known,
    other_list,
    read_and_hash,
    read_marker,
    vouching_trouble,
)
from datalake_syncd.steps.scrub.found import Found, How

_BATCH = 1000
#: Results are written down when so many are there, or after so long (seconds).
_TOGETHER, _WITHIN = 64, 2.0


def scrub_run(how: How, place: Place) -> Found:
    """Look at one run; writes down what was read. Raises what the lake raises, and `Stopped`."""
    found = Found(place.run.key if place.run is not None else place.prefix)
    number = how.ledger.scrubs.place(how.lake_id, place.prefix)
    with closing(ScrubList()) as files:
        if not _expect(how, place, files, found):
            return found
        for page in how.ledger.scrubs.files(number):
            files.add_known(page)
        prefix = f"{place.prefix}/"
        for blobs in how.lake.list(prefix):
            files.add_listed((blob.name.removeprefix(prefix), blob.size) for blob in blobs)
            _stop(how)
        found.files, found.bytes = files.totals()
        for word, wrong in (("missing", files.missing()), ("size", files.other_size())):
            _write_wrong(how, number, found, word, wrong)
        found.to_read, size = files.choose(how.sample, how.before, how.began)
        how.on_total(size)
        _read(how, place, number, files, found)
    if found.wrong and _moved(how, place.run):
        found.left_out = "it changed while it was read; it is looked at again next time"
    return found


def _expect(how: How, place: Place, files: ScrubList, found: Found) -> bool:
    """Fill in what was published; False when nothing is known of it, which `found` tells."""
    lake, run = how.lake, place.run
    name = f"{place.prefix}.md5"
    known = run is not None and is_known(how.ledger, run)
    data = lake.read(name, MANIFEST_LIMIT)
    marker = read_marker(lake, place.prefix)
    if data is None:
        found.trouble.append(f"there is no {escape(name)} in the lake")
    else:
        found.trouble.extend(vouching_trouble(place.prefix, data, marker))
    if data is None and marker is None:
        found.trouble.append(f"there is no marker {escape(place.prefix)}.sync")
    if known and run is not None:
        if data is not None:
            found.trouble.extend(_other_texts(run, data, marker))
        wanted = ((f.lake_path, f.stat.size, f.md5) for f in expected_files(how.ledger, run))
        while batch := list(islice(wanted, _BATCH)):
            files.add_wanted((path, size, md5) for path, size, md5 in batch if md5 is not None)
            _stop(how)
        return True
    if data is None:
        return run is not None  # of a run that nobody knows, nothing can be said
    found.source = "NAME.md5 in the lake"
    try:
        lines, _ = manifest.parse_md5(data.decode())
    except ValueError as error:
        found.trouble.append(f"{escape(name)} can't be read as a list of MD5s: {error}")
        return True
    files.add_wanted((path, None, md5) for md5, path in lines)
    return True


def _other_texts(run: Run, data: bytes, marker: dict[str, str] | None) -> list[str]:
    """What is wrong with manifest and marker beside what the ledger remembers of them."""
    lines = [line for line in data.split(b"\n") if line and not line.startswith(b"#")]
    trouble = other_list(run, manifest.digest(b"\n".join(lines)))
    if marker is None or run.manifest_digest is None:
        return trouble
    for key, ours in (("generation", str(run.generation)), ("files", str(len(lines)))):
        if marker.get(key) != ours:
            told = escape(marker.get(key, "nothing"))
            trouble.append(f"the marker tells of {key} {told}, the ledger of {ours}")
    if "manifest-sha256" not in marker:
        trouble.append("the marker does not vouch for a manifest any more")
    return trouble


def _write_wrong(how: How, place: int, found: Found, word: str, wrong: Iterator[Wanted]) -> None:
    while batch := list(islice(wrong, _BATCH)):
        for one in batch:
            found.add(word, one.path)
        now = how.now()
        how.ledger.scrubs.write(place, (Scrubbed(one.path, one.md5, now, word) for one in batch))


def _read(how: How, place: Place, number: int, files: ScrubList, found: Found) -> None:
    """Read what was chosen, as far as the budget goes."""
    ended = threading.Event()

    def should_stop() -> bool:
        return ended.is_set() or how.should_stop()

    def read(one: Wanted) -> tuple[Wanted, Hashed | NeedsPerson | None]:
        name = f"{place.prefix}/{one.path}"
        try:
            seen = read_and_hash(how.lake, name, (one.md5, one.size), how.on_bytes, should_stop)
        except NeedsPerson as error:
            return one, error
        return one, seen

    results: list[Scrubbed] = []
    written = time.monotonic()
    with ThreadPoolExecutor(how.readers, "scrub", initializer=how.quietly) as readers:
        waiting: set[Future[tuple[Wanted, Hashed | NeedsPerson | None]]] = set()
        rest = files.chosen()
        try:
            while True:
                while len(waiting) < 2 * how.readers and not how.purse.empty:
                    one = next(rest, None)
                    if one is None:
                        break
                    how.purse.take(one.size)
                    waiting.add(readers.submit(read, one))
                if not waiting:
                    return
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    results.extend(_judge(how, place.run, found, *future.result()))
                if len(results) >= _TOGETHER or time.monotonic() - written > _WITHIN:
                    how.ledger.scrubs.write(number, results)
                    results, written = [], time.monotonic()
                _stop(how)
        finally:
            ended.set()  # whatever ends this ends the readers too
            readers.shutdown(cancel_futures=True)
            if results:
                how.ledger.scrubs.write(number, results)
                reach(FailPoint.SCRUB_NOTED)


def _judge(
    how: How, run: Run | None, found: Found, one: Wanted, seen: Hashed | NeedsPerson | None
) -> Iterator[Scrubbed]:
    """Count one file that was read; gives what is to be written down of it."""
    if isinstance(seen, NeedsPerson):
        found.unreadable.append((one.path, str(seen)))
        return
    word = None
    if seen is None:
        word = "missing"  # gone since the listing
    elif (seen.md5, seen.size) != (one.md5, one.size):
        word = "bytes" if seen.size == one.size else "size"
        if run is not None:
            # Whatever its listing says: this blob frees no disk, and is sent again if it can be.
            how.ledger.files.mark_bad_at(run.id, one.path, one.md5, seen.etag)
    found.files_read += 1
    found.bytes_read += 0 if seen is None else seen.size
    if word is not None:
        found.add(word, one.path)
    yield Scrubbed(one.path, one.md5, how.now(), word)


def _moved(how: How, run: Run | None) -> bool:
    """Whether the run was published again, or is about to be, since the scrub of it began."""
    if run is None:
        return False
    now = how.ledger.runs.by_id(run.id)
    then = (run.generation, run.manifest_digest, run.sheet)
    return not delivered(now) or (now.generation, now.manifest_digest, now.sheet) != then


def _stop(how: How) -> None:
    if how.should_stop():
        raise Stopped
