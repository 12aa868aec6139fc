"""Every sample sheet that was found in public is read, and its samples are counted right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from datalake_syncd.core.sheets import Format
from datalake_syncd.core.sheets.reader import examine

AOZAN = "GenomiqueENS+aozan/src/test/java/files/samplesheets"
MADE = "_synthetic_samplesheets"
USED = "Data/Intensities/BaseCalls/Alignment/SampleSheetUsed.csv"

#: Folder, and below it: path, format, samples, rows with a sample, defects. Of the real ones
#: samples and rows were counted with awk (distinct and all values of the column below the
#: section), of the made-up ones by eye.
SHEETS = f"""
{AOZAN}/:
  SampleSheet_FSE_PQ.csv v2 1 1 0
  # three samples of one index:
  SampleSheet_v2_template.csv v2 4 4 2
  illumina-dragen-covid-pipeline-sample-sheet-template-nextseq.csv v1 384 384 0
  illumina-dragen-covidseq-test-v1.2-sample-sheet-template-nextseq.20201001.csv v1 384 384 0
  illumina-dragen-covidseq-test-v1.3-sample-sheet-template-novaseq.20201001.csv v1 1536 1536 0
  samplesheet_big.csv v1 24 48 0
Molmed+checkQC/tests/resources/:
  bcl2fastq/170726_D00118_0303_BCB1TVANXX/SampleSheet.csv v1 32 32 0
  bcl2fastq/230825_M04034_0043_000000000-L6NVV/SampleSheet.csv v2 12 12 0
  # spaces within two indexes:
  bclconvert/200624_A00834_0183_BHMTFYTINY/SampleSheet.csv v2 4 4 2
ShawHahnLab+umbra/test_umbra/data/demo/runs/:
  180101_M00000_0000_000000000-XXXXX/{USED} v1 4 4 0
  180102_M00000_0000_000000000-XXXXX/{USED} v1 35 35 0
  180103_M000000_0000_0000000000/Alignment_1/20180103_110937/SampleSheetUsed.csv v1 5 5 0
  180105_M00000_0000_000000000-XXXXX/{USED} v1 4 4 0
  180110_M00000_0000_000000000-XXXXX/{USED} v1 35 35 0
ShawHahnLab+umbra/test_umbra/data/runs/:
  miniseq/180103_M000000_0000_0000000000/Alignment_1/20180103_110937/SampleSheetUsed.csv v1 5 5 0
  miseq-se/180105_M00000_0000_000000000-XXXXX/{USED} v1 4 4 0
  miseq/180102_M00000_0000_000000000-XXXXX/{USED} v1 35 35 0
_extracted/nf-core/:
  MiSeq_SampleSheet_pe.csv v1 1 1 0
  NextSeq2000_SampleSheet_v2_abridged.csv v2 2 2 0
biosustain+library_to_samplesheet/data/sample_library_sheets/:
  sample_library_sheet_1.csv library 24 24 0
  sample_library_sheet_2.csv library 24 24 0
  sample_library_sheet_3.csv library 24 24 0
brwnj+bcl2fastq/data/:
  SampleSheet.csv v1 5 5 0
  SampleSheet_bad_header.csv v1 5 5 0
  # one first index, no second one:
  SampleSheet_no_index2.csv v1 5 5 4
miso-lims+runscanner/scanner/src/test/resources/illumina/:
  130417_M00146_0021_000000000-A2WDF/SampleSheet.csv v1 1 1 0
  20240531_LH00130_0061_A22CC55LT4/Analysis/2/Data/BCLConvert/SampleSheet.csv v2 18 144 0
{MADE}/:
  empty.csv empty 0 0 1
  html_instead_of_csv.csv html - 0 1
  v1_bare_cr_mac.csv v1 2 2 1
  v1_bom_crlf.csv v1 2 2 0
  # one row has a field too few:
  v1_cp1252_degree_prime.csv v1 2 2 1
  v1_data_header_only.csv v1 0 0 1
  v1_duplicate_data_section.csv v1 3 3 1
  v1_lanes_same_sample.csv v1 2 5 0
  v1_latin1_oslash.csv v1 2 2 0
  v1_no_data_section.csv v1 0 0 1
  v1_nul_bytes_truncated.csv v1 0 0 2
  v1_quoted_commas_newline.csv v1 2 2 0
  v1_section_case_and_spaces.csv v1 2 2 0
  v1_semicolon_delimited_danish_excel.csv v1 2 2 1
  v1_tab_delimited.csv v1 2 2 1
  v1_trailing_commas_padded.csv v1 2 2 0
  v1_utf16le_bom.csv v1 2 2 1
  whitespace_only.csv empty 0 0 1
  xlsx_renamed.csv xlsx - 0 1
"""

Expected = tuple[Format, int | None, int, int]


def expected_of(table: str) -> Iterator[tuple[str, Expected]]:
    """Path and what is expected of it, for each line of a table like the one above."""
    folder = ""
    for line in filter(None, table.splitlines()):
        if not line.startswith(" "):
            folder = line.removesuffix(":")
        elif not line.startswith("  #"):
            path, kind, samples, rows, defects = line.split()
            counted = None if samples == "-" else int(samples)
            yield folder + path, (Format[kind.upper()], counted, int(rows), int(defects))


EXPECTED = dict(expected_of(SHEETS))


def test_no_sheet_is_left_out(instrument_files: Path) -> None:
    found = {path.relative_to(instrument_files) for path in instrument_files.rglob("*.csv")}
    assert {path.as_posix() for path in found} == set(EXPECTED)


@pytest.mark.parametrize("path", EXPECTED)
def test_sheet(path: str, instrument_files: Path) -> None:
    report = examine((instrument_files / path).read_bytes())
    found = (report.format, report.samples, report.rows, len(report.defects))
    assert found == EXPECTED[path], [str(problem) for problem in report.problems]
    assert report.whole


@pytest.mark.parametrize("path", [path for path in EXPECTED if EXPECTED[path][1]])
def test_in_another_encoding_it_counts_the_same(path: str, instrument_files: Path) -> None:
    content = (instrument_files / path).read_bytes()
    encoding = examine(content).encoding
    assert encoding is not None
    text = content.decode(encoding).lstrip("\ufeff")
    for codec in ("utf-8-sig", "utf-16", "utf-16-be"):
        again = examine(text.encode(codec))
        assert again.samples == EXPECTED[path][1]
        assert again.rows == EXPECTED[path][2]


def test_lanes_are_listed(instrument_files: Path) -> None:
    lanes = examine((instrument_files / MADE / "v1_lanes_same_sample.csv").read_bytes()).lanes
    assert lanes == tuple("1234")
    big = instrument_files / AOZAN / "samplesheet_big.csv"
    assert examine(big.read_bytes()).repeated == 24


def test_other_metadata_are_no_sheets(instrument_files: Path) -> None:
    for path in [*instrument_files.rglob("*.xml"), *instrument_files.rglob("*.tsv")]:
        report = examine(path.read_bytes())
        assert report.format in (Format.HTML, Format.UNKNOWN, Format.EMPTY), path
        assert not report.samples
        assert report.defects
