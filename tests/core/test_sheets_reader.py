"""Sample sheets of every shape: what is counted, what is said, and that nothing breaks it."""

from __future__ import annotations

import io
import json
import time
import zipfile
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datalake_syncd.core.sheets import Format, Severity, SheetReport, read_sheet
from datalake_syncd.core.sheets.decoding import READ_LIMIT
from datalake_syncd.core.sheets.reader import examine
from datalake_syncd.core.sheets.report import NAMED

HEAD = "[Header]\nIEMFileVersion,4\nExperiment Name,x\n\n[Reads]\n151\n\n[Data]\n"
COLUMNS = "Lane,Sample_ID,Sample_Name,index,index2\n"


def read(text: str, encoding: str = "utf-8") -> SheetReport:
    return examine(text.encode(encoding))


def data(*rows: str, columns: str = COLUMNS) -> SheetReport:
    """A v1 sheet; its first row stands in line 10."""
    return read(HEAD + columns + "".join(f"{row}\n" for row in rows))


def told(report: SheetReport, severity: Severity = Severity.DEFECT) -> list[str]:
    return [str(problem) for problem in report.problems if problem.severity is severity]


def kinds(report: SheetReport) -> set[str]:
    return {problem.kind for problem in report.problems}


# --- what it is ------------------------------------------------------------------------------


def test_a_good_sheet_has_no_problems() -> None:
    report = data("1,S1,S1,ACGT,TTTT", "2,S1,S1,ACGT,TTTT", "1,S2,S2,GGGG,TTTT")
    assert report.problems == ()
    assert (report.format, report.samples, report.rows, report.repeated) == (Format.V1, 2, 3, 1)
    assert report.lanes == ("1", "2")
    assert report.summary() == "v1, 2 samples in 3 rows, lanes 1 and 2"
    assert (report.encoding, report.delimiter, report.line_endings) == ("utf-8", ",", "lf")
    assert (report.padded, report.quoted, report.whole) == (False, False, True)
    assert report.sections == ("header", "reads", "data")


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        (HEAD + "Sample_ID\nS1\n", Format.V1),
        ("[Data]\nSample_ID\nS1\n", Format.V1),
        ("[Header]\nFileFormatVersion,2\n[BCLConvert_Data]\nSample_ID\nS1\n", Format.V2),
        ("[BCLConvert_Data]\nSample_ID\nS1\n", Format.V2),
        ("[Header]\nFileFormatVersion,2\n[Data]\nSample_ID\nS1\n", Format.V2),
        ("FCID,Lane,SampleID,SampleRef,Index\nAB,1,S1,x,ACGT\n", Format.BCL2FASTQ_1),
        ("[Header]\nFileVersion,1\nLibraryPrepKit,x\n[Data]\nSampleID,Name\nS1,n\n",
         Format.LIBRARY),
        ("[Data]\nSampleID,Index1Sequence\nS1,ACGT\n", Format.LIBRARY),
        ("Sample_ID,Description\nS1,x\n", Format.UNKNOWN),
    ],
)  # fmt: skip
def test_formats(text: str, format_: Format) -> None:
    report = read(text)
    assert (report.format, report.samples) == (format_, 1)


def test_version_two_counts_its_own_section_and_no_other() -> None:
    report = read(
        "[Header]\nFileFormatVersion,2\n[Data]\nSample_ID\nA\nB\nC\n"
        "[BCLConvert_Data]\nLane,Sample_ID,Index\n1,X,ACGT\n2,X,ACGT\n"
        "[Cloud_Data]\nSample_ID\nM\nN\n[DragenGermline_Settings]\nx,y\n"
    )
    assert (report.format, report.samples, report.rows) == (Format.V2, 1, 2)
    assert "unknown-section" not in kinds(report)


@pytest.mark.parametrize("alias", ["Sample_ID", "SampleID", "sample id", "SAMPLE_ID", "Sample-ID"])
def test_ids_have_aliases(alias: str) -> None:
    assert data("1,S1", "1,S2", columns=f"Lane,{alias}\n").samples == 2


