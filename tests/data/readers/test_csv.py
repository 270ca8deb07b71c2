"""The CSV reader: what it reads, and what each fault is called."""

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest

from dgrad.data import read_csv
from dgrad.data.readers import numerals
from dgrad.errors import DataError, ParameterError
from dgrad.registry import readers

DIGITS = Path(__file__).parents[3] / "data" / "digits.csv.gz"


def write(folder, text, name="a.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(folder, text, fault, *patterns, error=DataError, **options):
    path = write(folder, text)
    with pytest.raises(error) as caught:
        read_csv(path, **{"target": "y", **options})
    assert caught.value.fault == fault
    for pattern in (*patterns, str(path)) if error is DataError else patterns:
        assert pattern in caught.value.message
    return caught.value.message


# ------------------------------------------------------------------------------- what is read


def test_the_digits_of_this_repository_are_read_whole():
    dataset = read_csv(DIGITS, target="label")
    assert dataset.inputs.shape == (1797, 64)
    assert dataset.inputs.dtype == np.float32
    assert dataset.inputs.flags.c_contiguous
    assert dataset.class_names == tuple("0123456789")
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(dataset.targets).tolist() == counts
    assert dataset.inputs.sum(dtype=np.float64) == 561718
    assert (dataset.inputs.min(), dataset.inputs.max()) == (0, 16)
    assert dataset.inputs[0, :8].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert dataset.targets[:10].tolist() == list(range(10))
    assert dataset.feature_names is not None
    assert dataset.feature_names[:2] + dataset.feature_names[-1:] == (
        "pixel_0_0",
        "pixel_0_1",
        "pixel_7_7",
    )


def test_the_digits_file_has_no_time_and_no_name_in_its_gzip_header():
    raw = DIGITS.read_bytes()
    assert raw[3:8] == bytes(5)  # flags, mtime


def test_the_reader_is_registered_under_its_config_name():
    assert readers["csv"] is read_csv


@pytest.mark.parametrize(
    "text",
    [
        "a,b,y\n1,2.5,0\n-3e2,.5,1\n",
        "a,b,y\r\n1,2.5,0\r\n-3e2,.5,1\r\n",
        "a,b,y\r1,2.5,0\r-3e2,.5,1",
        "\ufeffa,b,y\n1,2.5,0\n-3e2,.5,1\n\n\r\n",
        '"a","b",y\n"1","2.5",0\n"-3e2",.5,"1"',
        " a , b\t,y\n +1 , 2.50,\t0\n-300.,5E-1, 1\n",
    ],
)
def test_D06_line_ends_quotes_blanks_and_byte_order_mark_change_nothing(tmp_path, text):
    dataset = read_csv(write(tmp_path, text), target="y")
    assert dataset.inputs.tolist() == [[1, 2.5], [-300, 0.5]]
    assert dataset.targets.tolist() == [0, 1]
    assert dataset.feature_names == ("a", "b")


def test_a_line_end_inside_quotes_is_kept_as_it_is(tmp_path):
    path = write(tmp_path, 'a,y\r\n1,"p\r\nq"\r\n2,"p\nq"\r\n')
    assert read_csv(path, target="y").class_names == ("p\nq", "p\r\nq")


def test_features_are_taken_in_the_order_asked_for(tmp_path):
    path = write(tmp_path, "a;y;b;c\n1;0;2;x\n3;1;4;\n")
    dataset = read_csv(path, target="y", features=["b", "a"], delimiter=";")
    assert dataset.inputs.tolist() == [[2, 1], [4, 3]]
    assert dataset.feature_names == ("b", "a")
    assert read_csv(path, target="y", features=["b"], delimiter=";").inputs.tolist() == [[2], [4]]


def test_many_blocks_of_rows_keep_their_order(tmp_path):
    text = "a,y,b\n" + "".join(f"{i},{i % 7},{i / 4}\n" for i in range(5000))
    dataset = read_csv(write(tmp_path, text), target="y")
    np.testing.assert_array_equal(dataset.inputs[:, 0], np.arange(5000))
    np.testing.assert_array_equal(dataset.inputs[:, 1], np.arange(5000) / 4)
    np.testing.assert_array_equal(dataset.targets, np.arange(5000) % 7)


@pytest.mark.parametrize(
    ("labels", "names", "targets"),
    [
        ("10 9 10", ("9", "10"), [1, 0, 1]),
        ("1 -1 01 1.0", ("-1", "1"), [1, 0, 1, 1]),
        ("b a b", ("a", "b"), [1, 0, 1]),
        ("10 9 x", ("10", "9", "x"), [0, 1, 2]),
        ("1_0 x", ("1_0", "x"), [0, 1]),
        ("9007199254740991 0", ("0", "9007199254740991"), [1, 0]),
    ],
)
@pytest.mark.parametrize("task", ["auto", "classes"])
def test_whole_numbers_and_texts_become_classes(tmp_path, labels, names, targets, task):
    text = "x,y\n" + "".join(f"0,{label}\n" for label in labels.split())
    dataset = read_csv(write(tmp_path, text), target="y", task=task)
    assert dataset.class_names == names
    assert dataset.targets.dtype == np.int64
    assert dataset.targets.tolist() == targets


@pytest.mark.parametrize(("labels", "task"), [("1 2.5 -3", "auto"), ("1 2 3", "number")])
def test_fractions_or_task_number_become_numbers(tmp_path, labels, task):
    text = "x,y\n" + "".join(f"0,{label}\n" for label in labels.split())
    dataset = read_csv(write(tmp_path, text), target="y", task=task)
    assert dataset.class_names is None
    assert dataset.targets.dtype == np.float32
    assert dataset.targets.tolist() == [float(label) for label in labels.split()]


# ---------------------------------------------------------------------------------- the faults


@pytest.mark.parametrize("row", [0, 1, 1023, 1024, 1999])
@pytest.mark.parametrize("cells", ["1", "1,2,3,4", ""])
def test_D02_a_row_of_another_width_is_named_by_line(tmp_path, row, cells):
    lines = ["1,2,0"] * 2000
    lines[row] = cells
    if row == 1999 and not cells:
        lines.append("1,2,0")
    found = len(cells.split(",")) if cells else 0
    text = "a,b,y\n" + "\n".join(lines)
    refused(tmp_path, text, "D02", f"line {row + 2}: expected 3 columns", f"found {found};")


def test_D02_says_how_many_rows_are_ragged(tmp_path):
    refused(tmp_path, "a,y\n1,0\n1\n1,2,3\n", "D02", "line 3:", "(2 such lines)")


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("cell", ["", "  ", "abc", "1,5", "1 2", "0x10", "1e", "-", "1.2.3", "é"])
def test_D03_text_or_an_empty_cell_is_named_by_line_and_column(tmp_path, column, cell):
    rows = [["1", "2", "3"] for _ in range(1500)]
    rows[1200][column] = f'"{cell}"'
    text = "a,b,c,y\n" + "".join(",".join(row) + ",0\n" for row in rows)
    place = f"line 1202, column {'abc'[column]!r}: expected a number"
    refused(tmp_path, text, "D03", place, f"got {cell!r}")


def test_D03_shows_five_bad_cells_with_lines_counted_across_quoted_line_ends(tmp_path):
    text = 'a,b,y\n1,1,"p\nq"\nx,1,r\n' + "".join(f"{i},{'u' * 99},r\n" for i in range(3000))
    message = refused(tmp_path, text, "D03", "(the first 5 are shown)", "'" + "u" * 40 + "...'")
    lines = [line for line in message.splitlines() if line.startswith("  line ")]
    assert [line.split(",")[0] for line in lines] == [f"  line {n}" for n in (4, 5, 6, 7, 8)]
    assert "column 'a'" in lines[0]
    assert "column 'b'" in lines[1]


def test_D03_collects_bad_cells_from_far_apart(tmp_path):
    text = "a,y\n?,0\n" + "1,0\n" * 3000 + "!,0\n"
    message = refused(tmp_path, text, "D03", "line 2,", "line 3003,")
    assert "are shown" not in message


def test_D04_a_hash_is_data(tmp_path):
    path = write(tmp_path, "a,y\n1,#x\n2,y#\n3,#x\n4,#\n")
    dataset = read_csv(path, target="y")
    assert dataset.class_names == ("#", "#x", "y#")
    assert len(dataset) == 4
    refused(tmp_path, "a,y\n#1,0\n", "D03", "line 2, column 'a'", "'#1'")


@pytest.mark.parametrize("cell", ["nan", "NaN", "-inf", "Infinity", "+INF"])
@pytest.mark.parametrize("task", ["auto", "classes", "number"])
def test_D05_nan_and_infinity_are_refused_in_features_and_target(tmp_path, cell, task):
    refused(tmp_path, f"a,y\n1,0\n{cell},1\n", "D05", "line 3, column 'a'", task=task)
    refused(tmp_path, f"a,y\n1,0\n1,{cell}\n", "D05", "line 3, column 'y'", task=task)


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("1,2,3\n4,5,6\n", ["expected column names, found '1', '2', '3'"]),
        ("\na,y\n1,2\n", ["expected column names, found an empty line"]),
        ("a,a,y,b,b\n1,2,3,4,5\n", ["used once: 'a', 'b'"]),
        (",a,y\n0,1,2\n", ["column 1 of 3 has no name"]),
        ("a,Y1\n1,2\n", ["no column is called 'y'", "found: 'a', 'Y1'"]),
        ("a,yy\n1,2\n", ["did you mean 'yy'?"]),
        ("a;y\n1;2\n", ["delimiter: ';'"]),
        ("a\ty\n1\t2\n", ["delimiter: '\\t'"]),
        ("y\n1\n", ["no feature column"]),
        ('a,y\n1,"2\n3,4\n', ["line 2: not readable as CSV", "quote"]),
        ('a,y\n1,"2"2\n', ["line 2: not readable as CSV"]),
        ("a,y\n1,2\n1," + "9" * 131_073, ["line 3: not readable as CSV", "131072"]),
        ("a,y\n1,caf\xe9\n".encode("latin-1"), ["line 2: byte 0xe9 is not UTF-8"]),
        ("a,y\n1,2\n".encode("utf-16"), ["looks like UTF-16"]),
        (gzip.compress(b"a,y\n1,2\n", mtime=0), ["looks like gzip", ".gz"]),
        ("a,y\n1,2\n1,\0\n", ["line 3: a NUL byte"]),
    ],
)
def test_D06_a_file_that_is_not_the_csv_expected_says_why(tmp_path, text, patterns):
    refused(tmp_path, text, "D06", *patterns)


