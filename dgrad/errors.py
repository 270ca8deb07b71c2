"""The exceptions that dgrad raises, with the exit code each gives on the command line.

DgradError                       1   something is wrong; the message says what, where, what next
├── ConfigError                  2   the config or the command line; carries every Problem found
├── ParameterError (ValueError)  2   a component's argument is out of its range
├── UnknownNameError (KeyError)  2   no component of that name is registered
├── MissingExtraError            2   an optional package is not installed
├── DataError                    3   a data file, a label, a split
├── CheckpointError              4   a checkpoint is damaged or does not fit
├── DivergedError                5   the loss or a gradient stopped being finite
│   └── AnomalyError             5   the operation that made NaN or infinity, under detect_anomaly
├── WrongGradientError           6   a gradient check failed
├── RunDirectoryError            7   the run directory is busy or refused
├── ResourceError                8   disk or memory ran out
├── GraphError (RuntimeError)    1   the recorded graph cannot do what was asked
├── OpDefinitionError (TypeError) 1  an op or its rule is declared wrongly
├── UnsupportedError (TypeError) 1   a NumPy call has no differentiable op
├── ShapeError (ValueError)      2   array shapes do not fit together
└── DtypeError (TypeError)       2   an array has the wrong kind of numbers
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "AnomalyError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DgradError",
    "DivergedError",
    "DtypeError",
    "GraphError",
    "MissingExtraError",
    "OpDefinitionError",
    "ParameterError",
    "Problem",
    "ResourceError",
    "RunDirectoryError",
    "ShapeError",
    "UnknownNameError",
    "UnsupportedError",
    "WrongGradientError",
]


class DgradError(Exception):
    """Base of every error that dgrad raises on purpose.

    `fault` is the short id of the kind of fault (such as "C01"), shown as `error[C01]`.
    """

    exit_code = 1
    default_fault = "X00"

    def __init__(self, message: str, *, fault: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fault = fault or self.default_fault

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a config: its fault id, place and text.

    `file` is as the user gave it ("command line" for an override); `line` and `column` count from
    1, 0 when there is no position; `excerpt` is the source line, `width` the characters to mark.
    """

    fault: str
    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    excerpt: str = ""
    width: int = 1
    hint: str = ""


class ConfigError(DgradError):
    """The config cannot be used; `problems` holds everything that was found, in file order."""

    exit_code = 2
    default_fault = "C00"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(problem.message for problem in self.problems),
            fault=self.problems[0].fault if self.problems else None,
        )


class ParameterError(DgradError, ValueError):
    """An argument of a component is out of range: `parameter` names it."""

    exit_code = 2
    default_fault = "C08"

    def __init__(self, component: str, parameter: str, expected: str, value: object) -> None:
        super().__init__(f"{component}: {parameter} must be {expected}, got {value!r}")
        self.parameter = parameter
        self.expected = expected
        self.value = value


class UnknownNameError(DgradError, KeyError):
    """A registry has no component of that name; `close` holds the likely ones."""

    exit_code = 2
    default_fault = "C01"

    def __init__(self, message: str, close: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.close = tuple(close)


class MissingExtraError(DgradError):
    """An optional package is needed; the message holds the command that installs it."""

    exit_code = 2
    default_fault = "L12"


class DataError(DgradError):
    """A data file is missing, damaged or holds values that cannot be used."""

    exit_code = 3
    default_fault = "D00"


class CheckpointError(DgradError):
    """A checkpoint is damaged, of another format, or does not fit the model."""

    exit_code = 4
    default_fault = "K00"


class DivergedError(DgradError):
    """Training produced a value that is not finite."""

    exit_code = 5
    default_fault = "T01"


class AnomalyError(DivergedError):
    """An operation, or its backward, made NaN or infinity while detect_anomaly was on."""


class WrongGradientError(DgradError):
    """A gradient check found an analytic gradient that does not match the numeric one."""

    exit_code = 6
    default_fault = "G01"


class RunDirectoryError(DgradError):
    """The run directory is in use, exists already, or cannot be created."""

    exit_code = 7
    default_fault = "T20"


class ResourceError(DgradError):
    """The disk or the memory is exhausted."""

    exit_code = 8
    default_fault = "T09"


class GraphError(DgradError, RuntimeError):
    """The recorded graph cannot do what was asked (no graph, walked twice, wrong seed)."""

    default_fault = "T36"


class OpDefinitionError(DgradError, TypeError):
    """An op, or a rule of an op, is declared in a way that the engine refuses."""


class UnsupportedError(DgradError, TypeError):
    """A NumPy function was called on a Tensor and has no differentiable op."""


class ShapeError(DgradError, ValueError):
    """Array shapes do not fit; the message names the op and every shape."""

    exit_code = 2
    default_fault = "C23"


class DtypeError(DgradError, TypeError):
    """An array holds the wrong kind of numbers for what is asked of it."""

    exit_code = 2
    default_fault = "C23"
