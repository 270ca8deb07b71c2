"""The directory of one run: `runs/NAME/001`, its logs, and its checkpoints with their rotation."""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dgrad.errors import CheckpointError, RunDirectoryError
from dgrad.train import checkpoint
from dgrad.train.files import (
    TEMPORARY_SUFFIX,
    AppendLog,
    Lock,
    make_directory,
    remove,
    sync_directory,
    write_atomic,
)

__all__ = ["RUN_NAME_RULE", "RunDirectory", "find_checkpoint", "is_run_name", "strict_json"]

RUN_NAME_RULE = (
    "1 to 100 of the characters A-Z a-z 0-9 . _ -, not starting with a dot, "
    "and no Windows device name"
)
"""What `is_run_name` asks for, in words."""

_RUN_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}")
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_STEP_FILE = re.compile(r"step-[0-9]{9}\.safetensors")
_POINTER = re.compile(r"(step-[0-9]{9}\.safetensors) ([0-9a-f]{64})\n")


def is_run_name(name: str) -> bool:
    """Whether `name` is a plain file name on every system, as RUN_NAME_RULE says."""
    return bool(_RUN_NAME.fullmatch(name)) and not _DEVICES.fullmatch(name)


class RunDirectory:
    """A new run directory, locked for this process until `close`.

    metrics, timing, log: `AppendLog`s of metrics.jsonl, timing.jsonl and log.txt.
    keep: how many of the newest checkpoints stay, at least 1; the best one stays besides.
    """

    def __init__(self, path: Path, lock: Lock, keep: int) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.keep = keep
        self._lock = lock
        self._best: set[str] = set()  # two after a failed save: either may be what `best` names
        make_directory(self.checkpoints)
        self.metrics = AppendLog(path / "metrics.jsonl")
        self.timing = AppendLog(path / "timing.jsonl")
        self.log = AppendLog(path / "log.txt")

    @classmethod
    def create(cls, root: Path, name: str, *, keep: int = 3) -> RunDirectory:
        """Make `root/name/001`, or the next free number; an existing directory is never touched.

        Raises RunDirectoryError C20 for a name that is no plain file name or leads out of `root`,
        T20 if it cannot be created; ResourceError.
        """
        if not is_run_name(name):
            raise RunDirectoryError(
                f"bad run name {ascii(name)[:120]}: expected {RUN_NAME_RULE}", fault="C20"
            )
        family = Path(root) / name
        if not family.resolve().is_relative_to(Path(root).resolve()):
            raise RunDirectoryError(
                f"{family} is a link to {family.resolve()}, outside {root}; choose another "
                "run name, or give that place with --run-dir.",
                fault="C20",
            )
        make_directory(family)
        number = max(_numbers(family), default=0) + 1
        while not make_directory(family / f"{number:03d}"):
            number += 1
        return cls._locked(family / f"{number:03d}", keep)

    @classmethod
    def create_at(cls, path: Path, *, keep: int = 3) -> RunDirectory:
        """Use exactly `path`, which must not exist yet or be an empty directory.

        Raises RunDirectoryError L09 if something is there, T21 if a run is at work in it, T20 if
        it cannot be created; ResourceError.
        """
        path = Path(path)
        if not make_directory(path) and ".lock" not in _entries(path):
            _check_unused(path)
        return cls._locked(path, keep)

    @classmethod
    def _locked(cls, path: Path, keep: int) -> RunDirectory:
        lock = Lock(path / ".lock", lambda: _check_unused(path))  # no other run can fill it now
        try:
            return cls(path, lock, keep)
        except BaseException:
            lock.release()
            raise

    def write_text(self, name: str, text: str) -> None:
        """Write the file `name` of this directory, atomically, as UTF-8."""
        write_atomic(self.path / name, [text.encode("utf-8", "backslashreplace")])

    def write_arrays(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Write an .npz file, atomically; equal arrays give equal bytes.

        Raises ValueError for arrays of objects: they would need a pickle.
        """
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for key, array in arrays.items():
                # A ZipInfo made from a name alone has a fixed date.
                with archive.open(zipfile.ZipInfo(f"{key}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
        write_atomic(self.path / name, [buffer.getbuffer()])

    def log_metrics(self, record: Mapping[str, Any]) -> None:
        """Add `record` to metrics.jsonl as one line of `strict_json`."""
        self.metrics.append(strict_json(record))

    def log_timing(self, record: Mapping[str, Any]) -> None:
        """Add `record` to timing.jsonl as one line of `strict_json`."""
        self.timing.append(strict_json(record))

    def save_checkpoint(
        self,
        step: int,
        tensors: Mapping[str, NDArray[Any]],
        metadata: Mapping[str, Any],
        *,
        best: bool = False,
    ) -> Path:
        """Write `checkpoints/step-NNNNNNNNN.safetensors`, point to it, then drop old ones.

        On return the checkpoint, `latest` (and `best`) and the metrics before them are durable.
        If it raises, the checkpoints that were there before are still there.
        Raises what `checkpoint.save` raises.
        """
        name = f"step-{step:09d}.safetensors"
        if not _STEP_FILE.fullmatch(name):
            raise CheckpointError(f"step {step} is not between 0 and 999999999")
        self.metrics.sync()  # metadata may state how far the log reaches
        # The content of each file is synced before its rename. The renames are synced together:
        # file systems keep their order, so a power cut loses the last ones, and no pointer is
        # there before its checkpoint. Only when all are on the disk are old checkpoints deleted.
        digest = checkpoint.save(self.checkpoints / name, tensors, metadata, sync=False)
        pointer = [f"{name} {digest}\n".encode("ascii")]
        write_atomic(self.checkpoints / "latest", pointer, sync=False)
        if best or name in self._best:
            self._best.add(name)
            write_atomic(self.checkpoints / "best", pointer, sync=False)
        sync_directory(self.checkpoints)
        if name in self._best:
            self._best = {name}
        self._rotate(name)
        return self.checkpoints / name

    def _rotate(self, saved: str) -> None:
        names = _entries(self.checkpoints)
        steps = sorted(name for name in names if _STEP_FILE.fullmatch(name))
        kept = {saved, *self._best, *steps[-self.keep :]}
        left_over = [name for name in names if name.endswith(TEMPORARY_SUFFIX)]  # by a killed save
        for name in [*left_over, *steps]:
            if name not in kept:
                remove(self.checkpoints / name)

    def close(self) -> None:
        """Close the logs and let others have the directory; a second call does nothing."""
        for log in (self.metrics, self.timing, self.log):
            log.close()
        self._lock.release()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def find_checkpoint(path: Path, which: Literal["best", "latest"] = "best") -> Path:
    """The checkpoint file that `path` means.

    path: a checkpoint file, its `best` or `latest`, a run directory, or `root/name`, of which the
    run with the highest number that has checkpoints is taken. Without a `best`, the latest is
    meant. `best` and `latest` are believed only if they hold the bare name of a step file beside
    them and the digest which that file states.

    Raises CheckpointError K21, saying what is there and what to do.
    """
    path = Path(path)
    if path.name in ("best", "latest") and path.is_file():
        return _follow(path.parent, path.name)
    if not path.is_dir():
        checkpoint.open_regular(path).close()
        return path
    runs = [path / f"{number:03d}" for number in sorted(_numbers(path), reverse=True)]
    for run in (path, *runs):
        folder = run / "checkpoints"
        if folder.is_dir() and any(map(_STEP_FILE.fullmatch, _entries(folder))):
            return _follow(folder, which)
    raise CheckpointError(
        f"{path.absolute()} holds no run with a checkpoint; it holds {_listing(path)}. Give a "
        "run directory such as runs/NAME/001, or a checkpoint file.",
        fault="K21",
    )


def _follow(folder: Path, which: str) -> Path:
    """The step file that the pointer `which` of `folder` names."""
    names = _entries(folder)
    if which == "best" and which not in names:
        which = "latest"  # no evaluation gave a number to be the best
    if which not in names:
        problem = "is missing"
    else:
        with checkpoint.open_regular(folder / which) as file:
            found = _POINTER.fullmatch(file.read(200).decode("latin-1"))
        if found is None:
            problem = "does not hold the name of a step file and its digest"
        elif not (folder / found[1]).exists():
            problem = f"names {found[1]}, which is not there"
        elif checkpoint.recorded_digest(folder / found[1]) != found[2]:
            problem = f"was written for another {found[1]}: the digests differ"
        else:
            return folder / found[1]
    raise CheckpointError(
        f"{folder.absolute() / which} {problem}. The folder holds {_listing(folder)}; give one "
        "of its step files by name.",
        fault="K21",
    )


def strict_json(record: Mapping[str, Any]) -> str:
    """`record` as one line of strict JSON, keys in the given order.

    NumPy numbers and arrays become plain ones. A number that is not finite becomes null, and the
    key `<key>_reason` beside it says which: "nan", "inf" or "-inf", or why in words if it knows.
    """
    return json.dumps(_strict_map(record), allow_nan=False)


def _strict_map(record: Mapping[str, Any]) -> dict[str, Any]:
    result = {}
    for key, value in record.items():
        reasons: list[str] = []
        result[key] = _strict(value, reasons)
        if reasons:
            result[f"{key}_reason"] = reasons[0]
    return result


def _strict(value: Any, reasons: list[str]) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return _strict_map(value)
    if isinstance(value, list | tuple):
        return [_strict(item, reasons) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        reasons.append(getattr(value, "reason", str(value)))
        return None
    return value


def _check_unused(path: Path) -> None:
    if any(entry != ".lock" for entry in _entries(path)):
        raise RunDirectoryError(
            f"{path.absolute()} exists already and is not empty; runs are never merged or "
            "overwritten. Choose another --run-dir.",
            fault="L09",
        )


def _entries(path: Path) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        raise RunDirectoryError(
            f"cannot use {path.absolute()} as a directory: {error.strerror}. Choose another path."
        ) from error


def _numbers(family: Path) -> list[int]:
    return [int(name) for name in _entries(family) if re.fullmatch(r"[0-9]{3,9}", name)]


def _listing(folder: Path) -> str:
    names = [ascii(name)[1:-1][:60] for name in _entries(folder)]
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return (", ".join(names[-10:]) or "nothing") + more