def test_D06_many_names_are_cut_short(tmp_path):
    names = ",".join(f"n{i}" for i in range(50))
    message = refused(tmp_path, names + "\n", "D06", "'n19', ... (50 in all)")
    assert "n20" not in message


def test_D06_unknown_feature(tmp_path):
    refused(tmp_path, "width,y\n1,0\n", "D06", "did you mean 'width'", features=["widht"])


def test_several_target_columns_are_read_as_numbers(tmp_path):
    path = write(tmp_path, "a,y,b,z\n1,2,3,4\n5,6,7,8\n")
    dataset = read_csv(path, target=["z", "y"])
    assert dataset.feature_names == ("a", "b")
    assert dataset.inputs.tolist() == [[1, 3], [5, 7]]
    assert dataset.targets.tolist() == [[4, 2], [8, 6]]
    assert (dataset.targets.dtype, dataset.class_names) == (np.float32, None)
    assert read_csv(path, target=["y"], task="number").targets.tolist() == [[2], [6]]


@pytest.mark.parametrize(
    ("target", "task", "rule"),
    [
        ([], "auto", "a column, or a list of different ones"),
        (["y", "y"], "number", "a column, or a list of different ones"),
        (["y", "z"], "classes", "a single column, as it holds classes"),
    ],
)
def test_C08_targets_that_cannot_be_read_together(tmp_path, target, task, rule):
    text = "a,y,z\n1,0,0\n"
    refused(tmp_path, text, "C08", rule, error=ParameterError, target=target, task=task)