@pytest.mark.parametrize(
    ("content", "format_", "samples", "words"),
    [
        (b"", Format.EMPTY, 0, "empty"),
        (b"\r\n ,;\t\r\n", Format.EMPTY, 0, "no text"),
        (b"\0" * 300, Format.EMPTY, 0, "NUL"),
        (b"PK\x03\x04" + b"x" * 100, Format.XLSX, None, "probably an Excel workbook"),
        (b"PK\x05\x06" + bytes(18), Format.UNKNOWN, None, "a zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", Format.XLSX, None, "old Excel workbook"),
        (b"\n <!DOCTYPE html><html>", Format.HTML, None, "web page"),
        ("<html>".encode("utf-16"), Format.HTML, None, "web page"),
        (b"%PDF-1.4", Format.UNKNOWN, None, "PDF"),
        (bytes(range(256)) * 4, Format.UNKNOWN, None, "no text"),
        (b"dear all,\nplease find the sheet attached\n", Format.UNKNOWN, None, "no sample sheet"),
        (b'{"samples": []}\n', Format.UNKNOWN, None, "no sample sheet"),
    ],
)
def test_what_is_no_sheet(content: bytes, format_: Format, samples: int | None, words: str) -> None:
    report = examine(content)
    assert (report.format, report.samples) == (format_, samples)
    assert any(words in line for line in told(report)), told(report)


def test_without_a_data_section_there_are_no_samples() -> None:
    report = read("[Header]\nIEMFileVersion,4\n[Reads]\n151\n")
    assert (report.format, report.samples) == (Format.V1, 0)
    assert told(report) == ["there is no section [Data] or [BCLConvert_Data]"]


# --- how it is written -----------------------------------------------------------------------

SEMICOLONS = "[Header]\nRun;prøve, æble\n[Data]\nSample_ID;Description\nS1;blåbær, rød\n"


