"""The contract of objectives, and how an objective sums its terms: means over the batch, named and weighted."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import require_part, shown
from ae_jax.corruptions import Corruption
from ae_jax.errors import InvalidInput
from ae_jax.networks import Code, PartBuilder
from ae_jax.objectives.likelihoods import Likelihood
from ae_jax.objectives.penalties import Penalty
from ae_jax.schedules import value_at
from ae_jax.types import Batch, Key, Metrics, Weight


@runtime_checkable
class Objective(Protocol):
    """The quantity that training minimises: ``(model, key, batch, step) -> (loss, metrics)``.

    The loss is a scalar mean over the batch; metrics holds every term unweighted, under its own name. Subclass it to
    get the defaults of what most objectives do not need.

    Attributes:
      likelihood: the reconstruction loss and the meaning of the decoder's outputs.
      selection: the validation metric whose lowest value picks the best epoch; None keeps the latest epoch, as games
        of several players need it.
      uses_condition: whether the objective reads ``batch.condition`` itself, as a classifier does.
      bounds_evidence: whether the part ``prior``, where there is one, makes a bound of the evidence with the posterior
        that the encoder gives; None of objectives of which the networks decide that, by being stochastic or not.
      codes: number of values of each index, where codes are discrete; the part ``bottleneck`` then has
        ``indices(networks' code)``, ``[batch, *places, books]``.
      parts: name -> builder of each part that is trained beside the networks (a prior, a critic); none by default.
      uses_observed: whether values of an example may be missing, NaN in the data.
    """

    selection: ClassVar[str | None] = "loss"
    uses_condition: ClassVar[bool] = False
    bounds_evidence: ClassVar[bool | None] = None
    codes: ClassVar[int | None] = None

    @property
    def likelihood(self) -> Likelihood: ...

    @property
    def parts(self) -> Mapping[str, PartBuilder]:
        return {}

    @property
    def uses_observed(self) -> bool:
        return False

    def __call__(self, model: Any, key: Key, batch: Batch, step: Any) -> tuple[Float[Array, ""], Metrics]: ...


def require_components(
    owner: object, likelihood: Any, corruption: Any, penalties: Any, augmentation: Any = None
) -> tuple[Penalty, ...]:
    """Checks the components of an objective and returns its penalties as a tuple.

    Raises:
      InvalidInput: a component is not of its kind.
    """
    require_part(owner, Likelihood, "a likelihood, such as SquaredError()", likelihood=likelihood)
    if corruption is not None:
        require_part(owner, Corruption, "a corruption, such as Masking(), or None", corruption=corruption)
    if augmentation is not None:
        require_part(owner, Corruption, "a corruption, such as Binarisation(), or None", augmentation=augmentation)
    if not isinstance(penalties, (tuple, list)):
        raise InvalidInput(
            f"{type(owner).__name__} was given penalties={shown(penalties)}: expected a tuple, such as (L1(),)."
        )
    for place, penalty in enumerate(penalties):
        require_part(owner, Penalty, "a penalty, such as L1()", **{f"penalties[{place}]": penalty})
    return tuple(penalties)


def corrupt(key: Key, corruption: Corruption | None, batch: Batch) -> Batch:
    """The batch with its examples corrupted, or the batch itself where there is no corruption."""
    return batch if corruption is None else batch._replace(x=corruption(key, batch.x))


def mark_missing(batch: Batch) -> Batch:
    """The batch with zero where a value is missing (NaN), and with ``observed``, which says where none is.

    Example:
      >>> batch = mark_missing(Batch(jnp.array([[1.0, jnp.nan]])))
      >>> batch.x.tolist(), batch.observed.tolist()
      ([[1.0, 0.0]], [[True, False]])
    """
    observed = ~jnp.isnan(batch.x)
    return batch._replace(x=jnp.where(observed, batch.x, 0.0), observed=observed)


def weighted_sum(
    terms: Mapping[str, tuple[Weight, Float[Array, "..."]]], step: Any
) -> tuple[Float[Array, ""], Metrics]:
    """The loss and the metrics of named, weighted terms, each one value per example or one for the batch.

    Example:
      >>> loss, metrics = weighted_sum({"error": (1.0, jnp.array([1.0, 3.0])), "kl": (0.5, jnp.array(4.0))}, step=0)
      >>> float(loss), float(metrics["error"]), float(metrics["kl"])
      (4.0, 2.0, 4.0)
    """
    metrics = {name: jnp.mean(values) for name, (_, values) in terms.items()}
    weighted = [value_at(weight, step) * metrics[name] for name, (weight, _) in terms.items()]
    return jnp.sum(jnp.stack(weighted)), metrics


def penalty_terms(
    penalties: Sequence[Penalty], model: Any, key: Key, batch: Batch, code: Code
) -> dict[str, tuple[Weight, Array]]:
    """The terms that penalties add, given the batch that the encoder saw and the code that it returned.

    Raises:
      InvalidInput: two penalties of one name, of which the metrics could hold only one.
    """
    names = [penalty.name for penalty in penalties]
    if len(set(names)) < len(names):
        raise InvalidInput(f"an objective was given the penalties {', '.join(names)}: expected each name once.")
    keys = [jax.random.fold_in(key, position) for position in range(len(penalties))]
    return {p.name: (p.weight, p(model, k, batch, code)) for p, k in zip(penalties, keys, strict=True)}
