"""A classifier that was made of an encoder: what it names, and how it learned to."""

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from ae_jax.data import as_labels
from ae_jax.data.scaling import Scaling
from ae_jax.models import Autoencoder
from ae_jax.networks import deterministic
from ae_jax.training.run import Run
from ae_jax.training.run_folder import History


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Classifier:
    """A population of classifiers, each a softmax layer on an encoder's code.

    Of a single run it is a single classifier, and results have no member axis.

    Attributes:
      run: the encoders as they were trained for this, with the decoders that they came with (a tied decoder has the
        encoder's new kernels); ``run.encode`` gives the codes that the classes are told by. Its history, best epochs,
        settings and record are those of the training before.
      head: each member's softmax layer, ``kernel`` ``[members, code, classes]`` and ``bias`` ``[members, classes]``.
      classes: what is told apart, sorted, ``[classes]``.
      history: split -> ``categorical_nll`` (nats) or ``error`` (a fraction) -> ``[members, epochs]``, NaN after a
        member stopped; of training, means over the steps of an epoch.
      best_epoch: whose parameters are kept, from 1, ``[members]``; 0 where no epoch was finite.
      finite: false for members whose training met a value that was not finite, ``[members]``.
    """

    run: Run
    head: dict[str, Any]
    classes: np.ndarray
    history: History
    best_epoch: np.ndarray
    finite: np.ndarray

    def __repr__(self) -> str:
        return f"Classifier({self.run.name}, classes={len(self.classes)}, best_epoch={self.best_epoch.tolist()})"

    def probabilities(self, x: Any) -> np.ndarray:
        """How probable each class is for each example.

        Args:
          x: examples in the units trained on, ``[n, *shape]``.

        Returns:
          ``[n, classes]``, with a leading member axis unless the run is single.

        Raises:
          InvalidInput: another shape or range than trained on, no numbers, NaN or infinity.
        """
        return self.run.apply(_probabilities, self.run.data.raw(x), per_member=self.head)

    def predict(self, x: Any) -> np.ndarray:
        """The most probable class of each example, ``[n]``; Args and Raises as of :meth:`probabilities`."""
        return self.classes[np.argmax(self.probabilities(x), axis=-1)]

    def error(self, x: Any, labels: Any) -> np.ndarray | np.float64:
        """The fraction of examples that are given another class than their label.

        Args:
          x: examples in the units trained on, ``[n, *shape]``.
          labels: the class of each, ``[n]``; one that was not trained on is an error.

        Returns:
          ``[members]``, or one number of a single run.

        Raises:
          InvalidInput: as of :meth:`probabilities`, or another number of labels than examples.
        """
        predicted = self.predict(x)
        return np.mean(predicted != as_labels(labels, predicted.shape[-1]), axis=-1)


def logits_of(networks: Any, head: dict[str, Any], x: Float[Array, "batch *shape"]) -> Float[Array, "batch classes"]:
    """Unnormalised log-probabilities of the classes by the code of each example, in model units."""
    return deterministic(networks.encode(x)) @ head["kernel"] + head["bias"][None]


def _probabilities(autoencoder: Autoencoder, networks: Any, scaling: Scaling, head: dict[str, Any], stored: Any) -> Any:
    return jax.nn.softmax(logits_of(networks, head, scaling(stored)))