@pytest.mark.parametrize(
    ("codec", "mark", "encoding"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", b"\xef\xbb\xbf", "utf-8-sig"),
        ("utf-16-le", b"\xff\xfe", "utf-16-le"),
        ("utf-16-be", b"\xfe\xff", "utf-16-be"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("utf-32", b"", "utf-32"),
        ("latin-1", b"", "latin-1"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(codec: str, mark: bytes, encoding: str, end: str) -> None:
    report = examine(mark + SEMICOLONS.replace("\n", end).encode(codec))
    assert report.encoding == encoding
    assert report.delimiter == ";"
    assert report.line_endings == {"\n": "lf", "\r\n": "crlf", "\r": "cr"}[end]
    assert (report.samples, report.format) == (1, Format.V1)
    assert ("encoding" in kinds(report)) == (encoding not in ("utf-8", "utf-8-sig"))
    assert ("bom" in kinds(report)) == (encoding == "utf-8-sig")
    assert ("line-endings" in kinds(report)) == (end == "\r")


def test_windows_has_its_own_latin() -> None:
    report = read("[Data]\nSample_ID,Description\nS1,37 \u2013 3\u2019\n", "cp1252")
    assert (report.encoding, report.samples) == ("cp1252", 1)
    assert told(report, Severity.REMARK) == [
        "line 3: it is not UTF-8 but probably cp1252, as '\u2013' shows"
    ]


def test_mixed_line_ends() -> None:
    report = read("[Data]\r\nSample_ID,Index\nS1,A\rS2,C\r\n")
    assert (report.line_endings, report.samples) == ("mixed", 2)
    assert told(report, Severity.REMARK) == ["its lines end in different ways (2 CRLF, 1 CR, 1 LF)"]


@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_separators_are_found_and_told(sign: str) -> None:
    text = (HEAD + COLUMNS + "1,S1,a,ACGT,TTTT\n1,S2,b,AAAA,TTTT\n").replace(",", sign)
    report = read(text)
    assert (report.delimiter, report.samples, report.lanes) == (sign, 2, ("1",))
    assert len(told(report)) == 1
    assert "commas" in told(report)[0]


def test_values_with_other_separators_do_not_mislead() -> None:
    settings = "[Settings]\n" + "OverrideCycles;a;b;c;d;e;f\n" * 9
    report = read(settings + "[Data]\nSample_ID,Lane\nS1,1\n")
    assert (report.delimiter, report.samples) == (",", 1)
    assert "delimiter" not in kinds(report)


@pytest.mark.parametrize(("sign", "shown"), [(";", ";"), ("\t", "\\x09")])
def test_excels_own_first_line(sign: str, shown: str) -> None:
    report = read(f"sep={sign}\n[Data]\nSample_ID{sign}Lane\nS1{sign}1\n")
    assert (report.delimiter, report.samples) == (sign, 1)
    assert any(line.startswith(f"line 1: 'sep={shown}'") for line in told(report))


def test_padding_is_no_defect() -> None:
    report = read("[Header],,\nx,1,\n,,\n[Data],,\nSample_ID,Lane,\nS1,1,\n,,\n,,\n")
    assert report.padded
    assert (report.samples, report.rows) == (1, 1)
    assert told(report) == []
    assert told(report, Severity.REMARK)[0].startswith("line 1: lines are padded")


def test_quotes_commas_and_newlines_in_cells() -> None:
    report = data('1,S1,"two, parts\nand more",ACGT,TTTT', '1,"S2","a ""b""",AAAA,TTTT')
    assert (report.samples, report.quoted) == (2, True)
    assert told(report) == []
    assert told(report, Severity.REMARK) == [
        "line 10: a cell goes over 2 lines; some programs read that as 2 rows"
    ]


def test_a_quotation_mark_that_is_left_open_swallows_nothing() -> None:
    rows = [f"1,S{n},x,ACG{'ACGT'[n % 4]}{'ACGT'[n // 4 % 4]}{'ACGT'[n // 16]},T"
            for n in range(40)]  # fmt: skip
    rows[3] = rows[3].replace("x", '"x')
    report = data(*rows)
    assert report.samples == 40
    assert told(report) == ["line 13: a quotation mark without its other one"]


ROWS = [f"1,S{n},{'ACGT'[n % 4]}{'ACGT'[n // 4]}AA,TTTT,note" for n in range(16)]
NOTED = "Lane,Sample_ID,index,index2,Description\n"


def stray(first: int, last: int, old: str = ",note", new: str = ',"5 inch note') -> SheetReport:
    """Two quotation marks that are none: the rows from the first to the last become one."""
    rows = list(ROWS)
    rows[first] = rows[first].replace(old, new)
    rows[last] = rows[last].replace(",note", ',"6 inch')
    return data(*rows, columns=NOTED)


@pytest.mark.parametrize(
    ("report", "samples", "words"),
    [
        (stray(3, 7), 12, "line 13: a stray quotation mark makes lines 14 to 17 part of this row"),
        (stray(3, 4), 15, "line 13: a stray quotation mark makes line 14 part of this row"),
        (stray(3, 7, "1,S3", '1,"S3'), 12, "line 13: a stray quotation mark makes lines 14 to 17"),
        (stray(3, 7, "1,S3", '"1,S3'), 12, "line 13: a stray quotation mark makes lines 14 to 17"),
        (read(HEAD + 'Lane,Sample_ID,index,"index2\n1,S1,A,"C\n1,S2,G,T\n'), 1,
         "line 9: a stray quotation mark makes line 10 part of this row"),
        (data('"S1', 'S2"', "S3", columns="Sample_ID\n"), 2, "makes line 11 part of this row"),
        (read('[Settings]\nAdapter,"AG\n[Reads]\n15"1\n[Data]\nSample_ID\nS1\n'), 1,
         "line 2: a stray quotation mark makes '[Reads]', a section, part of this row"),
    ],
)  # fmt: skip
def test_rows_that_two_stray_quotation_marks_swallow_are_a_defect(
    report: SheetReport, samples: int, words: str
) -> None:
    assert report.samples == samples
    assert any(words in line for line in told(report)), told(report)


@pytest.mark.parametrize(
    "row",
    [
        '1,S1,"two, parts\nand, more",ACGT,TTTT',
        '"1\n",S1,x,ACGT,TTTT',
        '1,S1,x,ACGT,"TTTT\n"',
        '1,S1,"a\nb\nc, d, e\nf",ACGT,TTTT',
    ],
)
def test_a_cell_with_lines_of_its_own_has_swallowed_nothing(row: str) -> None:
    report = data(row, "1,S2,b,AAAA,TTTT")
    assert report.samples == 2
    assert "swallowed" not in kinds(report)
    assert "newline-in-quotes" in kinds(report)


def test_a_header_that_is_repeated_is_no_sample() -> None:
    report = data("1,S1,a,ACGT,TTTT", COLUMNS.strip(), "1,S2,b,AAAA,TTTT", COLUMNS.strip().lower())
    assert (report.samples, report.rows, report.lanes) == (2, 2, ("1",))
    assert told(report) == [
        f"line {line}: the header of the samples stands there a second time; it is no sample"
        for line in (11, 13)
    ]


def zipped(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:  # each with one and the same time, so that the bytes are the same too
            archive.writestr(zipfile.ZipInfo(name), b"x" * 100, zipfile.ZIP_DEFLATED)
    return data.getvalue()


WORKBOOK = zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/styles.xml")


@pytest.mark.parametrize(
    ("content", "format_", "words"),
    [
        (WORKBOOK, Format.XLSX, "this is an Excel workbook (.xlsx) under another name"),
        (zipped("xl/workbook.bin"), Format.XLSX, "this is an Excel workbook (.xlsx) under another"),
        (WORKBOOK[:-30], Format.XLSX, "an Excel workbook (.xlsx) that was cut off, under another"),
        (zipped("S1_R1.fastq", "S1_R2.fastq"), Format.UNKNOWN, "a zip archive under another name"),
        (zipped("S1_R1.fastq")[:60], Format.UNKNOWN, "a zip archive that was cut off, under"),
        (zipped("mail/xl/workbook.xml"), Format.UNKNOWN, "a zip archive under another name"),
        (zipped(*map(str, range(2000))), Format.UNKNOWN, "a zip archive under another name"),
    ],
    ids=["xlsx", "xlsb", "cut xlsx", "zip", "cut zip", "workbook in a folder", "many files"],
)
def test_only_what_holds_a_workbook_is_called_one(
    content: bytes, format_: Format, words: str
) -> None:
    report = examine(content)
    assert (report.format, report.samples) == (format_, None)
    (line,) = told(report)
    assert words in line
    assert line.endswith("save it as CSV (comma separated)" if format_ is Format.XLSX
                         else "replace it")  # fmt: skip


@given(st.integers(0, len(WORKBOOK)), st.integers(0, 40), st.binary(max_size=8))
@settings(max_examples=300, deadline=None)
def test_damaged_archives_are_no_trouble(at: int, length: int, piece: bytes) -> None:
    report = examine(WORKBOOK[:at] + piece + WORKBOOK[at + length :])
    assert report.problems


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("more", [1, 2])
def test_a_second_byte_order_mark_hides_no_section(codec: str, more: int) -> None:
    marks = "\ufeff" * (more + (codec != "utf-32"))  # whose codec writes one by itself
    report = examine((marks + "[Data]\nSample_ID\nS1\n").encode(codec))
    assert (report.format, report.samples) == (Format.V1, 1)
    assert f"line 1: it begins with {more + 1} byte order marks (BOM)" in " ".join(told(report))
    assert "no sample sheet" not in " ".join(told(report))


def test_a_sign_for_inches_is_no_quotation_mark() -> None:
    report = data('1,S1,5" plate,ACGT,TTTT')
    assert (report.samples, report.quoted, report.problems) == (1, False, ())


def test_lines_that_excel_put_into_quotation_marks() -> None:
    report = data('"1,S1,x,ACGT,TTTT"', '"1,S2,x,AAAA,TTTT"')
    assert report.samples == 2
    assert told(report)[0] == "line 10: the whole line stands in quotation marks"


# --- what is wrong with the samples ----------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["1,S1,a,ACGT,TTTT", "1,,b,AAAA,TTTT"], "line 11: it has no sample id"),
        (["1,S1,a,ACGT,TTTT", "1,S1,a,ACGT,TTTT"],
         "line 11: sample S1 with index ACGT+TTTT in lane 1 stands in line 10 too"),
        (["1,S1,a,ACGT,TTTT", "1,S2,a,acgt,TTTT"],
         "line 11: sample S2 has the index of S1 (line 10) in lane 1: ACGT+TTTT"),
        (["1,S1,a,,", "1,S2,a,,"],
         "line 11: sample S2 and S1 (line 10) have no index in lane 1: nothing tells them apart"),
        (["1,S1,a,,", "1,S1,a,,"], "line 11: sample S1 in lane 1 stands in line 10 too"),
        (["1,S1,a,ACGT"], "line 10: it has 4 fields, and the header of the samples has 5"),
        (["1,S1,a,ACGT,TTTT,,x,"], "line 10: it has 7 fields, and the header of the samples has 5"),
        (["1,S 1,a,ACGT,TTTT"],
         "line 10: the sample id 'S 1' holds a space; use letters, digits, - and _"),
        (["1,S/1?,a,ACGT,TTTT"],
         "line 10: the sample id 'S/1?' holds /, ?; use letters, digits, - and _"),
        (["1,Sæ,a,ACGT,TTTT"],
         "line 10: the sample id 'Sæ' holds æ; use letters, digits, - and _"),
        (["1,S\u200b1,a,ACGT,TTTT"],
         "line 10: the sample id 'S\\u200b1' holds \\u200b; use letters, digits, - and _"),
        (["1,S1,a,ACG T,TTTT"], "line 10: the index 'ACG T' holds more than A, C, G, T and N"),
        (["1,S1,a,ACGT,7"], "line 10: the index '7' holds more than A, C, G, T and N"),
        (["1,#REF!,a,ACGT,TTTT"], "line 10: a cell holds #REF!, from Excel"),
        (["1,S1,########,ACGT,TTTT"], "line 10: a cell holds ########, from Excel"),
        (["1,S1,a\x08b,ACGT,TTTT"], "line 10: it holds the control character \\x08"),
    ],
)  # fmt: skip
def test_defects_of_rows(rows: list[str], words: str) -> None:
    assert words in told(data(*rows))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["1, S1,a,ACGT,TTTT"], "line 10: spaces stand around the id S1"),
        (["1,S1,a,ACGT,TTTT", "1,s1,a,AAAA,TTTT"],
         "line 11: sample s1 is S1 in other letters"),
        (["1,1.2E+05,a,ACGT,TTTT"],
         "line 10: the sample id '1.2E+05' looks as if Excel had made a number or date of it"),
        (["1,03-Mar,a,ACGT,TTTT"],
         "line 10: the sample id '03-Mar' looks as if Excel had made a number or date of it"),
        (["one,S1,a,ACGT,TTTT"], "line 10: the lane 'one' is no number"),
    ],
)  # fmt: skip
def test_remarks_on_rows(rows: list[str], words: str) -> None:
    assert words in told(data(*rows), Severity.REMARK)


