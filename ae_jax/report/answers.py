"""Answers to the questions of uses: their tables, a sentence for each, and their figures as parts of a page."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ae_jax.data import Dataset
from ae_jax.evaluation import METRICS, TASKS, Row, TaskResult, search
from ae_jax.evaluation.denoising import NOISY
from ae_jax.evaluation.sampling import subsample
from ae_jax.report import charts, page, pictures, uses
from ae_jax.report.canvas import shown_member, shown_places
from ae_jax.report.charts import Summary
from ae_jax.report.tables import cell
from ae_jax.studies import best, summarise
from ae_jax.training import Run

_SHOWN, _QUERIES, _RESULTS, _EXTREMES = 10, 6, 10, 8
_DATABASE = 10_000
_NO_BASELINES = (NOISY, "training data")


class AnswerTable(NamedTuple):
    """One table of an answer.

    Attributes:
      title: what all its rows share, such as ``"gaussian, 0.3"``; empty where the answer has one table only.
      heading: what its rows are.
      summary: of each row, metric -> interval over seeds.
    """

    title: str
    heading: str
    summary: Summary


def answer_tables(answer: TaskResult, *, by_member: bool = False) -> list[AnswerTable]:
    """The tables of an answer: several where its rows are of a grid, such as corruptions and levels.

    Args:
      answer: as :func:`ae_jax.evaluation.run_tasks` gives it.
      by_member: members stand for themselves, not for seeds of one autoencoder.

    Returns:
      The tables, in the order of the rows; none of an answer without rows.

    Example:
      >>> row = {"autoencoder": "a", "member": 0, "seed": 0, "metric": "psnr_gain", "value": 1.0, "split": "test"}
      >>> row |= {"corruption": "gaussian", "level": 0.3, "trained_on": "clean"}
      >>> [(table.title, list(table.summary)) for table in answer_tables(TaskResult("denoising", [row]))]
      [('gaussian, 0.3', ['a, clean'])]
    """
    question = TASKS[answer.task]
    parts: dict[str, list[Row]] = {}
    for row in answer.rows:
        member = f"member {row['member']}" if by_member and row["seed"] is not None else None
        group = _joined(*(row.get(key) for key in question.by), member)
        parts.setdefault(_joined(*(row[key] for key in question.over)), []).append(row | {"group": group})
    return [
        AnswerTable(title, _joined(*question.by), summarise(rows, by=("group",), split=rows[0]["split"]))
        for title, rows in parts.items()
    ]


def answer_sentence(answer: TaskResult, name: str) -> str:
    """The answer in one number: what the run reaches at its best, and the best of the baselines.

    Args:
      answer: as :func:`ae_jax.evaluation.run_tasks` gives it.
      name: of the run's autoencoder.

    Returns:
      A sentence; empty of an answer without rows.
    """
    if not answer.rows:
        return ""
    question = TASKS[answer.task]
    measured = {row["metric"] for row in answer.rows}
    metric = next(metric for metric in question.headline if metric in measured)
    own = [row for row in answer.rows if row["autoencoder"] == name]
    others = [row for row in answer.rows if row["autoencoder"] not in (name, *_NO_BASELINES)]
    found = _headline(own, metric, question.by, grid=bool(question.over))
    if not found:
        return ""
    baseline = _headline(others, metric, question.by, grid=bool(question.over))
    over = f", mean over {' and '.join(f'{key}s' for key in question.over)}" if question.over else ""
    compared = f"; best baseline {baseline}" if baseline else ""
    return f"{answer.task.capitalize()}: {METRICS[metric].label} {found}{compared}{over}."


def answer_figures(answer: TaskResult, run: Run, dataset: Dataset) -> str:
    """The figures of an answer, for a page."""
    return page.figures(*_FIGURES[answer.task](answer, run, dataset)) if answer.rows else ""


def _headline(rows: list[Row], metric: str, by: tuple[str, ...], *, grid: bool) -> str:
    """The best group's mean of a metric, and its name; empty where there is none; over a grid without an interval."""
    groups = [row | {"group": _joined(*(row.get(key) for key in by))} for row in rows]
    summary = summarise(groups, by=("group",), split=rows[0]["split"]) if rows else {}
    winner = best(summary, metric)
    unit = f" {METRICS[metric].unit}" if METRICS[metric].unit in ("dB", "nats") else ""
    if winner is None:
        return ""
    value = cell(summary, winner, metric)
    return f"{value.mean if grid else value}{unit} ({winner})"


def _of_reconstruction(answer: TaskResult, run: Run, dataset: Dataset) -> list[str]:
    split, x, labels = _asked_about(answer, dataset)
    return [
        page.picture(
            pictures.reconstructions(run, x[shown_places(labels, len(x), _SHOWN)]),
            f"Examples above their reconstructions by {run.name}, clean and corrupted.",
            f"Examples of the {split} split and what {run.name} makes of them.{_of_member(run)}",
        )
    ]


