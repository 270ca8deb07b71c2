"""Checkpoint files: what goes in comes back, and whatever is wrong is said before it is used."""

from __future__ import annotations

import ast
import errno
import hashlib
import io
import json
import os
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad.errors import CheckpointError, ResourceError
from dgrad.train import checkpoint, layout
from dgrad.train.checkpoint import load, recorded_digest, save

METADATA = {"step": 400, "loss": 0.1, "classes": ["a", "ü"], "config": {"seed": 2**64 - 1}}
TENSORS = {
    "layers.0.weight": np.arange(192, dtype=np.float32).reshape(16, 12) / 7,
    "layers.0.bias": np.array([-0.0, np.nan, np.inf, 5e-324]),
    "mask": np.array([True, False, True]),
    "count": np.array(7, dtype=np.int64),
    "slot.momentum": np.linspace(-1, 1, 50, dtype=np.float16),
    "slot.step": np.arange(5, dtype=np.uint32),
    "none": np.zeros((0, 3), np.float16),
}
# A file of format 1, kept for ever: the float32 array [1, 2] and the byte 9.
GOLDEN = (
    b"\x18\1\0\0\0\0\0\0"
    b'{"__metadata__":{"dgrad":"{\\"format\\":1,\\"metadata\\":{\\"k\\":[0.5,null]},'
    b'\\"needs\\":\\"0.1.0\\"}","sha256":'
    b'"6954c190824051decc7e41e80212383b6e1e6325756f3164a4ab85eb16b91a33"},'
    b'"a":{"data_offsets":[8,9],"dtype":"U8","shape":[]},'
    b'"b":{"data_offsets":[0,8],"dtype":"F32","shape":[2]}}     '
    b"\0\0\x80?\0\0\0@\t"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A valid checkpoint."""
    save(tmp_path / "c.safetensors", TENSORS, METADATA)
    return tmp_path / "c.safetensors"


def refusal(path: Path, content: bytes | None = None) -> CheckpointError:
    """The error that loading `path` gives, once it holds `content`."""
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError) as info:
        load(path)
    assert str(path) in str(info.value)
    assert len(str(info.value)) < 600 + len(str(path))
    return info.value


def equal(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> bool:
    """Same shape, same dtype but for byte order, same bits."""
    native = [np.asarray(a).astype(a.dtype.newbyteorder("="), order="C") for a in (first, second)]
    return (
        native[0].shape == native[1].shape
        and native[0].dtype == native[1].dtype
        and native[0].tobytes() == native[1].tobytes()
    )


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a checkpoint."""
    end = 8 + struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:end]), content[end:]


def sign(text: str, data: bytes) -> bytes:
    """A file with this header text and data whose length and digest are right (K25)."""
    text += " " * (-len(text) % 8)
    text = re.sub(r'"sha256":"[0-9a-f]{64}"', f'"sha256":"{"0" * 64}"', text)
    blank = struct.pack("<Q", len(text)) + text.encode() + data
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode(), 1)