@pytest.mark.parametrize(
    "rows",
    [
        ["1,S1,a,ACGT,TTTT", "2,S1,a,ACGT,TTTT"],  # another lane
        ["1,S1,a,ACGT,TTTT", "1,S1,a,AAAA,TTTT"],  # two indexes of one sample
        ["1,S1,a,ACGT,TTTT", "1,S2,a,ACGT,CCCC"],  # the second index differs
        ["1,S1,a,,"],  # the only one of its lane
        ["1,S1,a,SI-GA-A1,"],
        ["1,S1,a,ACGT-TTGA,"],
        ["1,001,a,ACGT,TTTT"],
        ["1,S1,#1 of 3,ACGT,TTTT"],
    ],
)
def test_what_is_fine(rows: list[str]) -> None:
    assert data(*rows).problems == ()


def test_without_a_column_for_the_index_nobody_is_accused() -> None:
    report = data("S1", "S2", columns="Sample_ID\n")
    assert told(report) == []
    assert "nothing tells them apart" in told(report, Severity.REMARK)[0]


def test_problems_of_the_whole() -> None:
    report = read(
        "hello\n[Header\nIEMFileVersion,4\n[Odd]\nx\n[Data],note\nSample_ID,Sample_ID,Lane\n"
        "S1,S1,1\n[ data ]\nName\nx\n[Data]\n"
    )
    assert report.samples == 1
    assert told(report) == [
        "line 2: [Header has no closing bracket; it is taken for a section",
        "line 6: there is more in the line of [Data] than its name",
        "line 7: the column 'Sample_ID' is there 2 times",
        "line 9: [Data] is there a second time",
        "line 12: [Data] is there a second time",
        "line 10: [Data] has no column Sample_ID, but: Name",
        "line 12: [Data] is empty",
    ]
    assert told(report, Severity.REMARK) == [
        "line 1: 'hello' stands before the first section",
        "line 4: the section [Odd] is not known",
        "line 9: spaces stand in or beside [data]: write it without",
    ]


