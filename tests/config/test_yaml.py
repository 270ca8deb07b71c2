"""The strict YAML reader: values, limits, places of problems, and the way back to text."""

import math
import os
import random
from pathlib import Path

import pytest

from dgrad.config import yaml
from dgrad.config.tree import Mapping, Scalar, dump, graft, plain
from dgrad.errors import ConfigError, Problem

MLP = """\
seed: 0
model:
  layers:
    - linear: {units: 128, bias: true}
    - relu
text: "a\\tb\\u00e9"
folded: >-
  one
  two
"""


def parse(text: str) -> Mapping:
    return yaml.parse(text, "run.yaml")


def value(text: str) -> object:
    return plain(parse(f"key: {text}"))["key"]


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.problems


def problem(text: str) -> Problem:
    (only,) = problems(text)
    return only


def test_a_config_reads_as_python_data() -> None:
    assert plain(parse(MLP)) == {
        "seed": 0,
        "model": {"layers": [{"linear": {"units": 128, "bias": True}}, "relu"]},
        "text": "a\tbé",
        "folded": "one two",
    }


def test_nodes_and_keys_know_their_places() -> None:
    root = parse("seed: 0\nmodel:\n  layers: [relu, {linear: 128}]\n")
    model = root.entries["model"]
    layers = model.value.entries["layers"]  # type: ignore[union-attr]
    linear = layers.value.items[1].entries["linear"]  # type: ignore[union-attr]
    places = [
        (mark.file, mark.line, mark.column, mark.width)
        for mark in (model.key_mark, layers.key_mark, linear.key_mark, linear.value.mark)
    ]
    assert places == [
        ("run.yaml", 2, 1, 5),
        ("run.yaml", 3, 3, 6),
        ("run.yaml", 3, 19, 6),
        ("run.yaml", 3, 27, 3),
    ]


# ------------------------------------------------------------------------------------- scalars

NUMERALS = """
1e-3 1.e3 -.5 +.5 .5 5. 1. 0.0 -0.0 +0.0 1e3 1E3 1e+3 1E-3 -1e-3 +1e-3 1.5e10 1.5E+10 1.5e-10
.5e1 .5E-1 -.5e1 +.5e+1 1.e-3 -1.e3 12345.678 1e300 1e-300 5e-324 2.2250738585072014e-308
1.7976931348623157e308 0.1 0.2 0.30000000000000004 3.141592653589793 1e0 0e0 -0e0 00.5 01e2
10e-2 6.02e23 -1.6e-19 9007199254740993.0 .0 -.0 +.0 0. 1e05 1e-05 1.0e-05 123e4 4e1 0.5 -0.25
+0.125 1e22 1e23 -5. +5.
"""


def test_C04_sixty_numerals_read_as_python_reads_them() -> None:
    assert len(NUMERALS.split()) == 60
    for text in NUMERALS.split():
        found = value(text)
        assert type(found) is float, text
        assert found.hex() == float(text).hex(), text


BOOLEANS = """
y Y yes Yes YES n N no No NO true True TRUE false False FALSE on On ON off Off OFF
"""


@pytest.mark.parametrize("text", BOOLEANS.split())
def test_C05_only_true_and_false_are_booleans(text: str) -> None:
    expected = {"true": True, "false": False}.get(text, text)
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)
    assert list(plain(parse(f"{text}: 1"))) == [text]


