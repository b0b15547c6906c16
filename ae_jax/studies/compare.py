"""The main job: several autoencoders on one data set, evaluated alike, beside raw data and PCA."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ae_jax.components import to_config
from ae_jax.data import Dataset, from_arrays
from ae_jax.errors import InvalidInput
from ae_jax.evaluation import PCA, Baseline, Identity, evaluate_baseline
from ae_jax.models import Autoencoder
from ae_jax.networks import code_shape
from ae_jax.public import public
from ae_jax.studies.study_results import StudyResults, redraws, run_study
from ae_jax.studies.suited import suited
from ae_jax.training import TrainConfig

DEFAULT_AUTOENCODERS = ("undercomplete", "sparse", "contractive", "denoising", "convolutional", "variational")
"""Names of the autoencoders that are compared by default."""


@dataclasses.dataclass(kw_only=True, repr=False)
class Comparison(StudyResults):
    """Trained runs by the autoencoder's name, and their results with those of PCA."""

    def results(self) -> dict[str, Any]:
        """Returns everything but the parameters, ready for JSON."""
        autoencoders = {name: to_config(run.members[0]) for name, run in self.runs.items()}
        return {"study": "compare", "autoencoders": autoencoders, **super().results()}


def default_autoencoders(dataset: Dataset) -> tuple[list[Autoencoder], list[str]]:
    """Builds the autoencoders that are compared by default, and a sentence for each one left out or changed.

    Example:
      >>> from ae_jax.data import digits
      >>> [autoencoder.name for autoencoder in default_autoencoders(digits())[0]][:2]
      ['undercomplete', 'sparse']
    """
    names, messages = list(DEFAULT_AUTOENCODERS), []
    if len(dataset.shape) not in (2, 3):
        names.remove("convolutional")
        messages.append(f"convolutional is left out: examples of shape {dataset.shape} are no images.")
    built = [suited(name, dataset) for name in names]
    return [autoencoder for autoencoder, _ in built], messages + [sentence for _, said in built for sentence in said]


@public
def compare(
    data: Any,
    autoencoders: Autoencoder | str | Sequence[Autoencoder | str] | None = None,
    config: TrainConfig | None = None,
    *,
    messages: Sequence[str] = (),
    seeds: int | Sequence[int] = (0, 1, 2, 3, 4),
    **training: Any,
) -> Comparison:
    """Trains autoencoders over the same seeds and evaluates each alike on the test split.

    Where the splits of the data were drawn at random, each seed has a split of its own, unless ``resplit=False``: then
    results vary over seeds with the split, the initialisation, the batches and the noise together, and baselines have
    a result for each seed too. Official splits stay. The record says what varied.

    Args:
      data: a :class:`ae_jax.data.Dataset`, or an array of examples, split by :func:`ae_jax.data.from_arrays`.
      autoencoders: one or several of different names, or names; by default those of :data:`DEFAULT_AUTOENCODERS` that
        fit the data.
      config: the settings of training; None for the defaults.
      messages: further sentences for a reader of the results.
      seeds: of the members.
      training: further arguments of :func:`ae_jax.fit`; ``resume`` repeats nothing that was trained or evaluated.

    Returns:
      The runs, their rows below those of baselines, and the record. Baselines are the raw data (``raw``, accuracies by
      label alone) and PCA of each code size: ``pca`` of the smallest, ``pca-K`` of others.

    Raises:
      InvalidInput: as in :func:`ae_jax.fit`, or two autoencoders of one name.
      TrainingInterrupted: Ctrl-C or SIGTERM; its ``run`` is the comparison so far.
    """
    dataset = data if isinstance(data, Dataset) else from_arrays(data)
    autoencoders = [autoencoders] if isinstance(autoencoders, (Autoencoder, str)) else autoencoders
    seeds = [seeds] if isinstance(seeds, (int, np.integer)) else seeds
    chosen: list[Autoencoder] = []
    said: list[str] = []
    if autoencoders is None:
        chosen, said = default_autoencoders(dataset)
    for choice in () if autoencoders is None else autoencoders:
        autoencoder, sentences = (choice, []) if isinstance(choice, Autoencoder) else suited(choice, dataset)
        chosen.append(autoencoder)
        said += sentences
    names = [autoencoder.name for autoencoder in chosen]
    if len(set(names)) < len(names) or not names:
        raise InvalidInput(f"compare was given the autoencoders {', '.join(names)}: expected each name once.")
    study = Comparison(dataset=dataset, messages=[*messages, *said])
    own = seeds if redraws(dataset, config, training) else None
    for fit in _baselines(dataset, chosen):
        found = evaluate_baseline(fit, dataset, own)
        study.rows += found.rows
        study.examples += found.examples
    return run_study(study, {autoencoder.name: autoencoder for autoencoder in chosen}, config, seeds=seeds, **training)


def _baselines(dataset: Dataset, autoencoders: Sequence[Autoencoder]) -> list[Callable[[Dataset], Baseline]]:
    """Raw data, and PCA of each size of a code, or with as many components as there are."""
    most = min(len(dataset.train.x), math.prod(dataset.shape))
    sizes = sorted({min(math.prod(code_shape(each.networks)), most) for each in autoencoders})
    pca = [partial(PCA.fit, code=size, name=f"pca-{size}" if place else "pca") for place, size in enumerate(sizes)]
    return [lambda data: Identity(data.shape), *pca]
