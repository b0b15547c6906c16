"""Classification by the code: what fine-tuning minimises."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ae_jax import losses
from ae_jax._checks import size
from ae_jax.components import component, static
from ae_jax.errors import InvalidInput
from ae_jax.networks import PartBuilder, deterministic
from ae_jax.objectives.base import Objective
from ae_jax.objectives.likelihoods import Likelihood, SquaredError
from ae_jax.types import Batch, Key, Metrics, Shape


@component
class SoftmaxHead:
    """A softmax layer on the code that starts at zero: a part of a model, called with codes for logits."""

    classes: int = static()

    def __call__(self, networks: Any, shape: Shape, code: Shape, rngs: nnx.Rngs) -> nnx.Module:
        zeros, width = nnx.initializers.zeros_init(), math.prod(code)
        return nnx.Linear(width, self.classes, kernel_init=zeros, rngs=rngs)


@component
class Classification(Objective):
    r"""Negative log-likelihood of each example's class by a softmax layer on its code, in nats.

    .. math:: -\log \mathrm{softmax}(W^\top h(x) + b)_y

    The class numbers are the condition of the batch.

    Attributes:
      classes: how many classes there are.
      likelihood: of the networks' decoder, which is not trained.

    Example:
      >>> Classification(classes=10).parts["head"].classes
      10

    References:
      Hinton and Salakhutdinov, *Reducing the dimensionality of data with neural networks*, Science 2006.
    """

    selection: ClassVar[str | None] = "error"
    uses_condition: ClassVar[bool] = True
    classes: int = static(default=10)
    likelihood: Likelihood = SquaredError()

    def __post_init__(self) -> None:
        size(self, "classes", self.classes)

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        """The softmax layer."""
        return {"head": SoftmaxHead(classes=self.classes)}

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]:
        if batch.condition is None:
            raise InvalidInput("Classification was given a batch without classes: expected one for each example.")
        logits = class_logits(model, batch.x)
        nll = jnp.mean(losses.categorical_nll(logits, batch.condition))
        error = jnp.mean(jnp.argmax(logits, axis=-1) != batch.condition, dtype=nll.dtype)
        return nll, {"categorical_nll": nll, "error": error}


def class_logits(model: Any, x: Float[Array, "batch *shape"]) -> Float[Array, "batch classes"]:
    """Unnormalised log-probabilities of the classes by the code of each example, in model units."""
    code = deterministic(model.encode(x))
    return model.head(code.reshape(len(code), -1))