def _of_representation(answer: TaskResult, run: Run, dataset: Dataset) -> list[str]:
    split, x, labels = _asked_about(answer, dataset)
    return [
        page.picture(
            charts.code_map(run, x, labels),
            f"Scatter plot of the codes of {run.name}.",
            f"Map of the codes of the {split} split.{_of_member(run)}",
        ),
        page.picture(
            uses.latent_traversals(run, x),
            f"What {run.name} decodes as each unit of the code moves away from its mean.",
            "Each unit moved by up to two standard deviations from the mean code, the others left at their means: the "
            f"units that vary most.{_of_member(run)}",
        ),
    ]


def _of_detection(answer: TaskResult, run: Run, dataset: Dataset) -> list[str]:
    parts = [
        page.picture(
            uses.roc_and_pr(answer.curves),
            "ROC and precision-recall curves of every score; their areas are in the table.",
            f"Curves of every score and baseline; dotted lines are chance.{_of_member(run)}",
        )
    ]
    if answer.scorer is not None:
        x = _asked_about(answer, dataset)[1]
        scores = answer.curves[f"{run.name}, {answer.scorer.name}"].scores
        order = np.argsort(-scores, kind="stable")
        count = min(_EXTREMES, len(order) // 2)
        ends = np.concatenate([order[:count], order[len(order) - count :]])
        explained = answer.scorer.explain(x[ends])
        of_shown = explained if run.single else explained[_shown(run)]
        figure = uses.anomaly_strip(x[ends], scores[ends], of_shown, count=count)
        caption = f"By {answer.scorer.name}, the run's score with the highest ROC AUC: scores and what contributes to"
        alt = "The examples that score highest and lowest, with the contributions of their features."
        parts.append(page.picture(figure, alt, f"{caption} them.{_of_member(run)}"))
    return parts


def _of_retrieval(answer: TaskResult, run: Run, dataset: Dataset) -> list[str]:
    split, x, labels = _asked_about(answer, dataset)
    member = shown_member(run)
    places = shown_places(labels, len(x), _QUERIES)
    rows = subsample(len(dataset.train.x), _DATABASE)
    k = min(_RESULTS, len(rows))
    found = rows[search(member.encode(x[places]), member.encode(dataset.train.x[rows]), k=k).indices]
    known = labels is not None and dataset.train.labels is not None
    figure = uses.retrieval_strips(
        x[places],
        dataset.train.x[found],
        labels[places] if labels is not None and known else None,
        dataset.train.labels[found] if dataset.train.labels is not None and known else None,
    )
    caption = f"Queries of the {split} split and the training examples whose codes are nearest (Euclidean); crossed out"
    alt = "Queries beside the training examples that are nearest in code."
    return [page.picture(figure, alt, f"{caption}: another label than the query's.{_of_member(run)}")]


def _of_denoising(answer: TaskResult, run: Run, dataset: Dataset) -> list[str]:
    x, labels = _asked_about(answer, dataset)[1:]
    return [
        page.picture(
            uses.denoising_gains(answer.rows),
            "PSNR gain over the noisy input by level of damage, a panel for each family of corruptions.",
            "What each method adds to the noisy input; below the dotted line it does harm.",
        ),
        page.picture(
            uses.denoising_grid_figure(run, x[shown_places(labels, len(x), 6)]),
            f"Damaged examples above what {run.name} makes of them, by corruption and level.",
            f"Damaged examples and what {run.name} makes of them.{_of_member(run)}",
        ),
    ]


def _of_generation(answer: TaskResult, run: Run, dataset: Dataset) -> list[str]:
    x = _asked_about(answer, dataset)[1]
    return [
        page.picture(
            pictures.prior_samples(run, bounds=(float(x.min()), float(x.max()))),
            f"Samples of the prior, decoded by {run.name}.",
            f"New data: latents drawn from the prior, decoded.{_of_member(run)}",
        )
    ]


_FIGURES: dict[str, Callable[[TaskResult, Run, Dataset], list[str]]] = {
    "reconstruction": _of_reconstruction,
    "representation": _of_representation,
    "anomaly": _of_detection,
    "retrieval": _of_retrieval,
    "denoising": _of_denoising,
    "generation": _of_generation,
}


def _asked_about(answer: TaskResult, dataset: Dataset) -> tuple[str, np.ndarray, np.ndarray | None]:
    """The split that an answer is of: its name, examples as stored, and labels."""
    split = answer.rows[0]["split"]
    part = dataset.split(split)
    return split, part.x, part.labels


def _shown(run: Run) -> int:
    return int(np.argmax(run.finite))


def _of_member(run: Run) -> str:
    return "" if len(run) == 1 else f" Seed {shown_member(run).seeds[0]}."


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part is not None)
