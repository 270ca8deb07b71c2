"""The layout of checkpoint files: whatever dgrad would not have written is named and refused."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.errors import CheckpointError
from dgrad.train import layout

PATH = Path("runs/x/001/checkpoints/step-000000001.safetensors")


def read(content: bytes) -> dict[str, layout.Entry]:
    """What `load` does with the header of a file of this content."""
    length = layout.header_length(PATH, content[:16], len(content))
    header = layout.read_header(PATH, content[: 8 + length], len(content))
    return layout.read_entries(PATH, header)


def refusal(content: bytes) -> CheckpointError:
    with pytest.raises(CheckpointError) as info:
        read(content)
    assert str(PATH) in str(info.value)
    assert len(str(info.value)) < 600 + len(str(PATH))
    return info.value


def compact(header: dict[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, separators=(",", ":"))


def assemble(text: str, data: bytes = bytes(8)) -> bytes:
    """A file with this header text, padded and with its right length, and this data."""
    text += " " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text.encode() + data


def forge(edit: Callable[[dict[str, Any]], Any], data: bytes = bytes(8)) -> bytes:
    """A file with one F32 tensor `w` of shape [2], its header changed by `edit`."""
    header: dict[str, Any] = {
        "__metadata__": {"dgrad": "any text", "sha256": layout.BLANK},
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    }
    edit(header)
    return assemble(compact(header), data)


# Encoding.


ENTRIES = {
    "b": layout.Entry("U8", (3,)),
    "a": layout.Entry("I16", (0, 2)),
    "d": layout.Entry("F64", ()),
    "c": layout.Entry("I16", (2, 2)),
}


def test_larger_items_come_first_and_then_names() -> None:
    places = {"d": (0, 8), "a": (8, 8), "c": (8, 16), "b": (16, 19)}
    assert list(layout.spans(ENTRIES).items()) == list(places.items())


def test_a_header_comes_back() -> None:
    raw = layout.encode_header(ENTRIES, 'any "text"', "ab" * 32)
    assert len(raw) % 8 == 0
    header = layout.read_header(PATH, raw, len(raw) + 19)
    assert (header.raw, header.text, header.digest) == (raw, 'any "text"', "ab" * 32)
    assert header.data_size == 19
    assert header.blank == layout.encode_header(ENTRIES, 'any "text"', layout.BLANK)
    assert layout.read_entries(PATH, header) == ENTRIES


def test_the_digest_is_blanked_in_its_own_place_alone() -> None:
    digest = "0123456789abcdef" * 4
    text = f'{{"x":"sha256","sha256":"{digest}"}}'
    raw = layout.encode_header({}, text, digest)
    blank = layout.read_header(PATH, raw, len(raw)).blank
    assert blank == layout.encode_header({}, text, layout.BLANK)


def test_K01_the_size_of_the_file_is_checked_before_the_data_is_read() -> None:
    content = forge(lambda header: None)
    for size in range(1, len(content)):
        error = refusal(content[:size])
        assert error.fault == "K01"
        assert f"the file is {size} of " in str(error)
    assert refusal(content + b"x").fault == "K01"
    assert refusal(b"").fault == "K21"


# Other kinds of file.


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.ones(3))
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    return buffer.getvalue()


def empty_zip() -> bytes:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").close()
    return buffer.getvalue()


OTHER_KINDS = {
    "npz": (npz(), "zip archive"),
    "empty zip": (empty_zip(), "zip archive"),
    "npy": (npy(), "NumPy .npy"),
    "pickle 2": (pickle.dumps({"weight": [1.0] * 9}, 2), "pickle"),
    "pickle 4": (pickle.dumps({"weight": [1.0] * 9}, 4), "pickle"),
    "html": (b"<!DOCTYPE html>\n<html><body>Not found</body></html>", "HTML"),
    "html after space": (b"\n  <html><body>Log in</body></html>", "HTML"),
    "LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "git lfs pull"),
    "gzip": (b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0", "gzip"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0", "HDF5"),
    "text": (b"step,loss\n1,0.5\n2,0.4\n", "no checkpoint"),
    "zeros": (bytes(64), "no checkpoint"),
    "plain safetensors": (
        b'\x38\0\0\0\0\0\0\0{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}       ',
        "not a dgrad checkpoint: it has no dgrad metadata",
    ),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_K04_another_kind_of_file_is_named(kind: str) -> None:
    content, message = OTHER_KINDS[kind]
    error = refusal(content)
    assert error.fault == "K04"
    assert message in str(error)


# Headers that dgrad would not write.


@pytest.mark.parametrize("length", [0, 7, (16 << 20) + 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_K06_header_length(length: int) -> None:
    error = refusal(struct.pack("<Q", length) + forge(lambda header: None)[8:])
    assert error.fault == "K06"
    assert f"claims {length:,} bytes" in str(error)


def test_K06_header_longer_than_the_file() -> None:
    error = refusal(struct.pack("<Q", 16 << 20) + forge(lambda header: None)[8:])
    assert error.fault == "K01"


BROKEN_HEADERS = {
    "deep list": '{"a":' + "[" * 100_000,
    "deep map": '{"a":' * 100_000,
    "5000 digits": '{"a":' + "1" * 5000 + "}",
    "NaN": '{"a":NaN}',
    "Infinity": '{"a":[-Infinity]}',
    "repeated key": '{"a":1,"a":1}',
    "repeated key inside": '{"a":{"b":1,"b":1}}',
    "not ASCII": '{"ü":1}',
    "no end": '{"a":1',
    "two values": "{}{}",
    "control character": '{"a\n":1}',
}


@pytest.mark.parametrize("case", BROKEN_HEADERS)
def test_K07_header_is_not_strict_json(case: str) -> None:
    error = refusal(assemble(BROKEN_HEADERS[case], b""))
    assert error.fault == "K07"
    assert ("an integer of 5000 digits" in str(error)) == (case == "5000 digits")


@pytest.mark.parametrize("digest", [None, 1, "", "0" * 63, "A" * 64, "\u00fc" * 64])
def test_K02_no_digest(digest: object) -> None:
    content = forge(lambda header: header["__metadata__"].update(sha256=digest))
    error = refusal(content)
    assert error.fault == "K02"
    assert "states no sha256" in str(error)


def test_K07_only_the_canonical_form_is_accepted() -> None:
    content = forge(lambda header: None)
    assert read(content) == {"w": layout.Entry("F32", (2,))}
    header = json.loads(content[8:-8])
    assert content == assemble(compact(header))
    for text in (
        compact(header) + " " * 8,
        compact(header).replace('"shape":', '"shape": '),
        compact(header).replace('"w"', '"\\u0077"'),
        json.dumps(dict(sorted(header.items(), reverse=True)), separators=(",", ":")),
        compact({**header, "w": {**header["w"], "more": 1}}),
        compact({**header, "__metadata__": {**header["__metadata__"], "more": "x"}}),
    ):
        assert refusal(assemble(text)).fault == "K07"


OFFSETS: dict[str, list[Any]] = {
    "hole at the start": [[8, 16], [16, 24]],
    "hole": [[0, 8], [16, 24]],
    "overlap": [[0, 8], [4, 12]],
    "same place": [[0, 8], [0, 8]],
    "swapped": [[8, 16], [0, 8]],
    "reversed": [[8, 0], [8, 16]],
    "too short": [[0, 8], [8, 12]],
    "negative": [[-8, 0], [0, 8]],
    "float": [[0.0, 8], [8, 16]],
    "bool": [[False, 8], [8, 16]],
    "three": [[0, 8, 8], [8, 16]],
    "none": [None, [0, 8]],
    "text": ["08", [0, 8]],
    "map": [{}, [0, 8]],
}


@pytest.mark.parametrize("case", OFFSETS)
def test_K08_offsets(case: str) -> None:
    first, second = OFFSETS[case]
    numbers = [int(number) for pair in (first, second) if isinstance(pair, list) for number in pair]

    def edit(header: dict[str, Any]) -> None:
        header["w"]["data_offsets"] = first
        header["x"] = {"dtype": "F32", "shape": [2], "data_offsets": second}

    error = refusal(forge(edit, bytes(max(numbers))))
    assert error.fault == "K08"


@pytest.mark.parametrize("entry", [None, 1, [], "F32", {}, {"dtype": "F32", "shape": [2]}])
def test_K08_an_entry_that_is_none(entry: object) -> None:
    error = refusal(forge(lambda header: header.update(w=entry)))
    assert error.fault == "K08"


@pytest.mark.parametrize(
    "shape",
    [
        [2**40, 0], [0, 2**62, 2**62], [1] * 100, [2**64, 0], [-2], [-1, -2], [2.0], [True, 2],
        None, 2, "2", [[2]], [10**300, 0],
    ],
    ids=lambda shape: str(shape)[:20],
)  # fmt: skip
def test_K09_shapes(shape: object) -> None:
    def edit(header: dict[str, Any]) -> None:
        header["w"]["shape"] = shape
        header["w"]["data_offsets"] = [0, 0]

    assert refusal(forge(edit, b"")).fault == "K09"


def test_K09_a_shape_that_does_not_match_its_bytes() -> None:
    assert refusal(forge(lambda h: h["w"].update(shape=[3]))).fault == "K08"


DTYPES = ["BF16", "F8_E4M3", "F8_E5M2", "C64", "f32", "", "x" * 10**6, "\x1b[31m", None, 4, ["F32"]]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: ascii(dtype)[:20])
def test_K10_other_dtypes_list_the_supported_ones(dtype: object) -> None:
    error = refusal(forge(lambda header: header["w"].update(dtype=dtype)))
    assert error.fault == "K10"
    assert "F64, F32, F16, I64" in str(error)
    assert "\x1b" not in str(error)


NAMES = ["", "../../x", "/x", "a b", "a\0", "\x1b[31m", "ü", "a\n", "x" * 201, "x" * 10**6, "a/b"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_K11_names(name: str) -> None:
    error = refusal(forge(lambda header: header.update({name: header.pop("w")})))
    assert error.fault == "K11"
    assert "\x1b" not in str(error)
    for bad in (name, "__metadata__", 3):
        with pytest.raises(CheckpointError) as info:
            layout.check_name(PATH, bad)
        assert info.value.fault == "K11"
    for good in ("x" * 200, "A-Z_a.z-09", "sha256"):
        layout.check_name(PATH, good)
