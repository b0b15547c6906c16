"""Sentences of a report: who has the best results, and what was trained on which data."""

from collections.abc import Sequence
from typing import Any

from ae_jax.data import Dataset
from ae_jax.evaluation import METRICS, NOISY, TASKS, Row, TaskResult, is_baseline
from ae_jax.report.tables import ResultsTable, Summary, format_interval, listed, results_table
from ae_jax.studies import Difference, best, paired_differences, summarise, undefeated
from ae_jax.studies.results import Examples
from ae_jax.training import Run

_NO_BASELINES = (NOISY, "training data")


def verdict(summary: Summary, differences: Sequence[Difference]) -> str:
    """Names the groups that are shown to be better than all others of their code size, and those that may be the best.

    Args:
      summary: as :func:`ae_jax.studies.summarise` returns it.
      differences: as :func:`ae_jax.studies.paired_differences` returns them.

    Example:
      >>> from ae_jax.studies import Interval
      >>> summary = {"pca": {"mse": Interval(0.3, None, 1)}, "sparse": {"mse": Interval(0.1, 0.02, 5)}}
      >>> difference = Interval(0.2, 0.02, 5, ("training", "test examples"))
      >>> verdict(summary, [Difference({"metric": "mse"}, "pca", "sparse", difference, 0.001, 0.01, "sparse")])
      'sparse is shown to have the lowest MSE (0.10000 ± 0.02000).'
    """
    won: dict[str, list[str]] = {}
    level: list[str] = []
    for metric, what in METRICS.items():
        asked = [one for one in differences if one.question["metric"] == metric]
        tested = undefeated(asked)
        leading = [name for name, unbeaten in tested.items() if unbeaten]
        winners = [
            name
            for name in leading
            if all(one.shown() and one.better == name for one in asked if name in (one.first, one.second))
        ]
        for name in winners:
            won.setdefault(name, []).append(_claim(summary, name, metric))
        if others := [name for name in leading if name not in winners]:
            few = len(others) <= 3 and not any("," in name for name in others)
            count = "all" if len(others) == len(tested) else f"{len(others)} of {len(tested)}"
            level.append(f"{listed(others) if few else count} in {what.label}")
    sentences = [f"{name} is shown to have {listed(claims)}." for name, claims in won.items()]
    sentences += [f"Not shown to be worse than the best: {'; '.join(level)}."] * bool(level)
    if not sentences:
        return "Nothing can be compared: no metric has a test between two groups."
    if max(answer.count for metrics in summary.values() for answer in metrics.values()) == 1:
        sentences.append("Only one seed was trained: intervals and tests do not contain training.")
    return " ".join(sentences)


def task_tables(result: TaskResult, *, by_member: bool = False, resampled: float | None = None) -> list[ResultsTable]:
    """Returns the tables of a task's results: several if its rows cover a grid, such as corruptions and levels.

    Only the last table is explained. Metrics that are means over examples are tested, and others where each seed has a
    split of its own.

    Args:
      result: as :func:`ae_jax.evaluation.evaluate` returns it.
      by_member: members are rows of their own, instead of seeds of one autoencoder.
      resampled: as of :func:`ae_jax.studies.interval`; None where seeds share a split.

    Example:
      >>> row = {"autoencoder": "a", "member": 0, "seed": 0, "metric": "psnr_gain", "value": 1.0, "split": "test"}
      >>> row |= {"corruption": "gaussian", "level": 0.3, "trained_on": "clean"}
      >>> [(table.title, list(table.rows)) for table in task_tables(TaskResult("denoising", [row]))]
      [('gaussian, 0.3', ['a, clean'])]
    """
    task = TASKS[result.task]
    parts: dict[str, list[tuple[Row, Examples]]] = {}
    for row, values in zip(result.rows, result.examples or [None] * len(result.rows), strict=True):
        member = f"member {row['member']}" if by_member and row["member"] is not None else None
        group = _joined(*(row.get(key) for key in task.by), member)
        parts.setdefault(_joined(*(row[key] for key in task.over)), []).append((row | {"autoencoder": group}, values))
    last = list(parts)[-1:]
    tables = []
    for title, part in parts.items():
        tested = [one for one in part if resampled is not None or one[1] is not None]
        on = {"split": part[0][0]["split"], "resampled": resampled}
        summary = summarise([row for row, _ in part], examples=[values for _, values in part], **on)
        differences = paired_differences([row for row, _ in tested], examples=[of for _, of in tested], **on)
        how = {"heading": _joined(*task.by), "title": title, "explained": [title] == last}
        tables.append(results_table(summary, differences, **how))
    return tables


