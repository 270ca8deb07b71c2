"""What a `train` section becomes once the data are known: settings, the average, checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dgrad.config.document import Config
from dgrad.config.marks import Problems, quote, refuse, suggest
from dgrad.config.places import place
from dgrad.config.values import leaves
from dgrad.nn.module import Module
from dgrad.optim.schedules import Length
from dgrad.train.averaging import EMA, SWA, WeightAverage
from dgrad.train.settings import Settings
from dgrad.train.trainer import Examples, Trainer

__all__ = [
    "build_average",
    "build_settings",
    "check_monitored",
    "doubts_about_averages",
    "doubts_about_batches",
    "doubts_about_lengths",
    "monitored",
    "steps_per_epoch",
]


def steps_per_epoch(config: Config, rows: int) -> int:
    """How many steps take all `rows` of the training split."""
    return -(-rows // (config.train.batch_size * config.train.accumulate))


def build_settings(config: Config, splits: Mapping[str, Examples], per_epoch: int) -> Settings:
    """The settings of the trainer. per_epoch: steps."""
    train, stop = config.train, config.train.early_stop
    total, every = train.total_steps(per_epoch), train.eval.every
    return Settings(
        seed=config.seed,
        epochs=train.epochs,
        steps=train.steps,
        batch_size=train.batch_size,
        accumulate=train.accumulate,
        eval_batch_size=train.eval_batch_size,
        eval_every=None if every is None else every.steps(total, per_epoch),
        eval_rows=train.eval.rows,
        clip_norm=train.clip_norm,
        clip_value=train.clip_value,
        save_every=train.checkpoint.every.steps(total, per_epoch),
        best=monitored(train.checkpoint.best, splits),
        stop_metric=monitored(stop.metric if stop else train.checkpoint.best, splits),
        patience=stop.patience if stop else None,
    )


def build_average(config: Config, model: Module, per_epoch: int) -> WeightAverage | None:
    """The average of the weights, if the config wants one. Raises ConfigError C22."""
    ema, swa = config.train.ema, config.train.swa
    if (ema or swa) and _averages(config):
        key, name = "ema" if ema else "swa", config.optimizer.name
        text = f"train.{key}: {name} averages the weights itself, and that average is evaluated"
        refuse("C22", place(config, "train", key), text, f"leave out {key}, or use adamw")
    if ema is not None:
        return EMA(model, ema.decay)
    if swa is None:
        return None
    total = config.train.total_steps(per_epoch)
    start = swa.start.steps(total, per_epoch)
    if start > total:
        text = f"train.swa.start: at most the {total} steps of the run, got {start}"
        refuse("C22", place(config, "train", "swa", "start"), text)
    return SWA(model, start, swa.every.steps(total, per_epoch))


def _averages(config: Config) -> bool:
    """Whether the optimizer averages the weights itself."""
    return bool(getattr(config.optimizer.target, "averages", False))


def monitored(metric: str, splits: Mapping[str, Examples]) -> str:
    """Without validation rows the default, val/loss, is the training loss."""
    return "train/loss" if metric == "val/loss" and "val" not in splits else metric


def check_monitored(config: Config, trainer: Trainer) -> None:
    """What training monitors must be measured. Raises ConfigError at the name in the config."""
    known, train = trainer.measured, config.train
    wanted = [(train.checkpoint.best, ("train", "checkpoint", "best"))]
    if train.early_stop:
        wanted.append((train.early_stop.metric, ("train", "early_stop", "metric")))
    observed = getattr(trainer.schedule, "metric", None)
    if observed:
        wanted.append((observed, ("schedule", config.schedule.name, "metric")))
    problems = Problems()
    for name, keys in wanted:
        if monitored(name, trainer.splits) not in known:
            text = f"{'.'.join(keys)}: nothing called {quote(name)} is measured"
            hint = f"{suggest(name, known)}   there is: {', '.join(known)}".strip()
            problems.add("C22", place(config, *keys), text, hint)
    problems.raise_if_any()


def doubts_about_lengths(config: Config, per_epoch: int) -> Iterator[str]:
    """Lengths that are allowed, and seldom meant."""
    if config.train.epochs is None:
        return  # a run that is counted in steps means steps
    for name, size in leaves(config.schedule):
        if isinstance(size, Length) and size.is_bare and 0 < size.amount < per_epoch:
            meant, means = size.in_words("epochs"), size.in_words("optimizer steps")
            yield f"{name}: {size} means {means}; write '{meant}' or '{size.in_words('steps')}'"


def doubts_about_batches(config: Config, per_epoch: int) -> Iterator[str]:
    """Batches that are allowed, and seldom do well."""
    name = config.optimizer.name
    if getattr(config.optimizer.target, "needs_closure", False) and per_epoch > 1:
        yield (
            f"{name} takes every batch for the same function, but an epoch has {per_epoch}: set "
            f"train.batch_size to the number of training rows, or less with train.accumulate"
        )


def doubts_about_averages(config: Config, per_epoch: int) -> Iterator[str]:
    """Averages of the weights that are allowed, and seldom meant."""
    schedule = config.schedule
    if _averages(config) and schedule.name != "constant":
        yield (
            f"{config.optimizer.name} averages the weights in place of a falling rate: leave out "
            f"the schedule {schedule.name}, or write constant, which may have a warm-up"
        )
    ema, swa = config.train.ema, config.train.swa
    total = config.train.total_steps(per_epoch)
    if ema is not None and 1 / (1 - ema.decay) > total:
        yield (
            f"ema: decay {ema.decay:g} is over about {1 / (1 - ema.decay):,.0f} steps, the run has "
            f"{total:,}: its first weights will count the most; use a lower decay"
        )
    if swa is None:
        return
    if swa.start.steps(total, per_epoch) + swa.every.steps(total, per_epoch) > total:
        yield f"swa averages the weights of one step alone: from {swa.start}, every {swa.every}"