@pytest.mark.parametrize(
    "text", ["010", "-010", "1:30", "1_000", "2024-01-01", "0b1", "0x", "-0x1"]
)
def test_C06_surprising_numerals_are_text(text: str) -> None:
    assert value(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("-7", -7), ("+7", 7), ("0x1F", 31), ("0o17", 15),
        ("18446744073709551615", 2**64 - 1), ("-9223372036854775808", -(2**63)), ("null", None),
        ("~", None), ("", None), ("'1'", "1"),
        ('"true"', "true"), ("Null", "Null"), ("a b", "a b"), ("$data.classes", "$data.classes"),
    ],
)  # fmt: skip
def test_scalars(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_C07_infinities_and_nan_are_floats_for_a_field_to_judge() -> None:
    assert [value(x) for x in (".inf", "-.INF", "+.Inf", "1.0e+400")] == [
        math.inf, -math.inf, math.inf, math.inf,
    ]  # fmt: skip
    assert math.isnan(value(".nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["1" * 5000, "-" + "9" * 5000, "0x" + "f" * 5000, "18446744073709551616", "0o" + "7" * 30],
)
def test_C10_integers_beyond_64_bits(text: str) -> None:
    found = problem(f"lr: {text}")
    assert (found.fault, found.line, found.column) == ("C10", 1, 5)
    assert len(found.message) < 120


# -------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("text", "first", "second", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", 1, 3, 1),
        ("x:\n  a: 1\n  'a': 2\n", 2, 3, 3),
        ("x: [{a: 1,\n  a: 2}]\n", 1, 2, 3),
        ("x:\n- - k:\n      a: 1\n      b: 1\n      a: 1\n", 3, 5, 7),
    ],
)
def test_C11_duplicate_keys_name_both_lines(
    text: str, first: int, second: int, column: int
) -> None:
    found = problem(text)
    assert (found.fault, found.line, found.column) == ("C11", second, column)
    assert f'"a" on line {second} is already set on line {first}' in found.message


def test_C11_every_duplicate_is_reported() -> None:
    assert [p.line for p in problems("a: 1\na: 2\nb: 3\nb: 4\na: 5\n")] == [2, 4, 5]


@pytest.mark.parametrize("levels", range(1, 31))
@pytest.mark.parametrize("kind", ["list", "map"])
def test_C12_alias_bombs_are_counted_before_they_expand(levels: int, kind: str) -> None:
    lines = ["l0: &l0 x"]
    for i in range(1, levels + 1):
        parts = [f"*l{i - 1}"] * 9
        body = ", ".join(parts if kind == "list" else [f"k{j}: {p}" for j, p in enumerate(parts)])
        lines.append(f"l{i}: &l{i} " + (f"[{body}]" if kind == "list" else f"{{{body}}}"))
    text = "\n".join(lines)
    if levels < 5:
        assert parse(text).entries
    else:
        assert problem(text).fault == "C12"


def test_C12_limits() -> None:
    assert problem("a: &a 1\nb: [" + "*a, " * 101 + "]").fault == "C12"
    assert parse("a: &a 1\nb: [" + "*a, " * 100 + "]").entries
    assert problem("b: [" + "1, " * 10_000 + "]").fault == "C12"
    assert parse("b: [" + "1, " * 9_997 + "]").entries


def test_C12_merge_keys_are_refused() -> None:
    found = problem("a: &a {x: 1}\nb:\n  <<: *a\n")
    assert (found.fault, found.line, found.column) == ("C12", 3, 3)
    assert plain(parse("'<<': 1")) == {"<<": 1}


def test_C12_a_file_over_one_mebibyte(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: 1\n" + b"#" * 2**20)
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        yaml.read(path)


NESTS = {
    "list": lambda n: "k: " + "[" * n + "]" * n,
    "map": lambda n: "k: " + "{a: " * n + "1" + "}" * n,
    "block": lambda n: "k:\n" + "\n".join(" " * i + "- " for i in range(1, min(n, 2000) + 1)),
}


@pytest.mark.parametrize("kind", NESTS)
@pytest.mark.parametrize("depth", [32, 500, 100_000])
def test_C13_nesting(kind: str, depth: int) -> None:
    assert problem(NESTS[kind](depth)).fault == "C13"


@pytest.mark.parametrize("kind", ["list", "map"])
def test_C13_nesting_up_to_the_limit(kind: str) -> None:
    assert parse(NESTS[kind](31)).entries


def test_C13_aliases_count_as_deep_as_what_they_name() -> None:
    deep = "a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 20 + "*a" + "]" * 20
    assert problem(deep).fault == "C13"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [*a]", "stands inside"),
        ("a: &a {b: {c: *a}}", "stands inside"),
        ("a: *nope", "no anchor &nope"),
        ("a: &x 1\nb: &x 2", "set twice"),
    ],
)
def test_C14_aliases_without_a_value(text: str, words: str) -> None:
    found = problem(text)
    assert found.fault == "C14"
    assert words in found.message


