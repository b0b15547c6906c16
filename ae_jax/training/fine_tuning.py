"""Supervised fine-tuning: a softmax layer on an encoder's code, trained together with the encoder."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ae_jax._checks import size
from ae_jax.data import Dataset, Scaling, Split, as_labels
from ae_jax.data.spec import Label
from ae_jax.data.splits import balanced_rows
from ae_jax.errors import InvalidInput
from ae_jax.models import Autoencoder
from ae_jax.networks import code_shape
from ae_jax.objectives import Classification
from ae_jax.objectives.classification import class_logits
from ae_jax.optimizers import Optimizer
from ae_jax.training.callbacks import Callback
from ae_jax.training.config import TrainConfig
from ae_jax.training.fit import train
from ae_jax.training.loop import Start
from ae_jax.training.plan import plan
from ae_jax.training.population import stack
from ae_jax.training.run import Run

GRADIENT_DESCENT = Optimizer(rule="sgd", learning_rate=0.1)
"""Plain stochastic gradient descent, with which the papers fine-tune."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classifier:
    """A population of classifiers, each a softmax layer on an encoder's code.

    Of a single run it is a single classifier, and results have no member axis.

    Attributes:
      run: the trained networks and softmax layers; ``run.encode`` gives the codes, and ``run.history`` has the terms
        ``categorical_nll`` (nats) and ``error`` (a fraction).
      classes: the sorted labels, ``[classes]``.
    """

    run: Run
    classes: tuple[Label, ...]

    def probabilities(self, x: Any) -> np.ndarray:
        """The probability of each class for each example.

        Args:
          x: examples in the units trained on, ``[n, *shape]``.

        Returns:
          ``[n, classes]``, with a leading member axis unless the run is single.

        Raises:
          InvalidInput: another shape or range than trained on, no numbers, NaN or infinity.
        """
        return self.run.apply(_probabilities, self.run.data.raw(x))

    def predict(self, x: Any) -> np.ndarray:
        """The most probable class of each example, ``[n]``; Args and Raises as of :meth:`probabilities`."""
        return np.asarray(self.classes)[np.argmax(self.probabilities(x), axis=-1)]

    def error(self, x: Any, labels: Any) -> np.ndarray | np.float64:
        """The fraction of examples whose predicted class is not their label.

        Args:
          x: examples in the units trained on, ``[n, *shape]``.
          labels: the class of each, ``[n]``; a class that was not trained on counts as an error.

        Returns:
          ``[members]``, or one number of a single run.

        Raises:
          InvalidInput: as of :meth:`probabilities`, or another number of labels than examples.
        """
        predicted = self.predict(x)
        return np.mean(predicted != as_labels(labels, predicted.shape[-1]), axis=-1)


