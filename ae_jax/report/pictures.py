"""Figures of a run with their captions, as sections of a report show them."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ae_jax.data import Dataset, Split
from ae_jax.evaluation import NOISE, TaskResult, search
from ae_jax.evaluation.sampling import subsample_split
from ae_jax.report import charts, examples
from ae_jax.report.axes import select_examples, select_member
from ae_jax.report.filters import first_layer_filters
from ae_jax.report.tables import BASELINE, Summary
from ae_jax.training import Run

_SHOWN, _QUERIES, _RESULTS = 10, 6, 10
_DATABASE = 10_000


class Picture(NamedTuple):
    """A figure of a report and its caption."""

    figure: Figure
    caption: str


def run_pictures(run: Run, dataset: Dataset | None) -> list[Picture]:
    """Returns loss curves, reconstructions, codes, samples and filters: those that the run and the data allow."""
    band = "; bands reach from the lowest to the highest member" if len(run) > 1 else ""
    pictures = _picture(
        charts.loss_curves(run), f"Every term by epoch, unweighted; the loss is their weighted sum{band}."
    )
    bounds = None
    if dataset is not None:
        dataset = select_member(run).own_split(dataset.filled())
        name = next(name for name in ("test", "validation", "train") if len(getattr(dataset, name).x))
        split = getattr(dataset, name)
        bounds = float(split.x.min()), float(split.x.max())
        pictures += [*_reconstructions(run, split, name), *_codes(run, split, name)]
    filters = f"First-layer weights of the units with the largest norms.{_member_of(run)}"
    return [*pictures, *_samples(run, bounds), *_picture(first_layer_filters(run), filters)]


def summary_pictures(summary: Summary) -> list[Picture]:
    """Returns the figure that compares groups in every metric; none if no metric has two groups."""
    baseline = " The dotted line is PCA." if BASELINE in summary else ""
    return _picture(
        charts.comparison_summary(summary),
        f"Mean and 95% confidence interval, as in the table.{baseline} Arrows show which way is better.",
    )


def task_pictures(result: TaskResult, run: Run, dataset: Dataset) -> list[Picture]:
    """Returns the figures of a task's results; none if it has no rows."""
    if not result.rows:
        return []
    name, dataset = result.rows[0]["split"], select_member(run).own_split(dataset.filled())
    split = dataset.split(name)
    match result.task:
        case "reconstruction":
            return _reconstructions(run, split, name)
        case "representation":
            traversals = examples.latent_traversals(run, split.x, run.condition_of(split.labels))
            caption = (
                "The units that vary most, each moved by up to two standard deviations from the mean code while the "
                f"others stay at their means.{_member_of(run)}"
            )
            return [*_codes(run, split, name), *_picture(traversals, caption)]
        case "anomaly":
            return _of_detection(result, run, split)
        case "retrieval":
            return _of_retrieval(run, split, dataset.train, name)
        case "denoising":
            caption = (
                "PSNR gain of each method over the noisy input by noise level; below the dotted line the result is "
                "worse than the input."
            )
            return [*_picture(charts.denoising_gains(result.rows), caption), *_reconstructions(run, split, name)]
        case "generation":
            return _samples(run, (float(split.x.min()), float(split.x.max())))
    return []


def _reconstructions(run: Run, split: Split, name: str) -> list[Picture]:
    shown = split.take(select_examples(split.labels, len(split.x), _SHOWN))
    return _picture(
        examples.reconstructions(run, shown.x, run.condition_of(shown.labels)),
        f"Reconstructions of the {name} split, clean and with Gaussian noise of standard deviation {NOISE.scale:g} "
        f"model units.{_member_of(run)}",
    )


def _codes(run: Run, split: Split, name: str) -> list[Picture]:
    coloured = ", coloured by label" if split.labels is not None else ""
    caption = f"Codes of the {name} split in two dimensions{coloured}.{_member_of(run)}"
    return _picture(charts.code_map(run, split.x, split.labels), caption)


def _samples(run: Run, bounds: tuple[float, float] | None) -> list[Picture]:
    condition = run.condition_of(np.resize(np.array(run.data.classes or [0]), 30))
    figure = examples.prior_samples(run, condition, bounds=bounds)
    return _picture(figure, f"Samples, decoded from latents of the prior.{_member_of(run)}")


def _of_detection(result: TaskResult, run: Run, split: Split) -> list[Picture]:
    curves = _picture(
        charts.roc_and_pr(result.curves),
        f"Curves of every score and baseline; dotted lines are chance.{_member_of(run)}",
    )
    if result.scorer is None:
        return curves
    scores = result.curves[f"{run.name}, {result.scorer.name}"].scores
    extremes = _picture(
        examples.scored_examples(result.scorer, split.x, scores, run.condition_of(split.labels)),
        f"Scores by {result.scorer.name}, the run's score with the highest ROC AUC, and the contributions of the "
        f"features.{_member_of(run)}",
    )
    return [*curves, *extremes]


def _of_retrieval(run: Run, split: Split, train: Split, name: str) -> list[Picture]:
    member = select_member(run)
    queries = split.take(select_examples(split.labels, len(split.x), _QUERIES))
    database = subsample_split(train, _DATABASE)
    codes = [
        np.asarray(member.encode(part.x, run.condition_of(part.labels))).reshape(len(part.x), -1)
        for part in (queries, database)
    ]
    found = database.take(search(*codes, k=min(_RESULTS, len(database.x))).indices)
    return _picture(
        examples.retrieved_examples(queries.x, found.x, queries.labels, found.labels),
        f"Queries of the {name} split and the training examples with the nearest codes (Euclidean); results of "
        f"another label are crossed out, or dotted lines.{_member_of(run)}",
    )


def _picture(figure: Figure | None, caption: str) -> list[Picture]:
    return [] if figure is None else [Picture(figure, caption)]


def _member_of(run: Run) -> str:
    return "" if len(run) == 1 else f" Seed {select_member(run).seeds[0]}."