def compact(header: dict[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, separators=(",", ":"))


def forge(edit: Callable[[dict[str, Any]], Any], data: bytes = bytes(8)) -> bytes:
    """A well-signed file with one F32 tensor `w` of shape [2], its header changed by `edit`."""
    header: dict[str, Any] = {
        "__metadata__": {
            "dgrad": compact({"format": 1, "metadata": {}, "needs": "0.1.0"}),
            "sha256": "0" * 64,
        },
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
    }
    edit(header)
    return sign(compact(header), data)


# What goes in comes back.


def test_round_trip(path: Path) -> None:
    loaded = load(path)
    assert loaded.metadata == METADATA
    assert loaded.path == path
    assert sorted(loaded.tensors) == sorted(TENSORS)
    for name, array in loaded.tensors.items():
        assert equal(array, TENSORS[name]), name
        assert array.flags.writeable
        assert array.flags.aligned
        assert array.dtype.isnative


def test_the_digest_covers_the_file_with_its_own_place_zeroed(path: Path) -> None:
    digest = save(path, TENSORS, METADATA)
    content = path.read_bytes()
    blank = content.replace(digest.encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == digest
    assert load(path).sha256 == recorded_digest(path) == digest


def test_equal_content_gives_equal_bytes(path: Path) -> None:
    before = path.read_bytes()
    turned = dict(reversed(TENSORS.items()))
    save(path, turned, dict(reversed(METADATA.items())))
    assert path.read_bytes() == before


def test_K05_a_file_of_format_1_loads_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "golden"
    path.write_bytes(GOLDEN)
    loaded = load(path)
    assert loaded.metadata == {"k": [0.5, None]}
    assert equal(loaded.tensors["a"], np.array(9, np.uint8))
    assert equal(loaded.tensors["b"], np.array([1, 2], np.float32))
    save(path, loaded.tensors, loaded.metadata)
    assert path.read_bytes() == GOLDEN


def test_no_tensors_and_no_metadata(tmp_path: Path) -> None:
    save(tmp_path / "c", {}, {})
    assert load(tmp_path / "c").tensors == {}
    assert load(tmp_path / "c").metadata == {}


def locked(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array.flags.writeable = False
    return array


LAYOUTS = {
    "transposed": np.arange(12.0).reshape(3, 4).T,
    "strided": np.arange(20, dtype=np.int32)[::3],
    "reversed": np.arange(5.0)[::-1],
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "broadcast": np.broadcast_to(np.float32(3), (2, 3)),
    "big endian": np.arange(4, dtype=">f8"),
    "big endian 0-d": np.array(258, dtype=">u2"),
    "big endian transposed": np.arange(6, dtype=">i4").reshape(2, 3).T,
    "0-d": np.array(1.5),
    "scalar": np.float32(1.5),
    "read-only": locked(np.arange(3)),
    "empty": np.zeros((2, 0, 3)),
    "empty strided": np.zeros((4, 4))[:0, ::2],
    "unaligned": np.frombuffer(bytes(range(17)), "<f8", 2, 1),
    "slice of bools": np.array([[True, False], [False, True]])[:, 1],
    "axis of one": np.arange(6.0).reshape(3, 1, 2)[::2],
    "64 axes": np.ones((1,) * 64),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_K18_every_memory_layout_comes_back_equal(layout: str, tmp_path: Path) -> None:
    array = LAYOUTS[layout]
    before = array.tobytes()
    save(tmp_path / "c", {"x": array, "other": np.arange(3)}, {})  # type: ignore[dict-item]
    loaded = load(tmp_path / "c").tensors
    assert equal(loaded["x"], array)
    assert equal(loaded["other"], np.arange(3))
    assert array.tobytes() == before


@pytest.mark.parametrize("code", layout.DTYPES)
def test_every_dtype_comes_back(code: str, tmp_path: Path) -> None:
    array = np.arange(6).reshape(2, 3).astype(layout.DTYPES[code])
    save(tmp_path / "c", {"x": array}, {})
    assert equal(load(tmp_path / "c").tensors["x"], array)
    assert parts((tmp_path / "c").read_bytes())[0]["x"]["dtype"] == code


VALUES = [
    0, -1, 2**64 - 1, 2**128, 10**308 - 1, True, False, None, "", "ü\u4e2d\U0001f600", "\ud800",
    '"sha256":"', "\x1b[31m\0\n", 0.1, -0.0, 1e22, 1.0, 5e-324, 1.7976931348623157e308, 1 / 3,
    [], {}, [[1, [2.0, None]], {"": {"a b": "c"}}],
]  # fmt: skip


def test_metadata_comes_back_bit_for_bit(tmp_path: Path) -> None:
    def exact(value: object) -> str:
        return repr(value)  # tells True from 1, 1 from 1.0 and -0.0 from 0.0

    metadata = {"values": VALUES, **{f"v{index}": value for index, value in enumerate(VALUES)}}
    save(tmp_path / "c", {}, metadata)
    assert exact(load(tmp_path / "c").metadata["values"]) == exact(VALUES)
    assert load(tmp_path / "c").metadata == metadata
    save(tmp_path / "c", {}, {"x": np.float64(0.1)})
    assert exact(load(tmp_path / "c").metadata) == "{'x': 0.1}"


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


REFUSED = {
    "nan": (float("nan"), "metadata.a is nan"),
    "nested inf": ({"b": [0, float("-inf")]}, r"metadata.a.b\[1\] is -inf"),
    "numpy nan": (np.float64("nan"), "metadata.a is nan"),
    "tuple": ((1, 2), "a tuple"),
    "set": ({1}, "a set"),
    "bytes": (b"x", "a bytes"),
    "float32": (np.float32(1), "a float32"),
    "array": (np.ones(2), "a ndarray"),
    "key": ({1: 2}, "key that is not a string"),
    "digits": (10**308, "more than 308 digits"),
    "depth": (deep(64), "levels deep"),
    "depth 100000": (deep(100_000), "levels deep"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_metadata_that_would_not_come_back_is_refused(case: str, path: Path) -> None:
    value, message = REFUSED[case]
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        save(path, {}, {"a": value})
    assert path.read_bytes() == before
    save(path, {}, {"a": deep(63)})
    assert load(path).metadata == {"a": deep(63)}


def test_metadata_that_is_too_large_is_refused(path: Path) -> None:
    with pytest.raises(CheckpointError, match="Keep large values as tensors"):
        save(path, {}, {"a": "x" * (16 << 20)})
    assert load(path).metadata == METADATA


def test_contiguous_arrays_are_not_copied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.zeros(1000)
    written: list[Any] = []
    monkeypatch.setattr(
        checkpoint, "write_atomic", lambda path, chunks, sync: written.extend(chunks)
    )
    save(path, {"x": array}, {})
    assert np.shares_memory(np.asarray(written[1]), array)


# Damage.


def test_K01_truncated_at_every_byte(path: Path) -> None:
    content = path.read_bytes()
    assert 1500 < len(content) < 3000
    for size in range(len(content) - 1, -1, -1):
        os.truncate(path, size)
        error = refusal(path)
        if size == 0:
            assert error.fault == "K21"
            assert "is empty" in str(error)
        else:
            assert error.fault == "K01"
            assert f"the file is {size} of " in str(error)
    text = str(refusal(path, content[:-1]))
    assert f"is damaged: the file is {len(content) - 1} of {len(content)} bytes. Copy" in text


@pytest.mark.parametrize("extra", [b"\0", b" ", b"}", bytes(4096)])
def test_K01_garbage_appended(extra: bytes, path: Path) -> None:
    size = path.stat().st_size
    error = refusal(path, path.read_bytes() + extra)
    assert error.fault == "K01"
    assert f"the file is {size + len(extra)} bytes, {len(extra)} more than {size}" in str(error)


def test_K02_every_bit_flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    data_starts = len(content) - len(parts(bytes(content))[1])
    descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0))
    for position in range(len(content)):
        for bit in range(8):
            os.lseek(descriptor, position, os.SEEK_SET)
            os.write(descriptor, bytes([content[position] ^ 1 << bit]))
            error = refusal(path)
            assert "damaged" in str(error), (position, bit, str(error))
            if position >= data_starts:
                assert error.fault == "K02"
                assert "digest mismatch" in str(error)
        os.lseek(descriptor, position, os.SEEK_SET)
        os.write(descriptor, content[position : position + 1])
    os.close(descriptor)
    load(path)


def test_K03_blocks_zeroed_or_swapped(tmp_path: Path) -> None:
    path = tmp_path / "c"
    random = np.random.default_rng(0)
    save(path, {"x": random.standard_normal(4000)}, METADATA)
    content = path.read_bytes()
    for _ in range(300):
        size = int(random.integers(1, 4096))
        first, second = sorted(random.integers(0, len(content) - size, 2))
        zeroed = content[:first] + bytes(size) + content[first + size :]
        second = max(second, first + size)
        block, other = content[first : first + size], content[second : second + size]
        swapped = bytearray(content)
        swapped[first : first + len(other)] = other
        swapped[second : second + len(other)] = block[: len(other)]
        for damaged in (zeroed, bytes(swapped)):
            if damaged != content:
                assert "damaged" in str(refusal(path, damaged))


# Other files.


class Canary:
    """Its pickle creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def test_K12_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        canary = Canary(tmp_path / "canary")
        refusal(tmp_path / "c", pickle.dumps(canary, protocol))
        refusal(tmp_path / "c", pickle.dumps([canary, "x" * 99], protocol))
    assert not (tmp_path / "canary").exists()
    for module in (checkpoint, layout):
        tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert not {"pickle", "eval", "exec"} & names


@pytest.mark.parametrize("what", ["directory", "missing", "missing/c", "nul\0", "fifo"])
def test_K21_not_a_file(what: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    if what == "fifo":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no named pipes here")
        os.mkfifo(tmp_path / what)
    error = refusal(tmp_path / what)
    assert error.fault == "K21"
    with pytest.raises(CheckpointError):
        recorded_digest(tmp_path / what)


# Well-signed files that dgrad would not write.


def newer(header: dict[str, Any]) -> None:
    text = compact({"format": 2, "needs": "0.9.1", "other": 1})
    header["__metadata__"]["dgrad"] = text
    header["w"] = {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}


def test_K05_a_newer_format_names_the_dgrad_it_needs(tmp_path: Path) -> None:
    error = refusal(tmp_path / "c", forge(newer))
    assert error.fault == "K05"
    assert "format 2" in str(error)
    assert "needs a newer dgrad" in str(error)
    assert ">= 0.9.1" in str(error)


INNER = {
    "not JSON": "{",
    "list": "[1]",
    "deep": '{"format":1,"metadata":' + "[" * 50_000,
    "no format": compact({"metadata": {}, "needs": "0.1.0"}),
    "format true": compact({"format": True, "metadata": {}, "needs": "0.1.0"}),
    "format 0": compact({"format": 0, "metadata": {}, "needs": "0.1.0"}),
    "format text": compact({"format": "1", "metadata": {}, "needs": "0.1.0"}),
    "more keys": compact({"format": 1, "metadata": {}, "needs": "0.1.0", "x": 1}),
    "metadata list": compact({"format": 1, "metadata": [], "needs": "0.1.0"}),
    "spaces": '{"format": 1,"metadata":{},"needs":"0.1.0"}',
    "unsorted": '{"metadata":{},"format":1,"needs":"0.1.0"}',
    "huge float": '{"format":1,"metadata":{"x":1e400},"needs":"0.1.0"}',
    "other float": '{"format":1,"metadata":{"x":1.10},"needs":"0.1.0"}',
    "NaN": '{"format":1,"metadata":{"x":NaN},"needs":"0.1.0"}',
    "too deep": compact({"format": 1, "metadata": {"x": deep(64)}, "needs": "0.1.0"}),
    "digits": '{"format":1,"metadata":{"x":' + "9" * 5000 + '},"needs":"0.1.0"}',
}


@pytest.mark.parametrize("case", INNER)
def test_K07_metadata_is_not_as_written(case: str, tmp_path: Path) -> None:
    content = forge(lambda header: header["__metadata__"].update(dgrad=INNER[case]))
    assert refusal(tmp_path / "c", content).fault == "K07"


def test_K09_shapes_that_cannot_be_read_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as info:
        save(tmp_path / "c", {"x": np.empty((2**40, 0))}, {})
    assert info.value.fault == "K09"


@pytest.mark.parametrize("dtype", ["c16", "O", "U3", "S3", "M8[s]", "f4,f4", np.longdouble])
def test_K10_arrays_that_cannot_be_stored(dtype: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="supported are F64") as info:
        save(tmp_path / "c", {"x": np.zeros(2, dtype)}, {})
    assert info.value.fault == "K10"
    assert os.listdir(tmp_path) == []


def test_K10_something_that_is_no_array(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="'x' is a list, not an array"):
        save(tmp_path / "c", {"x": [1.0]}, {})  # type: ignore[dict-item]


def test_K10_bools_are_0_or_1(tmp_path: Path) -> None:
    def edit(header: dict[str, Any]) -> None:
        header["w"] = {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}

    assert refusal(tmp_path / "c", forge(edit, b"\0\2")).fault == "K10"
    (tmp_path / "c").write_bytes(forge(edit, b"\0\1"))
    assert load(tmp_path / "c").tensors["w"].tolist() == [False, True]


def test_K11_names(tmp_path: Path) -> None:
    path = tmp_path / "c"
    for bad in ("", "../../x", "a\n", "__metadata__", 3):
        with pytest.raises(CheckpointError) as info:
            save(path, {bad: np.ones(2)}, {})  # type: ignore[dict-item]
        assert info.value.fault == "K11"
    assert os.listdir(tmp_path) == []
    save(path, {"x" * 200: np.ones(2), "A-Z_a.z-09": np.ones(1), "sha256": np.ones(1)}, {})
    assert sorted(load(path).tensors) == ["A-Z_a.z-09", "sha256", "x" * 200]


def test_K22_a_file_replaced_while_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name == "nt":
        pytest.skip("an open file cannot be replaced here")
    other = path.with_name("other")
    save(other, {"x": np.ones(9)}, {})
    real, digest = checkpoint.open_regular, recorded_digest(path)

    def open_and_replace(name: Path) -> io.BufferedReader:
        file = real(name)
        os.replace(other, name)
        return file

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "open_regular", open_and_replace)
        loaded = load(path)
    assert loaded.sha256 == digest
    assert sorted(loaded.tensors) == sorted(TENSORS)
    assert list(load(path).tensors) == ["x"]


def test_K22_a_file_that_shrinks_while_it_is_read(path: Path) -> None:
    short = io.BufferedReader(io.BytesIO(b"1234"))
    with pytest.raises(CheckpointError, match="ended after 4 of 8 bytes") as info:
        checkpoint._read_data(short, 8, path)
    assert info.value.fault == "K01"


def test_K21_a_device_that_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.FileIO):
        def readinto(self, buffer: Any) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(checkpoint, "open_regular", lambda name: io.BufferedReader(Broken(name)))
    for read in (load, recorded_digest):
        with pytest.raises(CheckpointError, match=os.strerror(errno.EIO)) as info:
            read(path)
        assert info.value.fault == "K21"


def test_T31_too_large_for_the_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(size: int, dtype: object) -> None:
        raise MemoryError

    monkeypatch.setattr(checkpoint.np, "empty", empty)
    with pytest.raises(ResourceError, match=r"needs [\d,]+ bytes of memory"):
        load(path)


def test_a_damaged_checkpoint_ends_a_program_with_its_exit_code(path: Path) -> None:
    os.truncate(path, 500)
    assert refusal(path).exit_code == 4


# The package that defined the layout agrees.


def test_the_safetensors_package_reads_our_files(path: Path) -> None:
    safetensors = pytest.importorskip("safetensors", reason="the reference reader")
    numpy_side = pytest.importorskip("safetensors.numpy", reason="the reference reader")
    theirs = numpy_side.load_file(path)
    assert sorted(theirs) == sorted(TENSORS)
    for name, array in theirs.items():
        assert equal(array, TENSORS[name]), name
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["dgrad"])["metadata"] == METADATA
    assert metadata["sha256"] == recorded_digest(path)


def test_the_safetensors_package_lays_out_the_same_data(path: Path) -> None:
    numpy_side = pytest.importorskip("safetensors.numpy", reason="the reference writer")
    ours = path.read_bytes()
    theirs = numpy_side.save(TENSORS, parts(ours)[0]["__metadata__"])
    assert parts(theirs) == parts(ours)
    assert refusal(path, theirs).fault in ("K02", "K07")
    plain = refusal(path, numpy_side.save(TENSORS))
    assert plain.fault == "K04"
    assert "it has no dgrad metadata" in str(plain)
