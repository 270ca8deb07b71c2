"""Whole configs: what loads, what is refused and where, plugins, variables, resolved.yaml."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dgrad import registry
from dgrad.config import yaml
from dgrad.config.document import Config, Sections, Split, from_text, load
from dgrad.config.marks import COMMAND_LINE, Problems
from dgrad.config.schema import bind
from dgrad.config.signature import parameters
from dgrad.config.training import Checkpointing, EarlyStop, Every, Train
from dgrad.config.tree import dump, graft, plain
from dgrad.errors import ConfigError, Problem

Write = Callable[..., Path]

SMALL = """\
data: {csv: {path: a.csv, target: y}}
model: {layers: [relu]}
loss: cross_entropy
optimizer: adam
"""


def refused(path: Path, *overrides: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return caught.value.problems


def only(path: Path, *overrides: str) -> Problem:
    (problem,) = refused(path, *overrides)
    return problem


# ----------------------------------------------------------------------------------- what loads


def test_a_whole_config_loads(write: Write, tmp_path: Path) -> None:
    config = load(write())
    assert (config.seed, config.name, config.vars) == (7, "run", {"width": 16})
    assert config.data.reader.arguments["path"] == tmp_path.parent.resolve() / "digits.csv"
    assert config.data.split == Split(val=0.2, test=0.1, stratify=True)
    assert [t.plain() for t in config.data.transforms] == [{"standardize": {"fit": "train"}}]
    assert [layer.name for layer in config.model.layers] == [
        "linear", "relu", "dropout", "block", "linear",
    ]  # fmt: skip
    assert config.model.layers[0].arguments == {"units": 16, "bias": True}
    assert str(config.model.layers[4].arguments["units"]) == "$data.classes"
    assert config.loss.plain() == {"cross_entropy": {"label_smoothing": 0.0}}
    assert config.metrics[1].plain() == {"top_k": {"k": 3}}
    assert config.optimizer.arguments == {"lr": 1e-3, "betas": (0.8, 0.99), "weight_decay": 0.0}
    assert config.schedule.plain() == {"cosine": {"warmup": "5%"}}
    assert config.train == Train(
        epochs=20, batch_size=64, clip_norm=1.5, dtype="float64",
        early_stop=EarlyStop(metric="val/accuracy", patience=5),
        checkpoint=Checkpointing(every=Every.from_config("2 epochs"), keep=1, best="val/accuracy"),
    )  # fmt: skip


def test_defaults(write: Write) -> None:
    path = write(SMALL, "my digits.v2.yaml")
    config = load(path)
    assert (config.seed, config.name, config.metrics) == (0, "my-digits.v2", ())
    assert config.schedule.plain() == {"constant": {}}
    assert config.train == Train()
    assert (config.train.epochs, config.train.batch_size) == (10, 32)
    assert config.data.split == Split(val=0.15, test=0.15)
    assert (config.path, config.text) == (path, SMALL)
    assert plain(config.tree)["loss"] == "cross_entropy"


def test_C29_the_resolved_config_loads_as_an_equal_one(write: Write, tmp_path: Path) -> None:
    for text, name in (("", ""), (SMALL, "small.yaml")):
        config = load(write(text, name) if text else write())
        elsewhere = tmp_path / "runs" / "001"
        elsewhere.mkdir(parents=True, exist_ok=True)
        resolved = elsewhere / "resolved.yaml"
        resolved.write_text(dump(config.resolved()))
        again = load(resolved)
        assert again == config
        assert dump(again.resolved()) == resolved.read_text()
    assert load(write(), ["seed=8"]) != load(write())


def test_C29_no_default_is_hidden(write: Write) -> None:
    resolved = load(write(SMALL)).resolved()
    assert list(resolved) == list(parameters(Sections))
    assert resolved["optimizer"] == {
        "adam": {"lr": 0.001, "betas": [0.9, 0.999], "weight_decay": 0.0}
    }
    assert resolved["train"] == {
        "epochs": 10, "steps": None, "batch_size": 32, "accumulate": 1, "eval_batch_size": 512,
        "clip_norm": None, "clip_value": None, "dtype": "float32", "early_stop": None,
        "checkpoint": {"every": "1 epoch", "keep": 3, "best": "val/loss"},
        "eval": {"every": None, "rows": None}, "ema": None, "swa": None,
    }  # fmt: skip
    split = {"val": 0.15, "test": 0.15, "mode": "auto", "stratify": False}
    assert resolved["data"]["split"] == split
    assert list(resolved["data"]) == ["csv", "split", "transforms"]


@pytest.mark.parametrize(
    ("written", "resolved"),
    [("100", "100 steps"), ("1 steps", "1 step"), ("3 epoch", "3 epochs"), ("0.5 epochs",) * 2],
)
def test_C29_an_interval_is_resolved_in_words(written: str, resolved: str, write: Write) -> None:
    config = load(write(SMALL), [f"train.checkpoint.every={written}"])
    assert config.resolved()["train"]["checkpoint"]["every"] == resolved
    again = load(write(SMALL), [f"train.checkpoint.every={resolved}"])
    assert again.train.checkpoint == config.train.checkpoint


def test_C19_line_ends_do_not_change_a_config(write: Write) -> None:
    config = load(write())
    text = config.text
    for other in (text.replace("\n", "\r\n"), "\ufeff" + text, text.rstrip("\n")):
        assert load(write(other)) == config


def test_the_length_is_in_epochs_or_steps(write: Write) -> None:
    train = load(write(SMALL), ["train.steps=7"]).train
    assert (train.epochs, train.steps, train.total_steps(5)) == (None, 7, 7)
    train = load(write(SMALL), ["train.epochs=7"]).train
    assert (train.epochs, train.steps, train.total_steps(5)) == (7, None, 35)


# -------------------------------------------------------------------------------- what is refused


def test_all_problems_are_reported_together_in_file_order(write: Write) -> None:
    path = write(
        "sede: 1\n"
        "data:\n"
        "  csv: {path: a.csv}\n"
        "  split: {val: 2}\n"
        "model: {layers: [{linaer: 3}, {dropout: 1.5}]}\n"
        "loss: cross_entropy\n"
        "train: {epochs: 010, early_stop: {patience: 0}}\n"
    )
    found = refused(path, "train.epocks=5", "loss=mse")
    assert [(p.fault, p.file == COMMAND_LINE, p.line, p.column) for p in found] == [
        ("C01", False, 1, 1),
        ("C03", False, 1, 1),
        ("C03", False, 3, 8),
        ("C08", False, 4, 16),
        ("C01", False, 5, 19),
        ("C08", False, 5, 41),
        ("C06", False, 7, 17),
        ("C08", False, 7, 45),
        ("C01", True, 1, 7),
        ("C01", True, 2, 6),
    ]
    assert found[1].message == '"optimizer" is missing'
    assert found[1].hint == "for example   optimizer: {adamw: {lr: 1e-3}}"
    assert found[8].message == 'unknown key "epocks" in train'
    assert found[8].excerpt == "train.epocks=5"


def test_missing_sections_are_named_with_examples(write: Write) -> None:
    found = refused(write("seed: 1\n"))
    assert [p.message.split('"')[1] for p in found] == ["data", "model", "loss", "optimizer"]
    assert all(p.hint.startswith("for example   ") for p in found)


TABLE = [
    # fault, key, value, words of the message
    ("C01", "optimzer", "adam", 'unknown key "optimzer"'),
    ("C01", "train.epoch", "3", 'unknown key "epoch" in train'),
    ("C01", "data.splt", "{}", 'unknown key "splt" in data'),
    ("C01", "data.split.tset", "0.1", 'unknown key "tset" in data.split'),
    ("C01", "optimizer.adam.lrr", "1", 'unknown key "lrr" in optimizer.adam'),
    ("C02", "optimizer.adam.momentum", "0.9", 'unknown key "momentum" in optimizer.adam'),
    ("C02", "optimizer.adam.params", "1", "is filled in by dgrad"),
    ("C02", "schedule.cosine.total", "9", "is filled in by dgrad"),
    ("C02", "zzz", "1", 'unknown key "zzz"'),
    ("C02", "data.zzz", "1", 'unknown key "zzz" in data'),
    ("C03", "train", "[1]", "train: expected a mapping, got a list"),
    ("C03", "train.epochs", "ten", 'train.epochs: expected a whole number >= 1, got "ten"'),
    ("C03", "train.checkpoint.best", "1", "expected text, got 1"),
    ("C03", "metrics", "accuracy", "metrics: expected a list"),
    ("C03", "model.layers", "relu", "model.layers: expected a list"),
    ("C03", "model", "relu", "model: expected a mapping"),
    ("C03", "data", "a.csv", "data: expected a mapping"),
    ("C03", "loss", "[mse]", "loss: expected the name of a loss, got a list"),
    ("C03", "loss", "$data.classes", "the reference $data.classes cannot stand here"),
    ("C03", "vars", "{a: [1]}", "vars.a: expected true or false or"),
    ("C05", "data.split.stratify", "yes", 'expected true or false, got "yes"'),
    ("C06", "train.batch_size", "1_000", 'got "1_000"'),
    ("C07", "train.clip_norm", ".inf", "expected a finite number > 0"),
    ("C08", "train.batch_size", "0", "expected a whole number >= 1, got 0"),
    ("C08", "train.dtype", "float16", "one of float32, float64"),
    ("C08", "train.checkpoint.every", "1 hour", 'such as "1 epoch" or "100 steps", got "1 hour"'),
    ("C08", "train.checkpoint.every", "0 epochs", 'got "0 epochs"'),
    ("C08", "train.checkpoint.every", "0", "got 0"),
    ("C08", "train.checkpoint.every", "0.5 steps", 'got "0.5 steps"'),
    ("C08", "train.checkpoint.every", "5%", 'such as "1 epoch" or "100 steps", got "5%"'),
    ("C08", "train.checkpoint.every", "true", "got True"),
    ("C08", "data.split.val", "1", "expected a number >= 0 and < 1, got 1"),
    ("C09", "train.epochs", "true", "got true"),
    ("C09", "train.epochs", "32.5", "got 32.5"),
    ("C10", "train.epochs", "9" * 5000, "64 bits"),
    ("C15", "train.epochs", "!!int 3", "tag"),
    ("C21", "plugins", "[run.txt]", "a plugin is a .py file"),
    ("C22", "data.split", "{val: 0.5, test: 0.5}", "nothing is left to train on"),
    ("C22", "train", "{epochs: 3, steps: 9}", "takes epochs or steps, not both; ~train.epochs"),
    ("C22", "train", "{ema: {}, swa: {}}", "takes ema or swa, not both"),
    ("C08", "train.ema.decay", "1", "expected a number > 0 and < 1, got 1"),
    ("C08", "train.accumulate", "0", "expected a whole number >= 1, got 0"),
    ("C08", "train.eval.every", "5%", 'such as "1 epoch" or "100 steps", got "5%"'),
    ("C22", "model", "{layers: []}", "it needs at least one layer"),
    ("C26", "plugins", "[nope.py]", "there is no plugin file"),
]


@pytest.mark.parametrize(("fault", "key", "value", "message"), TABLE)
def test_C25_a_fault_is_the_same_in_the_file_and_on_the_command_line(
    write: Write, fault: str, key: str, value: str, message: str
) -> None:
    nested = value
    for name in reversed(key.split(".")[1:]):
        nested = f"{{{name}: {nested}}}"
    top = key.split(".")[0]
    lines = [line for line in SMALL.splitlines() if not line.startswith(f"{top}:")]
    if key.startswith("data."):
        nested = "{csv: {path: a.csv, target: y}, " + nested[1:]
    from_file = only(write("\n".join([*lines, f"{top}: {nested}", ""])))
    from_line = only(write(SMALL, "base.yaml"), f"{key}={value}")
    for found in (from_file, from_line):
        assert found.fault == fault
        assert message in found.message
    assert (from_file.file, from_line.file) == (str(write("")), COMMAND_LINE)


def typos(word: str) -> Iterator[str]:
    """Every word at edit distance 1 (with swaps), over a few letters."""
    for i in range(len(word) + 1):
        yield from (word[:i] + c + word[i:] for c in "aeinst_x")
        if i < len(word):
            yield word[:i] + word[i + 1 :]
            yield from (word[:i] + c + word[i + 1 :] for c in "aeinst_x")
        if i + 1 < len(word):
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]


@pytest.mark.parametrize("section", [Sections, Train, Split, EarlyStop, Checkpointing])
def test_C01_every_typo_of_every_key_is_refused_and_most_are_understood(section: Any) -> None:
    mark = yaml.parse("a: 1", "run.yaml").mark
    keys = list(parameters(section))
    tried = right = 0
    for key in keys:
        for typo in {*typos(key)} - {*keys}:
            problems = Problems()
            bind(section, graft({typo: 1}, mark), problems, "here")
            (found,) = (p for p in problems.sorted() if p.message.startswith("unknown key"))
            tried += 1
            right += found.hint.startswith(f'did you mean "{key}"?')
    assert right >= 0.95 * tried > 50


def test_C02_every_key_of_one_component_is_refused_by_the_others(write: Write) -> None:
    path = write(SMALL)
    for kind in (registry.optimizers, registry.layers):
        for mine in kind:
            for other in kind:
                foreign = set(parameters(kind[other])) - set(parameters(kind[mine]))
                for key in foreign:
                    where = "optimizer" if kind is registry.optimizers else "model.layers.0"
                    found = refused(path, f"{where}={{{mine}: {{{key}: 1}}}}")
                    assert f'"{key}"' in " ".join(p.message for p in found)


MUTANTS = [
    "null",
    "[]",
    "{}",
    "zzz",
    "true",
    "1.5",
    "-1",
    "1e999",
    "$data.x",
    "$vars.x",
    "''",
    "[[1]]",
]


def places(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data)
    for key, value in items:
        yield (*path, str(key))
        if isinstance(value, dict | list):
            yield from places(value, (*path, str(key)))


def test_C03_wrong_types_anywhere_give_problems_and_nothing_else(write: Write) -> None:
    path = write(dump(load(write()).resolved()))
    good = 0
    tried = [f"{'.'.join(p)}={m}" for p in places(load(path).resolved()) for m in MUTANTS]
    for override in tried:
        try:
            load(path, [override])
        except ConfigError as error:
            assert {p.file for p in error.problems} <= {COMMAND_LINE, str(path)}  # noqa: PT017
        else:
            good += 1
    assert len(tried) > 500
    assert good < len(tried) / 4


def test_C16_mutated_configs_give_problems_and_nothing_else(write: Write) -> None:
    rng = random.Random(3)
    text = load(write()).text
    loaded = 0
    for _ in range(400):
        letters = list(text)
        for _ in range(rng.choice([1, 1, 2, 3])):
            at = rng.randrange(len(letters))
            letters[at : at + rng.randrange(3)] = rng.choice(
                ["", "{", ":", "-", "$", "1", "~", "x"]
            )
        try:
            loaded += isinstance(load(write("".join(letters))), Config)
        except ConfigError:
            continue
    assert 10 < loaded < 350


@pytest.mark.parametrize(
    "name",
    ["../../x", "/etc/passwd", ".hidden", "..", "a/b", "a\\\\b", "", "x" * 101, "a b", "a\\nb",
     "a\\n", "\\0", "CON", "nul.txt", "com1", "\\u00e9", "a\\e[31m", "~", "$HOME", "-\\r"],
)  # fmt: skip
def test_C20_names_that_would_leave_the_run_folder(write: Write, name: str) -> None:
    found = only(write(SMALL + f'name: "{name}"\n'))
    assert found.fault == "C20"
    assert found.message.isprintable()


def test_C20_good_names(write: Write) -> None:
    for name in ("a", "x" * 100, "digits_v1.2-b", "-x", "console"):
        assert load(write(SMALL + f"name: {name}\n")).name == name
    assert only(write(SMALL), "name=3").message.endswith("got 3")
    for stem, expected in (
        (".yaml", "yaml"),
        ("\u00e9 .yaml", "-"),
        ("a" * 140 + ".yml", "a" * 100),
    ):
        assert load(write(SMALL, stem)).name == expected


@pytest.mark.parametrize(
    "text", ["_target_: os.system", "loss2: !!python/name:os.system", "${env}: 1"]
)
def test_C21_nothing_in_a_config_names_code(write: Write, text: str) -> None:
    assert only(write(SMALL + text + "\n")).fault in ("C02", "C15")


def test_C21_dollar_texts_are_plain_text(write: Write) -> None:
    config = load(write(SMALL), ["data.csv.target=${HOME}", "data.csv.path=$(id)"])
    assert config.data.reader.arguments["target"] == "${HOME}"
    assert config.data.reader.arguments["path"].name == "$(id)"


def test_C22_one_reader_is_needed(write: Write) -> None:
    registry.readers._entries["idx"] = registry.readers["csv"]
    found = only(write(SMALL), "data.idx={path: b, target: y}")
    assert (found.fault, found.message) == ("C22", "data: expected one reader, got csv and idx")
    found = only(write(SMALL), "data={split: {}}")
    assert (found.fault, found.hint) == ("C03", "there are: csv, idx")


@pytest.mark.parametrize(
    ("seed", "fault"),
    [("-1", "C08"), ("1.0", "C09"), (str(2**64), "C10"), ("a", "C03"), ("true", "C09")],
)
def test_C27_seeds(write: Write, seed: str, fault: str) -> None:
    assert only(write(SMALL + f"seed: {seed}\n")).fault == fault
    assert load(write(SMALL + f"seed: {2**64 - 1}\n")).seed == 2**64 - 1
    assert load(write(SMALL)).resolved()["seed"] == 0


def test_C30_look_alikes_and_escapes_show(write: Write) -> None:
    found = only(write(SMALL + "s\u0435ed: 1\n"))
    assert (found.message, found.hint[:20]) == (r'unknown key "s\u0435ed"', 'did you mean "seed"?')
    found = only(write(SMALL + 'train: {dtype: "\\e[31mred"}\n'))
    assert r'got "\x1b[31mred"' in found.message


def test_C25_overrides_are_relative_to_the_working_folder(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = write(SMALL)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert load(path).data.reader.arguments["path"] == tmp_path.resolve() / "a.csv"
    config = load(path, ["data.csv.path=a.csv"])
    assert config.data.reader.arguments["path"] == tmp_path.resolve() / "work" / "a.csv"
    assert load(Path("..") / "run.yaml").data.reader.arguments["path"].is_absolute()


def test_C25_defaults_can_be_set_and_bare_names_opened(write: Write) -> None:
    overrides = ["seed=3", "train.batch_size=8", "optimizer.adam.lr=0.1", "model.layers.0=dropout"]
    config = load(write(SMALL), overrides)
    assert (config.seed, config.train.batch_size) == (3, 8)
    assert config.optimizer.arguments["lr"] == 0.1
    assert config.model.layers[0].arguments == {"p": 0.5}


# ------------------------------------------------------------------------------ vars and references


def test_vars_are_typed_where_they_are_used(write: Write) -> None:
    config = load(write(), ["vars.width=3", "train.clip_norm=$vars.width"])
    assert config.model.layers[0].arguments["units"] == 3
    assert config.train.clip_norm == 3.0
    found = only(write(), "vars.width=0.5")
    assert (found.fault, found.line, found.excerpt) == ("C09", 9, "    - linear: $vars.width")
    assert "got 0.5" in found.message


@pytest.mark.parametrize(
    ("override", "message", "hint"),
    [
        ("train.epochs=$vars.wdith", "$vars.wdith is not set", 'did you mean "width"?'),
        ("model.layers.0.linear=$vasr.width", "unknown reference $vasr.width", "$vars. or $data."),
        ("data.csv.target=$data.target", "is not known yet under data", "under model, loss"),
        ("seed=$data.classes", "is not known yet under seed", "under model, loss"),
        ("vars.width=$vars.x", "vars cannot hold the reference $vars.x", ""),
        ("plugins=[$vars.width]", "plugins cannot hold the reference", ""),
    ],
)
def test_C01_references_that_lead_nowhere(
    write: Write, override: str, message: str, hint: str
) -> None:
    found = only(write(), override)
    assert (found.fault, found.file) == ("C01", COMMAND_LINE)
    assert message in found.message
    assert hint in found.hint


# --------------------------------------------------------------------------------------- plugins

PLUGIN = """\
from dgrad.registry import layers