def fine_tune(
    run: Run,
    data: Dataset,
    config: TrainConfig | None = None,
    *,
    optimizer: Any = GRADIENT_DESCENT,
    labels: int | None = None,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> Classifier:
    r"""Trains classifiers that start from a run's encoders, by which pre-training is judged.

    .. math:: \min_{\theta, W, b} \; -\frac{1}{B} \sum_b \log \mathrm{softmax}(W^\top h_\theta(x_b) + b)_{y_b}

    Each member starts from its encoder and a softmax layer of zeros, sees the batches of its seed, and keeps the
    parameters of the epoch with the lowest validation error, the first of several; without a validation split, the
    latest. From an untrained run (:func:`ae_jax.training.untrained`) this is supervised training alone.

    Args:
      run: its encoders are trained on; of a stochastic encoder, the posterior mean.
      data: with labels, in the units that the run was trained on; validation labels, where there are any, choose the
        epoch.
      config: the settings; None for 50 epochs and the defaults of :class:`ae_jax.training.TrainConfig`.
      optimizer: of encoder and softmax layer alike; the decoder has no gradient.
      labels: number of training examples used; each member draws its own by
        :func:`ae_jax.data.splits.balanced_rows` and its seed. None uses all.
      callbacks: called as the training proceeds.
      settings: fields of the configuration that replace those of ``config``.

    Returns:
      The classifiers, one for each member.

    Raises:
      InvalidInput: no labels, or of one class; streamed data; examples that the run was not trained for; a validation
        label that no training example has; a patience without a validation split; fewer labels than classes, or more
        than examples; a conditional run.
      TrainingDiverged: a loss turned NaN or infinite in every member; some members only are a warning.

    Example:
      >>> import ae_jax
      >>> data = ae_jax.data.digits()
      >>> run = ae_jax.fit(ae_jax.undercomplete(code=8, hidden=()), data, epochs=1)
      >>> classifier = fine_tune(run, data, epochs=10)
      >>> bool(classifier.error(data.test.x, data.test.labels) < 0.25), classifier.predict(data.test.x).shape
      (True, (359,))

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006;
      Rifai et al., *Contractive auto-encoders: explicit invariance during feature extraction*, ICML 2011, section 5.
    """
    config = (config or TrainConfig(epochs=50)).with_settings(settings)
    dataset = _labelled(run, data)
    classes: Any = dataset.classes
    subsets = None
    if labels is not None:
        count = size("fine_tune", "labels", labels)
        given: Any = dataset.train.labels
        chosen = [balanced_rows(given, count, seed=int(seed)) for seed in run.seeds]
        subsets = np.stack(chosen).astype(np.int32)
        config = dataclasses.replace(config, batch_size=min(config.batch_size, count))
    members = [
        dataclasses.replace(
            member,
            objective=Classification(classes=len(classes), likelihood=member.objective.likelihood),
            optimizer=optimizer,
        )
        for member in run.members
    ]
    planned = plan(members[0], dataset, config, seeds=int(run.seeds[0]))
    planned = planned._replace(autoencoder=stack(members), seeds=run.seeds, single=run.single, subsets=subsets)
    trained = train(planned, _start(run, len(classes)), callbacks=callbacks)
    return Classifier(run=trained, classes=classes)


def _labelled(run: Run, data: Dataset) -> Dataset:
    """The labelled examples in the run's scaling; raises if the data or the run cannot be used."""
    if data.stream is not None:
        raise InvalidInput(f"{data.name} is streamed: expected data in memory; raise the device budget.")
    if run.autoencoder.conditional:
        raise InvalidInput(f"{run.name} is conditional: expected a run whose encoder sees the examples alone.")
    if data.train.labels is None:
        raise InvalidInput(f"{data.name} has no labels: expected the class of each example to fine-tune on.")
    if data.classes is None or len(data.classes) < 2:
        raise InvalidInput(f"{data.name} has labels of fewer than two classes: expected at least two.")

    def converted(name: str, split: Split) -> Split:
        usable = len(split.x) and split.labels is not None
        return Split(run.data.raw(split.x, f"the {name} split of {data.name}"), split.labels) if usable else split

    validation = data.validation
    if validation.labels is None:
        validation = Split(validation.x[:0], data.train.labels[:0])
    return Dataset(
        name=data.name,
        train=converted("train", data.train),
        validation=converted("validation", validation),
        test=data.test._replace(x=data.test.x[:0], labels=None if data.test.labels is None else data.test.labels[:0]),
        scaling=run.scaling,
        columns=data.columns,
    )


def _start(run: Run, classes: int) -> Start:
    """The run's networks, with softmax layers of zeros."""
    width = math.prod(code_shape(run.autoencoder.networks))
    head = {"kernel": jnp.zeros((len(run), width, classes)), "bias": jnp.zeros((len(run), classes))}
    state = {"networks": run.state["networks"]} if "networks" in run.state else {}
    return Start({"networks": run.params["networks"], "head": head}, state)


def _probabilities(autoencoder: Autoencoder, model: Any, scaling: Scaling, raw: Any) -> Any:
    return jax.nn.softmax(class_logits(model, scaling(raw)))
