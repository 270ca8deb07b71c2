"""What the user is told when something is wrong, with which exit code, and what is left behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dgrad.train import checkpoint
from tests.cli.conftest import TIMEOUT, Result, command, environ
from tests.toys import CLASSES, NUMBERS, write_toy

Here = Callable[..., Result]


def files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def changed(old: str, new: str, text: str = CLASSES) -> str:
    assert old in text
    return text.replace(old, new)


# Config text -> exit code, then what stderr must hold. `^` stands below the place in the excerpt.
FAULTS = {
    "C01_typo": (
        changed("optimizer:", "optimzer:"),
        ["error[C01] toy.yaml:14:1  ", '"optimzer"', 'did you mean "optimizer"?'],
    ),
    "C01_unknown_layer": (
        changed("- relu", "- reluu"),
        ["toy.yaml:9:7  ", '"reluu"', 'did you mean "relu"?'],
    ),
    "C02_key_of_another_optimizer": (
        changed("{lr: 0.05}", "{momentum: 0.9}"),
        ["error[C02] toy.yaml:14:20  ", '"momentum"', "adam takes: lr, "],
    ),
    "C03_wrong_type": (
        changed("epochs: 3", "epochs: many"),
        ["error[C03] toy.yaml:17:11  train.epochs: ", '"many"'],
    ),
    "C08_out_of_range": (changed("0.2\n    - lin", "1.5\n    - lin"), ["error[C08]", "<= 1"]),
    "C01_unknown_reference": (
        changed("$data.classes", "$data.clases"),
        ["error[C01] toy.yaml:11:15  ", 'did you mean "classes"?', "$data.features, $data.classes"],
    ),
    "C01_unknown_reference_outside_the_model": (
        changed("lr: 0.05", "lr: $data.rate"),
        ["error[C01] toy.yaml:14:24  optimizer.adam.lr: $data.rate is not known here"],
    ),
    "C23_shapes_that_do_not_fit": (
        changed("- linear: 8", "- linear: 8\n    - needs_grid")
        + "plugins: [./grid.py]\n",
        ["error[C23] toy.yaml:9:7  model.layers[1].needs_grid: input is (batch, 8): ", "(8,)"],
    ),
    "C23_output_does_not_match_the_classes": (
        changed("- linear: $data.classes", "- linear: 4"),
        ["error[C23] toy.yaml:11:7  ", "ends with (batch, 4), cross_entropy needs (batch, 3)"],
    ),
    "C22_loss_for_numbers": (
        changed("loss: cross_entropy", "loss: mse"),
        ["error[C22] toy.yaml:12:7  loss.mse: needs number targets, but the data has 3 classes"],
    ),
    "C22_metric_for_numbers": (
        changed("[accuracy]", "[accuracy, mae]"),
        ["error[C22] toy.yaml:13:21  metrics[1].mae: mae is for numbers, the data has classes"],
    ),
    "C22_metric_twice": (
        changed("[accuracy]", "[accuracy, accuracy]"),
        ["error[C22] toy.yaml:13:21  metrics[1].accuracy: accuracy is listed twice"],
    ),
    "C22_sum_of_losses": (
        changed("loss: cross_entropy", "loss: {cross_entropy: {reduction: sum}}"),
        ["error[C22] toy.yaml:12:35  ", "take the mean over rows", "leave reduction out"],
    ),
    "C22_unknown_best": (
        changed("best: val/loss", "best: val/acuracy"),
        [
            "error[C22] toy.yaml:19:47  train.checkpoint.best: ",
            'did you mean "val/accuracy"?',
            "there is: train/loss, val/loss, val/accuracy",
        ],
    ),
    "C22_unknown_metric_to_stop_at": (
        CLASSES + "  early_stop: {metric: val/f1, patience: 2}\n",
        ["error[C22] toy.yaml:20:24  train.early_stop.metric: ", '"val/f1"'],
    ),
    "C22_validation_metric_without_validation_rows": (
        changed("val: 0.2", "val: 0").replace("best: val/loss", "best: val/accuracy"),
        ["error[C22] toy.yaml:19:47  ", "there is: train/loss\n"],
    ),
    "C22_warmup_longer_than_the_run": (
        changed("warmup: 10%", "warmup: 100 steps"),
        ["error[C22] toy.yaml:15:29  schedule.cosine: warmup must be at most the 9 steps"],
    ),
    "T06_nothing_to_train": (
        changed(CLASSES[CLASSES.index("    - linear: 8") : CLASSES.index("loss:")], "    - relu\n"),
        ["error[T06] toy.yaml:8:7  ", "no parameters", "add a linear layer"],
    ),
    "T06_nothing_is_reached": (
        changed("- linear: $data.classes", "- linear: $data.classes\n    - detached")
        + "plugins: [./fails.py]\n",
        ["error[T06] toy.yaml:12:7  model.layers[4].detached: no parameter receives a gradient"],
    ),
    "T06_everything_is_frozen": (
        CLASSES[: CLASSES.index("    - linear: 8")]
        + "    - frozen: 3\nplugins: [./fails.py]\n"
        + CLASSES[CLASSES.index("loss:") :],
        ["error[T06] toy.yaml:8:7  model.layers[0].frozen: no parameter receives a gradient"],
    ),
    "T41_loss_raises": (
        changed("loss: cross_entropy", "loss: fails") + "plugins: [./fails.py]\n",
        ["error[T41] toy.yaml:12:7  loss.fails: ", "cannot be computed: OSError: no such luck"],
    ),
    "C21_plugin_missing": (
        CLASSES + "plugins: [./absent.py]\n",
        ["error[C26] toy.yaml:20:11  ", "absent.py"],
    ),
    "C21_plugin_raises": (
        CLASSES + "plugins: [./raises.py]\n",
        ["raises.py:2:1  ", "ZeroDivisionError: division by zero", "named at toy.yaml:20"],
    ),
    "T41_layer_raises_when_built": (
        changed("- relu", "- fails_in_init") + "plugins: [./fails.py]\n",
        ["error[T41] toy.yaml:9:7  model.layers[1].fails_in_init: ", "RuntimeError: no such luck"],
    ),
    "T41_layer_raises_in_evaluation": (
        changed("- relu", "- fails_in_eval") + "plugins: [./fails.py]\n",
        ["error[T41] toy.yaml:9:7  model.layers[1].fails_in_eval: ", "OSError: no such luck"],
    ),
    "C23_layer_that_mixes_rows": (
        changed("- relu", "- sums_rows") + "plugins: [./fails.py]\n",
        ["error[C23] toy.yaml:9:7  model.layers[1].sums_rows: ", "must keep the 2 rows apart"],
    ),
    "D01_no_such_file": (
        changed("path: classes.csv", "path: clases.csv"),
        ["error[D01]", "clases.csv: no such file", "did you mean 'classes.csv'?"],
    ),
    "D06_no_such_column": (
        changed("target: kind", "target: kinds"),
        ["error[D06]", "is called 'kinds'; did you mean 'kind'?", "'a', 'b', 'c', 'kind'"],
    ),
    "D02_ragged_row": (
        changed("path: classes.csv", "path: ragged.csv"),
        ["error[D02]", "ragged.csv: line 3: expected 4 columns", "found 3"],
    ),
    "D03_text_among_numbers": (
        changed("path: classes.csv", "path: text.csv"),
        ["error[D03]", "text.csv: ", "line 3, column 'b': ", "'high'"],
    ),
    "D08_bad_label": (
        changed("path: classes.csv", "path: label.csv"),
        ["error[D08]", "label.csv: ", "line 3, column 'kind': expected a class"],
    ),
    "D09_class_absent_from_training": (
        changed("path: classes.csv", "path: rare.csv").replace("stratify: true", "stratify: false"),
        ["error[D09]", "that the train split lacks", "set stratify: true"],
    ),
    "D10_empty_split": (
        changed("path: classes.csv", "path: short.csv").replace(", stratify: true", ""),
        ["error[D10]", "the test split would get none of 2 rows"],
    ),
    "C20_name_that_leads_elsewhere": (
        CLASSES + "name: ../../x\n",
        ["error[C20] toy.yaml:20:7  name: "],
    ),
}  # fmt: skip

TABLES = {
    "ragged.csv": "a,b,c,kind\n1,2,3,x\n1,2,y\n",
    "text.csv": "a,b,c,kind\n1,2,3,x\n1,high,3,y\n",
    "label.csv": "a,b,c,kind\n1,2,3,x\n1,2,3,\n",
    "short.csv": "a,b,c,kind\n1,2,3,x\n1,2,3,y\n",
    # Of 20 rows row 5 goes to the validation split under seed 3, and it alone is of class z.
    "rare.csv": "a,b,c,kind\n" + "".join(f"{i},2,3,{'z' if i == 5 else 'x'}\n" for i in range(20)),
    "raises.py": "zero = 0\n1 / zero\n",
    "grid.py": """\
