"""What a gradient check covers: what is named, what is shipped, or what a config brings along."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import dgrad
from dgrad import registry
from dgrad.config import document
from dgrad.config.document import load
from dgrad.config.gradients import gradient_checks
from dgrad.errors import UnknownNameError
from tests.toys import CLASSES, forgetting, write_toy

PLUGIN = """\
import dgrad

@dgrad.op
def tripled(x):
    return 3 * x

tripled.vjp(x=lambda g: 3 * g)
"""


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


@pytest.fixture
def config(tmp_path: Path) -> document.Config:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    return load(write_toy(tmp_path, CLASSES + "plugins: [./plugin.py]\n"))


def test_named_ones_alone_in_their_order() -> None:
    report = gradient_checks(ops=["tanh", "exp"], layers=["relu"], order=1, seed=3)
    assert [check.subject for check in report.checks] == ["tanh", "exp", "relu"]
    assert ({check.order for check in report.checks}, report.seed) == ({1}, 3)


def test_a_config_brings_its_plugins_and_its_model(config: document.Config) -> None:
    report = gradient_checks(config)
    assert {check.subject for check in report.checks} == {"tripled", "model"}
    again = gradient_checks(load(config.path))  # its plugin is loaded already
    assert again.to_dict() == report.to_dict()


def test_named_ones_besides_the_model(config: document.Config) -> None:
    report = gradient_checks(config, ops=["tanh"], everything=True)
    assert {check.subject for check in report.checks} == {"tanh", "model"}


def test_everything_besides_the_model(
    config: document.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for known, names in ((registry.ops, ("exp", "tripled")), (registry.layers, ("relu",))):
        monkeypatch.setattr(known, "_entries", {name: known[name] for name in names})
    wanted = {"exp", "tripled", "relu"}
    shipped = gradient_checks()
    assert {check.subject for check in shipped.checks} == wanted
    assert max(check.order for check in shipped.checks) == 2
    report = gradient_checks(config, everything=True)
    assert {check.subject for check in report.checks} == {*wanted, "model"}


def test_unknown_names_are_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dgrad.config.gradients.check_op", lambda *a, **k: pytest.fail("checked already")
    )
    with pytest.raises(UnknownNameError, match="linaer"):
        gradient_checks(ops=["tanh"], layers=["linaer"])


def test_what_is_shipped_is_told_from_plugins_by_where_it_is_defined() -> None:
    @dgrad.op
    def here(x):  # type: ignore[no-untyped-def]
        """x."""
        return x * 1

    here.vjp(x=lambda g: g)
    from dgrad.config.gradients import _plugged

    assert _plugged(registry.ops) == ["here"]
    assert _plugged(registry.layers) == []