TAGGED = (
    "!!python/object/apply:os.system [id]", "!!python/name:os.system", "!!bool foo", '!!int ""',
    "!!timestamp x", "!!binary aGk=", "!!set {a, b}", "!!str 1", "!custom x", "! x", "!<tag:x> 1",
    "!!map {a: 1}", "!!seq [1]", "!!float .", "!!null ''", "!!omap [a: 1]",
)  # fmt: skip


@pytest.mark.parametrize("text", TAGGED)
def test_C15_every_tag_is_refused(text: str) -> None:
    assert {p.fault for p in problems(f"a: {text}")} == {"C15"}


@pytest.mark.parametrize(
    ("text", "line", "column", "hint"),
    [
        ("a:\n\tb: 1", 2, 1, "spaces"),
        ('a: "open\nb: 1', 2, 5, "close the quote"),
        ("a: [1, 2\nb: 3", 2, 2, "close"),
        ("a: @x", 1, 4, "quotes"),
        ("a: `x`", 1, 4, "quotes"),
        ("a: %x", 1, 4, "quotes"),
        ("a: b: c", 1, 5, "quotes"),
        ("%YAML 1.1\n---\na: 1", 1, 1, ""),
        ("a: 1\n b: 2", 2, 3, "indentation"),
        ("- a\nb: 1", 2, 1, ""),
        ("[a]: 1", 1, 1, ""),
        ("{a: 1}: 1", 1, 1, ""),
        (": 1", 1, 1, ""),
        ("a: &x b\n*x : 1", 2, 1, ""),
        ('a: "\\xZZ"', 1, 7, ""),
        ('a: "\\UFFFFFFFF"', 1, 7, ""),
        ("a: |9x\n b", 1, 6, ""),
    ],
)
def test_C16_syntax_errors_show_the_line(text: str, line: int, column: int, hint: str) -> None:
    found = problem(text)
    assert (found.fault, found.line, found.column) == ("C16", line, column)
    assert found.excerpt == text.splitlines()[line - 1].replace("\t", " ")
    assert hint in found.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the config is empty"),
        ("# nothing\n", "the config is empty"),
        ("---\n", "the config is empty"),
        ("- a\n- b\n", "must be a mapping of keys to values, not a list"),
        ("hello", "must be a mapping of keys to values, not a single value"),
        ("a: 1\n---\nb: 2\n", "one document"),
    ],
)
def test_C17_no_single_mapping(text: str, words: str) -> None:
    found = problem(text)
    assert found.fault == "C17"
    assert words in found.message


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        ("a: 1\nb: Größe".encode("latin-1"), 2, 6),
        ("a: 1".encode("utf-16"), 1, 1),
        (b"a: 1\nb: \x00", 2, 4),
        (b"a: \x1b[31m", 1, 4),
        (b"a: \x7f", 1, 4),
        (b"a: \xed\xa0\x80", 1, 4),
        (b"a: b\xef\xbb\xbf", 1, 5),
    ],
)
def test_C18_bytes_that_are_no_text(tmp_path: Path, data: bytes, line: int, column: int) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        yaml.read(path)
    (found,) = caught.value.problems
    assert (found.fault, found.line, found.column) == ("C18", line, column)
    assert found.excerpt.isprintable()


@pytest.mark.parametrize("text", [r'"\ud800"', r'"\ud83d\ude00"'])
def test_C18_surrogate_escapes(text: str) -> None:
    assert {p.fault for p in problems(f"a: {text}")} == {"C18"}
    assert {p.fault for p in problems(f"{text}: a")} == {"C18"}


def test_C19_line_ends_and_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    expected = parse(MLP)
    path = tmp_path / "run.yaml"
    for text in (
        MLP.replace("\n", "\r\n"),
        MLP.rstrip("\n"),
        "\ufeff" + MLP,
        MLP.replace("\n", "\r"),
    ):
        path.write_bytes(text.encode())
        found = yaml.read(path)
        assert found == expected
        assert found.entries["text"].key_mark.line == 6


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: None, "there is no file"),
    ],
)
def test_C26_what_is_no_regular_file(tmp_path: Path, make: object, words: str) -> None:
    path = tmp_path / "run.yaml"
    make(path)  # type: ignore[operator]
    with pytest.raises(ConfigError) as caught:
        yaml.read(path)
    (found,) = caught.value.problems
    assert found.fault == "C26"
    assert words in found.message