@layers.register("swish")
def swish(beta: float = 1.0):
    return beta
"""


def test_plugins_register_components_before_the_check(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    write(PLUGIN, "my_layers.py")
    path = write(SMALL.replace("relu", "swish") + "plugins: [./my_layers.py]\n")
    config = load(path)
    assert config.model.layers[0].plain() == {"swish": {"beta": 1.0}}
    assert config.plugins == (tmp_path.resolve() / "my_layers.py",)
    assert load(path) == config  # registered once
    assert not (tmp_path / "__pycache__").exists()
    assert str(tmp_path) not in sys.path


def test_C21_a_text_can_be_kept_from_loading_the_plugins_it_names(
    write: Write, tmp_path: Path
) -> None:
    write("raise ValueError\n", "evil.py")
    plugin = write(PLUGIN, "my_layers.py")
    text = SMALL.replace("relu", "swish") + "plugins: [evil.py]\n"
    with pytest.raises(ConfigError, match="no layer is called"):
        from_text(text, tmp_path / "stored.yaml", plugins=[])
    config = from_text(text, tmp_path / "stored.yaml", ["seed=5"], plugins=[plugin])
    assert (config.seed, config.name, config.text) == (5, "stored", text)
    assert config.plugins == (tmp_path.resolve() / "evil.py",)
    with pytest.raises(ConfigError, match="there is no plugin file"):
        from_text(text, tmp_path / "stored.yaml", plugins=[tmp_path / "nope.py"])


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("x = 1\n\nraise KeyError('boo')\n", 3, "KeyError: 'boo'"),
        ("def f():\n    return 1 / 0\nf()\n", 2, "ZeroDivisionError"),
        ("x = (\n", 1, "SyntaxError"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("import nope_nope\n", 1, "No module named 'nope_nope'"),
        ("raise ValueError('\\x1b[31m')\n", 1, r"\x1b[31m"),
        ("x = '\\ud800'\nx.encode()\n", 2, "UnicodeEncodeError"),
        ("\x00", 0, "null bytes"),
    ],
)
def test_C21_plugins_that_fail_show_their_line(
    write: Write, tmp_path: Path, source: str, line: int, words: str
) -> None:
    plugin = write(source, "bad.py").resolve()
    path = write(SMALL.replace("relu", "swish") + "plugins:\n  - bad.py\n")
    found = only(path)
    assert (found.fault, "bad.py" in found.message) == ("C21", True)
    assert words in found.message
    assert found.message.isprintable()
    if line:
        assert (found.file, found.line) == (str(plugin), line)
        assert found.excerpt == source.splitlines()[line - 1]
        assert found.hint == f"named at {path}:6"
    write(PLUGIN, "bad.py")
    assert load(path).model.layers[0].name == "swish"


def test_C26_what_is_no_plugin_file(write: Write, tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    path = write(SMALL + "plugins: [folder.py, nope.py, a.txt]\nloss2: 3\n")
    assert [p.fault for p in refused(path)] == ["C26", "C26", "C21"]
    assert only(write(SMALL + "plugins: a.py\n")).message.startswith("plugins: expected a list")


def test_loading_a_config_needs_no_terminal_packages() -> None:
    code = (
        "import sys, dgrad.config; assert not {'typer', 'rich', 'click'} & set(sys.modules), "
        "'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