from dgrad.errors import ShapeError
from dgrad.nn import Module
from dgrad.registry import layers

@layers.register("needs_grid")
class NeedsGrid(Module):
    def forward(self, x):
        if x.ndim != 3:
            raise ShapeError(f"needs a grid, got {x.shape[1:]}")
        return x
""",
    "fails.py": """\
from dgrad.nn import Linear, Module
from dgrad.registry import layers, losses

@layers.register("fails_in_init")
class FailsInInit(Module):
    def __init__(self):
        raise RuntimeError("no such luck")

@layers.register("fails_in_eval")
class FailsInEval(Module):
    def forward(self, x):
        if not self.training:
            raise OSError("no such luck")
        return x

@layers.register("fails_in_training")
class FailsInTraining(Module):
    def forward(self, x):
        if self.training:
            raise RuntimeError("no such luck")
        return x

@layers.register("detached")
class Detached(Module):
    def forward(self, x):
        return x.detach()

@layers.register("frozen")
class Frozen(Linear):
    def __init__(self, in_features, out_features):
        super().__init__(in_features, out_features)
        self.requires_grad_(False)

@losses.register("fails")
class Fails(Module):
    def forward(self, outputs, targets):
        raise OSError("no such luck")

@layers.register("sums_rows")
class SumsRows(Module):
    def forward(self, x):
        return x.sum(axis=0)
