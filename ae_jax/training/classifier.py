"""A classifier on the code of an encoder."""

import dataclasses
from typing import Any

import jax
import numpy as np

from ae_jax.data import Scaling, as_labels
from ae_jax.data.spec import Label
from ae_jax.models import Autoencoder
from ae_jax.objectives.classification import class_logits
from ae_jax.training.run import Run


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


def _probabilities(autoencoder: Autoencoder, model: Any, scaling: Scaling, raw: Any) -> Any:
    return jax.nn.softmax(class_logits(model, scaling(raw)))