def test_C26_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").touch()
    with pytest.raises(ConfigError) as caught:
        yaml.read(tmp_path / "digit.yaml")
    assert caught.value.problems[0].hint == 'did you mean "digits.yaml"?'
    for path in ("a\0b", "x" * 5000, tmp_path / "digits.yaml" / "x"):
        with pytest.raises(ConfigError):
            yaml.read(path)


def test_mutated_configs_never_leak_another_exception() -> None:
    rng = random.Random(0)
    symbols = "[]{}:,-?&*!|>%@`'\"# \n\t~=.\\xuU0123aé\x85\u2028\r"
    base = MLP + "a: &x [1, {b: 'q', c: \"\\x41\"}]\nd: *x\n? g\n: 3\n"
    good = 0
    for _ in range(1000):
        text = list(base)
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(len(text))
            text[at : at + rng.randrange(3)] = rng.choice([[], [rng.choice(symbols)]])
        try:
            found = parse("".join(text))
        except ConfigError:
            continue
        good += 1
        assert parse(dump(plain(found))) == found
    assert 100 < good < 900


# ------------------------------------------------------------------------------ back to text

TEXTS = (
    "", " ", "a", "a b", "no", "On", "y", "null", "~", "true", "1", "1e-3", "010", "1:30", "0o17",
    "2024-01-01", ".inf", ".nan", "-", "- a", "a: b", "a #b", "#", "$data.classes", "5%", "@x", "`",
    "'", '"', "\\", "C:\\data", "/a/b.csv", "a\nb", "a\tb", "\x1b[31m", "\x00", "\x7f", "é", "日本",
    "\U0001f600", "\u2028", "\ufeff", "x" * 300, "[a]", "{a}", "a,b", " lead", "trail ",
    "?", "!", "&a",
)  # fmt: skip
FLOATS = (
    0.1,
    1e-05,
    1e-3,
    1e22,
    1e16,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    3.0,
)


@pytest.mark.parametrize(
    "data",
    [
        {t: t for t in TEXTS if t},
        {"list": list(TEXTS), "nested": [[1, [2, []], {}], {"a": {"b": [None, True, -3]}}]},
        {"layers": [{"linear": {"units": 3, "bias": True}}, {"relu": {}}, "x"]},
        {"empty": {}, "none": None, "big": 2**64 - 1, "small": -(2**63)},
    ],
)
def test_C29_dump_reads_back_as_the_same_data(data: dict[str, object]) -> None:
    text = dump(data)
    found = plain(parse(text))
    assert found == data
    assert list(found) == list(data)
    assert dump(found) == text


def test_C29_floats_survive_bit_for_bit() -> None:
    rng = random.Random(1)
    numbers = [*FLOATS, *(rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 300) for _ in range(300))]
    found = plain(parse(dump({"x": numbers})))["x"]
    assert [type(x) for x in found] == [float] * len(numbers)
    assert [x.hex() for x in found] == [x.hex() for x in numbers]


def test_dump_is_readable() -> None:
    data = {"lr": 1e-05, "layers": [{"linear": {"units": 3}}, {"relu": {}}], "betas": [0.9, 0.5]}
    assert dump(data) == (
        "lr: 1e-05\nlayers:\n  - linear:\n      units: 3\n  - relu: {}\nbetas:\n  - 0.9\n  - 0.5\n"
    )


def test_graft_is_the_opposite_of_plain() -> None:
    root = parse(MLP)
    assert graft(plain(root), root.mark) == root
    assert graft((1,), root.mark).items == [Scalar(1, "1", False, root.mark)]  # type: ignore[union-attr]


def test_C30_excerpts_hold_no_control_characters_and_stay_aligned() -> None:
    found = problem("a: b\na\u202e: [1, !x 2] #\tc\n")
    assert found.excerpt == "a\N{REPLACEMENT CHARACTER}: [1, !x 2] # c"
    assert found.excerpt[found.column - 1 :][: found.width] == "!x 2"


def test_a_very_long_line_is_cut() -> None:
    found = problem("a: !x 1 #" + "-" * 10_000)
    assert len(found.excerpt) == 400
    assert problem("a: [" + "1, " * 500 + "!x 1]").excerpt == ""