""",
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults_in_config_and_data(case: str, here: Here, tmp_path: Path) -> None:
    text, wanted = FAULTS[case]
    for name, table in TABLES.items():
        (tmp_path / name).write_text(table)
    write_toy(tmp_path, text)
    before = files(tmp_path)
    for arguments in (("train", "toy.yaml"), ("gradcheck", "toy.yaml")):
        result = here(*arguments)
        assert result.code == (3 if case.startswith("D") else 2), result.err
        for each in wanted:
            assert each in result.err
        assert result.out == ""
    assert files(tmp_path) == before


def test_the_caret_stands_below_the_fault(here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path, changed("best: val/loss", "best: val/acuracy"))
    lines = here("train", "toy.yaml").err.splitlines()
    assert lines[1].endswith("best: val/acuracy}")
    assert lines[2][lines[1].index("val/acuracy") :].startswith("^" * len("val/acuracy") + " did")


def test_all_problems_are_told_at_once(here: Here, tmp_path: Path) -> None:
    text = changed("best: val/loss", "best: a").replace("0.05", "$data.x").replace("8", "$data.y")
    write_toy(tmp_path, text + "  early_stop: {metric: b, patience: 2}\n")
    assert "2 errors, nothing was run" in here("train", "toy.yaml").err  # of the references
    fixed = here("train", "toy.yaml", "optimizer.adam.lr=1", "model.layers=[{linear: 3}]")
    assert "2 errors, nothing was run" in fixed.err  # of the metrics


def test_C22_loss_for_classes_on_numbers(here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path, changed("loss: mse", "loss: cross_entropy", NUMBERS))
    result = here("train", "toy.yaml")
    assert result.code == 2
    assert "loss.cross_entropy: needs class targets, but the data has numbers" in result.err


@pytest.mark.parametrize("width", [10**12, 10**18])
def test_C24_a_layer_too_large_for_memory(width: int, here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path, changed("- linear: 8", f"- linear: {width}"))
    before = files(tmp_path)
    result = here("train", "toy.yaml")
    assert result.code == 2
    assert "error[C24] toy.yaml:8:7  model.layers[0].linear: not enough memory" in result.err
    assert files(tmp_path) == before


def test_C24_a_layer_that_would_only_just_be_granted(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgrad.nn.memory.available_memory", lambda: 64 << 20)
    result = here("train", "toy.yaml", f"model.layers=[{{linear: {10**7}}}]")
    assert result.code == 2
    place = "error[C24] command line:1:16  model.layers[0].linear: not enough memory: "
    assert place + "a parameter of shape (10000000, 3) takes 360,000,000 bytes" in result.err


def test_C24_room_for_the_optimizer_is_reckoned_with(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 8 x 3 + 8 + 3 x 8 + 3 = 59 floats; Adam keeps two arrays for each; and copies are saved.
    monkeypatch.setattr("dgrad.config.build.available_memory", lambda: 59 * 4 * 6 - 1)
    result = here("train", "toy.yaml")
    assert result.code == 8
    assert "error[C24] training needs 1,416 bytes besides the parameters' 236" in result.err
    monkeypatch.setattr("dgrad.config.build.available_memory", lambda: 59 * 4 * 6)
    assert here("train", "toy.yaml", "-q").code == 0


def test_C24_no_limit_of_the_process_is_touched(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource", reason="limits are a thing of POSIX")
    monkeypatch.setattr(resource, "setrlimit", lambda *limit: pytest.fail("a limit was set"))
    assert here("train", "toy.yaml", f"model.layers=[{{linear: {10**12}}}]").code == 2


def test_C25_an_override_is_checked_like_the_file(here: Here) -> None:
    result = here("train", "toy.yaml", "optimizer.adam.lr=fast")
    assert result.code == 2
    assert "command line:1:19  optimizer.adam.lr: " in result.err


def test_C26_missing_config(here: Here, tmp_path: Path) -> None:
    for arguments in (("train", "tyo.yaml"), ("gradcheck", "tyo.yaml")):
        result = here(*arguments)
        assert result.code == 2
        assert 'there is no file "tyo.yaml"' in result.err
        assert 'did you mean "toy.yaml"?' in result.err


def test_L08_usage_errors(here: Here) -> None:
    for arguments in (("trian",), ("train",), ("train", "toy.yaml", "--fast"), ("eval",)):
        result = here(*arguments)
        assert (result.code, "Usage: dgrad" in result.err) == (2, True)
    for arguments in (("--help",), ("train", "--help"), ("--version",)):
        assert here(*arguments).code == 0


def test_L08_without_arguments_there_is_help_and_the_code_of_a_usage_error(here: Here) -> None:
    alone, asked = here(), here("--help")
    assert (alone.code, asked.code) == (2, 0)
    assert alone.out + alone.err == asked.out


@pytest.mark.parametrize("command", [(), ("train",), ("eval",), ("gradcheck",)])
def test_L08_help_fits_80_columns_and_holds_an_example(
    command: tuple[str, ...], here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = here(*command, "--help").out
    assert max(map(len, text.splitlines())) <= 80
    assert f"Example: dgrad {' '.join(command)}" in text
    assert "--traceback" in text


def test_L09_an_existing_run_directory_is_refused(here: Here, tmp_path: Path) -> None:
    assert here("train", "toy.yaml", "--run-dir", "mine", "-q").code == 0
    kept = files(tmp_path) - {tmp_path / "mine" / ".lock"}
    before = {path: path.stat().st_mtime_ns for path in kept}
    result = here("train", "toy.yaml", "--run-dir", "mine")
    assert (result.code, "error[L09]" in result.err) == (7, True)
    assert str(tmp_path / "mine") in result.err
    assert {path: path.stat().st_mtime_ns for path in kept} == before


def test_T20_the_run_directory_is_a_file_or_in_a_read_only_place(
    here: Here, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    read_only = "/proc/self/run"  # nobody can make a directory there, not even root
    for place in ("file", "file/inside", *([read_only] if os.path.isdir("/proc/self") else [])):
        result = here("train", "toy.yaml", "--run-dir", place)
        assert result.code in (7, 8)
        assert place in result.err
        assert "epoch=" not in result.err  # before training
    assert (tmp_path / "file").read_text() == "mine"


def test_L10_a_traceback_is_shown_on_demand_alone(here: Here, tmp_path: Path) -> None:
    plain = here("train", "absent.yaml")
    asked = here("train", "absent.yaml", "--traceback")
    first = here("--traceback", "train", "absent.yaml")
    for each in (asked, first):
        assert "Traceback (most recent call last)" in each.err
        assert each.err.endswith(plain.err)
        assert each.code == plain.code
    assert "Traceback" not in here("train", "absent.yaml").err  # each command asks for itself


def test_T41_an_error_in_a_plugin_names_its_line_and_the_layer(here: Here, tmp_path: Path) -> None:
    (tmp_path / "fails.py").write_text(TABLES["fails.py"])
    write_toy(tmp_path, changed("- relu", "- fails_in_training") + "plugins: [./fails.py]\n")
    result = here("train", "toy.yaml", "--run-dir", "crashed")
    assert result.code == 1
    line = TABLES["fails.py"].splitlines().index("        if self.training:") + 2
    told = f"error[T41] {tmp_path / 'fails.py'}:{line}: RuntimeError: no such luck, in layer "
    assert f"{told}fails_in_training" in result.err.splitlines()[-1]
    assert "stopped" not in result.err
    assert not list(tmp_path.glob("crash-*"))
    assert (tmp_path / "crashed" / "log.txt").read_text() == "training ended: failed\n"


def test_T41_an_exit_in_a_plugin_is_no_success(here: Here, tmp_path: Path) -> None:
    leaves = TABLES["fails.py"].replace('raise RuntimeError("no such luck")', "raise SystemExit(0)")
    (tmp_path / "fails.py").write_text(leaves)
    write_toy(tmp_path, changed("- relu", "- fails_in_training") + "plugins: [./fails.py]\n")
    result = here("train", "toy.yaml")
    assert result.code == 1
    assert re.search(r"error\[T41\] .*fails\.py:20: SystemExit: 0", result.err)


def test_X00_a_bug_of_dgrad_is_written_to_a_file(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgrad.config.document.load", 5)  # not to be called
    result = here("train", "toy.yaml")
    assert result.code == 1
    assert "error[X00] a bug in dgrad: please report TypeError(" in result.err
    (report,) = tmp_path.glob("crash-*.txt")
    assert f"details are in {report}" in result.err
    assert "is not callable" in report.read_text()


def test_errors_are_json_events_too(here: Here) -> None:
    for words in (("train", "absent.yaml"), ("eval", "absent"), ("gradcheck", "--op", "absent")):
        result = here(*words, "--json")
        event = json.loads(result.out)
        assert list(event) == ["event", "fault", "message", "exit_code"]
        assert result.err == f"error[{event['fault']}] {event['message']}\n"
        assert (event["event"], event["exit_code"]) == ("error", result.code)
    assert here("train", "absent.yaml").out == ""  # each command asks for itself


@pytest.mark.parametrize("command", [("gradcheck", "toy.yaml"), ("eval", "run")])
def test_T16_an_interrupt_outside_of_training(
    command: tuple[str, ...], here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dgrad.config.experiment.Experiment.build", interrupted)
    monkeypatch.setattr("dgrad.config.experiment.Experiment.restore", interrupted)
    result = here(*command)
    assert (result.code, result.out, result.err) == (130, "", "interrupted\n")


def test_T16_an_interrupt_while_importing(tmp_path: Path) -> None:
    prelude = """