def test_D03_D06_faults_of_the_second_target_are_named(tmp_path):
    refused(tmp_path, "a,y,z\n1,0,0\n1,2,x\n", "D03", "line 3, column 'z'", target=["y", "z"])
    refused(tmp_path, "a,y,zz\n1,0,0\n", "D06", "did you mean 'zz'", target=["y", "z"])
    refused(tmp_path, "y,z\n1,0\n", "D06", "besides the target 'y', 'z'", target=["y", "z"])


@pytest.mark.parametrize("features", [["a", "a"], ["a", "y"]])
def test_features_repeated_or_naming_the_target_are_refused(tmp_path, features):
    refused(tmp_path, "a,y\n1,0\n", "C08", "'y'", error=ParameterError, features=features)


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n"])
def test_a_delimiter_is_one_character(tmp_path, delimiter):
    refused(
        tmp_path, "a,y\n1,0\n", "C08", "one character", error=ParameterError, delimiter=delimiter
    )


@pytest.mark.parametrize(
    "cell", ["1_0", "١٢", "\u00a01", "1\u2003", "9007199254740993", "-" + "9" * 5000]
)
def test_D07_numbers_that_float_would_misread_are_refused(tmp_path, cell):
    float(cell)  # does not complain
    refused(tmp_path, f"a,y\n1,0\n{cell},1\n", "D07", "line 3, column 'a'")
    refused(tmp_path, f"a,y\n1,0\n0,{cell}\n", "D07", "line 3, column 'y'", task="number")


