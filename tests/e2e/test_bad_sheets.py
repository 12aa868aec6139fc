"""Sample sheets that are none: told by name, and no other run waits for them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from demo.sequencer import NextSeqRun
from tests.e2e.lab import Lab, log_lines
from tests.e2e.runs import (
    expect_alarm,
    expect_published,
    expect_stopped,
    folder_of,
    go_on,
    miseq,
    nextseq,
    row_of,
    write,
)

BIG = 200 << 20
SHEET = b"[Data]\nSample_ID\nmine\n"


def expect_sheet(lab: Lab, run: NextSeqRun, size: int = len(SHEET)) -> None:
    row = row_of(lab, run)
    assert (row.done, row.status) == ("publish", "finished"), row
    lab.expect_in_lake(run.files(), f"nextseq-out/{run.name}")
    name = f"nextseq-out/{run.name}/SampleSheet.csv"
    assert lab.blobs(name_starts_with=name)[name].size == size
    assert "SampleSheet.csv" in lab.read(f"nextseq-out/{run.name}.md5").decode()


def put_no_sheets(lab: Lab, link: NextSeqRun, pipe: NextSeqRun, folder: NextSeqRun) -> Path:
    """A link, a FIFO and a folder in the places of sheets; gives their folder."""
    target = lab.root / "elsewhere.csv"
    target.write_text("secret of another lab")
    sheets = lab.sheets("nextseq")
    (sheets / f"{link.name}.csv").symlink_to(target)
    os.mkfifo(sheets / f"{pipe.name}.csv")
    (sheets / f"{folder.name}.csv").mkdir()
    return sheets


def test_h9_what_is_no_sheet_is_told_and_mended(lab: Lab) -> None:
    link, pipe, folder, good = (nextseq(number) for number in (1, 2, 3, 9))
    lab.configure(instruments__nextseq=['sample_sheet = "required"'])
    write(lab, link, pipe, folder, good)
    sheets = put_no_sheets(lab, link, pipe, folder)
    (sheets / f"{good.name}.csv").write_bytes(SHEET)
    log = lab.once(expect=1)
    expect_sheet(lab, good)
    for run, words in ((link, "symbolic link"), (pipe, "not a regular"), (folder, "not a regular")):
        expect_stopped(lab, run, "blocked", f"{run.name}.csv", words, done="verify")
        expect_alarm(log, run, f"{run.name}.csv")
        # The raw data are in the lake and proven all the same, and nothing else is.
        files = run.files()
        lab.expect_in_lake(files, f"nextseq-out/{run.name}")
        assert row_of(lab, run).files_proven == len(files)
        assert len(lab.blobs(name_starts_with=f"nextseq-out/{run.name}")) == len(files)
        gate = sheet_gate(lab, run)
        assert gate["passed"] is False
        assert words in gate["found"]

    (sheets / f"{link.name}.csv").unlink()
    (sheets / f"{pipe.name}.csv").unlink()
    (sheets / f"{folder.name}.csv").rmdir()
    (sheets / f"{link.name}.csv").write_bytes(SHEET)
    lab.call("retry", link.name)
    lab.configure(instruments__nextseq=['sample_sheet = "optional"'])
    for run in (pipe, folder):
        lab.call("retry", run.name)
    go_on(lab, link, pipe, folder)
    expect_sheet(lab, link)
    for run in (pipe, folder):
        expect_published(lab, run)
    for run in (link, pipe, folder):
        assert [gate for gate in row_of(lab, run).gates if not gate["passed"]] == []


def test_h9_what_is_no_optional_sheet_withholds_no_marker(lab: Lab) -> None:
    link, pipe, folder, huge = (nextseq(number) for number in (1, 2, 3, 4))
    runs = (link, pipe, folder, huge)
    write(lab, *runs)
    sheets = put_no_sheets(lab, link, pipe, folder)
    with (sheets / f"{huge.name}.csv").open("wb") as file:
        file.truncate(BIG + 1)
    log = lab.once()
    said = ("symbolic link", "not a regular", "not a regular", f"has {BIG + 1} bytes")
    for run, words in zip(runs, said, strict=True):
        expect_published(lab, run)
        (told,) = warnings(log, run)
        assert f"{run.name}.csv" in told["message"]
        assert words in told["message"]
        assert told["next_step"]
        assert "SampleSheet" not in lab.read(f"nextseq-out/{run.name}.md5").decode()
        gate = sheet_gate(lab, run)
        assert gate["passed"] is True
        assert words in gate["found"]

    # The next generation is not held up either, and nobody is told the same once more.
    for run in runs:
        (folder_of(lab, run) / "more.txt").write_bytes(b"later")
    again = log_lines(lab.call("once", expect=None, SYNCD_LOOK_AGAIN="0").stdout) + lab.once()
    for run in runs:
        assert row_of(lab, run).generation == 2
        assert warnings(again, run) == []

    # Mended it is attached by itself; and one that breaks later takes nothing away.
    (sheets / f"{link.name}.csv").unlink()
    (sheets / f"{link.name}.csv").write_bytes(SHEET)
    lab.once()
    expect_sheet(lab, link)
    (sheets / f"{link.name}.csv").unlink()
    (sheets / f"{link.name}.csv").symlink_to(lab.root / "elsewhere.csv")
    (folder_of(lab, link) / "still-more.txt").write_bytes(b"later")
    log = log_lines(lab.call("once", expect=None, SYNCD_LOOK_AGAIN="0").stdout) + lab.once()
    row = row_of(lab, link)
    assert (row.done, row.status, row.generation) == ("publish", "finished", 4)
    assert lab.read(f"nextseq-out/{link.name}/SampleSheet.csv") == SHEET
    assert len(warnings(log, link)) == 1


def warnings(log: list[dict[str, Any]], run: NextSeqRun) -> list[dict[str, Any]]:
    """What was told of a sheet that is none, by the step or by the watch of published runs."""
    return [line for line in lines(log, run, "sheet.unusable") if line["level"] == "WARNING"]


def sheet_gate(lab: Lab, run: NextSeqRun) -> dict[str, Any]:
    document = json.loads(lab.call("why", run.name, "--json", expect=None).stdout)
    (gate,) = [one for one in document["gates"]["publish"] if one["name"] == "sample sheet"]
    assert [one for one in document["gates"]["upload"] if "sheet" in one["name"]] == []
    return dict(gate)


def test_a_bad_sheet_that_comes_late_holds_up_no_good_one(lab: Lab) -> None:
    bad, good, big = nextseq(1), nextseq(2), nextseq(3)
    write(lab, bad, good, big)
    go_on(lab, bad, good, big)
    sheets = lab.sheets("nextseq")
    (sheets / f"{bad.name}.csv").mkdir()
    (sheets / f"{good.name}.csv").write_bytes(SHEET)
    with (sheets / f"{big.name}.csv").open("wb") as file:
        file.truncate(BIG)
    log = lab.once(expect=None)
    expect_sheet(lab, good)
    expect_sheet(lab, big, BIG)
    expect_published(lab, bad)
    told = [line for line in log if f"{bad.name}.csv" in line["message"]]
    assert [line["level"] for line in told] == ["WARNING"], told
    (sheets / f"{bad.name}.csv").rmdir()
    (sheets / f"{bad.name}.csv").write_bytes(SHEET)
    lab.once()
    expect_sheet(lab, bad)


@pytest.mark.slow
def test_a_sheet_folder_that_is_away_is_waited_for(lab: Lab) -> None:
    run, other = nextseq(1), miseq(9)
    write(lab, run, other)
    sheets = lab.sheets("nextseq")
    sheets.rename(lab.root / "away")
    log = lab.once(expect=1)
    expect_published(lab, other)
    row = expect_stopped(lab, run, "waiting", "nextseq", done="verify")
    assert "sample sheets" in (row.reason or "")
    assert "check" in (row.next_step or "")
    assert len([line for line in log if line["event"] == "transfer.started"]) == 2
    shutil.copytree(lab.root / "away", sheets)
    (sheets / f"{run.name}.csv").write_bytes(SHEET)
    lab.call("retry", run.name)
    lab.once()
    expect_sheet(lab, run)


V1 = "[Header]\nRun;prøve\n[Data]\nSample_ID;index\nS1;ACGT\nS2;ACGT\nS2;TTTT\n"
ODD = {
    # bytes, what they are, samples, what is said of them
    1: (V1.encode("utf-16"), "v1", 2, ["UTF-16", "semicolons", "sample S2 has the index of S1"]),
    2: (V1.replace(";", ",").encode("latin-1"), "v1", 2, ["line 6: sample S2 has the index of S1"]),
    3: (b"PK\x03\x04 and more", "xlsx", None, ["Excel workbook"]),
    4: (b"", "empty", 0, ["empty"]),
    5: (b"[Data]\r\nSample_ID,index\r\nS1,ACGT\r\nS\x1b2,A\0\0", "v1", 2, ["NUL"]),
}


def test_h9_sheets_that_nobody_can_use_are_attached_as_they_are_and_told(lab: Lab) -> None:
    runs = {number: nextseq(number) for number in (*ODD, 9)}
    write(lab, *runs.values())
    for number, (content, *_) in ODD.items():
        (lab.sheets("nextseq") / f"{runs[number].name}.csv").write_bytes(content)
    (lab.sheets("nextseq") / f"{runs[9].name}.csv").write_bytes(SHEET)
    log = lab.once()
    for number, (content, kind, samples, words) in ODD.items():
        run = runs[number]
        sheet = row_of(lab, run).sheet or {}
        assert (sheet["format"], sheet["samples"]) == (kind, samples), sheet
        expect_sheet(lab, run, len(content))
        assert lab.read(f"nextseq-out/{run.name}/SampleSheet.csv") == content
        assert sheet["md5"] == hashlib.md5(content, usedforsecurity=False).hexdigest()
        (attached,) = lines(log, run, "sheet.attached")
        assert (attached["level"], attached["samples"]) == ("INFO", samples)
        (told,) = lines(log, run, "sheet.problems")
        assert told["level"] == "WARNING"
        why = json.loads(lab.call("why", run.name, "--json").stdout)["sheet"]["problems"]
        for text in words:
            assert text in told["message"]
            assert any(text in f"line {one['line']}: {one['text']}" for one in why), why
    assert lines(log, runs[9], "sheet.attached")[0]["message"].endswith("v1, 1 sample")
    assert lines(log, runs[9], "sheet.problems") == []
    assert [line for line in log if line["level"] == "ERROR"] == []


REMARKED = b"[Data]\r\nSample_ID,index\r\nS1,ACGT\r\n\r\n[Odd]\r\nx,y\r\n"


def test_remarks_are_told_in_words_once_for_each_content(lab: Lab) -> None:
    run = nextseq(1)
    write(lab, run)
    sheet = lab.sheets("nextseq") / f"{run.name}.csv"
    sheet.write_bytes(REMARKED)
    log = lab.once()
    (told,) = lines(log, run, "sheet.remarks")
    assert told["level"] == "INFO"
    assert "line 5: " in told["message"]
    assert "[Odd] is not known" in told["message"]
    assert lines(log, run, "sheet.problems") == []

    # Attached again for another reason, and the same sheet saved again: nothing new to tell.
    (folder_of(lab, run) / "more.txt").write_bytes(b"later")
    log = log_lines(lab.call("once", expect=None, SYNCD_LOOK_AGAIN="0").stdout) + lab.once()
    sheet.write_bytes(REMARKED)
    log += lab.once()
    assert lines(log, run, "sheet.attached")
    assert lines(log, run, "sheet.remarks") == []

    # Another content is another matter, with its defects first.
    sheet.write_bytes(REMARKED + b"[Data]\r\nSample_ID,index\r\nS1,ACGT\r\n")
    log = lab.once()
    assert "line 5: " in lines(log, run, "sheet.remarks")[0]["message"]
    assert "line " in lines(log, run, "sheet.problems")[0]["message"]


def lines(log: list[dict[str, Any]], run: NextSeqRun, event: str) -> list[dict[str, Any]]:
    key = f"nextseq/{run.name}"
    return [line for line in log if line["event"] == event and line.get("run") == key]
