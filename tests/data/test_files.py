"""read_source: one safe read of one file, plain or gzip."""

import gzip
import hashlib
import os
import tracemalloc

import pytest

from dgrad.data import read_source
from dgrad.errors import DataError

TEXT = b"a,b\n1,2\n3,4\n"


def refused(path, fault, pattern, limit=1000, declared=None):
    with pytest.raises(DataError, match=pattern) as caught:
        read_source(path, limit=limit, declared=declared)
    assert caught.value.fault == fault
    assert caught.value.exit_code == 3
    return caught.value.message


def packed(content, **options):
    return gzip.compress(content, mtime=0, **options)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "A.CSV.GZ"])
def test_content_and_fingerprint_come_from_the_same_bytes(tmp_path, name):
    raw = packed(TEXT) if name.lower().endswith(".gz") else TEXT
    (tmp_path / name).write_bytes(raw)
    content, source = read_source(tmp_path / name, limit=len(TEXT) + 100)
    assert content == TEXT
    assert source.path == str(tmp_path / name)
    assert (source.size, source.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())


def test_a_gzip_file_of_several_members_is_read_to_its_end(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(packed(b"one ") + packed(b"") + packed(b"two"))
    assert read_source(path, limit=1000, declared=lambda head: 7)[0] == b"one two"


def test_D01_a_missing_file_is_named_absolutely_with_a_likely_name(tmp_path, monkeypatch):
    (tmp_path / "digits.csv").write_bytes(TEXT)
    monkeypatch.chdir(tmp_path)
    message = refused("digit.csv", "D01", "no such file")
    assert str(tmp_path / "digit.csv") in message
    assert f"relative to {tmp_path}" in message
    assert "did you mean 'digits.csv'" in message
    refused(tmp_path / "gone" / "a.csv", "D01", f"its folder {tmp_path / 'gone'} cannot be listed")


def test_D01_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path):
    refused(tmp_path, "D01", "found a folder")
    refused(tmp_path / "a\0b", "D01", "cannot be read")
    refused(tmp_path / ("x" * 300), "D01", "cannot be read")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path / "pipe", "D01", "a pipe, socket or device")
        refused("/dev/zero", "D01", "a pipe, socket or device")


def test_D14_gzip_truncated_at_any_byte_is_refused(tmp_path):
    path, raw = tmp_path / "a.gz", packed(TEXT * 20)
    for size in range(1, len(raw)):
        path.write_bytes(raw[:size])
        refused(path, "D14", "truncated")


def test_D14_an_empty_gzip_file_is_refused(tmp_path):
    (tmp_path / "a.gz").write_bytes(b"")
    refused(tmp_path / "a.gz", "D14", "empty")


def test_D15_a_flipped_bit_never_changes_the_content_silently(tmp_path):
    path, raw = tmp_path / "a.gz", packed(TEXT * 5)
    faults = []
    for bit in range(8 * len(raw)):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert read_source(path, limit=1000)[0] == TEXT * 5
        except DataError as error:
            faults.append(error.fault)
    assert set(faults) <= {"D14", "D15", "D16"}
    assert len(faults) >= 8 * (len(raw) - 10)  # all but some of the 10-byte gzip header


@pytest.mark.parametrize("junk", [b"\0", b"\0" * 512, b"junk", b"\x1f\x8bjunkjunkjunk"])
def test_D15_bytes_after_the_gzip_data_are_refused(tmp_path, junk):
    (tmp_path / "a.gz").write_bytes(packed(TEXT) + junk)
    refused(tmp_path / "a.gz", "D15", "follow the gzip data|damaged")


def test_D15_a_plain_file_named_gz_is_told_apart(tmp_path):
    (tmp_path / "a.gz").write_bytes(TEXT)
    refused(tmp_path / "a.gz", "D15", r"61 2c 62 0a, which is not gzip; .*remove \.gz")


def test_D16_a_gzip_bomb_stops_one_byte_after_the_declared_size(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(packed(bytes(2**24)) * 64)  # 1 GiB from 1 MB
    tracemalloc.start()
    refused(path, "D16", "more than the 5,000 bytes", limit=2**31, declared=lambda head: 5000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_D16_the_limit_is_the_last_size_accepted(tmp_path):
    for name, raw in (("a.csv", TEXT), ("a.gz", packed(TEXT))):
        (tmp_path / name).write_bytes(raw)
    assert read_source(tmp_path / "a.csv", limit=12)[0] == TEXT
    refused(tmp_path / "a.csv", "D16", "has 12 bytes, at most 11", limit=11)
    (tmp_path / "b.gz").write_bytes(packed(bytes(100)))
    assert len(read_source(tmp_path / "b.gz", limit=100)[0]) == 100
    refused(tmp_path / "b.gz", "D16", "more than the 99 bytes", limit=99)


def test_declared_is_told_the_start_of_the_unpacked_content(tmp_path):
    (tmp_path / "a.gz").write_bytes(packed(bytes(range(256)) * 40))
    heads = []
    read_source(tmp_path / "a.gz", limit=2**20, declared=lambda head: heads.append(head) or 2**20)
    assert heads[0][:4096] == bytes(range(256)) * 16


@pytest.mark.parametrize("change", [-1, 1])
def test_D24_a_file_that_changes_during_the_read_is_refused(tmp_path, monkeypatch, change):
    (tmp_path / "a.csv").write_bytes(TEXT)
    fstat = os.fstat

    def earlier(descriptor):
        fields = list(fstat(descriptor))
        fields[6] += change  # st_size
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", earlier)
    refused(tmp_path / "a.csv", "D24", "changed while it was read")