@pytest.mark.parametrize("cell", ["9" * 100_000 + "x", "." + "9" * 100_000 + "x", "9" * 131_000])
def test_D03_a_long_run_of_digits_is_refused_in_linear_time(tmp_path, cell):
    fault = "D03" if "x" in cell else "D07"
    refused(tmp_path, f"a,y\n1,0\n{cell},1\n", fault, "line 3, column 'a'")
    refused(tmp_path, f"a,y\n1,0.5\n1,{cell}\n", fault, "line 3, column 'y'")
    refused(tmp_path, f"{cell},y\n1,0\n", "D06", "no column is called 'z'", target="z")


def test_D07_integers_up_to_2_53_and_larger_floats_are_read(tmp_path):
    path = write(tmp_path, "a,y\n9007199254740992,0\n-9007199254740992,1\n1e17,1\n")
    assert read_csv(path, target="y").inputs[:, 0].tolist() == [
        2.0**53,
        -(2.0**53),
        np.float32(1e17),
    ]
    refused(tmp_path, "a,y\n1,0\n1,9007199254740993\n", "D07", "line 3, column 'y'")


def test_D07_blocks_of_cells_and_single_cells_are_judged_alike():
    cells = ["".join(some) for n in range(6) for some in itertools.product("0+-.e ", repeat=n)]
    for cell in cells:
        values = numerals.parse([cell])
        assert (values is None) == (numerals.fault(cell) is not None), repr(cell)
        assert values is None or values.tolist() == [float(cell)]
    assert sum(numerals.fault(cell) is None for cell in cells) > 200


@pytest.mark.parametrize("cell", ["1.5", "", " "])
def test_D08_a_label_that_is_no_class_is_named_by_line(tmp_path, cell):
    text = f"a,y\n1,0\n1,{cell}\n"
    refused(tmp_path, text, "D08", "line 3, column 'y': expected a class", task="classes")


def test_D08_an_empty_label_among_texts_is_refused(tmp_path):
    refused(tmp_path, "a,y\n1,x\n1,\n", "D08", "line 3, column 'y'")
    refused(tmp_path, "a,y\n1,2.5\n1,\n", "D03", "line 3, column 'y'")
    refused(tmp_path, "a,y\n1,2.5\n1,n/a\n", "D03", "line 3, column 'y'", "'n/a'")


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "\ufeff\r\n"])
def test_D10_an_empty_file_is_refused(tmp_path, text):
    refused(tmp_path, text, "D10", "the file is empty")


def test_D10_a_header_without_rows_is_refused(tmp_path):
    refused(tmp_path, "a,y\n", "D10", "no rows")
    assert len(read_csv(write(tmp_path, "a,y\n1,0\n"), target="y")) == 1


@pytest.mark.parametrize("cell", ["1e39", "-3.5e38", "1e400"])
def test_D27_numbers_beyond_float32_are_refused(tmp_path, cell):
    refused(tmp_path, f"a,y\n1,0\n{cell},1\n", "D27", "line 3, column 'a'", "float32")
    refused(tmp_path, f"a,y\n1,0\n0,{cell}\n", "D27", "line 3, column 'y'", task="number")
    path = write(tmp_path, "a,y\n3.4028234e38,0\n1e-46,1\n")
    assert read_csv(path, target="y").inputs[:, 0].tolist() == [np.finfo(np.float32).max, 0]


def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path):
    rng = np.random.default_rng(0)
    original = ("a,b,y\n" + "1.5,-2e3,x\n0,7,y\n" * 3).encode()
    special = [*b'\0\n\r,"#.eE-_ \xff\xef\x1f', *range(48, 58)]
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1000):
        damaged = bytearray(original)
        for place in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[place] = rng.choice(special)
        path = write(tmp_path, bytes(damaged[: rng.integers(1, 2 * len(damaged))]))
        try:
            read_csv(path, target="y")
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100