def task_sentence(result: TaskResult, name: str) -> str:
    """States the headline metric of a task: the run's best value and that of the best baseline.

    Returns:
      A sentence; empty if the task has no rows of the autoencoder of this name.
    """
    task = TASKS[result.task]
    measured = {row["metric"] for row in result.rows}
    metric = next((metric for metric in task.headline if metric in measured), None)
    if metric is None:
        return ""
    own = [row for row in result.rows if row["autoencoder"] == name]
    others = [row for row in result.rows if row["autoencoder"] not in (name, *_NO_BASELINES)]
    found, baseline = (_headline(rows, metric, task.by, grid=bool(task.over)) for rows in (own, others))
    if not found:
        return ""
    over = f", mean over {' and '.join(f'{key}s' for key in task.over)}" if task.over else ""
    compared = f"; best baseline {baseline}" if baseline else ""
    return f"{result.task.capitalize()}: {METRICS[metric].label} {found}{compared}{over}."


def data_facts(dataset: Dataset) -> str:
    """Describes the data in a sentence."""
    counts = dataset.describe()["examples"]
    shape = " x ".join(map(str, dataset.shape))
    return (
        f"{dataset.name}: {counts['train']:,} training, {counts['validation']:,} validation and {counts['test']:,} "
        f"test examples of {shape} features."
    )


def training_facts(record: dict[str, Any]) -> str:
    """States the settings, time and device of training in a sentence."""
    settings = record.get("settings", {})
    count = len(settings.get("seeds", ()))
    seeds = f"{count} seed{'s' if count > 1 else ''}, at" if count else "At"
    wall, compiling = (record.get(key, float("nan")) for key in ("wall_s", "compile_s"))
    return (
        f"{seeds} most {settings.get('epochs', '?')} epochs, batches of {settings.get('batch_size', '?')}; "
        f"{wall:.0f} s, of which {compiling:.0f} s compiling, on {record.get('device', 'an unknown device')}."
    )


def run_facts(run: Run) -> str:
    """Describes the networks and the members of a run in a sentence."""
    code = getattr(run.autoencoder.networks, "code", None)
    epochs = sorted({int(epoch) for epoch in run.best_epoch})
    kept = f"epoch {epochs[0]}" if len(epochs) == 1 else f"epochs {epochs[0]} to {epochs[-1]}"
    of_code = f"a code of {code}, " if code is not None else ""
    members = f"{len(run)} members" if len(run) > 1 else f"seed {run.seeds[0]}"
    networks = type(run.autoencoder.networks).__name__
    return f"{networks} with {of_code}{run.parameters:,} parameters; {members}, parameters of {kept}."


def _claim(summary: Summary, name: str, metric: str) -> str:
    what = METRICS[metric]
    value = f"{format_interval(summary[name][metric], metric)}{_unit(metric)}"
    sizes = {of["code_units"].mean for group, of in summary.items() if "code_units" in of and not is_baseline(group)}
    size = (
        f" of codes of {summary[name]['code_units'].mean:.0f} units" if len(sizes) > 1 and not is_baseline(name) else ""
    )
    return f"the {'lowest' if what.better == 'low' else 'highest'} {what.label}{size} ({value})"


def _headline(rows: list[Row], metric: str, by: tuple[str, ...], *, grid: bool) -> str:
    """The best group's mean of a metric and its name; empty without one. A mean over a grid has no interval."""
    groups = [row | {"group": _joined(*(row.get(key) for key in by))} for row in rows]
    summary = summarise(groups, by=("group",), split=rows[0]["split"]) if rows else {}
    winner = best(summary, metric)
    if winner is None:
        return ""
    value = format_interval(summary[winner][metric], metric)
    return f"{value.mean if grid else value}{_unit(metric)} ({winner})"


def _unit(metric: str) -> str:
    return f" {METRICS[metric].unit}" if METRICS[metric].unit in ("dB", "nats") else ""


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part is not None)