def test_samples_of_two_data_sections_are_counted_together() -> None:
    report = read("[Data]\nSample_ID\nS1\nS2\n[Data]\nSample_ID,index\nS2,ACGT\nS3,AAAA\n")
    assert (report.samples, report.rows) == (3, 4)
    assert "section-twice" in kinds(report)


# --- limits ----------------------------------------------------------------------------------


def test_what_repeats_itself_is_counted() -> None:
    report = data(*(f"1,S {n},a,ACG!,TTTT" for n in range(400)))
    assert len(report.problems) == 3 * 4
    assert (
        "and 397 more: sample ids with characters that are not allowed, the last in line 409"
        in (told(report))
    )
    four = data(*(f"1,S {n},a,ACGT,{'ACGT'[n] * 4}" for n in range(4)))
    assert len(told(four)) == 4, "one more is told, not counted"


def test_the_important_comes_first() -> None:
    report = data("1, S1,a,ACGT,TTTT,", "1,,a,ACGT,TTTT")
    assert [problem.severity for problem in report.problems] == [
        Severity.DEFECT,
        Severity.REMARK,
    ]
    assert report.problems[0].kind == "missing-id"
    assert report.summary().endswith("; 1 defect, 1 remark")


def test_the_record_is_bounded_json() -> None:
    text = HEAD + COLUMNS + "".join(f"x{n},S\x85{n},#REF!,ACG{n},T T\n" for n in range(3000))
    text += "".join(f"[Odd {n}]\n" for n in range(300)) + "a,b\n" * 3 + '"\n' * 20
    report = read(text)
    record = report.record()
    assert len(json.dumps(record)) < 10_000
    assert len(record["problems"]) == NAMED
    assert record["more"] == len(report.problems) - NAMED > 0
    assert record["problems"][0]["severity"] == "defect"
    assert (record["format"], record["samples"]) == ("v1", 3000)