import sys
class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
"""
    words = command("train", "toy.yaml", prelude=prelude)
    done = subprocess.run(words, cwd=tmp_path, env=environ(), capture_output=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"interrupted\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows keeps a directory that is in use")
def test_a_working_directory_that_was_deleted(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = command("train", "toy.yaml", prelude="import os; os.rmdir(os.getcwd()); ")
    env = environ()
    done = subprocess.run(words, cwd=gone, env=env, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == 2
    assert done.stderr.endswith(b"the current directory does not exist any more\n")
    assert b"Traceback" not in done.stderr


DIVERGING = changed(
    "schedule: {cosine: {warmup: 10%}}", "schedule: {step: {step_size: 6, gamma: 1e30}}"
)
DIVERGING = DIVERGING.replace("{adam: {lr: 0.05}}", "{sgd: {lr: 0.05}}")


def test_T01_T08_divergence_keeps_the_last_good_checkpoint(here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path, DIVERGING)  # the rate jumps after step 6, the second epoch
    result = here("train", "toy.yaml", "--json")
    assert result.code == 5
    assert re.search(r"error\[T0[12]\] .* step 8", result.err)
    assert "Try a lower learning rate" in result.err
    run = tmp_path / "runs" / "toy" / "001"
    assert sorted(path.name for path in run.glob("checkpoints/step-*")) == [
        "step-000000003.safetensors", "step-000000006.safetensors",
    ]  # fmt: skip
    assert (run / "checkpoints" / "latest").read_text().startswith("step-000000006.")
    assert "error[T0" in (run / "log.txt").read_text()
    assert here("eval", run / "checkpoints" / "latest").code == 0
    events = [json.loads(line) for line in result.out.splitlines()]
    assert events[-2] == {"event": "trained", "outcome": "failed"}
    message = result.err.strip().partition("] ")[2]
    fault = result.err[6:9]
    assert events[-1] == {"event": "error", "fault": fault, "message": message, "exit_code": 5}


def test_T01_a_huge_rate_diverges_before_anything_is_saved(here: Here, tmp_path: Path) -> None:
    result = here("train", "toy.yaml", "optimizer={sgd: {lr: 1e30}}", "schedule=constant")
    assert result.code == 5
    assert re.search(r"error\[T01\] the loss is (nan|inf) at step [23]; nothing was", result.err)
    assert "Warning" not in result.err
    assert not list((tmp_path / "runs" / "toy" / "001" / "checkpoints").glob("step-*"))


def test_T02_a_parameter_that_overflows_in_the_last_step_is_found(
    here: Here, tmp_path: Path
) -> None:
    write_toy(tmp_path, DIVERGING.replace("step_size: 6, gamma: 1e30", "step_size: 8, gamma: 1e60"))
    result = here("train", "toy.yaml")
    assert result.code == 5
    assert re.search(r"error\[T0[28]\] \S+ is not finite after step 9", result.err)
    for path in (tmp_path / "runs" / "toy" / "001" / "checkpoints").glob("step-*"):
        tensors = checkpoint.load(path).tensors.values()
        assert all(abs(float(array.max())) < 1e30 for array in tensors)


NAMES = ["[red]x", "x[/b]", "x\x1b[31mred", "x\nerror[C01] fake", "x\u202ey"]


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name) for name in NAMES])
def test_L07_names_are_printed_literally(name: str, here: Here, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir(parents=True)  # a / in it makes two
    write_toy(folder)
    trained = here("train", f"{name}/toy.yaml", "train.epochs=1", "--run-dir", f"{name}/run")
    shown = f"{name}/run"
    for character in "\x1b\u202e\n":
        shown = shown.replace(character, ascii(character)[1:-1])
    assert f"run directory: {shown}\n" in trained.err
    assert here("eval", f"{name}/run").out == trained.out
    (folder / "classes.csv").unlink()
    for result in (
        trained,
        here("eval", f"{name}/run"),
        here("eval", f"{name}/gone"),
        here("train", f"{name}/gone.yaml"),
        here("train", f"{name}/toy.yaml"),
        here("gradcheck", f"{name}/toy.yaml"),
        here("gradcheck", "--op", name),
    ):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", result.out + result.err)
        assert "\nerror[C01] fake" not in result.err  # what a name says is no message of its own


def test_L07_lists_keep_their_lines(here: Here, tmp_path: Path) -> None:
    (tmp_path / "two\nlines.csv").write_text("a,b,c,kind\n1,2,3,x\n1,high,3,y\n1,2,low,y\n")
    result = here("train", "toy.yaml", r'data.csv.path="two\nlines.csv"')
    first, *cells, last = result.err.splitlines()
    assert first.endswith("two\\nlines.csv: cells that cannot be used:")
    assert [cell[:28] for cell in cells] == [
        "  line 3, column 'b': expect",
        "  line 4, column 'c': expect",
    ]
    assert last.startswith("  correct them")


def test_D12_D13_warnings_are_told_and_not_in_quiet(here: Here, tmp_path: Path) -> None:
    write_toy(tmp_path)
    table = (tmp_path / "classes.csv").read_text().splitlines()
    rows = [f"{row.rpartition(',')[0]},7,{row.rpartition(',')[2]}" for row in table[1:]]
    rows += rows[::3]
    (tmp_path / "classes.csv").write_text("\n".join(["a,b,c,d,kind", *rows]) + "\n")
    result = here("train", "toy.yaml")
    assert result.code == 0
    assert re.search(r"warning: \d+ rows of the test split are also in the train split", result.err)
    assert "warning: standardize: 1 features are constant in training\n" in result.err
    assert here("train", "toy.yaml", "--quiet").err == ""
    assert here("train", "toy.yaml", "--json").out.startswith('{"event": "start"')


SPARE = """\
import numpy as np
from dgrad.nn import Module, Parameter
from dgrad.registry import layers

