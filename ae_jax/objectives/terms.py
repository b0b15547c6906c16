"""How an objective puts its terms together: means over the batch, named, and their weighted sum."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ae_jax._checks import require_part, shown
from ae_jax.corruptions import Corruption
from ae_jax.errors import InvalidInput
from ae_jax.networks import Code, Networks
from ae_jax.objectives.likelihoods import Likelihood
from ae_jax.objectives.penalties import Penalty
from ae_jax.schedules import value_at
from ae_jax.types import Key, Metrics, Weight


@runtime_checkable
class Objective(Protocol):
    """What training minimises: ``(networks, key, x, step) -> (loss, metrics)``.

    The loss is a scalar mean over the batch; metrics holds every term unweighted, under its own name.
    """

    @property
    def likelihood(self) -> Likelihood: ...

    def __call__(
        self, networks: Networks, key: Key, x: Float[Array, "batch *features"], step: Any
    ) -> tuple[Float[Array, ""], Metrics]: ...


def require_parts(
    owner: object, likelihood: Any, corruption: Any, penalties: Any, augmentation: Any = None
) -> tuple[Penalty, ...]:
    """The penalties of an objective as a tuple, where all of its parts are of their kinds.

    Raises:
      InvalidInput: one is not.
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


def weighted_sum(
    terms: Mapping[str, tuple[Weight, Float[Array, "..."]]], step: Any
) -> tuple[Float[Array, ""], Metrics]:
    """The loss and the metrics of named, weighted terms, each one value for each example or one for the batch.

    Example:
      >>> loss, metrics = weighted_sum({"error": (1.0, jnp.array([1.0, 3.0])), "kl": (0.5, jnp.array(4.0))}, step=0)
      >>> float(loss), float(metrics["error"]), float(metrics["kl"])
      (4.0, 2.0, 4.0)
    """
    metrics = {name: jnp.mean(values) for name, (_, values) in terms.items()}
    weighted = [value_at(weight, step) * metrics[name] for name, (weight, _) in terms.items()]
    return jnp.sum(jnp.stack(weighted)), metrics


def penalty_terms(
    penalties: Sequence[Penalty], networks: Networks, key: Key, x: Float[Array, "batch *features"], code: Code
) -> dict[str, tuple[Weight, Array]]:
    """The terms that penalties add, given what the encoder saw and made of it.

    Raises:
      InvalidInput: two penalties of one name, of which the metrics could hold only one.
    """
    names = [penalty.name for penalty in penalties]
    if len(set(names)) < len(names):
        raise InvalidInput(f"an objective was given the penalties {', '.join(names)}: expected each name once.")
    keys = [jax.random.fold_in(key, position) for position in range(len(penalties))]
    return {p.name: (p.weight, p(networks, k, x, code)) for p, k in zip(penalties, keys, strict=True)}