HUGE = {
    "NUL": b"\0" * (200 << 20),
    "commas": b"," * (200 << 20),
    "quotation marks": b'"\n' * (20 << 20),
    "open quotation marks": (b'x,"' + b"a" * 2000 + b"\n") * 10_000,
    "sections": b"[Data]\nSample_ID\n" * (1 << 19),
    "sections of many names": b"\n".join(b"[x%d]" % number for number in range(1 << 19)),
    "one line": b"[Data]" + b" " * (20 << 20),
}


@pytest.mark.parametrize("what", HUGE)
def test_huge_files_are_read_in_part_and_soon(what: str) -> None:
    before = time.process_time()
    report = examine(HUGE[what])
    assert time.process_time() - before < 10
    assert not report.whole
    assert len(report.problems) < 60
    assert any("were read" in str(problem) for problem in report.problems)


def test_of_a_large_sheet_the_beginning_is_counted() -> None:
    row = "1,S{:07},a,ACGT,TTTT\n"
    text = HEAD + COLUMNS + "".join(row.format(number) for number in range(200_000))
    report = read(text)
    assert not report.whole
    assert report.samples is not None
    assert 90_000 < report.samples < 200_000
    assert report.summary().startswith("v1, at least ")
    assert "only the first 4 MiB of" in " ".join(told(report, Severity.REMARK))


@pytest.mark.parametrize(("codec", "encoding"), [("utf-8", "utf-8"), ("utf-16", "utf-16-le")])
@pytest.mark.parametrize("shift", range(4))
def test_the_limit_may_lie_within_a_character(codec: str, encoding: str, shift: int) -> None:
    note = "\U0001f9ec" * 5000
    number = READ_LIMIT // 20_000 + 9
    rows = "".join(f"S{n},{note},{'ACGT'[n % 4]}\n" for n in range(number))
    found = examine(f"[Data]\nSample_ID,note,index\nS0,{'x' * shift},A\n{rows}".encode(codec))
    assert (found.whole, found.encoding) == (False, encoding)
    assert found.samples is not None
    assert number - 15 < found.samples < number - 5
    assert {"too-few", "encoding-broken"} & kinds(found) == set()


def test_an_error_of_the_reader_itself_is_told_and_raises_nothing() -> None:
    report = read_sheet(None)  # type: ignore[arg-type]
    assert report.format is Format.UNKNOWN
    assert "TypeError" in str(report.problems[0]) or "AttributeError" in str(report.problems[0])


# --- anything --------------------------------------------------------------------------------

