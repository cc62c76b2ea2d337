"""Somebody else's table: read however it was written, or refused with the line that is wrong."""

from random import Random

import pytest
from test_csv_rows import WANDB
from test_csv_runs import SMALL, TIDY, VALUES, faults_of, runs_of, table, values_of

from alexctl.errors import UserError
from alexctl.verdicts.csv_runs import read


@pytest.mark.parametrize(
    "text",
    [
        SMALL,
        SMALL.replace(",", ";"),
        SMALL.replace(",", "\t"),
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("\n", "\r"),
        SMALL.replace(",", ";").replace(".", ","),
        SMALL.replace(",", "\t").replace(".", ","),
        "sep=;\r\n" + SMALL.replace(",", ";"),
        "SEP=|\n" + SMALL.replace(",", "|"),
        "\ufeff" + SMALL,
        "\ufeff" + "sep=,\n" + SMALL,
        SMALL.replace(",", "\t").encode("utf-16"),
        "# by hand,\n\n" + SMALL.replace("wide,0", "# half-way\n\nwide,0") + "\n# the end\n",
        "# " + SMALL,
        "#" + SMALL.replace(",", ";"),
        SMALL + ",,\n,,\n,\n",
        SMALL.replace(",", ", ").replace("model", " model ").replace("base", "base "),
        SMALL.replace(",", ', "', 1).replace(",error", '", "error"').replace("base", '"base"'),
        "".join(f"{line},{'x' * 200_000}\n" for line in SMALL.splitlines()),
        "".join(f'{line},"two\nlines, a ""word""\n# and 3, 4, 0.5"\n' for line in SMALL.splitlines()),
        "".join(f'{line},5" disk\u2028next\x85\n' for line in SMALL.splitlines()),
    ],
)  # fmt: skip
def test_a_table_is_read_however_it_was_written(tmp_path, text):
    runs = runs_of(tmp_path, text)
    assert values_of(runs) == VALUES
    assert runs.notes == ()


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (TIDY.replace("0.22", "0,22"), ["runs.csv line 3 has 5 fields where the header has 4"]),
        (TIDY.replace("0.22", "high\x1b[2J"), ["runs.csv line 3: error is 'high\\x1b[2J', which is no number"]),
        (TIDY.replace("c,base,2", "c,base,"), ["runs.csv line 4: seed is empty"]),
        (TIDY.replace("wide", "base")[:60], ["runs.csv holds one arm only, 'base'; a comparison needs two arms or more in the column 'model'"]),
        ("run,model,seed,error\n", ["runs.csv holds no runs; a comparison needs two arms or more in the column 'model'"]),
        (b"model,seed,error\n\xff,1,2\n", ["runs.csv: byte 18 is no UTF-8 text; save it as CSV in UTF-8"]),
        ("model,seed,error,error\n", ["--measure: runs.csv has two columns 'error'; rename one"]),
        ("", ["runs.csv is empty; its first row should name the columns"]),
        ("# model, seed\n\n", ["runs.csv is empty; its first row should name the columns"]),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_line(tmp_path, text, faults):
    assert faults_of(tmp_path, text) == faults


QUOTES = table("base,0,0.2,ok", 'base,1,0.3,"19 inch', "wide,0,0.1,ok", "wide,1,0.1,ok", header="model,seed,error,note")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (QUOTES, "line 3 opens a quote that is never closed"),
        (QUOTES.replace("0.1,ok\n", '0.1,"ok"\n', 1), 'line 3 has a quote out of place; close it at the end of its cell, and write one inside a cell twice ("")'),
        (QUOTES.replace("wide,0,0.1,ok", 'wide,0,0.1,5"'), "line 3 opens a quote that swallows whole rows; close it in its cell"),
        (QUOTES.replace("wide,0,0.1,ok", 'wide,0,0.1,5"').replace(",", ";").replace(".", ","), "line 3 opens a quote that swallows whole rows; close it in its cell"),
        (QUOTES.replace('"19 inch', '"19 "inch"'), 'line 3 has a quote out of place; close it at the end of its cell, and write one inside a cell twice ("")'),
    ],
)  # fmt: skip
def test_a_quote_that_swallows_rows_is_named_with_its_line(tmp_path, text, fault):
    assert faults_of(tmp_path, text) == [f"runs.csv {fault}"]


def test_a_row_made_a_comment_is_said(tmp_path):
    runs = runs_of(tmp_path, SMALL + "#wide,2,0.9\n# wide, really\n")
    assert runs.notes == ("line 6 left out: a row that begins with # is a comment",)


def test_missing_columns_are_all_named_with_the_nearest(tmp_path):
    assert faults_of(tmp_path, TIDY, arm="Model", measure="eror") == [
        "--arm: runs.csv has no column 'Model', did you mean 'model'?",
        "--measure: runs.csv has no column 'eror', did you mean 'error'?",
    ]
    assert faults_of(tmp_path, TIDY, arm="seed") == [
        "--arm, --pair and --measure: should be three columns, not one twice"
    ]


def test_a_file_that_can_not_be_read(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"nothing\.csv: can't be read: No such file"):
        read(tmp_path / "nothing.csv", arm="a", pair="b", measure="c", scale="ratio")
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path, arm="a", pair="b", measure="c", scale="ratio")
    monkeypatch.setattr("alexctl.verdicts.csv_table.MOST_BYTES", 2**20)
    assert faults_of(tmp_path, SMALL + "\n" * 2**20) == ["runs.csv: over 1 MB; keep one row a run, such as its last"]


def test_what_a_cell_holds_is_cut_in_a_message(tmp_path):
    (fault,) = faults_of(tmp_path, SMALL.replace("0.3", "9" * 5000))
    assert (
        fault == f"runs.csv line 3: error is {'9' * 57}..., over 1e+290, too far to calculate with; take another unit"
    )
    (fault,) = faults_of(tmp_path, SMALL.replace("error", "error," + "x" * 5000).replace(".", ".1,"), pair="step")
    assert len(fault) < 500


PIECES = (
    b'"', b",", b";", b"\t", b"\n", b"\r", b"#", b"sep=;\n", b"\0", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"1e308", b"-",
    b"nan", b"inf", b"mean", b"\xe2\x80\xa8", b"9" * 5000, b"running", b"zombie", b"1_1", b"e5", b" ",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_to_a_table_it_is_read_or_refused_in_short_lines(tmp_path, seed):
    random = Random(seed)
    for _ in range(100):
        text = bytearray(WANDB.encode())
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(text))
            text[at : at + random.choice((0, 0, 1, 9))] = random.choice(PIECES)
        try:
            lines = runs_of(tmp_path, bytes(text), random.choice(("difference", "points", "ratio"))).notes
        except UserError as refused:
            lines = refused.faults
        assert all(len(line) < 900 for line in lines)
