"""The text reader: windows of characters or bytes, as views of one array."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from dgrad.data import read_text
from dgrad.errors import DataError, ParameterError

TEXTS = Path(__file__).parents[4] / "shared" / "data"


def write(folder, content, name="a.txt"):
    content = content if isinstance(content, bytes) else content.encode()
    path = folder / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path


def spelled(dataset, rows):
    return ["".join(dataset.vocabulary[token] for token in row) for row in rows]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_a_text_becomes_windows_and_what_follows(tmp_path, name):
    dataset = read_text(write(tmp_path, "banana\r\n", name), context=3)
    assert dataset.vocabulary == dataset.class_names == ("\n", "\r", "a", "b", "n")
    assert dataset.inputs.tolist()[0] == [3, 2, 4]
    assert spelled(dataset, dataset.inputs) == ["ban", "ana", "nan", "ana", "na\r"]
    assert spelled(dataset, dataset.targets) == ["ana", "nan", "ana", "na\r", "a\r\n"]
    assert (dataset.overlap, dataset.feature_names, len(dataset.sources)) == (3, None, 1)
    assert (dataset.inputs.dtype, dataset.targets.dtype) == (np.int64, np.int64)


@pytest.mark.parametrize(
    ("text", "vocabulary"),
    [
        ("zebra", "aberz"),
        ("naïve ☃ 𝄞", " aenvï☃𝄞"),
        ("e\u0301é", "e\u0301é"),  # sorted by code point: e, é, the combining accent
        ("\ufeffab", "ab"),  # a byte-order mark
        ("a\ufeffb", "ab\ufeff"),
        ("a\0b\x1b", "\0\x1bab"),
        ("b\U0010ffffa", "ab\U0010ffff"),
    ],
)
def test_characters_are_sorted_by_code_point(tmp_path, text, vocabulary):
    dataset = read_text(write(tmp_path, text), context=1)
    assert dataset.vocabulary == tuple(sorted(vocabulary))
    found = [dataset.inputs[0, 0], *dataset.targets[:, 0]]
    assert "".join(dataset.vocabulary[i] for i in found) == text.removeprefix("\ufeff")


@pytest.mark.parametrize("content", ["naïve", bytes(range(256)), b"\xff\xfe\0\r\n"])
def test_bytes_are_taken_from_any_file(tmp_path, content):
    path = write(tmp_path, content)
    dataset = read_text(path, tokenizer="byte", context=2)
    expected = np.frombuffer(path.read_bytes(), np.uint8)
    np.testing.assert_array_equal(dataset.inputs, sliding_window_view(expected[:-1], 2))
    np.testing.assert_array_equal(dataset.targets, sliding_window_view(expected[1:], 2))
    assert dataset.vocabulary == tuple(map(chr, range(256)))


@pytest.mark.parametrize("context", [1, 2, 7, 8])
def test_every_window_is_a_row(tmp_path, context):
    dataset = read_text(write(tmp_path, "abcdefghi"), context=context)
    np.testing.assert_array_equal(dataset.inputs, sliding_window_view(np.arange(8), context))
    np.testing.assert_array_equal(dataset.targets, dataset.inputs + 1)


@pytest.mark.parametrize("tokenizer", ["char", "byte"])
@pytest.mark.parametrize(("text", "size"), [("", "is empty"), ("abc", "has 3 tokens")])
def test_D23_a_text_that_is_not_longer_than_the_context(tmp_path, text, size, tokenizer):
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_text(path, tokenizer=tokenizer, context=3)
    assert caught.value.fault == "D23"
    assert f"{path}: the text {size}, expected more than context (3)" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [
        (b"ab\ncd\xe9f\n", 2, "e9"),
        (b"\xc3", 1, "c3"),
        ("aé".encode("latin-1"), 1, "e9"),
        ("ab".encode("utf-16"), 1, "ff"),
        (b"\n\n\xed\xa0\x80", 3, "ed"),  # a surrogate
        (b"x" * 100_000 + b"\xff", 1, "ff"),
    ],
)
def test_D23_what_is_not_utf_8_is_refused_with_its_line(tmp_path, content, line, byte):
    with pytest.raises(DataError) as caught:
        read_text(write(tmp_path, content), context=2)
    assert caught.value.fault == "D23"
    assert f"line {line}: byte 0x{byte} is not UTF-8" in str(caught.value)
    assert "tokenizer: byte" in str(caught.value)


def test_D23_any_bytes_are_a_text_or_an_error(tmp_path):
    rng = np.random.default_rng(0)
    whole = "naïve ☃ 𝄞 text\n".encode()
    faults = []
    for _ in range(300):
        content = bytearray(whole[: rng.integers(len(whole) + 1)])
        for place in rng.integers(0, max(1, len(content)), rng.integers(3)):
            content[place : place + 1] = rng.bytes(rng.integers(3))
        path = write(tmp_path, bytes(content))
        try:
            dataset = read_text(path, context=4)
        except DataError as error:
            faults.append(error.fault)
        else:
            last = spelled(dataset, dataset.targets[-1:])[0]
            assert bytes(content).decode().endswith(last)
    assert set(faults) == {"D23"}
    assert 50 < len(faults) < 250


def test_D23_one_long_line_is_a_text_like_any_other(tmp_path):
    dataset = read_text(write(tmp_path, "ab" * 1_000_000), context=1_999_999)
    assert len(dataset) == 1
    assert dataset.vocabulary == ("a", "b")


def test_C08_a_context_below_one_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="context must be >= 1"):
        read_text(write(tmp_path, "abc"), context=0)


def test_a_text_takes_no_more_memory_than_its_tokens(tmp_path):
    path = write(tmp_path, bytes(range(32, 97)) * 17_000)  # 1.1 MB
    tracemalloc.start()
    try:
        dataset = read_text(path, context=64)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(dataset) == 1_105_000 - 64
    assert kept < 10e6
    assert peak < 20e6


def test_shakespeare(tmp_path):
    path = TEXTS / "tinyshakespeare.txt"
    if not path.exists():
        pytest.skip("the text is not beside this repository")
    dataset = read_text(path, context=64)
    assert (len(dataset), len(dataset.vocabulary)) == (1_115_394 - 64, 65)
    assert spelled(dataset, dataset.inputs[:1])[0].startswith("First Citizen:\nBefore we proceed")
    assert "".join(dataset.vocabulary)[:13] == "\n !$&',-.3:;?"
