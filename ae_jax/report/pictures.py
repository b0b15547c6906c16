"""Figures of a run with their captions, as sections of a report show them."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from ae_jax.data import Dataset, Split
from ae_jax.evaluation import NOISE, TaskResult, search, subsample
from ae_jax.report import charts, examples
from ae_jax.report.axes import is_conditional, select_examples, select_member
from ae_jax.report.sentences import loss_facts
from ae_jax.report.tables import BASELINE, Summary
from ae_jax.training import Run

_SHOWN, _QUERIES, _RESULTS, _EXTREMES = 10, 6, 10, 8
_DATABASE = 10_000


class Picture(NamedTuple):
    """A figure of a report.

    Attributes:
      figure: drawn for a wide screen.
      alt: describes the figure to readers who cannot see it.
      caption: shown below the figure.
      narrow: the same with fewer columns, for a phone; None scrolls a wide figure there.
    """

    figure: Figure
    alt: str
    caption: str
    narrow: Figure | None = None


def run_pictures(run: Run, dataset: Dataset | None) -> list[Picture]:
    """Returns loss curves, reconstructions, codes, samples and filters: those that the run and the data allow."""
    pictures = [_losses(run)]
    bounds = None
    if dataset is not None:
        name = next(name for name in ("test", "validation", "train") if len(getattr(dataset, name).x))
        split = getattr(dataset, name)
        bounds = float(split.x.min()), float(split.x.max())
        pictures += [_reconstructions(run, split, name), _codes(run, split, name)]
    return _drawn([*pictures, _samples(run, bounds), _filters(run)])


def task_pictures(result: TaskResult, run: Run, dataset: Dataset) -> list[Picture]:
    """Returns the figures of a task's results; none if it has no rows."""
    if not result.rows:
        return []
    name = result.rows[0]["split"]
    return _drawn(_OF_TASK[result.task](result, run, dataset, name))


def summary_picture(summary: Summary, heading: str) -> list[Picture]:
    """Returns the figure that compares groups in every metric; none if no metric has two groups."""
    baseline = " The dotted line is PCA." if BASELINE in summary else ""
    figures = [charts.comparison_summary(summary, columns=columns) for columns in (4, 1)]
    return _drawn(
        [
            _picture(
                figures[0],
                f"A dot with its confidence interval for each {heading} and metric; the table has the numbers.",
                f"Mean and 95% confidence interval over seeds.{baseline} Arrows show which way is better.",
                figures[1],
            )
        ]
    )


def _losses(run: Run) -> Picture | None:
    band = "; bands reach from the lowest to the highest member" if len(run) > 1 else ""
    narrow = charts.loss_curves(run, columns=1) if len(charts.loss_terms(run)) > 1 else None
    caption = f"Every term by epoch, unweighted; the loss is their weighted sum{band}."
    return _picture(charts.loss_curves(run), loss_facts(run), caption, narrow)


def _reconstructions(run: Run, split: Split, name: str) -> Picture | None:
    shown = select_examples(split.labels, len(split.x), _SHOWN)
    return _picture(
        examples.reconstructions(run, split.x[shown], _condition(run, split, shown)),
        f"Examples of the {name} split above their reconstructions by {run.name}, clean and corrupted.",
        f"Reconstructions of the {name} split, clean and with Gaussian noise of standard deviation {NOISE.scale:g} "
        f"model units.{_member_of(run)}",
    )


def _codes(run: Run, split: Split, name: str) -> Picture | None:
    coloured = " coloured by label" if split.labels is not None else ""
    return _picture(
        charts.code_map(run, split.x, split.labels),
        f"Scatter plot of the codes of {run.name}{coloured}.",
        f"Codes of the {name} split in two dimensions.{_member_of(run)}",
    )


def _samples(run: Run, bounds: tuple[float, float] | None) -> Picture | None:
    condition = np.resize(np.array(run.data.classes), 30) if is_conditional(run) and run.data.classes else None
    figure = examples.prior_samples(run, condition, bounds=bounds)
    return _picture(figure, f"Samples of {run.name}.", f"Samples, decoded from latents of the prior.{_member_of(run)}")


def _filters(run: Run) -> Picture | None:
    return _picture(
        examples.first_layer_filters(run),
        f"Weights of the first layer of {run.name}, an image for each unit.",
        f"First-layer weights of the units with the largest norms.{_member_of(run)}",
    )


def _of_reconstruction(result: TaskResult, run: Run, dataset: Dataset, name: str) -> list[Picture | None]:
    return [_reconstructions(run, dataset.split(name), name)]