@layers.register("spare")
class Spare(Module):
    def __init__(self, wrong: bool = False):
        self.wrong, self.late = wrong, Parameter(np.ones(1, np.float32))

    def forward(self, x):
        if not self.training:
            return x * self.late
        return x + np.ones(5, np.float32) if self.wrong else x * self.late.detach()
"""


def test_a_parameter_without_gradient_in_training_is_told_once(here: Here, tmp_path: Path) -> None:
    (tmp_path / "spare.py").write_text(SPARE)
    write_toy(tmp_path, changed("- relu", "- spare") + "plugins: [./spare.py]\n")
    told = "step 1 gave no gradient to spare.late: the loss does not depend on them; "
    result = here("train", "toy.yaml")
    assert result.code == 0
    assert result.err.count(f"\nwarning: {told}") == 1
    assert f"warning: {told}" in (tmp_path / "runs" / "toy" / "001" / "log.txt").read_text()
    events = [json.loads(line) for line in here("train", "toy.yaml", "--json").out.splitlines()]
    assert [e["message"][: len(told)] for e in events if e["event"] == "warning"] == [told]
    assert here("train", "toy.yaml", "--quiet").err == ""


def test_an_error_while_training_names_the_layer(here: Here, tmp_path: Path) -> None:
    (tmp_path / "spare.py").write_text(SPARE)
    layer = "- spare: {wrong: true}"
    write_toy(tmp_path, changed("- relu", layer) + "plugins: [./spare.py]\n")
    result = here("train", "toy.yaml")
    assert result.code == 2
    assert "error[C23] add(float32[16, 8], float32[5]): " in result.err
    assert result.err.rstrip().endswith(", in layer spare: Spare()")


def test_T01_divergence_names_the_operation_and_its_layer(here: Here, tmp_path: Path) -> None:
    result = here("train", "toy.yaml", "optimizer={sgd: {lr: 1e30}}", "schedule=constant")
    assert result.code == 5
    assert re.search(r"It began here: \w+.*: its result .* at index \(", result.err)
    assert re.search(r"; in layer (linear|relu|loss|\w+_2)\b", result.err)
