"""Every sample sheet that was found in public is read, and its samples are counted right."""

from __future__ import annotations

from pathlib import Path

import pytest

from datalake_syncd.core.sheets import Format
from datalake_syncd.core.sheets.reader import examine

FILES = Path(__file__).parents[3] / "shared" / "instrument-files"
pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="no instrument files here")

V1, V2, LIBRARY = Format.V1, Format.V2, Format.LIBRARY
AOZAN = "GenomiqueENS+aozan/src/test/java/files/samplesheets"
CHECKQC = "Molmed+checkQC/tests/resources"
UMBRA = "ShawHahnLab+umbra/test_umbra/data"
MADE = "_synthetic_samplesheets"
RUNSCANNER = "miso-lims+runscanner/scanner/src/test/resources/illumina"
USED = "Data/Intensities/BaseCalls/Alignment/SampleSheetUsed.csv"
LIBRARIES = "biosustain+library_to_samplesheet/data/sample_library_sheets/sample_library_sheet_"

#: Path -> format, samples, rows with a sample, defects. Of the real ones samples and rows were
#: counted with awk (distinct and all values of the column below the section), of the made-up
#: ones by eye.
EXPECTED: dict[str, tuple[Format, int | None, int, int]] = {
    f"{AOZAN}/SampleSheet_FSE_PQ.csv": (V2, 1, 1, 0),
    f"{AOZAN}/SampleSheet_v2_template.csv": (V2, 4, 4, 2),  # three samples of one index
    f"{AOZAN}/illumina-dragen-covid-pipeline-sample-sheet-template-nextseq.csv": (V1, 384, 384, 0),
    f"{AOZAN}/illumina-dragen-covidseq-test-v1.2-sample-sheet-template-nextseq.20201001.csv":
        (V1, 384, 384, 0),
    f"{AOZAN}/illumina-dragen-covidseq-test-v1.3-sample-sheet-template-novaseq.20201001.csv":
        (V1, 1536, 1536, 0),
    f"{AOZAN}/samplesheet_big.csv": (V1, 24, 48, 0),
    f"{CHECKQC}/bcl2fastq/170726_D00118_0303_BCB1TVANXX/SampleSheet.csv": (V1, 32, 32, 0),
    f"{CHECKQC}/bcl2fastq/230825_M04034_0043_000000000-L6NVV/SampleSheet.csv": (V2, 12, 12, 0),
    # Spaces within two indexes.
    f"{CHECKQC}/bclconvert/200624_A00834_0183_BHMTFYTINY/SampleSheet.csv": (V2, 4, 4, 2),
    f"{UMBRA}/demo/runs/180101_M00000_0000_000000000-XXXXX/{USED}": (V1, 4, 4, 0),
    f"{UMBRA}/demo/runs/180102_M00000_0000_000000000-XXXXX/{USED}": (V1, 35, 35, 0),
    f"{UMBRA}/demo/runs/180103_M000000_0000_0000000000/Alignment_1/20180103_110937/"
    "SampleSheetUsed.csv": (V1, 5, 5, 0),
    f"{UMBRA}/demo/runs/180105_M00000_0000_000000000-XXXXX/{USED}": (V1, 4, 4, 0),
    f"{UMBRA}/demo/runs/180110_M00000_0000_000000000-XXXXX/{USED}": (V1, 35, 35, 0),
    f"{UMBRA}/runs/miniseq/180103_M000000_0000_0000000000/Alignment_1/20180103_110937/"
    "SampleSheetUsed.csv": (V1, 5, 5, 0),
    f"{UMBRA}/runs/miseq-se/180105_M00000_0000_000000000-XXXXX/{USED}": (V1, 4, 4, 0),
    f"{UMBRA}/runs/miseq/180102_M00000_0000_000000000-XXXXX/{USED}": (V1, 35, 35, 0),
    "_extracted/nf-core/MiSeq_SampleSheet_pe.csv": (V1, 1, 1, 0),
    "_extracted/nf-core/NextSeq2000_SampleSheet_v2_abridged.csv": (V2, 2, 2, 0),
    f"{LIBRARIES}1.csv": (LIBRARY, 24, 24, 0),
    f"{LIBRARIES}2.csv": (LIBRARY, 24, 24, 0),
    f"{LIBRARIES}3.csv": (LIBRARY, 24, 24, 0),
    "brwnj+bcl2fastq/data/SampleSheet.csv": (V1, 5, 5, 0),
    "brwnj+bcl2fastq/data/SampleSheet_bad_header.csv": (V1, 5, 5, 0),
    # All five have the same first index, and there is no second one.
    "brwnj+bcl2fastq/data/SampleSheet_no_index2.csv": (V1, 5, 5, 4),
    f"{RUNSCANNER}/130417_M00146_0021_000000000-A2WDF/SampleSheet.csv": (V1, 1, 1, 0),
    f"{RUNSCANNER}/20240531_LH00130_0061_A22CC55LT4/Analysis/2/Data/BCLConvert/SampleSheet.csv":
        (V2, 18, 144, 0),
    f"{MADE}/empty.csv": (Format.EMPTY, 0, 0, 1),
    f"{MADE}/html_instead_of_csv.csv": (Format.HTML, None, 0, 1),
    f"{MADE}/v1_bare_cr_mac.csv": (V1, 2, 2, 1),
    f"{MADE}/v1_bom_crlf.csv": (V1, 2, 2, 0),
    f"{MADE}/v1_cp1252_degree_prime.csv": (V1, 2, 2, 1),  # one row has a field too few
    f"{MADE}/v1_data_header_only.csv": (V1, 0, 0, 1),
    f"{MADE}/v1_duplicate_data_section.csv": (V1, 3, 3, 1),
    f"{MADE}/v1_lanes_same_sample.csv": (V1, 2, 5, 0),
    f"{MADE}/v1_latin1_oslash.csv": (V1, 2, 2, 0),
    f"{MADE}/v1_no_data_section.csv": (V1, 0, 0, 1),
    f"{MADE}/v1_nul_bytes_truncated.csv": (V1, 0, 0, 2),
    f"{MADE}/v1_quoted_commas_newline.csv": (V1, 2, 2, 0),
    f"{MADE}/v1_section_case_and_spaces.csv": (V1, 2, 2, 0),
    f"{MADE}/v1_semicolon_delimited_danish_excel.csv": (V1, 2, 2, 1),
    f"{MADE}/v1_tab_delimited.csv": (V1, 2, 2, 1),
    f"{MADE}/v1_trailing_commas_padded.csv": (V1, 2, 2, 0),
    f"{MADE}/v1_utf16le_bom.csv": (V1, 2, 2, 1),
    f"{MADE}/whitespace_only.csv": (Format.EMPTY, 0, 0, 1),
    f"{MADE}/xlsx_renamed.csv": (Format.XLSX, None, 0, 1),
}  # fmt: skip