def _of_representation(result: TaskResult, run: Run, dataset: Dataset, name: str) -> list[Picture | None]:
    split = dataset.split(name)
    traversals = _picture(
        examples.latent_traversals(run, split.x, _condition(run, split)),
        f"Decoded examples of {run.name} as each unit of the code moves away from its mean.",
        "The units that vary most, each moved by up to two standard deviations from the mean code while the others "
        f"stay at their means.{_member_of(run)}",
    )
    return [_codes(run, split, name), traversals]


def _of_detection(result: TaskResult, run: Run, dataset: Dataset, name: str) -> list[Picture | None]:
    curves = _picture(
        charts.roc_and_pr(result.curves),
        "ROC and precision-recall curves of every score; the table has the areas below them.",
        f"Curves of every score and baseline; dotted lines are chance.{_member_of(run)}",
    )
    if result.scorer is None:
        return [curves]
    x = dataset.split(name).x
    scores = result.curves[f"{run.name}, {result.scorer.name}"].scores
    order = np.argsort(-scores, kind="stable")
    count = min(_EXTREMES, len(order) // 2)
    ends = np.concatenate([order[:count], order[len(order) - count :]])
    explained = result.scorer.explain(x[ends])
    explained = explained if run.single else explained[int(np.argmax(run.finite))]
    extremes = _picture(
        examples.anomalous_examples(x[ends], scores[ends], explained, count=count),
        "The examples with the highest and the lowest scores, and the contributions of their features.",
        f"Scores by {result.scorer.name}, the run's score with the highest ROC AUC, and the contributions of the "
        f"features.{_member_of(run)}",
    )
    return [curves, extremes]


def _of_retrieval(result: TaskResult, run: Run, dataset: Dataset, name: str) -> list[Picture | None]:
    split, train, member = dataset.split(name), dataset.train, select_member(run)
    queries = select_examples(split.labels, len(split.x), _QUERIES)
    rows = subsample(len(train.x), _DATABASE)
    k = min(_RESULTS, len(rows))
    codes = [
        np.asarray(member.encode(part.x[places], _condition(run, part, places))).reshape(len(places), -1)
        for part, places in ((split, queries), (train, rows))
    ]
    found = rows[search(*codes, k=k).indices]
    labels = (None, None)
    if split.labels is not None and train.labels is not None:
        labels = split.labels[queries], train.labels[found]
    return [
        _picture(
            examples.retrieved_examples(split.x[queries], train.x[found], *labels),
            "Queries beside the training examples with the nearest codes.",
            f"Queries of the {name} split and the training examples with the nearest codes (Euclidean); results of "
            f"another label are crossed out.{_member_of(run)}",
        )
    ]


def _of_denoising(result: TaskResult, run: Run, dataset: Dataset, name: str) -> list[Picture | None]:
    split = dataset.split(name)
    shown = select_examples(split.labels, len(split.x), 6)
    return [
        _picture(
            charts.denoising_gains(result.rows),
            "PSNR gain over the noisy input by noise level, a panel for each family of corruptions.",
            "PSNR gain of each method over the noisy input; below the dotted line the result is worse than the input.",
        ),
        _picture(
            examples.denoising_by_level(run, split.x[shown], _condition(run, split, shown)),
            f"Corrupted examples above the denoised ones of {run.name}, by corruption and level.",
            f"Corrupted examples and their denoised versions.{_member_of(run)}",
        ),
    ]


def _of_generation(result: TaskResult, run: Run, dataset: Dataset, name: str) -> list[Picture | None]:
    x = dataset.split(name).x
    return [_samples(run, (float(x.min()), float(x.max())))]


_OF_TASK: dict[str, Callable[[TaskResult, Run, Dataset, str], list[Picture | None]]] = {
    "reconstruction": _of_reconstruction,
    "representation": _of_representation,
    "anomaly": _of_detection,
    "retrieval": _of_retrieval,
    "denoising": _of_denoising,
    "generation": _of_generation,
    "likelihood": lambda *_: [],
    "summary": lambda *_: [],
}


def _condition(run: Run, split: Split, places: Any = slice(None)) -> np.ndarray | None:
    """The labels of some examples if the autoencoder is conditional."""
    return None if split.labels is None or not is_conditional(run) else split.labels[places]


def _picture(figure: Figure | None, alt: str, caption: str, narrow: Figure | None = None) -> Picture | None:
    return None if figure is None else Picture(figure, alt, caption, narrow)


def _drawn(pictures: Iterable[Picture | None]) -> list[Picture]:
    return [picture for picture in pictures if picture is not None]


def _member_of(run: Run) -> str:
    return "" if len(run) == 1 else f" Seed {select_member(run).seeds[0]}."
