"""What a fit is asked for, checked before anything is compiled."""

import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

import jax
import numpy as np
from jax.sharding import Mesh

from ae_jax._checks import positive_whole, shown, size
from ae_jax.data import Dataset, from_arrays, require_unit_interval
from ae_jax.errors import InvalidInput, require_known
from ae_jax.models import Autoencoder
from ae_jax.training.mesh import MEMBER, Devices, accelerators_for, mesh_of
from ae_jax.training.population import members_at_once, room, stack
from ae_jax.training.step import OnDivergence

_PARAMETERS = 2**33
"""Of one member; in 32 bits, with gradient and two moments, they take 137 GB, more than any device has."""


class Plan(NamedTuple):
    """A population and how it is trained.

    Attributes:
      autoencoder: the members', stacked.
      seeds: of each member, ``[members]``.
      dataset: what they are trained on.
      epochs: at most.
      batch_size: examples in a step, at most the number of examples.
      patience: epochs without a lower validation loss, or None.
      on_divergence: what is done about a loss or a gradient that is not finite.
      single: one autoencoder and one seed were asked for, so that results have no member axis.
      mesh: the devices that it lies on, or None for one.
    """

    autoencoder: Autoencoder
    seeds: np.ndarray
    dataset: Dataset
    epochs: int
    batch_size: int
    patience: int | None
    on_divergence: OnDivergence
    single: bool
    mesh: Mesh | None = None


def plan(
    autoencoder: Autoencoder | Sequence[Autoencoder],
    data: Any,
    *,
    seeds: int | Sequence[int],
    epochs: int,
    batch_size: int,
    patience: int | None,
    on_divergence: Any = "stop",
    mesh: Devices | None = None,
) -> Plan:
    """Every combination of autoencoder and seed on the data, as :func:`ae_jax.fit` takes them.

    Raises:
      InvalidInput: something in it cannot be used.
    """
    dataset = data if isinstance(data, Dataset) else from_arrays(data, validation=0.0, test=0.0)
    choices, several = _choices(autoencoder)
    members, several_seeds = _seeds(seeds)
    epochs, batch_size = size("fit", "epochs", epochs), positive_whole("fit", "batch_size", batch_size)
    if patience is not None:
        patience = size("fit", "patience", patience)
        if not len(dataset.validation.x):
            raise InvalidInput(
                f"fit was given patience={patience} and no validation split: expected one to judge by; split the data, "
                "or drop the patience."
            )
    require_known("policy of divergence", on_divergence, get_args(OnDivergence))
    for choice in choices:
        if choice.objective.likelihood.unit_interval:
            require_unit_interval(*dataset.range, f"the Bernoulli likelihood of {choice.name}")
    population = stack([choice for choice in choices for _ in members])
    # Building the networks in the abstract finds those that do not fit the data, at no cost.
    params = jax.eval_shape(lambda: choices[0].init(dataset.shape, jax.random.key(0)))
    batch_size = min(batch_size, dataset.training_examples)
    parameters = _feasible(choices[0], params, epochs * -(-dataset.training_examples // batch_size))
    if mesh is None:
        mesh = _unasked(len(choices) * len(members), parameters)
    return Plan(
        autoencoder=population,
        seeds=np.array([seed for _ in choices for seed in members], np.uint32),
        dataset=dataset,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        on_divergence=on_divergence,
        single=not several and not several_seeds,
        mesh=mesh_of(mesh, members=len(choices) * len(members), batch_size=batch_size),
    )


def _unasked(members: int, parameters: int) -> Devices | None:
    """Members over accelerators, where the share of each is trained side by side: on a mesh nobody waits for a turn."""
    accelerators = accelerators_for(members)
    share = members // accelerators
    return {MEMBER: accelerators} if accelerators > 1 and members_at_once(share, parameters, room()) == share else None


def _feasible(autoencoder: Autoencoder, params: Any, steps: int) -> int:
    """How many parameters a member has; raises a sentence for what no device holds, and for more steps than counted."""
    if (count := sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))) >= _PARAMETERS:
        raise InvalidInput(
            f"{autoencoder.name} has {count:,} parameters: expected fewer than {_PARAMETERS:,}; choose smaller widths."
        )
    if steps >= 2**31:
        raise InvalidInput(f"fit was given epochs of {steps:,} steps together: expected fewer than 2**31.")
    return count


def _choices(autoencoder: Any) -> tuple[list[Autoencoder], bool]:
    several = isinstance(autoencoder, (list, tuple))
    choices = list(autoencoder) if several else [autoencoder]
    for choice in choices:
        if not isinstance(choice, Autoencoder):
            raise InvalidInput(
                f"fit was given {shown(choice)}: "
                "expected an autoencoder, such as ae_jax.contractive() with its parentheses."
            )
    return choices, several


def _seeds(seeds: Any) -> tuple[list[int], bool]:
    try:
        several = np.ndim(seeds) > 0
        numbers = [operator.index(seed) for seed in (seeds if several else [seeds])]
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"fit was given seeds={shown(seeds)}: expected whole numbers.") from error
    if not numbers:
        raise InvalidInput("fit was given no seeds: expected at least one.")
    for seed in numbers:
        if not 0 <= seed < 2**32:
            raise InvalidInput(f"fit was given the seed {shown(seed)}: expected an integer from 0 to 2**32 - 1.")
    if len(set(numbers)) < len(numbers):
        raise InvalidInput(
            f"fit was given the seeds {shown(numbers)}: expected each once, since twins tell nothing of chance."
        )
    return numbers, several