def test_no_sheet_is_left_out() -> None:
    assert {path.relative_to(FILES).as_posix() for path in FILES.rglob("*.csv")} == set(EXPECTED)


@pytest.mark.parametrize("path", EXPECTED)
def test_sheet(path: str) -> None:
    report = examine((FILES / path).read_bytes())
    found = (report.format, report.samples, report.rows, len(report.defects))
    assert found == EXPECTED[path], [str(problem) for problem in report.problems]
    assert report.whole


@pytest.mark.parametrize("path", [path for path in EXPECTED if EXPECTED[path][1]])
def test_in_another_encoding_it_counts_the_same(path: str) -> None:
    content = (FILES / path).read_bytes()
    encoding = examine(content).encoding
    assert encoding is not None
    text = content.decode(encoding).lstrip("\ufeff")
    for codec in ("utf-8-sig", "utf-16", "utf-16-be"):
        again = examine(text.encode(codec))
        assert again.samples == EXPECTED[path][1]
        assert again.rows == EXPECTED[path][2]


def test_lanes_are_listed() -> None:
    assert examine((FILES / MADE / "v1_lanes_same_sample.csv").read_bytes()).lanes == tuple("1234")
    assert examine((FILES / AOZAN / "samplesheet_big.csv").read_bytes()).repeated == 24


def test_other_metadata_are_no_sheets() -> None:
    for path in [*FILES.rglob("*.xml"), *FILES.rglob("*.tsv")]:
        report = examine(path.read_bytes())
        assert report.format in (Format.HTML, Format.UNKNOWN, Format.EMPTY), path
        assert not report.samples
        assert report.defects