PIECES = [
    b"[Data]", b"[BCLConvert_Data]", b"[Header]", b"[", b"]", b"Sample_ID", b"Lane,Sample_ID,index",
    b"S1", b"S2", b",", b";", b"\t", b"\n", b"\r\n", b"\r", b'"', b" ", b"\0", b"\xff\xfe", b"\xe6",
    b"\xef\xbb\xbf", b"#REF!", b"sep=;", b"FileFormatVersion,2", b"ACGT", b"\x1b[31m", b"<html",
]  # fmt: skip
SHEETLIKE = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)


def check(content: bytes) -> None:
    report = examine(content)
    lines = content.count(b"\n") + content.count(b"\r") + 1
    assert report.samples is None or 0 <= report.samples <= report.rows <= lines
    assert 0 <= report.repeated <= (report.samples or 0)
    for problem in report.problems:
        assert str(problem).isprintable(), problem
        assert len(str(problem)) < 300
        assert problem.line is None or 1 <= problem.line <= lines
    severities = [problem.severity for problem in report.problems]
    assert severities == sorted(severities, key=lambda one: one is not Severity.DEFECT)
    json.dumps(report.record()).encode()
    assert report.summary().isprintable()


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes(content: bytes) -> None:
    check(content)


@given(SHEETLIKE)
@settings(max_examples=400, deadline=None)
def test_anything_that_looks_like_a_sheet(content: bytes) -> None:
    check(content)


GOOD = (HEAD + COLUMNS + "1,S1,a,ACGT,TTTT\n1,S2,b,AAAA,TTTT\n2,S1,a,ACGT,TTTT\n").encode()


@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from([b"", *PIECES])),
        max_size=5,
    )
)
@settings(max_examples=300, deadline=None)
def test_damaged_sheets(damages: list[tuple[int, int, bytes]]) -> None:
    content = GOOD
    for at, length, piece in damages:
        content = content[:at] + piece + content[at + length :]
    check(content)


@dataclass(frozen=True)
class Drawn:
    rows: list[tuple[str, str]]  # lane, id
    sign: str
    end: str
    codec: str
    mark: bytes
    padding: int
    quoted: bool
    blank: bool


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    codec, mark = draw(
        st.sampled_from(
            [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("latin-1", b""), ("cp1252", b"")]
            + [(f"utf-16-{end}", mark) for end, mark in (("le", b"\xff\xfe"), ("be", b"\xfe\xff"))]
            + [("utf-16-le", b""), ("utf-16-be", b"")]
        )
    )
    ids = st.sampled_from(["S1", "S2", "S3", "s1", "A-4", "", "7"])
    return Drawn(
        draw(st.lists(st.tuples(st.sampled_from("123"), ids), max_size=8)),
        draw(st.sampled_from(",;\t")),
        draw(st.sampled_from(["\n", "\r\n", "\r"])),
        codec,
        mark,
        draw(st.integers(0, 3)),
        draw(st.booleans()),
        draw(st.booleans()),
    )


@given(drawn(), st.sampled_from(["Sample_ID", "SampleID", "sample id"]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_samples_are_counted_however_the_sheet_is_written(
    sheet: Drawn, alias: str, version_two: bool
) -> None:
    section = "BCLConvert_Data" if version_two else "Data"
    cells = [["[Header]"], ["Experiment Name", "blåbær"], ["[Reads]"], ["151"], [f"[{section}]"]]
    cells += [["Lane", alias, "Description"]]
    comment = f'"a{sheet.sign}b"' if sheet.quoted else "æ"
    cells += [[lane, name, comment] for lane, name in sheet.rows]
    cells += [["[Cloud_Data]"], ["Sample_ID"], ["other"]]
    if sheet.blank:
        cells.insert(6, [""])
    text = sheet.end.join(sheet.sign.join(row + [""] * sheet.padding) for row in cells)
    report = examine(sheet.mark + (text + sheet.end).encode(sheet.codec))
    assert report.samples == len({name for _, name in sheet.rows if name})
    assert report.rows == sum(bool(name) for _, name in sheet.rows)
    assert set(report.lanes) == {lane for lane, _ in sheet.rows}
    assert report.delimiter == sheet.sign
    assert report.padded == (sheet.padding > 0)
    assert report.line_endings == {"\n": "lf", "\r\n": "crlf", "\r": "cr"}[sheet.end]
    expected = "utf-8-sig" if sheet.mark == b"\xef\xbb\xbf" else sheet.codec
    # What both would read alike has the older name.
    assert report.encoding == {"cp1252": "latin-1"}.get(expected, expected)
