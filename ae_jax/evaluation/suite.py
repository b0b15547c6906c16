"""All tasks by name, and one function that evaluates a run or a baseline on any of them."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ae_jax._checks import non_negative_whole
from ae_jax.data import Dataset
from ae_jax.errors import InvalidInput, require_known
from ae_jax.evaluation import tasks
from ae_jax.evaluation.anomaly import anomaly_task
from ae_jax.evaluation.baselines import Baseline
from ae_jax.evaluation.context import Context, Features
from ae_jax.evaluation.diagnosis import join_findings
from ae_jax.evaluation.labels import class_names
from ae_jax.evaluation.results import Evaluation, TaskResult
from ae_jax.evaluation.tasks import SUMMARY
from ae_jax.public import public
from ae_jax.training import Run

_FILLED = "Missing values count as the mean of their feature over the training split, as truth and as input."

_OWN_SPLITS = "Each member is evaluated on the split that it was trained on, which its seed drew."


class Task(NamedTuple):
    """A use of autoencoders that is evaluated.

    Attributes:
      run: evaluates it, or raises the reason why it cannot be evaluated.
      meaning: what it tells, as a question.
      headline: the metric that summarises it, the first of those that were measured.
      outputs: the outputs of subjects that it needs (:class:`ae_jax.evaluation.context.Subject`).
      by, over: the keys of rows that make a row of a table, and a table.
    """

    run: Callable[[Context], TaskResult]
    meaning: str
    headline: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    by: tuple[str, ...] = ("autoencoder",)
    over: tuple[str, ...] = ()


@public
def evaluate(
    evaluated: Run | Baseline,
    dataset: Dataset,
    tasks: str | Iterable[str] = "summary",
    *,
    split: str = "test",
    seed: int = 0,
    abnormal: Any = None,
    features: Features | None = None,
    features_name: str = "data",
    sampler: str = "prior",
) -> Evaluation:
    """Evaluates a run or a baseline on one or several tasks.

    ``"summary"`` has the few numbers that comparisons report, and what is wrong with members. Each other task has rows
    of its baselines too. A task that the run or the data do not allow has a result without rows, whose message says why
    and what to do. Rows of a member that diverged, or whose outputs are not finite and values NaN, say
    ``"finite": False``.

    Members that were trained on splits of their own (``resplit=True``) are each evaluated on the split of their seed,
    where the data have the size trained on and their splits were drawn at random; baselines are fitted to each of these
    splits, and their rows have its seed.

    Args:
      evaluated: a trained population, or a baseline such as :class:`ae_jax.evaluation.PCA`.
      dataset: the data; their shape and scaling are the run's. Probes, scores and searches learn from its training
        split.
      tasks: one name or several in :data:`TASKS`, or ``"all"``, every task but the summary.
      split: the split that is evaluated; results on the training split are too good, and messages say how.
      seed: of clusters, corruptions, hyperplanes, latents and samples.
      abnormal: for the anomaly task, the label or labels that count as abnormal; by default 1 where labels are 0 and
        1. Scores that need normal examples take those of the training split.
      features: for the generation task, maps examples in model units to rows of features, on which distances between
        samples and data are measured; by default their values. Only distances on the same features are comparable.
      features_name: what results call them.
      sampler: of the generation task: ``"prior"``, or one that :meth:`ae_jax.Run.sampler` fits to the training split.

    Returns:
      A result for each task; ``.findings`` and ``.rows`` are those of all of them, rows as
      ``{"autoencoder", "seed", "member", "metric", "value", "split"}`` with :data:`ae_jax.evaluation.METRICS` as
      metrics, where ``member`` is None of a baseline, and further keys: the numbers in which members differ, such as
      ``beta`` (:attr:`ae_jax.Run.swept`); ``score`` of the anomaly task;
      ``representation``, ``distance`` and ``k`` of retrieval; ``corruption``, ``level`` and ``trained_on`` of
      denoising; ``features``, ``samples``, ``sampler`` and ``examples`` of generation and likelihood.

    Raises:
      InvalidInput: an unknown task or label, a seed that is not a whole number below 2**32, an unknown or empty split,
        data of another shape or scaling than the run's, or features without a name.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> rows = evaluate(ae_jax.evaluation.PCA.fit(data, 16), data).rows
      >>> rows[1]["metric"], round(rows[1]["value"], 4)
      ('mse', 0.0117)
    """
    names = list(dict.fromkeys(_several(tasks)))
    names = [name for name in TASKS if name != SUMMARY] if names == ["all"] else names
    for name in names:
        require_known("task", name, [*TASKS, "all"])
    if (features is None) != (features_name == "data"):
        raise InvalidInput(
            f"the generation task was given features={features} called {features_name!r}: expected both, or neither; "
            "name the features, as only distances on the same features are comparable."
        )
    non_negative_whole("evaluate", "seed", seed)
    if seed >= 2**32:
        raise InvalidInput(f"evaluate was given seed={seed}: expected a whole number below 2**32.")
    how = {
        "split": split,
        "seed": seed,
        "abnormal": None if abnormal is None else _several(abnormal),
        "features": features,
        "features_name": features_name,
        "sampler": sampler,
        "outputs": frozenset(output for name in names for output in TASKS[name].outputs),
    }
    whole = dataset.filled()
    if isinstance(evaluated, Baseline) or not evaluated.has_own_splits(whole):
        found = _results(Context(evaluated=evaluated, dataset=whole, **how), names)
    else:
        found = _of_own_splits(evaluated, whole, names, how)
    swept = {} if isinstance(evaluated, Baseline) else evaluated.swept
    for row in found.rows:
        if row["member"] is not None:
            row |= {name: values[row["member"]] for name, values in swept.items()}
    filled = (_FILLED,) * dataset.has_missing
    return Evaluation(one._replace(messages=(*filled, *one.messages)) for one in found)


def _of_own_splits(run: Run, dataset: Dataset, names: Iterable[str], how: dict[str, Any]) -> Evaluation:
    """The results of members that were trained on splits of their own, each on the split of its seed."""
    seeds, found = list(dict.fromkeys(run.seeds.tolist())), []
    parts = [np.flatnonzero(run.seeds == own).tolist() for own in seeds]
    for own, members in zip(seeds, parts, strict=True):
        part = run if len(members) == len(run) else run[members]
        context = Context(evaluated=part, dataset=part.own_split(dataset), members=members, split_seed=own, **how)
        found.append(_results(context, names))
    return Evaluation(_joined(run, parts, results) for results in zip(*found, strict=True))


def evaluate_baseline(
    fit: Callable[[Dataset], Baseline], dataset: Dataset, seeds: Iterable[int] | None = None
) -> Evaluation:
    """Evaluates a baseline by the summary, fitted to the training split or, given seeds, to that of each seed's split.

    Args:
      fit: makes the baseline of a data set.
      dataset: the data.
      seeds: of the splits (:meth:`ae_jax.data.Dataset.resplit`), which the rows have as theirs.

    Example:
      >>> import ae_jax
      >>> found = evaluate_baseline(lambda data: ae_jax.evaluation.PCA.fit(data, 16), ae_jax.data.digits(), [0, 1])
      >>> [(row["seed"], round(row["value"], 4)) for row in found.rows if row["metric"] == "mse"]
      [(0, 0.0117), (1, 0.0115)]
    """
    dataset = dataset.filled()
    splits = [(None, dataset)] if seeds is None else [(seed, dataset.resplit(seed)) for seed in seeds]
    outputs = frozenset(TASKS[SUMMARY].outputs)
    contexts = [Context(evaluated=fit(data), dataset=data, outputs=outputs, split_seed=seed) for seed, data in splits]
    return Evaluation(map(tasks.summary_task, contexts))


def _results(context: Context, names: Iterable[str]) -> Evaluation:
    labels = context.part.labels, context.dataset.train.labels
    known = [names for names in map(class_names, labels) if names is not None]
    if context.abnormal is not None and known:
        context.abnormal_names(np.unique(np.concatenate(known)))
    results = []
    for name in names:
        try:
            results.append(TASKS[name].run(context))
        except InvalidInput as error:
            results.append(TaskResult(name, [], (f"The task {name} could not be evaluated: {error}",)))
    return Evaluation(results)


def _joined(run: Run, parts: list[list[int]], results: tuple[TaskResult, ...]) -> TaskResult:
    """The result of a task from those of parts of a run, with the curves of the first member that stayed finite."""
    shown = next(place for place, members in enumerate(parts) if np.argmax(run.finite) in members)
    messages = dict.fromkeys(message for result in results for message in result.messages)
    return results[shown]._replace(
        rows=[row for result in results for row in result.rows],
        messages=(_OWN_SPLITS, *messages),
        findings=join_findings(run, zip(parts, [result.findings for result in results], strict=True)),
        examples=[values for result in results for values in result.examples],
    )


def _several(given: Any) -> tuple[Any, ...]:
    return (given,) if isinstance(given, (str, bytes)) or not isinstance(given, Iterable) else tuple(given)


TASKS: dict[str, Task] = {
    SUMMARY: Task(
        tasks.summary_task,
        "What do comparisons report?",
        ("mse",),
        ("code", "reconstruction", "denoised", "jacobian_norm"),
    ),
    "reconstruction": Task(
        tasks.reconstruction_task, "How well are examples reconstructed?", ("psnr",), ("code", "reconstruction")
    ),
    "representation": Task(
        tasks.representation_task,
        "What do the codes know, and how are they used?",
        ("knn_accuracy", "trustworthiness", "relative_jacobian"),
        ("code", "jacobian_norm"),
    ),
    "anomaly": Task(
        anomaly_task, "Do scores tell abnormal from normal examples?", ("roc_auc",), by=("autoencoder", "score")
    ),
    "retrieval": Task(
        tasks.retrieval_task,
        "Do nearest neighbours have the label of the query?",
        ("map_at_k",),
        ("code",),
        by=("representation", "distance"),
    ),
    "denoising": Task(
        tasks.denoising_task,
        "How much of the clean example is restored from a corrupted one?",
        ("psnr_gain",),
        ("code",),
        by=("autoencoder", "trained_on"),
        over=("corruption", "level"),
    ),
    "generation": Task(tasks.generation_task, "Are samples like the data?", ("frechet_distance",)),
    "likelihood": Task(tasks.likelihood_task, "How probable are the data?", ("log_likelihood",)),
}
"""Every task by its name."""
